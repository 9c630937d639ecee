"""read_like: read generated data with the fields of the real data, so that the two can be compared."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genwright.data.cells import cells
from genwright.data.dataset import ARRAYS, Category, Dataset, Field, Number, Time
from genwright.data.delimited import read_delimited
from genwright.data.files import Stream, read_bytes
from genwright.data.frames import from_frame, read_parquet
from genwright.data.kinds import Typed, as_identifier, conform, is_infinite
from genwright.data.media import KINDS
from genwright.data.objects import gathered
from genwright.data.paths import existing, missing_path
from genwright.data.read import Source, read_known
from genwright.data.schema import type_columns
from genwright.data.sql import Address, is_url, read_sql
from genwright.data.table import (
    MissingMarks,
    RawColumn,
    RawTable,
    missing_marks,
    parse_json_lines,
)
from genwright.errors import DataError


def read_like(source: Source, real: Dataset, *, missing: Any = (), size: tuple[int, int] | None = None) -> Dataset:
    """Read generated (or further) data with the fields of `real`.

    Values are taken as the types, formats, levels and image modes of `real`, and a .txt as lines or running text as
    `real` is, whatever `source` alone would suggest; fields that `real` lacks are left out and noted. `missing` and
    `size` are as in `read`.

    Raises DataError for columns that are not there, values of another type, and images of another size.
    """
    marks = missing_marks(missing)
    source = source if isinstance(source, str | os.PathLike) else gathered(source)
    if isinstance(source, Dataset):
        return source
    if real.media is None:
        return _table_like(_raw_table(source, marks), real)
    beside = [f for f in real.fields if f is not real.media]
    about: dict[str, Any] = {"missing": missing, "size": size}
    if isinstance(source, str | os.PathLike):
        about |= KINDS[real.kind].asked(real.media, Path(source), partial(_raw_table, source, marks))
    return _media_like(read_known(source, beside, **about), real)


def read_partial(source: Source, fields: Sequence[Field], *, missing: Any = ()) -> Dataset:
    """Read rows of which not everything is there, with known `fields`: columns that are not there are missing in full.

    Raises DataError where none of the fields is there, for values of another type, and for infinite numbers.
    """
    whole = read_whole(source, fields, missing=missing)
    return Dataset(tuple(whole.field(f.name) for f in fields), whole.columns, whole.name, notes=whole.notes)


def read_whole(source: Source, fields: Sequence[Field], *, missing: Any = ()) -> Dataset:
    """`read_partial` that keeps further columns, and all in the order and with the index that they have."""
    names = [f.name for f in fields]
    source = source if isinstance(source, str | os.PathLike) else gathered(source)
    if isinstance(source, Dataset):
        there, name, index, notes = [f.name for f in source.fields], source.name, source.index, source.notes
        typed = {f.name: Typed(f, source.columns[f.name]) for f in source.fields}
        typed |= {f.name: _typed_partial(source, f) for f in fields}
        notes += tuple(note for f in fields for note in typed[f.name].notes)
    else:
        table = _raw_table(source, missing_marks(missing))
        there, name = table.names, Path(table.where).name
        index = source.index if isinstance(source, pd.DataFrame) else None
        _refuse_infinite(table, fields)
        empty = tuple(RawColumn.of(name, [None] * len(table)) for name in names if name not in there)
        schema: dict[str, str | Field] = {f.name: f for f in fields}
        columns = RawTable(table.columns + empty, table.where)
        found = type_columns(columns, schema=schema, label=None, free=as_identifier)
        typed = {f.name: Typed(f, found.columns[f.name]) for f in found.fields}
        notes = table.notes + found.notes
    _some_known(fields, there, where=name)
    order = [*there, *(name for name in names if name not in there)]
    kept = {name: typed[name].column for name in order}
    return Dataset(tuple(typed[name].field for name in order), kept, name, notes=notes, index=index)


def _refuse_infinite(table: RawTable, fields: Sequence[Field]) -> None:
    """Raise for infinite numbers: neither values that a model has, nor missing."""
    numbers = {f.name for f in fields if isinstance(f, Number)}
    for raw in table.columns:
        infinite = [i for i, text in enumerate(raw.texts) if raw.name in numbers and is_infinite(text)]
        if infinite:
            row = int(np.isin(raw.codes, infinite).argmax())
            what = f"{raw.texts[infinite[0]]} in row {row + 1} is neither a number to go by nor missing"
            hint = "leave it empty to have it drawn, or give the number that it stands for"
            raise DataError(what, where=f"{table.where}, column {raw.name!r}", hint=hint)


def _typed_partial(data: Dataset, field: Field) -> Typed:
    """A field's column from a Dataset that may have it as another type, or not at all; all digits are kept."""
    if field.name not in data.columns:
        return conform(RawColumn.of(field.name, [None] * len(data)), field)
    return _retyped(data, field)


