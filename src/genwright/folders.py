"""Places to write: probed, claimed by one process at a time, replaced all at once, and never outside of a folder."""

import errno
import os
import re
import secrets
import shutil
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar

from genwright.errors import ArgumentError, DataError, GenwrightError, ResourceError, StorageError

LOCK = ".genwright-lock"  # who is writing into a folder
NEW = ".genwright-new"  # whole, and on its way into the folder around it
OLD = ".genwright-old"  # what is to be replaced, until what replaces it is whole
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ATTEMPTS = 100  # to read what others replace over and over
SWAP_SECONDS = 10.0  # to wait for another process that puts something in its place
NAME_BYTES = 255
HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
PART = re.compile(r"\.genwright-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}\.part")
Read = TypeVar("Read")
_held: dict[str, int] = {}  # lock files of this process, and the threads that hold them


class InUseError(ArgumentError):
    """A folder that another process writes to."""


class OtherWorkError(ArgumentError):
    """A folder that holds the unfinished work of some other call."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever the operating system says while writing to `path`, as an error that names it and the remedy."""
    try:
        yield
    except OSError as error:
        what = f"cannot write: {error.strerror or error}"
        if error.errno in FULL:
            raise ResourceError(what, where=str(path), hint="make room there, or choose another place") from None
        raise ArgumentError(what, where=str(path), hint="choose another place") from None


def probe(path: Path) -> None:
    """Raise now, before anything is computed for it, if a file or folder cannot be written at `path`."""
    with writing(path):
        real = Path(os.path.realpath(path))
        if is_special(real):
            return
        with suppress(FileNotFoundError):
            real.lstat()  # a path that is too long in all
        there = next(each for each in (real, *real.parents) if os.path.exists(each))
        longest = max(len(os.fsencode(name)) for name in real.parts)
        if longest > NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        part = part_in(there if there != real or there.is_dir() else there.parent)
        try:
            part.write_bytes(b"\0")
        finally:
            remove(part)


def check_room(folder: Path, size: int) -> None:
    """Raise unless there is room for `size` bytes on the disk of `folder`."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < size:
        what = f"about {size / 1e6:,.0f} MB have to be kept here, and {free / 1e6:,.0f} MB are free"
        raise ResourceError(what, where=str(folder), hint="make room there, or choose another place")


def safe_join(folder: Path, name: str) -> Path:
    """`folder/name`, for a name that comes from data; raises DataError for one that is more than a visible name."""
    plain = PurePosixPath(name).name == PureWindowsPath(name).name == name and "\0" not in name
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        size = 0
    if not plain or name.startswith(".") or not 0 < size <= NAME_BYTES:
        raise DataError(f"{name!r} cannot be the name of a file", where=str(folder), hint="rename it")
    return folder / name


def is_special(path: Path) -> bool:
    """Whether `path` is a device or a pipe, which is written through and never replaced."""
    return os.path.exists(path) and not path.is_file() and not path.is_dir()


def flush(path: Path) -> None:
    """Have the operating system put a file's content, or a folder's entries, on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def part_in(folder: Path) -> Path:
    """A new name in `folder` for what is not whole yet; what killed processes left under such names is removed."""
    for each in folder.iterdir():
        if (found := PART.fullmatch(each.name)) and found[1] == HOST and not _runs(int(found[2])):
            remove(each)
    return folder / f".genwright-{HOST}-{os.getpid()}-{secrets.token_hex(4)}.part"


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # asking would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def locked(folder: Path, *, name: str = LOCK, wait: float = 0.0) -> Iterator[None]:
    """Let no other process or thread do the same, made sure of by the operating system: a lock dies with its owner.

    Raises InUseError that names who writes there, after waiting for `wait` seconds. A folder that was made for it
    and stays empty is removed again. Where there are no such locks (Windows), nothing is locked.
    """
    path = Path(os.path.realpath(folder)) / name
    if _held.get(str(path)) == threading.get_ident():
        yield
        return
    with writing(folder):
        made = not path.parent.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _acquired(path, time.monotonic() + wait)
    _held[str(path)] = threading.get_ident()
    try:
        yield
    finally:
        del _held[str(path)]
        try:
            with suppress(OSError):
                path.unlink()
        finally:
            os.close(handle)
        if made:
            with suppress(OSError):
                path.parent.rmdir()


