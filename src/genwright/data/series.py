"""Series out of a table of readings: records are entities, or windows of longer series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from genwright.data.cells import cells
from genwright.data.dataset import SCALARS, Category, Constant, Dataset, Field, Identifier, Number, Series, Time
from genwright.data.kinds import as_identifier, as_number
from genwright.data.split import SHARES, Split
from genwright.data.table import RawColumn
from genwright.data.times import time_unit
from genwright.errors import ArgumentError, DataError

WINDOW = 24  # readings in one, unless told
LONGEST = 512  # readings of an entity that is a record by itself, unless told
ENOUGH = 50  # windows of a held-out part from which on they need not overlap more
FILLED = 2.0  # times as many rows as there are readings that a regular grid may have
REGULAR = 0.5  # share of neighbouring readings whose distance is the usual one, from which on they lie on a grid
MEASURED = 0.5  # share of values that a window has at least
SHOWN = 3  # names in a note
NAMES = ("time", "entity", "window", "stride")
Column = Float[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a table holds series: its column of times, that of entities, and what a record is.

    Without a `window`, every entity is a record; with one, so many readings in a row, each window `stride` readings
    after the one before it (1 in the training part; those of the held-out parts overlap less). A table without an
    `entity` is one long series, cut into windows of 24 readings unless told.

    >>> Layout.of("time=date,window=48")
    Layout(time='date', entity='', window=48, stride=None)
    """

    time: str
    entity: str = ""
    window: int | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        for name in ("window", "stride"):
            value, least = getattr(self, name), 2 if name == "window" else 1
            if value is not None and not (isinstance(value, int) and value >= least):
                raise ArgumentError(f"{name} is {value!r}", where="series", hint=f"a whole number from {least} on")

    @classmethod
    def of(cls, told: "str | Mapping[str, Any] | Layout") -> "Layout":
        """Out of `time=COL,entity=COL,window=N,stride=N`, or a mapping of these."""
        if isinstance(told, Layout):
            return told
        hint = 'write "time=COL,entity=COL"; window=N and stride=N say what a record of a long series is'
        if isinstance(told, str):
            parts = [part.partition("=") for part in told.split(",")]
            values: dict[str, Any] = {name.strip(): value.strip() for name, _, value in parts}
        elif isinstance(told, Mapping):
            values = dict(told)
        else:
            raise ArgumentError(f"a {type(told).__name__}", where="series", hint=hint)
        if set(values) - set(NAMES) or not values.get("time"):
            raise ArgumentError(f"{told!r} does not say how series are held", where="series", hint=hint)
        for name in ("window", "stride"):
            if isinstance(values.get(name), str):
                values[name] = int(values[name]) if values[name].isdecimal() else values[name]
        return cls(**values)


def numbers_of(field: Number | Time, column: np.ndarray) -> Column:
    """Times as numbers: whole units of their format since 1970, or as they are; NaN where missing."""
    if isinstance(field, Number):
        return np.asarray(column, dtype=np.float64)
    moments = column.astype("datetime64[us]")
    whole = moments.astype(f"datetime64[{time_unit(field.format)}]").astype(np.int64).astype(np.float64)
    return np.where(np.isnat(moments), np.nan, whole)


def times_of(field: Number | Time, numbers: Column) -> np.ndarray:
    """The inverse of `numbers_of`."""
    if isinstance(field, Number):
        return numbers if field.decimals is None else np.round(numbers, field.decimals)
    unit = time_unit(field.format)
    return np.rint(numbers).astype(np.int64).astype(f"datetime64[{unit}]").astype("datetime64[us]")


@dataclass(frozen=True)
class Readings:
    """Rows in the order of entity and time: whose they are, when, and what was measured."""

    entity: Int[np.ndarray, " n"]
    time: Column
    values: Float[np.ndarray, "n c"]
    names: Sequence[str]

    def runs(self) -> list[slice]:
        """The rows of each entity."""
        starts = np.flatnonzero(np.diff(self.entity, prepend=-1))
        return [slice(int(a), int(b)) for a, b in zip(starts, [*starts[1:], len(self.entity)], strict=True)]


