"""Files that are whole or absent: atomic writes, safetensors and JSON, content hashes. Nothing is ever pickled."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from genwright.errors import ArgumentError, StorageError


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then move it there: readers see the old file or the new one.

    The file and its folder are flushed to disk, so that the result survives a crash of the machine.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        part = Path(name)
        try:
            write(part)
            part.chmod(0o644)
            _flush(part)
            part.replace(path)
            _flush(path.parent)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot write: {error.strerror or error}"
        raise ArgumentError(what, where=str(path), hint="choose another place, or make room there") from None


def _flush(path: Path) -> None:
    """Have the operating system put a file's content, or a folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, raw: bytes) -> None:
    """Write bytes atomically."""

    def write(part: Path) -> None:
        part.write_bytes(raw)

    write_atomic(path, write)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8", newline="\n")

    write_atomic(path, write)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, one key per line, keys in the order given."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=True) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or malformed file is a StorageError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StorageError("no such file", where=str(path), hint="is this a folder that genwright saved?") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise StorageError(f"not valid JSON ({error})", where=str(path), hint="the file is damaged") from None


def write_tensors(path: Path, tensors: Mapping[str, Any], *, metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors as safetensors, atomically."""
    from safetensors.torch import save_file

    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, lambda part: save_file(whole, part, metadata=dict(metadata or {})))


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file: its tensors and its metadata."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise StorageError("no such file", where=str(path), hint="is this a folder that genwright saved?")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        what = f"not a whole safetensors file ({error})"
        raise StorageError(what, where=str(path), hint="the file is damaged") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
