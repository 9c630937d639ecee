"""Columns of a Dataset as Arrow arrays and pandas series, with the types that they were read with."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from genwright.data.arrow import (
    JSON,
    MISFITS,
    arrow_type,
    json_as,
    json_value,
    moments_as,
    texts_of,
    type_name,
    values_of_texts,
)
from genwright.data.cells import cells
from genwright.data.dataset import Category, Constant, Dataset, Field, Identifier, Number, Storage, Time
from genwright.data.spellings import truth
from genwright.data.times import has_day, zone_of

PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,15})?")  # numbers that are written so, and no codes
INTERVAL = re.compile(r"[\[(](.+), (.+)[\])]")
ISO_TIMES = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")
ZONED = re.compile(r"%Y-%m-%d %H:%M:%S(\.%f)?([+-]\d\d:\d\d|%:z\[.+\])")  # moments with a zone, as they are read
WHOLE = re.compile(r"-?[0-9]{1,18}")  # fits 64 bits


def is_storage(storage: Storage) -> bool:
    """Whether there are types of such names."""
    try:
        if storage.type.startswith(("period[", "interval[")):
            pd.api.types.pandas_dtype(storage.type)
        elif storage.type not in ("", JSON):
            arrow_type(storage.type)
        if storage.frame not in ("", "object", "arrow") and not storage.frame.endswith("category"):
            pd.api.types.pandas_dtype(storage.frame)
    except MISFITS:
        return False
    return True


def arrow_array(field: Field, column: np.ndarray) -> tuple[pa.Array, str]:
    """A column with the type it was read with, and a note where some value is not of that type ("" where all are)."""
    if field.storage is None or not field.storage.type:
        return _inferred(field, column), ""
    try:
        return _as_read(field, column, field.storage), ""
    except MISFITS:
        name = field.storage.type
        return _inferred(field, column), f"{field.name!r} is not written as {name}: new values are not of that type"


def _as_read(field: Field, column: np.ndarray, storage: Storage) -> pa.Array:
    if storage.type == JSON:
        return _json_array(cells(field, column))
    if storage.type.startswith(("period[", "interval[")):
        return pa.array(pd.Series(_of_pandas(cells(field, column), storage.type)))
    kind = arrow_type(storage.type)
    if not pa.types.is_dictionary(kind):
        return _values(field, column, kind)
    values = _values(field, column, kind.value_type)
    if storage.levels is None:
        encoded = values.dictionary_encode()
        return pa.DictionaryArray.from_arrays(encoded.indices.cast(kind.index_type), encoded.dictionary)
    levels = values_of_texts(storage.levels, kind.value_type)
    codes = pa.compute.index_in(values, value_set=levels, skip_nulls=True)
    if codes.null_count > values.null_count:
        raise ValueError("a level that was not there")
    return pa.DictionaryArray.from_arrays(codes.cast(kind.index_type), levels, ordered=kind.ordered)


def _json_array(texts: Sequence[str | None]) -> pa.Array:
    """Values of any JSON with a type of Arrow's if one holds just these, else as JSON (in Parquet too): in a struct,
    objects with unlike keys would all have the same.
    """
    try:
        values = pa.array([None if t is None else json_value(t) for t in texts])
        if type_name(values.type) != JSON and texts_of(values) == list(texts):
            return values
    except MISFITS:
        pass
    written = [None if t is None else json_as(t, JSON) or json.dumps(t) for t in texts]
    return pa.ExtensionArray.from_storage(pa.json_(), pa.array(written, pa.string()))


def _values(field: Field, column: np.ndarray, kind: pa.DataType) -> pa.Array:
    """A column as values of one type that is no dictionary; raises one of `MISFITS` where some value is not of it."""
    if isinstance(field, Time) and pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return moments_as(column, kind)
    if isinstance(field, Number) and (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return pa.array(_rounded(field, column), pa.float64(), from_pandas=True).cast(kind)
    codes, distinct = pd.factorize(np.array(cells(field, column), dtype=object))
    values = values_of_texts(distinct.tolist(), pa.large_string() if pa.types.is_string_view(kind) else kind)
    return values.take(pa.array(codes, pa.int64(), mask=codes < 0)).cast(kind)  # views cannot be taken from


def _rounded(field: Number, column: np.ndarray) -> np.ndarray:
    return column if field.decimals is None else np.round(column, field.decimals) + 0.0


def _inferred(field: Field, column: np.ndarray) -> pa.Array:
    """Values with a type where reading them back gives the same field, else their text."""
    match field:
        case Number(form=""):
            values = pa.array(_rounded(field, column), pa.float64(), from_pandas=True)
            whole = field.decimals == field.min_decimals == 0 and _fits_int64(column)
            return values.cast(pa.int64()) if whole else values
        case Time() if ZONED.fullmatch(field.format):
            return moments_as(column, pa.timestamp("us", str(zone_of(field.format)).removeprefix("UTC") or "UTC"))
        case Time() if field.format in ISO_TIMES:
            return moments_as(column, pa.timestamp("us"))
    texts = cells(field, column)
    match field:
        case Category(dtype="int"):
            return pa.array([None if t is None else int(t) for t in texts], pa.int64())
        case Category(dtype="bool", levels=levels) if set(levels) <= {"True", "False"}:
            return pa.array([None if t is None else t == "True" for t in texts], pa.bool_())
        case Identifier(pattern="{}", digits=0) if all(t is None or WHOLE.fullmatch(t) for t in texts):
            return pa.array([None if t is None else int(t) for t in texts], pa.int64())
    return pa.array(texts, pa.string())


def _fits_int64(column: np.ndarray) -> bool:
    return bool((np.abs(column[~np.isnan(column)]) < 2.0**63).all())


def _of_pandas(texts: Sequence[str | None], name: str) -> Any:
    """Periods and intervals, which Arrow has no types for."""
    dtype = pd.api.types.pandas_dtype(name)
    unit: Any = dtype  # pandas' stubs know less than it does
    if isinstance(dtype, pd.PeriodDtype):
        return pd.array([pd.NaT if t is None else pd.Period(t, freq=unit.freq) for t in texts], dtype=dtype)
    assert isinstance(dtype, pd.IntervalDtype)
    kind = str(dtype.subtype)
    end = pd.Timestamp if kind.startswith("datetime") else pd.Timedelta if kind.startswith("timedelta") else float
    ends = [None if t is None else INTERVAL.fullmatch(t) for t in texts]
    found = [np.nan if m is None else pd.Interval(end(m[1]), end(m[2]), closed=unit.closed) for m in ends]
    return pd.array(found, dtype=dtype)


def to_frame(data: Dataset) -> pd.DataFrame:
    """All fields but images, with the types and the labels that they were read with."""
    fields = data.cells
    frame = pd.DataFrame({f.name: _series(f, data.columns[f.name]) for f in fields})
    labels = [f.name if f.storage is None or f.storage.label is None else f.storage.label for f in fields]
    if any(label is not f.name for label, f in zip(labels, fields, strict=True)):
        frame.columns = pd.Index(labels, tupleize_cols=all(isinstance(label, tuple) for label in labels))
    return frame if data.index is None else frame.set_axis(data.index, axis=0)


def _series(field: Field, column: np.ndarray) -> Any:
    storage = field.storage
    if storage is None or not storage.type:
        return _untyped(field, column)
    if storage.frame.endswith("category"):
        return _categorical(field, column, storage)
    if storage.type == JSON:
        return pd.Series([None if t is None else json_value(t) for t in cells(field, column)], dtype=object)
    if storage.type.startswith(("period[", "interval[")):
        return _of_pandas(cells(field, column), storage.type)
    array, misfit = arrow_array(field, column)
    if misfit or not storage.frame:
        return _default(array)
    if storage.frame == "object":
        return pd.Series(array.to_pylist(), dtype=object)
    if storage.frame == "arrow":
        return pd.Series(pd.arrays.ArrowExtensionArray(array))
    series, dtype = _default(array), pd.api.types.pandas_dtype(storage.frame)
    gaps = array.null_count and isinstance(dtype, np.dtype) and dtype.kind in "iub"
    with suppress(*MISFITS):
        return series if gaps else series.astype(dtype)
    return series


def _default(array: pa.Array) -> pd.Series:
    """As pandas reads it, but whole and truth values with gaps stay what they are."""
    kind = array.type
    if array.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        name = "boolean" if pa.types.is_boolean(kind) else str(kind).replace("i", "I").replace("u", "U")
        return pd.Series(pd.array(array.to_pylist(), dtype=name))
    return array.to_pandas()


def _categorical(field: Field, column: np.ndarray, storage: Storage) -> pd.Categorical:
    texts = cells(field, column)
    known = list(dict.fromkeys([*(storage.levels or ()), *(t for t in texts if t is not None)]))
    codes = pd.Index(known, dtype=object).get_indexer(pd.Index(texts, dtype=object))
    values: Any = known
    if storage.type.startswith(("period[", "interval[")):
        values = _of_pandas(known, storage.type)
    elif storage.type and storage.type != JSON:
        try:
            values = _default(_values(Category(field.name), np.array(known, dtype=object), arrow_type(storage.type)))
        except MISFITS:
            values = known
    return pd.Categorical.from_codes(codes, categories=values, ordered=storage.frame.startswith("ordered"))


def _untyped(field: Field, column: np.ndarray) -> Any:
    """A column from a source without types."""
    match field:
        case Number(decimals=0) if _fits_int64(column):
            return pd.array(column, dtype="Int64") if np.isnan(column).any() else column.astype(np.int64)
        case Category(dtype="int"):
            return pd.array([None if v is None else int(v) for v in column], dtype="Int64")
        case Category(dtype="float"):
            return np.array([np.nan if v is None else float(v) for v in column])
        case Category(dtype="bool"):
            return pd.array([None if v is None else truth(v) for v in column], dtype="boolean")
        case Constant(value=str(value)) if len(column) and PLAIN.fullmatch(value):
            return np.full(len(column), float(value) if "." in value else int(value))
        case Constant(value="True" | "False" as value):
            return np.full(len(column), value == "True")
        case Time() if has_day(field.format) and (zone := zone_of(field.format)) is not None:
            return pd.DatetimeIndex(column).tz_localize("UTC").tz_convert(zone)
    return column
