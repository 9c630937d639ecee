"""Text: one running text cut into passages, or one record per line, file or JSON object."""

import re
from collections.abc import Mapping

import numpy as np

from genwright.data.dataset import Dataset, Field, Text
from genwright.data.files import Files, decode_exact
from genwright.data.images import folder_labels
from genwright.data.kinds import as_category, as_identifier
from genwright.data.schema import type_columns
from genwright.data.table import RawColumn, RawTable
from genwright.errors import ArgumentError, DataError

Records = str  # "lines" or "running"; anything else is refused by `parse_text`
PASSAGE = 1500  # characters after which a passage ends at the next paragraph
LONGEST = 2 * PASSAGE  # characters after which it ends at the next line, sentence or word
LONG_TEXT = 40  # mean characters from which a string of a JSON record is text rather than a name or category
LONG_RECORD = 100_000  # characters; longer files are books rather than records
TEXT_NAME = "text"


def parse_text(raw: bytes, *, where: str, records: Records | None) -> Dataset:
    """The text in a .txt file.

    A file with blank lines between paragraphs is one running text; any other holds one record per line. `records`
    says it outright.
    """
    if records not in (None, "lines", "running"):
        raise ArgumentError(f"records={records!r}", hint="records is 'lines' or 'running'")
    text, notes = decode_exact(raw, where)
    if not text.strip():
        raise DataError("there is no text, only blanks", where=where)
    name = where.rsplit("/", 1)[-1]
    if records == "running" or (records is None and re.search(r"\S[ \t]*\r?\n[ \t]*\r?\n\s*\S", text)):
        return running_text(text, name=name, notes=notes)
    lines = text.splitlines() if "\n" not in text else [line.removesuffix("\r") for line in text.split("\n")]
    kept = [line for line in lines if line.strip()]
    blank = len(lines) - len(kept) - (lines[-1] == "")
    notes += (f"{blank} blank lines are left out",) if blank else ()
    return Dataset((Text(TEXT_NAME),), {TEXT_NAME: np.array(kept, dtype=object)}, name, None, notes)


def running_text(text: str, *, name: str, notes: tuple[str, ...] = ()) -> Dataset:
    """One long text as consecutive passages; joined, they are `text` again."""
    column = np.array(passages(text), dtype=object)
    return Dataset((Text(TEXT_NAME, running=True),), {TEXT_NAME: column}, name, None, notes)


def passages(text: str) -> list[str]:
    r"""Cut `text` at ends of paragraphs into passages of about 1500 characters; nothing is lost.

    >>> [len(p) for p in passages("word " * 100 + "\n\n" + "word " * 400 + "\n\n" + "end")]
    [2504, 3]
    """
    result, start = [], 0
    while start < len(text):
        end = _cut(text, start)
        result.append(text[start:end])
        start = end
    return result


def _cut(text: str, start: int) -> int:
    """Where the passage that begins at `start` ends: the first paragraph end in reach, else the best break there is."""
    if len(text) - start <= PASSAGE:
        return len(text)
    window = text[start : start + LONGEST]
    for mark in (r"\n[ \t]*\r?\n\s*", r"\r?\n", r"[.!?]\s+", r"\s+"):
        ends = [m.end() for m in re.finditer(mark, window) if m.end() >= PASSAGE // 2]
        after = [e for e in ends if e >= PASSAGE]
        if ends:
            return start + (after[0] if after else ends[-1])
    return min(start + PASSAGE, len(text))


def read_text_files(files: Files, *, records: Records | None) -> Dataset:
    """A folder or zip of .txt files: one record per file, labelled by sub-folder; `records="running"` joins them."""
    names = files.with_suffix(".txt")
    if records == "lines":
        raise ArgumentError("records='lines' is for one file", where=files.where, hint="give the path of the file")
    decoded = [decode_exact(files.read(name), f"{files.where}/{name}") for name in names]
    notes = tuple(f"{name}: {note}" for name, (_, more) in zip(names, decoded, strict=True) for note in more)
    where = files.where.rstrip("/").rsplit("/", 1)[-1]
    if records == "running":
        return running_text("".join(text for text, _ in decoded), name=where, notes=notes)
    texts = np.array([text for text, _ in decoded], dtype=object)
    if max(map(len, texts)) > LONG_RECORD:
        notes += ("some records are very long; records='running' joins all files into one text cut into passages",)
    labels, more = folder_labels(names)
    notes += tuple(more)
    if not labels:
        return Dataset((Text(TEXT_NAME),), {TEXT_NAME: texts}, where, None, notes)
    label = as_category(RawColumn.of("label", labels))
    return Dataset((Text(TEXT_NAME), label.field), {TEXT_NAME: texts, "label": label.column}, where, "label", notes)


def text_fields(table: RawTable, field: str | None) -> list[str]:
    """Which columns of JSON records are texts: `field`, or one called "text", or the long ones if they dominate."""
    if field is not None:
        if field not in table.names:
            raise ArgumentError(f"no field {field!r}", where=table.where, hint=f"there are: {', '.join(table.names)}")
        return [field]
    if TEXT_NAME in table.names:
        return [TEXT_NAME]
    total = {c.name: sum(len(t) * int(k) for t, k in zip(c.texts, c.counts, strict=True)) for c in table.columns}
    long = [
        c.name
        for c in table.columns
        if c.present and total[c.name] / c.present >= LONG_TEXT and len(c.texts) > c.present / 2
    ]
    return long if sum(total[name] for name in long) > sum(total.values()) / 2 else []


def text_dataset(
    table: RawTable, texts: list[str], *, schema: Mapping[str, str | Field], label: str | None, name: str
) -> Dataset:
    """JSON records with texts and other fields beside them."""
    if label is None and "label" in table.names:
        label = "label"
    schema = dict.fromkeys(texts, "text") | ({label: "category"} if label in table.names else {}) | dict(schema)
    ordered = sorted(table.columns, key=lambda c: c.name not in texts)
    typed = type_columns(RawTable(tuple(ordered), table.where), schema=schema, label=label, free=as_identifier)
    return Dataset(typed.fields, typed.columns, name, label, table.notes + typed.notes)
