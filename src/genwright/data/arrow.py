"""Values of any Arrow type as text and back, exactly: what Parquet files, data frames and JSON hold."""

import datetime
import decimal
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from genwright.data.times import format_times
from genwright.errors import DataError
from genwright.storage import is_deep

DEEPEST = 200  # lists and objects inside each other in a value
UUIDS = "uuid"  # the type of a database's UUIDs, which are texts elsewhere
JSON = "json"  # the type of values that are lists, objects or of several types: each is written as JSON
WITH_PARAMETERS = re.compile(
    r"decimal(?P<bits>32|64|128|256)\((?P<digits>\d+), (?P<scale>-?\d+)\)"
    r"|timestamp\[(?P<unit>s|ms|us|ns), tz=(?P<zone>[^\]]+)\]|fixed_size_binary\[(?P<width>\d+)\]"
)
EMPTY = '["struct"]'
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
MISFITS = (pa.ArrowException, ValueError, TypeError, KeyError, ArithmeticError)  # for values that a type does not hold
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
LISTS = {
    "list": pa.list_,
    "large_list": pa.large_list,
    "list_view": pa.list_view,
    "large_list_view": pa.large_list_view,
}


def type_name(kind: pa.DataType) -> str:
    """The name of a type, as JSON where it is nested; that of JSON for objects without keys, which Parquet cannot hold.

    >>> type_name(pa.decimal128(12, 2)), type_name(pa.list_(pa.int8()))
    ('decimal128(12, 2)', '["list", "int8"]')
    """
    plain = _plain(kind)
    name = plain if isinstance(plain, str) else json.dumps(plain)
    return JSON if EMPTY in name else name


def arrow_type(name: str) -> pa.DataType:
    """The inverse of `type_name`; raises ValueError for anything else."""
    try:
        return _typed(json.loads(name) if name.startswith("[") else name)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, pa.ArrowException):
        raise ValueError(f"no type called {name[:80]!r}") from None


def _plain(kind: pa.DataType) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if pa.types.is_struct(kind):
        return ["struct", *([field.name, _plain(field.type)] for field in kind)]
    if pa.types.is_map(kind):
        return ["map", _plain(kind.key_type), _plain(kind.item_type)]
    if pa.types.is_dictionary(kind):
        return ["dictionary", _plain(kind.index_type), _plain(kind.value_type), kind.ordered]
    if pa.types.is_fixed_size_list(kind):
        return ["fixed_size_list", _plain(kind.value_type), kind.list_size]
    if pa.types.is_run_end_encoded(kind):
        return _plain(kind.value_type)
    name = str(kind)
    return [name.partition("<")[0], _plain(kind.value_type)] if "<" in name else name


def _typed(plain: Any) -> pa.DataType:
    match plain:
        case str():
            return _leaf(plain)
        case ["struct", first, *more]:
            return pa.struct([pa.field(name, _typed(each)) for name, each in (first, *more)])
        case ["map", key, item]:
            return pa.map_(_typed(key), _typed(item))
        case ["dictionary", index, value, bool(ordered)]:
            return pa.dictionary(_typed(index), _typed(value), ordered)
        case ["fixed_size_list", value, int(size)]:
            return pa.list_(_typed(value), size)
        case [str(name), value]:
            return LISTS[name](_typed(value))
    raise ValueError(plain)


def _leaf(name: str) -> pa.DataType:
    match = WITH_PARAMETERS.fullmatch(name)
    if match is None:
        return pa.string() if name == UUIDS else pa.type_for_alias(name)
    if match["bits"]:
        return getattr(pa, f"decimal{match['bits']}")(int(match["digits"]), int(match["scale"]))
    return pa.timestamp(match["unit"], match["zone"]) if match["unit"] else pa.binary(int(match["width"]))


def is_nested(kind: pa.DataType) -> bool:
    """Whether values hold further values."""
    return bool(pa.types.is_nested(kind)) and not pa.types.is_dictionary(kind)


