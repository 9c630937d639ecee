"""A Dataset into a table of an SQL database, by URL: column types that fit, all rows or none."""

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from genwright.data.arrow import json_value
from genwright.data.cells import cells
from genwright.data.dataset import ARRAYS, Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.media import KINDS
from genwright.data.spellings import truth
from genwright.data.sql import Address, connected, named
from genwright.data.sql_types import duration, is_uuid, stored_type
from genwright.data.stored import arrow_array
from genwright.data.times import has_clock, has_day, zone_of
from genwright.data.write import IfExists
from genwright.errors import ArgumentError

BATCH = 5000  # rows sent at a time
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})")
EXACT_DIGITS = 15  # of a number kept in float64


def write_sql(data: Dataset, address: Address, *, if_exists: IfExists = "fail") -> tuple[str, ...]:
    """Write `data` to the table of `address` within one transaction; notes on columns that got another type.

    A new table gets the types that columns were read with; where they were read without, those that fit the fields:
    integers, numerics with their decimals, dates, timestamps (with time zone where times have one), booleans, text. An
    existing one is an error, or is replaced, or gets the rows appended
    as its own columns have them. Raises ArgumentError for a table in the way or without a column for some field,
    DataError with the database's own words where it refuses.
    """
    if isinstance(data.media, ARRAYS):
        raise ArgumentError(
            f"{KINDS[data.kind].many} do not go into a database", where=address.shown, hint="give a folder"
        )
    if address.table is None:
        raise ArgumentError("which table?", where=address.shown, hint="say table=, or add ?table=NAME to the URL")
    with connected(address, writing=True) as connection:
        table, notes = made_ready(connection, data, address, if_exists=if_exists)
        with numbering_by_us(connection, table):
            insert(connection, data, table)
    return notes


def made_ready(connection: Any, data: Dataset, address: Address, *, if_exists: IfExists) -> tuple[Any, tuple[str, ...]]:
    """The table to insert into, created, replaced or found as told, and notes on its types if it is new."""
    import sqlalchemy as sa

    schema, name = address.place
    there = sa.inspect(connection).has_table(name, schema=schema)
    if there and if_exists == "fail":
        hint = "say if_exists='append' or if_exists='replace', or another table"
        raise ArgumentError(f"there is a table {name!r} already", where=address.shown, hint=hint)
    if there and if_exists == "append":
        return sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection), ()
    columns, notes = described(data, connection.dialect)
    table = sa.Table(name, sa.MetaData(), *columns, schema=schema)
    if there:
        table.drop(connection)
    table.create(connection)
    return table, notes


def described(data: Dataset, dialect: Any, *, keys: Sequence[str] = ()) -> tuple[list[Any], tuple[str, ...]]:
    """A column of the fitting type for each field, and notes on those of other types than they were read with; `keys`
    become the primary key.
    """
    import sqlalchemy as sa

    fields = data.cells
    types = [column_type(f, data.columns[f.name], dialect) for f in fields]
    columns = [sa.Column(f.name, kind, primary_key=f.name in keys) for f, (kind, _) in zip(fields, types, strict=True)]
    return columns, tuple(note for _, note in types if note)


def column_type(field: Field, column: np.ndarray, dialect: Any) -> tuple[Any, str]:
    """The SQL type that `field` was read with, else the one that holds its values without loss, and then a note."""
    import sqlalchemy as sa

    if field.storage is None or not field.storage.type:
        return _fitting_type(field, column, dialect), ""
    kind = stored_type(field, dialect)
    if kind is None:
        note = f"{field.name!r} is not written as {field.storage.type}, for which {dialect.name} has no type"
    elif isinstance(kind, sa.Uuid):
        fits = all(text is None or is_uuid(text) for text in cells(field, column))
        note = "" if fits else f"{field.name!r} is not written as uuid: new values are not of that type"
    else:  # JSON takes any value
        note = "" if isinstance(kind, sa.JSON) else arrow_array(field, column)[1]
    return (_fitting_type(field, column, dialect) if note else kind), note


def _fitting_type(field: Field, column: np.ndarray, dialect: Any) -> Any:
    import sqlalchemy as sa

    match field:
        case Number(form=form) if form:
            return sa.Text()
        case Number(decimals=0, min_decimals=0) | Category(dtype="int"):
            return sa.BigInteger()
        case Number(decimals=int(decimals)):
            digits = len(f"{max(abs(field.low), abs(field.high)):.0f}")
            if digits + decimals > EXACT_DIGITS:
                return sa.Double()
            scale = max(decimals, field.min_decimals)
            kind: Any = sa.Numeric
            return kind(digits + scale + 3, scale, asdecimal=bool(dialect.supports_native_decimal))
        case Number() | Category(dtype="float"):
            return sa.Double()
        case Category(dtype="bool", levels=levels) if {level.lower() for level in levels} <= {"true", "false"}:
            return sa.Boolean()
        case Time():
            return _time_type(field, dialect)
        case Identifier() | Constant() if column.size and all(v is None or is_int64(v) for v in column):
            return sa.BigInteger()
    return sa.Text()


def is_int64(text: str) -> bool:
    """Whether a text is a whole number of 64 bits."""
    return WHOLE.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63


def _time_type(field: Time, dialect: Any) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.dialects import sqlite

    day, clock, zone = has_day(field.format), has_clock(field.format), zone_of(field.format)
    if not day and not clock:
        return sa.Text()  # a month or a year
    if dialect.name == "sqlite":  # it has no zones, and shows the text that is stored
        plain = sqlite.DATETIME(truncate_microseconds="%f" not in field.format)
        return sa.Text() if zone or not day else plain if clock else sa.Date()
    if not day:
        return sa.Text() if zone else sa.Time()
    return sa.DateTime(timezone=zone is not None) if clock else sa.Date()


