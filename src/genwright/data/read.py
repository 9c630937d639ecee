"""read: any supported source to a Dataset. The kind is told from what is there, never asked for."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from genwright.data import images as image_files
from genwright.data.arrays import idx_images_in, is_idx, read_idx, read_npz
from genwright.data.builtin import BUILTIN
from genwright.data.dataset import ARRAYS, SCALARS, Constant, Dataset, Field, Identifier, Series, Text
from genwright.data.delimited import read_delimited
from genwright.data.files import Stream, files_in, read_bytes, readable, shown
from genwright.data.frames import from_frame, read_parquet
from genwright.data.images import read_images
from genwright.data.kinds import as_text
from genwright.data.longtext import long_text
from genwright.data.media import KINDS
from genwright.data.objects import gathered, images_apart
from genwright.data.paths import existing, missing_path
from genwright.data.schema import as_key_or_text, no_column, type_columns
from genwright.data.series import Layout, as_series
from genwright.data.series_files import FILE, known_columns, like_series, tables_in
from genwright.data.sql import Address, is_url, read_sql, without_password
from genwright.data.table import (
    MissingMarks,
    Part,
    RawTable,
    missing_marks,
    parse_json_lines,
)
from genwright.data.text import Records, parse_text, read_text_files, text_dataset, text_fields
from genwright.errors import ArgumentError, DataError, NoRowsError

MAX_ROWS = 1_000_000  # of a table that are used unless told otherwise: more hardly teach a model more
Source = str | os.PathLike[str] | pd.DataFrame | Dataset | Any  # and what `gathered` takes: arrays, lists, mappings


@dataclass(frozen=True)
class Options:
    """What the user said about a source."""

    label: str | None
    missing: MissingMarks
    schema: Mapping[str, str | Field]
    size: tuple[int, int] | None
    records: Records | None
    field: str | None
    table: str | None
    query: str | None
    part: Part
    given: tuple[str, ...]
    series: Layout | Series | None = None

    def allow(self, *used: str, where: str) -> None:
        """Raise for an option given that says nothing about this kind of source, rather than ignore it."""
        for name in self.given:
            if name not in used:
                hint = f"what can be said here: {', '.join(used)}" if used else "leave it out"
                raise ArgumentError(f"{name}= does not apply to this kind of data", where=where, hint=hint)


def read(
    source: Source,
    *,
    label: str | None = None,
    missing: Any = (),
    schema: Mapping[str, str | Field] | None = None,
    size: tuple[int, int] | None = None,
    records: Records | None = None,
    field: str | None = None,
    table: str | None = None,
    query: str | None = None,
    max_rows: int | None = MAX_ROWS,
    series: str | Mapping[str, Any] | Layout | None = None,
    seed: int = 0,
) -> Dataset:
    """Read a table, images, text or series.

    `source` is a path (CSV, TSV, Parquet, JSON lines, TXT, IDX, npz, zip or a folder; gzipped or not), the URL of a
    database (sqlite:///shop.db, postgresql://user@host/shop), or the name of a built-in set: digits, wine, diabetes,
    python-stdlib; an existing path comes before a built-in name. Or what is in memory: a DataFrame, an array of images
    (n, height, width) or of rows (n, columns), a list of texts, images or rows, a mapping of such columns.

    `label`: the field to predict; by default one called "label" beside images and text, none in tables.
    `missing`: further marks for "no value", such as `(-200, "unknown")`.
    `schema`: `{column: kind}` where inference errs: number, category, time, identifier, text or drop; also how it is
    written: "number,comma" or "number,point" for the decimal mark, "time,%d/%m/%Y" for the format.
    `size`: (height, width) to resize images to. `records`: "lines" or "running", how a .txt is cut into rows.
    `field`: the text in JSON lines. `table` or `query`: what to read from a database (also as `?table=` of the URL).
    `max_rows`: of a CSV, Parquet file or database more rows are streamed, and as many drawn from them at random; None
    takes all. `series`: the columns of times and of entities, "time=date,entity=sensor", of a table whose rows are
    readings over time, see `genwright.Layout`, read whole. `seed`: of draw and split.

    Raises DataError for what cannot be read, ArgumentError for options that do not fit.

    >>> read("digits").field("image").shape
    (8, 8, 1)
    """
    _check_size(size)
    marks = missing_marks(missing)
    said = {"missing": marks != missing_marks(()), "schema": schema, "records": records, "field": field}
    said |= {"table": table, "query": query, "max_rows": max_rows != MAX_ROWS}
    given = tuple(name for name, value in said.items() if value)
    layout = None if series is None else Layout.of(series)
    part = _part(max_rows, seed, layout)
    options = Options(label, marks, schema or {}, size, records, field, table, query, part, given, layout)
    data = _read_as(source, options)
    missed = [n for n, told in options.schema.items() if not isinstance(told, str) and n not in data.columns]
    if missed and layout is None:
        raise no_column(missed[0], data.columns)
    return replace(data, split_seed=seed)


def read_known(
    source: Source,
    fields: Sequence[Field],
    *,
    missing: Any = (),
    size: tuple[int, int] | None = None,
    records: Records | None = None,
    field: str | None = None,
    series: Series | None = None,
) -> Dataset:
    """`read` of further data: columns that are called as one of `fields` are taken as it, whatever they look like."""
    _check_size(size)
    said = {"missing": missing, "records": records, "field": field}
    given = tuple(name for name, value in said.items() if value)
    known = () if series is None else known_columns(series)
    schema = {f.name: f for f in (*fields, *known)}
    options = Options(None, missing_marks(missing), schema, size, records, field, None, None, Part(), given, series)
    return _read_as(source, options)


def _read_as(source: Source, options: Options) -> Dataset:
    data = _read_source(source, options)
    if not len(data):
        raise NoRowsError("there are no rows", where=data.name)
    if options.series is not None:
        data = _as_series(data, options.series, options.label)
    if options.label is not None:
        _check_label(data, options.label)
    data = _sized(data, options.size)
    return replace(data, name=readable(data.name), label=options.label or data.label)


def _as_series(table: Dataset, told: Layout | Series, label: str | None) -> Dataset:
    """Readings as series; those of a folder of files, unless told otherwise, by file."""
    if table.media is not None:
        raise ArgumentError("series= is for tables of readings", where=table.name, hint="leave it out")
    if isinstance(told, Series):
        return like_series(table, told)
    by_file = not told.entity and any(f.name == FILE for f in table.fields)
    return as_series(table, replace(told, entity=FILE) if by_file else told, label=label)


def _part(max_rows: int | None, seed: int, layout: Layout | None) -> Part:
    if max_rows is not None and max_rows < 1:
        raise ArgumentError(f"max_rows={max_rows}", hint="give a number of rows, or None for all")
    return Part(None if layout else max_rows, seed)


def _read_source(source: Source, options: Options) -> Dataset:
    if isinstance(source, str | os.PathLike):
        return _read_path(os.fspath(source), options)
    held = gathered(source)
    if isinstance(held, Dataset):
        options.allow(where=held.name)
        return held
    options.allow("missing", "schema", where="DataFrame")
    images, beside = images_apart(held)
    if images is None or not len(beside.columns):
        return images or _typed(from_frame(beside, where="DataFrame", missing=options.missing), options, "data")
    label = options.label or ("label" if "label" in beside else None)
    table = from_frame(beside, where="DataFrame", missing=options.missing)
    typed = type_columns(table, schema=options.schema, label=label, free=as_text)
    columns = {**images.columns, **typed.columns}
    return Dataset((*images.fields, *typed.fields), columns, "data", label, images.notes + table.notes + typed.notes)


def _read_path(source: str, options: Options) -> Dataset:
    if is_url(source):
        return _read_database(source, options)
    path = existing(source)
    if path is None and source in BUILTIN:
        options.allow(where=source)
        return BUILTIN[source]()
    if path is None:
        raise missing_path(source, also=tuple(BUILTIN))
    if path.is_dir():
        return _read_folder(path, options)
    if is_idx(path.name):
        options.allow(where=source)
        return read_idx(path)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in READERS:
        known = ", ".join(READERS)
        hint = f"known are {known}, IDX and folders"
        if suffix == ".json":
            hint = "write each record as an object on a line of its own, and call the file .jsonl"
        if suffix in image_files.SUFFIXES:
            hint = "a single image is no data to learn from; give the folder that holds it and its like"
        raise DataError(f"unknown kind of file {suffix!r}", where=source, hint=hint)
    reader, used = READERS[suffix]
    options.allow(*used, where=source)
    return reader(path, options)


def _read_folder(path: Path, options: Options) -> Dataset:
    idx = idx_images_in(path)
    if idx:
        options.allow(where=str(path))
        data = read_idx(idx[0])
        notes = tuple(f"{p.name} is left aside; read it by its own path" for p in idx[1:])
        return replace(data, name=path.name, notes=data.notes + notes)
    return _read_files(path, options)


def _read_files(path: Path, options: Options) -> Dataset:
    """Images, or else texts, in a folder or zip."""
    files = files_in(path)
    if options.series is not None:
        options.allow("missing", "schema", where=str(path))
        return _typed(tables_in(files, options.missing), options, path.name)
    if files.with_suffix(*image_files.SUFFIXES):
        options.allow("missing", "schema", where=str(path))
        return read_images(
            files, schema=options.schema, label=options.label, missing=options.missing, size=options.size
        )
    if files.with_suffix(".txt"):
        options.allow("records", where=str(path))
        return read_text_files(files, records=options.records)
    hint = f"it holds {shown(files.names) or 'nothing'}; images are told by {', '.join(image_files.SUFFIXES)}"
    hint += "; for a table give the path of the file itself"
    raise DataError("no images and no .txt files", where=str(path), hint=hint)


def _read_table(path: Path, options: Options) -> Dataset:
    table = read_delimited(Stream.at(path), missing=options.missing, part=options.part)
    return _typed(table, options, path.name)


def _read_json_lines(path: Path, options: Options) -> Dataset:
    table = parse_json_lines(read_bytes(path), where=str(path), missing=options.missing)
    texts = text_fields(table, options.field)
    if texts:
        return text_dataset(table, texts, schema=options.schema, label=options.label, name=path.name)
    return _typed(table, options, path.name)


def _typed(table: RawTable, options: Options, name: str) -> Dataset:
    typed = type_columns(table, schema=options.schema, label=options.label, free=as_key_or_text)
    beside = any(isinstance(f, SCALARS) for f in typed.fields)
    fields = tuple(replace(f, column=beside) if isinstance(f, Text) else f for f in typed.fields)
    return Dataset(fields, typed.columns, name, None, table.notes + typed.notes)


def _read_parquet(path: Path, options: Options) -> Dataset:
    return _typed(read_parquet(path, missing=options.missing, part=options.part), options, path.name)


def _read_database(source: str, options: Options) -> Dataset:
    options.allow(*STREAMED, "table", "query", where=without_password(source))
    address = Address.of(source, table=options.table, query=options.query)
    table = read_sql(address, missing=options.missing, part=options.part)
    return _typed(table, options, table.where.rpartition(", ")[2])


def _read_npz(path: Path, options: Options) -> Dataset:
    return read_npz(path)


def _read_text(path: Path, options: Options) -> Dataset:
    large = long_text(path, records=options.records)
    return large if large is not None else parse_text(read_bytes(path), where=str(path), records=options.records)


TABLE = ("missing", "schema")
STREAMED = (*TABLE, "max_rows")
READERS: Mapping[str, tuple[Callable[[Path, Options], Dataset], tuple[str, ...]]] = {
    ".csv": (_read_table, STREAMED),
    ".tsv": (_read_table, STREAMED),
    ".tab": (_read_table, STREAMED),
    ".data": (_read_table, STREAMED),
    ".parquet": (_read_parquet, STREAMED),
    ".jsonl": (_read_json_lines, (*TABLE, "field")),
    ".ndjson": (_read_json_lines, (*TABLE, "field")),
    ".txt": (_read_text, ("records",)),
    ".npz": (_read_npz, ()),
    ".npy": (_read_npz, ()),
    ".zip": (_read_files, (*TABLE, "records")),
}  # by suffix: the reader and the options that it heeds


def _check_size(size: tuple[int, int] | None) -> None:
    if size is not None and not (len(size) == 2 and all(isinstance(s, int) and 1 <= s <= 10_000 for s in size)):
        raise ArgumentError(f"size={size!r}", hint="size is (height, width) in pixels, for example (64, 64)")


def _check_label(data: Dataset, label: str) -> None:
    field = data.field(label)
    if isinstance(field, (Identifier, Constant, *ARRAYS)):
        why = "it has a single value" if isinstance(field, Constant) else "it differs from row to row"
        raise ArgumentError(f"{label!r} cannot be the label: {why}", where=data.name)


def _sized(data: Dataset, size: tuple[int, int] | None) -> Dataset:
    """With images of the size asked for; those from files already have it."""
    if size is None:
        return data
    resize = KINDS[data.kind].resized
    if resize is None:
        raise ArgumentError("size= is for images", where=data.name, hint="leave it out")
    return resize(data, size)