def _some_known(fields: Sequence[Field], names: Sequence[str], *, where: str) -> None:
    """Raise unless one of the fields is there."""
    if not {f.name for f in fields} & set(names):
        what = f"none of the columns {', '.join(f.name for f in fields[:10])}"
        raise DataError(what, where=where, hint=f"there are {', '.join(names[:20])}")


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _raw_table(source: str | os.PathLike[str] | pd.DataFrame, missing: MissingMarks) -> RawTable:
    if isinstance(source, pd.DataFrame):
        return from_frame(source, where="DataFrame", missing=missing)
    if is_url(str(source)):
        return read_sql(Address.of(str(source)), missing=missing)
    path = existing(source)
    if path is None:
        raise missing_path(source)
    if path.is_dir():
        hint = "give a table such as samples.csv, or hold it against real data of its own kind"
        raise DataError("a folder, but the real data is a table", where=str(path), hint=hint)
    if not path.is_file():
        raise DataError("not a file", where=str(path), hint="give a table such as samples.csv")
    if _suffix(path) == ".parquet":
        return read_parquet(path, missing=missing)
    if _suffix(path) in (".jsonl", ".ndjson"):
        return parse_json_lines(read_bytes(path), where=str(path), missing=missing)
    return read_delimited(Stream.at(path), missing=missing)


def _table_like(table: RawTable, real: Dataset) -> Dataset:
    lost = [f.name for f in real.fields if f.name not in table.names]
    if lost:
        raise DataError(f"no column called {lost[0]!r}", where=table.where, hint=f"there are {', '.join(table.names)}")
    extra = tuple(f"{name!r} is not in {real.name}; left out" for name in table.names if name not in real.columns)
    columns = tuple(table.columns[table.names.index(f.name)] for f in real.fields)
    schema: dict[str, str | Field] = {f.name: f for f in real.fields}
    typed = type_columns(RawTable(columns, table.where), schema=schema, label=None, free=as_identifier)
    notes = table.notes + extra + typed.notes
    return Dataset(typed.fields, typed.columns, Path(table.where).name, real.label, notes)


def _media_like(data: Dataset, real: Dataset) -> Dataset:
    """Images or texts, and those scalar fields of `real` that came with them."""
    wanted = real.media
    assert wanted is not None
    kind = KINDS[real.kind]
    if data.kind is not real.kind:
        what = f"no {kind.many}, but {real.name} holds {kind.many}"
        raise DataError(what, where=data.name, hint=f"give {kind.files}")
    own, column = kind.alike(data, wanted)
    fields: list[Field] = [own]
    columns = {wanted.name: column}
    notes = list(data.notes)
    for field in real.fields:
        if field.name == wanted.name or field.name not in data.columns or isinstance(field, ARRAYS):
            continue
        typed = _retyped(data, field)
        fields.append(typed.field)
        columns[field.name] = typed.column
        notes += typed.notes
    label = real.label if real.label in columns else None
    return Dataset(tuple(fields), columns, data.name, label, tuple(notes))


def _retyped(data: Dataset, field: Field) -> Typed:
    own = data.field(field.name)
    if isinstance(field, (Number, Time)) and type(own) is type(field):
        return Typed(field, data.columns[field.name])
    if isinstance(field, Category) and isinstance(own, Category) and own.levels[: len(field.levels)] == field.levels:
        return Typed(own, data.columns[field.name])  # it was read as this field
    texts = cells(own, data.columns[field.name])
    try:
        return conform(RawColumn.of(field.name, texts), field)
    except DataError as error:
        raise DataError(error.what, where=f"{data.name}, {field.name!r}", hint=error.hint) from None
