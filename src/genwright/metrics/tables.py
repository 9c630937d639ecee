"""How far generated tables are from real ones, one column at a time (shape) and two at a time (trend)."""

import enum
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from genwright.data.dataset import Category, Dataset, Field, Time
from genwright.errors import DataError
from genwright.metrics.align import aligned
from genwright.metrics.intervals import jackknife_error, jackknife_groups, normal_interval
from genwright.metrics.score import Score, signature

BINS = 10  # equal-width bins of a number that is crossed with another column
CURVE_CELLS = 2000  # most cells of a cumulative curve when estimating its error (the value itself is exact)


class Binning(enum.Enum):
    """Over which range numbers are cut into bins for the trend error."""

    REAL_RANGE = "bins of the real range"  # the headline: real against real scores about 1 %
    OWN_RANGE = "bins of each table's own range"  # SDMetrics 0.11-0.24; on heavy tails real data scores 8-13 %


def shape_errors(real: Dataset, fake: Dataset) -> dict[str, float]:
    """Error of each column in percent: Kolmogorov-Smirnov for numbers and times, total variation for categories.

    Where values are missing, a number's error is at least the difference of the missing shares.
    """
    fake = aligned(fake, real)
    return {f.name: 100 * float(_shape(f, real, fake, *_groups(real, fake, 0))[0]) for f in _columns(real)}


def shape_error(real: Dataset, fake: Dataset, *, seed: int = 0) -> Score:
    """Mean over columns of `shape_errors`, in percent."""
    fake = aligned(fake, real)
    groups = _groups(real, fake, seed)
    replicates = np.mean([_shape(f, real, fake, *groups) for f in _columns(real)], axis=0)
    return _percent("shape error", replicates, real, fake, groups, protocol="ks+tv", seed=seed)


def trend_errors(real: Dataset, fake: Dataset, *, binning: Binning = Binning.REAL_RANGE) -> pd.DataFrame:
    """Error of each pair of columns in percent, with columns `first`, `second`, `kind`, `error`.

    Two numbers ("correlation"): half the difference of Pearson's coefficients. Otherwise ("contingency"): total
    variation between the tables of joint counts, numbers cut into 10 equal-width bins. Missing values are a category
    of their own; between numbers, the error is at least the total variation between the missing patterns.
    """
    fake = aligned(fake, real)
    pairs, replicates = _trends(real, fake, binning, _groups(real, fake, 0))
    frame = pd.DataFrame(pairs, columns=["first", "second", "kind"])
    return frame.assign(error=100 * replicates[:, 0])


def trend_error(real: Dataset, fake: Dataset, *, binning: Binning = Binning.REAL_RANGE, seed: int = 0) -> Score:
    """Mean over all pairs of columns of `trend_errors`, in percent. A table with one column has no trend."""
    if len(_columns(real)) < 2:
        raise DataError("trend error needs two columns", where=real.name, hint="use the shape error")
    fake = aligned(fake, real)
    groups = _groups(real, fake, seed)
    _, replicates = _trends(real, fake, binning, groups)
    protocol = f"all pairs, {binning.value}"
    return _percent("trend error", replicates.mean(axis=0), real, fake, groups, protocol=protocol, seed=seed)


def _columns(real: Dataset) -> tuple[Field, ...]:
    if not real.scalars:
        raise DataError("no number, category or time column to compare", where=real.name)
    return real.scalars


Groups = tuple[Int[np.ndarray, "n"], Int[np.ndarray, "m"]]


def _groups(real: Dataset, fake: Dataset, seed: int) -> Groups:
    for data in (real, fake):
        if len(data) < 2:
            raise DataError(f"{len(data)} rows are too few to compare", where=data.name, hint="at least 2 are needed")
    return jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)


def _percent(
    name: str, replicates: np.ndarray, real: Dataset, fake: Dataset, groups: Groups, *, protocol: str, seed: int
) -> Score:
    """A Score from replicates ordered: all rows, then one real group left out, then one generated group left out."""
    g = 1 + groups[0].max()
    error = np.hypot(jackknife_error(replicates[1 : 1 + g]), jackknife_error(replicates[1 + g :]))
    value = 100 * float(replicates[0])
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=len(fake),
        signature=signature(name, protocol=protocol, n=(len(real), len(fake)), seed=seed),
        interval=normal_interval(value, 100 * error, low=0.0, high=100.0),
        unit="%",
    )


def _replicated(p: Float[np.ndarray, "g *c"], q: Float[np.ndarray, "h *c"]) -> tuple[np.ndarray, np.ndarray]:
    """Line up shares of two samples (row 0: all rows) so that only one sample has a group left out at a time."""
    return np.concatenate([p, np.repeat(p[:1], len(q) - 1, 0)]), np.concatenate([np.repeat(q[:1], len(p), 0), q[1:]])


