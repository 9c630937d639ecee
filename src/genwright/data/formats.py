"""The files that records are written to, by suffix, and folders of images."""

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from genwright.data.arrow import json_as
from genwright.data.cells import cells
from genwright.data.dataset import MEDIA, Category, Dataset, Field, Identifier, Image, Number, Text, Time
from genwright.data.delimited import write_delimited
from genwright.data.encodings import encode_text, encoding_of
from genwright.data.files import Stream
from genwright.data.images import LEVELS_KEY, scale_levels
from genwright.data.signer import BESIDE, Signer, put
from genwright.data.stored import arrow_array
from genwright.data.table import MISSING
from genwright.data.text import parse_text, passages
from genwright.errors import ArgumentError, DataError
from genwright.folders import new_folder

OUR_FILES = re.compile(rf"[0-9]{{5,}}\.png|(labels\.(csv|jsonl)|captions\.jsonl)({re.escape(BESIDE)})?")


def _delimited(data: Dataset, delimiter: str) -> tuple[bytes, tuple[str, ...]]:
    columns = [cells(f, data.columns[f.name]) for f in data.fields]
    raw = write_delimited([f.name for f in data.fields], columns, delimiter=delimiter).encode("utf-8", "surrogatepass")
    try:
        held = encoding_of(Stream.of(raw, "")) == "utf-8"
    except DataError:
        held = False
    if not held:
        what = "holds control characters, halves of characters or zero bytes, which a text file does not keep"
        raise ArgumentError(what, hint="write .jsonl or .parquet")
    return raw, ()


def _json_lines(data: Dataset) -> tuple[bytes, tuple[str, ...]]:
    keys = [json.dumps(f.name) + ": " for f in data.fields]
    rows = zip(*(_json_values(f, data.columns[f.name]) for f in data.fields), strict=True)
    lines = "".join("{" + ", ".join(map(str.__add__, keys, row)) + "}\n" for row in rows)
    notes = ("each passage of the running text is a record of its own; .txt keeps them joined",) if data.running else ()
    return lines.encode("utf-8"), notes


def _json_values(field: Field, column: np.ndarray) -> list[str]:
    """Values as JSON: of the types they were read with; else numbers with their decimals, true and false where they
    were written so, and strings.
    """
    texts = cells(field, column)
    if field.storage is not None and field.storage.type:
        return ["null" if t is None else json_as(t, field.storage.type) or _json_string(t) for t in texts]
    match field:
        case Number(form="") | Category(dtype="int"):
            return [t or "null" for t in texts]
        case Category(dtype="bool", levels=levels) if set(levels) <= {"true", "false"}:
            return [t or "null" for t in texts]
    return [_json_string(t) for t in texts]


def _json_string(text: str | None) -> str:
    # Lone surrogates stand for bytes that were not UTF-8; only the ASCII form of JSON can hold them, and controls.
    return json.dumps(text, ensure_ascii=text is not None and re.search("[\x7f-\x9f\ud800-\udfff]", text) is not None)


def _parquet(data: Dataset) -> tuple[bytes, tuple[str, ...]]:
    arrays = [arrow_array(f, data.columns[f.name]) for f in data.fields]
    stream = io.BytesIO()
    pq.write_table(pa.table([array for array, _ in arrays], names=[f.name for f in data.fields]), stream)
    return stream.getvalue(), tuple(note for _, note in arrays if note)


def _plain_text(data: Dataset) -> tuple[bytes, tuple[str, ...]]:
    """Running text joined; other texts one per line, in the encoding that they were read in."""
    field = data.medium(Text)
    texts = data.columns[field.name].tolist()
    notes = tuple(f"{f.name!r} is left out; .jsonl keeps it" for f in data.fields if f is not field)
    if field.running:
        raw, more = encode_text("".join(texts), field.encoding)
        if passages("".join(texts)) != texts:
            more += (f"{len(texts)} passages are joined end to end; .jsonl keeps them apart",)
        if not _reads_back(raw, None, running=True):
            more += ("without blank lines it is read as lines, unless records='running' is said",)
        return raw, notes + more
    raw, more = encode_text("".join(t + "\n" for t in texts), field.encoding)
    if not _reads_back(raw, texts, running=False):
        hint = "write .jsonl, which holds any text"
        raise ArgumentError(f"lines of a .txt do not hold all of {len(texts)} records: {_unheld(texts)}", hint=hint)
    return raw, notes + more


