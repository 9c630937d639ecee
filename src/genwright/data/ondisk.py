"""Images that stay on the disk: of an .npy file larger than memory, those that are asked for are read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from genwright.errors import DataError

MAX_RESIDENT = 2**30  # bytes of a file that is read as a whole; of a larger one only what is asked for
AT_ONCE = 2**24  # bytes that are looked at together where all have to be


@dataclass(frozen=True, eq=False)
class OnDisk:
    """A column of images in a file: rows are read when it is made an array, and choosing some reads nothing.

    `whole` is the shape of all that is in the file, (n, height, width, channels), and `rows` are the numbers of those
    in the column. Nothing is mapped into memory, so that what was read does not count against the process.
    """

    path: Path
    offset: int
    whole: tuple[int, int, int, int]
    rows: Int[np.ndarray, "m"] = field(repr=False)

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.rows), *self.whole[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: np.ndarray | slice) -> "OnDisk":
        """Some of the rows."""
        return replace(self, rows=self.rows[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> UInt8[np.ndarray, "m h w c"]:
        """All of its rows, read; rows that follow each other in the file by one call."""
        found = np.empty(self.shape, np.uint8)
        size = int(np.prod(self.whole[1:]))
        starts = np.flatnonzero(np.diff(self.rows, prepend=-2) != 1)
        with open(self.path, "rb", buffering=0) as file:
            for start, stop in pairwise([*starts, len(self.rows)]):
                wanted = memoryview(found[start:stop].data).cast("B")
                at = self.offset + size * int(self.rows[start])
                done = 0
                while done < len(wanted):
                    read = os.preadv(file.fileno(), [wanted[done:]], at + done)
                    if not read:
                        raise DataError("the file was cut short while it was read", where=str(self.path))
                    done += read
        return found if dtype is None else found.astype(dtype)


def blocks(column: Any) -> Iterator[tuple[slice, Shaped[np.ndarray, "m *s"]]]:
    """A column part by part, none of them large where it is on the disk; one that is an array as a whole."""
    if not isinstance(column, OnDisk):
        yield slice(None), column
        return
    step = max(1, AT_ONCE // int(np.prod(column.whole[1:])))
    for start in range(0, len(column), step):
        yield slice(start, start + step), np.asarray(column[start : start + step])


def images_on_disk(path: Path) -> OnDisk | None:
    """The images in a large .npy file of pixels as bytes; None for any other, which has to be read as a whole."""
    if path.suffix != ".npy" or path.stat().st_size <= MAX_RESIDENT:
        return None
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, turned, dtype = read(file)
        except ValueError as error:
            raise DataError(f"cannot read the arrays: {error}", where=str(path)) from None
        offset = file.tell()
    shape = (*shape, 1) if len(shape) == 3 else shape
    if dtype != np.uint8 or turned or len(shape) != 4 or not 1 <= shape[3] <= 4 or not all(shape):
        return None
    if path.stat().st_size < offset + int(np.prod(shape)):
        raise DataError("the file is cut short", where=str(path), hint="fetch or write it again")
    return OnDisk(path, offset, shape, np.arange(shape[0]))
