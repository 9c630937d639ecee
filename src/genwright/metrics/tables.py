"""How far generated tables are from real ones, one column at a time (shape) and two at a time (trend)."""

import enum
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from genwright.data.align import aligned
from genwright.data.dataset import Category, Dataset, Field, Time
from genwright.errors import DataError
from genwright.scores.intervals import jackknife_groups
from genwright.scores.kinks import (
    lined_up,
    replicate_error,
    share_of_one_interval,
    smoothed_absolute,
    smoothed_highest,
    split_replicates,
)
from genwright.scores.score import Score, signature

BINS = 10  # equal-width bins of a number that is crossed with another column
MAX_PAIRED = 100  # columns of which all pairs are looked at: 4,950; of wider tables so many are drawn
CURVE_CELLS = 2000  # most cells of a cumulative curve when estimating its error (the value itself is exact)


class Binning(enum.Enum):
    """Over which range numbers are cut into bins for the trend error."""

    REAL_RANGE = "bins of the real range"  # the headline: real against real scores about 1 %
    OPEN_ENDS = "bins of the real range, outer bins open"  # SDMetrics from 0.25 on: values beyond are in the outer bins
    OWN_RANGE = "bins of each table's own range"  # SDMetrics 0.11-0.24; on heavy tails real data scores 8-13 %


class Missing(enum.Enum):
    """What missing values are to a column's or a pair's error."""

    COUNTED = "missing values counted"  # the headline: a column missing too often shows
    DROPPED = "missing values dropped"  # SDMetrics: known values only (but contingency counts them as a level)


def shape_errors(real: Dataset, fake: Dataset, *, missing: Missing = Missing.COUNTED) -> dict[str, float]:
    """Error of each column in percent: Kolmogorov-Smirnov for numbers and times, total variation for categories.

    Where missing values are counted, a number's error is at least the difference of the missing shares.
    """
    fake = aligned(fake, real)
    groups = row_groups(real, fake, 0)
    return {f.name: 100 * float(_shape(f, real, fake, groups, missing)[0]) for f in compared_columns(real)}


def shape_error(real: Dataset, fake: Dataset, *, missing: Missing = Missing.COUNTED, seed: int = 0) -> Score:
    """Mean over columns of `shape_errors`, in percent."""
    fake = aligned(fake, real)
    groups = row_groups(real, fake, seed)
    replicates = np.mean([_shape(f, real, fake, groups, missing) for f in compared_columns(real)], axis=0)
    protocol = "ks+tv" if missing is Missing.COUNTED else f"ks+tv, {missing.value}"
    return percent_score("shape error", replicates, real, fake, protocol=protocol, seed=seed)


def trend_errors(
    real: Dataset, fake: Dataset, *, binning: Binning = Binning.REAL_RANGE, missing: Missing = Missing.COUNTED
) -> pd.DataFrame:
    """Error of each pair of columns in percent, with columns `first`, `second`, `kind`, `error`.

    Two numbers ("correlation"): half the difference of Pearson's coefficients. Otherwise ("contingency"): total
    variation between the tables of joint counts, numbers cut into 10 equal-width bins, missing values a category of
    their own. Where they are counted, the error between numbers is at least the total variation between the missing
    patterns.
    """
    fake = aligned(fake, real)
    pairs, replicates = _trends(real, fake, compared_columns(real), binning, missing, row_groups(real, fake, 0))
    frame = pd.DataFrame(pairs, columns=["first", "second", "kind"])
    return frame.assign(error=100 * replicates[:, 0])


def trend_error(
    real: Dataset,
    fake: Dataset,
    *,
    binning: Binning = Binning.REAL_RANGE,
    missing: Missing = Missing.COUNTED,
    seed: int = 0,
) -> Score:
    """Mean over all pairs of columns (of 100 drawn of a wider table) of `trend_errors`, in percent.

    A table with one column has no trend.
    """
    fields, pairs = paired_columns(real, seed)
    fake = aligned(fake, real)
    _, replicates = _trends(real, fake, fields, binning, missing, row_groups(real, fake, seed))
    protocol = f"{pairs}, {binning.value}" + ("" if missing is Missing.COUNTED else f", {missing.value}")
    return percent_score("trend error", replicates.mean(axis=0), real, fake, protocol=protocol, seed=seed)


def compared_columns(real: Dataset) -> tuple[Field, ...]:
    """The number, category and time fields; DataError if there is none."""
    if not real.scalars:
        raise DataError("no number, category or time column to compare", where=real.name)
    return real.scalars


def paired_columns(real: Dataset, seed: int) -> tuple[tuple[Field, ...], str]:
    """The columns of which all pairs are looked at, and these pairs in words; DataError if there is no pair."""
    fields = compared_columns(real)
    if len(fields) < 2:
        raise DataError("pairs need two columns", where=real.name, hint="use the shape error")
    if len(fields) <= MAX_PAIRED:
        return fields, "all pairs"
    some = np.sort(np.random.default_rng(seed).permutation(len(fields))[:MAX_PAIRED])
    return tuple(fields[i] for i in some), f"all pairs of {MAX_PAIRED} of {len(fields):,} columns"


