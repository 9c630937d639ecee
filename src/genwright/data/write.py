"""write: a Dataset to files in the formats it was read from; reading them back gives the same Dataset."""

import gzip
from os import PathLike
from pathlib import Path
from typing import Literal

from genwright.data.dataset import Dataset, Field
from genwright.data.media import KINDS
from genwright.data.signer import Signer, put, unsigned
from genwright.data.sql import Address, is_url
from genwright.errors import ArgumentError
from genwright.folders import probe

IfExists = Literal["fail", "replace", "append"]


def write(
    data: Dataset,
    path: str | PathLike[str],
    *,
    table: str | None = None,
    if_exists: IfExists = "fail",
    signer: Signer = unsigned,
) -> tuple[str, ...]:
    """Write `data` to `path`, and return notes on anything that the format could not hold.

    `path` may be the URL of a database: `table` (or `?table=`) is then written in one transaction, and `if_exists` says
    what becomes of one that is there.

    Tables: .csv, .tsv, .jsonl (each also with .gz) or .parquet. Text: .txt or .jsonl. Images: a folder of PNGs with
    `labels.csv` (file, label and other scalars; `labels.jsonl` where a CSV would not tell a class such as "NA" from a
    missing one) and, if there are texts, `captions.jsonl`; or, to look at, one .png of all of them. Numbers keep their
    decimals and times their format; missing values are left empty. A file is replaced whole or not at all. `signer`
    signs files: see `genwright.provenance`.

    Raises ArgumentError for a suffix that does not fit the data, for records that lines of a .txt cannot hold, and for
    a folder that holds other files.
    """
    if isinstance(path, str) and is_url(path):
        from genwright.data.sql_write import write_sql

        return write_sql(data, Address.of(path, table=table), if_exists=if_exists)
    if table is not None or if_exists != "fail":
        raise ArgumentError("table= and if_exists= are for databases", where=str(path), hint="leave them out")
    path = Path(path)
    check_target(path, data.media)
    folder = KINDS[data.kind].folder
    if folder is not None and _suffix(path) not in KINDS[data.kind].formats:
        return folder(data, path, signer)
    try:
        raw, notes = written(data, _suffix(path))
    except ArgumentError as error:
        raise ArgumentError(error.what, where=str(path), hint=error.hint) from None
    raw = gzip.compress(raw, mtime=0) if path.name.lower().endswith(".gz") else raw
    return notes + put(path, raw, signer=signer, origin=data.origin)


def check_target(path: Path, media: Field | None) -> None:
    """Raise, before records are drawn for it, where `write` cannot put records with such a media field at `path`."""
    kind = KINDS[type(media)]
    if kind.folder is not None and (_suffix(path) not in kind.formats or path.is_dir()):
        if path.suffix and not path.is_dir():
            what, sheets = f"{kind.many} are written to a folder", " or ".join(kind.formats)
            raise ArgumentError(what, where=str(path), hint=f"try {path.with_suffix('')}, or one sheet: {sheets}")
    elif _suffix(path) not in kind.formats or path.name.lower().endswith(".parquet.gz"):
        hint = f"try {', '.join(kind.formats)}"
        raise ArgumentError(f"cannot write {path.suffix or 'this'!r}", where=str(path), hint=hint)
    elif path.is_dir():
        raise ArgumentError("there is a folder of this name", where=str(path), hint="give another name")
    probe(path)


def written(data: Dataset, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a file that ends in `suffix`, and notes on what it cannot hold; not for what goes to a folder."""
    return KINDS[data.kind].formats[suffix](data)


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def held_at(data: Dataset, path: str) -> tuple[str, tuple[str, ...]]:
    """Where to write: `path`, or with .jsonl for the .txt that cannot hold the records, and a note that says so."""
    name = path.removesuffix(".gz")
    if name.lower().endswith(".txt") and ".txt" in KINDS[data.kind].formats and not is_url(path):
        try:
            written(data, ".txt")
        except ArgumentError as error:
            other = name[:-4] + ".jsonl" + path[len(name) :]
            return other, (f"{error.what}; written to {other} instead",)
    return path, ()
