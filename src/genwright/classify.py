"""Classify by Bayes' rule, P(y|x) = P(x|y) P(y) / P(x), with any family that has a density."""

import time
from typing import Self

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from genwright.errors import DataError, UnsupportedError
from genwright.families.family import Density, Family, Work
from genwright.families.mixture import Mixture
from genwright.spaces import Encoded, Given, Reals
from genwright.train.fit import fit_family

HELD_OUT_EVERY = 10  # one row in ten of each class decides when to stop
FEWEST = 20  # rows of a class below which all of them serve both purposes


class Classifier(ClassifierMixin, BaseEstimator):
    """One density per class, compared by Bayes' rule (Duda, Hart & Stork 2001, eq. 2.1).

    `family` is any with an exact density or a bound (default: a Gaussian mixture); each class's density gets an equal
    share of `minutes`, or `steps` each. Features are standardised first; densities are in the units of X.

    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = Classifier(Mixture(components=1), steps=5).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.95
    True
    """

    def __init__(
        self, family: Family | None = None, *, minutes: float | None = None, steps: int | None = None, seed: int = 0
    ) -> None:
        self.family = family
        self.minutes = minutes
        self.steps = steps
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit P(x|y) for each class and P(y). X: (n, features) numbers; y: (n,) labels."""
        X, y = validate_data(self, X, y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError("all labels are the same", where="y", hint="a classifier needs at least two classes")
        family = self.family or Mixture()
        if family.density is Density.ABSENT:
            raise UnsupportedError(f"{family.name} has no density to classify with", hint="try Mixture or VAE")
        self.mean_, self.scale_ = X.mean(0), np.maximum(X.std(0), 1e-12)
        self.log_prior_ = np.log(np.bincount(codes) / len(codes))
        self.fitted_ = [self._fit_class(family, X[codes == k]) for k in range(len(self.classes_))]
        return self

    def log_joint(self, X: np.ndarray) -> np.ndarray:
        """log P(x, y) in nats for every class, shape (n, classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        z = torch.tensor((X - self.mean_) / self.scale_, dtype=torch.float32)
        columns = []
        for fitted in self.fitted_:
            rng = torch.Generator().manual_seed(self.seed)
            with torch.no_grad():
                columns.append(fitted.family.log_prob(fitted.net, z, None, rng).double().numpy())
        return np.stack(columns, axis=1) - np.log(self.scale_).sum() + self.log_prior_

    def log_density(self, X: np.ndarray) -> np.ndarray:
        """log P(x) in nats, shape (n,): low where x is unlike anything seen."""
        return logsumexp(self.log_joint(X), axis=1)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """P(y|x), shape (n, classes)."""
        joint = self.log_joint(X)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each row."""
        return self.classes_[self.log_joint(X).argmax(1)]

    def sample(self, n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """n new (x, y) pairs from P(x, y): X of shape (n, features) and y of shape (n,)."""
        check_is_fitted(self)
        rng = torch.Generator().manual_seed(seed)
        codes = np.random.default_rng(seed).choice(len(self.classes_), size=n, p=np.exp(self.log_prior_))
        x = np.zeros((n, self.n_features_in_))
        for k, fitted in enumerate(self.fitted_):
            rows = codes == k
            if rows.any():
                with torch.no_grad():
                    x[rows] = fitted.family.sample(fitted.net, int(rows.sum()), Given(), rng).double().numpy()
        return x * self.scale_ + self.mean_, self.classes_[codes]

    def _fit_class(self, family: Family, x: np.ndarray):
        z = torch.tensor((x - self.mean_) / self.scale_, dtype=torch.float32)
        z = z[torch.randperm(len(z), generator=torch.Generator().manual_seed(self.seed))]
        held_out = torch.arange(len(z)) % HELD_OUT_EVERY == 0
        train, valid = (z, z) if len(z) < FEWEST else (z[~held_out], z[held_out])
        minutes = None if self.minutes is None else self.minutes / len(self.classes_)
        steps = self.steps if self.minutes is not None or self.steps is not None else 200
        return fit_family(
            family,
            Reals((x.shape[1],)),
            None,
            Encoded(train),
            Encoded(valid),
            work=Work(rows=len(train), minutes=minutes, steps=steps),
            seed=self.seed,
            started=time.monotonic(),
            device=torch.device("cpu"),
        )
