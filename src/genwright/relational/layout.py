"""Layout: what is modelled of one table, and how: its own columns, counts of children, features of matched rows.

Times of children are kept as what has passed: their first time column since the sibling before (the first sibling:
since the parent's first time), further ones since the row's own. So gaps and orders keep their distribution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from genwright.codecs.schema import field_from_json, field_to_json, from_numbers, time_unit, to_numbers
from genwright.data.dataset import SCALARS, Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.times import has_day
from genwright.relational.database import Database, ForeignKey, Role
from genwright.typed import entry, typed

YES, NO = "yes", "no"
ROOT_ROWS_PER_BIN = 8.0  # square root of the rows for one bin of what rows ask of others: 6 bins for 2,000 rows
MIN_AND_MOST_BINS = (4, 64)


@dataclass(frozen=True)
class Layout:
    """`fields`: the table as users see it. `scalars`: its modelled fields. `counted`: foreign keys that refer to it,
    counted per row. `links`: foreign keys that are matched, each with the fields of its parent that rows ask for.
    `clock`: the name of the time column that orders siblings; `origin`: of the parent's time they start at.
    """

    table: str
    fields: tuple[Field, ...]
    scalars: tuple[Field, ...]
    counted: tuple[ForeignKey, ...]
    links: tuple[tuple[ForeignKey, tuple[Field, ...]], ...]
    parent: ForeignKey | None = None
    beside: tuple[Field, ...] = ()
    clock: str | None = None
    origin: str | None = None

    @classmethod
    def of(cls, database: Database, role: Role) -> Self:
        """What is modelled of the table of `role`."""
        data = database.tables[role.table]
        links = tuple((f, _scalars(database, f.parent)) for f in role.links)
        scalars = _scalars(database, role.table)
        fields = tuple(f for f in data.fields if isinstance(f, (*SCALARS, Identifier, Constant)))
        counted = () if role.table in database.kept else database.foreign_to(role.table)
        layout = cls(role.table, fields, scalars, counted, links)
        if role.parent is None:
            return layout
        beside = _scalars(database, role.parent.parent)
        return replace(layout, parent=role.parent, beside=beside, clock=_first_day(scalars), origin=_first_day(beside))

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON."""
        return {
            "table": self.table,
            "fields": [field_to_json(f) for f in self.fields],
            "scalars": [field_to_json(f) for f in self.scalars],
            "counted": [vars(f) for f in self.counted],
            "links": [[vars(f), [field_to_json(each) for each in fields]] for f, fields in self.links],
            "parent": None if self.parent is None else vars(self.parent),
            "beside": [field_to_json(f) for f in self.beside],
            "clock": self.clock,
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, told: Any, *, where: str) -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        of = partial(entry, typed(told, dict, where=where), where=where)
        links = of("links", tuple[tuple[ForeignKey, tuple[Any, ...]], ...])
        return cls(
            table=of("table", str),
            fields=fields_from_json(of("fields", tuple), where=f"{where}, fields"),
            scalars=fields_from_json(of("scalars", tuple), where=f"{where}, scalars"),
            counted=of("counted", tuple[ForeignKey, ...]),
            links=tuple((foreign, fields_from_json(each, where=f"{where}, links")) for foreign, each in links),
            parent=of("parent", ForeignKey | None),
            beside=fields_from_json(of("beside", tuple), where=f"{where}, beside"),
            clock=of("clock", str | None),
            origin=of("origin", str | None),
        )


def fields_from_json(told: tuple[Any, ...], *, where: str) -> tuple[Field, ...]:
    """Fields of a list."""
    return tuple(field_from_json(each, where=where) for each in told)


def _scalars(database: Database, table: str) -> tuple[Field, ...]:
    """The modelled fields of a table: no keys but those of kept tables, no single values, no free text."""
    if table in database.kept:
        return ()
    drawn, foreign = ({f.column for f in each(table)} for each in (database.drawn_of, database.foreign_of))
    keys = drawn | {database.keys.get(table)} - (foreign - drawn)
    return tuple(f for f in database.tables[table].scalars if f.name not in keys)


