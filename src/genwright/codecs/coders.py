"""Which coder a scalar field takes, and coders read back from JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from genwright.codecs.grouped import Grouped
from genwright.codecs.scalars import MAX_LEVELS, Atoms, Levels, ScalarCoder
from genwright.codecs.schema import grid_scale, is_moment, is_of
from genwright.codecs.smooth import Smooth
from genwright.codecs.values import values_of
from genwright.data.dataset import SCALARS, Category, Constant, Field, Identifier, Number, Time
from genwright.data.times import far_times
from genwright.errors import DataError
from genwright.spaces import Continuous
from genwright.typed import made, typed, wrong

KINDS: Mapping[str, Callable[..., ScalarCoder]] = {
    "atoms": Atoms,
    "levels": Levels,
    "smooth": Smooth,
    "grouped": Grouped,
}
NONE = np.empty(0)
LARGEST = 1e100  # beyond that sums and slopes overflow
MAX_RARE = 0.05  # share of the rows that may hold levels told apart by their counts alone
MAX_FEATURES = 32  # columns that very many levels are grouped by
MAX_INDICATORS = 3  # of these, for one category

ALWAYS_ATOMS = 100  # up to this many distinct numbers are kept as atoms ...
SPARSE_SHARE = 0.1  # ... and up to MAX_LEVELS where they fill less than this share of their grid
SURE = 14.0  # nats: k values lie on a grid that is `step` times coarser by chance in exp(-k log step) of cases
ROWS_PER_ATOM = 10  # with fewer rows per distinct value, atoms would be copies of single rows


def fit_coders(
    fields: Sequence[Field], columns: Mapping[str, Any], rng: torch.Generator
) -> tuple[ScalarCoder | None, ...]:
    """The coder of each field, None where it is not modelled; `rng` draws the dequantisation noise.

    Categories of very many levels come last: their levels are grouped by what the other columns say of them.
    """
    coders = {f.name: _fit_coder(f, columns[f.name], rng) for f in fields if isinstance(f, SCALARS)}
    known = {name: coder for name, coder in coders.items() if not _crowded(coder, len(columns[name]))}
    for field in fields:
        if field.name in coders and field.name not in known:
            features = islice(_features(fields, known, columns, rng), MAX_FEATURES)
            coders[field.name] = Grouped.fit(columns[field.name], features)
    return tuple(coders.get(f.name) for f in fields)


def _crowded(coder: ScalarCoder, rows: int) -> bool:
    """Whether too many rows would share the bucket of rare levels, in which nothing tells them apart."""
    return isinstance(coder, Levels) and sum(coder.rare_counts) > MAX_RARE * rows


def _features(
    fields: Sequence[Field], coders: Mapping[str, ScalarCoder], columns: Mapping[str, Any], rng: torch.Generator
) -> Iterator[Float[np.ndarray, " n"]]:
    """What other columns say of each row: continuous and ordered values, and indicators of the commonest levels."""
    for field in fields:
        if field.name not in coders:
            continue
        coder = coders[field.name]
        x = coder.encode(values_of(field, columns[field.name]), rng)
        for j, column in enumerate(coder.columns(field.name, 0)):
            if isinstance(column, Continuous) or column.ordered:
                yield x[:, j]
            else:  # levels are numbered by falling frequency; of two levels, one says it all
                for level in range(min(column.levels - 1, MAX_INDICATORS)):
                    yield (x[:, j] == level).astype(np.float32)


def _fit_coder(field: Field, column: np.ndarray, rng: torch.Generator) -> ScalarCoder:
    if isinstance(field, Category):
        return Levels.fit(column)
    assert isinstance(field, (Number, Time))
    if isinstance(field, Number) and (np.abs(column) > LARGEST).any():
        what = f"infinite numbers, or beyond {LARGEST:g}, cannot be modelled"
        raise DataError(what, where=field.name, hint="replace or drop them, or take their logarithm")
    values = values_of(field, column)
    apart = NONE
    if isinstance(field, Time) and not np.isnan(values).all():
        moments, first = np.unique(column[~np.isnat(column)], return_index=True)
        apart = values[~np.isnan(values)][first][far_times(moments)]
    return fit_number(values, grid=grid_scale(field) is not None, rng=rng, apart=apart)


def fit_number(
    values: Float[np.ndarray, " n"], *, grid: bool, rng: torch.Generator, apart: Float[np.ndarray, " k"] = NONE
) -> ScalarCoder:
    """The coder that suits these numbers; `grid` says that they are whole numbers, not anything in between. Those in
    `apart` have nothing to do with the others: what lies between is never drawn.
    """
    distinct = np.unique(values[~np.isnan(values)])
    exact = grid and np.abs(distinct).max(initial=0) < 2**52  # float64 has no halves beyond
    step = _common_step(distinct) if exact else 0.0
    crowded = len(values) < ROWS_PER_ATOM * len(distinct)
    if len(distinct) <= 2 or (len(distinct) <= ALWAYS_ATOMS and not crowded):
        return Atoms.fit(values)
    cells = 1 + (distinct[-1] - distinct[0]) / step if step else np.inf
    if len(distinct) < MAX_LEVELS and not crowded and len(distinct) < SPARSE_SHARE * cells:
        return Atoms.fit(values)
    return Smooth.fit(values, step=step, rng=rng, apart=apart)


def coder_from_json(told: Any, *, where: str = "coders") -> ScalarCoder:
    """The inverse of `ScalarCoder.to_json`; StorageError for anything that is no coder."""
    values = dict(typed(told, dict, where=where))
    build = KINDS.get(typed(values.pop("kind", None), str, where=f"{where}, kind"))
    if build is None:
        raise wrong("a coder of unknown kind", where)
    return made(build, values, where=where)


def suits(field: Field, coder: ScalarCoder | None) -> bool:
    """Whether a coder that was read from a file can be that of a field."""
    match field:
        case Category():
            return isinstance(coder, Levels | Grouped) and all(is_of(field.dtype, level) for level in coder.known)
        case Number():
            return isinstance(coder, Atoms | Smooth)
        case Time():
            return isinstance(coder, Atoms | Smooth) and all(is_moment(field, value) for value in _ends(coder))
    return coder is None and isinstance(field, Identifier | Constant)


def _ends(coder: Atoms | Smooth) -> tuple[float, ...]:
    """The least and the greatest value that is decoded, and maybe others."""
    return coder.values if isinstance(coder, Atoms) else (coder.low, coder.high, *coder.spikes)


def _common_step(distinct: Float[np.ndarray, " k"]) -> float:
    """The greatest step that all values share, so that prices in hundreds stay so; 1 where that may be chance."""
    step = float(np.gcd.reduce(np.diff(distinct).astype(np.int64)))
    return step if step > 1 and (len(distinct) - 1) * np.log(step) > SURE else 1.0
