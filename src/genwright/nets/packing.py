"""Short records side by side in the rows of a batch, so that a net computes nothing for padding."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

WORTH = 0.7  # share of a batch that is filled, below which packing pays for its mask of attention


@dataclass(frozen=True)
class Packed:
    """Rows that hold several records each: what goes in, what follows it, and which record that is of (-1: none)."""

    inputs: Int[Tensor, "r t"]
    targets: Int[Tensor, "r t"]
    record: Int[Tensor, "r t"]


def worth_packing(x: Int[Tensor, "n t"], end: int) -> bool:
    """Whether a batch of records is mostly padding; on a GPU, where to know would halt it, never."""
    return len(x) > 1 and x.device.type == "cpu" and float((x != end).float().mean()) < WORTH


def packed(x: Int[Tensor, "n t"], end: int) -> Packed:
    """Records that are filled up with `end` marks, packed; each begins after an `end` and stops with its first.

    Longest first into the first row that has room, as in Johnson 1973 ("first-fit decreasing").

    >>> found = packed(torch.tensor([[7, 9, 9, 9], [8, 8, 9, 9], [6, 9, 9, 9]]), 9)
    >>> found.inputs.tolist(), found.record.tolist()
    ([[9, 8, 8, 9], [9, 7, 9, 6]], [[1, 1, 1, -1], [0, 0, 2, 2]])
    """
    n, length = x.shape
    sizes = np.minimum((x != end).cumprod(dim=1).sum(dim=1).numpy() + 1, length)
    room, rows = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    starts, count = np.empty(n, dtype=np.int64), 0
    for record in np.argsort(-sizes, kind="stable"):
        fits = np.flatnonzero(room[:count] >= sizes[record])
        row = int(fits[0]) if len(fits) else count
        if row == count:
            room[row], count = length, count + 1
        rows[record], starts[record] = row, length - room[row]
        room[row] -= sizes[record]
    owner = torch.from_numpy(np.repeat(np.arange(n), sizes))
    within = torch.from_numpy(np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes))
    at = torch.from_numpy(rows)[owner], torch.from_numpy(starts)[owner] + within
    inputs, targets, record = (torch.full((count, length), fill) for fill in (end, end, -1))
    targets[at], record[at] = x[owner, within], owner
    inputs[at] = torch.where(within == 0, end, x[owner, within - 1])
    return Packed(inputs, targets, record)
