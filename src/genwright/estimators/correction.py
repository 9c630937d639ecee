"""What labelled rows say of P(y | x) beyond a density: a penalised regression that starts from its posterior."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from genwright.spaces import Columns, Discrete, Reals

LEAST = -10.0  # log-odds of the density are cut there and at their negative, so that single rows cannot rule
MAX_STEPS = 500


@dataclass(frozen=True, eq=False)
class Correction:
    """log P(y | x) = a log-odds of the density + W features(x) + b, up to a constant.

    Fitted to labelled rows with an L2 penalty on all weights, so that few labels change little. Raina et al. 2003,
    "Classification with hybrid generative/discriminative models", eq. 3, with features of x beside the densities.
    """

    space: Columns | Reals
    centre: Float[np.ndarray, " f"]
    scale: Float[np.ndarray, " f"]
    model: LogisticRegression

    @classmethod
    def fit(
        cls,
        space: Columns | Reals,
        rows: Float[Tensor, "n w"],
        log_joint: Float[np.ndarray, "m classes"],
        codes: Float[np.ndarray, " n"],
        *,
        strength: float,
    ) -> Self:
        """Fit to the m of n encoded rows that have a class number; `log_joint` is that of these.

        `strength` is the inverse of the penalty. Features are brought to one scale by all rows.
        """
        labelled: Bool[np.ndarray, " n"] = ~np.isnan(codes)
        plain = _features(space, rows)
        known = np.maximum((~np.isnan(plain)).sum(axis=0), 1)
        centre = np.nansum(plain, axis=0) / known
        spread = np.sqrt(np.nansum((plain - centre) ** 2, axis=0) / known)
        scale = np.where(_one_hot(space) | (spread < 1e-9), 1.0, spread)
        model = LogisticRegression(C=strength, max_iter=MAX_STEPS)
        made = cls(space, centre, scale, model)
        numbers: Int[np.ndarray, " m"] = codes[labelled].astype(np.int64)
        model.fit(made._inputs(rows[torch.from_numpy(labelled)], log_joint), numbers)
        return made

    def log_posterior(
        self, rows: Float[Tensor, "n w"], log_joint: Float[np.ndarray, "n classes"]
    ) -> Float[np.ndarray, "n classes"]:
        """log P(y | x) of encoded rows, of which the density has `log_joint`."""
        return self.model.predict_log_proba(self._inputs(rows, log_joint))

    def _inputs(
        self, rows: Float[Tensor, "n w"], log_joint: Float[np.ndarray, "n classes"]
    ) -> Float[np.ndarray, "n i"]:
        """Features in units of their spread (unknown ones at their mean), and log-odds against the first class."""
        features = np.nan_to_num((_features(self.space, rows) - self.centre) / self.scale)
        posterior = log_joint - logsumexp(log_joint, axis=1, keepdims=True)
        odds = np.clip(posterior[:, 1:] - posterior[:, :1], LEAST, -LEAST)
        return np.concatenate([features, odds], axis=1)


def _features(space: Columns | Reals, rows: Float[Tensor, "n w"]) -> Float[np.ndarray, "n f"]:
    """Numbers and ordered levels as they are, other levels one-hot; NaN where unknown."""
    x = rows.double().numpy()
    if isinstance(space, Reals):
        return x
    parts = []
    for i, column in enumerate(space.columns):
        if isinstance(column, Discrete) and not column.ordered:
            hot = (x[:, i : i + 1] == np.arange(column.levels)).astype(np.float64)
            parts.append(np.where(np.isnan(x[:, i : i + 1]), np.nan, hot))
        else:
            parts.append(x[:, i : i + 1])
    return np.concatenate(parts, axis=1)


def _one_hot(space: Columns | Reals) -> Bool[np.ndarray, " f"]:
    """Which features are levels: these keep their unit."""
    if isinstance(space, Reals):
        return np.zeros(space.size, dtype=bool)
    parts = [c.levels if isinstance(c, Discrete) and not c.ordered else 0 for c in space.columns]
    return np.concatenate([np.ones(n, dtype=bool) if n else np.zeros(1, dtype=bool) for n in parts])
