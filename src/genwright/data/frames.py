"""Parquet files and data frames as columns of text, with the types that they hold."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from genwright.data.arrow import JSON, has_nanoseconds, is_nested, json_bare, json_text, texts_of, type_name
from genwright.data.dataset import Storage
from genwright.data.table import ALL, MissingMarks, Part, RawColumn, RawTable, column_names, without_named
from genwright.errors import DataError, NoRowsError

BATCH = 2**16  # rows of a Parquet file decoded at a time
INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index without a name in a Parquet file
PLAIN = (str, int, float, bool)  # Python's types that JSON has too
HOLDERS = (list, tuple, set, frozenset, dict, np.ndarray)
Read = tuple[RawColumn | None, tuple[str, ...]]  # None for what cannot be read, and notes
ARROW_ERRORS = (pa.ArrowException, TypeError, ValueError, OverflowError)  # for values that no type of Arrow holds


def read_parquet(path: Path, *, missing: MissingMarks, part: Part = ALL) -> RawTable:
    """A Parquet file, streamed."""
    pool = part.reservoir()
    try:
        with pq.ParquetFile(path) as file:
            pool.add(file.schema_arrow.empty_table())
            for batch in file.iter_batches(BATCH):
                pool.add(pa.Table.from_batches([batch]))
        table = pool.table()
    except Exception as error:  # Arrow's errors on damaged files share no base class
        raise DataError(f"cannot read Parquet: {error}", where=str(path), hint="is the file complete?") from None
    held = {i: name for i, name in enumerate(table.column_names) if not INDEX.fullmatch(name)}
    _refuse_empty(table.num_rows, len(held), str(path))
    names, notes = column_names(list(held.values()), str(path))
    rows = pool.rows() if pool.sampled else None
    read = [_from_arrow(name, table.column(i).combine_chunks()) for name, i in zip(names, held, strict=True)]
    if len(held) < table.num_columns:
        notes += ("the data frame's index is left out",)
    kept, more = _kept([raw and replace(raw, rows=rows) for raw, _ in read], [n for _, n in read], names, missing)
    if not kept:
        raise DataError("there is nothing but binary data", where=str(path))
    return RawTable(kept, str(path), notes + more + part.notes(pool))


def from_frame(frame: pd.DataFrame, *, where: str, missing: MissingMarks) -> RawTable:
    """A pandas DataFrame; its index is left out, and noted where it has a name."""
    _refuse_empty(*frame.shape, where)
    names, notes = column_names([str(name) for name in frame.columns], where)
    if any(name is not None for name in frame.index.names):
        notes += ("the index is left out; reset_index() makes it a column",)
    read = [_from_series(name, frame.iloc[:, i].reset_index(drop=True)) for i, name in enumerate(names)]
    labelled = [raw and _labelled(raw, label) for (raw, _), label in zip(read, frame.columns, strict=True)]
    kept, more = _kept(labelled, [n for _, n in read], names, missing)
    if not kept:
        raise DataError("there is nothing but binary data", where=where)
    return RawTable(kept, where, notes + more)


def _refuse_empty(rows: int, columns: int, where: str) -> None:
    if not rows or not columns:
        raise NoRowsError("the table is empty", where=where)


def _kept(
    columns: Sequence[RawColumn | None], notes: Sequence[tuple[str, ...]], names: Sequence[str], missing: MissingMarks
) -> tuple[tuple[RawColumn, ...], tuple[str, ...]]:
    """The columns that could be read without the marks that the user named, and all notes with the columns' names."""
    told = tuple(f"{name!r} {note}" for name, more in zip(names, notes, strict=True) for note in more)
    return tuple(without_named(c, missing) for c in columns if c is not None), told


def _labelled(raw: RawColumn, label: Any) -> RawColumn:
    """With the label that a frame calls a column by, if it is no text."""
    label = label.item() if isinstance(label, np.generic) else label
    plain = type(label) is int or (isinstance(label, tuple) and all(type(v) in (int, str) for v in label))
    if not plain:
        return raw
    return replace(raw, storage=replace(raw.storage or Storage(""), label=label))


