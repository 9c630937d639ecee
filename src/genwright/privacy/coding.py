"""A codec fitted privately: levels, values, ranges and quantiles from noisy counts, or as the user declared them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import ndtri

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.conditions import Between, OneOf
from genwright.codecs.scalars import MAX_LEVELS, Atoms, Levels, ScalarCoder
from genwright.codecs.schema import from_numbers, grid_scale
from genwright.codecs.smooth import Smooth
from genwright.codecs.values import values_of
from genwright.data.dataset import SCALARS, Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.times import format_times
from genwright.errors import DataError
from genwright.privacy.budget import Budget
from genwright.privacy.public import Known, known_of

NAMES_SHARE, RANGES_SHARE, QUANTILES_SHARE = 0.1, 0.04, 0.06  # of the budget
SHOWN = 2.0  # standard deviations of the noise that the rows at the ends of a range have to show
SURE = 3.0  # standard deviations of the noise that a missing mark or a rest of values has to show
MIN_REST = 0.01  # share of the rows in values without a name of their own that is worth a density
MAX_NAMED = MAX_LEVELS - 56  # values of a number that are states of their own
OCTAVE_CELLS = 4  # cells of the wide grid between a power of two and the next
LARGEST_EXPONENT = 60
SMALLEST_EXPONENT = -40
MAX_CELLS, MIN_CELLS = 256, 16  # evenly spaced over a range once that is known,
ROWS_OVER_NOISE = 4.0  # that hold this many standard deviations of the noise on average, if rows are few;
CELLS_PER_HALVING = 16  # so many cells allow for a tail of half the length, told apart by cells of the wide grid
MAX_KNOTS = 128
BLOCKS = (1, 4, 16, 64)  # cells of the wide grid that are looked at together
GROWTH = (16, 4, 1)  # cells by which a range grows
FALSE_RANGES = 1e-3  # probability that noise alone makes a range longer, which would leave it with few useful cells
TIMES = np.array(["0001-01-01", "9999-12-31"], dtype="datetime64[us]")  # that can be written


class Named(NamedTuple):
    """Levels or values with a noisy count above the threshold, commonest first, and whether missing ones show."""

    values: tuple
    counts: tuple[float, ...]
    missing: bool
    rest: bool  # whether enough other values remain to be worth a density


def private_codec(data: Dataset, budget: Budget, public: Mapping[str, Between | OneOf]) -> ColumnsCodec:
    """A codec for all rows; what it stores of them has been paid for from `budget`, or is public.

    Column names, kinds, decimals and time formats are taken as public. Identifiers keep nothing of theirs, constants
    are categories like others.
    """
    fields = tuple(_blank(f) for f in data.fields if isinstance(f, (*SCALARS, Identifier, Constant)))
    columns = {f.name: values_of(f, data.columns[f.name]) for f in fields if isinstance(f, SCALARS)}
    known = known_of(public, fields)
    for name, (low, high) in ((name, k.range) for name, k in known.items() if k.range):
        columns[name] = np.clip(columns[name], low, high)  # the rows' own ends are nobody's business
    named = _names(columns, known, budget)
    wanting = [f for f in fields if isinstance(f, (Number, Time)) and named[f.name].rest]
    rest = {f.name: _unnamed(columns[f.name], named[f.name]) for f in wanting}
    ranges = _ranges(wanting, rest, known, named, budget)
    wanting = [f for f in wanting if f.name in ranges]
    smooth = _densities(wanting, rest, ranges, named, len(data), budget)
    coders: list[ScalarCoder | None] = []
    final: list[Field] = []
    for field in fields:
        coder = smooth.get(field.name) or (None if isinstance(field, Identifier) else _few(field, named[field.name]))
        coders.append(coder)
        final.append(_described(field, coder))
    return ColumnsCodec(tuple(final), tuple(coders), data.name, data.label)


def _blank(field: Field) -> Field:
    """A field without what it holds of the rows."""
    if not isinstance(field, Identifier | Constant) and field.storage is not None:
        field = replace(field, storage=replace(field.storage, levels=None))
    match field:
        case Number():
            return replace(field, low=-np.inf, high=np.inf)
        case Time():
            return replace(field, low="", high="")
        case Identifier():
            return Identifier(field.name, start=1)
        case Constant():
            return Category(field.name)
    assert isinstance(field, Category)
    return replace(field, levels=())


def _names(columns: Mapping[str, np.ndarray], known: Mapping[str, Known], budget: Budget) -> dict[str, Named]:
    """The levels and values that may be named: those that are public, or that many rows have."""
    named = {name: Named(k.values, (1.0,) * len(k.values), k.missing, False) for name, k in known.items() if k.values}
    found, tables = {}, []
    for name, values in columns.items():
        if name not in named:
            codes, keys = pd.factorize(values)
            found[name] = keys
            tables.append(np.bincount(codes + 1, minlength=len(keys) + 1).astype(np.float64))
    if not found:
        return named
    noisy, scale, threshold = budget.named_counts("levels and common values", tables, share=NAMES_SHARE)
    for (name, keys), counts in zip(found.items(), noisy, strict=True):
        order = np.argsort(-counts[1:], kind="stable")[:MAX_NAMED]
        order = order[counts[1:][order] > threshold]
        rest = len(columns[name]) - counts[0] - counts[1:][order].sum()
        unsure = SURE * scale * np.sqrt(len(order) + 1)
        named[name] = Named(
            tuple(np.asarray(keys)[order].tolist()),
            tuple(counts[1:][order].tolist()),
            bool(counts[0] > SURE * scale),
            bool(rest > max(unsure, MIN_REST * len(columns[name])) or not len(order)),
        )
    return named


def _few(field: Field, named: Named) -> ScalarCoder:
    """The coder of a category, or of a number with few values."""
    if not named.values and not named.missing:
        what = "no level is common enough to be named privately"
        hint = f"name them: Privacy(public={{{field.name!r}: gw.OneOf(...)}}), raise epsilon, or drop the column"
        raise DataError(what, where=field.name, hint=hint)
    if isinstance(field, Category):
        return Levels(named.values, (), (), named.missing)
    return Atoms(tuple(sorted(named.values)), named.missing)


def _unnamed(values: Float[np.ndarray, " n"], named: Named) -> Float[np.ndarray, " m"]:
    """The values that have no name of their own, without missing ones."""
    return values[~np.isnan(values) & ~np.isin(values, named.values)]


def wide_edges(*, grid: bool) -> Float[np.ndarray, " e"]:
    """Borders of the cells that ranges are looked for on, of either sign: four between a power of two and the next.

    On a grid of whole numbers they lie between the numbers; elsewhere cells below 1 are sixteen times shorter than the
    next, so that few of them lie between positive and negative numbers.
    """
    positive = 2.0 ** (np.arange(LARGEST_EXPONENT * OCTAVE_CELLS + 1) / OCTAVE_CELLS)
    if grid:
        positive = np.unique(np.ceil(positive)) - 0.5
        return np.concatenate([-positive[::-1], positive])
    positive = np.concatenate([2.0 ** np.arange(SMALLEST_EXPONENT, 0.0, 4.0), positive])
    return np.concatenate([-positive[::-1], [0.0], positive])


def _ranges(
    fields: Sequence[Field],
    rest: Mapping[str, np.ndarray],
    known: Mapping[str, Known],
    named: Mapping[str, Named],
    budget: Budget,
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each number, from where on the wide grid rows are; declared ones as declared.

    None where too few rows show, if the number has named values.
    """
    ranges = {f.name: known[f.name].range for f in fields if f.name in known and known[f.name].range is not None}
    unknown = [f for f in fields if f.name not in ranges]
    if not unknown:
        return ranges  # type: ignore[return-value]
    edges = {f.name: wide_edges(grid=_on_grid(f)) for f in unknown}
    tables = [histogram(rest[f.name], edges[f.name]) for f in unknown]
    noisy, scale = budget.counts("ranges", tables, share=RANGES_SHARE)
    for field, counts in zip(unknown, noisy, strict=True):
        found = shown_range(counts, scale)
        if found is None and named[field.name].values:
            continue  # the others are too few to be worth a density
        if found is None:
            hint = f"declare it: Privacy(public={{{field.name!r}: gw.Between(low, high)}}), or raise epsilon"
            raise DataError("too few rows to find its range privately", where=field.name, hint=hint)
        low, high = edges[field.name][found.start], edges[field.name][found.stop]
        low, high = (np.ceil(low), np.floor(high)) if _on_grid(field) else (low, high)
        if isinstance(field, Time):
            earliest, latest = values_of(field, TIMES)
            low, high = max(low, earliest), min(high, latest)
        ranges[field.name] = float(low), float(high)
    return ranges  # type: ignore[return-value]


