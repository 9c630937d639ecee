"""Databases read and written: by URL through SQLAlchemy, or a folder of CSV files with the keys in keys.json."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genwright.data.dataset import Dataset
from genwright.data.files import read_bytes
from genwright.data.read import Source, read
from genwright.data.sql import Address, connected, is_url
from genwright.data.sql_write import column_type, described, insert
from genwright.data.write import IfExists, write
from genwright.errors import ArgumentError, DataError
from genwright.folders import new_folder, safe_join
from genwright.relational.database import Database, ForeignKey, as_key, key_columns, keys_from_json
from genwright.relational.suggest import suggest_keys
from genwright.storage import write_json

KEYS = "keys.json"
SUFFIXES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
OURS = re.compile(r"[^/]+\.csv|keys\.json")

Keys = tuple[Mapping[str, str], tuple[ForeignKey, ...]]


def read_database(
    source: str | os.PathLike[str] | Mapping[str, Source],
    *,
    keys: Mapping[str, Any] | None = None,
    missing: Any = (),
    seed: int = 0,
) -> Database:
    """Read all tables of a database URL, of a folder of CSV or Parquet files, or of a mapping of names to sources.

    `keys` says how they are joined: `{"orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}`. Without
    it, a database's own declarations hold, a folder's keys.json, or what names and values suggest; `notes` says which.
    `missing` and `seed` are as in `read`.

    Raises DataError for tables that cannot be read, and keys that come twice or refer to nothing.
    """
    name, sources, declared = _sources(source)
    if not sources:
        raise DataError("there are no tables", where=name, hint=f"known are {', '.join(SUFFIXES)}")
    chosen = keys_from_json(keys, where="keys") if keys is not None else declared
    first = {t: _table(t, s, (), missing, seed) for t, s in sources.items()} if chosen is None else {}
    found = chosen or suggest_keys(first)
    tables = {t: _table(t, s, key_columns(t, *found), missing, seed) for t, s in sources.items()}
    unknown = [t for t in [*found[0], *(f.table for f in found[1]), *(f.parent for f in found[1])] if t not in tables]
    if unknown:
        raise DataError(f"keys name a table {unknown[0]!r}", where=name, hint=f"there are: {', '.join(tables)}")
    notes = tuple(f"{t}: {note}" for t, data in tables.items() for note in data.notes)
    if chosen is None:
        told = [f"{t}.{k}" for t, k in found[0].items()]
        told += [f"{f.table}.{f.column} -> {f.parent}" for f in found[1]]
        notes = (f"keys by name and values: {', '.join(told) or 'none'}; {KEYS} or keys= says otherwise", *notes)
    return Database(tables, dict(found[0]), tuple(found[1]), name, notes)


def _table(name: str, source: Source, keys: Any, missing: Any, seed: int) -> Dataset:
    """One table, its keys as texts of their own."""
    options: dict[str, Any] = {"missing": missing} if not isinstance(source, Dataset) else {}
    if keys and not isinstance(source, Dataset):
        options["schema"] = dict.fromkeys(keys, "identifier")
    unlimited = {"max_rows": None} if isinstance(source, str | os.PathLike) else {}
    try:
        data = read(source, seed=seed, **options, **unlimited)
    except ArgumentError as error:
        raise DataError(error.what, where=f"table {name}", hint=error.hint) from None
    for key in [
        *(f.name for f in data.texts),
        *keys,
    ]:  # free text is made up anew like keys: rows of databases have none
        data = as_key(data, data.field(key).name)
    return data


def _sources(source: Any) -> tuple[str, dict[str, Source], Keys | None]:
    """A name, the tables' sources, and the keys that stand beside them."""
    if isinstance(source, Mapping):
        return "database", dict(source), None
    if is_url(os.fspath(source)):
        return _reflected(os.fspath(source))
    path = Path(source)
    if not path.is_dir():
        hint = "give a database URL, or a folder of CSV files"
        raise DataError("no such folder" if not path.exists() else "not a folder", where=str(path), hint=hint)
    found = sorted(p for p in path.iterdir() if p.name.lower().endswith(SUFFIXES) and p.is_file())
    sources: dict[str, Source] = {p.name.split(".")[0]: p for p in found}
    if not (path / KEYS).is_file():
        return path.name, sources, None
    try:
        declared = json.loads(read_bytes(path / KEYS))
    except ValueError as error:
        raise DataError(f"not JSON: {error}", where=str(path / KEYS)) from None
    return path.name, sources, keys_from_json(declared, where=str(path / KEYS))