def insert(connection: Any, data: Dataset, table: Any) -> None:
    """All rows of `data` into the columns of `table` with the fields' names; what the database computes is left to it.

    Raises ArgumentError where the table lacks a column.
    """
    import sqlalchemy as sa
    from sqlalchemy.dialects import sqlite

    targets: dict[Field, Any] = {f: _column_of(table, f.name) for f in data.cells}
    targets = {f: column for f, column in targets.items() if column.computed is None}
    for field, column in targets.items():
        if isinstance(field, Time) and isinstance(column.type, sa.DateTime) and connection.dialect.name == "sqlite":
            whole = "%f" not in field.format
            column.type = sqlite.DATETIME(truncate_microseconds=whole)  # it shows the text that is stored
    for rows in _batches(data, targets):
        connection.execute(table.insert(), rows)


def _column_of(table: Any, name: str) -> Any:
    found = named(name, table.columns.keys())
    if found is None:
        hint = f"it has {', '.join(c.name for c in table.columns)}"
        raise ArgumentError(f"table {table.name!r} has no column {name!r}", where=f"table {table.name}", hint=hint)
    column = table.columns[found]
    if hasattr(column.type, "none_as_null"):
        column.type.none_as_null = True  # missing values are NULL, not JSON's null
    return column


@contextmanager
def numbering_by_us(connection: Any, table: Any) -> Iterator[None]:
    """PostgreSQL's numbering of rows takes our numbers meanwhile, and goes on after them."""
    if connection.dialect.name != "postgresql":
        yield
        return
    quote = connection.dialect.identifier_preparer
    place = quote.format_table(table)
    always = [quote.quote(c.name) for c in table.columns if c.identity is not None and c.identity.always]
    for name in always:
        connection.exec_driver_sql(f"ALTER TABLE {place} ALTER COLUMN {name} SET GENERATED BY DEFAULT")
    yield
    for name in always:
        connection.exec_driver_sql(f"ALTER TABLE {place} ALTER COLUMN {name} SET GENERATED ALWAYS")
    for column in table.columns:
        name = quote.quote(column.name)
        numbering = connection.exec_driver_sql("SELECT pg_get_serial_sequence(%s, %s)", (place, column.name)).scalar()
        if numbering is not None:
            last = f"(SELECT max({name}) FROM {place})"
            connection.exec_driver_sql(f"SELECT setval(%s, {last}) WHERE {last} >= 1", (numbering,))


def _batches(data: Dataset, targets: Mapping[Field, Any]) -> Iterator[list[dict[str, Any]]]:
    names = [column.name for column in targets.values()]
    for start in range(0, len(data), BATCH):
        part = data.take(slice(start, start + BATCH))
        columns = [sql_values(f, part.columns[f.name], column.type) for f, column in targets.items()]
        yield [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def sql_values(field: Field, column: np.ndarray, kind: Any) -> list[Any]:
    """A column as Python values that a database column of type `kind` takes; None where missing."""
    import sqlalchemy as sa

    if isinstance(field, Time) and isinstance(kind, sa.Date | sa.DateTime | sa.Time):
        return _moments(field, column, kind)
    if isinstance(field, Number) and not isinstance(kind, sa.String):
        field = replace(field, form="")
    texts = cells(field, column)
    match kind:
        case sa.JSON():
            return [None if t is None else json_value(t) for t in texts]
        case sa.ARRAY():
            return [None if t is None else json.loads(t) for t in texts]
        case sa.Boolean():
            return [None if t is None else truth(t) for t in texts]
        case sa.Integer():
            return [None if t is None else _whole(t) for t in texts]
        case sa.Float():
            return [None if t is None else float(t) for t in texts]
        case sa.Numeric():
            return [None if t is None else Decimal(t) if kind.asdecimal else float(t) for t in texts]
        case sa.Date() | sa.DateTime() | sa.Time() | sa.Uuid():  # of keys, which are held as texts
            return [None if t is None else _read_as(kind.python_type, t) for t in texts]
    if isinstance(kind.as_generic(allow_nulltype=True), sa.Interval):
        return [None if t is None else duration(t) for t in texts]
    return texts


def _read_as(kind: type[datetime.date] | type[datetime.time] | type[UUID], text: str) -> Any:
    """A key as the database's type; texts that are none as they are, for the database to refuse."""
    try:
        return UUID(text) if issubclass(kind, UUID) else kind.fromisoformat(text)
    except ValueError:
        return text


def _whole(text: str) -> int | str:
    """A whole number; other texts as they are, for the database to refuse with its own words."""
    number = float(text) if re.fullmatch(r"[+-]?[0-9]+\.[0-9]*", text) else None
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else round(number) if number is not None else text


def _moments(field: Time, column: np.ndarray, kind: Any) -> list[Any]:
    """Dates, datetimes or times of day; with the zone UTC where the database keeps zones."""
    import sqlalchemy as sa

    moments = column.astype("datetime64[us]").tolist()
    if isinstance(kind, sa.Date):
        return [None if m is None else m.date() for m in moments]
    if isinstance(kind, sa.Time):
        return [None if m is None else m.time() for m in moments]
    zone = datetime.UTC if kind.timezone and zone_of(field.format) else None
    return [None if m is None else m.replace(tzinfo=zone) for m in moments]
