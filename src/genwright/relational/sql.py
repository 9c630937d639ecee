"""Databases into SQL servers: new tables with their keys, or rows beside those that are there, all or none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from genwright.data.dataset import Dataset, Identifier
from genwright.data.keys import new_keys
from genwright.data.sql import Address, as_text, connected, named
from genwright.data.sql_write import column_type, described, insert, numbering_by_us
from genwright.data.write import IfExists
from genwright.errors import ArgumentError
from genwright.relational.database import Database, ForeignKey, Unique, key_texts
from genwright.relational.distinct import is_whole

MOST = 2**63 - 1  # of whole numbers in databases


def write_tables(database: Database, address: Address, if_exists: IfExists) -> tuple[str, ...]:
    """Write all tables in one transaction; rows that are added have keys after those that are there. Returns notes."""
    import sqlalchemy as sa

    with connected(address, writing=True) as connection:
        names = sa.inspect(connection).get_table_names()
        there = {t: found for t in database.tables if (found := named(t, names)) is not None}
        if there and if_exists == "fail":
            hint = "say if_exists='append' or 'replace' (--if-exists), or another database"
            raise ArgumentError(f"there is a table {next(iter(there))!r} already", where=address.shown, hint=hint)
        meta = sa.MetaData()
        tables: dict[str, Any] = {}
        notes: tuple[str, ...] = ()
        added = there if if_exists == "append" else {}
        for name, found in added.items():
            tables[name] = sa.Table(found, meta, autoload_with=connection, resolve_fks=False)
        for name in database.tables:
            if name not in added:
                tables[name], more = _new_table(database, name, meta, connection.dialect)
                notes += more
        if if_exists == "replace":
            old = sa.MetaData()
            old.reflect(connection, only=list(there.values()))
            old.drop_all(connection)
        meta.create_all(connection, tables=[table for name, table in tables.items() if name not in added])
        rows = _Continued(database, connection, {name: tables[name] for name in added}).rows()
        with ExitStack() as meanwhile:
            for name in added:
                meanwhile.enter_context(numbering_by_us(connection, tables[name]))
            meanwhile.enter_context(_references_later(connection, [tables[name] for name in added]))
            for name in parents_first(database):
                if len(rows[name]):
                    insert(connection, rows[name], tables[name])
    there_already = {name: len(data) - len(rows[name]) for name, data in database.tables.items()}
    kept = (f"{name}: {n} rows are there already, and left as they are" for name, n in there_already.items() if n)
    return (*notes, *kept)


@contextmanager
def _references_later(connection: Any, tables: Sequence[Any]) -> Iterator[None]:
    """PostgreSQL looks up references after all rows are there, so that rows may refer to those that are yet to come."""
    import sqlalchemy as sa

    quote, places = connection.dialect.identifier_preparer, list[tuple[str, str]]()
    if connection.dialect.name == "postgresql":
        inspector = sa.inspect(connection)
        found = [(t, key) for t in tables for key in inspector.get_foreign_keys(t.name)]
        at_once = [(t, key["name"]) for t, key in found if not key["options"].get("deferrable")]
        places = [(quote.format_table(t), quote.quote(name)) for t, name in at_once]
    for table, name in places:
        connection.exec_driver_sql(f"ALTER TABLE {table} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED")
    yield
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table, name in places:
        connection.exec_driver_sql(f"ALTER TABLE {table} ALTER CONSTRAINT {name} NOT DEFERRABLE")


def _new_table(database: Database, name: str, meta: Any, dialect: Any) -> tuple[Any, tuple[str, ...]]:
    """A table with types that fit, its keys, and what must differ; and notes on its types."""
    import sqlalchemy as sa

    unique = [u for u in database.unique if u.table == name]
    keys = [database.keys[name]] if name in database.keys else [c for u in unique if u.primary for c in u.columns]
    columns, notes = described(database.tables[name], dialect, keys=keys)
    for link in database.foreign_of(name):
        parent = database.tables[link.parent]
        key = parent.field(database.keys[link.parent])
        column = next(c for c in columns if c.name == link.column)
        column.type = column_type(key, parent.columns[key.name], dialect)[0]
    links = [_constraint(f, database) for f in database.foreign_of(name)]
    differ = [sa.UniqueConstraint(*u.columns) for u in unique if list(u.columns) != keys]
    return sa.Table(name, meta, *columns, *links, *differ), tuple(f"{name}: {note}" for note in notes)


def _constraint(foreign: ForeignKey, database: Database) -> Any:
    """Checked at the end of the transaction, so that rows may refer to rows that are yet to come."""
    import sqlalchemy as sa

    target = f"{foreign.parent}.{database.keys[foreign.parent]}"
    return sa.ForeignKeyConstraint([foreign.column], [target], deferrable=True, initially="DEFERRED")


class _Continued:
    """The rows of a database as they are added to `there`, tables of the same names that may hold rows already."""

    def __init__(self, database: Database, connection: Any, there: Mapping[str, Any]) -> None:
        self.database, self.connection, self.there = database, connection, there
        self.tables = dict(database.tables)

    def rows(self) -> dict[str, Dataset]:
        """Kept rows that are there are left out; keys that are there already go on after them, also where rows refer
        to them.
        """
        kept = {t: self._not_there(t) for t in self.there if t in self.database.kept}
        for name in (t for t in parents_first(self.database) if t in self.there and t not in kept):
            linked = {f.column for f in self.database.foreign_of(name)}
            alone = [u.columns[0] for u in self.database.unique if u.table == name and len(u.columns) == 1]
            own = [self.database.keys[name]] if name in self.database.keys else []
            for column in dict.fromkeys([*own, *alone]):
                if column not in linked and isinstance(self.tables[name].field(column), Identifier):
                    self._go_on(name, column)
            for unique in self.database.unique:
                if unique.table == name:
                    self._differ(unique)
        return self.tables | kept

    def _found(self, table: str, names: tuple[str, ...]) -> set[tuple[str | None, ...]]:
        """What stands in columns of a table, as texts of keys."""
        import sqlalchemy as sa

        columns = [self.there[table].columns[named(n, self.there[table].columns.keys()) or n] for n in names]
        return {tuple(map(_key_text, row)) for row in self.connection.execute(sa.select(*columns))}

    def _texts(self, table: str, names: tuple[str, ...]) -> list[tuple[str | None, ...]]:
        return list(zip(*(key_texts(self.tables[table], name) for name in names), strict=True))

    def _not_there(self, table: str) -> Dataset:
        """The rows of a kept table whose key is not there; all or none where it has no key."""
        data, keys = self.tables[table], self.database.keys
        several = [u.columns for u in self.database.unique if u.table == table]
        names = (keys[table],) if table in keys else next(iter(several), ())
        found = self._found(table, names or (data.fields[0].name,))
        if not names:
            return data.take(slice(0, 0)) if found else data
        return data.take(np.array([text not in found for text in self._texts(table, names)], dtype=bool))

    def _go_on(self, table: str, column: str) -> None:
        """New keys for a column where some are there already, here and wherever rows refer to them."""
        there = {text for (text,) in self._found(table, (column,)) if text is not None}
        old = self.tables[table].columns[column]
        if there.isdisjoint(old.tolist()):
            return
        field = self.tables[table].field(column)
        assert isinstance(field, Identifier)
        self._renamed(table, column, dict(zip(old.tolist(), keys_after(field, there, len(old)), strict=True)))

    def _renamed(self, table: str, column: str, new: Mapping[str | None, str | None]) -> None:
        data = self.tables[table]
        renamed = np.array([None if key is None else new[key] for key in data.columns[column]], dtype=object)
        self.tables[table] = replace(data, columns={**data.columns, column: renamed})
        if column == self.database.keys.get(table):
            for foreign in self.database.foreign_to(table):
                self._renamed(foreign.table, foreign.column, new)

    def _differ(self, unique: Unique) -> None:
        """Have rows differ from those that are there, by a whole number among the columns that goes on after theirs."""
        there, data = self._found(unique.table, unique.columns), self.tables[unique.table]
        if there.isdisjoint(self._texts(unique.table, unique.columns)):
            return
        linked = {f.column for f in self.database.foreign_of(unique.table)}
        whole = [name for name in unique.columns if name not in linked and is_whole(data.field(name))]
        if not whole:
            names = ", ".join(unique.columns)
            what = f"rows with the same {names} are there already"
            hint = "write to another database, or leave out the columns' rule that they must differ"
            raise ArgumentError(what, where=f"table {unique.table}", hint=hint)
        place = unique.columns.index(whole[-1])
        above = max(int(float(row[place] or 0)) for row in there) + 1
        column = data.columns[whole[-1]]
        numbers = column.astype(float)
        shifted = numbers + (above - np.nanmin(numbers))
        if column.dtype.kind != "f":
            shifted = np.array([None if v != v else str(int(v)) for v in shifted], dtype=object)
        self.tables[unique.table] = replace(data, columns={**data.columns, whole[-1]: shifted})


def _key_text(value: Any) -> str | None:
    """A value of a database as the text of a key: 7.0 as 7."""
    text = as_text(value)
    return None if text is None else re.sub(r"^(-?[0-9]+)\.0+$", r"\1", text)


def keys_after(field: Identifier, there: set[str], n: int) -> list[str]:
    """n new keys beyond those that are `there`.

    >>> keys_after(Identifier("id", "K{}", 3, 5), {"K005", "K011", "other"}, 2)
    ['K012', 'K013']
    """
    before, _, after = field.pattern.partition("{}")
    form = re.compile(re.escape(before) + "(-?[0-9]+)" + re.escape(after))
    last = max((int(m[1]) for text in there if (m := form.fullmatch(text))), default=field.start - 1)
    if not field.codes and last + n <= MOST:
        return new_keys(replace(field, start=max(field.start, last + 1)), n)
    return [key for key in new_keys(field, n + len(there)) if key not in there][:n]


def parents_first(database: Database) -> list[str]:
    """Tables in an order in which rows refer to rows before them, as far as there is no circle."""
    done: list[str] = []

    def visit(table: str, below: frozenset[str]) -> None:
        for foreign in database.foreign_of(table):
            if foreign.parent not in done and foreign.parent not in below:
                visit(foreign.parent, below | {table, foreign.parent})
        done.append(table)

    for table in database.tables:
        if table not in done:
            visit(table, frozenset({table}))
    return list(dict.fromkeys(done))