def _reflected(source: str) -> tuple[str, dict[str, Source], Keys | None]:
    """The tables of a database (views are left out) and its declared keys; None where it declares no foreign ones."""
    import sqlalchemy as sa

    address = Address.of(source)
    with connected(address) as connection:
        inspector = sa.inspect(connection)
        names = sorted(inspector.get_table_names())
        keys, foreign = {}, []
        for name in names:
            key = inspector.get_pk_constraint(name)["constrained_columns"]
            if len(key) == 1:
                keys[name] = key[0]
            foreign += [_foreign(name, f, address) for f in inspector.get_foreign_keys(name)]
        order = {name: [c["name"] for c in inspector.get_columns(name)] for name in names}
    for each, column in foreign:
        if keys.setdefault(each.parent, column) != column:
            what = f"{each.table}.{each.column} refers to {each.parent}.{column}, which is not its primary key"
            raise DataError(what, where=address.shown, hint="say with keys= which columns are keys")
    plain = address.url.render_as_string(hide_password=False)
    sources: dict[str, Source] = {name: _with_table(plain, name) for name in names}
    references = tuple(sorted((f for f, _ in foreign), key=lambda f: (f.table, order[f.table].index(f.column))))
    name = Path(address.url.database or "database").stem
    return name, sources, (keys, references) if references else None


def _with_table(url: str, table: str) -> str:
    from urllib.parse import quote_plus

    return f"{url}{'&' if '?' in url else '?'}table={quote_plus(table)}"


def _foreign(table: str, found: Mapping[str, Any], address: Address) -> tuple[ForeignKey, str]:
    if len(found["constrained_columns"]) != 1:
        columns = ", ".join(found["constrained_columns"])
        hint = "say with keys= which single columns are keys"
        raise DataError(f"{table} has a foreign key of several columns ({columns})", where=address.shown, hint=hint)
    return ForeignKey(table, found["constrained_columns"][0], found["referred_table"]), found["referred_columns"][0]


def write_database(
    database: Database, target: str | os.PathLike[str], *, if_exists: IfExists = "fail"
) -> tuple[str, ...]:
    """Write all tables to a database URL in one transaction, or to a folder as CSV files and keys.json.

    In a database, tables get types that fit, primary and foreign keys. `if_exists` says what becomes of tables that are
    there, as in `write`; in a folder, tables of an earlier call are replaced. Returns notes on what could not be held.
    """
    if is_url(os.fspath(target)):
        _write_sql(database, Address.of(os.fspath(target)), if_exists)
        return ()
    with new_folder(Path(target), ours=lambda name: OURS.fullmatch(name) is not None) as folder:
        files = {t: safe_join(folder, f"{t}.csv") for t in database.tables}
        notes = [f"{t}: {note}" for t, data in database.tables.items() for note in write(data, files[t])]
        write_json(folder / KEYS, database.keys_to_json())
    return tuple(notes)


def _write_sql(database: Database, address: Address, if_exists: IfExists) -> None:
    import sqlalchemy as sa

    with connected(address, writing=True) as connection:
        there = [t for t in database.tables if sa.inspect(connection).has_table(t)]
        if there and if_exists == "fail":
            hint = "say if_exists='append' or 'replace' (--if-exists), or another database"
            raise ArgumentError(f"there is a table {there[0]!r} already", where=address.shown, hint=hint)
        kept = there if if_exists == "append" else []
        meta = sa.MetaData()
        for name, data in database.tables.items():
            if name in kept:
                sa.Table(name, meta, autoload_with=connection)
                continue
            keys = [database.keys[name]] if name in database.keys else []
            links = [_constraint(f, database) for f in database.foreign_of(name)]
            columns = described(data, connection.dialect, keys=keys)
            for link in database.foreign_of(name):
                parent = database.tables[link.parent]
                key = parent.field(database.keys[link.parent])
                column = next(c for c in columns if c.name == link.column)
                column.type = column_type(key, parent.columns[key.name], connection.dialect)
            sa.Table(name, meta, *columns, *links)
        if if_exists == "replace":
            old = sa.MetaData()
            old.reflect(connection, only=there)
            old.drop_all(connection)
        meta.create_all(connection)
        for name in parents_first(database):
            insert(connection, database.tables[name], meta.tables[name])


def _constraint(foreign: ForeignKey, database: Database) -> Any:
    """Checked at the end of the transaction, so that rows may refer to rows that are yet to come."""
    import sqlalchemy as sa

    target = f"{foreign.parent}.{database.keys[foreign.parent]}"
    return sa.ForeignKeyConstraint([foreign.column], [target], deferrable=True, initially="DEFERRED")


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