Groups = tuple[Int[np.ndarray, "n"], Int[np.ndarray, "m"]]


def row_groups(real: Dataset, fake: Dataset, seed: int) -> Groups:
    """Jackknife groups of the rows of both tables."""
    for data in (real, fake):
        if len(data) < 2:
            raise DataError(f"{len(data)} rows are too few to compare", where=data.name, hint="at least 2 are needed")
    return jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)


def percent_score(name: str, values: np.ndarray, real: Dataset, fake: Dataset, *, protocol: str, seed: int) -> Score:
    """A Score in percent from shares ordered as for `split_replicates`."""
    value = 100 * float(values[0])
    real_groups = int(jackknife_groups(len(real), seed).max()) + 1
    low, high = share_of_one_interval(float(values[0]), split_replicates(values, real_groups))
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=len(fake),
        signature=signature(name, protocol=protocol, n=(len(real), len(fake)), seed=seed),
        interval=(100 * low, 100 * high),
        unit="%",
        replicates=split_replicates(100 * values, real_groups),
    )


def _shares(cell: Int[np.ndarray, "n"], group: Int[np.ndarray, "n"], cells: int) -> Float[np.ndarray, "r cells"]:
    """Share of records in each cell: with all of them, then with each group left out."""
    groups = int(group.max()) + 1
    counts = np.bincount(group * cells + cell, minlength=groups * cells).reshape(groups, cells).astype(np.float64)
    left = np.concatenate([counts.sum(0, keepdims=True), counts.sum(0) - counts])
    return left / np.maximum(left.sum(1, keepdims=True), 1)


def total_variation(
    a: Int[np.ndarray, "n"], b: Int[np.ndarray, "m"], group_a: np.ndarray, group_b: np.ndarray
) -> Float[np.ndarray, "r"]:
    """Replicates of the total variation between two samples of cell numbers."""
    cells = int(max(a.max(), b.max())) + 1
    if cells > len(a) + len(b):  # mostly empty: number the cells in use only
        joint = np.unique(np.concatenate([a, b]), return_inverse=True)[1]
        a, b, cells = joint[: len(a)], joint[len(a) :], int(joint.max()) + 1
    p, q = _shares(a, group_a, cells), _shares(b, group_b, cells)
    error = np.sqrt(p[0] * (1 - p[0]) / len(a) + q[0] * (1 - q[0]) / len(b))
    p, q = lined_up(p, q)
    return 0.5 * smoothed_absolute(p - q, error).sum(axis=1)


def _shape(field: Field, real: Dataset, fake: Dataset, groups: Groups, missing: Missing) -> Float[np.ndarray, "r"]:
    """Replicates of one column's shape error, as a share."""
    if isinstance(field, Category):
        a, b = _levels(real.columns[field.name], fake.columns[field.name])
        if missing is Missing.DROPPED:
            return _total_variation_of_known(a, b, *groups)
        return total_variation(a, b, *groups)
    a, b = number_column(field, real), number_column(field, fake)
    here = ~np.isnan(a), ~np.isnan(b)
    unlike = total_variation((~here[0]).astype(int), (~here[1]).astype(int), *groups)
    if not here[0].any() or not here[1].any():
        return unlike
    curves = _kolmogorov_smirnov(a, b, here, groups)
    return curves if missing is Missing.DROPPED or curves[0] >= unlike[0] else unlike


def _total_variation_of_known(a: np.ndarray, b: np.ndarray, group_a: np.ndarray, group_b: np.ndarray) -> np.ndarray:
    """Replicates of the total variation between the levels that are not missing (0)."""
    here_a, here_b = a > 0, b > 0
    if not here_a.any() or not here_b.any():
        raise DataError("a category without a single known value cannot be compared", hint="count missing values")
    cells = int(max(a.max(), b.max())) + 1
    p = _shares_of_all(a[here_a], group_a, here_a, cells)
    q = _shares_of_all(b[here_b], group_b, here_b, cells)
    error = np.sqrt(p[0] * (1 - p[0]) / here_a.sum() + q[0] * (1 - q[0]) / here_b.sum())
    p, q = lined_up(p, q)
    return 0.5 * smoothed_absolute(p - q, error).sum(axis=1)


