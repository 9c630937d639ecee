"""Differentially private stochastic gradient descent: clipped gradients of single rows, summed with noise."""
