"""Signals that ask a program to stop: Ctrl-C, SIGTERM and SIGHUP, all answered in the same way."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop; `exit_code` is what shells give to a program that it stopped: 130, 143 or 129."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(number)


def interrupt(number: int, frame: FrameType | None) -> None:
    """The handler that stops what is going on at once."""
    raise Interrupted(number)


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have `handler` hear of the signals that are not ignored, as SIGHUP is under nohup; in the main thread only."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.getsignal(number) for number in STOPPING}
    heard = [number for number, before in previous.items() if before not in (signal.SIG_IGN, None)]
    try:
        for number in heard:
            signal.signal(number, handler)
        yield
    finally:
        for number in heard:
            signal.signal(number, previous[number])


@contextmanager
def held_back() -> Iterator[list[int]]:
    """The signals that came meanwhile, so that work can be put down in order; a second one is immediate."""
    come: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if come:
            raise Interrupted(number)
        come.append(number)

    with handled_by(hold):
        yield come
