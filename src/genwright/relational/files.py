"""Databases read and written: by URL through SQLAlchemy, or a folder of CSV files with the keys in keys.json."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from genwright.data.dataset import Category, Dataset, Number
from genwright.data.read import Source, read
from genwright.data.signer import BESIDE, Signer, unsigned
from genwright.data.sql import Address, is_url
from genwright.data.write import IfExists, write
from genwright.errors import ArgumentError, DataError, NoRowsError
from genwright.folders import new_folder, safe_join
from genwright.relational.database import KEYS_HINT, Database, Keys, as_key, keys_from_json
from genwright.relational.keep import kept_tables, with_categories
from genwright.relational.reflect import Found, reflected
from genwright.relational.sql import write_tables
from genwright.relational.suggest import KEYS, suggest_keys
from genwright.storage import read_json, write_json
from genwright.typed import by_hand

TABLE = re.compile(r"([^.].*?)\.(?:csv|tsv|parquet|csv\.gz|tsv\.gz)", re.IGNORECASE)
OURS = re.compile(rf"[^/]+\.csv({re.escape(BESIDE)})?|keys\.json")


def read_database(
    source: str | os.PathLike[str] | Mapping[str, Source],
    *,
    keys: Mapping[str, Any] | None = None,
    keep: Collection[str] | None = None,
    missing: Any = (),
    seed: int = 0,
) -> Database:
    """Read all tables of a database URL, of a folder of CSV or Parquet files, or of a mapping of names to sources.

    `keys` says how they are joined: `{"orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}`. Without
    it, a database's own declarations hold, a folder's keys.json, or what names and values suggest; `notes` says which.
    Tables in `keep` stay as they are in samples; None: those below 10 rows, and those with nothing but keys and names
    that many rows refer to. Tables without rows are passed over. `missing` and `seed` are as in `read`.

    Raises DataError for tables that cannot be read, and keys that come twice or refer to nothing.
    """
    found = _sources(source)
    if not found.sources:
        raise DataError(
            "there are no tables", where=found.name, hint="known are .csv, .tsv, .parquet, .csv.gz, .tsv.gz"
        )
    read_one = partial(_table, found, missing=missing, seed=seed)
    if found.trouble is not None and keys is None:
        raise found.trouble
    chosen = found.declared if keys is None else keys_from_json(keys, where="keys").also(found.own.unique)
    notes = list(found.notes)
    if chosen is None:
        chosen, hints = suggest_keys(_present(found, partial(read_one, keys=Keys({})), []), found.own)
        notes = [*hints, *notes]
    unknown = [t for t in chosen.tables if t not in found.sources]
    if unknown:
        hint = f"there are: {', '.join(found.sources)}"
        raise DataError(f"keys name a table {unknown[0]!r}", where=found.name, hint=hint)
    tables = _present(found, partial(read_one, keys=chosen), notes)
    chosen = chosen.among(tables)
    kept, hints = kept_tables(tables, chosen, keep=keep)
    notes += hints
    tables = with_categories(tables, chosen, kept)
    notes += [f"{t}: {note}" for t, data in tables.items() if t not in kept for note in data.notes]
    return Database(tables, dict(chosen.primary), chosen.foreign, found.name, tuple(notes), kept, chosen.unique)


def _present(found: Found, read_one: Callable[[str], Dataset], notes: list[str]) -> dict[str, Dataset]:
    """The tables that have rows; the others are added to `notes`. Raises DataError where there are none at all."""
    tables, empty = {}, {}
    for name in found.sources:
        try:
            tables[name] = read_one(name)
        except NoRowsError as error:
            empty[name] = error.what
    if not tables:
        raise NoRowsError("no table has rows", where=found.name)
    notes += [f"{name}: passed over, {why}; samples do not have it" for name, why in empty.items()]
    return tables


def _table(found: Found, name: str, *, keys: Keys, missing: Any, seed: int) -> Dataset:
    """One table; its keys, and single columns that must differ, as texts of their own."""
    alone = [u.columns[0] for u in keys.unique if u.table == name and len(u.columns) == 1]
    source, options = found.sources[name], dict[str, Any]()
    if not isinstance(source, Dataset):
        schema = dict.fromkeys(keys.of(name), "identifier") | dict.fromkeys(found.computed.get(name, ()), "drop")
        options = {"missing": missing, "schema": schema}
    unlimited = {"max_rows": None} if isinstance(source, str | os.PathLike) else {}
    try:
        data = read(source, seed=seed, **options, **unlimited)
    except ArgumentError as error:
        raise DataError(error.what, where=f"table {name}", hint=error.hint) from None
    free = [f.name for f in data.texts]  # made up anew like keys: rows of databases have no free text
    for key in [*free, *keys.of(name)]:
        data = as_key(data, data.field(key).name)
    made = tuple(note for note in data.notes if not note.endswith("dropped, as told"))  # nobody told; it is noted
    data = replace(data, notes=made)
    for name in alone:
        field = data.field(name)
        if isinstance(field, Category) or (isinstance(field, Number) and field.decimals == 0):
            data = as_key(data, name)
    return data


def _sources(source: Any) -> Found:
    """The tables' sources, and the keys that stand beside them."""
    if isinstance(source, Mapping):
        return Found("database", dict(source))
    if is_url(os.fspath(source)):
        return reflected(os.fspath(source))
    path = Path(source)
    if not path.is_dir():
        hint = "give a database URL, or a folder of CSV files"
        raise DataError("no such folder" if not path.exists() else "not a folder", where=str(path), hint=hint)
    sources: dict[str, Source] = {}
    notes = []
    for each in sorted(path.iterdir()):
        table = TABLE.fullmatch(each.name)
        if table is None or not each.is_file():
            continue
        if table[1] in sources:
            notes.append(f"{each.name}: left out, since there is another file for the table {table[1]!r}")
        sources.setdefault(table[1], each)
    declared = None
    if (path / KEYS).exists():
        with by_hand(DataError, hint=KEYS_HINT):
            described = read_json(path / KEYS)
        declared = keys_from_json(described, where=str(path / KEYS))
    return Found(path.name, sources, declared, notes=tuple(notes))


def write_database(
    database: Database, target: str | os.PathLike[str], *, if_exists: IfExists = "fail", signer: Signer = unsigned
) -> tuple[str, ...]:
    """Write all tables to a database URL in one transaction, or to a folder as CSV files and keys.json.

    In a database, tables get types that fit, primary and foreign keys. `if_exists` says what becomes of tables that are
    there, as in `write`; in a folder, tables of an earlier call are replaced. `signer` signs files. Returns notes on
    what could not be held.
    """
    if is_url(os.fspath(target)):
        return write_tables(database, Address.of(os.fspath(target)), if_exists)
    with new_folder(Path(target), ours=lambda name: OURS.fullmatch(name) is not None) as folder:
        files = {t: safe_join(folder, f"{t}.csv") for t in database.tables}
        notes = [f"{t}: {note}" for t, data in database.tables.items() for note in write(data, files[t], signer=signer)]
        write_json(folder / KEYS, database.keys_to_json())
    return tuple(notes)
