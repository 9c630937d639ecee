"""What a fit tells whoever listens while it runs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One moment of a fit. `loss` and `held_out` are in the family's own unit (nats per record where it has one)."""

    stage: str
    step: int = 0
    steps: int = 0
    loss: float = float("nan")
    held_out: float = float("nan")
    seconds_left: float = float("nan")
    message: str = ""


Listener = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A listener that says nothing."""
