"""Groups of levels that behave alike, for categories of very many levels."""

import heapq
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int


def alike(
    codes: Int[np.ndarray, " n"],
    features: Iterable[Float[np.ndarray, " n"]],
    *,
    counts: Int[np.ndarray, " k"],
    groups: int,
) -> Int[np.ndarray, " k"]:
    """The group of each level, numbered from 0: levels with alike means of `features`, about as many rows per group.

    `codes` is the level of each row (-1: missing, left out); features are taken one by one, so that memory is that of
    one column and of the means. The group with most rows or most levels is halved again and again, across the
    direction in which its level means differ most, so that frequent levels end alone in their group. Where nothing is
    known to tell levels apart, they are divided by frequency.
    """
    means = _level_means(codes, features, counts=counts)
    leaves = [np.arange(len(counts))]
    heap = [(-1.0, 0)]
    while heap and len(leaves) < groups:
        _, number = heapq.heappop(heap)
        left, right = _halves(leaves[number], means, counts)
        leaves[number] = left
        leaves.append(right)
        for each, part in ((number, left), (len(leaves) - 1, right)):
            if len(part) > 1:
                share = max(counts[part].sum() / counts.sum(), len(part) / len(counts))
                heapq.heappush(heap, (-float(share), each))
    group = np.empty(len(counts), dtype=np.int64)
    for number, leaf in enumerate(leaves):
        group[leaf] = number
    return group


def _level_means(
    codes: Int[np.ndarray, " n"], features: Iterable[Float[np.ndarray, " n"]], *, counts: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "k f"]:
    """Means of the features per level, drawn towards the mean of all rows as far as chance may have moved them.

    A level of n rows keeps n t / (n t + s) of its difference, where t is the variance between levels and s the one
    within: the posterior mean of a random-effects model (Robbins 1956's empirical Bayes; moments as in ANOVA).
    """
    present = codes >= 0
    level, n = codes[present], counts.astype(np.float64)
    rows = max(1.0, n.sum())
    means = []
    for feature in features:
        value = feature[present].astype(np.float64)
        value = (value - value.mean()) / max(1e-9, value.std())
        sums = np.bincount(level, weights=value, minlength=len(counts))
        between = float((sums**2 / np.maximum(n, 1)).sum())
        within = (rows - between) / max(1.0, rows - len(counts))
        spread = (between - within * len(counts)) / max(1.0, rows - float((n**2).sum()) / rows)
        if spread > 0:
            means.append((sums / np.maximum(n, 1) * (n * spread / (n * spread + within))).astype(np.float32))
    return np.stack(means, axis=1) if means else np.zeros((len(counts), 0), dtype=np.float32)


def _halves(
    leaf: Int[np.ndarray, " m"], means: Float[np.ndarray, "k f"], counts: Int[np.ndarray, " k"]
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Two parts of about as many rows each, none empty, of at least two levels."""
    weight = counts[leaf].astype(np.float64)
    order = np.argsort(-weight, kind="stable")
    own = means[leaf].astype(np.float64)
    own -= np.average(own, axis=0, weights=weight + 1e-9) if own.shape[1] else 0.0
    covariance = (own * weight[:, None]).T @ own
    if covariance.size and np.trace(covariance) > 1e-9 * weight.sum():
        direction = np.linalg.eigh(covariance)[1][:, -1]
        order = np.argsort(own @ direction, kind="stable")
    rows = np.cumsum(weight[order])
    cut = int(np.clip(np.argmin(np.abs(rows - rows[-1] / 2)) + 1, 1, len(leaf) - 1))
    return leaf[order[:cut]], leaf[order[cut:]]
