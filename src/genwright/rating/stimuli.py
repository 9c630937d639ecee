"""What raters get to see: records of each system drawn, checked, and made to differ in nothing but their content."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genwright.errors import DataError
from genwright.rating.media import Source, kind_of
from genwright.rating.records import Kind, Medium
from genwright.rating.sounds import wav_files

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
    kind = kind_of(source)
    for name, other in others:
        if kind_of(other) is not kind:
            what = f"{kind_of(other).many}, but {first} holds {kind.many}"
            raise DataError(what, where=name, hint="compare systems of one kind")
    return kind.medium


def draw(sources: Mapping[str, Source], wanted: Mapping[str, int], *, seed: int) -> Shown:
    """Up to `wanted` different stimuli of each system, drawn at random, ready to be shown.

    Raises DataError for systems of different kinds, unreadable media, and a stimulus that two systems share.
    """
    medium = medium_of(sources)
    index = {name: _drawn(len_of(source), wanted[name], seed) for name, source in sources.items()}
    kind = kind_of(next(iter(sources.values())))
    files, notes = kind.encoded({name: kind.of(source, index[name]) for name, source in sources.items()})
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
