"""Places to write: what is refused beforehand, who holds a lock, and what is found whenever a writer is killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from genwright.errors import ArgumentError, DataError, ResourceError, StorageError
from genwright.folders import (
    NEW,
    PART,
    check_room,
    let_go,
    locked,
    new_folder,
    part_in,
    placed,
    probe,
    recover,
    replacing,
    safe_join,
    set_aside,
    steadily,
)
from genwright.storage import write_text

FULL_DISK = Path("/dev/full")


def names(folder: Path) -> list[str]:
    """All files but parts of writes of this very process, which is not dead and so may still be at them."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if not any(map(PART.fullmatch, p.parts)))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../a", "/etc/a", "a/b", "a\\b", "C:a", ".a", "a\0", "ä" * 130, "\ud800"]
)
def test_names_from_data_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match="cannot be the name"):
        safe_join(tmp_path, name)


@pytest.mark.parametrize("name", ["orders", "a b.csv", "größe", "a..b", "50%", "a\nb", "-rf"])
def test_ordinary_names_are_kept(tmp_path, name):
    assert safe_join(tmp_path, name) == tmp_path / name


def test_places_that_cannot_be_written_are_told_before(tmp_path):
    (tmp_path / "file").touch()
    for place, told in [
        ("file/below", "Not a directory"),
        ("x" * 256 + "/a.csv", "File name too long"),
        ("a/" + "ü" * 128, "File name too long"),
        ("a/" * 2500, "File name too long"),
    ]:
        with pytest.raises(ArgumentError, match=told):
            probe(tmp_path / place)
    for place in ("file", "new", "a/b/c", ".", "x" * 255):
        probe(tmp_path / place)
    assert names(tmp_path) == ["file"] and not (tmp_path / "a").exists()


def test_room_is_asked_for(tmp_path):
    check_room(tmp_path / "not" / "yet", 1000)
    with pytest.raises(ResourceError, match="MB are free"):
        check_room(tmp_path, 1 << 60)


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full")
def test_a_full_disk_is_called_one():
    with pytest.raises(ResourceError, match="No space left"):
        write_text(FULL_DISK, "something")


def test_a_pipe_is_written_to_and_a_link_is_followed(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "through")
    reader.join()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_text(tmp_path / "link", "kept")
    assert read == ["through"] and (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "kept"


def test_files_have_the_mode_that_was_asked_for(tmp_path):
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "private", "")
        with new_folder(tmp_path / "folder", ours=bool):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


