"""A small convolutional U-net for grids of 1 to 3 sides and any number of channels, meant to train fast on a CPU."""

import math
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from genwright.nets.context import embedding_of
from genwright.nets.conv import CONVOLUTIONS, cropped, depth_to_space, padded, space_to_depth
from genwright.nets.flow_net import FlowNet
from genwright.nets.time_embedding import TimeEmbedding
from genwright.spaces import Conditions, Reals, Space

PLACES = {1: 64, 2: 20, 3: 8}  # by sides: the longest that the net works at; longer ones are folded into channels
BLOCKS = (2, 3, 2)  # residual blocks on the way down, at half resolution, and on the way up


class ConvFlowNet(FlowNet):
    """Grid-to-grid net for velocities, noises or clean arrays, conditioned on time, context and given places.

    Space-to-depth by 1, 2, 4, ... until the longest side is at most 20 (of images), then residual blocks at that
    resolution, at half of it with twice the width, and back, with one skip. Sides that do not divide are padded and
    cropped. Conditions of the same axes are stacked on the input. Every block is modulated by the embedding of time
    and all other conditions (FiLM); its last convolution, and the net's, start at zero.
    """

    space: Reals

    def __init__(self, space: Reals, conditions: Conditions | None, *, width: int) -> None:
        super().__init__()
        self.space, self.conditions = space, conditions
        dims = len(space.sides)
        conv = CONVOLUTIONS[dims]
        self.fold = (fold_of(space.sides),) * dims
        inner, embedded, inside = 2 * width, 4 * width, int(torch.Size(self.fold).numel())
        self.time = TimeEmbedding(embedded)
        self.aligned = None if conditions is None else conditions.only(self._lies_alike)
        self.vector = None if conditions is None else conditions.without(self._lies_alike)
        self.condition = None if self.vector is None else embedding_of(self.vector, embedded)
        beside = () if self.aligned is None else self.aligned.others
        stacked = sum(own.channels + 1 for _, own in beside if isinstance(own, Reals))
        self.stem = conv((2 * space.channels + stacked) * inside, width, 3, padding=1)
        self.down = nn.ModuleList(Block(width, embedded, dims) for _ in range(BLOCKS[0]))
        self.shrink = conv(width, inner, 2, stride=2)
        self.middle = nn.ModuleList(Block(inner, embedded, dims) for _ in range(BLOCKS[1]))
        self.grow = conv(inner, 2**dims * width, 1)
        self.up = nn.ModuleList(Block(width, embedded, dims) for _ in range(BLOCKS[2]))
        self.head = conv(width, space.channels * inside, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        if dims > 1:
            layout = {2: torch.channels_last, 3: torch.channels_last_3d}[dims]
            self.to(memory_format=layout)  # type: ignore[call-overload]  # the stub lacks this documented form

    def forward(
        self,
        x: Float[Tensor, "n *s"],
        t: Float[Tensor, "n"],
        context: Float[Tensor, "n k"] | None = None,
        known: Float[Tensor, "n *s"] | None = None,
    ) -> Float[Tensor, "n *s"]:
        """`x` at times `t` in [0, 1]; where `known` (0 or 1) is 1, `x` holds given clean values."""
        embedded = self.time(t)
        if self.condition is not None and self.vector is not None and self.conditions is not None:
            assert context is not None
            embedded = embedded + self.condition(self.conditions.part(self.vector, context))
        embedded = functional.silu(embedded)
        grids = [self.space.as_grid(each) for each in (x, torch.zeros_like(x) if known is None else known)]
        twice = tuple(2 * side for side in self.fold)
        seen = torch.cat([*grids, *self._stacked(context)], dim=1)
        h = self.stem(space_to_depth(padded(seen, twice), self.fold))
        for block in self.down:
            h = block(h, embedded)
        inner = self.shrink(h)
        for block in self.middle:
            inner = block(inner, embedded)
        h = h + depth_to_space(self.grow(inner), (2,) * len(self.fold))
        for block in self.up:
            h = block(h, embedded)
        h = functional.layer_norm(h.movedim(1, -1), h.shape[1:2]).movedim(-1, 1)
        out = depth_to_space(self.head(functional.silu(h)), self.fold)
        return self.space.from_grid(cropped(out, self.space.sides)).float()

    def _lies_alike(self, space: Space) -> bool:
        """Whether a condition lies on a grid of the same axes, so that it can be laid on the record."""
        return isinstance(space, Reals) and space.axes == self.space.axes

    def _stacked(self, context: Float[Tensor, "n k"] | None) -> Iterator[Float[Tensor, "n c *g"]]:
        """Given arrays at the size of the record, each with a channel that says whether it is known."""
        if self.aligned is None or self.conditions is None:
            return
        assert context is not None
        parts = self.conditions.split(context)
        for name, space in self.aligned.others:
            assert isinstance(space, Reals)
            grid = space.as_grid(parts[name])
            known = (~grid[:, :1].isnan()).to(context.dtype)
            yield functional.interpolate(torch.cat([grid.nan_to_num(0.0), known], dim=1), size=self.space.sides)


class Block(nn.Module):
    """x + conv(SiLU(conv(FiLM(norm(x))))): one norm over channels at each place, two convolutions of 3 along sides."""

    def __init__(self, width: int, embedded: int, dims: int) -> None:
        super().__init__()
        conv = CONVOLUTIONS[dims]
        self.modulate = nn.Linear(embedded, 2 * width)
        self.first = conv(width, width, 3, padding=1)
        self.second = conv(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "n c *g"], embedded: Float[Tensor, "n e"]) -> Float[Tensor, "n c *g"]:
        modulation = self.modulate(embedded)
        scale, shift = modulation[(slice(None), *[None] * (x.dim() - 2))].chunk(2, dim=-1)
        places = x.movedim(1, -1)  # a view in channels-last memory
        h = functional.layer_norm(places, places.shape[-1:])
        h = torch.addcmul(shift, h, 1.0 + scale).movedim(-1, 1)
        return x + self.second(functional.silu(self.first(h)))


def fold_of(sides: Sequence[int]) -> int:
    """The least power of two by which to fold so that no side is longer than the net works at.

    >>> [fold_of([side, side]) for side in (8, 28, 32, 64, 256)], fold_of([1000])
    ([1, 2, 2, 4, 16], 16)
    """
    return 2 ** max(0, math.ceil(math.log2(max(sides) / PLACES[len(sides)])))
