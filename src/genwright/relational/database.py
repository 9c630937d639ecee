"""Database: tables joined by keys, and the order in which one is made after the other."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from genwright.data.dataset import Dataset
from genwright.data.kinds import as_identifier
from genwright.data.table import RawColumn
from genwright.data.write import cells
from genwright.errors import ArgumentError, DataError


@dataclass(frozen=True)
class ForeignKey:
    """`table.column` holds keys of `parent`, or nothing."""

    table: str
    column: str
    parent: str


@dataclass(frozen=True)
class Role:
    """How a table's rows are made: as the children, in order, of one other table or on their own (`parent` None), and
    matched to further tables by `links` once those are made too.
    """

    table: str
    parent: ForeignKey | None
    links: tuple[ForeignKey, ...]


@dataclass(frozen=True, eq=False)
class Database:
    """Tables, the key column of those that have one (`keys`), and foreign keys that refer to them.

    Keys are text, whatever they look like. Of several foreign keys of a table the first one that leads to no circle
    says whose children its rows are; the order of children is that of their first time column, else of their rows.

    Raises DataError for keys that are missing, come twice, or refer to a row that is not there.

    >>> import genwright as gw, pandas as pd
    >>> shops = pd.DataFrame({"id": ["a", "b"], "size": [3, 9]})
    >>> sales = pd.DataFrame({"shop_id": ["a", "a", "b"], "amount": [1.5, 2.5, 7.0]})
    >>> db = gw.read_database({"shops": shops, "sales": sales})
    >>> db.foreign
    (ForeignKey(table='sales', column='shop_id', parent='shops'),)
    """

    tables: Mapping[str, Dataset]
    keys: Mapping[str, str]
    foreign: tuple[ForeignKey, ...]
    name: str = "database"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for table, key in self.keys.items():
            _check_key(self.column(table, key), f"{self.name}, {table}.{key}")
        for foreign in self.foreign:
            if foreign.parent not in self.keys:
                hint = "name its primary key in keys.json"
                raise DataError(f"{foreign.parent} has no key to refer to", where=_place(self, foreign), hint=hint)
            self.parent_rows(foreign)

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))

    def column(self, table: str, name: str) -> np.ndarray:
        """One column of one table."""
        if table not in self.tables:
            raise ArgumentError(f"no table {table!r}", where=self.name, hint=f"there are: {', '.join(self.tables)}")
        return self.tables[table].columns[self.tables[table].field(name).name]

    def parent_rows(self, foreign: ForeignKey) -> np.ndarray:
        """The row of the parent that each row refers to, -1 where it refers to none."""
        keys = self.column(foreign.parent, self.keys[foreign.parent])
        column = self.column(foreign.table, foreign.column)
        rows = pd.Index(keys, dtype=object).get_indexer(pd.Index(column, dtype=object))
        lost = np.flatnonzero((rows < 0) & ~pd.isna(column))
        if len(lost):
            what = f"row {lost[0] + 1} refers to {column[lost[0]]!r}, which {foreign.parent} does not have"
            hint = f"{len(lost)} rows do; add those rows to {foreign.parent}, or leave these out"
            raise DataError(what, where=_place(self, foreign), hint=hint)
        return np.where(pd.isna(column), -1, rows)

    def foreign_of(self, table: str) -> tuple[ForeignKey, ...]:
        """The foreign keys in `table`."""
        return tuple(f for f in self.foreign if f.table == table)

    def foreign_to(self, table: str) -> tuple[ForeignKey, ...]:
        """The foreign keys that refer to `table`."""
        return tuple(f for f in self.foreign if f.parent == table)

    def roles(self) -> tuple[Role, ...]:
        """The part of each table, parents before their children."""
        chosen: dict[str, ForeignKey | None] = {}
        for table in self.tables:
            first = sorted(self.foreign_of(table), key=lambda f: f.column != self.keys.get(table))
            usable = (f for f in first if table not in _line(f.parent, chosen))
            chosen[table] = next(usable, None)
        roles = [
            Role(table, parent, tuple(f for f in self.foreign_of(table) if f is not parent))
            for table, parent in chosen.items()
        ]
        return tuple(sorted(roles, key=lambda role: len(list(_line(role.table, chosen)))))

    def keys_to_json(self) -> dict[str, Any]:
        """Keys as `keys.json` holds them: `{"orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}`."""
        described: dict[str, Any] = {}
        for table in self.tables:
            described[table] = {"primary": self.keys[table]} if table in self.keys else {}
            foreign = {f.column: f.parent for f in self.foreign_of(table)}
            described[table] |= {"foreign": foreign} if foreign else {}
        return described


def _line(table: str, parents: Mapping[str, ForeignKey | None]) -> Iterator[str]:
    """A table, its parent, the parent's parent and so on."""
    yield table
    above = parents.get(table)
    if above is not None:
        yield from _line(above.parent, parents)


def _place(database: Database, foreign: ForeignKey) -> str:
    return f"{database.name}, {foreign.table}.{foreign.column}"


def _check_key(column: np.ndarray, where: str) -> None:
    missing = np.flatnonzero(pd.isna(column))
    if len(missing):
        raise DataError(f"row {missing[0] + 1} has no key", where=where, hint="give every row one, or name another key")
    twice = np.flatnonzero(pd.Series(column, dtype=object).duplicated())
    if len(twice):
        what = f"the key {column[twice[0]]!r} comes again in row {twice[0] + 1}"
        raise DataError(what, where=where, hint="keys must differ; name another column, or none")


def as_key(data: Dataset, name: str) -> Dataset:
    """With the column `name` as texts of keys; whole numbers written as decimals (7.0) lose their point."""
    raw = RawColumn.of(name, key_texts(data, name))
    typed = as_identifier(raw)
    fields = tuple(typed.field if f.name == name else f for f in data.fields)
    notes = tuple(note for note in data.notes if not note.startswith(f"{name!r}: different in"))
    return replace(data, fields=fields, columns={**data.columns, name: typed.column}, notes=notes)


def key_texts(data: Dataset, name: str) -> list[str | None]:
    """A column as text, whole numbers without a point."""
    texts = cells(data.field(name), data.columns[name])
    return [None if t is None else re.sub(r"^(-?[0-9]+)\.0+$", r"\1", t) for t in texts]


def keys_from_json(described: Mapping[str, Any], *, where: str) -> tuple[dict[str, str], tuple[ForeignKey, ...]]:
    """Primary and foreign keys as `Database.keys_to_json` describes them; raises DataError where it makes no sense."""
    keys: dict[str, str] = {}
    foreign: list[ForeignKey] = []
    hint = 'write {"orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}'
    if not isinstance(described, Mapping):
        raise DataError("not an object", where=where, hint=hint)
    for table, entry in described.items():
        if not isinstance(entry, Mapping) or set(entry) - {"primary", "foreign"}:
            raise DataError(f"cannot understand the entry of {table!r}", where=where, hint=hint)
        if entry.get("primary") is not None:
            keys[table] = str(entry["primary"])
        if not isinstance(entry.get("foreign", {}), Mapping):
            raise DataError(f"cannot understand the foreign keys of {table!r}", where=where, hint=hint)
        foreign += [ForeignKey(table, column, parent) for column, parent in entry.get("foreign", {}).items()]
    return keys, tuple(foreign)


def key_columns(table: str, keys: Mapping[str, str], foreign: Sequence[ForeignKey]) -> list[str]:
    """Columns of `table` that are keys of any kind."""
    own = [keys[table]] if table in keys else []
    return list(dict.fromkeys([*own, *(f.column for f in foreign if f.table == table)]))
