"""How verbs end: in what they were asked for, or in one message and an exit code instead of a traceback."""

import errno
import functools
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from genwright.app.wording import tell, told
from genwright.errors import GenwrightError, ResourceError
from genwright.folders import FULL
from genwright.signals import exit_code, handled_by

BUG = 70  # EX_SOFTWARE of sysexits.h
CLOSED = 141  # as of programs that SIGPIPE ends
EXIT_CODES = """\
0    done
2    an option, or a place to write that cannot be written
3    data that cannot be read, or does not suffice
4    a family asked for what it does not do
5    a saved folder that is missing or damaged
6    training that could not go on
7    an optional package that is not installed
8    too little memory, or a full disk
70   a bug in genwright
129  stopped as the terminal closed (SIGHUP)
130  stopped by Ctrl-C (SIGINT)
141  whoever read the output stopped reading
143  stopped by SIGTERM
"""


def answering(verb: Callable[..., Any]) -> Callable[..., Any]:
    """`--json` and `--debug`, and failures as a message and one of EXIT_CODES."""

    @functools.wraps(verb)
    def guarded(*, debug: bool, **arguments: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _tell_once()
                return verb(**arguments)
        except (Exception, KeyboardInterrupt) as failure:
            if debug:
                raise
            with handled_by(lambda *_: None):  # the last words are not interrupted
                code = last_words(failure)
            sys.exit(code)

    guarded = click.option("--debug", is_flag=True, help="Show the traceback of an error.")(guarded)
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON on standard output.")(guarded)


def last_words(failure: BaseException) -> int:
    """Say on standard error what went wrong, and return the exit code for it."""
    code, words = _judged(failure)
    with suppress(OSError):  # standard error may be what cannot be written to
        for line in words:
            click.echo(f"genwright: {line}", err=True)
    return code


def _judged(failure: BaseException) -> tuple[int, list[str]]:
    """An exit code, and what to say."""
    if isinstance(failure, KeyboardInterrupt):
        return exit_code(failure), ["stopped"]
    if isinstance(failure, OSError) and failure.filename is None and failure.errno in FULL | {errno.EPIPE}:
        give_up_output()
        if failure.errno == errno.EPIPE:
            return CLOSED, []
        failure = ResourceError(f"cannot write: {failure.strerror}", where="standard output", hint="make room there")
    elif isinstance(failure, MemoryError) or "not enough memory" in str(failure):  # torch raises a RuntimeError
        hint = "ask for fewer records at a time, with another --seed each time, or close other programs"
        failure = ResourceError("there is not enough memory", hint=hint)
    if isinstance(failure, GenwrightError):
        return failure.exit_code, [str(told(failure))]
    what = " ".join(f"{type(failure).__name__}: {failure}".split())  # ours, not the user's
    return BUG, [f"a bug in genwright ({what})\n  hint: --debug shows where; please report it"]


def give_up_output() -> None:
    """Have what is still to be written to standard output vanish, so that leaving does not fail on it again."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _tell_once() -> Callable[..., None]:
    """Shows a warning as a note on standard error, without Python's line of source, and the same note only once."""
    seen: set[str] = set()

    def show(message: Warning | str, *where: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            tell(f"note: {message}")

    return show
