"""Time in a run: what is shared out, and what each stage took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

COMPARISON_SHARE = 0.5  # of the training time is shared equally by all families; the winner gets the rest


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
