"""A small convolutional U-net for images of any size and any number of channels, meant to train fast on a CPU."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from genwright.nets.context import embedding_of
from genwright.nets.flow_net import FlowNet
from genwright.nets.time_embedding import TimeEmbedding
from genwright.spaces import Conditions, Reals

PLACES = 20  # longest side, in pixels, that the net works at; larger images are folded into channels first
BLOCKS = (2, 3, 2)  # residual blocks on the way down, at half resolution, and on the way up


class ConvFlowNet(FlowNet):
    """Image-to-image net for velocities, noises or clean images, conditioned on time, context and given pixels.

    Space-to-depth by 1, 2, 4, ... until the longest side is at most 20, then residual blocks at that resolution, at
    half of it with twice the width, and back, with one skip. Sides that do not divide are padded and cropped. Every
    block is modulated by the embedding of time and context (FiLM); its last convolution, and the net's, start at zero.
    """

    def __init__(self, space: Reals, conditions: Conditions | None, *, width: int) -> None:
        super().__init__()
        self.space, self.conditions = space, conditions
        channels, *sides = space.shape
        self.fold = fold_of(sides)
        inner, embedded = 2 * width, 4 * width
        self.time = TimeEmbedding(embedded)
        self.aligned = None if conditions is None else conditions.only(Reals)
        self.vector = None if conditions is None else conditions.without(Reals)
        self.condition = None if self.vector is None else embedding_of(self.vector, embedded)
        stacked = 0 if self.aligned is None else sum(space.shape[0] + 1 for _, space in self.aligned.others)
        self.stem = nn.Conv2d((2 * channels + stacked) * self.fold**2, width, 3, padding=1)
        self.down = nn.ModuleList(Block(width, embedded) for _ in range(BLOCKS[0]))
        self.shrink = nn.Conv2d(width, inner, 2, stride=2)
        self.middle = nn.ModuleList(Block(inner, embedded) for _ in range(BLOCKS[1]))
        self.grow = nn.Conv2d(inner, 4 * width, 1)
        self.up = nn.ModuleList(Block(width, embedded) for _ in range(BLOCKS[2]))
        self.head = nn.Conv2d(width, channels * self.fold**2, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stub lacks this documented form

    def forward(
        self,
        x: Float[Tensor, "n c h w"],
        t: Float[Tensor, "n"],
        context: Float[Tensor, "n k"] | None = None,
        known: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """`x` at times `t` in [0, 1]; where `known` (0 or 1) is 1, `x` holds given clean values."""
        embedded = self.time(t)
        if self.condition is not None and self.vector is not None and self.conditions is not None:
            embedded = embedded + self.condition(self.conditions.part(self.vector, context))
        embedded = functional.silu(embedded)
        known = torch.zeros_like(x) if known is None else known
        height, width = x.shape[2:]
        h = self.stem(self._folded(torch.cat([x, known, *self._stacked(context, (height, width))], dim=1)))
        for block in self.down:
            h = block(h, embedded)
        inner = self.shrink(h)
        for block in self.middle:
            inner = block(inner, embedded)
        h = h + functional.pixel_shuffle(self.grow(inner), 2)
        for block in self.up:
            h = block(h, embedded)
        h = functional.layer_norm(h.permute(0, 2, 3, 1), h.shape[1:2]).permute(0, 3, 1, 2)
        return functional.pixel_shuffle(self.head(functional.silu(h)), self.fold)[:, :, :height, :width].float()

    def _stacked(
        self, context: Float[Tensor, "n k"] | None, size: tuple[int, int]
    ) -> Iterator[Float[Tensor, "n c h w"]]:
        """Given images at the size of the record, each with a channel that says whether it is known."""
        if self.aligned is None or self.conditions is None:
            return
        assert context is not None
        parts = self.conditions.split(context)
        for name, _ in self.aligned.others:
            known = (~parts[name][:, :1].isnan()).to(context.dtype)
            yield functional.interpolate(torch.cat([parts[name].nan_to_num(0.0), known], dim=1), size=size)

    def _folded(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d a b"]:
        """Padded with zeros to sides that divide, then space-to-depth, channels last."""
        unit = 2 * self.fold
        height, width = x.shape[2:]
        x = functional.pad(x, (0, -width % unit, 0, -height % unit))
        return functional.pixel_unshuffle(x, self.fold).contiguous(memory_format=torch.channels_last)


class Block(nn.Module):
    """x + conv(SiLU(conv(FiLM(norm(x))))): one norm over channels at each place, two 3 x 3 convolutions."""

    def __init__(self, width: int, embedded: int) -> None:
        super().__init__()
        self.modulate = nn.Linear(embedded, 2 * width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "n c h w"], embedded: Float[Tensor, "n e"]) -> Float[Tensor, "n c h w"]:
        scale, shift = self.modulate(embedded)[:, None, None].chunk(2, dim=-1)
        places = x.permute(0, 2, 3, 1)  # a view in channels-last memory
        h = functional.layer_norm(places, places.shape[-1:])
        h = torch.addcmul(shift, h, 1.0 + scale).permute(0, 3, 1, 2)
        return x + self.second(functional.silu(self.first(h)))


def fold_of(sides: list[int]) -> int:
    """The least power of two by which to fold so that the longest side is at most 20.

    >>> [fold_of([side, side]) for side in (8, 28, 32, 64, 256)]
    [1, 2, 2, 4, 16]
    """
    return 2 ** max(0, math.ceil(math.log2(max(sides) / PLACES)))
