"""Paths as people type them: found whatever the form of Unicode, and what was meant where there is nothing."""

import difflib
import os
import unicodedata
from pathlib import Path

from genwright.errors import DataError

BESIDE = 5  # names shown where none is alike


def existing(source: str | os.PathLike[str]) -> Path | None:
    """The file or folder at a path, also where its name is written in another form of Unicode (NFC, NFD); else None."""
    path = Path(source).expanduser()
    try:
        if path.exists():
            return path
        at = Path(path.anchor)
        for part in path.parts[1 if path.anchor else 0 :]:
            if not (at / part).exists():
                part = next(name for name in os.listdir(at) if _form(name) == _form(part))
            at /= part
        return at
    except (OSError, ValueError, StopIteration):  # OSError and ValueError: a name too long, or with a NUL
        return None


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def missing_path(source: str | os.PathLike[str], *, also: tuple[str, ...] = ()) -> DataError:
    """The error for a path where nothing is; `also` are names that could be meant instead of a path."""
    built_in = f"built in are {', '.join(also)}" if also else ""
    hint = "; ".join(filter(None, (meant(source, also=also), built_in)))
    return DataError("no such file or folder", where=str(source), hint=hint)


def meant(source: str | os.PathLike[str], *, also: tuple[str, ...] = ()) -> str:
    """What is called like the first part of a path that is not there, or else some of what is there; for a hint."""
    path = Path(source).expanduser()
    at, names, wanted = Path(path.anchor), list[str](), path.name
    try:
        for part in path.parts[1 if path.anchor else 0 :]:
            if not (at / part).exists():
                wanted, names = part, sorted(name for name in os.listdir(at) if not name.startswith("."))
                break
            at /= part
    except (OSError, ValueError):
        pass
    alike = {name.casefold(): name for name in (*names, *also)}
    near = [alike[name] for name in difflib.get_close_matches(wanted.casefold(), alike, n=3)]
    there = f"did you mean {', '.join(near)}" if near else f"there is {', '.join(names[:BESIDE])}" if names else ""
    return f"{there} ({wanted!r} is not in {str(at)!r})" if there and wanted != path.name else there