def as_series(table: Dataset, told: Layout, *, label: str | None = None, known: Series | None = None) -> Dataset:
    """A table of readings as a Dataset of series; `label` is a column that says something of whole entities.

    The readings of a `known` field are those of its columns, and lie on its grid of times.

    Readings are sorted; those without a time, a second one at the same time, and entities with a single reading are
    left out, and notes say so. Columns with one value for each entity become scalar fields beside the series.
    """
    names = [field.name for field in table.fields]
    for name in filter(None, (told.time, told.entity)):
        if name not in names:
            raise ArgumentError(f"no column called {name!r}", where="series", hint=f"there are: {', '.join(names)}")
    clock, moments = _clock(table, told.time)
    keys, entities = _entities(table, told.entity)
    statics, varying, notes = _sorted_out(table, told, keys, () if known is None else known.features)
    times = numbers_of(clock, moments)
    order, more = _ordered(keys, times, entities, entity=told.entity, clock=clock)
    values = np.stack([_as_numbers(f, table.columns[f.name])[order] for f in varying], axis=1)
    readings = Readings(keys[order], times[order], values, entities)
    step = usual_step(readings) if known is None else known.step
    window, why = _window(told, readings) if known is None else (told.window, [])
    name = next(n for n in ("series", *(f"series_{i}" for i in range(2, 1000))) if n not in names)
    field = known or Series(name, clock, tuple(varying), told.entity, window, step, columns=tuple(names))
    first = np.array([order[run.start] for run in readings.runs()])
    beside = [f for f in statics if f.name != told.entity]
    columns = {f.name: _first_known(f, table.columns[f.name][order], readings, first, table) for f in beside}
    about = replace(
        table,
        notes=(*table.notes, *notes, *more, *why),
        label=label if label in columns else None,
        fixed_split=None,
        index=None,
    )
    if window is None:
        data = _of_entities(about, field, readings, beside, columns, told.entity)
    else:
        data = _of_windows(about, replace(field, window=window), readings, beside, columns, told.stride)
    return data if known is not None else _measured(data)


def _measured(data: Dataset) -> Dataset:
    """With how long records are, and whether anything is missing, told by the field."""
    field = data.medium(Series)
    items = data.columns[field.name]
    lengths = [len(rows) for rows in items]
    gaps = any(bool(np.isnan(rows).any()) for rows in items)
    told = replace(field, lengths=(min(lengths), max(lengths)), gaps=gaps)
    return replace(data, fields=tuple(told if f is field else f for f in data.fields))


def _clock(table: Dataset, name: str) -> tuple[Number | Time, np.ndarray]:
    """The field and the column of times, of which numbers may have been taken for keys or levels."""
    field = table.field(name)
    if isinstance(field, Number | Time):
        return field, table.columns[name]
    try:
        typed = as_number(RawColumn.of(name, cells(field, table.columns[name])))
    except DataError as error:
        hint = f'say schema={{{name!r}: "time,%d/%m/%Y %H:%M"}} or whatever its format is'
        what = f"no column of times or numbers: {error.what}"
        raise DataError(what, where=f"{table.name}, {name!r}", hint=hint) from None
    assert isinstance(typed.field, Number)
    return typed.field, typed.column


def _entities(table: Dataset, name: str) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """Which entity each row is of, -1 where it has none, and the names of entities in the order they come in."""
    if not name:
        return np.zeros(len(table), dtype=np.int64), [""]
    raw = RawColumn.of(name, cells(table.field(name), table.columns[name]))
    return raw.codes, list(raw.texts)


def _sorted_out(
    table: Dataset, told: Layout, keys: Int[np.ndarray, " n"], known: Sequence[Number | Category]
) -> tuple[list[Field], list[Number | Category], list[str]]:
    """The fields that stand beside series, those that vary along them, and notes on others."""
    statics: list[Field] = []
    varying = list(known)
    lost, several = [], bool(told.entity) and keys.max(initial=0) > 0
    for field in table.fields:
        if field.name in (told.time, told.entity, *(f.name for f in known)):
            continue
        if isinstance(field, Constant) or (several and _static(table.columns[field.name], keys)):
            statics.append(field)
        elif isinstance(field, Number | Category) and not known:
            varying.append(field)
        elif not known:
            lost.append(f"{field.name!r} is neither a number nor a category that varies along the series: left out")
    if not varying:
        hint = "readings are numbers or categories that change from one time to the next"
        raise DataError("no column varies along the series", where=table.name, hint=hint)
    return [f for f in statics if isinstance(f, (*SCALARS, Constant, Identifier))], varying, lost


