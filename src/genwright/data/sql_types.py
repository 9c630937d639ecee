"""Column types of SQL databases and the types of Arrow that hold the same values, both ways."""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from genwright.data.arrow import JSON, MISFITS, UUIDS, arrow_type, is_nested, type_name, values_of_texts
from genwright.data.dataset import Field, Storage

MAX_DIGITS = 76  # of Arrow's decimals
ITEMS = ("bool", "int16", "int32", "int64", "float", "double", "string")  # of arrays that JSON holds exactly


def declared_storage(name: str, kind: Any, texts: Sequence[str], dialect: Any) -> tuple[Storage | None, str]:
    """How a column declared as `kind` is held, and a note where its values or its type leave no such thing."""
    held = _held(kind, texts, dialect)
    if not held:
        return None, f"{name!r} is of type {kind}, for which another is written"
    try:
        if _holds(held, texts):
            return Storage(held), ""
    except MISFITS:
        pass
    return None, f"{name!r} has values that are not of its type {kind}; what is written has the type that they have"


def _holds(held: str, texts: Sequence[str]) -> bool:
    if held == UUIDS:
        return all(map(is_uuid, texts))
    if held == JSON:
        return True
    kind = arrow_type(held)
    values = values_of_texts(texts, kind)
    return not pa.types.is_decimal(kind) or values.to_pylist() == list(map(Decimal, texts))


def is_temporal(kind: Any) -> bool:
    """Whether a declared type is one of dates, moments or times of day."""
    import sqlalchemy as sa

    return isinstance(kind, sa.Date | sa.DateTime | sa.Time)


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as databases write it."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _held(kind: Any, texts: Sequence[str], dialect: Any) -> str:
    """The name of Arrow's type; "" where it has none."""
    import sqlalchemy as sa

    sqlite = dialect.name == "sqlite"
    match kind:
        case sa.Boolean():
            return "bool"
        case sa.SmallInteger():
            return "int16"
        case sa.Integer():
            small = not isinstance(kind, sa.BigInteger) and not (sqlite and any(len(t) > 9 for t in texts))
            return "int32" if small else "int64"  # SQLite's INTEGER takes both
        case sa.Float():
            return "float" if isinstance(kind, sa.REAL) and not sqlite else "double"
        case sa.Numeric():
            return _decimals(kind, texts)
        case sa.Date():
            return "date32[day]"
        case sa.DateTime():
            return "timestamp[us, tz=UTC]" if kind.timezone else "timestamp[us]"
        case sa.Time():
            return "" if kind.timezone else "time64[us]"
        case sa.JSON():
            return JSON
        case sa.ARRAY():
            item = _held(kind.item_type, (), dialect)
            return type_name(pa.list_(arrow_type(item))) if item in ITEMS else ""
        case sa.Uuid():
            return UUIDS
        case sa.String():
            return "string"
    return "duration[us]" if isinstance(kind.as_generic(allow_nulltype=True), sa.Interval) else ""


def _decimals(kind: Any, texts: Sequence[str]) -> str:
    """A declared number of digits, or the most where none is declared."""
    digits, scale = kind.precision, kind.scale or 0
    if digits is None:
        digits, scale = 38, max((len(text.partition(".")[2]) for text in texts), default=0)
    return f"decimal{128 if digits <= 38 else 256}({digits}, {scale})" if digits <= MAX_DIGITS else ""


def stored_type(field: Field, dialect: Any) -> Any:
    """The SQL type of the values that `field` was read with; None where the database has none."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql

    held = "" if field.storage is None else field.storage.type
    if held == UUIDS:
        return sa.Uuid() if dialect.name == "postgresql" else sa.Text()
    if not held or held.startswith(("period[", "interval[")):
        return None
    kind = None if held == JSON else arrow_type(held)
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind is not None and not is_nested(kind):
        return _plain_type(kind, field, dialect)
    if dialect.name != "postgresql":
        return sa.JSON(none_as_null=True)
    if kind is not None and pa.types.is_list(kind) and str(kind.value_type) in ITEMS:
        return postgresql.ARRAY(_plain_type(kind.value_type, field, dialect))
    return postgresql.JSONB(none_as_null=True)


def _plain_type(kind: pa.DataType, field: Field, dialect: Any) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.dialects import sqlite

    exact: Any = sa.Numeric
    types, is_sqlite = pa.types, dialect.name == "sqlite"
    if types.is_boolean(kind):
        return sa.Boolean()
    if types.is_integer(kind):
        bits = kind.bit_width + types.is_unsigned_integer(kind)
        if bits > 64:
            return exact(20, 0, asdecimal=bool(dialect.supports_native_decimal))
        return sa.SmallInteger() if bits <= 16 else sa.Integer() if bits <= 32 else sa.BigInteger()
    if types.is_floating(kind):
        return sa.REAL() if is_sqlite or kind.bit_width <= 32 else sa.Double()
    if types.is_decimal(kind):
        return exact(kind.precision, max(kind.scale, 0), asdecimal=bool(dialect.supports_native_decimal))
    if types.is_date(kind):
        return sa.Date()
    whole = "%f" not in getattr(field, "format", "%f")  # SQLite shows the text that is stored
    if types.is_timestamp(kind):
        if is_sqlite:
            return None if kind.tz else sqlite.DATETIME(truncate_microseconds=whole)
        return sa.DateTime(timezone=bool(kind.tz))
    if types.is_time(kind):
        return sqlite.TIME(truncate_microseconds=whole) if is_sqlite else sa.Time()
    if types.is_duration(kind):
        return sa.Interval() if dialect.name == "postgresql" else None
    return sa.Text() if types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view" else None


def duration(text: str) -> datetime.timedelta:
    """Decimal seconds as a duration, exact to the microsecond."""
    return datetime.timedelta(microseconds=round(Decimal(text) * 10**6))
