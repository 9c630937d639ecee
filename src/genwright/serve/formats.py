"""Records as answers: in the files that their kind is written to, or as JSON."""

import base64
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from genwright.data.dataset import Dataset
from genwright.data.media import KINDS
from genwright.data.write import write, written
from genwright.serve.refusals import Refusal

JSON, ZIP = "application/json", "application/zip"
TYPES = {  # by suffix
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".wav": "audio/wav",
}
BESIDE = (".csv", ".jsonl")  # files of a folder that are not the records themselves

Format = Callable[[Dataset, dict[str, Any]], bytes]  # records, and what was asked for


def formats(kind: type, n: int) -> dict[str, Format]:
    """What n records of a kind can be answered in, by content type, the usual one first."""
    line = KINDS[kind]
    if line.folder is None:
        usual = sorted(line.formats, key=lambda suffix: suffix != line.suffix)
        return {TYPES[suffix]: _file(suffix) for suffix in usual} | {JSON: _records}
    alone: dict[str, Format] = {"image/png": _alone} if n == 1 else {}
    return alone | {ZIP: _zip, JSON: _with_files}


def chosen(accept: str, offered: Sequence[str]) -> str:
    """The type that `accept`, as in HTTP, prefers among those offered; Refusal (406) if it wants none of them.

    >>> chosen("text/html, application/json;q=0.9, */*;q=0.1", ["text/csv", "application/json"])
    'application/json'
    """
    wanted: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *rest = [each.strip() for each in part.split(";")]
        weight = next((each.removeprefix("q=") for each in rest if each.startswith("q=")), "1")
        wanted[name] = float(weight) if weight.replace(".", "", 1).isdigit() else 1.0

    def weight_of(offer: str) -> float:
        name = offer.partition(";")[0]
        return next((wanted[key] for key in (name, f"{name.partition('/')[0]}/*", "*/*") if key in wanted), 0.0)

    best = max(offered, key=weight_of)
    if weight_of(best) <= 0:
        names = ", ".join(each.partition(";")[0] for each in offered)
        raise Refusal(406, f"there is no such format: accept one of {names}", param="accept")
    return best


def _file(suffix: str) -> Format:
    return lambda data, facts: written(data, suffix)[0]


def _records(data: Dataset, facts: dict[str, Any]) -> bytes:
    return json.dumps(facts | {"records": _lines(data)}, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _lines(data: Dataset) -> list[Any]:
    return [json.loads(line) for line in written(data, ".jsonl")[0].split(b"\n") if line]


def _zip(data: Dataset, facts: dict[str, Any]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # PNGs are compressed already
        for name, raw in _folder(data).items():
            archive.writestr(zipfile.ZipInfo(name), raw)  # of no date, so that the same records are the same bytes
    return packed.getvalue()


def _alone(data: Dataset, facts: dict[str, Any]) -> bytes:
    return next(iter(_media(data)))


def _with_files(data: Dataset, facts: dict[str, Any]) -> bytes:
    """The media files in base64, beside the other fields."""
    medium = next(f.name for f in data.fields if f not in data.cells)
    beside = [f.name for f in data.cells]
    rows = _lines(data.select(beside)) if beside else [{} for _ in range(len(data))]
    files = [base64.b64encode(raw).decode() for raw in _media(data)]
    records = [{medium: file, **row} for file, row in zip(files, rows, strict=True)]
    return json.dumps(facts | {"records": records}, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _media(data: Dataset) -> list[bytes]:
    return [raw for name, raw in _folder(data).items() if not name.endswith(BESIDE)]


def _folder(data: Dataset) -> dict[str, bytes]:
    """The files that records are written to, by name."""
    with tempfile.TemporaryDirectory() as folder:
        write(data, Path(folder, "records"))
        return {path.name: path.read_bytes() for path in sorted(Path(folder, "records").iterdir())}
