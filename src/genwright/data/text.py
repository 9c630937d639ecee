"""Text: one running text cut into passages, or one record per line, file or JSON object."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genwright.data.beside import folder_labels
from genwright.data.dataset import Dataset, Field, Text
from genwright.data.encodings import decode_text
from genwright.data.files import Files, readable, unread
from genwright.data.kinds import as_category, as_identifier
from genwright.data.paths import existing
from genwright.data.schema import type_columns
from genwright.data.table import RawColumn, RawTable
from genwright.errors import ArgumentError, DataError

Records = str  # "lines" or "running"; anything else is refused by `parse_text`
PASSAGE = 1500  # characters after which a passage ends at the next paragraph
BLANK_SHARE = 0.02  # of blank lines, from which on they part paragraphs rather than being strays
LONGEST = 2 * PASSAGE  # characters after which it ends at the next line, sentence or word
LONG_TEXT = 40  # mean characters from which a string of a JSON record is text rather than a name or category
LONG_RECORD = 100_000  # characters; longer files are books rather than records
TEXT_NAME = "text"
COPIES = 5  # bytes held for one character


def parse_text(raw: bytes, *, where: str, records: Records | None) -> Dataset:
    """The text in a .txt file.

    A file with blank lines between paragraphs is one running text; any other, also one with a stray blank line, holds
    one record per line. `records` says it outright.
    """
    if records not in (None, "lines", "running"):
        raise ArgumentError(f"records={records!r}", hint="give records='lines' or records='running'")
    text, encoding, notes = decode_text(raw, where)
    if not text.strip():
        raise DataError("there is no text, only blanks", where=where)
    name = readable(where.rsplit("/", 1)[-1])
    lines = text_lines(text)
    if records == "running" or (records is None and has_paragraphs(lines)):
        return running_text(text, name=name, encoding=encoding, notes=notes)
    kept = [line for line in lines if line.strip()]
    blank = len(lines) - len(kept) - (lines[-1] == "")
    notes += (f"blank lines are left out ({blank}); records='running' reads one running text",) if blank else ()
    return Dataset((Text(TEXT_NAME, encoding=encoding),), {TEXT_NAME: np.array(kept, dtype=object)}, name, None, notes)


def text_lines(text: str) -> list[str]:
    """Lines without their ends, whether those are LF, CR LF or CR; other separators are part of a line."""
    return [line.removesuffix("\r") for line in text.split("\n")] if "\n" in text else text.split("\r")


def has_paragraphs(lines: list[str]) -> bool:
    """Whether blank lines part a text into paragraphs: one line in fifty or more is blank."""
    full = [i for i, line in enumerate(lines) if line.strip()]
    within = full[-1] - full[0] + 1
    return within - len(full) >= max(1, BLANK_SHARE * within)


def running_text(text: str, *, name: str, encoding: str = "utf-8", notes: tuple[str, ...] = ()) -> Dataset:
    """One long text as consecutive passages; joined, they are `text` again."""
    column = np.array(passages(text), dtype=object)
    field = Text(TEXT_NAME, running=True, encoding=encoding)
    return Dataset((field,), {TEXT_NAME: column}, name, None, notes)


def rerecorded(data: Dataset, like: Text) -> Dataset:
    """A text alone, cut into passages of one running text or into lines as `like` is; any other as it is."""
    field = data.medium(Text)
    if field.running is like.running or len(data.fields) > 1:
        return data
    texts = data.columns[field.name].tolist()
    cut = passages("".join(f"{t}\n" for t in texts)) if like.running else text_lines("".join(texts))
    column = np.array([t for t in cut if t.strip()], dtype=object)
    return replace(
        data,
        fields=(replace(field, running=like.running),),
        columns={field.name: column},
        fixed_split=None,
        origin=None,
    )


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
    """A folder or zip of .txt files: one record per file, labelled by sub-folder; `records="running"` joins them.

    A few files that cannot be read are left out and named in the notes.
    """
    names = files.with_suffix(".txt")
    if records == "lines":
        raise ArgumentError("records='lines' is for one file", where=files.where, hint="give the path of the file")
    bad: dict[str, str] = {}
    texts, encodings, notes = [], set(), list[str]()
    for name in names:
        try:
            text, encoding, said = decode_text(files.read(name), name)
        except DataError as error:
            bad[name] = error.what
            continue
        texts.append(text)
        encodings.add(encoding)
        notes += [f"{readable(name)}: {note}" for note in said]
    notes += unread(bad, len(names), files.where) + list(files.left_out(names))
    where = readable(files.where.rstrip("/").rsplit("/", 1)[-1])
    encoding = encodings.pop() if len(encodings) == 1 else "utf-8"
    if records == "running":
        return running_text("".join(texts), name=where, encoding=encoding, notes=tuple(notes))
    if max(map(len, texts)) > LONG_RECORD:
        notes.append("some records are very long; records='running' joins all files into one text cut into passages")
    labels, more = folder_labels([name for name in names if name not in bad])
    field, column = Text(TEXT_NAME, encoding=encoding), np.array(texts, dtype=object)
    if not labels:
        return Dataset((field,), {TEXT_NAME: column}, where, None, (*notes, *more))
    label = as_category(RawColumn.of("label", labels))
    columns = {TEXT_NAME: column, "label": label.column}
    return Dataset((field, label.field), columns, where, "label", (*notes, *more))


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


def reading_like(field: Text, path: Path, table: Callable[[], RawTable]) -> dict[str, Any]:
    """How `read` is told to take what is at `path`, as a `table` if it holds JSON, for the kind of text of `field`."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in (".jsonl", ".ndjson"):
        found = table()
        own = text_fields(found, field.name if field.name in found.names else None)
        return {"field": own[0] if own else _longest(found)}  # a collapsed generator repeats itself, as categories do
    records = "running" if field.running else "lines" if suffix == ".txt" else None
    return {"records": records if existing(path) else None}


def _longest(table: RawTable) -> str:
    """The column with the most characters."""
    return max(table.columns, key=lambda c: sum(len(t) * int(k) for t, k in zip(c.texts, c.counts, strict=True))).name


def text_like(data: Dataset, field: Text) -> tuple[Text, np.ndarray]:
    """The texts as they are, taken for what `field` says."""
    return field, data.columns[data.medium(Text).name]


def text_memory(column: np.ndarray) -> float:
    """Bytes that fitting texts takes; of one that stays on the disk next to nothing."""
    return COPIES * sum(map(len, column)) if isinstance(column, np.ndarray) else 0


def text_lengths(field: Text, column: np.ndarray) -> tuple[str, str]:
    """The shortest and the longest."""
    lengths = [len(text) for text in column if text is not None]
    return f"{min(lengths)}", f"{max(lengths)} characters"


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
