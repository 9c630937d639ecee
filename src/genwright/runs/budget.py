"""Time in a run: what is shared out, when all of it must be over, and what each stage took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from genwright.errors import ArgumentError
from genwright.report.pages import clock

COMPARISON_SHARE = 0.5  # of the training time is shared equally by all families; the winner gets the rest
MIN_LIMIT = 180.0  # seconds of wall time that a run may take in all, however short its training
TRAINED_BY = 0.4  # of that limit all families must be trained, and ...
JUDGED_BY = 0.6  # ... compared


@dataclass(frozen=True)
class Budget:
    """`minutes` of training in all, shared with so many `families`; twice that, or three minutes, for everything."""

    minutes: float
    families: int
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if not self.families:
            raise ArgumentError("no family to compare", where="families", hint="for example families=[gw.Mixture()]")
        if not 0 < self.minutes < 1e6:
            raise ArgumentError(f"minutes={self.minutes} is not a time", where="run", hint="for example minutes=5")

    @property
    def share(self) -> float:
        """Minutes for each family to train in."""
        return COMPARISON_SHARE * self.minutes / self.families

    @property
    def limit(self) -> float:
        """Seconds of wall time that the run may take."""
        return max(120.0 * self.minutes, MIN_LIMIT)

    @property
    def told(self) -> str:
        """What will take how long, in words."""
        each, rest = clock(60 * self.share), clock(60 * (1 - COMPARISON_SHARE) * self.minutes)
        who = "1 family trains" if self.families == 1 else f"{self.families} families train"
        return (
            f"{who} for {each} each, the best for {rest} more; with scoring and the report {clock(self.limit)} at most"
        )

    @property
    def most_training(self) -> float:
        """Seconds after which a family that has overrun its share is cut off."""
        return TRAINED_BY * self.limit / self.families

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds of the limit that are left."""
        return self.limit - self.elapsed


@dataclass
class Stopwatch:
    """Wall seconds by stage, in the order that stages began."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time that the body takes to `stage`."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began
