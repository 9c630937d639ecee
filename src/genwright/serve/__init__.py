"""HTTP: one service for generators of every kind, and the guard that other servers share with it."""