def shown_range(counts: Float[np.ndarray, " c"], scale: float) -> slice | None:
    """The cells from the first to the last in which rows show through noise of standard deviation `scale`.

    Looked for in single cells, or else in ever larger blocks of them; None if none show even so. A range grows by the
    blocks beside it in which rows show more likely than not, the larger ones first.
    """
    for size in BLOCKS:
        blocks = np.add.reduceat(counts, np.arange(0, len(counts), size))
        there = np.flatnonzero(blocks > scale * np.sqrt(size) * -ndtri(FALSE_RANGES / len(blocks)))
        if len(there):
            break
    else:
        return None
    first, last = int(there[0]) * size, min(int(there[-1] + 1) * size, len(counts))
    for size in GROWTH:
        while first > 0 and counts[max(0, first - size) : first].sum() > SHOWN * scale * np.sqrt(size):
            first = max(0, first - size)
        while last < len(counts) and counts[last : last + size].sum() > SHOWN * scale * np.sqrt(size):
            last = min(len(counts), last + size)
    return slice(first, last)


def histogram(values: Float[np.ndarray, " n"], edges: Float[np.ndarray, " e"]) -> Float[np.ndarray, " c"]:
    """Counts between `edges`; values beyond count in the outermost cells."""
    cell = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(cell, minlength=len(edges) - 1).astype(np.float64)


