"""The kinds of data that can be read and written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from genwright.data.dataset import ByKind, Dataset, Field, Image, Text
from genwright.data.formats import TABLE_FORMATS, TEXT_FORMATS, Writer, write_images
from genwright.data.images import image_like, image_memory, image_sizes, recast, resized, unlike_sizes
from genwright.data.sheets import sheet
from genwright.data.signer import Signer
from genwright.data.table import RawTable
from genwright.data.text import reading_like, rerecorded, text_lengths, text_like, text_memory


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How records of one kind are held: what `one` and `many` are called, and how they are written.

    Records go to files by suffix (`formats`), of themselves with `suffix`, or, of any other name, to a `folder`.
    `files`: what can be read.
    `asked`: how a file is read that should hold what a known field does; `alike`: column and field as if they were that
    field; `recast`: that, and cut into such records; `resized`: to (height, width). `memory`: bytes of a fit; `ends`:
    the smallest and the largest; `obstacles`: what stands in the way of a fit; `smaller`: what to read where memory
    does not suffice.
    """

    one: str
    many: str
    suffix: str
    smaller: str = "fewer rows with max_rows=100000"
    files: str = "a table"
    formats: Mapping[str, Writer] = field(default_factory=dict)
    folder: Callable[[Dataset, Path, Signer], tuple[str, ...]] | None = None
    asked: Callable[[Any, Path, Callable[[], RawTable]], dict[str, Any]] = lambda wanted, path, table: {}
    alike: Callable[[Dataset, Any], tuple[Field, np.ndarray]] = lambda data, wanted: (wanted, data.columns[wanted.name])
    resized: Callable[[Dataset, tuple[int, int]], Dataset] | None = None
    recast: Callable[[Dataset, Any], Dataset] = lambda data, wanted: data
    memory: Callable[[np.ndarray], float] = lambda column: 0.0
    ends: Callable[[Any, np.ndarray], tuple[str, str]] = lambda field, column: ("", "")
    obstacles: Callable[[np.ndarray], list[str]] = lambda column: []


KINDS = ByKind[Kind](
    {
        Image: Kind(
            one="image",
            many="images",
            suffix="",
            smaller="images with size=(64, 64)",
            files="a folder or zip of images",
            formats={".png": sheet},
            folder=write_images,
            alike=image_like,
            resized=resized,
            recast=recast,
            memory=image_memory,
            ends=image_sizes,
            obstacles=unlike_sizes,
        ),
        Text: Kind(
            one="text",
            many="texts",
            suffix=".jsonl",
            files="a .txt or .jsonl",
            formats=TEXT_FORMATS,
            asked=reading_like,
            alike=text_like,
            recast=rerecorded,
            memory=text_memory,
            ends=text_lengths,
        ),
        NoneType: Kind(one="row", many="rows", suffix=".csv", formats=TABLE_FORMATS),
    }
)