def _static(column: np.ndarray, keys: Int[np.ndarray, " n"]) -> bool:
    """Whether every entity has one value, whatever is missing."""
    texts = RawColumn.of("", [None if v is None or v != v else str(v) for v in column.tolist()])
    there = (texts.codes >= 0) & (keys >= 0)
    pairs = np.unique(np.stack([keys[there], texts.codes[there]]), axis=1)
    return bool(len(np.unique(pairs[0])) == pairs.shape[1])


def _as_numbers(field: Number | Category, column: np.ndarray) -> Column:
    if isinstance(field, Number):
        return np.where(np.isfinite(column), column, np.nan)
    places = {level: float(i) for i, level in enumerate(field.levels)}
    return np.array([places.get(value, np.nan) for value in column.tolist()])


def _ordered(
    keys: Int[np.ndarray, " n"], times: Column, entities: Sequence[str], *, entity: str, clock: Number | Time
) -> tuple[Int[np.ndarray, " m"], list[str]]:
    """The rows that are kept, by entity and time, and notes on what was not in order."""
    notes = []
    rows = np.flatnonzero(np.isfinite(times) & (keys >= 0))
    if len(rows) < len(times):
        lacking = f"a time{f' or a {entity!r}' if entity else ''}"
        notes.append(f"{len(times) - len(rows):,} readings without {lacking} are left out")
    back = np.diff(times[rows][np.argsort(keys[rows], kind="stable")]) < 0
    order = rows[np.lexsort((times[rows], keys[rows]))]
    steps = np.diff(np.sort(keys[rows], kind="stable")) == 0
    if (back & steps).any():
        late = np.unique(np.sort(keys[rows], kind="stable")[1:][back & steps])
        notes.append(f"readings {_of(late, entities, entity)} were not in the order of time, and are sorted")
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (np.diff(keys[order]) == 0) & (np.diff(times[order]) == 0)
    if again.any():
        row = order[int(np.argmax(again))]
        first = cells(clock, times_of(clock, times[[row]]))[0]
        whose = f" of {entities[keys[row]]!r}" if entity else ""
        notes.append(f"{again.sum():,} readings repeat a time, such as {first}{whose}: the first one is kept of each")
        order = order[~again]
    counts = np.bincount(keys[order], minlength=len(entities))
    if (counts[counts > 0] == 1).any():
        single = np.flatnonzero(counts == 1)
        notes.append(f"{_of(single, entities, entity).removeprefix('of ')} with a single reading: left out")
        order = order[counts[keys[order]] > 1]
    if not len(order):
        raise DataError("no entity has two readings", where=entity or "series", hint="a series needs two at least")
    return order, notes


def _of(which: np.ndarray, entities: Sequence[str], entity: str) -> str:
    if not entity:
        return "of the series"
    shown = ", ".join(repr(entities[int(k)]) for k in which[:SHOWN])
    return f"of {len(which):,} in {entity!r} ({shown}{', …' if len(which) > SHOWN else ''})"


def usual_step(readings: Readings) -> float | None:
    """The distance of neighbouring readings where nearly all lie on a grid of it; None where they do not."""
    gaps = np.concatenate([np.diff(readings.time[run]) for run in readings.runs()])
    found, counts = np.unique(gaps, return_counts=True)
    step = float(found[np.argmax(counts)])
    if counts.max() < REGULAR * len(gaps):
        return None
    whole = np.abs(gaps / step - np.rint(gaps / step)) < 1e-6
    rows = np.rint(gaps / step).sum() + len(readings.runs())
    return step if whole.all() and rows <= FILLED * len(readings.time) else None


