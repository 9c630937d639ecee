"""What lies beside images: tables, captions and the folders they are in, as fields of each image."""

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genwright.data.dataset import MEDIA, Category, Field, Number, Time
from genwright.data.delimited import parse_delimited
from genwright.data.encodings import decode_table, decode_text
from genwright.data.files import Files, readable, shown
from genwright.data.kinds import as_text
from genwright.data.schema import infer, is_wordy, type_columns
from genwright.data.table import MISSING, MissingMarks, RawColumn, RawTable, parse_json_lines
from genwright.errors import DataError, StorageError
from genwright.storage import parse_json

SIDE_FILES = ("labels.csv", "labels.jsonl", "captions.jsonl", "metadata.csv", "metadata.jsonl")
SIDE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")  # of tables that are looked at under any name
FILE_COLUMNS = (
    "file",
    "file_name",
    "filename",
    "image",
    "path",
    "filepath",
    "image_path",
    "img",
    "image_id",
    "id",
    "name",
)
LISTED_SHARE = 0.5  # of a table's rows that must name an image, if the table's own name does not tell what it is
COCO = (
    "is COCO's JSON, of objects or captions within images, and is not used; write a table of one row per image, "
    "such as labels.csv with file,label"
)
PARTS = frozenset({"train", "training", "valid", "val", "validation", "test", "testing"})


@dataclass(frozen=True)
class Beside:
    """Fields of images from what lies beside them, which of them is the label, and the files that they are from."""

    fields: tuple[Field, ...]
    columns: Mapping[str, np.ndarray]
    label: str | None
    notes: tuple[str, ...]
    used: frozenset[str]


def beside_images(
    files: Files, names: list[str], *, schema: Mapping[str, str | Field], label: str | None, missing: MissingMarks
) -> Beside:
    """Fields from tables and captions beside the images `names`, and from the folders they lie in."""
    cells: dict[str, list[str | None]] = {}
    notes: list[str] = []
    used = set[str]()
    places = _Places(names)
    for side in sorted(files.with_suffix(*SIDE_SUFFIXES)):
        found = _joined(files, side, places, cells, missing=missing, schema=schema)
        if found is not None:
            notes += found
            used.add(side)
    if captions := _captions(files, names):
        used |= set(captions.values())
        cells.setdefault("caption", [_caption(files, captions.get(name), notes) for name in names])
    if "label" not in cells:
        folders, more = folder_labels(names)
        cells = {"label": folders, **cells} if folders else cells
        notes += more
    unlisted = sum(all(c[i] is None for c in cells.values()) for i in range(len(names))) if cells else 0
    if unlisted:
        notes.append(f"{unlisted} of {len(names)} images have no entry in what lies beside them")
    if "image" in cells:
        raise DataError("a column called 'image' clashes with the image itself", where=files.where, hint="rename it")
    columns = tuple(RawColumn.of(name, texts) for name, texts in cells.items())
    if label is None and "label" in cells:
        label = "label"
    wordy = {c.name: "text" for c in columns if is_wordy(c) or (c.name == "caption" and captions)}
    schema = {**wordy, **({label: "category"} if label in cells else {}), **schema}
    typed = type_columns(RawTable(columns, files.where), schema=schema, label=label, free=as_text)
    return Beside(tuple(typed.fields), typed.columns, label, (*notes, *typed.notes), frozenset(used))


def _side_table(files: Files, side: str, *, missing: MissingMarks, schema: Mapping[str, str | Field]) -> RawTable:
    raw, where = files.read(side), f"{files.where}/{readable(side)}"
    if side.lower().endswith(".json"):  # a list of objects in one
        raw = _json_list(raw, where)
    if side.lower().endswith((".json", ".jsonl", ".ndjson")):
        return parse_json_lines(raw, where=where, missing=missing)
    table = parse_delimited(raw, where=where, missing=replace(missing, texts=missing.named | {""}))
    return replace(table, columns=tuple(_spelled(c, schema.get(c.name)) for c in table.columns))


def _json_list(raw: bytes, where: str) -> bytes:
    """One JSON list of objects as JSON lines."""
    try:
        records = parse_json(decode_table(raw, where)[0].encode(), where=where)
    except StorageError as error:
        raise DataError(error.what, where=where) from None
    if isinstance(records, dict) and {"images", "annotations"} <= records.keys():
        raise DataError(COCO, where=where)
    if not isinstance(records, list):
        raise DataError("not a list of objects", where=where)
    return "\n".join(map(json.dumps, records)).encode()


def _spelled(column: RawColumn, told: str | Field | None) -> RawColumn:
    """A column of a CSV: "NA" may be a class, but among numbers, times or truth values alone it means missing, unless
    the column is told to be of words.
    """
    marks = MISSING & set(column.texts)
    words = (
        told in ("text", "category")
        or isinstance(told, MEDIA)
        or (isinstance(told, Category) and marks & {*told.levels})
    )
    if words or not marks or len(marks) == len(column.texts):
        return column
    bare = column.renamed([None if text in marks else text for text in column.texts])
    try:
        field = infer(bare, free=as_text).field
    except DataError:  # it is said with the column's place when its type is told
        return column
    clear = isinstance(field, Number | Time) or (isinstance(field, Category) and field.dtype == "bool")
    return bare if clear else column


