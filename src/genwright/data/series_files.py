"""Series in files: one row for each reading, as they were read; and readings read as those of known series."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genwright.data.dataset import Category, Dataset, Field, Number, Series
from genwright.data.delimited import parse_delimited
from genwright.data.files import Files, shown, unread
from genwright.data.formats import TABLE_FORMATS, Writer
from genwright.data.series import Layout, as_series, times_of
from genwright.data.table import MissingMarks, RawColumn, RawTable
from genwright.errors import DataError, GenwrightError

TABLES = (".csv", ".tsv", ".tab", ".data")
FILE = "file"  # the column that says which file of a folder a reading is from
BYTES = 40.0  # of a fit, for each value


def readings_table(data: Dataset) -> Dataset:
    """One row for each reading, with the columns of the file that was read, and one that numbers windows."""
    field = data.medium(Series)
    column = data.columns[field.name]
    lengths = np.array([len(rows) for rows in column], dtype=np.int64)
    rows = np.concatenate([*column, np.empty((0, 1 + len(field.features)))])
    fields: dict[str, Field] = {f.name: f for f in data.fields if not isinstance(f, Series)}
    columns = {name: np.repeat(data.columns[name], lengths) for name in fields}
    if field.window is not None:
        fields[field.name] = Number(field.name, 0, 1, max(len(data), 1))
        columns[field.name] = np.repeat(np.arange(1.0, 1 + len(data)), lengths)
    fields[field.time.name] = field.time
    columns[field.time.name] = times_of(field.time, rows[:, 0])
    for i, each in enumerate(field.features, start=1):
        fields[each.name], columns[each.name] = each, _values(each, rows[:, i])
    told = [name for name in field.columns if name in fields]
    order = [*(name for name in fields if name not in told), *told]
    label = data.label if data.label in fields else None
    return Dataset(tuple(fields[name] for name in order), {name: columns[name] for name in order}, data.name, label)


def _values(field: Number | Category, numbers: np.ndarray) -> np.ndarray:
    if isinstance(field, Number):
        return numbers
    levels = np.array([*field.levels, None], dtype=object)
    return levels[np.where(np.isnan(numbers), len(field.levels), numbers).astype(np.int64)]


def _writer(write: Writer) -> Writer:
    return lambda data: write(readings_table(data))


SERIES_FORMATS = {suffix: _writer(write) for suffix, write in TABLE_FORMATS.items()}


def known_columns(field: Series) -> tuple[Field, ...]:
    """The fields of single readings."""
    return (field.time, *field.features)


def like_series(table: Dataset, known: Series) -> Dataset:
    """Readings as records of a known field: one for each number in the column that numbers windows, or each entity."""
    names = [field.name for field in table.fields]
    lost = [f.name for f in known_columns(known) if f.name not in names]
    if lost:
        raise DataError(f"no column called {lost[0]!r}", where=table.name, hint=f"there are {', '.join(names)}")
    numbered = known.name in names
    entity = known.name if numbered else known.entity if known.entity in names else ""
    extra = [n for n in names if n not in {*known.columns, known.name, known.entity}]
    kept = table.select([n for n in names if n not in extra])
    window = None if numbered or not known.window else known.window
    data = as_series(kept, Layout(time=known.time.name, entity=entity, window=window), known=known)
    notes = data.notes + tuple(f"{name!r} is not in the known series; left out" for name in extra)
    return replace(data, notes=notes, name=table.name)


def series_like(data: Dataset, wanted: Any) -> tuple[Field, np.ndarray]:
    """Column and field of records as if they were of the wanted field."""
    own = data.medium(Series)
    if [f.name for f in own.features] != [f.name for f in wanted.features]:
        names = ", ".join(f.name for f in wanted.features)
        raise DataError("series of other columns", where=data.name, hint=f"they need {names}")
    return wanted, data.columns[own.name]


def series_asked(wanted: Any, path: Path, table: Callable[[], RawTable]) -> dict[str, Any]:
    """How a file is read that should hold records of a known field."""
    return {"series": wanted}


def series_memory(column: np.ndarray) -> float:
    """Bytes that a fit needs for the records."""
    return BYTES * max((rows.size for rows in column), default=0) * len(column)


def series_ends(field: Any, column: np.ndarray) -> tuple[str, str]:
    """The shortest and the longest record."""
    lengths = [len(rows) for rows in column] or [0]
    return f"{min(lengths)} readings", f"{max(lengths)} readings"


def tables_in(files: Files, missing: MissingMarks) -> RawTable:
    """The tables of a folder or zip below each other, with a column that names the file of each row."""
    names = files.with_suffix(*TABLES)
    if not names:
        raise DataError("no tables", where=files.where, hint=f"it holds {shown(files.names) or 'nothing'}")
    parts: list[tuple[str, RawTable]] = []
    bad: dict[str, str] = {}
    for name in names:
        try:
            parts.append((Path(name).stem, parse_delimited(files.read(name), where=name, missing=missing)))
        except GenwrightError as error:
            bad[name] = error.what
    notes = tuple(unread(bad, len(names), files.where))
    every = list(dict.fromkeys(n for _, part in parts for n in part.names))
    columns = [RawColumn.of(n, [t for _, part in parts for t in _texts(part, n)]) for n in every if n != FILE]
    owner = RawColumn.of(FILE, [stem for stem, part in parts for _ in range(len(part))])
    return RawTable((owner, *columns), files.where, notes + tuple(n for _, part in parts for n in part.notes))


def _texts(table: RawTable, name: str) -> Sequence[str | None]:
    if name not in table.names:
        return [None] * len(table)
    raw = table.columns[table.names.index(name)]
    return list(raw.spread(np.array(raw.texts, dtype=object), None))
