"""CSV and TSV: streamed into columns of text, and written so that every cell is read back as it was."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from typing import Any

from genwright.data.encodings import LINE_HINT, encoding_notes, encoding_of
from genwright.data.files import Stream
from genwright.data.numerals import is_numeral
from genwright.data.plain import read_plain
from genwright.data.quoting import MARK, Marked, looks_like_data, needs_quotes, quoted, tells_words, unmarked
from genwright.data.table import (
    ALL,
    CHUNK,
    DELIMITERS,
    HEADER_HINT,
    MissingMarks,
    Part,
    RawColumn,
    RawTable,
    column_names,
    raw_columns,
    text_table,
)
from genwright.errors import DataError, NoRowsError

LONGEST_HEADER = 2**20  # characters
LONGEST = 2**24  # characters of a line, or of a cell over several lines


def parse_delimited(raw: bytes, *, where: str, missing: MissingMarks) -> RawTable:
    """`read_delimited` of bytes in memory."""
    return read_delimited(Stream.of(raw, where), missing=missing)


def read_delimited(stream: Stream, *, missing: MissingMarks, part: Part = ALL) -> RawTable:
    """A CSV or TSV table with a header line; its delimiter is the commonest of , ; tab | in that line.

    Rows are streamed. In a file that quotes nothing without need, a quoted cell is taken as it stands: "NA" is a word,
    blanks stay. Raises DataError, with the line number, for a row of another length or a broken quotation.
    """
    where, encoding = stream.where, encoding_of(stream, longest=LONGEST)
    with stream.text(encoding) as text:
        head = _header_text(_lines(text, where))
        delimiter = max(DELIMITERS, key="".join(head.split('"')[::2]).count)
    pool = part.reservoir()
    with stream.text(encoding) as text:
        marked = Marked(_lines(text, where), delimiter=delimiter)
        csv.field_size_limit(LONGEST)  # of this process; the 131,072 characters that it is at first are often too few
        lines = csv.reader(marked, delimiter=delimiter, strict=True)
        try:
            header = next((row for row in lines if row), [])
            whole = lines.line_num == head.count("\n")
            rows = _rows(lines, width=len(header), where=where)
            chunk = list(islice(rows, CHUNK))
            marked.on = tells_words(chunk)
            header = header if marked.on else unmarked(header)
            bare = [cell[1:] if cell.startswith(MARK) else cell.strip() for cell in header]
            names, more = column_names(bare, where)
            ways: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter, "words": marked.on, "part": part}
            plain = read_plain(stream, names, header=head, **ways) if whole and len(chunk) == CHUNK else None
            pool, chunk = (pool, chunk if marked.on else list(map(unmarked, chunk))) if plain is None else (plain, [])
            while chunk:
                pool.add(text_table(names, list(zip(*chunk, strict=True))))
                chunk = list(islice(rows, CHUNK))
        except csv.Error as error:
            at = f"{where}, line {lines.line_num}"
            raise DataError(str(error), where=at, hint="check its quotation marks") from None
    if not names or not pool.seen:
        raise NoRowsError("no rows below the header line", where=where, hint=HEADER_HINT)
    columns = raw_columns(pool)
    _refuse_data_as_header(header, columns, where)
    notes = encoding_notes(encoding)
    if any(not t.startswith(MARK) and t != t.strip() for c in columns for t in c.texts):
        notes += ("blanks around values were left out",)
    return RawTable(tuple(_settled(c, missing) for c in columns), where, notes + more + part.notes(pool))


def _lines(text: TextIOWrapper, where: str) -> Iterator[str]:
    """Lines with their ends; none is taken into memory that is longer than a table's could be."""
    number = 0
    while line := text.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            what = f"a line of {LONGEST:,} characters or more"
            raise DataError(what, where=f"{where}, line {number}", hint=LINE_HINT)
        yield line


def _header_text(lines: Iterable[str]) -> str:
    """The first line that is not blank, with those that a quoted name in it goes on in."""
    text = ""
    for line in lines:
        text += line
        if text.strip() and (text.count('"') % 2 == 0 or len(text) > LONGEST_HEADER):
            break
    return text


def _settled(column: RawColumn, missing: MissingMarks) -> RawColumn:
    """With words as they were quoted, other texts without blanks around them, and marks of missing values taken out."""

    def text_of(cell: str) -> str | None:
        text = cell[1:] if cell.startswith(MARK) else cell.strip()
        return None if (missing.was_named if cell.startswith(MARK) else missing.matches)(text) else text

    return column.renamed([text_of(cell) for cell in column.texts])


def _rows(lines: Any, *, width: int, where: str) -> Iterator[list[str]]:
    """Rows of a csv reader, all as wide as the header; blank lines, most often the last, are passed over."""
    for row in lines:
        if len(row) == width:
            yield row
        elif row:
            hint = 'add or remove cells there; put values that hold the delimiter in "quotation marks"'
            if width == 1 and is_numeral(number := ",".join(row)):
                hint = (
                    f'if {number} is one number, put each line in quotation marks ("{number}"), for example with: '
                    "sed 's/.*/\"&\"/' OLD > NEW; if it is several values, name their columns in line 1"
                )
            raise DataError(
                f"{_count(len(row), 'cell')}, but the header has {_count(width, 'column')}",
                where=f"{where}, line {lines.line_num}",
                hint=hint,
            )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _refuse_data_as_header(header: Sequence[str], columns: Sequence[RawColumn], where: str) -> None:
    """Raise if line 1 is a row of data: it holds a decimal number, or a word that its own column holds again."""
    if all(name in column.texts for name, column in zip(header, columns, strict=True)) and len(columns) > 1:
        raise DataError("the header line comes up again below", where=where, hint="remove its copies")
    for name, column in zip(header, columns, strict=True):
        again = name.strip() in column.texts and len(columns) > 1 and re.search(r"[^\s0-9.,+-]", name) is not None
        if not name.startswith(MARK) and (looks_like_data(name) or again):
            raise DataError(f"line 1 looks like data ({name.strip()!r})", where=where, hint=HEADER_HINT)


def write_delimited(names: Sequence[str], columns: Sequence[Sequence[str | None]], *, delimiter: str) -> str:
    """A table of texts as CSV, quoted where a cell would be read as something else; missing cells are left empty."""
    gap = "NA" if len(columns) == 1 else ""  # a blank line is no row
    spelled = []
    for name, column in zip(names, columns, strict=True):
        known = {text: quoted(text) if needs_quotes(text) else text for text in set(column) if text is not None}
        unsure = needs_quotes(name) or looks_like_data(name) or name in known
        spelled.append([quoted(name) if unsure else name, *(gap if t is None else known[t] for t in column)])
    return "".join(delimiter.join(row) + "\n" for row in zip(*spelled, strict=True))
