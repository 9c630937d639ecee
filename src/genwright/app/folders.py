"""The folder a verb writes: nobody else's meanwhile, taken up after an interruption, or replaced when told to."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click

from genwright.errors import ArgumentError
from genwright.folders import (
    OtherWorkError,
    bring_back,
    holds_old,
    let_go,
    locked,
    probe,
    recover,
    remove,
    safe_join,
    set_aside,
    writing,
)
from genwright.signals import exit_code

UNFINISHED = r"run\.json|comparison|checkpoint.*\.safetensors|log\.jsonl|texts|table[0-9]+"
FINISHED = (
    r"recipe\.json|codec\.json|weights\.safetensors|README\.md|scores\.json|leaderboard\.json|database\.json|adapter"
    r"|audit\.json"
)
OURS = re.compile(rf"{UNFINISHED}|{FINISHED}|report\.html|samples(\.csv|\.jsonl)?")
WORTH = (
    "checkpoint*.safetensors",
    "texts/checkpoint*.safetensors",
    "comparison/*/*.safetensors",
    "table*/*.safetensors",
)
Done = TypeVar("Done")


@contextmanager
def claimed(out: Path | None, name: str, *, force: bool) -> Iterator[Path]:
    """The folder to write, `runs/NAME` if none is asked for, while it is locked; Ctrl-C leaves and tells what is kept.

    With `force`, a result that is there is set aside until the new one is whole, and found by `load` until then.
    Raises ArgumentError for a file, a folder that another process writes to, and one with files that genwright does
    not write.
    """
    folder = out if out is not None else safe_join(Path("runs"), Path(name).name.split(".")[0] or "data")
    if os.path.isfile(folder):
        raise ArgumentError("there is a file of this name", where=str(folder), hint="give another --out")
    probe(folder)
    with locked(folder):
        strangers = [name for name in _entries(folder) if not OURS.fullmatch(name)]
        if strangers:
            what = f"the folder holds {min(strangers)!r}, which genwright did not write"
            raise ArgumentError(what, where=str(folder), hint="give a new or an empty folder with --out")
        with writing(folder):
            recover(folder)
            _tidy(folder)
            if force and finished(folder):
                let_go(folder)
                set_aside(folder, _entries(folder))
        try:
            yield folder
        except KeyboardInterrupt as stop:
            told = f"what was done is kept in {folder}; the same command goes on from there"
            click.echo(f"\ngenwright: stopped; {told if _worth(folder) else 'nothing was kept'}", err=True)
            sys.exit(exit_code(stop))
        finally:
            _tidy(folder)


def _entries(folder: Path) -> list[str]:
    """Names of what is in sight."""
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))


def finished(folder: Path) -> bool:
    """Whether `folder` holds the result of a verb."""
    whole = (folder / "report.html", folder / "database.json")
    return any(map(Path.is_file, whole)) or ((folder / "recipe.json").is_file() and not _is_run(folder))


def _is_run(folder: Path) -> bool:
    return (folder / "run.json").is_file()


def _worth(folder: Path) -> bool:
    """Whether there is unfinished work that can be taken up."""
    return any(any(folder.glob(pattern)) for pattern in WORTH)


def _tidy(folder: Path) -> None:
    """Of a result that was set aside and what was to replace it, keep the one that is worth it."""
    if finished(folder):
        let_go(folder)
    elif not _worth(folder) and holds_old(folder):
        for name in _entries(folder):
            if re.fullmatch(UNFINISHED, name):
                remove(folder / name)
        bring_back(folder)


def unfitted(folder: Path) -> None:
    """Raise if `folder` holds a result."""
    if finished(folder):
        hint = "give another --out, or --force to replace it"
        raise ArgumentError("there is a fitted generator already", where=str(folder), hint=hint)


def no_run(folder: Path, *, force: bool) -> None:
    """Raise if `folder` holds a result, or a run that was stopped; with `force`, that is given up."""
    unfitted(folder)
    if _is_run(folder) and not force:
        hint = "go on with the same `genwright run`, give another --out, or --force to give it up"
        raise ArgumentError("there is a run that was stopped", where=str(folder), hint=hint)
    if _is_run(folder):
        _clear(folder)


def afresh(folder: Path, work: Callable[[], Done], *, force: bool) -> Done:
    """What `work` returns; with `force`, unfinished work of some other call that is in its way is deleted first."""
    try:
        return work()
    except OtherWorkError:
        if not force:
            raise
        _clear(folder)
        return work()


def _clear(folder: Path) -> None:
    for name in _entries(folder):
        remove(folder / name)