def _window(told: Layout, readings: Readings) -> tuple[int | None, list[str]]:
    """Readings in a window; None where entities are records."""
    if told.window is not None:
        return told.window, []
    lengths = [run.stop - run.start for run in readings.runs()]
    if told.entity and max(lengths) <= LONGEST:
        return None, []
    window = max(2, min(WINDOW, max(lengths) // 20))
    why = f"up to {max(lengths):,} readings in a row" if told.entity else "one long series"
    return window, [f"{why}: records are windows of {window} readings, unless window= is told"]


def _first_known(
    field: Field, column: np.ndarray, readings: Readings, first: Int[np.ndarray, " e"], table: Dataset
) -> np.ndarray:
    """The value of each entity: the first that is there."""
    found = table.columns[field.name][first].copy()
    for i, run in enumerate(readings.runs()):
        part = column[run]
        there = [k for k, v in enumerate(part.tolist()) if v is not None and v == v]
        if there:
            found[i] = part[there[0]]
    return found


def on_grid(rows: Float[np.ndarray, "t c"], step: float | None) -> Float[np.ndarray, "s c"]:
    """Readings (times first) with a row for each step in between, NaN where there was none."""
    if step is None:
        return rows
    place = np.rint((rows[:, 0] - rows[0, 0]) / step).astype(np.int64)
    if place[-1] + 1 == len(rows):
        return rows
    full = np.full((int(place[-1]) + 1, rows.shape[1]), np.nan)
    full[:, 0] = rows[0, 0] + step * np.arange(len(full))
    full[place] = rows
    return full


def held(items: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of any lengths as one column."""
    column = np.empty(len(items), dtype=object)
    column[:] = list(items)
    return column


def _of_entities(
    about: Dataset,
    field: Series,
    readings: Readings,
    beside: Sequence[Field],
    columns: dict[str, np.ndarray],
    entity: str,
) -> Dataset:
    whole = np.concatenate([readings.time[:, None], readings.values], axis=1)
    runs = readings.runs()
    column = held([on_grid(whole[run], field.step) for run in runs])
    names = [readings.names[int(readings.entity[run.start])] for run in runs]
    if not entity or entity != field.entity:  # numbers of windows, which tell nothing of them
        return replace(about, fields=(*beside, field), columns={**columns, field.name: column})
    key = as_identifier(RawColumn.of(entity, names))
    fields = (key.field, *beside, field)
    return replace(about, fields=fields, columns={entity: key.column, **columns, field.name: column})


def _of_windows(
    about: Dataset,
    field: Series,
    readings: Readings,
    beside: Sequence[Field],
    columns: dict[str, np.ndarray],
    stride: int | None,
) -> Dataset:
    """Windows of each entity within each part: the last tenth of all readings by time is for tests, and so on."""
    assert field.window is not None
    cuts = np.quantile(readings.time, np.cumsum(SHARES[:2]), method="nearest")
    whole = np.concatenate([readings.time[:, None], readings.values], axis=1)
    items: list[np.ndarray] = []
    owner: list[int] = []
    parts: list[np.ndarray] = []
    poor = 0
    for part, (low, high) in enumerate(zip((-np.inf, *cuts), (*cuts, np.inf), strict=True)):
        start = len(items)
        pieces = [
            (i, on_grid(whole[run][(readings.time[run] > low) & (readings.time[run] <= high)], field.step))
            for i, run in enumerate(readings.runs())
            if ((readings.time[run] > low) & (readings.time[run] <= high)).sum() >= 2
        ]
        room = sum(max(0, len(rows) - field.window + 1) for _, rows in pieces)
        apart = stride or (1 if part == 0 else int(np.clip(room // ENOUGH, 1, max(1, field.window // 4))))
        for i, rows in pieces:
            for at in range(0, len(rows) - field.window + 1, apart):
                window = rows[at : at + field.window]
                if np.isfinite(window[:, 1:]).mean() < MEASURED:
                    poor += 1
                    continue
                items.append(window)
                owner.append(i)
        parts.append(np.arange(start, len(items)))
    if not len(parts[0]):
        longest = max(run.stop - run.start for run in readings.runs())
        what = f"no window of {field.window} readings in the first {SHARES[0]:.0%} of at most {longest:,}"
        raise DataError(what, where=about.name, hint=f"say window={max(2, longest // 20)}, or give longer series")
    notes = about.notes + ((f"{poor:,} windows hold less than half of their values: left out",) if poor else ())
    held_back = {f.name: column[np.array(owner)] for f, column in zip(beside, columns.values(), strict=True)}
    fields: list[Field] = list(beside)
    if field.entity:
        names = [readings.names[int(readings.entity[run.start])] for run in readings.runs()]
        fields.insert(0, Category(field.entity, tuple(names)))
        held_back[field.entity] = np.array([names[i] for i in owner], dtype=object)
    columns = {f.name: held_back[f.name] for f in fields} | {field.name: held(items)}
    split = Split(parts[0], parts[1], parts[2])
    return replace(about, fields=(*fields, field), columns=columns, fixed_split=split, notes=notes)