def texts_of(values: pa.Array) -> list[str | None]:
    """Values as the text that says the same: numbers exactly, durations in seconds, bytes as the text they spell,
    nested values as JSON. Raises ArrowInvalid for bytes that are no text.
    """
    kind = values.type
    if is_nested(kind):
        plain = values.cast(_json_type(kind)).to_pylist()
        return [None if v is None else json.dumps(v, ensure_ascii=False) for v in plain]
    if pa.types.is_boolean(kind):
        return [None if v is None else str(v) for v in values.to_pylist()]
    if pa.types.is_floating(kind):  # each in its own precision: as float64, float32 shows digits it does not have
        return [None if v is None or v != v else str(v) for v in _floats(values)]
    if pa.types.is_decimal(kind):
        return [None if v is None else format(v, "f") for v in values.to_pylist()]
    if pa.types.is_duration(kind):
        return [None if v is None else _seconds(v, PER_SECOND[kind.unit]) for v in values.cast(pa.int64()).to_pylist()]
    if pa.types.is_timestamp(kind) and kind.tz:
        return _zoned(values)
    texts = values.cast(pa.large_string()).to_pylist()
    return _trimmed(texts) if pa.types.is_timestamp(kind) or pa.types.is_time(kind) else texts


def _zoned(values: pa.Array) -> list[str | None]:
    """Moments of one zone, each with its offset and, if it is a named zone, the name."""
    kind, present = values.type, values.drop_null()
    utc = present.cast(pa.int64()).to_numpy().astype(f"datetime64[{kind.unit}]").astype("datetime64[us]")
    clock = "%Y-%m-%d %H:%M:%S" + (".%f" if (utc != utc.astype("datetime64[s]")).any() else "")
    offset = "+00:00" if kind.tz == "UTC" else kind.tz
    written = iter(format_times(utc, f"{clock}%:z[{kind.tz}]" if "/" in kind.tz else clock + offset))
    return [next(written) if valid else None for valid in values.is_valid().to_pylist()]


def _floats(values: pa.Array) -> list[Any]:
    return (
        list(np.asarray(values.to_numpy(zero_copy_only=False))) if values.type != pa.float64() else values.to_pylist()
    )


def _seconds(count: int, per_second: int) -> str:
    """A duration as decimal seconds, exactly."""
    whole, rest = divmod(abs(count), per_second)
    fraction = f"{rest:0{len(str(per_second)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if count < 0 else ''}{whole}{'.' + fraction if fraction else ''}"


def _trimmed(texts: Sequence[str | None]) -> list[str | None]:
    """Clock readings without a fraction that is zero in all of them, and dates without a clock that is; at most six
    digits of a second are kept.
    """
    known = [t for t in texts if t is not None]
    cut = [t.partition(".")[0] for t in known]
    if all(not t.partition(".")[2].strip("0") for t in known):
        day = all(t.endswith(" 00:00:00") for t in cut)
        return [None if t is None else t.partition(" " if day else ".")[0] for t in texts]
    return [None if t is None else f"{t.partition('.')[0]}.{t.partition('.')[2][:6].ljust(6, '0')}" for t in texts]


def has_nanoseconds(values: pa.Array) -> bool:
    """Whether moments are finer than the microseconds that are kept."""
    kind = values.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_time64(kind)) or kind.unit != "ns":
        return False
    return bool((values.drop_null().cast(pa.int64()).to_numpy() % 1000).any())


def _json_type(kind: pa.DataType) -> pa.DataType:
    """The type with the same values as JSON has them, to which and from which Arrow casts."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _json_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_json_type(kind.key_type), _json_type(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_json_type(kind.value_type), kind.list_size)
    if pa.types.is_dictionary(kind):
        return _json_type(kind.value_type)
    if is_nested(kind):
        return pa.list_(_json_type(kind.value_type))
    if pa.types.is_duration(kind) or pa.types.is_time64(kind):
        return pa.int64()
    if pa.types.is_time32(kind):
        return pa.int32()
    plain = (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    )
    return kind if plain else pa.string()


def json_text(value: Any) -> str:
    """A value of any type that JSON has as a text that `json_value` reads back: words stay bare where they can."""
    if isinstance(value, str):
        return value if json_value(value) is value else json.dumps(value)
    if is_deep(value, most=DEEPEST):
        what = f"a value is nested more than {DEEPEST} deep"
        raise DataError(what, where="lists and objects", hint="drop the column, or flatten it first")
    try:
        return json.dumps(value, ensure_ascii=False, default=_plainer)
    except TypeError:  # of keys
        return json.dumps(_keyed(value), ensure_ascii=False, default=_plainer)


def json_value(text: str) -> Any:
    """The inverse of `json_text`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def json_bare(text: str | None) -> str | None:
    """JSON as `json_text` writes it: its strings as words where they can be, None for null."""
    value = None if text is None else json_value(text)
    return value if value is None or (isinstance(value, str) and json_value(value) is value) else text


