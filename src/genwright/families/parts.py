"""Which parts of training records are given to a net that learns every conditional distribution of them."""

import functools
from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from genwright.nets.default import is_grid
from genwright.spaces import Reals, Space

PARTIAL_GRIDS = 0.2  # share of training images and other grids of which a random part is given
PARTIAL_SEQUENCES = 0.3  # the same for grids of one side, such as series, of which the past is the usual condition
PARTIAL_ROWS = 0.5  # the same for vectors and rows, where given columns are the usual condition


def random_parts(space: Space, n: int, rng: torch.Generator) -> Bool[Tensor, "n *d"]:
    """Which coordinates of a training batch are given, so that one net learns every conditional distribution of the
    parts.

    In a share of the records: a random set of columns or entries, or the inside or outside of a box of a grid; of
    sequences some times, all of some features, or both.
    """

    rand = functools.partial(torch.rand, generator=rng, device=rng.device)
    if is_grid(space):
        assert isinstance(space, Reals)
        if len(space.sides) == 1:
            return space.from_grid(_parts_of_sequences(space.channels, space.sides[0], n, rand))
        each = (n, *[1] * (1 + len(space.sides)))
        inside = torch.ones(n, 1, *space.sides, dtype=torch.bool, device=rng.device)
        for side, length in enumerate(space.sides, start=2):
            ends = (rand(n, 2) * (length + 1)).floor().sort(dim=1).values
            place = torch.arange(length, device=rng.device).view([-1 if d == side else 1 for d in range(len(each))])
            inside = inside & (place >= ends[:, 0].view(each)) & (place < ends[:, 1].view(each))
        part = inside ^ (rand(each) < 0.5)
        part = part & (rand(each) < PARTIAL_GRIDS)
        return space.from_grid(part.expand(n, space.channels, *space.sides))
    given = rand(n, torch.Size(space.shape).numel())
    return ((given < rand(n, 1)) & (rand(n, 1) < PARTIAL_ROWS)).view(n, *space.shape)


def _parts_of_sequences(c: int, t: int, n: int, rand: Callable[..., Tensor]) -> Bool[Tensor, "n c t"]:
    """Of a share of sequences the times in or out of a stretch, those before one (half of the time), or scattered ones,
    of all features or of some; and some features throughout.
    """
    place = torch.arange(t, device=rand(1).device)
    ends = (rand(n, 2) * (t + 1)).floor().sort(dim=1).values
    stretch = (place >= ends[:, :1]) & (place < ends[:, 1:])
    before = place < (rand(n, 1) * t).ceil()
    scattered = rand(n, t) < rand(n, 1)
    way = rand(n, 1)
    times = torch.where(way < 0.5, before, torch.where(way < 0.75, stretch ^ (rand(n, 1) < 0.5), scattered))
    some = (rand(n, c) < rand(n, 1)) & (rand(n, 1) < 0.5)  # features that all is known of
    known = times[:, None, :] | some[:, :, None]
    return known & (rand(n, 1, 1) < PARTIAL_SEQUENCES)