def _shares(cell: Int[np.ndarray, "n"], group: Int[np.ndarray, "n"], cells: int) -> Float[np.ndarray, "r cells"]:
    """Share of records in each cell: with all of them, then with each group left out."""
    groups = int(group.max()) + 1
    counts = np.bincount(group * cells + cell, minlength=groups * cells).reshape(groups, cells).astype(np.float64)
    left = np.concatenate([counts.sum(0, keepdims=True), counts.sum(0) - counts])
    return left / np.maximum(left.sum(1, keepdims=True), 1)


def _total_variation(
    a: Int[np.ndarray, "n"], b: Int[np.ndarray, "m"], group_a: np.ndarray, group_b: np.ndarray
) -> Float[np.ndarray, "r"]:
    """Replicates of the total variation between two samples of cell numbers."""
    cells = int(max(a.max(), b.max())) + 1
    if cells > len(a) + len(b):  # mostly empty: number the cells in use only
        joint = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
        a, b, cells = joint[: len(a)], joint[len(a) :], int(joint.max()) + 1
    p, q = _replicated(_shares(a, group_a, cells), _shares(b, group_b, cells))
    return 0.5 * np.abs(p - q).sum(axis=1)


def _shape(field: Field, real: Dataset, fake: Dataset, group_a: np.ndarray, group_b: np.ndarray) -> np.ndarray:
    """Replicates of one column's shape error, as a share."""
    if isinstance(field, Category):
        a, b = _levels(real.columns[field.name], fake.columns[field.name])
        return _total_variation(a, b, group_a, group_b)
    a, b = _number(field, real), _number(field, fake)
    here_a, here_b = ~np.isnan(a), ~np.isnan(b)
    missing = _total_variation((~here_a).astype(int), (~here_b).astype(int), group_a, group_b)
    if not here_a.any() or not here_b.any():
        return missing
    curves = _kolmogorov_smirnov(a, b, here_a, here_b, group_a, group_b)
    return np.maximum(curves, missing)


def _kolmogorov_smirnov(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "m"],
    here_a: Bool[np.ndarray, "n"],
    here_b: Bool[np.ndarray, "m"],
    group_a: Int[np.ndarray, "n"],
    group_b: Int[np.ndarray, "m"],
) -> Float[np.ndarray, "r"]:
    """Replicates of the largest gap between two cumulative curves: the first exact, the rest on a coarser grid."""
    rank = np.unique(np.concatenate([a[here_a], b[here_b]]), return_inverse=True)[1]
    n, cells = int(here_a.sum()), int(rank.max()) + 1
    zero_a, zero_b = np.zeros(n, dtype=int), np.zeros(len(rank) - n, dtype=int)
    gap = _shares(rank[:n], zero_a, cells)[0] - _shares(rank[n:], zero_b, cells)[0]
    exact = np.abs(np.cumsum(gap)).max()
    coarse = rank if cells <= CURVE_CELLS else rank * CURVE_CELLS // cells
    cells = int(coarse.max()) + 1
    p = _shares_of_all(coarse[:n], group_a, here_a, cells)
    q = _shares_of_all(coarse[n:], group_b, here_b, cells)
    p, q = _replicated(p, q)
    curves = np.abs(np.cumsum(p - q, axis=1)).max(axis=1)
    curves[0] = exact
    return curves


def _shares_of_all(cell: np.ndarray, group: np.ndarray, here: np.ndarray, cells: int) -> np.ndarray:
    """`_shares` of the rows that are `here`, with one replicate for every group even if some group has none here."""
    extra = np.concatenate([cell, np.full(int((~here).sum()), cells)])
    shares = _shares(extra, np.concatenate([group[here], group[~here]]), cells + 1)[:, :-1]
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)


def _number(field: Field, table: Dataset) -> Float[np.ndarray, "n"]:
    """A number or time column as floats, NaN where missing; times in seconds."""
    column = table.columns[field.name]
    if not isinstance(field, Time):
        return column.astype(np.float64)
    return np.where(np.isnat(column), np.nan, column.astype("datetime64[ns]").astype(np.int64) / 1e9)


def _levels(a: np.ndarray, b: np.ndarray) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "m"]]:
    """Level numbers shared by two category columns; 0 is missing."""
    codes, _ = pd.factorize(np.concatenate([a, b]), use_na_sentinel=True)
    return codes[: len(a)] + 1, codes[len(a) :] + 1


def _binned(a: np.ndarray, b: np.ndarray, binning: Binning) -> tuple[np.ndarray, np.ndarray]:
    """Bin numbers of two number columns: 0 missing, 1-10 within the range, 11 and 12 below and above it."""
    first = _bins(a, a)
    return first, _bins(b, a if binning is Binning.REAL_RANGE else b)


