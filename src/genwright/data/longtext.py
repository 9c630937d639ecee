"""A running text that stays on the disk: of a file larger than memory, those passages that are asked for are read."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from genwright.data import ondisk
from genwright.data.dataset import Dataset, Text
from genwright.data.encodings import encoding_of
from genwright.data.files import GZIP_MAGIC, Stream
from genwright.data.text import LONGEST, TEXT_NAME, Records, has_paragraphs, passages, text_lines
from genwright.errors import DataError


@dataclass(frozen=True, eq=False)
class LongText:
    """A column of passages of a file of UTF-8, which are read when they are gone through, a few at a time.

    Passage i of the file is the bytes from `bounds[i]` to `bounds[i + 1]`; `rows` are those in the column.
    """

    path: Path
    bounds: Int[np.ndarray, " edges"] = field(repr=False)
    rows: Int[np.ndarray, " m"] = field(repr=False)

    dtype = np.dtype(object)

    @property
    def shape(self) -> tuple[int]:
        return (len(self.rows),)

    @property
    def sizes(self) -> Int[np.ndarray, " m"]:
        """Bytes of each passage."""
        return self.bounds[self.rows + 1] - self.bounds[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> "LongText | str":
        """Some of the passages, or one."""
        if isinstance(index, (int, np.integer)):
            return next(iter(self[np.array([index])]))
        return replace(self, rows=self.rows[index])

    def __iter__(self) -> Iterator[str]:
        for some in self.blocks():
            yield from (raw.decode() for raw in some)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        found = np.empty(len(self), dtype=object)
        found[:] = list(self)
        return found

    def blocks(self) -> Iterator[list[bytes]]:
        """Passages in their order, about as many bytes at a time as are looked at together."""
        jumps = np.diff(self.rows, prepend=-2) != 1
        full = np.diff(self.sizes.cumsum() // ondisk.AT_ONCE, prepend=-1) != 0
        with self.path.open("rb") as file:
            for start, stop in pairwise([*np.flatnonzero(jumps | full), len(self)]):
                first, last = self.rows[start], self.rows[stop - 1]
                edges = (self.bounds[first : last + 2] - self.bounds[first]).tolist()
                file.seek(int(self.bounds[first]))
                raw = file.read(edges[-1])
                if len(raw) < edges[-1]:
                    raise DataError("the file was cut short while it was read", where=str(self.path))
                yield [raw[a:b] for a, b in pairwise(edges)]

    def spread(self, size: int) -> list[bytes]:
        """Passages evenly spread over the column, of about `size` bytes together."""
        step = max(1, int(self.sizes.sum()) // size)
        return [raw for some in replace(self, rows=self.rows[::step]).blocks() for raw in some]


def long_text(path: Path, *, records: Records | None) -> Dataset | None:
    """The running text in a large file of UTF-8; None for any other, which has to be read as a whole.

    Whether blank lines part it into paragraphs is told by its beginning. Its passages are those of
    `genwright.data.text.passages`.
    """
    if records not in (None, "running") or path.stat().st_size <= ondisk.MAX_RESIDENT:
        return None
    with path.open("rb") as file:
        if file.read(2) == GZIP_MAGIC or encoding_of(Stream.at(path)) != "utf-8":
            return None
    if records is None and not has_paragraphs(text_lines(next(_decoded(path)))):
        return None
    sizes, left = [], ""
    for block in _decoded(path):
        found = passages(left + block)
        room = len(left) + len(block) - LONGEST  # where a passage has to begin to be told for certain
        certain = int(np.searchsorted(np.cumsum([0, *map(len, found)])[:-1], room, side="right"))
        sizes += [len(each.encode()) for each in found[:certain]]
        left = "".join(found[certain:])
    sizes += [len(each.encode()) for each in passages(left)]
    column = LongText(path, np.cumsum([0, *sizes]), np.arange(len(sizes)))
    notes = ("the text stays on the disk and is read in parts",)
    return Dataset((Text(TEXT_NAME, running=True),), {TEXT_NAME: column}, path.name, None, notes)


def _decoded(path: Path) -> Iterator[str]:
    """What is in a file of UTF-8, part by part."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while raw := file.read(ondisk.AT_ONCE):
            yield decoder.decode(raw)
