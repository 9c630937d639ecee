"""Tables in SQL databases, read by URL: streamed, read-only, types as the database has them, passwords never shown."""

import datetime
import decimal
import difflib
import json
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from genwright.data.arrow import json_bare, json_text
from genwright.data.sql_types import declared_storage, is_temporal
from genwright.data.table import ALL, CHUNK, MissingMarks, Part, RawColumn, RawTable, raw_columns, repeated, text_table
from genwright.errors import ArgumentError, DataError, MissingDependencyError, NoRowsError

URL = re.compile(r"[A-Za-z][A-Za-z0-9_+]*://")
PASSWORD = re.compile(r"(?<=[?&])((?:ssl)?password)=[^&#\s]*", re.IGNORECASE)
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
READ_ONLY = {"postgresql": "SET TRANSACTION READ ONLY", "sqlite": "PRAGMA query_only = ON"}
READING = {sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
READING |= {sqlite3.SQLITE_TRANSACTION}
TOLD_OF_TABLES = {
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
}
INSTALL = "pip install 'genwright[sql,postgres]'; other databases need SQLAlchemy's driver for them"


def is_url(source: str) -> bool:
    """Whether `source` is a database URL rather than a path.

    >>> is_url("sqlite:///shop.db"), is_url("C:/shop.csv")
    (True, False)
    """
    return URL.match(source) is not None


def without_password(text: str) -> str:
    """`text` with the password of every URL in it hidden.

    >>> without_password("fit postgresql://ann:secret@host/shop?table=orders&password=also")
    'fit postgresql://ann:***@host/shop?table=orders&password=***'
    """
    return PASSWORD.sub(r"\1=***", re.sub(r"(://[^:@/\s]*):[^/\s]*@", r"\1:***@", text))


@dataclass(frozen=True)
class Address:
    """A database, and what of it is meant: one table or the rows of one query."""

    url: Any
    table: str | None = None
    query: str | None = None

    @classmethod
    def of(cls, source: str, *, table: str | None = None, query: str | None = None) -> "Address":
        """The URL `source`, of which `?table=` and `?query=` are taken out. Raises ArgumentError where it is none."""
        sqlalchemy = _sqlalchemy()
        try:
            url = sqlalchemy.make_url(source)
        except sqlalchemy.exc.ArgumentError:
            hint = "for example sqlite:///shop.db?table=orders or postgresql://user@host/shop?table=orders"
            raise ArgumentError("not a database URL", where=without_password(source), hint=hint) from None
        named = {name: str(url.query[name]) for name in ("table", "query") if name in url.query}
        url = url.difference_update_query(["table", "query"])
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        table, query = table or named.get("table"), query or named.get("query")
        if table and query:
            raise ArgumentError("both a table and a query are given", where=without_password(source), hint="give one")
        return cls(url, table, query)

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return without_password(self.url.render_as_string(hide_password=True))

    @property
    def place(self) -> tuple[str | None, str]:
        """Schema (None: the default one) and name of the table."""
        assert self.table is not None
        schema, _, name = self.table.rpartition(".")
        return schema or None, name


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy
    except ImportError:
        what = "databases need SQLAlchemy, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[sql]'") from None
    return sqlalchemy


@contextmanager
def connected(address: Address, *, writing: bool = False) -> Iterator[Any]:
    """A connection inside one transaction: committed at the end if `writing`, else refused every change.

    What the database or its driver complains of becomes a DataError that names the database.
    """
    sqlalchemy = _sqlalchemy()
    if address.url.get_backend_name() == "sqlite" and not writing:
        _require_file(address)
    try:
        engine = sqlalchemy.create_engine(address.url, poolclass=sqlalchemy.pool.NullPool, hide_parameters=True)
    except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise MissingDependencyError(
            f"no driver for this database: {error}", where=address.shown, hint=INSTALL
        ) from None
    if engine.dialect.name == "sqlite":
        _begin_for_real(engine)
    try:
        with warnings.catch_warnings(), engine.connect() as connection, connection.begin() as transaction:
            warnings.simplefilter(
                "ignore", sqlalchemy.exc.SAWarning
            )  # of types and constraints that it cannot describe
            if not writing and engine.dialect.name in READ_ONLY:
                connection.exec_driver_sql(READ_ONLY[engine.dialect.name])
            if not writing and engine.dialect.name == "sqlite":
                connection.connection.dbapi_connection.set_authorizer(_only_reading)
            yield connection
            if not writing:
                transaction.rollback()
    except sqlalchemy.exc.SQLAlchemyError as error:
        told = " ".join(str(getattr(error, "orig", None) or error).split())
        told = told.replace(str(address.url.password), "***") if address.url.password else told
        told = told.replace("not authorized", "databases are read-only here, this is not allowed")
        hint = "nothing was written" if writing else "check the URL, the table and what this user may read"
        raise DataError(f"the database says: {without_password(told)}", where=address.shown, hint=hint) from None


