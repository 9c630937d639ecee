"""Database: tables joined by keys, and the order in which one is made after the other."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from genwright.data.cells import cells
from genwright.data.dataset import Dataset, Identifier
from genwright.data.keys import EXACT_DIGITS
from genwright.data.kinds import as_identifier
from genwright.data.table import RawColumn
from genwright.errors import ArgumentError, DataError
from genwright.typed import by_hand, made, typed

KEYS_HINT = 'write {"orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}'
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")  # fits 64 bits, or nearly


@dataclass(frozen=True)
class ForeignKey:
    """`table.column` holds keys of `parent`, or nothing."""

    table: str
    column: str
    parent: str


@dataclass(frozen=True)
class Unique:
    """No two rows of `table` have the same in all of `columns`; `primary`: these are its primary key."""

    table: str
    columns: tuple[str, ...]
    primary: bool = False


@dataclass(frozen=True)
class Keys:
    """What joins tables: the key column of each that has one, foreign keys, and sets of columns that must differ."""

    primary: Mapping[str, str]
    foreign: tuple[ForeignKey, ...] = ()
    unique: tuple[Unique, ...] = ()

    def of(self, table: str) -> list[str]:
        """Columns of `table` that are keys of any kind, each by itself."""
        own = [self.primary[table]] if table in self.primary else []
        return list(dict.fromkeys([*own, *(f.column for f in self.foreign if f.table == table)]))

    def among(self, tables: Collection[str]) -> "Keys":
        """Those between `tables` alone."""
        foreign = tuple(f for f in self.foreign if f.table in tables and f.parent in tables)
        primary = {table: key for table, key in self.primary.items() if table in tables}
        return Keys(primary, foreign, tuple(u for u in self.unique if u.table in tables))

    def also(self, unique: Iterable[Unique]) -> "Keys":
        """With further sets of columns that must differ."""
        known = {(u.table, frozenset(u.columns)) for u in self.unique}
        known |= {(table, frozenset([key])) for table, key in self.primary.items()}
        more = tuple(u for u in unique if (u.table, frozenset(u.columns)) not in known)
        return replace(self, unique=self.unique + more)

    @property
    def tables(self) -> list[str]:
        """All tables that are named."""
        foreign = [name for f in self.foreign for name in (f.table, f.parent)]
        return [*self.primary, *foreign, *(u.table for u in self.unique)]


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
    Tables in `kept` are not modelled: samples have them as they are. `unique` names sets of columns that must differ.

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
    kept: tuple[str, ...] = ()
    unique: tuple[Unique, ...] = ()

    def __post_init__(self) -> None:
        for table, key in self.keys.items():
            _check_key(self.column(table, key), f"{self.name}, {table}.{key}")
        for foreign in self.foreign:
            if foreign.parent not in self.keys:
                hint = "name its primary key in keys.json"
                raise DataError(f"{foreign.parent} has no key to refer to", where=_place(self, foreign), hint=hint)
            self.parent_rows(foreign)
        for unique in self.unique:
            self._check_unique(unique)

    def _check_unique(self, unique: Unique) -> None:
        names = ", ".join(unique.columns)
        twice = np.flatnonzero(self.repeats(unique))
        if len(twice):
            what = f"row {twice[0] + 1} has the same {names} as a row before; {len(twice)} rows come again"
            hint = "leave these rows out, or do not name these columns as a key"
            raise DataError(what, where=f"{self.name}, {unique.table}", hint=hint)

    def repeats(self, unique: Unique) -> Bool[np.ndarray, " n"]:
        """Which rows have the same in the columns of `unique` as a row before; never those with a missing value."""
        frame = pd.DataFrame({i: self.column(unique.table, name) for i, name in enumerate(unique.columns)})
        return (frame.duplicated() & ~frame.isna().any(axis=1)).to_numpy()

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

    def drawn_of(self, table: str) -> tuple[ForeignKey, ...]:
        """The foreign keys in `table` that lead to tables whose rows are made anew; none where it is kept itself."""
        return tuple(f for f in self.foreign_of(table) if f.parent not in self.kept and table not in self.kept)

    def foreign_to(self, table: str) -> tuple[ForeignKey, ...]:
        """The foreign keys that refer to `table`."""
        return tuple(f for f in self.foreign if f.parent == table)

    def roles(self) -> tuple[Role, ...]:
        """The part of each table, parents before their children."""
        chosen: dict[str, ForeignKey | None] = {}
        for table in self.tables:
            first = sorted(self.drawn_of(table), key=lambda f: f.column != self.keys.get(table))
            usable = (f for f in first if table not in _line(f.parent, chosen))
            chosen[table] = next(usable, None)
        roles = [
            Role(table, parent, tuple(f for f in self.drawn_of(table) if f is not parent))
            for table, parent in chosen.items()
        ]
        return tuple(sorted(roles, key=lambda role: len(list(_line(role.table, chosen)))))

    def keys_to_json(self) -> dict[str, Any]:
        """Keys as `keys.json` holds them: `{"orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}`."""
        described: dict[str, Any] = {}
        for table in self.tables:
            described[table] = {"primary": self.keys[table]} if table in self.keys else {}
            several = [u for u in self.unique if u.table == table]
            together = [list(u.columns) for u in several if u.primary]
            described[table] |= {"primary": together[0]} if together else {}
            further = [list(u.columns) for u in several if not u.primary]
            described[table] |= {"unique": further} if further else {}
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
    """With the column `name` as texts of keys; whole numbers written as decimals (7.0) lose their point.

    Keys that are whole numbers go on as whole numbers of 64 bits, whatever their form.
    """
    raw = RawColumn.of(name, key_texts(data, name))
    typed = as_identifier(raw)
    whole = bool(raw.texts) and all(map(WHOLE.fullmatch, raw.texts))
    field = typed.field
    if whole and isinstance(field, Identifier) and (not field.codes or max(map(len, raw.texts)) > EXACT_DIGITS):
        numbers = list(map(int, raw.texts))
        above = max(numbers) + 1
        field = Identifier(name, "{}", 0, above if above < 2**63 - 2**40 else min(-(2**62), min(numbers) - 2**40))
    fields = tuple(field if f.name == name else f for f in data.fields)
    notes = tuple(note for note in data.notes if not note.startswith(f"{name!r}: different in"))
    return replace(data, fields=fields, columns={**data.columns, name: typed.column}, notes=notes)


def key_texts(data: Dataset, name: str) -> list[str | None]:
    """A column as text, whole numbers without a point."""
    texts = cells(data.field(name), data.columns[name])
    return [None if t is None else re.sub(r"^(-?[0-9]+)\.0+$", r"\1", t) for t in texts]


@dataclass(frozen=True)
class _Described:
    """What `keys.json` says of one table."""

    primary: str | tuple[str, ...] | None = None
    foreign: Mapping[str, str] = field(default_factory=dict)
    unique: tuple[str | tuple[str, ...] | None, ...] = ()


def keys_from_json(described: Any, *, where: str) -> Keys:
    """Keys as `Database.keys_to_json` describes them; raises DataError where it makes no sense."""
    primary: dict[str, str] = {}
    foreign: list[ForeignKey] = []
    unique: list[Unique] = []
    with by_hand(DataError, hint=KEYS_HINT):
        tables = {
            table: made(_Described, each, where=f"{where}, {table}")
            for table, each in typed(described, dict, where=where).items()
        }
    for table, told in tables.items():
        own = _names(told.primary)
        if len(own) == 1:
            primary[table] = own[0]
        elif own:
            unique.append(Unique(table, own, primary=True))
        unique += [Unique(table, _names(each)) for each in told.unique]
        foreign += [ForeignKey(table, column, parent) for column, parent in told.foreign.items()]
    return Keys(primary, tuple(foreign), tuple(unique))


def _names(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """One name, or several."""
    return (given,) if isinstance(given, str) else given or ()
