"""`run`: families on an equal budget, the best kept, trained on, measured and reported."""
