"""The kinds of data that can be read and written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from genwright.data.dataset import ByKind, Dataset, Field, Image, Series, Text
from genwright.data.formats import TABLE_FORMATS, TEXT_FORMATS, Writer, write_images
from genwright.data.images import image_like, image_memory, image_sizes, read_picture, recast, resized, unlike_sizes
from genwright.data.series_files import (
    SERIES_FORMATS,
    readings_table,
    series_asked,
    series_ends,
    series_like,
    series_memory,
)
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
    does not suffice; `table`: records as rows of a table; `picture`: the one at a path,
    as the field holds them, and notes.
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
    table: Callable[[Dataset], Dataset] = lambda data: data
    picture: Callable[[Any, Any], tuple[np.ndarray, tuple[str, ...]]] | None = None


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
            picture=read_picture,
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
        Series: Kind(
            one="series",
            many="series",
            suffix=".csv",
            smaller="longer steps of windows with stride=10",
            files="a table with a column of times",
            formats=SERIES_FORMATS,
            asked=series_asked,
            alike=series_like,
            memory=series_memory,
            ends=series_ends,
            table=readings_table,
        ),
        NoneType: Kind(one="row", many="rows", suffix=".csv", formats=TABLE_FORMATS),
    }
)