def _acquired(path: Path, until: float) -> int:
    """An open and locked file at `path` that names its owner."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if _lock(handle) and _same(path, handle):  # and not one that its owner has just removed
            owner = f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}"
            os.ftruncate(handle, 0)
            os.write(handle, owner.encode())
            return handle
        owner = os.read(handle, 1000).decode(errors="replace") or "another process"
        os.close(handle)
        if time.monotonic() > until:
            what = f"another genwright is writing there ({owner})"
            raise InUseError(what, where=str(path.parent), hint="wait until it is done, or choose another place")
        time.sleep(0.01)


def _lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


@contextmanager
def _shown_as(path: Path, part: Path) -> Iterator[None]:
    """Errors about what is written at `part` name where it is to be."""
    try:
        yield
    except GenwrightError as error:
        error.where = error.where.replace(str(part), str(path))
        raise


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder to fill, whose entries then take the place of those of the same names in `folder`: all or none.

    Whoever reads by `placed` finds the old ones or the new ones, whenever this is killed.
    """
    with locked(folder, wait=SWAP_SECONDS), writing(folder):
        folder = Path(os.path.realpath(folder))
        recover(folder)
        part = part_in(folder)
        part.mkdir()
        try:
            with _shown_as(folder, part):
                yield part
            flush(part)
            part.rename(folder / NEW)  # from here on it is done, though not tidy
            flush(folder)
        except BaseException:
            remove(part)
            raise
        recover(folder)


def recover(folder: Path) -> None:
    """Put in its place what `replacing` had ready when it was killed."""
    new = folder / NEW
    if not new.is_dir():
        return
    for entry in sorted(new.iterdir()):
        place = folder / entry.name
        if place.is_dir() or (entry.is_dir() and place.exists()):
            place.rename(part := part_in(folder))
            try:
                entry.rename(place)
            finally:
                remove(part)
        else:
            entry.replace(place)
    new.rmdir()
    flush(folder)


def placed(folder: Path, name: str) -> Path:
    """Where the entry `name` of `folder` is read: what is ready to replace it counts, else what was set aside does."""
    places = (folder / NEW / name, folder / name, folder / OLD / name)
    return next((place for place in places if place.exists()), places[1])


def steadily(folder: Path, name: str, read: Callable[[], Read]) -> Read:
    """What `read` returns; it is called again where the file `name` of `folder` was replaced meanwhile."""
    for _ in range(ATTEMPTS):
        before = _stamp(folder, name)
        try:
            return read()
        except StorageError:
            if _stamp(folder, name) == before:
                raise
    return read()


def _stamp(folder: Path, name: str) -> tuple[tuple[int, ...], list[str]]:
    """What changes when entries of `folder` are replaced, also by others of the same content."""
    own: tuple[int, ...] = ()
    moving: list[str] = []
    with suppress(OSError):
        told = placed(folder, name).stat()
        own = told.st_ino, told.st_ctime_ns, told.st_size
    for aside in (NEW, OLD):
        with suppress(OSError):
            moving += sorted(str(path) for path in (folder / aside).iterdir())
    return own, moving


def set_aside(folder: Path, names: Iterable[str]) -> None:
    """Keep these entries until `let_go`; by `placed` they are read as long as nothing has taken their place."""
    with writing(folder):
        for name in names:
            (folder / OLD).mkdir(exist_ok=True)
            remove(folder / OLD / name)
            (folder / name).rename(folder / OLD / name)


def holds_old(folder: Path) -> bool:
    """Whether something was set aside in `folder`."""
    return (folder / OLD).is_dir()


def bring_back(folder: Path) -> None:
    """Put what was set aside back in its place."""
    with writing(folder):
        for entry in sorted((folder / OLD).iterdir()):
            remove(folder / entry.name)
            entry.rename(folder / entry.name)
        (folder / OLD).rmdir()


def let_go(folder: Path) -> None:
    """Delete what was set aside."""
    remove(folder / OLD)


@contextmanager
def new_folder(path: Path, *, ours: Callable[[str], bool]) -> Iterator[Path]:
    """A folder to fill that then stands at `path`, whole or not at all.

    One already there is replaced if it holds nothing but files that `ours` accepts, else it is an error; hidden ones
    stay. It is out of sight for a moment; if that is when this is killed, the next call brings it back first.
    """
    with writing(path):
        path = Path(os.path.realpath(path))
        mark = f".genwright-{zlib.crc32(path.name.encode(errors='surrogateescape')):08x}"
        old = path.parent / f"{mark}.old"
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent, name=f"{mark}.lock", wait=SWAP_SECONDS):
            _bring_back(path, old)
            there = list(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
            strangers = [p.name for p in there if p == path or not (p.name.startswith(".") or ours(p.name))]
            if strangers:
                what = f"would overwrite {min(strangers)!r}"
                raise ArgumentError(what, where=str(path), hint="give a new or an empty folder")
            part = part_in(path.parent)
            part.mkdir()
            try:
                with _shown_as(path, part):
                    yield part
                if path.exists():
                    path.rename(old)
                part.rename(path)
            finally:
                remove(part)
                _bring_back(path, old)
            flush(path.parent)


def _bring_back(path: Path, old: Path) -> None:
    """Of a folder that was moved out of the way: all if nothing took its place, else hidden entries, then none."""
    if old.is_dir() and not path.exists():
        old.rename(path)
    if old.is_dir():
        for each in old.iterdir():
            if each.name.startswith(".") and not (path / each.name).exists():
                each.rename(path / each.name)
        remove(old)