def _densities(
    fields: Sequence[Field],
    rest: Mapping[str, np.ndarray],
    ranges: Mapping[str, tuple[float, float]],
    named: Mapping[str, Named],
    rows: int,
    budget: Budget,
) -> dict[str, Smooth]:
    """Numbers with many values: quantiles from noisy counts within their range, named values as spikes."""
    if not fields:
        return {}
    scale = budget.scale(len(fields), share=QUANTILES_SHARE)
    cells = int(np.clip(rows / (ROWS_OVER_NOISE * scale), MIN_CELLS, MAX_CELLS))
    edges = {f.name: _fine_edges(*ranges[f.name], cells, grid=_on_grid(f)) for f in fields}
    tables = [histogram(rest[f.name], edges[f.name]) for f in fields]
    noisy, _ = budget.counts("quantiles", tables, share=QUANTILES_SHARE)
    smooth = {}
    for field, counts in zip(fields, noisy, strict=True):
        counts, borders = _trimmed(counts, edges[field.name], scale)
        knots, scores = _quantile_map(counts, borders, rows)
        low, high = (np.ceil(borders[0]), np.floor(borders[-1])) if _on_grid(field) else (borders[0], borders[-1])
        spikes, missing = tuple(sorted(named[field.name].values)), named[field.name].missing
        step = float(_on_grid(field))
        smooth[field.name] = Smooth(step, float(low), float(high), knots, scores, spikes, missing)
    return smooth