def _reads_back(raw: bytes, texts: list[str] | None, *, running: bool) -> bool:
    """Whether a .txt is read again as the kind of text that it was, with these records if they are given."""
    try:
        back = parse_text(raw, where="", records=None)
    except DataError:
        return False
    field = back.medium(Text)
    return field.running is running and (texts is None or back.columns[field.name].tolist() == texts)


def _unheld(texts: list[str]) -> str:
    """What keeps records from being lines."""
    blank, broken = sum(not t.strip() for t in texts), sum("\n" in t or "\r" in t for t in texts)
    counts = ((blank, "blank"), (broken, "with line breaks within"))
    return ", ".join(f"{n} {what}" for n, what in counts if n) or "bytes that are no text"


Writer = Callable[[Dataset], tuple[bytes, tuple[str, ...]]]
TABLE_FORMATS: Mapping[str, Writer] = {
    ".csv": lambda data: _delimited(data, ","),
    ".tsv": lambda data: _delimited(data, "\t"),
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
TEXT_FORMATS: Mapping[str, Writer] = {".txt": _plain_text, ".jsonl": _json_lines}


def write_images(data: Dataset, path: Path, signer: Signer) -> tuple[str, ...]:
    """A folder of PNGs, each of which tells of its own origin, with labels and captions beside them."""
    image = data.medium(Image)
    width = max(5, len(str(len(data) - 1)))
    names = [f"{i:0{width}d}.png" for i in range(len(data))]
    beside = data.cells
    texts = [f for f in beside if isinstance(f, MEDIA)]
    scalars = sorted((f for f in beside if f not in texts), key=lambda f: f.name != data.label)
    with new_folder(path, ours=lambda name: OUR_FILES.fullmatch(name) is not None) as folder:
        for i, (name, pixels) in enumerate(zip(names, data.columns[image.name], strict=True)):
            own = None if data.origin is None else data.origin.take([i])
            for each, raw in signer(name, png_bytes(pixels, image), own).items():
                (folder / each).write_bytes(raw)
        if scalars:
            table = _with_files(data, names, scalars)
            plain = all(_is_plain(data.columns[f.name]) for f in scalars if not isinstance(f, Number | Time))
            raw, _ = _delimited(table, ",") if plain else _json_lines(table)
            put(folder / ("labels.csv" if plain else "labels.jsonl"), raw, signer=signer, origin=data.origin)
        if texts:
            raw = _json_lines(_with_files(data, names, beside))[0]
            put(folder / "captions.jsonl", raw, signer=signer, origin=data.origin)
    return ()


def _is_plain(column: np.ndarray) -> bool:
    """Whether a CSV gives these texts back: none is a mark of a missing value, or has blanks around it or controls."""
    texts = set(column.tolist()) - {None}
    return not texts & MISSING and all(t == t.strip() and t.isprintable() for t in texts)


def _with_files(data: Dataset, names: list[str], fields: Sequence[Field]) -> Dataset:
    columns = {"file": np.array(names, dtype=object)} | {f.name: data.columns[f.name] for f in fields}
    return Dataset((Identifier("file"), *fields), columns)


def png_bytes(pixels: UInt8[np.ndarray, "h w c"], field: Image) -> bytes:
    """One image as PNG; fewer than 256 grey levels are spread over the full range and counted in a text chunk."""
    info = None
    if field.mode == "1":
        image = Pillow.fromarray(pixels[:, :, 0] * np.uint8(255)).convert("1", dither=Pillow.Dither.NONE)
    else:
        if field.levels != 256:
            pixels = scale_levels(pixels, field.levels, 256)
            info = PngInfo()
            info.add_text(LEVELS_KEY, str(field.levels))
        image = Pillow.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    stream = io.BytesIO()
    image.save(stream, "PNG", pnginfo=info)
    return stream.getvalue()
