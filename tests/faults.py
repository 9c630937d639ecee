"""A disk that is full from the n-th change on: the one way in which tests break what is written below a folder."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_active: dict[str, object] = {}
_hooked: list[bool] = []


def _hook(event: str, arguments: tuple) -> None:
    if not _active or event not in ("open", "os.rename", "os.mkdir"):
        return
    path, flags = arguments[0], arguments[-1]
    if not isinstance(path, (str, bytes, os.PathLike)) or not os.fsdecode(path).startswith(str(_active["folder"])):
        return
    if event == "open" and not flags & WRITES:
        return
    _active["left"] -= 1
    # A name has to be given room only once: what was moved away can be moved back.
    if _active["left"] == -1 or (_active["left"] < 0 and event != "os.rename"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(path))


@contextmanager
def disk_full_after(changes: int, *, below: Path) -> Iterator[None]:
    """Let so many files be opened for writing, renamed and made below a folder, and none after that."""
    if not _hooked:
        sys.addaudithook(_hook)  # for good: it does nothing outside of this
        _hooked.append(True)
    _active.update(folder=below, left=changes)
    try:
        yield
    finally:
        _active.clear()
