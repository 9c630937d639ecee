"""Progress on standard error: a live line in a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from genwright.app.wording import in_options
from genwright.signals import swallowed

if TYPE_CHECKING:
    from genwright.train.progress import Listener, Progress

_PLAIN_SECONDS = 10.0  # between two lines where there is no terminal to redraw


@contextmanager
def shown() -> Iterator["Listener"]:
    """A listener that shows what it hears while the body runs."""
    if not sys.stderr.isatty():
        yield _heedful(_plain())
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("[bold]{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[told]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        line = bars.add_task("starting", total=None, told="")

        def listen(heard: "Progress") -> None:
            if heard.message:
                told = escape(in_options(heard.message))
                bars.console.print(f"[dim]{heard.stage}: {told}", highlight=False)
            total = heard.steps or None
            bars.update(line, description=heard.stage, completed=heard.step, total=total, told=_told(heard))

        yield _heedful(listen)


def _heedful(listen: "Listener") -> "Listener":
    """The listener, which stops what tells it of progress where a signal to stop was swallowed before."""

    def heed(heard: "Progress") -> None:
        if (stop := swallowed()) is not None:
            raise stop
        listen(heard)

    return heed


def _plain() -> Callable[["Progress"], None]:
    """A line whenever the stage changes, something is to be said, or some seconds have passed."""
    last_stage, last_time = "", 0.0

    def listen(heard: "Progress") -> None:
        nonlocal last_stage, last_time
        now = time.monotonic()
        if heard.stage == last_stage and not heard.message and now - last_time < _PLAIN_SECONDS:
            return
        last_stage, last_time = heard.stage, now
        text = in_options(heard.message) or _told(heard)
        with suppress(OSError):  # a full disk under a log of this ends no fit
            click.echo(f"{heard.stage}{': ' if text else ''}{text}", err=True)

    return listen


def _told(heard: "Progress") -> str:
    """Step, losses and time left, as far as they are known."""
    parts = [f"step {heard.step:,} of {heard.steps:,}"] if heard.steps > 1 else []
    if math.isfinite(heard.loss):
        parts.append(f"loss {heard.loss:.4g}")
    if math.isfinite(heard.held_out):
        parts.append(f"held out {heard.held_out:.4g}")
    if math.isfinite(heard.seconds_left):
        minutes, seconds = divmod(round(heard.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return ", ".join(parts)
