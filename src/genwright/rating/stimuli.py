"""What raters get to see: records of each system drawn, checked, and made to differ in nothing but their content."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genwright.data.dataset import Dataset, Image, Text
from genwright.errors import DataError
from genwright.rating.pictures import pixels_of, pngs
from genwright.rating.records import Kind, Medium
from genwright.rating.sounds import read_wav, wav_files, wavs
from genwright.rating.words import encoded_rows, encoded_texts, rows_of, texts_of

Source = Dataset | Path  # a Path is a folder of .wav
SUFFIXES: dict[Medium, str] = {"image": ".png", "text": ".txt", "audio": ".wav", "row": ".json"}
CONTENT_TYPES: dict[Medium, str] = {
    "image": "image/png",
    "text": "text/plain; charset=utf-8",
    "audio": "audio/wav",
    "row": "application/json",
}
SPARE = 20  # records drawn beyond those needed, so that duplicates can be left out


@dataclass(frozen=True)
class Shown:
    """Every system's stimuli as files; `notes` says what was done to make them alike."""

    medium: Medium
    files: Mapping[str, tuple[bytes, ...]]
    notes: tuple[str, ...]

    @property
    def available(self) -> Counter[str]:
        """How many different stimuli each system has."""
        return Counter({system: len(each) for system, each in self.files.items()})


def medium_of(sources: Mapping[str, Source]) -> Medium:
    """The one medium of all systems; a DataError naming the first that differs."""
    (first, source), *others = sources.items()
    medium = _medium(source)
    for name, other in others:
        if _medium(other) != medium:
            what = f"{_PLURAL[_medium(other)]}, but {first} holds {_PLURAL[medium]}"
            raise DataError(what, where=name, hint="compare systems of one kind")
    return medium


_PLURAL: dict[Medium, str] = {"image": "images", "text": "texts", "audio": "sounds", "row": "table rows"}


def _medium(source: Source) -> Medium:
    if isinstance(source, Path):
        return "audio"
    return "image" if isinstance(source.media, Image) else "text" if isinstance(source.media, Text) else "row"


def draw(sources: Mapping[str, Source], wanted: Mapping[str, int], *, seed: int) -> Shown:
    """Up to `wanted` different stimuli of each system, drawn at random, ready to be shown.

    Raises DataError for systems of different kinds, unreadable media, and a stimulus that two systems share.
    """
    medium = medium_of(sources)
    index = {name: _drawn(len_of(source), wanted[name], seed) for name, source in sources.items()}
    files, notes = _encoded(medium, sources, index)
    unique = {name: tuple(dict.fromkeys(each)) for name, each in files.items()}
    _refuse_shared(unique)
    for name, each in unique.items():
        if len(each) < len(files[name]):
            notes += (f"{len(files[name]) - len(each)} duplicates within {name} are left out",)
    return Shown(medium, {name: each[: wanted[name]] for name, each in unique.items()}, notes)


def len_of(source: Source) -> int:
    """How many records a source has; a DataError for a folder without sounds."""
    n = len(wav_files(source)) if isinstance(source, Path) else len(source)
    if not n:
        raise DataError("no .wav files", where=str(source), hint="give a folder of .wav files")
    return n


def _drawn(n: int, wanted: int, seed: int) -> list[int]:
    """Row numbers in random order; the same for sources of the same length, so that equal sources are found out."""
    order: list[int] = np.random.default_rng([seed, 0]).permutation(n).tolist()
    return order[: wanted + SPARE]


def _encoded(
    medium: Medium, sources: Mapping[str, Source], index: Mapping[str, list[int]]
) -> tuple[dict[str, list[bytes]], tuple[str, ...]]:
    tables = {name: source for name, source in sources.items() if isinstance(source, Dataset)}
    match medium:
        case "image":
            return pngs({name: pixels_of(data, index[name]) for name, data in tables.items()})
        case "text":
            return encoded_texts({name: texts_of(data, index[name]) for name, data in tables.items()})
        case "row":
            return encoded_rows({name: rows_of(data, index[name]) for name, data in tables.items()})
    paths = {name: wav_files(source) for name, source in sources.items() if isinstance(source, Path)}
    return wavs({name: [read_wav(paths[name][i]) for i in index[name]] for name in paths})


def _refuse_shared(files: Mapping[str, tuple[bytes, ...]]) -> None:
    owner: dict[bytes, str] = {}
    for name, each in files.items():
        shared = [raw for raw in each if owner.setdefault(raw, name) != name]
        if shared:
            raise DataError(
                f"{len(shared)} of {len(each)} stimuli are also in {owner[shared[0]]}",
                where=name,
                hint="stimuli that two systems share cannot be told apart; leave them out of one of the two",
            )


def digest(raw: bytes) -> str:
    """The SHA-256 of a stimulus as shown."""
    return hashlib.sha256(raw).hexdigest()


def card(kind: Kind, expected: str, *, right: bool = False) -> str:
    """The words of an attention check, shown in the place of a stimulus."""
    match kind:
        case "pair":
            chosen = (expected == "right") == right
            return "This is a check.\nChoose this one." if chosen else "This is a check.\nDo not choose this one."
        case "origin":
            return f"This is a check.\nPlease answer “{expected}”."
    return f"This is a check.\nPlease answer {expected}."
