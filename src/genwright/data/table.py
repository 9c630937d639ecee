"""Tables from files and data frames, as columns of text that `schema.py` gives their types."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from genwright.data.arrow import DEEPEST, JSON, json_text
from genwright.data.dataset import Storage
from genwright.data.encodings import HALVES, decode_table
from genwright.data.numerals import readings
from genwright.data.reservoir import Reservoir
from genwright.errors import DataError, NoRowsError
from genwright.storage import is_deep

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?"})
CHUNK = 4096  # rows taken at a time, so that columns are filled by C code rather than cell by cell
DELIMITERS = (",", ";", "\t", "|")
HEADER_HINT = "the first line must hold the column names, for example: age,sex,income"


@dataclass(frozen=True)
class RawColumn:
    """A column before it has a type: each distinct text once, and which of them each row holds (-1: missing).

    `words`: the source says that these are words, even where they look like numbers. `storage`: how the source held it,
    None if as text. `rows`: the place of each row in the source, from 0, where some were left out.
    """

    name: str
    codes: Int[np.ndarray, "n"]
    texts: tuple[str, ...]
    words: bool = False
    storage: Storage | None = None
    rows: Int[np.ndarray, "n"] | None = None

    @classmethod
    def of(cls, name: str, cells: Iterable[str | None]) -> "RawColumn":
        """A column from one text per row, None where missing."""
        seen: dict[str, int] = {}
        codes = [-1 if cell is None else seen.setdefault(cell, len(seen)) for cell in cells]
        return cls(name, np.array(codes, dtype=np.int64), tuple(seen))

    @property
    def counts(self) -> Int[np.ndarray, "distinct"]:
        """How many rows hold each text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    @property
    def present(self) -> int:
        """Rows that are not missing."""
        return int((self.codes >= 0).sum())

    def spread(self, values: np.ndarray, missing: Any) -> np.ndarray:
        """One value per row from one value per distinct text."""
        return np.append(values, np.array([missing], dtype=values.dtype))[self.codes]

    def renamed(self, texts: Sequence[str | None]) -> "RawColumn":
        """With other texts (None: missing); equal ones are merged, unused ones left out."""
        new: dict[str, int] = {}
        used = self.counts > 0
        codes = [new.setdefault(t, len(new)) if t is not None and u else -1 for t, u in zip(texts, used, strict=True)]
        table = np.array([*codes, -1], dtype=np.int64)
        return replace(self, codes=table[self.codes], texts=tuple(new))

    def row_of(self, text: str) -> int:
        """The first row of the source, counted from 1, that holds `text`."""
        row = int(np.flatnonzero(self.codes == self.texts.index(text))[0])
        return 1 + (row if self.rows is None else int(self.rows[row]))


@dataclass(frozen=True)
class RawTable:
    """Columns of equal length, with the marks that say "missing" already found."""

    columns: tuple[RawColumn, ...]
    where: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns[0].codes)

    @property
    def names(self) -> list[str]:
        """The column names, in order."""
        return [c.name for c in self.columns]


def missing_marks(marks: Any) -> "MissingMarks":
    """The default missing marks and `marks`; a number stands for every way of writing it (-200, -200.0)."""
    marks = [marks] if isinstance(marks, str | int | float) else list(marks)
    numbers = frozenset(float(m) for m in marks if isinstance(m, int | float) and not isinstance(m, bool))
    named = frozenset(map(str, marks))
    return MissingMarks(MISSING | named, numbers, named)


@dataclass(frozen=True)
class MissingMarks:
    """What counts as "no value": whole texts, and numbers however written. `named`: those that the user named."""

    texts: frozenset[str]
    numbers: frozenset[float]
    named: frozenset[str] = frozenset()

    def was_named(self, text: str) -> bool:
        """Whether the user said that `text` means no value; for sources that have a missing value of their own."""
        return replace(self, texts=self.named).matches(text)

    def matches(self, text: str) -> bool:
        """Whether `text` means that there is no value."""
        if text in self.texts:
            return True
        if not self.numbers:
            return False
        try:
            return float(text) in self.numbers
        except ValueError:
            return bool(self.numbers & readings(text))


@dataclass(frozen=True)
class Part:
    """How much of a table is read: at most `most` rows (None: all), drawn at random with `seed`."""

    most: int | None = None
    seed: int = 0

    def reservoir(self) -> Reservoir:
        """Takes the rows."""
        return Reservoir(self.most, rng=np.random.default_rng(self.seed))

    def notes(self, pool: Reservoir) -> tuple[str, ...]:
        """What was left out, if anything was."""
        if not pool.sampled:
            return ()
        return (f"of {pool.seen:,} rows, {self.most:,} drawn at random are used; max_rows= says how many",)


