"""Regression by a density: the distribution of y given x, from one joint density p(x, y)."""

from collections.abc import Collection, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.special import logsumexp
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from genwright.errors import ArgumentError, UnsupportedError
from genwright.estimators.density import Yardstick, check_density, hold_out, learn, of_rows, takes
from genwright.estimators.features import Coded as CodedFeatures
from genwright.estimators.features import Features, Standardised, Table
from genwright.estimators.laws import Laws
from genwright.estimators.parameters import FamilyParameters
from genwright.estimators.targets import Amounts, Coded, OnALine
from genwright.estimators.validation import amounts_of, is_numeric, table_of, weighted_rows
from genwright.families.family import Family
from genwright.families.mixture import Mixture
from genwright.families.tree import TreeMixture
from genwright.randomness import checked_seed
from genwright.spaces import Columns, Reals
from genwright.train.limits import checked_count

ROWS_AT_ONCE = 500  # whose distributions are found together


class Regressor(RegressorMixin, FamilyParameters):
    """A regressor from any family with a density: p(y | x) is proportional to p(x, y) over all values y can take.

    `predict` is the mean of that distribution; `predict_quantiles`, `predict_std`, `sample` and `log_prob` say the
    rest. `X` is a matrix of numbers or a DataFrame of any columns that tables have; missing entries are marginalised,
    except in `keep_missing` columns, where they are a value of their own. Rows whose target is NaN teach what x looks
    like. `family` is a Gaussian mixture where all features are complete numbers and all targets are known, else a
    TreeMixture, unless given. `minutes` or `steps` bound the work.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = Regressor(Mixture(components=1), steps=5).fit(X[::2], y[::2])
    >>> model.score(X[1::2], y[1::2]) > 0.4
    True
    """

    def __init__(
        self,
        family: Family | None = None,
        *,
        keep_missing: Collection[str] = (),
        minutes: float | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self.family = family
        self.keep_missing = keep_missing
        self.minutes = minutes
        self.steps = steps
        self.seed = seed

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit p(x, y) to rows X, a matrix (n, features) or DataFrame, and targets y (n,).

        A row of weight 2 counts as two, of weight .5 as one in every other fit (see `seed`).
        Raises UnsupportedError where the family has no density, or cannot leave out what is missing.
        """
        self._check_parameters()
        frame = table_of(self, X, reset=True)
        amounts = amounts_of(frame, y)
        rng = torch.Generator().manual_seed(int(self.seed))
        family, self.features_, self.target_ = self._plan(frame, amounts, rng)
        rows = self.features_.encode(frame, rng).rows
        both = torch.cat([rows, self.target_.encode(amounts, rng)], dim=1)
        held_out = hold_out(np.where(np.isnan(amounts), np.nan, 0.0), seed=self.seed)
        chosen = weighted_rows(frame, sample_weight, seed=self.seed)
        rows, both, held_out = rows[chosen], both[chosen], held_out[chosen]
        space = self._space()
        self.density_ = learn(family, space, both, held_out, minutes=self.minutes, steps=self.steps, seed=self.seed)
        self.cells_ = self.target_.candidates()
        self.yardstick_ = Yardstick.of(rows, held_out)
        self.n_fitted_ = len(rows)
        self.is_array_ = not isinstance(X, pd.DataFrame)
        return self

    def predict(self, X: Any) -> Float[np.ndarray, " n"]:
        """The mean of y given x."""
        return self._laws(X).mean

    def predict_std(self, X: Any) -> Float[np.ndarray, " n"]:
        """The standard deviation of y given x."""
        return self._laws(X).std

    def predict_quantiles(self, X: Any, levels: Sequence[float] = (0.05, 0.5, 0.95)) -> Float[np.ndarray, "n q"]:
        """The values below which y lies with the probabilities `levels`, given x."""
        if np.ndim(levels) != 1 or not len(levels) or not all(0.0 < level < 1.0 for level in levels):
            raise ArgumentError(f"levels={levels!r}", where="predict_quantiles", hint="probabilities between 0 and 1")
        laws = self._laws(X)
        return laws.quantiles(np.tile(np.array(levels, dtype=float), (len(laws.probability), 1)))

    def sample(self, X: Any, n: int = 1, *, seed: int = 0) -> Float[np.ndarray, "m n"]:
        """n targets for every row, from the distribution of y given x."""
        n, rng = checked_count(n, "n", "sample"), np.random.default_rng(checked_seed(seed, where="sample"))
        laws = self._laws(X)
        uniforms = rng.uniform(size=(len(laws.probability), n))
        return laws.quantiles(uniforms)

    def log_prob(self, X: Any, y: Any) -> Float[np.ndarray, " n"]:
        """log p(y | x) in nats per unit of y; the log of a probability at values that y takes again and again.

        -inf beyond the range of the targets fitted to.
        """
        laws, values = self._laws(X), np.asarray(y, dtype=np.float64).ravel()
        check_consistent_length(laws.probability, values)
        return laws.log_prob(values)

    def log_density(self, X: Any) -> Float[np.ndarray, " n"]:
        """log p(x) in nats: low where x is unlike anything seen. Of matrices per unit of X, of tables per unit of
        encoded values; levels never seen and numbers beyond all those fitted to count as 1 / (rows fitted + 1) each.
        """
        coded = self._encode(X)
        return self._log_density(coded.rows) + self._penalty(coded) + coded.log_volume

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """`log_density`, under the name that scikit-learn's density estimators and outlier detectors have for it."""
        return self.log_density(X)

    def outlier_p_value(self, X: Any) -> Float[np.ndarray, " n"]:
        """The probability that a row like those fitted to is as unusual as x: compared with held-out rows of the
        training data in which the same entries are unknown. Below .01, say, x is unlike all that the regressor knows.
        """
        coded = self._encode(X)
        scores = self._log_density(coded.rows) + self._penalty(coded)
        return self.yardstick_.p_values(coded.rows, scores, self._log_density)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _plan(
        self, frame: pd.DataFrame, amounts: Float[np.ndarray, " n"], rng: torch.Generator
    ) -> tuple[Family, Features, Amounts]:
        """Which family, and how features and target are encoded."""
        labelled = not np.isnan(amounts).any()
        complete = labelled and is_numeric(frame) and not frame.isna().any(axis=None) and not self.keep_missing
        family = self.family or (Mixture() if complete else TreeMixture())
        check_density(family)
        if complete and takes(family, Reals((frame.shape[1] + 1,))):
            return family, Standardised.fit(frame), OnALine.fit(amounts)
        if not labelled and not of_rows(family).marginalizes:
            hint = "TreeMixture, Mixture and Autoregressive learn from such rows; or leave them out"
            raise UnsupportedError(f"{family.name} needs a target in every row", where="y", hint=hint)
        known = amounts[~np.isnan(amounts)]
        return family, Table.fit(frame, keep_missing=self.keep_missing, rng=rng), Coded.fit(known, rng)

    def _space(self) -> Reals | Columns:
        """The space of features and target together."""
        features = self.features_.space
        if isinstance(features, Reals):
            return Reals((features.size + 1,))
        return Columns((*features.columns, *self.target_.columns(len(features.columns))))

    def _encode(self, X: Any) -> CodedFeatures:
        check_is_fitted(self)
        return self.features_.encode(table_of(self, X, reset=False), None)

    def _penalty(self, coded: CodedFeatures) -> Float[np.ndarray, " n"]:
        return -coded.strange * np.log(self.n_fitted_ + 1)

    def _laws(self, X: Any) -> Laws:
        """The distribution of y given each row of X."""
        rows = self._encode(X).rows
        return Laws.of(self.cells_, self._log_joint(rows))

    def _log_joint(self, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, "n m"]:
        """log p(x, y) in the middle of every cell of y."""
        m, parts = len(self.cells_.rows), []
        for part in rows.split(ROWS_AT_ONCE):
            both = torch.cat([part.repeat_interleave(m, dim=0), self.cells_.rows.repeat(len(part), 1)], dim=1)
            parts.append(self.density_.log_prob(both).reshape(len(part), m))
        return np.concatenate(parts)

    def _log_density(self, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, " n"]:
        if of_rows(self.density_.fitted.family).marginalizes:
            free = torch.full((len(rows), self.cells_.rows.shape[1]), torch.nan)
            return self.density_.log_prob(torch.cat([rows, free], dim=1))
        return logsumexp(self._log_joint(rows) + self.cells_.log_width, axis=1)
