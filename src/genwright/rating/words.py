"""Texts and table rows as raters get them: one way of writing, every file padded to the longest."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np

from genwright.data.cells import cells
from genwright.data.dataset import MEDIA, SCALARS, Dataset, Number, Text
from genwright.errors import DataError

LONGEST = 3000  # characters of a text
MISSING = "–"
UNLIKE = 1.5  # ratio of median lengths from which raters may tell systems apart by them

Row = list[tuple[str, str]]


def texts_of(data: Dataset, index: Sequence[int]) -> list[str]:
    """Texts in Unicode's composed form, with plain line ends and no blanks around; long ones cut."""
    field = data.medium(Text)
    return [_plain(str(data.columns[field.name][i])) for i in index]


def _plain(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates stand for bytes that were not UTF-8
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[ \t]+\n", "\n", text).strip()
    return text if len(text) <= LONGEST else text[:LONGEST].rstrip() + " …"


def rows_of(data: Dataset, index: Sequence[int]) -> list[Row]:
    """Rows as names and values; keys and columns of a single value are left out, as they are never modelled."""
    fields = [f for f in data.cells if isinstance(f, (*SCALARS, *MEDIA))]
    if not fields:
        raise DataError("no column to show", where=data.name, hint="keys and single-valued columns are not shown")
    columns = []
    for field in fields:
        column = data.columns[field.name][np.asarray(index, dtype=np.int64)]
        if isinstance(field, Number) and field.decimals is None:
            shown = [None if v != v else f"{v:.6g}" for v in column.tolist()]
        else:
            shown = cells(field, column)
        columns.append([MISSING if v is None else str(v) for v in shown])
    return [[(f.name, v) for f, v in zip(fields, row, strict=True)] for row in zip(*columns, strict=True)]


def encoded_texts(texts: Mapping[str, Sequence[str]]) -> tuple[dict[str, list[bytes]], tuple[str, ...]]:
    """Texts as UTF-8, and a note if a system's are so much longer that their length gives them away."""
    median = {system: float(np.median([len(text) for text in each])) for system, each in texts.items()}
    long, short = max(median, key=median.__getitem__), min(median, key=median.__getitem__)
    notes = []
    if median[long] > UNLIKE * median[short]:
        notes.append(
            f"texts of {long!r} are longer than those of {short!r} (medians {median[long]:.0f} and "
            f"{median[short]:.0f} characters): raters may tell them apart by that"
        )
    return padded({system: [text.encode() for text in each] for system, each in texts.items()}), tuple(notes)


def encoded_rows(rows: Mapping[str, Sequence[Row]]) -> tuple[dict[str, list[bytes]], tuple[str, ...]]:
    """Rows as JSON lists of name and value. Raises DataError for systems with different columns."""
    (first, some), *others = rows.items()
    names = [name for name, _ in some[0]]
    for system, each in others:
        own = [name for name, _ in each[0]]
        if own != names:
            raise DataError(
                f"columns {', '.join(own)}, but {first} has {', '.join(names)}",
                where=system,
                hint="compare tables with the same columns",
            )
    made = {system: [json.dumps(row, ensure_ascii=False).encode() for row in each] for system, each in rows.items()}
    return padded(made), ()


def padded(files: Mapping[str, Sequence[bytes]]) -> dict[str, list[bytes]]:
    """Every file as long as the longest, filled up with line ends, which no reader shows."""
    length = max(len(raw) for each in files.values() for raw in each)
    return {system: [raw.ljust(length, b"\n") for raw in each] for system, each in files.items()}
