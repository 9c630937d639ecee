"""Classifiers and regressors from densities, as scikit-learn estimators."""
