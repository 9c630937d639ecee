"""Classify by densities: P(y | x) is proportional to p(x, y), one density for each class or one for all."""

from collections.abc import Collection
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.special import logsumexp
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from genwright.errors import ArgumentError, UnsupportedError
from genwright.estimators.correction import Correction
from genwright.estimators.density import Learned, Yardstick, check_density, hold_out, learn, of_rows, takes
from genwright.estimators.features import Coded, Features, Standardised, Table
from genwright.estimators.parameters import FamilyParameters
from genwright.estimators.targets import NAME
from genwright.estimators.validation import is_numeric, labels_of, table_of, weighted_rows
from genwright.families.capabilities import check
from genwright.families.family import Family
from genwright.families.mixture import Mixture
from genwright.families.tree import TreeMixture
from genwright.randomness import checked_seed
from genwright.spaces import Columns, Discrete, Reals
from genwright.train.limits import checked_count

WAYS = ("auto", "per class", "joint")
CORRECTION = 0.1  # strength of the correction where not all rows are labelled, unless told otherwise


class Classifier(ClassifierMixin, FamilyParameters):
    """A classifier from any family with a density, by Bayes' rule (Duda, Hart & Stork 2001, eq. 2.1).

    `X` is a matrix of numbers or a DataFrame of any columns that tables have; missing entries are marginalised, except
    in `keep_missing` columns, where they are a value of their own. Rows whose label is NaN, None or `unlabelled` teach
    the joint density what x looks like. `density`: "per class" fits p(x|y) for each class, "joint" one p(x, y) in
    which the label is a column; "auto" is per class where all features are complete numbers, all rows are labelled
    and the family takes arrays, else joint. `family` is a Gaussian mixture then, else a TreeMixture, unless given.
    `correction` is the strength of a penalised logistic regression on labelled rows that takes up where the density's
    posterior ends, 0 for none; None takes .1 where there are unlabelled rows, else none. It changes P(y|x) only: p(x)
    and samples are those of the density. `minutes`, or `steps` of each density, bound the work.

    >>> from sklearn.datasets import load_wine
    >>> X, y = load_wine(return_X_y=True)
    >>> model = Classifier(Mixture(components=1), steps=5).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.95
    True
    """

    def __init__(
        self,
        family: Family | None = None,
        *,
        density: Literal["auto", "per class", "joint"] = "auto",
        keep_missing: Collection[str] = (),
        unlabelled: Any = None,
        correction: float | None = None,
        minutes: float | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self.family = family
        self.density = density
        self.keep_missing = keep_missing
        self.unlabelled = unlabelled
        self.correction = correction
        self.minutes = minutes
        self.steps = steps
        self.seed = seed

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to rows X, a matrix (n, features) or DataFrame, and labels y (n,).

        A row of weight 2 counts as two, of weight .5 as one in every other fit (see `seed`).
        Raises ArgumentError where there are fewer than two classes, UnsupportedError where the family has no density,
        or cannot leave out what is missing.
        """
        self._check()
        frame = table_of(self, X, reset=True)
        codes, self.classes_ = labels_of(frame, y, unlabelled=self.unlabelled)
        rng = torch.Generator().manual_seed(int(self.seed))
        family, per_class, self.features_ = self._plan(frame, codes, rng)
        rows = self.features_.encode(frame, rng).rows
        chosen = weighted_rows(frame, sample_weight, seed=self.seed)
        rows, codes, held_out = rows[chosen], codes[chosen], hold_out(codes, seed=self.seed)[chosen]
        counts = np.bincount(codes[~np.isnan(codes)].astype(int), minlength=len(self.classes_))
        if not counts.all():
            what = f"no row of class {self.classes_[counts.argmin()]} has weight"
            raise ArgumentError(what, where="sample_weight", hint="leave such rows out, or weigh them above 0")
        self.log_prior_ = np.log(counts / counts.sum())
        self.densities_ = (
            self._fit_per_class(family, rows, codes, held_out)
            if per_class
            else [self._fit_joint(family, rows, codes, held_out)]
        )
        self.correction_ = self._corrected(rows, codes)
        self.yardstick_ = Yardstick.of(rows, held_out)
        self.n_fitted_ = len(rows)
        self.is_array_ = not isinstance(X, pd.DataFrame)
        return self

    def log_joint(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """log p(x, y) in nats for every class: of matrices per unit of X, of tables per unit of encoded values.

        Entries that are levels never seen, or numbers beyond all those fitted to, count as 1 / (rows fitted + 1) each.
        """
        coded = self._encode(X)
        return self._log_joint(coded.rows) + self._constant(coded)[:, None]

    def log_density(self, X: Any) -> Float[np.ndarray, " n"]:
        """log p(x) in nats: low where x is unlike anything seen. Units as in `log_joint`."""
        coded = self._encode(X)
        return self._log_density(coded.rows) + self._constant(coded)

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """`log_density`, under the name that scikit-learn's density estimators and outlier detectors have for it."""
        return self.log_density(X)

    def outlier_p_value(self, X: Any) -> Float[np.ndarray, " n"]:
        """The probability that a row like those fitted to is as unusual as x: compared with held-out rows of the
        training data in which the same entries are unknown. Below .01, say, x is unlike all that the classifier knows.
        """
        coded = self._encode(X)
        penalty = self._constant(coded) - coded.log_volume
        return self.yardstick_.p_values(coded.rows, self._log_density(coded.rows) + penalty, self._log_density)

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """P(y | x) of every class."""
        joint = self._log_joint(self._encode(X).rows)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row."""
        joint = self._log_joint(self._encode(X).rows)
        return self.classes_[joint.argmax(axis=1)]

    def sample(self, n: int, *, seed: int = 0) -> tuple[np.ndarray | pd.DataFrame, np.ndarray]:
        """n new pairs from p(x, y): X as it was given to `fit`, a matrix or a DataFrame, and y of shape (n,)."""
        check_is_fitted(self)
        n, seed = checked_count(n, "n", "sample"), checked_seed(seed, where="sample")
        rng = torch.Generator().manual_seed(seed)
        if len(self.densities_) == 1:
            both = self.densities_[0].sample(n, rng)
            rows, codes = both[:, :-1], both[:, -1].numpy().astype(int)
        else:
            codes = np.random.default_rng(seed).choice(len(self.classes_), size=n, p=np.exp(self.log_prior_))
            rows = torch.empty(n, *self.features_.space.shape)
            for k, learned in enumerate(self.densities_):
                mine = torch.from_numpy(codes == k)
                if mine.any():
                    rows[mine] = learned.sample(int(mine.sum()), rng)
        frame = self.features_.decode(rows, rng)
        return (frame.to_numpy(dtype=float) if self.is_array_ else frame), self.classes_[codes]

    def _check(self) -> None:
        self._check_parameters()
        if self.density not in WAYS:
            raise ArgumentError(f"density={self.density!r}", where="Classifier", hint=f"one of {', '.join(WAYS)}")
        if self.correction is not None and self.correction < 0:
            raise ArgumentError(f"correction={self.correction}", where="Classifier", hint="0 for none, .1 is usual")

    def _corrected(self, rows: Float[Tensor, "n w"], codes: Float[np.ndarray, " n"]) -> Correction | None:
        """What labelled rows say beyond the densities, if that is asked for."""
        labelled = ~np.isnan(codes)
        strength = (0.0 if labelled.all() else CORRECTION) if self.correction is None else self.correction
        if not strength:
            return None
        log_joint = self._log_joint_of_densities(rows[torch.from_numpy(labelled)])
        return Correction.fit(self.features_.space, rows, log_joint, codes, strength=strength)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _plan(
        self, frame: pd.DataFrame, codes: Float[np.ndarray, " n"], rng: torch.Generator
    ) -> tuple[Family, bool, Features]:
        """Which family, whether one density per class, and how features are encoded."""
        labelled = not np.isnan(codes).any()
        complete = is_numeric(frame) and not frame.isna().any(axis=None) and not self.keep_missing
        family = self.family
        if family is None:
            family = Mixture() if complete and labelled and self.density != "joint" else TreeMixture()
        check_density(family)
        array = complete and self.density != "joint" and takes(family, Reals((frame.shape[1],)))
        per_class = self.density == "per class" or (self.density == "auto" and array and labelled)
        if not labelled and (per_class or not of_rows(family).marginalizes):
            hint = 'density="joint" with TreeMixture, Mixture or Autoregressive learns from them; or leave them out'
            raise UnsupportedError("unlabelled rows belong to no class's density", where="y", hint=hint)
        if array and per_class:
            return family, True, Standardised.fit(frame)
        table = Table.fit(frame, keep_missing=self.keep_missing, rng=rng)
        check(family, self._joint_space(table.space))
        return family, per_class, table

    def _joint_space(self, features: Columns) -> Columns:
        return Columns((*features.columns, Discrete(NAME, len(self.classes_))))

    def _fit_per_class(
        self, family: Family, rows: Float[Tensor, "n w"], codes: np.ndarray, held_out: np.ndarray
    ) -> list[Learned]:
        minutes = None if self.minutes is None else self.minutes / len(self.classes_)
        return [
            learn(
                family,
                self.features_.space,
                rows[torch.from_numpy(codes == k)],
                held_out[codes == k],
                minutes=minutes,
                steps=self.steps,
                seed=self.seed,
            )
            for k in range(len(self.classes_))
        ]

    def _fit_joint(
        self, family: Family, rows: Float[Tensor, "n w"], codes: np.ndarray, held_out: np.ndarray
    ) -> Learned:
        assert isinstance(self.features_.space, Columns)
        both = torch.cat([rows, torch.tensor(codes, dtype=torch.float32)[:, None]], dim=1)
        return learn(
            family,
            self._joint_space(self.features_.space),
            both,
            held_out,
            minutes=self.minutes,
            steps=self.steps,
            seed=self.seed,
        )

    def _encode(self, X: Any) -> Coded:
        check_is_fitted(self)
        return self.features_.encode(table_of(self, X, reset=False), None)

    def _constant(self, coded: Coded) -> Float[np.ndarray, " n"]:
        """What log-densities of encoded rows need to be those of X: volume, and probability of what is strange."""
        return coded.log_volume - coded.strange * np.log(self.n_fitted_ + 1)

    def _log_joint(self, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, "n classes"]:
        """log p(x) of the densities plus log P(y | x), corrected where that was asked for."""
        joint = self._log_joint_of_densities(rows)
        if self.correction_ is None:
            return joint
        return logsumexp(joint, axis=1, keepdims=True) + self.correction_.log_posterior(rows, joint)

    def _log_joint_of_densities(self, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, "n classes"]:
        if len(self.densities_) > 1:
            return np.stack([d.log_prob(rows) for d in self.densities_], axis=1) + self.log_prior_
        labels = [torch.full((len(rows), 1), float(k)) for k in range(len(self.classes_))]
        return np.stack([self.densities_[0].log_prob(torch.cat([rows, label], dim=1)) for label in labels], axis=1)

    def _log_density(self, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, " n"]:
        return logsumexp(self._log_joint(rows), axis=1)
