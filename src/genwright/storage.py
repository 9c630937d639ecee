"""Files that are whole or absent: atomic writes, safetensors and JSON, content hashes. Nothing is ever pickled."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from genwright.errors import StorageError
from genwright.folders import OtherWorkError, flush, is_special, part_in, remove, writing

NESTS = (list, tuple, dict)
DEEPEST = 50  # lists and objects inside each other in JSON; what is deeper might exhaust Python's stack later on


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there: readers see the old file or the new one.

    The file and its folder are flushed to disk, so that the result survives a crash of the machine. Where `path` is a
    link, the file that it leads to is replaced; a device or a pipe is written to.
    """
    with writing(path):
        path = Path(os.path.realpath(path))
        if is_special(path):
            write(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_in(path.parent)
        try:
            write(part)
            flush(part)
            part.replace(path)
            flush(path.parent)
        finally:
            remove(part)


def write_bytes(path: Path, raw: bytes) -> None:
    """Write bytes atomically."""

    def write(part: Path) -> None:
        part.write_bytes(raw)

    write_atomic(path, write)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; lone surrogates, which UTF-8 has no bytes for, as JSON writes them (\\udce9)."""

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")

    write_atomic(path, write)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, one key per line, keys in the order given."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """JSON as it is written: one key per line, keys in the order given."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=True) + "\n"


def read_json(path: Path) -> Any:
    """Read JSON; a missing or malformed file is a StorageError."""
    return parse_json(read_file(path), where=str(path))


def parse_json(raw: bytes, *, where: str) -> Any:
    """The value in the bytes of a JSON file."""
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also of numbers of thousands of digits, and of deep nesting
        raise StorageError(f"not valid JSON ({error})", where=where, hint="the file is damaged") from None
    if is_deep(value):
        raise StorageError(f"nested more than {DEEPEST} deep", where=where, hint="the file is damaged")
    return value


def is_deep(value: Any, *, most: int = DEEPEST) -> bool:
    """Whether more than so many lists and objects are inside each other; told without recursion."""
    level = [value]
    for _ in range(most):
        held = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, NESTS)]
        level = [each for inside in held for each in inside]
    return bool(level)


def claim(folder: Path, asked: dict[str, Any]) -> None:
    """Make `folder` that of the work that is asked for, or find it to be; OtherWorkError if it holds anything else."""
    path = folder / "run.json"
    if path.is_file() and read_json(path) == asked:
        return
    if folder.is_file() or (folder.is_dir() and any(not each.name.startswith(".") for each in folder.iterdir())):
        hint = "give another folder with --out, or --force to replace what is there"
        raise OtherWorkError("there is already something else here", where=str(folder), hint=hint)
    write_json(path, asked)


def write_tensors(path: Path, tensors: Mapping[str, Any], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors as safetensors, atomically."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}

    def write(part: Path) -> None:
        try:
            save_file(whole, part, metadata=dict(metadata or {}))
        except SafetensorError as error:  # its only word of what the operating system said is "(os error 28)"
            number = re.search(r"os error (\d+)", str(error))
            assert number is not None, error
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None

    write_atomic(path, write)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file: its tensors and its metadata."""
    return parse_tensors(read_file(path), where=str(path))


def parse_tensors(raw: bytes, *, where: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The tensors and the metadata in the bytes of a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        return tensors, dict(header.get("__metadata__", {}))
    except (SafetensorError, ValueError, AssertionError, KeyError, TypeError, RuntimeError) as error:
        what = f"not a whole safetensors file ({error})"
        raise StorageError(what, where=where, hint="the file is damaged") from None


def read_about(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors."""
    from safetensors import SafetensorError, safe_open

    check_regular(path)
    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise StorageError(f"not a whole safetensors file ({error})", where=str(path)) from None


def read_file(path: Path) -> bytes:
    """The bytes of a file that was saved; a StorageError where it cannot be read."""
    try:
        check_regular(path)
        return path.read_bytes()
    except FileNotFoundError:
        raise StorageError("no such file", where=str(path), hint="is this a folder that genwright saved?") from None
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", where=str(path)) from None


def check_regular(path: Path) -> None:
    """Raise StorageError for a folder, a pipe or a device, which would be read for ever; OSError where nothing is."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise StorageError("not a file", where=str(path), hint="is this a folder that genwright saved?")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
