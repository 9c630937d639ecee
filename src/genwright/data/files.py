"""Bytes in and out: folders, zips and gz files read alike, text decoded, files written whole or not at all."""

import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genwright.errors import DataError

MAX_BYTES = 4 << 30  # of one file after decompression that is read at once; tables are streamed
BLOCK = 1 << 20  # bytes of a stream decoded at a time
GZIP_MAGIC = b"\x1f\x8b"
BINARY_HINT = "genwright reads tables, images and text; see `genwright run --help` for the formats"


@dataclass(frozen=True)
class Files:
    """The files of a folder or a zip: `names` are relative paths with forward slashes, sorted; `read` gives bytes."""

    where: str
    names: tuple[str, ...]
    read: Callable[[str], bytes]

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Names that end in one of `suffixes`, which are lower-case with their dot."""
        return [name for name in self.names if name.lower().endswith(suffixes)]


def files_in(path: Path) -> Files:
    """The files of a folder, at any depth, or of a zip archive; hidden ones are left out."""
    if path.is_dir():
        found = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
        return Files(str(path), _visible(found), lambda name: read_bytes(path / name))
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise DataError(f"cannot open the archive: {error}", where=str(path), hint="is it a complete .zip?") from None
    names = _visible(info.filename for info in archive.infolist() if not info.is_dir())
    return Files(str(path), names, lambda name: _read_member(archive, name, str(path)))


def _visible(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted(n for n in names if not any(part.startswith((".", "__MACOSX")) for part in n.split("/"))))


def _read_member(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    try:
        with archive.open(name) as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise DataError(f"damaged archive member: {error}", where=f"{where}:{name}") from None
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise DataError(str(error), where=f"{where}:{name}", hint="unpack it and give the folder") from None
    return _checked_size(raw, f"{where}:{name}")


def read_bytes(path: Path) -> bytes:
    """The whole file, unzipped if it is gzip (told by its first bytes, not by its name)."""
    try:
        with path.open("rb") as stream:
            zipped = stream.read(2) == GZIP_MAGIC
        with gzip.open(path) if zipped else path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"damaged gzip file: {error}", where=str(path), hint="it may be cut short; fetch it again"
        ) from None
    except OSError as error:
        raise DataError(error.strerror or str(error), where=str(path)) from None
    return _checked_size(raw, str(path))


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
                    raise DataError("the file is empty", where=str(path))
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


def table_encoding(stream: Stream) -> str:
    """The encoding of a table: UTF-8, UTF-16, or Latin-1 where it is neither. Looks at every byte."""
    first = next(stream.blocks(), b"")
    if not first:
        raise DataError("the file is empty", where=stream.where)
    encoding = unicode_encoding(first)
    if encoding is not None:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for block in stream.blocks():
                _refuse_binary(decoder.decode(block), stream.where)
            decoder.decode(b"", final=True)
            return encoding
        except UnicodeDecodeError:
            pass
    for block in stream.blocks():
        _refuse_binary(block.decode("latin-1"), stream.where)
    return "latin-1"


def _checked_size(raw: bytes, where: str) -> bytes:
    if len(raw) > MAX_BYTES:
        raise DataError(f"larger than {MAX_BYTES >> 30} GiB", where=where, hint="give a sample of the data")
    if not raw:
        raise DataError("the file is empty", where=where)
    return raw


def decode_table(raw: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    """Text of a table, and notes on its encoding: UTF-8, UTF-16, or Latin-1 where it is neither."""
    text = decode_unicode(raw, where)
    if text is not None:
        return text, ()
    text = raw.decode("latin-1")
    _refuse_binary(text, where)
    return text, ("not UTF-8: read as Latin-1, so check accented letters",)


def decode_exact(raw: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    """Running text, and notes; bytes that are not UTF-8 become lone surrogates (PEP 383), so that nothing is lost."""
    text = decode_unicode(raw, where)
    if text is not None:
        return text, ()
    text = raw.decode("utf-8", "surrogateescape")
    count = sum("\udc80" <= c <= "\udcff" for c in text)
    _refuse_binary(raw.decode("latin-1"), where)
    return text, (f"{count} bytes are not UTF-8; they are kept as they are",)


def decode_unicode(raw: bytes, where: str) -> str | None:
    """Text in UTF-8 or UTF-16, without its byte-order mark; None if it is neither."""
    encoding = unicode_encoding(raw)
    if encoding is None:
        return None
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        return None
    _refuse_binary(text, where)
    return text


def unicode_encoding(raw: bytes) -> str | None:
    """UTF-8 or UTF-16 by the byte-order mark and the zeros among the first bytes; None if it can be neither."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if raw.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if b"\0" not in raw[:4096]:
        return "utf-8"
    # UTF-16 without its mark: in Western text every other byte is zero, and few of the rest.
    first, second = raw[0:4096:2].count(0), raw[1:4096:2].count(0)
    if max(first, second) < 0.3 * len(raw[:4096:2]) or min(first, second) > 0.1 * len(raw[:4096:2]):
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _refuse_binary(text: str, where: str) -> None:
    """Raise if `text` cannot be text: it has NULs, or control characters (C0 and C1) beyond a stray few."""
    codes = np.frombuffer(text[:65536].encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    control = (codes < 32) & ~np.isin(codes, (9, 10, 11, 12, 13, 27)) | (codes >= 127) & (codes < 160)
    if "\0" in text or control.sum() > 0.05 * len(codes):
        raise DataError("binary data where text was expected", where=where, hint=BINARY_HINT)