def json_as(text: str, name: str) -> str | None:
    """The JSON of a text that stands for a value of the type called `name`; None if that is a string.

    >>> json_as("12.50", "decimal128(9, 2)"), json_as("12.50", "string"), json_as("[1]", '["list", "int64"]')
    ('12.50', None, '[1]')
    """
    name = json.loads(name)[2] if name.startswith('["dictionary"') else name
    if name == "bool":
        return text.lower() if text.lower() in ("true", "false") else None
    if name == JSON or not isinstance(name, str) or name.startswith("["):
        return None if json_value(text) is text else text
    numbers = name.startswith(("int", "uint", "float", "double", "halffloat", "decimal", "duration"))
    return text if numbers and JSON_NUMBER.fullmatch(text) else None


def _keyed(value: Any) -> Any:
    """A value whose objects have keys that JSON has."""
    if isinstance(value, dict):
        return {k if isinstance(k, str | int | float | None) else str(k): _keyed(v) for k, v in value.items()}
    return list(map(_keyed, value)) if isinstance(value, list | tuple) else value


def _plainer(value: Any) -> Any:
    """Python's and numpy's further types as JSON's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return sorted(value, key=str) if isinstance(value, set | frozenset) else str(value)


def values_of_texts(texts: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    """The inverse of `texts_of` but for times, which are held as moments (see `moments_as`).

    Raises ArrowException, ValueError or ArithmeticError for a text that says no value of the type.
    """
    if pa.types.is_null(kind):
        if any(t is not None for t in texts):
            raise ValueError("a value where there was none")
        return pa.nulls(len(texts))
    if is_nested(kind):
        plain = [None if t is None else _entries(json.loads(t), kind) for t in texts]
        return pa.array(plain, _json_type(kind)).cast(kind)
    if pa.types.is_decimal(kind):
        unit = decimal.Decimal(1).scaleb(-kind.scale)
        with decimal.localcontext(prec=80):
            return pa.array([None if t is None else decimal.Decimal(t).quantize(unit) for t in texts], kind)
    if pa.types.is_duration(kind):
        per_second = PER_SECOND[kind.unit]
        counts = [None if t is None else int((decimal.Decimal(t) * per_second).to_integral_value()) for t in texts]
        return pa.array(counts, pa.int64()).cast(kind)
    if pa.types.is_floating(kind):
        return pa.array([None if t is None else float(t) for t in texts], pa.float64()).cast(kind)
    if pa.types.is_time(kind):
        return pa.array([None if t is None else datetime.time.fromisoformat(t) for t in texts], kind)
    return pa.array(texts, pa.large_string()).cast(kind)


def _entries(value: Any, kind: pa.DataType) -> Any:
    """A value of JSON as Arrow takes it: maps as pairs, which JSON has as lists."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return [(_entries(k, kind.key_type), _entries(v, kind.item_type)) for k, v in value]
    if pa.types.is_struct(kind):
        return {field.name: _entries(value[field.name], field.type) for field in kind}
    return [_entries(each, kind.value_type) for each in value] if is_nested(kind) else value


def moments_as(column: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Moments (NaT: missing; in UTC where the type has a zone) as dates, timestamps or times of day."""
    missing = np.isnat(column)
    if pa.types.is_time(kind):
        of_day = (column - column.astype("datetime64[D]")).astype(f"timedelta64[{kind.unit}]").astype(np.int64)
        return (
            pa.array(of_day, pa.int64(), mask=missing)
            .cast(pa.int32() if kind.bit_width == 32 else pa.int64())
            .cast(kind)
        )
    if pa.types.is_date(kind):
        days = pa.array(column.astype("datetime64[D]").astype(np.int32), pa.int32(), mask=missing)
        return days.cast(pa.date32()).cast(kind)
    counts = column.astype(f"datetime64[{kind.unit}]").astype(np.int64)
    return pa.array(counts, pa.int64(), mask=missing).cast(kind)