def _first_day(fields: Sequence[Field]) -> str | None:
    return next((f.name for f in fields if isinstance(f, Time) and has_day(f.format)), None)


def count_name(foreign: ForeignKey) -> str:
    """The column that counts a row's children."""
    return f"#{foreign.table}.{foreign.column}"


def link_name(foreign: ForeignKey, field: Field | None = None) -> str:
    """The column with what a row asks of the row it is matched to; without a field, whether there is one."""
    return f"{foreign.column}?" if field is None else f"{foreign.column}: {field.name}"


def counts(database: Database, foreign: ForeignKey) -> Int[np.ndarray, " parents"]:
    """How many rows refer to each row of the parent."""
    rows = database.parent_rows(foreign)
    return np.bincount(rows[rows >= 0], minlength=len(database.tables[foreign.parent]))


def is_modelled(database: Database, layout: Layout) -> bool:
    """Whether a table has anything to model: some hold nothing but keys."""
    asks = any(fields or (database.parent_rows(f) < 0).any() for f, fields in layout.links)
    return bool(layout.scalars or layout.counted or asks)


def own_rows(database: Database, layout: Layout) -> Dataset:
    """The modelled columns of a table, one row per row of it; times of children as yet as they are."""
    data = database.tables[layout.table]
    fields: list[Field] = list(layout.scalars)
    columns = {f.name: data.columns[f.name] for f in layout.scalars}
    for foreign in layout.counted:
        many = counts(database, foreign).astype(np.float64)
        fields.append(Number(count_name(foreign), 0, float(many.min()), float(many.max())))
        columns[count_name(foreign)] = many
    for foreign, wanted in layout.links:
        rows = database.parent_rows(foreign)
        if (rows < 0).any():
            fields.append(Category(link_name(foreign), (NO, YES)))
            columns[link_name(foreign)] = np.where(rows >= 0, YES, NO).astype(object)
        for field in wanted:
            fields.append(replace(field, name=link_name(foreign, field)))
            asked = taken(database.tables[foreign.parent].columns[field.name], rows)
            columns[link_name(foreign, field)] = asked if isinstance(field, Category) else coarse(asked)
    return Dataset(tuple(fields), columns, layout.table)


