"""The library speaks of arguments, `size=(32, 24)`; on the command line the same is said in options, `--size 24x32`."""

import ast
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from genwright.errors import GenwrightError

ARGUMENT = re.compile(r"(?<![\w?&.{'\"-])(?<!\w\()([a-z_]+)=(?!=)")
WORD = re.compile(r"[\w./+-]*\w|")
SPELT = {"gw.Doctor(act=True)": "act"}  # objects of Python that are words on the command line
CLOSING = {"(": ")", "[": "]", "{": "}"}


def tell(text: str) -> None:
    """Something for people, on standard error, in the words of the command line."""
    with suppress(OSError):  # standard error may be a full disk
        click.echo(in_options(text), err=True)


def told(error: GenwrightError) -> GenwrightError:
    """An error in the words of the command line."""
    where = in_options(error.where) if ARGUMENT.match(error.where) else error.where
    return type(error)(in_options(error.what), where=where, hint=in_options(error.hint))


def in_options(text: str) -> str:
    """A message with the arguments of Python's functions in it written as the options of the running program."""
    context = click.get_current_context(silent=True)
    return text if context is None else _rewritten(text, options_of(context.find_root().command))


def options_of(program: click.Command) -> dict[str, click.Option]:
    """All options of a program and its verbs, by the name of the argument that they stand for."""
    verbs = program.commands.values() if isinstance(program, click.Group) else [program]
    return {p.name: p for verb in verbs for p in verb.params if isinstance(p, click.Option) and p.name}


def _rewritten(text: str, options: Mapping[str, click.Option]) -> str:
    done, start = "", 0
    for found in ARGUMENT.finditer(text):
        option = options.get(found[1])
        # `--schema label=category` says NAME=VALUE already
        if option is None or found.start() < start or re.search(r"--[\w-]+ $", text[: found.start()]):
            continue
        end = _value_end(text, found.end())
        value = text[found.end() : end]
        done += text[start : found.start()] + _as_option(option, SPELT.get(value, value))
        start = end
    return done + text[start:]


def _value_end(text: str, start: int) -> int:
    """Where a Python value that begins at `start` ends: after its closing bracket or quote, or its last letter."""
    spelt = next((each for each in SPELT if text.startswith(each, start)), "")
    if spelt:
        return start + len(spelt)
    first = text[start : start + 1]
    if first in CLOSING:
        for end in range(start, len(text)):
            if text[end] == CLOSING[first] and text.count(first, start, end) == text.count(text[end], start, end) + 1:
                return end + 1
    if first and first in "'\"" and first in text[start + 1 :]:
        return text.index(first, start + 1) + 1
    found = WORD.match(text, start)
    assert found is not None
    return found.end()


def _as_option(option: click.Option, value: str) -> str:
    name = "-n" if option.name == "n" else max(option.opts, key=len)
    if not value:
        return name
    try:
        meant: Any = ast.literal_eval(value)
    except (ValueError, SyntaxError):  # a bare word, or brackets around what stands for a value
        meant = value if value[0] not in CLOSING else ...
    if meant is True:
        return name
    match meant:
        case [int(height), int(width)] if option.name == "size":
            values = [f"{width}x{height}"]
        case dict():
            values = [f"{key}={each}" for key, each in meant.items()]
        case list() | tuple() if ... not in meant:
            values = list(map(str, meant))
        case int() | float() | str():
            values = [str(meant)]
        case _:
            return f"{name} {option.metavar or 'VALUE'}"
    return " ".join(f"{name} {shlex.quote(each)}" for each in values)