def test_parts_of_killed_writes_are_cleared_and_those_of_others_are_not(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    mine = part_in(tmp_path)
    for owner in (dead.stdout.strip(), str(os.getppid())):
        (tmp_path / mine.name.replace(f"-{os.getpid()}-", f"-{owner}-")).mkdir()
    write_text(tmp_path / "a", "")
    assert [f"-{os.getppid()}-" in p.name for p in sorted(tmp_path.iterdir())] == [True, False]


def hold(folder: Path, ready, leave) -> None:
    with locked(folder):
        ready.set()
        leave.wait(60)


def test_a_lock_names_its_owner_and_dies_with_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    owner = context.Process(target=hold, args=(tmp_path / "a", ready, leave))
    owner.start()
    assert ready.wait(60)
    with pytest.raises(ArgumentError, match=f"process {owner.pid} on "), locked(tmp_path / "a"):
        pass
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    with locked(tmp_path / "a"), locked(tmp_path / "a"):  # one thread may take it again
        refused: list[bool] = []
        thread = threading.Thread(target=lambda: refused.append(_refused(tmp_path / "a")))
        thread.start()
        thread.join()
        assert refused == [True]


def _refused(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except ArgumentError:
        return True


def test_an_unused_folder_is_not_left_behind(tmp_path):
    with locked(tmp_path / "a"):
        assert (tmp_path / "a").is_dir()
    assert not (tmp_path / "a").exists()


class Killed(BaseException):
    """Ends a replacement as kill -9 does: nothing is tidied up."""


def kill_at(monkeypatch, moment: int) -> list[int]:
    """Let the `moment`-th change of a name fail, and all that would tidy up after it."""
    count = [0]

    def counted(name: str):
        real = getattr(os, name)

        def call(*arguments, **more):
            count[0] += 1
            if count[0] >= moment:
                raise Killed
            return real(*arguments, **more)

        return call

    for name in ("rename", "replace", "mkdir", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, counted(name))
    return count


def put(folder: Path, word: str) -> None:
    with replacing(folder) as new:
        for name in ("a", "b"):
            (new / name).write_text(word)
        (new / "table").mkdir()
        (new / "table" / "c").write_text(word)


def found(folder: Path) -> set[str]:
    return {placed(folder, name).read_text() for name in ("a", "b")} | {(placed(folder, "table") / "c").read_text()}


def test_killed_at_any_moment_a_replacement_is_done_or_not_at_all(tmp_path, monkeypatch):
    seen = set()
    for moment in range(1, 60):
        folder = tmp_path / str(moment)
        put(folder, "old")
        with monkeypatch.context() as patch:
            count = kill_at(patch, moment)
            with suppress(Killed):
                put(folder, "new")
                break
        assert len(found(folder)) == 1, moment
        seen |= found(folder)
        recover(folder)
        assert len(found(folder)) == 1 and not (folder / NEW).exists()
        put(folder, "next")
        assert found(folder) == {"next"} and set(names(folder)) == {"a", "b", "table/c"}
    assert count[0] > 8 and seen == {"old", "new"}


def test_killed_at_any_moment_a_new_folder_is_old_or_new_and_hidden_files_stay(tmp_path, monkeypatch):
    for moment in range(1, 60):
        folder = tmp_path / str(moment) / "images"
        folder.mkdir(parents=True)
        (folder / "a").write_text("old")
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text("mine")
        with monkeypatch.context() as patch:
            kill_at(patch, moment)
            with suppress(Killed):
                renew(folder, "new")
                break
        renew(folder, "next")
        assert names(folder) == [".git/config", "a"] and (folder / "a").read_text() == "next"
        assert names(folder.parent) == ["images/.git/config", "images/a"]
    assert moment > 5


def renew(folder: Path, word: str) -> None:
    with new_folder(folder, ours=lambda name: name == "a") as new:
        (new / "a").write_text(word)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "b").write_text("mine")
    with pytest.raises(ArgumentError, match="would overwrite 'b'"):
        renew(tmp_path, "new")
    assert names(tmp_path) == ["b"]


def test_readers_beside_a_writer_find_one_or_the_other(tmp_path):
    put(tmp_path, "0")
    stop = time.monotonic() + 1.0
    writer = threading.Thread(target=lambda: [put(tmp_path, str(i)) for i in range(10**6) if time.monotonic() < stop])
    writer.start()

    def read() -> str:
        try:
            words = found(tmp_path)
        except FileNotFoundError:
            raise StorageError("moved away") from None
        if len(words) != 1:
            raise StorageError("of two writes")
        return words.pop()

    results = set()
    while time.monotonic() < stop:
        results.add(steadily(tmp_path, "a", read))
    writer.join()
    assert len(results) > 5


def test_a_reader_sees_that_equal_content_took_the_place_of_what_it_read(tmp_path):
    put(tmp_path, "0")
    tries = []

    def read() -> str:
        tries.append(len(tries))
        if len(tries) == 1:
            put(tmp_path, "0")
            raise StorageError("moved away")
        return found(tmp_path).pop()

    assert steadily(tmp_path, "a", read) == "0" and len(tries) == 2


def test_what_is_set_aside_is_found_until_something_takes_its_place(tmp_path):
    put(tmp_path, "old")
    set_aside(tmp_path, ["a", "b", "table"])
    assert found(tmp_path) == {"old"} and not (tmp_path / "a").exists()
    put(tmp_path, "new")
    assert found(tmp_path) == {"new"}
    let_go(tmp_path)
    assert set(names(tmp_path)) == {"a", "b", "table/c"}


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full")
def test_trying_a_place_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.folders.part_in", lambda _: FULL_DISK)
    removed: list[Path] = []
    monkeypatch.setattr("genwright.folders.remove", removed.append)
    with pytest.raises(ResourceError):
        probe(tmp_path / "a")
    assert removed == [FULL_DISK]