def _from_arrow(name: str, array: pa.Array, frame: str = "") -> Read:
    """A column with the type it has."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.json":
            return replace(RawColumn.of(name, map(json_bare, array.to_pylist())), storage=Storage(JSON, frame)), ()
        return _from_series(name, array.to_pandas())
    storage = Storage(type_name(kind), frame)
    try:
        if is_nested(kind):
            return replace(RawColumn.of(name, texts_of(array)), storage=storage), ()
        if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):  # which Arrow does not encode
            array = array.cast(pa.decimal128(kind.precision, kind.scale))
        encoded = array if pa.types.is_dictionary(kind) else array.dictionary_encode()
        texts = texts_of(encoded.dictionary)
    except pa.ArrowInvalid:
        return None, ("holds binary data; left out",)
    lost = ("has digits beyond microseconds, which are left out",) if has_nanoseconds(encoded.dictionary) else ()
    if pa.types.is_dictionary(kind) and kind.ordered:
        storage = replace(storage, levels=tuple(t for t in texts if t is not None))
    filled = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return replace(_coded(name, filled, texts), storage=storage), lost


def _coded(name: str, codes: np.ndarray, texts: Sequence[str | None]) -> RawColumn:
    return RawColumn(name, codes, tuple(map(str, range(len(texts))))).renamed(texts)


def _from_series(name: str, series: Any) -> Read:
    """A column of a frame, with the type it has, and notes."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_categorical(name, series.cat)
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype):
        codes, distinct = pd.factorize(series)
        raw = _coded(name, codes.astype(np.int64), [str(v) for v in distinct])
        return replace(raw, storage=Storage(str(dtype), str(dtype))), ()
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return _from_objects(name, series)
    try:
        dense = series.sparse.to_dense() if isinstance(dtype, pd.SparseDtype) else series
        array = pa.array(dense, from_pandas=True)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    except ARROW_ERRORS:
        return _as_words(name, series)
    return _from_arrow(name, array, "arrow" if isinstance(dtype, pd.ArrowDtype) else str(dtype))


def _from_categorical(name: str, series: Any) -> Read:
    """A column of pandas' categories, which stay all known, in their order."""
    inner, notes = _from_series(name, pd.Series(series.categories))
    if inner is None:
        return None, notes
    texts = [inner.texts[code] for code in inner.codes]
    kind = "" if inner.storage is None else inner.storage.type
    storage = Storage(kind, "ordered category" if series.ordered else "category", tuple(texts))
    return replace(_coded(name, series.codes.to_numpy().astype(np.int64), texts), storage=storage), notes


def _from_objects(name: str, series: pd.Series) -> Read:
    """A column of Python's objects: of one type, of plain values of several types, or only as words."""
    present = series[series.notna()]
    kinds = set(map(type, present))
    if kinds and all(issubclass(k, HOLDERS) for k in kinds):
        texts = [json_text(v) if isinstance(v, HOLDERS) else None for v in series]
        return replace(RawColumn.of(name, texts), storage=Storage(JSON, "object")), ()
    numbers = all(issubclass(k, int | float | np.number) and not issubclass(k, bool) for k in kinds)
    zones = {getattr(v, "tzinfo", None) for v in present} if len(kinds) == 1 else set()
    if numbers or (len(kinds) == 1 and len(zones) == 1):
        try:
            array = pa.array(series, from_pandas=True)
            if pa.types.is_decimal(array.type):
                array = array.cast(pa.decimal128(38, array.type.scale))
            if not isinstance(array.type, pa.BaseExtensionType):
                return _from_arrow(name, array, "object")
        except ARROW_ERRORS:
            pass
    if kinds and all(k in PLAIN for k in kinds):
        texts = [json_text(v) if known else None for v, known in zip(series, series.notna(), strict=True)]
        return replace(RawColumn.of(name, texts), storage=Storage(JSON, "object")), ()
    return _as_words(name, series)


def _as_words(name: str, series: pd.Series) -> Read:
    known = series.notna()
    raw = RawColumn.of(name, [str(v) if there else None for v, there in zip(series, known, strict=True)])
    kinds = sorted({type(v).__name__ for v in series[known]})
    return raw, (f"holds values of type {' and '.join(kinds)}, which are written as text",)
