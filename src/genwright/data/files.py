"""Bytes in and out: folders, zips and gz files read alike, files written whole or not at all."""

import gzip
import io
import lzma
import os
import posixpath
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from genwright.data.signer import BESIDE
from genwright.errors import DataError, NoRowsError

MAX_BYTES = 4 << 30  # of one file after decompression that is read at once; tables are streamed
SPARE_BYTES, MAX_EXPANSION = 1 << 26, 100  # that may come out of a compressed file, and for each byte of it
BLOCK = 1 << 20  # bytes of a stream decoded at a time
GZIP_MAGIC = b"\x1f\x8b"
UTF8_FLAG = 0x800  # of a zip member: its name is in UTF-8
UNREAD_SHARE = 0.1  # so many unreadable files among good ones are left out and named


@dataclass(frozen=True)
class Files:
    """The files of a folder or a zip: `names` are relative paths with forward slashes, sorted; `read` gives bytes.

    `notes` says what was passed over on the way.
    """

    where: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]
    notes: tuple[str, ...] = ()

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Names that end in one of `suffixes`, which are lower-case with their dot."""
        return [name for name in self.names if name.lower().endswith(suffixes)]

    def left_out(self, used: Iterable[str]) -> tuple[str, ...]:
        """Notes on what was passed over, and on all files but those `used`, by their suffixes."""
        used = {*used, *(name for name in self.names if name.endswith(BESIDE))}
        unused: dict[str, list[str]] = {}
        for name in self.names:
            if name not in used:
                unused.setdefault(posixpath.splitext(name)[1].lower() or "other", []).append(name)
        kinds = [f"{len(names)} {suffix} ({shown(names)})" for suffix, names in unused.items()]
        return (*self.notes, *((f"files not used: {', '.join(kinds)}",) if kinds else ()))


def shown(names: Sequence[str], most: int = 3) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(readable, names[:most])) + more


def readable(name: str) -> str:
    r"""The name of a file as text: its bytes that are not UTF-8 taken for Windows-1252, in one form of Unicode (NFC).

    >>> readable("caf\udce9/e\u0301te\u0301") == "café/été"
    True
    """
    return "/".join(unicodedata.normalize("NFC", _decoded(part)) for part in name.split("/"))


def _decoded(part: str) -> str:
    try:
        part.encode()
        return part
    except UnicodeEncodeError:
        raw = part.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def unread(bad: Mapping[str, str], total: int, where: str) -> list[str]:
    """A note on files that could not be read, name to reason; raises DataError naming them if they are many of all."""
    if not bad:
        return []
    if len(bad) <= UNREAD_SHARE * total:
        return [f"{len(bad)} of {total} files could not be read and are left out: {_reasons(bad, most=10)}"]
    if len(bad) == 1:
        name, why = next(iter(bad.items()))
        raise DataError(why, where=f"{where}/{readable(name)}", hint="replace or remove the file")
    what = f"{len(bad)} of {total} files cannot be read: {_reasons(bad, most=10)}"
    raise DataError(what, where=where, hint="replace or remove these files")


def _reasons(bad: Mapping[str, str], most: int) -> str:
    """Names by their reason, the reason said once."""
    by: dict[str, list[str]] = {}
    for name, why in bad.items():
        by.setdefault(why, []).append(name)
    return "; ".join(f"{shown(names, most)}: {why}" for why, names in list(by.items())[:most])


def files_in(path: Path) -> Files:
    """The files of a folder, at any depth and through links, or of a zip archive; hidden ones are left out."""
    if path.is_dir():
        names, notes = _walked(path)
        return Files(str(path), names, lambda name: read_bytes(path / name), notes)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise DataError(f"cannot open the archive: {error}", where=str(path), hint="is it a complete .zip?") from None
    members = {_member_name(info): info for info in archive.infolist() if not info.filename.endswith(("/", "\\"))}
    outside = [name for name in members if name.split("/")[0] == ".."]
    notes = (f"members outside the archive are passed over: {shown(outside)}",) if outside else ()
    if twice := sum(not info.filename.endswith(("/", "\\")) for info in archive.infolist()) - len(members):
        notes += (f"{twice} members are called as later ones, which are used",)
    names = tuple(sorted(name for name in members if name not in outside and not _hidden(name)))
    return Files(str(path), names, lambda name: _read_member(archive, members[name], str(path)), notes)


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _member_name(info: zipfile.ZipInfo) -> str:
    """A member's path as other programs mean it: `\\` parts folders too, `./` says nothing, UTF-8 may be unmarked."""
    name = info.filename
    if not info.flag_bits & UTF8_FLAG:  # zipfile took it for code page 437
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/")


