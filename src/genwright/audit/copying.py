"""Tests for copied training records, on features or any vectors: authenticity, the C_T test, and near copies.

They describe; none is proof of privacy, and none alone is proof of copying.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import hypergeom, norm, rankdata
from sklearn.cluster import KMeans

from genwright.audit.copies import ALARM
from genwright.errors import DataError
from genwright.maths.distances import Features, nearest_of, nearest_others
from genwright.scores.feature_sets import checked
from genwright.scores.intervals import Replicates, mean_replicates, share_interval
from genwright.scores.score import Score, signature

MAX_CELLS = 10  # of the C_T test
ROWS_PER_CELL = 50
CELLS_FROM = 2_000  # training records at most; any cells make a test, and more records only make it slow
MIN_UNSEEN = 100  # records that are held against generated ones, to know how near to training records one may come
TINY = 1e-12  # the reach of a training record that stands there twice


def authenticity(train: Features, fake: Features, *, held_out: Features, features: str, seed: int = 0) -> Score:
    """Share of generated records that are not nearer to a training record than that one is to its own nearest.

    Alaa et al. 2022, arXiv:2102.08921, sec. 3.3. The floor is the share of unseen real records that are "authentic" so:
    well below 1, for the nearest of many training records is often nearer than the nearest of one. Weak on its own:
    Jiralerspong et al. and Stein et al. 2023, arXiv:2306.04675, found that it misses memorisation.
    """
    train, fake = checked(train, fake, fewest=2)
    reach = np.maximum(nearest_others(train)[0][:, 0], TINY)
    authentic, real = (_ratio(points, train, reach) > 1 for points in (fake, held_out))
    value = float(authentic.mean())
    return Score(
        name="authenticity",
        value=value,
        direction="higher",
        n=len(fake),
        signature=signature(
            "authenticity", protocol=f"{features}, train={len(train)}", n=(len(held_out), len(fake)), seed=seed
        ),
        interval=share_interval(value, len(fake)),
        floor=float(real.mean()),
        group="novelty",
        replicates=Replicates((), mean_replicates(authentic, seed=seed + 1)),
    )


def data_copying(
    train: Features, fake: Features, *, held_out: Features, features: str, cells: int | None = None, seed: int = 0
) -> Score:
    """C_T: are generated records nearer to training records than unseen real ones are? Far below 0 they are copies.

    In each k-means cell of the training records (found from at most 2,000 of them) the Mann-Whitney statistic of
    distances to the nearest training record, generated against unseen, as a z-value; averaged with the cells' shares of
    the unseen records as weights. Meehan et al. 2020, arXiv:2004.05675, eq. 3 and algorithm 1. 0 is ideal, above 0
    is underfitting. The interval is that of the weighted mean of independent unit normals, so it holds 0 in 95 of 100
    samples of an honest generator.
    """
    train, fake = checked(train, fake, fewest=2 * ROWS_PER_CELL)
    held_out = checked(train, held_out, fewest=2)[1]
    if len(held_out) < ROWS_PER_CELL:
        raise DataError(f"{len(held_out)} unseen real records, at least {ROWS_PER_CELL} are needed", where="C_T")
    k = cells or max(1, min(MAX_CELLS, len(held_out) // ROWS_PER_CELL, len(fake) // ROWS_PER_CELL))
    some = np.sort(np.random.default_rng(seed).permutation(len(train))[:CELLS_FROM])
    means = KMeans(k, n_init=3, random_state=seed).fit(train[some])
    cell = [means.predict(x) for x in (held_out, fake)]
    apart = [nearest_of(x, train)[0] for x in (held_out, fake)]
    z, weight = cell_statistics((apart[0], cell[0]), (apart[1], cell[1]), cells=k)
    if not weight.any():
        raise DataError("no cell holds both unseen and generated records", where="C_T", hint="give more records")
    weight = weight / weight.sum()
    value, error = float(z @ weight), float(np.sqrt(np.sum(weight**2)))
    p = float(norm.cdf(value / error))
    return Score(
        name="C_T",
        value=value,
        direction="target",
        n=len(fake),
        signature=signature(
            "C_T", protocol=f"{features}, {k} cells, train={len(train)}", n=(len(held_out), len(fake)), seed=seed
        ),
        interval=(value - 1.96 * error, value + 1.96 * error),
        floor=0.0,
        floor_error=0.0,
        group="novelty",
        note=f"copying, p = {p:.2g}" if p < ALARM else "",
    )


def cell_statistics(
    unseen: tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]],
    fake: tuple[Float[np.ndarray, "m"], Int[np.ndarray, "m"]],
    *,
    cells: int,
) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "c"]]:
    """Each cell's z-value and weight, from distances to the training set and cell numbers; empty cells weigh nothing.

    Below 0: generated records are nearer. Ties count half; the variance is the one without ties, as in the paper.
    """
    z, weight = np.zeros(cells), np.zeros(cells)
    for c in range(cells):
        a, b = unseen[0][unseen[1] == c], fake[0][fake[1] == c]
        n, m = len(a), len(b)
        if n and m:
            above = rankdata(np.concatenate([b, a]))[:m].sum() - m * (m + 1) / 2  # pairs with the generated one farther
            z[c] = (above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
            weight[c] = n / len(unseen[0])
    return z, weight


def near_copies(train: Features, fake: Features, *, held_out: Features, features: str, seed: int = 0) -> Score:
    """Excess of generated records suspiciously near to a training record, over unseen real ones, in percent.

    Nearness is the distance to the nearest training record as a share of that record's own distance to its nearest.
    For the (j + 1)-th nearest unseen record, j = 0, 1, 2, 4, 8 ..., the k generated records nearer than it are counted:
    if both come from one distribution, at most j of the k + j nearest of all are unseen ones with a hypergeometric
    probability. The note says "copies" where one of these p-values is below its part of 1 %: nine tenths for j = 0,
    half of the rest for the next, and so on; the value is the excess at that j. Natural near-duplicates hide a few
    copies, few unseen records more. Where no p-value is that small, the interval begins at 0: the excess may be
    nothing.
    """
    train, fake = checked(train, fake, fewest=2)
    held_out = checked(train, held_out, fewest=2)[1]
    if len(held_out) < MIN_UNSEEN:
        what = f"{len(held_out)} unseen real records are too few to know how near one may come, {MIN_UNSEEN} are needed"
        raise DataError(what, where="near copies")
    reach = np.maximum(nearest_others(train)[0][:, 0], TINY)
    ours, unseen = _ratio(fake, train, reach), np.sort(_ratio(held_out, train, reach))
    n, m = len(ours), len(unseen)
    allowed = [0, *(2**i for i in range(int(np.log2(m))))]
    counts = np.searchsorted(np.sort(ours), unseen[allowed])  # strictly nearer
    p = np.array([hypergeom.cdf(j, n + m, m, k + j) if k else 1.0 for j, k in zip(allowed, counts, strict=True)])
    part = np.array([0.9, *(0.1 * 0.5**i for i in range(1, len(p)))])
    p = np.minimum(p / part, 1.0)
    best = int(p.argmin())
    k, j, adjusted = int(counts[best]), allowed[best], float(p[best])
    low, high = share_interval(k / n, n)
    return Score(
        name="near copies",
        value=100 * max(k / n - j / m, 0.0),
        direction="lower",
        n=n,
        signature=signature("near copies", protocol=f"{features}, train={len(train)}", n=(m, n), seed=seed),
        interval=(100 * max(low - j / m, 0.0) if adjusted < ALARM else 0.0, 100 * max(high - j / m, 0.0)),
        floor=0.0,
        floor_error=0.0,
        unit="%",
        group="novelty",
        note=f"copies: {k} records where {j * n / m:.3g} are expected, p = {adjusted:.2g}" if adjusted < ALARM else "",
        replicates=Replicates((), tuple(100 * (v - j / m) for v in mean_replicates(ours < unseen[j], seed=seed + 1))),
    )


def _ratio(points: Features, train: Features, reach: Float[np.ndarray, "t"]) -> Float[np.ndarray, "n"]:
    """Distance of each point to its nearest training record, as a share of that record's own reach."""
    apart, which = nearest_of(points, train)
    return apart / reach[which]
