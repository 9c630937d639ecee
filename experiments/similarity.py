"""SDMetrics' similarities of two columns, as functions of arrays."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from genwright.errors import DataError


def correlation_similarity(
    real: Float[np.ndarray, "n 2"],
    fake: Float[np.ndarray, "m 2"],
    *,
    coefficient: Literal["pearson", "spearman"] = "pearson",
) -> float:
    """1 - half the difference of the correlations of two numbers, on the rows where both are known.

    SDMetrics' CorrelationSimilarity. DataError where a column does not vary: its correlation is not defined.
    """
    r, s = (_correlation(pairs, coefficient) for pairs in (real, fake))
    return 1 - abs(r - s) / 2


def contingency_similarity(real: Int[np.ndarray, "n 2"], fake: Int[np.ndarray, "m 2"]) -> float:
    """1 - the total variation between the joint shares of two columns of cell numbers (SDMetrics).

    >>> contingency_similarity(np.array([[0, 0], [1, 1]]), np.array([[0, 0], [0, 1]]))
    0.5
    """
    if not len(real) or not len(fake):
        raise DataError("no rows to compare", where="contingency similarity")
    cell = np.unique(np.concatenate([real, fake]), axis=0, return_inverse=True)[1].reshape(-1)
    p, q = (np.bincount(c, minlength=cell.max() + 1) / len(c) for c in (cell[: len(real)], cell[len(real) :]))
    return float(1 - 0.5 * np.abs(p - q).sum())


def _correlation(pairs: Float[np.ndarray, "n 2"], coefficient: str) -> float:
    known = pairs[~np.isnan(pairs).any(axis=1)]
    if len(known) < 2 or (np.ptp(known, axis=0) == 0).any():
        raise DataError("a correlation needs two rows that differ in both columns", where="correlation similarity")
    if coefficient == "spearman":
        known = np.stack([rankdata(column) for column in known.T], axis=1)
    return float(np.corrcoef(known.T)[0, 1])
