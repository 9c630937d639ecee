"""Models: a family with its codec and what stands around it, fitted, sampled, saved and loaded."""