def _require_file(address: Address) -> None:
    """SQLite makes a new empty file of a mistyped name; reading must not."""
    name = address.url.database
    if name and name != ":memory:" and not name.startswith("file:") and not Path(name).is_file():
        raise DataError(
            "no such file", where=address.shown, hint="sqlite:///shop.db is relative, sqlite:////x/shop.db not"
        )


def _only_reading(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """SQLite's answer to what a statement is about to do: ATTACH, which makes files, and settings are no reading."""
    if action in READING or (action == sqlite3.SQLITE_PRAGMA and (second is None or first in TOLD_OF_TABLES)):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _begin_for_real(engine: Any) -> None:
    """Have SQLite's driver begin transactions where SQLAlchemy does, so that CREATE TABLE is undone on failure too."""
    event = _sqlalchemy().event

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


def read_sql(address: Address, *, missing: MissingMarks, part: Part = ALL) -> RawTable:
    """A table, or the rows of a query. NULL is missing, and so are the marks the user named; empty texts are texts.

    Rows come through a server-side cursor. Moments with a zone are read in UTC, binary columns left out. Columns of
    texts stay words even where they look like numbers, except in SQLite tables that hold nothing but text.
    """
    with connected(address) as connection:
        if address.query is None and address.table is None:
            address = replace(address, table=_only_table(connection, address))
        result, declared = _select(connection, address)
        names = list(result.keys())
        twice = repeated(names)
        if twice:
            raise DataError(f"two columns are called {twice[0]!r}", where=address.shown, hint="name one with AS")
        pool = part.reservoir()
        kinds: list[set[type]] = [set() for _ in names]
        while chunk := result.fetchmany(CHUNK):
            cells = list(zip(*chunk, strict=True))
            for kind, column in zip(kinds, cells, strict=True):
                kind.update(map(type, column))
            texts = zip(cells, [_textual(declared.get(name), connection.dialect) for name in names], strict=True)
            pool.add(text_table(names, [list(map(as_one, column)) for column, as_one in texts]))
        dialect = connection.dialect
    where = f"{address.shown}, {address.table or 'query'}"
    if not pool.seen:
        raise NoRowsError("there are no rows", where=where)
    words = [kind <= {str, UUID, type(None)} for kind in kinds]  # which are times where SQLite says so
    timed = {name for name, kind in declared.items() if is_temporal(kind)}
    untyped = dialect.name == "sqlite" and all(words)
    binary = [name for name, kind in zip(names, kinds) if kind & {bytes, memoryview}]
    if len(binary) == len(names):
        raise NoRowsError("there is nothing but binary data", where=where)
    columns = tuple(
        _column(raw, missing, words=is_words and not untyped and raw.name not in timed)
        for raw, is_words in zip(raw_columns(pool), words, strict=True)
        if raw.name not in binary
    )
    notes = tuple(f"{name!r} holds binary data; left out" for name in binary) + part.notes(pool)
    if not untyped:
        columns, more = _held(columns, declared, dialect)
        notes += more
    if untyped and columns:
        notes += ("every column is text: types are inferred from the values, as in a CSV",)
    return RawTable(columns, where, notes)


def _held(
    columns: Sequence[RawColumn], declared: Mapping[str, Any], dialect: Any
) -> tuple[tuple[RawColumn, ...], tuple[str, ...]]:
    """Columns with how the database holds them, and notes on those that are held otherwise."""
    known = [raw for raw in columns if raw.name in declared and raw.texts]
    held = {raw.name: declared_storage(raw.name, declared[raw.name], raw.texts, dialect) for raw in known}
    notes = tuple(note for _, note in held.values() if note)
    return tuple(replace(raw, storage=held[raw.name][0]) if raw.name in held else raw for raw in columns), notes


def _textual(kind: Any, dialect: Any) -> Callable[[Any], str | None]:
    """How values of a column declared as `kind` become text: SQLite has JSON as text already."""
    if not isinstance(kind, _sqlalchemy().JSON):
        return as_text
    if dialect.name == "sqlite":
        return lambda value: json_bare(as_text(value))
    return lambda value: None if value is None else json_text(value)


def named(name: str, names: Iterable[str]) -> str | None:
    """`name` as it is among `names`, else the one that differs in nothing but upper and lower case."""
    known = list(names)
    alike = [each for each in known if each == name] or [each for each in known if each.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def tables_in(connection: Any, schema: str | None = None) -> list[str]:
    """Names of the tables and views of a schema."""
    inspector = _sqlalchemy().inspect(connection)
    return sorted([*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)])


def _only_table(connection: Any, address: Address) -> str:
    found = tables_in(connection)
    if len(found) == 1:
        return found[0]
    shown = ", ".join(found[:10]) or "none"
    hint = f"add ?table=NAME or say table=; there are: {shown}. For all of them together: fit_database"
    raise DataError("which table?", where=address.shown, hint=hint)


def _select(connection: Any, address: Address) -> tuple[Any, dict[str, Any]]:
    """A result whose rows are fetched a chunk at a time, and the types that a table's columns are declared with."""
    sqlalchemy = _sqlalchemy()
    streaming = connection.execution_options(stream_results=True, max_row_buffer=CHUNK)
    if address.query is not None:
        return streaming.execution_options(no_parameters=True).exec_driver_sql(address.query), {}
    schema, name = address.place
    known = tables_in(connection)
    if address.table in known:  # its own name may hold a dot
        schema, name = None, address.table
    elif schema is not None:
        known = tables_in(connection, schema)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3) or known[:10]
        raise DataError(
            f"no table called {name!r}", where=address.shown, hint=f"there are: {', '.join(near) or 'none'}"
        )
    described = sqlalchemy.inspect(connection).get_columns(name, schema=schema)
    # Without a type the driver's own values come, also where SQLite's texts are not what the column says it holds.
    columns = [
        sqlalchemy.column(c["name"], sqlalchemy.Boolean if isinstance(c["type"], sqlalchemy.Boolean) else None)
        for c in described
    ]
    declared = {c["name"]: c["type"] for c in described if not isinstance(c["type"], sqlalchemy.types.NullType)}
    return streaming.execute(sqlalchemy.select(*columns).select_from(sqlalchemy.table(name, schema=schema))), declared


def as_text(value: Any) -> str | None:
    """A driver's value as text that reads back as the same value and type."""
    match value:
        case None | bytes() | memoryview():
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case decimal.Decimal():
            return format(value, "f") if value.is_finite() else None
        case float():
            return None if value != value else repr(value)
        case datetime.datetime():
            return str(value if value.tzinfo is None else value.astimezone(datetime.UTC))
        case datetime.timedelta():
            return repr(value.total_seconds())
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _column(raw: RawColumn, missing: MissingMarks, *, words: bool) -> RawColumn:
    """With the user's own missing marks taken out, and fractions of seconds written in all moments or in none."""
    texts: Sequence[str | None] = raw.texts
    if not words and any(MOMENT.fullmatch(t) and "." in t for t in raw.texts):
        texts = [MOMENT.sub(lambda m: f"{m[1]}{m[2] or '.000000'}{m[3] or ''}", t) for t in raw.texts]
    texts = [None if t is not None and missing.was_named(t) else t for t in texts]
    return replace(raw.renamed(texts), words=words)


MOMENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?(\+00:00)?")