def _kolmogorov_smirnov(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "m"],
    here: tuple[Bool[np.ndarray, "n"], Bool[np.ndarray, "m"]],
    groups: Groups,
) -> Float[np.ndarray, "r"]:
    """Replicates of the largest gap between two cumulative curves: the first exact, the rest on a coarser grid."""
    rank = np.unique(np.concatenate([a[here[0]], b[here[1]]]), return_inverse=True)[1]
    n, cells = int(here[0].sum()), int(rank.max()) + 1
    zero_a, zero_b = np.zeros(n, dtype=int), np.zeros(len(rank) - n, dtype=int)
    gap = _shares(rank[:n], zero_a, cells)[0] - _shares(rank[n:], zero_b, cells)[0]
    exact = np.abs(np.cumsum(gap)).max()
    coarse = rank if cells <= CURVE_CELLS else rank * CURVE_CELLS // cells
    cells = int(coarse.max()) + 1
    p = _shares_of_all(coarse[:n], groups[0], here[0], cells)
    q = _shares_of_all(coarse[n:], groups[1], here[1], cells)
    p, q = lined_up(p, q)
    highest = smoothed_highest(np.cumsum(p - q, axis=1))
    return exact + (highest - highest[0])


def _shares_of_all(cell: np.ndarray, group: np.ndarray, here: np.ndarray, cells: int) -> np.ndarray:
    """`_shares` of the rows that are `here`, with one replicate for every group even if some group has none here."""
    extra = np.concatenate([cell, np.full(int((~here).sum()), cells)])
    shares = _shares(extra, np.concatenate([group[here], group[~here]]), cells + 1)[:, :-1]
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)


def number_column(field: Field, table: Dataset) -> Float[np.ndarray, "n"]:
    """A number or time column as floats, NaN where missing; times in seconds."""
    column = table.columns[field.name]
    if not isinstance(field, Time):
        return column.astype(np.float64)
    return np.where(np.isnat(column), np.nan, column.astype("datetime64[us]").astype(np.int64) / 1e6)


def _levels(a: np.ndarray, b: np.ndarray) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "m"]]:
    """Level numbers shared by two category columns; 0 is missing."""
    codes, _ = pd.factorize(np.concatenate([a, b]), use_na_sentinel=True)
    return codes[: len(a)] + 1, codes[len(a) :] + 1


def cell_numbers(field: Field, real: Dataset, fake: Dataset, binning: Binning) -> tuple[np.ndarray, np.ndarray]:
    """A column of both tables as cell numbers: levels, or bins of a number; 0 is missing."""
    if isinstance(field, Category):
        return _levels(real.columns[field.name], fake.columns[field.name])
    return _binned(number_column(field, real), number_column(field, fake), binning)


def _binned(a: np.ndarray, b: np.ndarray, binning: Binning) -> tuple[np.ndarray, np.ndarray]:
    """Bin numbers of two number columns: 0 missing, 1-10 within the range, 11 and 12 below and above it."""
    first, second = _bins(a, a), _bins(b, b if binning is Binning.OWN_RANGE else a)
    if binning is Binning.OPEN_ENDS:
        second = np.select([second == BINS + 1, second == BINS + 2], [1, BINS], second)
    return first, second


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
    real: Dataset, fake: Dataset, fields: Sequence[Field], binning: Binning, missing: Missing, groups: Groups
) -> tuple[list[Pair], Float[np.ndarray, "pairs r"]]:
    """Every pair of columns and the replicates of its error, as a share."""
    numbers = [f for f in fields if not isinstance(f, Category)]
    cells = {f.name: cell_numbers(f, real, fake, binning) for f in fields}
    position = {f.name: i for i, f in enumerate(numbers)}
    between = _correlation_errors(real, fake, numbers, missing, groups)
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
        errors.append(total_variation(a * width + c, b * width + d, *groups))
    return pairs, np.array(errors)


def _correlation_errors(
    real: Dataset, fake: Dataset, numbers: Sequence[Field], missing: Missing, groups: Groups
) -> Float[np.ndarray, "r c c"]:
    """Replicates of the error between all pairs of number columns."""
    if len(numbers) < 2:
        return np.zeros((1, len(numbers), len(numbers)))
    a = np.stack([number_column(f, real) for f in numbers], axis=1)
    b = np.stack([number_column(f, fake) for f in numbers], axis=1)
    known = ~np.isnan(a)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, a, 0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (a - centre) ** 2, 0).sum(axis=0) / count)
    spread[spread == 0] = 1.0
    moments_a, moments_b = (_moments((x - centre) / spread, g) for x, g in zip((a, b), groups, strict=True))
    r_a, r_b = lined_up(_correlations(moments_a), _correlations(moments_b))
    real_groups = int(groups[0].max()) + 1
    apart = smoothed_absolute((r_a - r_b) / 2, replicate_error((r_a - r_b) / 2, real_groups))
    if missing is Missing.DROPPED:
        return apart
    m_a, m_b = lined_up(*(_missing_patterns(m, g) for m, g in zip((moments_a, moments_b), groups, strict=True)))
    unlike = 0.5 * smoothed_absolute(m_a - m_b, replicate_error(m_a - m_b, real_groups)).sum(axis=-1)
    return np.where(apart[0] >= unlike[0], apart, unlike)


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
