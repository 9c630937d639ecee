"""What a rating study consists of: stimuli, raters, trials, answers; as the store keeps and analysis reads them."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from genwright.typed import require

Question = Literal[
    "preference",
    "real or generated",
    "aesthetic quality",
    "creativity",
    "coherence",
    "emotional impact",
    "cultural appropriateness",
    "technical competence",
]
Kind = Literal["pair", "origin", "scale"]  # two stimuli compared; one told real or generated; one rated from 1 to 7
Role = Literal["rating", "repeat", "attention"]
Medium = Literal["image", "text", "audio", "row"]

REAL = "real"  # the name of the system that real records belong to
ANSWERS: dict[str, tuple[str, ...]] = {
    "pair": ("left", "right", "tie"),
    "origin": ("real", "generated"),
    "scale": ("1", "2", "3", "4", "5", "6", "7"),
}


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """One thing shown to raters. `id` is random and says nothing; `sha256` is of the bytes shown."""

    id: str
    system: str
    medium: Medium
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Rater:
    """One person, known by a random id only. Times are UTC, ISO 8601."""

    id: str
    consented_at: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question put to one rater: the `position`-th of their list.

    `right` is empty unless `kind` is "pair". A "repeat" asks the trial `repeats` again, sides swapped; an "attention"
    trial has one right answer, `expected`.
    """

    id: str
    rater: str
    position: int
    kind: Kind
    question: Question
    left: str
    right: str = ""
    role: Role = "rating"
    repeats: str = ""
    expected: str = ""


@dataclass(frozen=True, kw_only=True)
class Rating:
    """The answer to one trial, one of `ANSWERS[kind]`; `seconds` from the stimulus being visible to the answer."""

    trial: str
    answer: str
    seconds: float
    at: str

    def __post_init__(self) -> None:
        require(0 <= self.seconds < math.inf, f"an answer after {self.seconds} seconds")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything a study holds at one moment. `protocol` is what was fixed before it began, as plain JSON values.

    A rater who withdraws is gone, trials and ratings with them; only their number remains, in `withdrawn`.
    """

    protocol: dict[str, Any]
    stimuli: tuple[Stimulus, ...]
    raters: tuple[Rater, ...]
    trials: tuple[Trial, ...]
    ratings: tuple[Rating, ...]
    withdrawn: int = 0