class _Places:
    """Which image a table means: by its path, its name alone, and each without suffix, where that leaves no doubt."""

    def __init__(self, names: Sequence[str]) -> None:
        self.size = len(names)
        self.forms: list[tuple[Callable[[str], str], dict[str, int | None]]] = []
        for form in (readable, _key, _name, _stem, lambda path: _stem(_name(path))):
            level: dict[str, int | None] = {}
            for i, name in enumerate(names):
                level[form(name)] = None if form(name) in level else i
            self.forms.append((form, level))

    def listed(self, column: RawColumn, folder: str) -> list[int | None]:
        """The image that each distinct text of a column names, in the first form in which any does.

        The column is of a table in `folder`. Names without suffix count only where the column's heading fits.
        """
        paths = [posixpath.normpath(text.replace("\\", "/")) for text in column.texts]
        below = [posixpath.normpath(posixpath.join(folder, path)) for path in paths]
        for form, level in self.forms if column.name.lower() in FILE_COLUMNS else self.forms[:3]:
            for each in (below, paths):
                found = [level.get(form(path)) for path in each]
                if any(at is not None for at in found):
                    return found
        return [None] * len(paths)


def _key(name: str) -> str:
    return readable(name).casefold()


def _name(path: str) -> str:
    return _key(posixpath.basename(path))


def _stem(name: str) -> str:
    return _key(posixpath.splitext(name)[0])


def _joined(
    files: Files,
    side: str,
    places: _Places,
    cells: dict[str, list[str | None]],
    *,
    missing: MissingMarks,
    schema: Mapping[str, str | Field],
) -> list[str] | None:
    """Put a table's cells beside the images that one of its columns names; notes on it, None if no column does."""
    known = posixpath.basename(side) in SIDE_FILES
    try:
        table = _side_table(files, side, missing=missing, schema=schema)
    except DataError as error:
        if error.what == COCO:
            return [f"{readable(side)} {COCO}"]
        if known:
            raise
        return None  # some other table; it is named among the files that are not used
    listed = {c.name: places.listed(c, posixpath.dirname(side)) for c in table.columns}
    key = max(table.columns, key=lambda c: (_share(c, listed[c.name]), -_rank(c.name)))
    share = _share(key, listed[key.name])
    if not share and known:
        raise _names_none(table)
    if not share or (not known and share < LISTED_SHARE):
        return None
    return [*table.notes, *_beside_rows(table, key, listed[key.name], files, places, cells)]


def _rank(name: str) -> int:
    return FILE_COLUMNS.index(name.lower()) if name.lower() in FILE_COLUMNS else len(FILE_COLUMNS)


def _share(column: RawColumn, listed: list[int | None]) -> float:
    named = sum(at is not None for at in listed)
    return named / len(listed) if named else 0.0


def _names_none(table: RawTable) -> DataError:
    keys = sorted((c for c in table.columns if _rank(c.name) < len(FILE_COLUMNS)), key=lambda c: _rank(c.name))
    if not keys:
        return DataError("no column names the image files", where=table.where, hint="call it 'file'")
    what = f"none of the files that {keys[0].name!r} names is there: {shown(keys[0].texts)}"
    return DataError(what, where=table.where, hint="paths start at this table, or at the folder")


def _beside_rows(
    table: RawTable,
    key: RawColumn,
    listed: list[int | None],
    files: Files,
    places: _Places,
    cells: dict[str, list[str | None]],
) -> list[str]:
    """Merge the table's other columns into `cells`; notes on entries that were not used."""
    row_of: dict[int, int] = {}
    for row in np.flatnonzero(key.codes >= 0).tolist():
        if (at := listed[key.codes[row]]) is not None:
            row_of.setdefault(at, row)
    for other in table.columns:
        if other is not key:
            merged = cells.setdefault(other.name, [None] * places.size)
            for at, row in row_of.items():
                if other.codes[row] >= 0:
                    merged[at] = other.texts[other.codes[row]]
    notes = []
    there = {_key(name) for name in files.names}
    lost = [t for t, at in zip(key.texts, listed, strict=True) if at is None and _key(t) not in there]
    if lost:
        notes.append(f"{len(lost)} entries of {table.where} name files that are not there: {shown(lost, most=10)}")
    repeated = sum(listed[code] is not None for code in key.codes[key.codes >= 0]) - len(row_of)
    if repeated:
        notes.append(f"{repeated} further entries for the same image are left out")
    return notes


def _captions(files: Files, names: list[str]) -> dict[str, str]:
    """The .txt file that is called as each image and lies beside it, if most images have one."""
    texts = {posixpath.splitext(name)[0]: name for name in files.with_suffix(".txt")}
    found = {name: texts[stem] for name in names if (stem := posixpath.splitext(name)[0]) in texts}
    return found if len(found) > len(names) / 2 else {}


def _caption(files: Files, name: str | None, notes: list[str]) -> str | None:
    if name is None:
        return None
    try:
        return decode_text(files.read(name), name)[0].strip()
    except DataError as error:
        notes.append(f"{readable(name)}: {error.what}")
        return None


def folder_labels(names: list[str]) -> tuple[list[str | None], list[str]]:
    """Each file's folder below the common one, as its label; nothing if all lie together."""
    parents = [readable(name).split("/")[:-1] for name in names]
    depth = next((i for i, level in enumerate(zip(*parents)) if len(set(level)) > 1), min(map(len, parents)))
    below = [p[depth:] for p in parents]
    notes = []
    if all(p and p[0].lower() in PARTS for p in below):
        below = [p[1:] for p in below]
        notes = ["the folders train, valid and test are read as one; genwright makes its own split"]
    labels = ["/".join(p) or None for p in below]
    return (labels, notes) if len(set(labels) - {None}) > 1 else ([], notes)
