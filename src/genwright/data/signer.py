"""What writers are given to sign files with, and where the signature of a file stands that cannot hold one."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from genwright.data.origin import Origin
from genwright.folders import is_special
from genwright.storage import write_bytes

BESIDE = ".sig.json"  # after the name of the file
Signer = Callable[[str, bytes, Origin | None], Mapping[str, bytes]]  # a name, a content, and where it comes from


def unsigned(name: str, raw: bytes, origin: Origin | None) -> Mapping[str, bytes]:
    """The file as it is."""
    return {name: raw}


def put(path: Path, raw: bytes, *, signer: Signer, origin: Origin | None) -> tuple[str, ...]:
    """Write a file and what signs it; an old signature does not stay beside a new file. Returns notes."""
    if is_special(Path(os.path.realpath(path))):
        write_bytes(path, raw)
        return () if signer is unsigned else (f"not signed: {path} is a device, which keeps nothing beside it",)
    files = signer(path.name, raw, origin)
    for name, content in files.items():
        write_bytes(path.with_name(name), content)
    if path.name + BESIDE not in files:
        path.with_name(path.name + BESIDE).unlink(missing_ok=True)
    return ()
