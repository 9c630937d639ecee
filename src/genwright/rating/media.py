"""The kinds of records that raters can be shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from genwright.data.dataset import ByKind, Dataset, Image, Series, Text
from genwright.rating.curves import curves_of
from genwright.rating.pictures import pixels_of, pngs
from genwright.rating.records import Medium
from genwright.rating.sounds import read_wav, wav_files, wavs
from genwright.rating.words import encoded_rows, encoded_texts, rows_of, texts_of

Source = Dataset | Path  # a Path is a folder of .wav
Files = tuple[dict[str, list[bytes]], tuple[str, ...]]  # of each system, and notes on what was done to make them alike


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How records of one kind are shown: as files of one type, `of` rows of a source and then `encoded` alike.

    `many` and `things` are what they are called in messages and to raters.
    """

    medium: Medium
    many: str
    things: str
    suffix: str
    content_type: str
    of: Callable[[Any, Sequence[int]], Any]
    encoded: Callable[[Mapping[str, Any]], Files]


KINDS = ByKind[Kind](
    {
        Series: Kind(
            medium="image",
            many="series",
            things="curves",
            suffix=".png",
            content_type="image/png",
            of=curves_of,
            encoded=pngs,
        ),
        Image: Kind(
            medium="image",
            many="images",
            things="pictures",
            suffix=".png",
            content_type="image/png",
            of=pixels_of,
            encoded=pngs,
        ),
        Text: Kind(
            medium="text",
            many="texts",
            things="texts",
            suffix=".txt",
            content_type="text/plain; charset=utf-8",
            of=texts_of,
            encoded=encoded_texts,
        ),
        NoneType: Kind(
            medium="row",
            many="table rows",
            things="rows of a table",
            suffix=".json",
            content_type="application/json",
            of=rows_of,
            encoded=encoded_rows,
        ),
        Path: Kind(
            medium="audio",
            many="sounds",
            things="sounds, which you can play,",
            suffix=".wav",
            content_type="audio/wav",
            of=lambda folder, index: [read_wav(wav_files(folder)[i]) for i in index],
            encoded=wavs,
        ),
    }
)
MEDIA: Mapping[str, Kind] = {kind.medium: kind for kind in KINDS.values()}


def kind_of(source: Source) -> Kind:
    """The kind of what a system made."""
    return KINDS[Path if isinstance(source, Path) else source.kind]
