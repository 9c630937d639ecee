"""How verbs end: in what they were asked for, or in one message and an exit code instead of a traceback."""

import errno
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from genwright.app.output import print_json
from genwright.app.wording import tell, told
from genwright.errors import GenwrightError, ResourceError
from genwright.folders import FULL
from genwright.signals import exit_code, handled_by, swallowed

BUG = 70  # EX_SOFTWARE of sysexits.h
NO_MEMORY = "not enough memory", "can't allocate memory"  # in RuntimeErrors of torch
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
                code = last_words(failure, as_json=arguments.get("as_json", False))
            sys.exit(code)

    guarded = click.option("--debug", is_flag=True, help="Show the traceback of an error.")(guarded)
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON on standard output.")(guarded)


def last_words(failure: BaseException, *, as_json: bool = False) -> int:
    """Say on standard error what went wrong, and as JSON where asked for; returns the exit code for it."""
    error, code = _judged(failure)
    with suppress(OSError):  # standard error may be what cannot be written to
        if error is not None:
            click.echo(f"genwright: {error}", err=True)
            if as_json:
                _print_failure(error, code)
    return code


def _print_failure(error: GenwrightError, code: int) -> None:
    print_json({"error": {"what": error.what, "where": error.where, "hint": error.hint, "exit_code": code}})


def _judged(failure: BaseException) -> tuple[GenwrightError | None, int]:
    """What to say, unless nobody reads on, and an exit code."""
    failure = swallowed() or failure
    if isinstance(failure, KeyboardInterrupt):
        return GenwrightError("stopped"), exit_code(failure)
    if isinstance(failure, OSError) and failure.filename is None and failure.errno in FULL | {errno.EPIPE}:
        give_up_output()
        if failure.errno == errno.EPIPE:
            return None, CLOSED
        failure = ResourceError(f"cannot write: {failure.strerror}", where="standard output", hint="make room there")
    elif isinstance(failure, MemoryError) or any(words in str(failure) for words in NO_MEMORY):
        hint = "ask for fewer records at a time, with another --seed each time, or a smaller fit; close other programs"
        failure = ResourceError("there is not enough memory", hint=hint)
    if isinstance(failure, GenwrightError):
        return told(failure), failure.exit_code
    what = " ".join(f"{type(failure).__name__}: {failure}".split())  # ours, not the user's
    return GenwrightError(f"a bug in genwright ({what})", hint="--debug shows where; please report it"), BUG


@contextmanager
def without_misuse() -> Iterator[None]:
    """Options that do not exist and the like told as click tells them, and as JSON too where JSON was asked for."""
    try:
        yield
    except click.Abort:
        sys.exit(last_words(KeyboardInterrupt()))
    except click.ClickException as error:
        error.show()
        if "--json" in sys.argv:
            _print_failure(GenwrightError(error.format_message()), error.exit_code)
        sys.exit(error.exit_code)


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
