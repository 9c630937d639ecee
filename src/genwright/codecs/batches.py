"""Rows that are encoded when a batch of them is asked for, of data that stays on the disk."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from genwright.codecs.codec import Codec
from genwright.data.dataset import Dataset
from genwright.data.ondisk import OnDisk
from genwright.spaces import Encoded, RowSource

AT_ONCE = 1024  # rows, where those of all are asked for


@dataclass(frozen=True, eq=False)
class Batches(RowSource):
    """The rows of `data`, encoded batch by batch; what a codec draws to encode is the same for every batch."""

    codec: Codec
    data: Dataset
    seed: int
    where: torch.device

    @property
    def device(self) -> torch.device:
        return self.where

    def __len__(self) -> int:
        return len(self.data)

    def rows(self, index: Tensor | slice) -> Encoded:
        at = index.cpu().numpy() if isinstance(index, Tensor) else index
        rng = torch.Generator().manual_seed(self.seed)
        return self.codec.encode(self.data.take(at), rng=rng).to(self.where)

    def to(self, device: torch.device) -> "Batches":
        return replace(self, where=device)

    @property
    def context(self) -> Float[Tensor, "n c"] | None:
        """The conditions of all rows, which are small."""
        if self.codec.conditions is None:
            return None
        parts = [self.rows(at).context for at in torch.arange(len(self)).split(AT_ONCE)]
        return torch.cat([part for part in parts if part is not None])


def encoded(codec: Codec, data: Dataset, *, rng: torch.Generator) -> RowSource:
    """The rows of `data` in memory, or where a column of it is on the disk, batch by batch."""
    if any(isinstance(data.columns[field.name], OnDisk) for field in data.fields):
        return Batches(codec, data, rng.initial_seed(), rng.device)
    return codec.encode(data, rng=rng)
