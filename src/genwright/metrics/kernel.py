"""Kernel distance (KID): maximum mean discrepancy between two sets of features."""

import numpy as np
from jaxtyping import Float, Int

from genwright.maths.distances import Features
from genwright.scores.feature_sets import checked, feature_score
from genwright.scores.intervals import Replicates, cross_excess, jackknife_groups, pair_excess
from genwright.scores.score import Score

BLOCK = 500  # records on each side of a block of kernel values: 2 MB


def kernel_distance(real: Features, fake: Features, *, features: str, seed: int = 0) -> Score:
    """Squared maximum mean discrepancy with k(x, y) = (x.y / d + 1)**3, as the unbiased U-statistic over all records.

    Binkowski et al. 2018, arXiv:1801.01401, eq. 4 and sec. 3.1 (KID). Slightly negative values are valid: on average
    it is 0 for equal distributions, at any n. Interval: delete-a-group jackknife, from sums of the kernel over blocks.
    """
    real, fake = checked(real, fake, fewest=4)
    group = jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)
    a, b = ([x[which == g] for g in range(int(which.max()) + 1)] for x, which in zip((real, fake), group, strict=True))
    xx, yy, xy = _block_sums(a), _block_sums(b), _cross_sums(a, b)
    trace = _diagonal_sums(a), _diagonal_sums(b)
    xx[np.diag_indices_from(xx)] -= trace[0]
    yy[np.diag_indices_from(yy)] -= trace[1]
    n, m = np.array([len(part) for part in a]), np.array([len(part) for part in b])
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
    a, b = ([x[i : i + BLOCK] for i in range(0, len(x), BLOCK)] for x in (real, fake))
    xx, yy = (float(_block_sums(part).sum() - _diagonal_sums(part).sum()) for part in (a, b))
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * float(_cross_sums(a, b).sum()) / (n * m)


def _bias(sums: Float[np.ndarray, "g g"], sizes: Int[np.ndarray, "g"], trace: Float[np.ndarray, "g"]) -> float:
    """What one set adds to the statistic if pairs of a record with itself are counted."""
    n = sizes.sum()
    return float((trace.sum() / n - sums.sum() / (n * (n - 1))) / n)


def _block_sums(parts: list[Features]) -> Float[np.ndarray, "g g"]:
    """Sums of the kernel within and between all parts of one set; it is symmetric, so half of them is enough."""
    sums = np.zeros((len(parts), len(parts)))
    for g, part in enumerate(parts):
        sums[g, g:] = _cross_sums([part], parts[g:])[0]
        sums[g:, g] = sums[g, g:]
    return sums


def _cross_sums(a: list[Features], b: list[Features]) -> Float[np.ndarray, "g h"]:
    """Sums of the kernel between all parts of two sets, a block that fits into the cache at a time."""
    sums = np.zeros((len(a), len(b)))
    for g, left in enumerate(a):
        scaled = left / left.shape[1]
        for h, right in enumerate(b):
            for i in range(0, len(left), BLOCK):
                for j in range(0, len(right), BLOCK):
                    inner = scaled[i : i + BLOCK] @ right[j : j + BLOCK].T
                    inner += 1.0
                    sums[g, h] += np.vdot(inner * inner, inner)
    return sums


def _diagonal_sums(parts: list[Features]) -> Float[np.ndarray, "g"]:
    """Sum of k(x, x) in each part."""
    return np.array([(((x * x).sum(1) / x.shape[1] + 1.0) ** 3).sum() for x in parts])
