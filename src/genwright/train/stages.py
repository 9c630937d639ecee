"""Stages of a fit on the disk: a fit that was stopped goes on after the last one that was done."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from genwright.errors import StorageError
from genwright.folders import OtherWorkError, check_room
from genwright.storage import parse_json, read_about, read_tensors, write_tensors
from genwright.train.record import checked
from genwright.typed import entry

CHECKPOINT = "checkpoint.safetensors"  # of the training loop
STAGE = "checkpoint-{}.safetensors"
PATTERN = "checkpoint*.safetensors"
Kept = tuple[dict[str, Tensor], dict[str, Any]]


@dataclass(frozen=True)
class Stages:
    """Where the stages of one fit, told from others by its `fingerprint`, are kept; nowhere without a folder."""

    folder: Path | None = None
    fingerprint: str = ""

    def done(self, name: str, work: Callable[[], Kept], *, needed: Sequence[str] = ()) -> Kept:
        """The tensors and the record that `work` returns, or returned to an earlier process of the same fit.

        A record that was read has all that is `needed`, or there is a StorageError.
        """
        if self.folder is None:
            return work()
        path = self.folder / STAGE.format(name)
        if path.exists():
            tensors, about = read_tensors(path)
            check_same(about.get("fingerprint"), self.fingerprint, path)
            return tensors, checked(told_in(about, "record", where=str(path)), where=str(path), needed=needed)
        tensors, record = work()
        write_tensors(path, tensors, metadata={"fingerprint": self.fingerprint, "record": json.dumps(record)})
        (self.folder / CHECKPOINT).unlink(missing_ok=True)  # it was of this stage, and no later one has begun
        return tensors, record

    def check_room(self, net: nn.Module, *, copies: int) -> None:
        """Raise unless the disk has room for so many copies of the weights."""
        if self.folder is not None:
            size = sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())
            check_room(self.folder, copies * size)


NOWHERE = Stages()


def told_in(about: Mapping[str, str], name: str, *, where: str) -> Any:
    """The JSON under `name` in the metadata of a checkpoint."""
    return parse_json(entry(about, name, str, where=where).encode(), where=where)


def check_same(found: str | None, fingerprint: str, path: Path) -> None:
    """Raise unless what was found at `path` is of this very fit."""
    if found != fingerprint:
        raise OtherWorkError(
            "an unfinished fit of other data, another recipe or another seed is in this folder",
            where=str(path),
            hint="choose another folder, or delete this file to start afresh",
        )


def forget(folder: Path, fingerprint: str | None) -> None:
    """Delete the checkpoints of this fit, whose result is kept elsewhere."""
    for path in folder.glob(PATTERN) if fingerprint else ():
        with suppress(StorageError):  # a damaged one is not known to be of this fit
            if read_about(path).get("fingerprint") == fingerprint:
                path.unlink()