ALL = Part()


def text_table(names: Sequence[str], columns: Sequence[Sequence[str | None]]) -> pa.Table:
    """Columns of texts as an Arrow table, which holds them in a fraction of the memory of Python's strings."""
    return pa.table([pa.array(cells, pa.large_string()) for cells in columns], names=list(names))


def raw_columns(pool: Reservoir) -> list[RawColumn]:
    """Columns of texts that were streamed."""
    table, columns = pool.table(), []
    rows = pool.rows() if pool.sampled else None
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        texts = encoded.dictionary
        if encoded is column and pool.sampled:  # texts of rows that were left out may be among them
            used, first, codes = np.unique(codes, return_index=True, return_inverse=True)
            order = first.argsort()
            codes, texts = order.argsort()[codes.reshape(-1)], texts.take(pa.array(used[order]))
        columns.append(RawColumn(name, codes, tuple(texts.to_pylist()), rows=rows))
    return columns


def column_names(header: Sequence[str], where: str) -> tuple[list[str], tuple[str, ...]]:
    """Column names; ones left empty are numbered, repeated ones and those with half a character refused."""
    if cut := [name for name in header if HALVES.search(name)]:
        raise DataError(f"a column's name holds half a character: {cut[0]!a}", where=where, hint="rename it")
    names = [name or f"column_{i}" for i, name in enumerate(header, start=1)]
    twice = repeated(names)
    if twice:
        hint = HEADER_HINT if re.fullmatch(r"[0-9.+-]+", twice[0]) else "rename one of them"
        raise DataError(f"two columns are called {twice[0]!r}", where=f"{where}, line 1", hint=hint)
    empty = [i for i, name in enumerate(header, start=1) if not name]
    return names, tuple(f"column {i} has no name; it is called 'column_{i}'" for i in empty)


def repeated(names: Sequence[str]) -> list[str]:
    """Those that come up more than once, each once."""
    return [name for name, times in Counter(names).items() if times > 1]


def without_named(column: RawColumn, missing: MissingMarks) -> RawColumn:
    """With the marks that the user named taken out; for sources that have a missing value of their own."""
    return column.renamed([None if missing.was_named(t) else t for t in column.texts])


def parse_json_lines(raw: bytes, *, where: str, missing: MissingMarks) -> RawTable:
    """One JSON object per line; keys that a line lacks are missing there, lists and objects are kept as JSON."""
    text, notes = decode_table(raw, where)
    values: dict[str, dict[int, Any]] = {}
    rows = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        for name, value in _json_object(line, f"{where}, line {number}").items():
            values.setdefault(name, {})[rows] = value
        rows += 1
    if not values:
        raise NoRowsError("no records", where=where, hint='each line must be an object, for example {"age": 39}')
    names, more = column_names(list(values), where)
    columns = [_of_json(name, found, rows) for name, found in zip(names, values.values(), strict=True)]
    nested = [c.name for c in columns if c.storage and c.storage.type == JSON]
    more += tuple(
        f"{name!r} holds lists, objects or values of several types; they are kept as they are" for name in nested
    )
    return RawTable(tuple(without_named(c, missing) for c in columns), where, notes + more)


def _of_json(name: str, values: dict[int, Any], rows: int) -> RawColumn:
    """A column with the type that its JSON values have in common."""
    kinds = {type(v) for v in values.values()} - {NoneType}
    held = next((held for held, own in JSON_TYPES.items() if kinds <= own), JSON) if kinds else ""
    texts: list[str | None] = [None] * rows
    for row, value in values.items():
        texts[row] = None if value is None else _json_cell(value, held)
    return replace(RawColumn.of(name, texts), storage=Storage(held) if held else None)


def _json_cell(value: Any, held: str) -> str | None:
    match value:
        case str() if held != JSON:
            return value
        case _Decimal():
            return value.text
        case float():
            return None if value != value else repr(value)
    return json_text(value)


class _Decimal(float):
    """A float that remembers how it was written, as 2.50 says more than 2.5."""

    def __new__(cls, text: str) -> "_Decimal":
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


JSON_TYPES: dict[str, set[type]] = {"bool": {bool}, "int64": {int}, "double": {int, float, _Decimal}, "string": {str}}


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line, parse_float=_Decimal)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON: {error}", where=where, hint="each line must be one JSON object") from None
    if not isinstance(record, dict):
        raise DataError("not a JSON object", where=where, hint='each line must be like {"age": 39, "sex": "F"}')
    if is_deep(record, most=DEEPEST):
        raise DataError(f"nested more than {DEEPEST} deep", where=where, hint="leave that value out, or flatten it")
    return record