def _bins(values: Float[np.ndarray, "n"], of: Float[np.ndarray, "m"]) -> Int[np.ndarray, "n"]:
    known = of[~np.isnan(of)]
    if not len(known):
        return np.where(np.isnan(values), 0, BINS + 1)
    low, high = known.min(), known.max()
    inner = np.linspace(low, high, BINS + 1)[1:-1]
    cell = 1 + np.searchsorted(inner, values, side="right")
    cell = np.where(values < low, BINS + 1, np.where(values > high, BINS + 2, cell))
    return np.where(np.isnan(values), 0, cell)


Pair = tuple[str, str, str]


def _trends(
    real: Dataset, fake: Dataset, binning: Binning, groups: Groups
) -> tuple[list[Pair], Float[np.ndarray, "pairs r"]]:
    """Every pair of columns and the replicates of its error, as a share."""
    fields = _columns(real)
    numbers = [f for f in fields if not isinstance(f, Category)]
    cells = {}
    for f in fields:
        if isinstance(f, Category):
            cells[f.name] = _levels(real.columns[f.name], fake.columns[f.name])
        else:
            cells[f.name] = _binned(_number(f, real), _number(f, fake), binning)
    position = {f.name: i for i, f in enumerate(numbers)}
    between = _correlation_errors(real, fake, numbers, groups)
    pairs: list[Pair] = []
    errors = []
    for f, g in itertools.combinations(fields, 2):
        if f.name in position and g.name in position:
            pairs.append((f.name, g.name, "correlation"))
            errors.append(between[:, position[f.name], position[g.name]])
            continue
        (a, b), (c, d) = cells[f.name], cells[g.name]
        width = int(max(c.max(), d.max())) + 1
        pairs.append((f.name, g.name, "contingency"))
        errors.append(_total_variation(a * width + c, b * width + d, *groups))
    return pairs, np.array(errors)


def _correlation_errors(
    real: Dataset, fake: Dataset, numbers: Sequence[Field], groups: Groups
) -> Float[np.ndarray, "r c c"]:
    """Replicates of the error between all pairs of number columns."""
    if len(numbers) < 2:
        return np.zeros((1, len(numbers), len(numbers)))
    a = np.stack([_number(f, real) for f in numbers], axis=1)
    b = np.stack([_number(f, fake) for f in numbers], axis=1)
    known = ~np.isnan(a)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, a, 0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (a - centre) ** 2, 0).sum(axis=0) / count)
    spread[spread == 0] = 1.0
    moments_a, moments_b = (_moments((x - centre) / spread, g) for x, g in zip((a, b), groups, strict=True))
    r_a, r_b = _replicated(_correlations(moments_a), _correlations(moments_b))
    m_a, m_b = _replicated(*(_missing_patterns(m, g) for m, g in zip((moments_a, moments_b), groups, strict=True)))
    return np.maximum(np.abs(r_a - r_b) / 2, 0.5 * np.abs(m_a - m_b).sum(axis=-1))


def _moments(x: Float[np.ndarray, "n c"], group: Int[np.ndarray, "n"]) -> Float[np.ndarray, "r 6 c c"]:
    """Sums over rows where both columns are known (1, x, y, xx, yy, xy), plus rows: all, then each group left out."""
    known = (~np.isnan(x)).astype(np.float64)
    x = np.where(known > 0, x, 0.0)
    sums = []
    for g in range(int(group.max()) + 1):
        m, v = known[group == g], x[group == g]
        sums.append(np.stack([m.T @ m, v.T @ m, m.T @ v, (v * v).T @ m, m.T @ (v * v), v.T @ v]))
    total = np.sum(sums, axis=0)
    return np.stack([total, *(total - s for s in sums)])


def _correlations(moments: Float[np.ndarray, "r 6 c c"]) -> Float[np.ndarray, "r c c"]:
    """Pearson's coefficients; 0 where a column does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, 1, 0)
    n = np.maximum(n, 1)
    variances = np.maximum(xx / n - (x / n) ** 2, 0) * np.maximum(yy / n - (y / n) ** 2, 0)
    covariance = xy / n - x * y / n**2
    varies = variances > 1e-18  # in units of the real columns' variances
    return np.clip(np.where(varies, covariance / np.sqrt(np.where(varies, variances, 1)), 0), -1, 1)


def _missing_patterns(moments: Float[np.ndarray, "r 6 c c"], group: Int[np.ndarray, "n"]) -> np.ndarray:
    """Shares of rows where both, only the first, only the second, or neither of two columns is known: (r, c, c, 4)."""
    both = moments[:, 0]
    known = np.diagonal(both, axis1=1, axis2=2)
    first, second = known[:, :, None], known[:, None, :]
    rows = np.concatenate([[len(group)], len(group) - np.bincount(group)])[:, None, None]
    return np.stack([both, first - both, second - both, rows - first - second + both], axis=-1) / rows[..., None]
