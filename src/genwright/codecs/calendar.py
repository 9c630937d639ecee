"""Where in the day and week a series starts: channels that a net learns beside readings, and times out of them."""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float

from genwright.data.dataset import Series, Time
from genwright.data.times import time_unit
from genwright.typed import require

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "D": 86400.0}
PERIODS = (86400.0, 7 * 86400.0)  # seconds of a day and of a week
REPEATS = 2.0  # times that a period fits into what was seen, at least
OUTSIDE = 10.0  # times as far from the middle as the ends are, where what is given may lie
TIED = 1e-3  # how much a candidate far from where the net says counts against one that is near


@dataclass(frozen=True)
class Calendar:
    """Times from `first` to `last` start of records, and `periods` in the same units.

    Channels: where a time lies between the ends, from -1 to 1, and the cosine and sine of its place in each period.
    None where all records start alike.
    """

    first: float
    last: float
    periods: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require(self.first <= self.last and all(p > 0 for p in self.periods), "no such calendar")

    @classmethod
    def of(cls, field: Series, starts: Float[np.ndarray, " n"]) -> Self:
        """That of records which start at these times."""
        first, last = float(starts.min()), float(starts.max())
        unit = SECONDS.get(time_unit(field.time.format)) if isinstance(field.time, Time) else None
        if unit is None or first == last:
            return cls(first, last)
        lengths = [seconds / unit for seconds in PERIODS]
        step = field.step or 0.0
        return cls(first, last, tuple(p for p in lengths if p > 2 * step and p * REPEATS <= last - first))

    @property
    def channels(self) -> int:
        """How many there are."""
        return 0 if self.first == self.last else 1 + 2 * len(self.periods)

    def encode(self, times: Float[np.ndarray, " t"]) -> Float[np.ndarray, "t c"]:
        """The channels at these times."""
        if not self.channels:
            return np.empty((len(times), 0))
        place = 2 * (times - self.first) / (self.last - self.first) - 1
        turns = [2 * np.pi * np.mod(times, period) / period for period in self.periods]
        return np.stack([place, *(wave(turn) for turn in turns for wave in (np.cos, np.sin))], axis=1)

    def start(self, rows: Float[np.ndarray, "t c"], after: Float[np.ndarray, " t"], step: float) -> float:
        """The start that fits the channels of a record best, on a grid of steps; `after` it come the times of rows."""
        if not self.channels:
            return self.first
        span = self.last - self.first
        place = np.clip(rows[:, 0], -OUTSIDE, OUTSIDE)
        near = float(np.median((place + 1) / 2 * span + self.first - after))
        if not self.periods:
            return self.first + step * round((near - self.first) / step)
        reach = int(min(max(self.periods) / 2, span) / step) + 1
        grid = round((near - self.first) / step) + np.arange(-reach, reach + 1)
        found = self.first + step * grid
        cost = TIED * ((found - near) / max(self.periods)) ** 2
        for i, period in enumerate(self.periods):
            wave = rows[:, 1 + 2 * i] + 1j * rows[:, 2 + 2 * i]
            own = np.mean(wave * np.exp(-2j * np.pi * np.mod(after, period) / period))
            cost = cost + np.abs(np.exp(2j * np.pi * np.mod(found, period) / period) - own) ** 2
        return float(found[np.argmin(cost)])


def steady(x: np.ndarray) -> np.random.Generator:
    """Randomness that depends on a record alone."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(x.tobytes()).digest()[:8], "little"))