def _trimmed(
    counts: Float[np.ndarray, " c"], edges: Float[np.ndarray, " e"], scale: float
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " b"]]:
    """Without the outer cells in which, all together, no row shows through the noise."""
    unsure = SHOWN * scale * np.sqrt(np.arange(1, len(counts) + 1))
    first = int(np.argmax(np.cumsum(counts) > unsure))
    last = len(counts) - int(np.argmax(np.cumsum(counts[::-1]) > unsure))
    if not first < last:
        return counts, edges
    return counts[first:last], edges[first : last + 1]


def _on_grid(field: Field) -> bool:
    assert isinstance(field, (Number, Time))
    return grid_scale(field) is not None


def _fine_edges(low: float, high: float, cells: int, *, grid: bool) -> Float[np.ndarray, " e"]:
    """Borders of cells in a known range: evenly spaced ones and, for long tails, those of the wide grid."""
    half = 0.5 if grid else 0.0
    even = np.linspace(low - half, high + half, cells + 1)
    if grid:
        even = np.floor(even) + 0.5
    wide = wide_edges(grid=grid)
    wide = wide[(wide > low) & (wide < high) & (np.abs(wide) > (high - low) / 2 ** (cells / CELLS_PER_HALVING))]
    edges = np.unique(np.concatenate([even, wide, [low - half, high + half]]))
    return edges[(edges >= low - half) & (edges <= high + half)]


def _quantile_map(
    counts: Float[np.ndarray, " c"], edges: Float[np.ndarray, " e"], rows: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots and normal scores of a piecewise linear quantile map."""
    shares = nearest_shares(counts)
    below = np.concatenate([[0.0], np.cumsum(shares)])
    below[-1] = 1.0
    levels = np.linspace(0, 1, MAX_KNOTS + 1)
    knots = np.interp(levels, below, edges)
    knots[0], knots[-1] = edges[0], edges[-1]
    outermost = min(0.5 / rows, levels[1] / 4)
    scores = ndtri(np.concatenate([[outermost], levels[1:-1], [1 - outermost]])).round(6)
    return tuple(np.maximum.accumulate(knots).tolist()), tuple(scores.tolist())


def nearest_shares(counts: Float[np.ndarray, " c"]) -> Float[np.ndarray, " c"]:
    """Shares, none below 0, of the same total as the noisy counts and nearest to them.

    >>> nearest_shares(np.array([6.0, 3.0, -1.0])).tolist()
    [0.6875, 0.3125, 0.0]
    """
    total = max(float(counts.sum()), 1.0)
    falling = np.sort(counts)[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, len(counts) + 1)
    kept = int(np.flatnonzero(falling > excess)[-1])
    return np.maximum(counts - excess[kept], 0.0) / total


def _described(field: Field, coder: ScalarCoder | None) -> Field:
    """The field with the levels or range that its coder knows."""
    if isinstance(field, Category):
        assert isinstance(coder, Levels)
        return replace(field, levels=tuple(sorted(coder.frequent)))
    if not isinstance(field, (Number, Time)):
        return field
    assert isinstance(coder, (Atoms, Smooth))
    values = coder.values if isinstance(coder, Atoms) else (coder.low, coder.high, *coder.spikes)
    ends = from_numbers(field, np.array([min(values), max(values)]))
    if isinstance(field, Time):
        low, high = format_times(ends, field.format)
        return replace(field, low=low, high=high)
    return replace(field, low=float(ends[0]), high=float(ends[1]))


def unnamed_rows(codec: ColumnsCodec, data: Dataset) -> Bool[np.ndarray, "n f"]:
    """Which entries of the modelled fields the codec has no name for: levels that are too rare, unexpected gaps."""
    parts = []
    for field, coder in zip(codec.fields, codec.coders, strict=True):
        if coder is not None:
            values = values_of(field, data.columns[field.name])
            absent = pd.isna(values)
            assert isinstance(coder, (Levels, Atoms, Smooth))
            unknown = absent & (not coder.missing)
            if isinstance(coder, Levels):
                unknown |= ~absent & (pd.Index(coder.frequent).get_indexer(pd.Index(values)) < 0)
            parts.append(unknown)
    return np.stack(parts, axis=1)
