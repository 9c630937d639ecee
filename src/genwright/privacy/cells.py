"""Fields as numbered cells: what marginals count. Fine cells for the model, fewer and coarser ones for pairs."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.scalars import Atoms, Levels
from genwright.codecs.smooth import Smooth

KNOTS = 16  # cells of a continuous column, each nearest to one of so many evenly spaced quantiles
MAX_COARSE = 24  # cells of a field in tables of pairs


@final
@dataclass(frozen=True)
class FieldCells:
    """The cells of one field: the levels of its discrete column, if any, then the quantiles of its continuous one.

    Where the discrete column governs the continuous one, its state 0 is no cell: the quantiles are.
    """

    discrete: int | None
    continuous: int | None
    levels: int
    ordered: bool
    missing: int | None  # the cell of missing values

    @property
    def size(self) -> int:
        """How many cells there are."""
        states = self.levels if self.continuous is None else max(0, self.levels - 1)
        return states + (0 if self.continuous is None else KNOTS)

    @property
    def states(self) -> int:
        """How many of them are levels or states, which come first."""
        return self.size - (0 if self.continuous is None else KNOTS)

    def of(self, x: Float[Tensor, "n c"]) -> Int[np.ndarray, " n"]:
        """The cell of each encoded row."""
        if self.continuous is None:
            return x[:, self.discrete].long().numpy()
        place = (torch.special.ndtr(x[:, self.continuous].double()) * (KNOTS - 1)).round().long() + self.states
        if self.discrete is None:
            return place.numpy()
        state = x[:, self.discrete].long()
        return torch.where(state == 0, place, state - 1).numpy()


def field_cells(codec: ColumnsCodec) -> list[FieldCells]:
    """The cells of each modelled field of a privately fitted codec."""
    cells: list[FieldCells] = []
    first = 0
    for field, coder in zip(codec.fields, codec.coders, strict=True):
        match coder:
            case Levels():
                width, lone = 1, len(coder.frequent) if coder.missing else None
                cells.append(FieldCells(first, None, len(coder.frequent) + coder.missing, False, lone))
            case Atoms():
                width, lone = 1, len(coder.values) if coder.missing else None
                cells.append(FieldCells(first, None, len(coder.values) + coder.missing, True, lone))
            case Smooth():
                width = len(coder.columns(field.name, first))
                state, lone = (first if width == 2 else None), (0 if coder.missing else None)
                levels = 0 if state is None else 1 + coder.missing + len(coder.spikes)
                cells.append(FieldCells(state, first + width - 1, levels, True, lone))
            case _:
                assert coder is None, "private codecs have no other coders"
                width = 0
        first += width
    return cells


def coarsened(cells: FieldCells, shares: Float[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """The coarse cell of each fine one, given the shares of the fine ones: at most MAX_COARSE, and one for missing.

    Neighbours of an ordered field come together so that coarse cells have alike sums of square roots of shares, which
    leaves common values alone and tails resolved; of other fields the rarest levels come together.
    """
    if cells.size <= MAX_COARSE:
        return np.arange(cells.size)
    here = np.arange(cells.size) != (-1 if cells.missing is None else cells.missing)
    coarse = np.empty(cells.size, dtype=np.int64)
    if cells.ordered:
        weight = np.sqrt(np.maximum(shares[here], 0.0)) + 1e-9
        middle = (np.cumsum(weight) - weight / 2) / weight.sum()
        coarse[here] = (middle * MAX_COARSE).astype(np.int64).clip(0, MAX_COARSE - 1)
    else:
        rank = np.empty(int(here.sum()), dtype=np.int64)
        rank[np.argsort(-shares[here], kind="stable")] = np.arange(len(rank))
        coarse[here] = np.minimum(rank, MAX_COARSE - 1)
    coarse[~here] = MAX_COARSE
    return np.unique(coarse, return_inverse=True)[1]
