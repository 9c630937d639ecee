"""The folder a verb writes: found free, taken up again after an interruption, or replaced when told to."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from genwright.errors import ArgumentError

INTERRUPTED = 130  # the exit code that shells give to a program stopped by Ctrl-C
UNFINISHED = {"run.json", "comparison", "checkpoint.safetensors", "log.jsonl"}
FINISHED = {"recipe.json", "codec.json", "weights.safetensors", "README.md", "scores.json", "leaderboard.json"}
FINISHED |= {"database.json", *(f"table{i}" for i in range(1000))}
FINISHED |= {"report.html", "samples", "samples.csv", "samples.jsonl"}


def claimed(out: Path | None, name: str, *, force: bool) -> Path:
    """The folder to write, `runs/NAME` if none is asked for.

    With `force`, what genwright once wrote there is deleted, and nothing else ever is. Raises ArgumentError for a
    file, and for a folder with files that genwright does not write.
    """
    folder = out if out is not None else Path("runs") / Path(name).name.split(".")[0]
    if folder.exists() and not folder.is_dir():
        raise ArgumentError("there is a file of this name", where=str(folder), hint="give another --out")
    there = {each.name for each in folder.iterdir() if not each.name.startswith(".")} if folder.is_dir() else set()
    strangers = there - UNFINISHED - FINISHED
    if strangers:
        what = f"the folder holds {min(strangers)!r}, which genwright did not write"
        raise ArgumentError(what, where=str(folder), hint="give a new or an empty folder with --out")
    if force:
        for each in there:
            path = folder / each
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


def unfitted(folder: Path) -> None:
    """Raise if `folder` holds a finished generator."""
    if (folder / "recipe.json").is_file():
        raise ArgumentError(
            "there is a fitted generator already",
            where=str(folder),
            hint="give another --out, or --force to replace it",
        )


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say after Ctrl-C what is kept and how to go on, and leave."""
    try:
        yield
    except KeyboardInterrupt:
        kept = any((folder / each).exists() for each in UNFINISHED)
        told = f"what was done is kept in {folder}; the same command goes on from there" if kept else "nothing was kept"
        click.echo(f"\ngenwright: stopped; {told}", err=True)
        sys.exit(INTERRUPTED)
