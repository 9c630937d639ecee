"""Bytes to text and back: which encoding a file is in, told from all of its bytes."""

import codecs
import math
import re
from collections.abc import Iterable, Iterator, Sequence

from genwright.data.files import Stream
from genwright.errors import DataError, NoRowsError

HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # lone surrogates, but for those of bytes that are not UTF-8
MARKS = (  # byte-order marks; that of UTF-32 begins like that of UTF-16, so it comes first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
UNUSED_CODES = (0x81, 0x8D, 0x8F, 0x90, 0x9D)  # bytes that stand for nothing in Windows-1252
UNUSED = re.compile(b"[" + bytes(UNUSED_CODES) + b"]")
CONTROLS = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f" + "".join(map(chr, UNUSED_CODES)) + "]")
LOOKED_AT = 65_536  # characters of a block that are counted
SAMPLE = 4096  # bytes that are looked at for UTF-16 without its mark
BINARY_SHARE = 0.05  # of control characters, from which on a file is not text
BINARY_HINT = "genwright reads tables, images and text; see `genwright run --help` for the formats. Save text as UTF-8"
NUL_HINT = "remove it, for example with: tr -d '\\000' < OLD > NEW; if the file is UTF-16, save it as UTF-8"
LINE_HINT = "is it a table, with a row in each line?"
LATIN_NOTE = "not UTF-8: read as {}, so check accented letters; if they are wrong, save the file as UTF-8"
LATIN = {"cp1252": "Windows-1252 (Latin-1)", "latin-1": "Latin-1"}


def encoding_of(stream: Stream, *, longest: float = math.inf) -> str:
    """The encoding of a text: UTF-8, UTF-16 or UTF-32, or else Windows-1252 or Latin-1. Looks at every byte.

    Raises DataError for what is no text: an empty file, NULs (their place is named), mostly control characters; and
    for lines of far more than `longest` characters, of which a small compressed file may hold endless ones.
    """
    first = next(stream.blocks(), b"")
    if not first:
        raise NoRowsError("the file is empty", where=stream.where)
    encoding = unicode_encoding(first)
    if encoding is not None:
        try:
            _refuse_binary(_decoded(stream.blocks(), encoding), stream.where, longest)
            return encoding
        except UnicodeDecodeError:
            pass
    _refuse_binary(_decoded(stream.blocks(), "latin-1"), stream.where, longest)
    return "latin-1" if any(UNUSED.search(block) for block in stream.blocks()) else "cp1252"


def _decoded(blocks: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def encoding_notes(encoding: str) -> tuple[str, ...]:
    """What to tell of an encoding that was guessed."""
    return (LATIN_NOTE.format(LATIN[encoding]),) if encoding in LATIN else ()


def decode_table(raw: bytes, where: str) -> tuple[str, tuple[str, ...]]:
    """Text of a table, and notes on its encoding."""
    encoding = encoding_of(Stream.of(raw, where))
    return raw.decode(encoding), encoding_notes(encoding)


def decode_text(raw: bytes, where: str) -> tuple[str, str, tuple[str, ...]]:
    """A text, its encoding to write it back in, and notes.

    Where most letters beyond ASCII are whole in UTF-8, stray bytes become lone surrogates (PEP 383), so that nothing is
    lost.
    """
    encoding = encoding_of(Stream.of(raw, where))
    if encoding in LATIN:
        text = raw.decode("utf-8", "surrogateescape")
        stray = [at for at, c in enumerate(text) if "\udc80" <= c <= "\udcff"]
        if sum(not c.isascii() for c in text) > 2 * len(stray):
            line = text.count("\n", 0, stray[0]) + 1
            what = f"{len(stray)} bytes are not UTF-8 as the rest, the first in line {line}; they are kept as they are"
            return text, "utf-8", (what,)
    # Written without its mark, UTF-16 of a few words could not be told from other bytes.
    kept = "utf-16" if encoding.startswith("utf-16") else encoding
    return raw.decode(encoding), kept, encoding_notes(encoding)


def encode_text(text: str, encoding: str) -> tuple[bytes, tuple[str, ...]]:
    """A text in an encoding, or in UTF-8 where that cannot hold it or would be read as something else; and notes."""
    try:
        raw = text.encode(encoding)
        if not raw or decode_text(raw, "")[0] == text:
            return raw, ()
    except (UnicodeEncodeError, DataError):
        pass
    marked = "utf-8-sig" if text.startswith("\ufeff") else "utf-8"
    notes = () if encoding.startswith("utf-8") else (f"written as UTF-8, since {encoding} does not hold all of it",)
    return text.encode(marked, "surrogateescape"), notes


def unicode_encoding(raw: bytes) -> str | None:
    """UTF-8, UTF-16 or UTF-32 by the byte-order mark and the zeros among the first bytes; None if it can be none."""
    for mark, encoding in MARKS:
        if raw.startswith(mark):
            return encoding
    if b"\0" not in raw[:SAMPLE]:
        return "utf-8"
    # UTF-16 without its mark: in Western text every other byte is zero, and few of the rest.
    first, second = raw[0:SAMPLE:2].count(0), raw[1:SAMPLE:2].count(0)
    if max(first, second) >= 0.3 * len(raw[:SAMPLE:2]) and min(first, second) <= 0.1 * len(raw[:SAMPLE:2]):
        return "utf-16-be" if first > second else "utf-16-le"
    plausible = [e for e in ("utf-16-le", "utf-16-be") if _reads_well(raw[:SAMPLE], e)]
    return plausible[0] if len(plausible) == 1 else None


def _reads_well(raw: bytes, encoding: str) -> bool:
    """Whether bytes are words in an encoding: no control or unassigned characters, and blanks between them.

    With its bytes swapped, a blank is U+2000 and a line break U+0A00, which no text holds.
    """
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(raw)
    except UnicodeDecodeError:
        return False
    return any(c in " \n" for c in text) and all(c.isprintable() or c in "\t\n\r\f\xa0\u3000" for c in text)


def _refuse_binary(pieces: Iterable[str], where: str, longest: float) -> None:
    """Raise if this cannot be text: it has NULs, or control characters beyond a stray few."""
    lines, column = 1, 0
    for text in pieces:
        if len(CONTROLS.findall(text, 0, LOOKED_AT)) > BINARY_SHARE * min(len(text), LOOKED_AT):
            raise DataError("binary data where text was expected", where=where, hint=BINARY_HINT)
        before, nul, _ = text.partition("\0")
        lines, column = lines + before.count("\n"), (0 if "\n" in before else column) + len(before.rpartition("\n")[2])
        if column > 2 * longest:
            raise DataError(f"a line of {longest:,} characters or more", where=f"{where}, line {lines}", hint=LINE_HINT)
        if nul:
            what = f"a zero byte (NUL) in line {lines}, at character {column + 1}"
            raise DataError(what, where=where, hint=NUL_HINT)


def without_halves(texts: Sequence[str], counts: Sequence[int]) -> tuple[list[str], tuple[str, ...]]:
    """Texts that can be written as UTF-8, halves of cut emoji and the like as U+FFFD, and a note on how many of the
    `counts` of each text there were with such.
    """
    whole = [HALVES.sub("\ufffd", text) for text in texts]
    count = sum(n for text, other, n in zip(texts, whole, counts, strict=True) if text != other)
    return whole, (f"{count} texts hold halves of characters, which become U+FFFD",) if count else ()
