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


def exit_code(stop: KeyboardInterrupt) -> int:
    """The exit code of a program that was stopped so."""
    return stop.exit_code if isinstance(stop, Interrupted) else 128 + signal.SIGINT


_come: list[int] = []  # to `interrupt`, in the life of the program


def interrupt(number: int, frame: FrameType | None) -> None:
    """The handler that stops what is going on at once."""
    _come.append(number)
    raise Interrupted(number)


def swallowed() -> Interrupted | None:
    """What `interrupt` raised, for where something else was made of it, as modules do that are just being imported."""
    return Interrupted(_come[-1]) if _come else None


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


def leave_quietly() -> None:
    """Let the system's own answer, an end without a word, be that to signals from now on."""
    _come.clear()
    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