def coarse(column: np.ndarray) -> np.ndarray:
    """Numbers or times with every value replaced by a typical one of about as large: the median of its quantile bin.

    What a row asks of another need not be exact, and is learned from fewer rows if it is not.
    """
    present = ~pd.isna(column)
    values = column[present].astype(np.int64 if column.dtype.kind == "M" else np.float64)
    bins = int(np.clip(np.sqrt(len(values)) / ROOT_ROWS_PER_BIN, *MIN_AND_MOST_BINS))
    if len(np.unique(values)) <= bins:
        return column
    codes = np.searchsorted(np.quantile(values, np.arange(1, bins) / bins), values, side="right")
    middles = np.array(
        [np.sort(values[codes == k])[(codes == k).sum() // 2] if (codes == k).any() else 0 for k in range(bins)]
    )
    result = column.copy()
    result[present] = middles[codes].astype(column.dtype)
    return result


def taken(column: np.ndarray, rows: Int[np.ndarray, " n"]) -> np.ndarray:
    """Entries at `rows`, missing where the row is -1."""
    missing: Any = np.nan if column.dtype.kind == "f" else np.datetime64("NaT") if column.dtype.kind == "M" else None
    return np.append(column, np.array([missing], dtype=column.dtype))[rows]


@dataclass(frozen=True)
class Clock:
    """Times of children as numbers of units passed, and back; `start` stands in for a parent's missing time."""

    layout: Layout
    start: float

    @classmethod
    def of(cls, layout: Layout, data: Dataset) -> Self:
        """`start` is the earliest time of all children."""
        start = 0.0
        if layout.clock is not None:
            times = to_numbers(_time(layout, layout.clock), data.columns[layout.clock])
            start = float(np.nanmin(times)) if not np.isnan(times).all() else 0.0
        return cls(layout, start)

    def origins(self, parent: Mapping[str, np.ndarray], n: int) -> Float[np.ndarray, " n"]:
        """Where the clock of each of n parents stands before the first child, in units of the clock's format."""
        if self.layout.clock is None or self.layout.origin is None:
            return np.full(n, self.start)
        field = _time(self.layout, self.layout.clock)
        begun = to_numbers(field, parent[self.layout.origin])
        return np.where(np.isnan(begun), self.start, begun)

    def fields(self, fields: Sequence[Field]) -> tuple[Field, ...]:
        """The fields with numbers in place of times."""
        clocked = self.times
        return tuple(Number(f.name, 0) if f.name in clocked else f for f in fields)

    @property
    def times(self) -> dict[str, Time]:
        """The times that are kept as what has passed."""
        if self.layout.clock is None:
            return {}
        return {f.name: f for f in self.layout.scalars if isinstance(f, Time) and has_day(f.format)}

    def passed(
        self, columns: Mapping[str, np.ndarray], before: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Each time as what has passed since `before`, what the clock said; further times since the row's own."""
        if self.layout.clock is None:
            return {}
        times = self.times
        own = times[self.layout.clock]
        now = to_numbers(own, columns[own.name])
        then = np.where(np.isnan(now), before, now)
        gaps = {own.name: now - before}
        for name, field in times.items():
            if name != own.name:
                gaps[name] = to_numbers(field, columns[name]) - _in_units(own, field, then)
        return gaps

    def told(
        self, columns: Mapping[str, np.ndarray], before: Float[np.ndarray, " n"]
    ) -> tuple[dict[str, np.ndarray], Float[np.ndarray, " n"]]:
        """The inverse of `passed`: times, kept to the range that was seen, and the clock's new reading."""
        if self.layout.clock is None:
            return {}, before
        times = self.times
        own = times[self.layout.clock]
        now = _kept(own, before + columns[own.name])
        then = np.where(np.isnan(now), before, now)
        result = {own.name: from_numbers(own, now)}
        for name, field in times.items():
            if name != own.name:
                result[name] = from_numbers(field, _kept(field, _in_units(own, field, then) + columns[name]))
        return result, then


def _time(layout: Layout, name: str) -> Time:
    field = next(f for f in layout.scalars if f.name == name)
    assert isinstance(field, Time)
    return field


def _in_units(own: Time, other: Time, numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Readings in units of one format in those of another."""
    return (
        numbers if time_unit(own.format) == time_unit(other.format) else to_numbers(other, from_numbers(own, numbers))
    )


def _kept(field: Time, numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Within the times that were seen."""
    from genwright.data.times import parse_as

    ends = parse_as([field.low, field.high], field.format) if field.low and field.high else None
    return numbers if ends is None else np.clip(numbers, *to_numbers(field, ends))


def sibling_order(
    database: Database, layout: Layout, rows: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Rows of the table sorted by parent, then time, then place; with the group of each and its place in it from 0.

    A row without a parent is a group of its own.
    """
    data = database.tables[layout.table]
    time = data.columns[layout.clock] if layout.clock is not None else np.zeros(len(data))
    last = pd.isna(time)
    order = np.lexsort((np.arange(len(data)), np.where(last, np.zeros(1, time.dtype), time), last, rows))
    sorted_rows = rows[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (sorted_rows[1:] != sorted_rows[:-1]) | (sorted_rows[1:] < 0)
    group = np.cumsum(fresh) - 1
    place = np.arange(len(order)) - np.flatnonzero(fresh)[group] if len(order) else group
    return order, group, place
