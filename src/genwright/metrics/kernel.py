"""Kernel distance (KID): maximum mean discrepancy between two sets of features."""

import numpy as np
from jaxtyping import Float, Int

from genwright.metrics.feature_sets import Features, checked, chunks, feature_score
from genwright.metrics.intervals import Replicates, cross_excess, jackknife_groups, pair_excess
from genwright.metrics.score import Score


def kernel_distance(real: Features, fake: Features, *, features: str, seed: int = 0) -> Score:
    """Squared maximum mean discrepancy with k(x, y) = (x.y / d + 1)**3, as the unbiased U-statistic over all records.

    Binkowski et al. 2018, arXiv:1801.01401, eq. 4 and sec. 3.1 (KID). Slightly negative values are valid: on average
    it is 0 for equal laws, at any n. Interval: delete-a-group jackknife, from sums of the kernel over blocks.
    """
    real, fake = checked(real, fake, fewest=4)
    a, b = jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)
    xx, yy, xy = _block_sums(real, a, real, a), _block_sums(fake, b, fake, b), _block_sums(real, a, fake, b)
    trace = _diagonal_sums(real, a), _diagonal_sums(fake, b)
    xx[np.diag_indices_from(xx)] -= trace[0]
    yy[np.diag_indices_from(yy)] -= trace[1]
    n, m = np.bincount(a), np.bincount(b)
    ones = np.ones((1, len(n))), np.ones((1, len(m)))
    single = 1.0 - np.eye(len(n)), 1.0 - np.eye(len(m))

    def discrepancy(p: Float[np.ndarray, "i g"], q: Float[np.ndarray, "j h"]) -> Float[np.ndarray, "i j"]:
        """The statistic for every choice of real groups (rows of p) with every choice of generated ones (of q)."""
        i, j = p @ n, q @ m
        within_real, within_fake = ((w @ k * w).sum(1) for w, k in ((p, xx), (q, yy)))
        within = (within_real / (i * (i - 1)))[:, None] + (within_fake / (j * (j - 1)))[None, :]
        return within - 2 * (p @ xy @ q.T) / np.outer(i, j)

    value = float(discrepancy(*ones)[0, 0])
    left_real, left_fake = discrepancy(single[0], ones[1])[:, 0], discrepancy(ones[0], single[1])[0]
    excess = cross_excess(value, left_real, left_fake, discrepancy(*single))
    for side, left in ((0, left_real), (1, left_fake)):
        g = len(left)
        twice = np.maximum(single[side][:, None] + single[side][None, :] - 1.0, 0.0).reshape(g * g, g)
        pairs = discrepancy(twice, ones[1])[:, 0] if side == 0 else discrepancy(ones[0], twice)[0]
        excess += pair_excess(value, left, pairs.reshape(g, g))
    replicates = Replicates(tuple(left_real.tolist()), tuple(left_fake.tolist()), excess)
    return feature_score(
        "kernel distance",
        value,
        sets=(real, fake),
        protocol=f"{features}, cubic kernel",
        group="fidelity",
        direction="lower",
        replicates=replicates,
        # The biased statistic, which differs by a constant about equal in all samples, cannot be negative.
        interval=replicates.ratio_interval(value, offset=_bias(xx, n, trace[0]) + _bias(yy, m, trace[1])),
        seed=seed,
    )


def squared_discrepancy(real: Features, fake: Features) -> float:
    """The kernel distance itself, without an interval: the same U-statistic.

    >>> x, y = np.random.default_rng(0).normal(size=(2, 500, 3))
    >>> abs(squared_discrepancy(x, y)) < 0.05 < squared_discrepancy(x, y + 1)
    True
    """
    n, m = len(real), len(fake)
    one, other = np.zeros(n, dtype=np.int64), np.zeros(m, dtype=np.int64)
    xx = float(_block_sums(real, one, real, one)[0, 0] - _diagonal_sums(real, one)[0])
    yy = float(_block_sums(fake, other, fake, other)[0, 0] - _diagonal_sums(fake, other)[0])
    xy = float(_block_sums(real, one, fake, other)[0, 0])
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


def _bias(sums: Float[np.ndarray, "g g"], sizes: Int[np.ndarray, "g"], trace: Float[np.ndarray, "g"]) -> float:
    """What one set adds to the statistic if pairs of a record with itself are counted."""
    n = sizes.sum()
    return float((trace.sum() / n - sums.sum() / (n * (n - 1))) / n)


def _kernel(a: Features, b: Features) -> Float[np.ndarray, "n m"]:
    inner = a @ b.T
    inner /= a.shape[1]
    inner += 1.0
    cubed = inner * inner
    cubed *= inner
    return cubed


def _block_sums(a: Features, group_a: np.ndarray, b: Features, group_b: np.ndarray) -> Float[np.ndarray, "g h"]:
    """Sums of the kernel between all pairs of groups."""
    sums = np.zeros((group_a.max() + 1, group_b.max() + 1))
    columns = np.eye(sums.shape[1])[group_b]
    for rows in chunks(len(a), len(b)):
        np.add.at(sums, group_a[rows], _kernel(a[rows], b) @ columns)
    return sums


def _diagonal_sums(x: Features, group: np.ndarray) -> Float[np.ndarray, "g"]:
    """Sum of k(x, x) in each group."""
    return np.bincount(group, weights=((x * x).sum(1) / x.shape[1] + 1.0) ** 3)