def _walked(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files below a folder, linked ones too, each folder once; and notes on what cannot be followed."""
    names, passed = list[str](), dict[str, list[str]]()
    folders, links, seen = [""], list[str](), set[tuple[int, int]]()
    while folders or links:  # what lies here goes before what is linked to
        inside = folders.pop() if folders else links.pop(0)
        try:
            status = os.stat(root / inside)
            if (status.st_dev, status.st_ino) in seen:
                passed.setdefault("linked folders that are read already, or lead in a circle", []).append(inside)
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(root / inside), key=lambda entry: entry.name)
        except OSError as error:
            passed.setdefault(f"folders ({error.strerror})", []).append(inside or ".")
            continue
        for entry in entries:
            name = inside + entry.name
            if _hidden(entry.name):
                continue
            if os.path.isdir(entry.path):
                (links if entry.is_symlink() else folders).append(f"{name}/")
            elif os.path.isfile(entry.path):
                names.append(name)
            else:
                passed.setdefault("broken links and the like", []).append(name)
    return tuple(sorted(names)), tuple(f"passed over, {why}: {shown(those)}" for why, those in passed.items())


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    name = member.filename
    most = _most(member.compress_size)
    if member.file_size > most:
        raise _too_large(most, f"{where}:{name}")
    try:
        with archive.open(member) as stream:
            raw = stream.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise DataError(f"damaged archive member: {error}", where=f"{where}:{name}") from None
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise DataError(str(error), where=f"{where}:{name}", hint="unpack it and give the folder") from None
    return _checked_size(raw, most, f"{where}:{name}")


def read_bytes(path: Path) -> bytes:
    """The whole file, unzipped if it is gzip (told by its first bytes, not by its name)."""
    try:
        with path.open("rb") as stream:
            zipped = stream.read(2) == GZIP_MAGIC
        most = _most(path.stat().st_size) if zipped else MAX_BYTES
        with gzip.open(path) if zipped else path.open("rb") as stream:
            raw = stream.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"damaged gzip file: {error}", where=str(path), hint="it may be cut short; fetch it again"
        ) from None
    except OSError as error:
        raise DataError(error.strerror or str(error), where=str(path)) from None
    return _checked_size(raw, most, str(path))


@dataclass(frozen=True)
class Stream:
    """Bytes that can be read from their beginning as often as need be, without all being in memory."""

    where: str
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, raw: bytes, where: str) -> "Stream":
        """Bytes that are in memory."""
        return cls(where, lambda: io.BytesIO(raw))

    @classmethod
    def at(cls, path: Path) -> "Stream":
        """A file, unzipped if it is gzip; raises DataError if it is not there, or empty."""
        try:
            with path.open("rb") as stream:
                zipped = stream.read(2) == GZIP_MAGIC
                if not stream.seek(0, io.SEEK_END):
                    raise NoRowsError("the file is empty", where=str(path))
        except OSError as error:
            raise DataError(error.strerror or str(error), where=str(path)) from None
        return cls(str(path), lambda: gzip.open(path) if zipped else path.open("rb"))  # type: ignore[arg-type,return-value]

    def blocks(self) -> Iterator[bytes]:
        """All bytes, a block at a time."""
        try:
            with self.open() as stream:
                while block := stream.read(BLOCK):
                    yield block
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            hint = "it may be cut short; fetch it again"
            raise DataError(f"damaged gzip file: {error}", where=self.where, hint=hint) from None
        except OSError as error:
            raise DataError(error.strerror or str(error), where=self.where) from None

    def text(self, encoding: str) -> io.TextIOWrapper:
        """Decoded, line ends as they are."""
        return io.TextIOWrapper(self.open(), encoding=encoding, newline="")


def _most(packed: int) -> int:
    """How many bytes may come out of so many that are compressed."""
    return min(MAX_BYTES, SPARE_BYTES + MAX_EXPANSION * packed)


def _too_large(most: int, where: str) -> DataError:
    if most == MAX_BYTES:
        return DataError(f"larger than {most >> 30} GiB", where=where, hint="give a sample of the data")
    what = f"larger than {most / 2**20:,.1f} MiB, {MAX_EXPANSION} times as large as it is compressed"
    return DataError(what, where=where, hint="if that is what it should be, unpack it and give the result")


def _checked_size(raw: bytes, most: int, where: str) -> bytes:
    if len(raw) > most:
        raise _too_large(most, where)
    if not raw:
        raise NoRowsError("the file is empty", where=where)
    return raw
