"""Convolutional encoder (images to vectors) and decoder (vectors to images), for any size and number of channels.

Both work on a pyramid of grids. The finest grid holds one vector per patch of pixels (space-to-depth: a small image has
patches of one pixel, a 28 x 28 one of 2 x 2), each further grid is half as large, the coarsest at most 4 x 4.
There is no normalisation, so that both also serve in a GAN under gradient penalties; the last convolution of every
residual block starts at zero instead (Zhang et al. 2019, arXiv:1901.09321; Huang et al. 2024, arXiv:2501.05441).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

FINEST, COARSEST = 16, 4  # largest side of the finest and of the coarsest grid
WIDEST = 2  # grids below the finest have this many times its channels

Size = tuple[int, int]


def patch_size(height: int, width: int) -> Size:
    """Pixels per patch: powers of two such that the finest grid is at most 16 cells high and wide.

    >>> patch_size(8, 8), patch_size(28, 28), patch_size(1, 100)
    ((1, 1), (2, 2), (1, 8))
    """
    return _patch_side(height), _patch_side(width)


def pyramid(height: int, width: int) -> list[Size]:
    """The sizes of the grids, finest first.

    >>> pyramid(28, 28)
    [(14, 14), (7, 7), (4, 4)]
    """
    patch = patch_size(height, width)
    sizes = [(-(-height // patch[0]), -(-width // patch[1]))]
    while max(sizes[-1]) > COARSEST:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


class ConvEncoder(nn.Module):
    """Images of `shape` (channels, height, width) to vectors; `condition` numbers steer every residual block."""

    def __init__(self, shape: tuple[int, int, int], outputs: int, *, width: int, depth: int, condition: int) -> None:
        super().__init__()
        sizes = pyramid(*shape[1:])
        patch = patch_size(*shape[1:])
        self.padding = (0, sizes[0][1] * patch[1] - shape[2], 0, sizes[0][0] * patch[0] - shape[1])
        self.patches = nn.Conv2d(shape[0], width, patch if patch != (1, 1) else 3, patch, padding=_same(patch))
        self.grids, self.downs = nn.ModuleList(), nn.ModuleList()
        channels = width
        for i in range(len(sizes)):
            if i:
                self.downs.append(nn.Conv2d(channels, WIDEST * width, 3, stride=2, padding=1))
                channels = WIDEST * width
            self.grids.append(nn.ModuleList(_Block(channels, condition) for _ in range(depth)))
        self.last = nn.Linear(channels * sizes[-1][0] * sizes[-1][1], outputs)

    def forward(self, x: Float[Tensor, "n c h w"], condition: Float[Tensor, "n v"]) -> Float[Tensor, "n outputs"]:
        h = self.patches(F.pad(x, self.padding).contiguous(memory_format=torch.channels_last))
        for i, blocks in enumerate(self.grids):
            if i:
                h = self.downs[i - 1](h)
            for block in blocks.children():
                h = block(h, condition)
        return self.last(F.silu(h).flatten(1))


class ConvDecoder(nn.Module):
    """Vectors to images of `shape` (channels, height, width); the vector starts and steers every residual block."""

    def __init__(self, inputs: int, shape: tuple[int, int, int], *, width: int, depth: int) -> None:
        super().__init__()
        self.image_size = shape[1:]
        self.sizes = pyramid(*shape[1:])[::-1]
        patch = patch_size(*shape[1:])
        channels = WIDEST * width if len(self.sizes) > 1 else width
        self.first = nn.Linear(inputs, channels * self.sizes[0][0] * self.sizes[0][1])
        self.grids, self.ups = nn.ModuleList(), nn.ModuleList()
        for i in range(len(self.sizes)):
            if i:
                finer = width if i == len(self.sizes) - 1 else WIDEST * width
                self.ups.append(nn.Conv2d(channels, finer, 1))
                channels = finer
            self.grids.append(nn.ModuleList(_Block(channels, inputs) for _ in range(depth)))
        self.last = nn.Conv2d(channels, shape[0] * patch[0] * patch[1], 3, padding=1)
        self.patch = patch

    def forward(self, vector: Float[Tensor, "n inputs"]) -> Float[Tensor, "n c h w"]:
        h = self.first(vector).unflatten(1, (-1, *self.sizes[0])).contiguous(memory_format=torch.channels_last)
        for i, blocks in enumerate(self.grids):
            if i:
                h = F.interpolate(self.ups[i - 1](h), size=self.sizes[i], mode="nearest")
            for block in blocks.children():
                h = block(h, vector)
        return self._depth_to_space(self.last(F.silu(h)))

    def _depth_to_space(self, h: Float[Tensor, "n p gh gw"]) -> Float[Tensor, "n c h w"]:
        n, _, rows, columns = h.shape
        a, b = self.patch
        x = h.view(n, -1, a, b, rows, columns).permute(0, 1, 4, 2, 5, 3).reshape(n, -1, rows * a, columns * b)
        return x[:, :, : self.image_size[0], : self.image_size[1]]


class _Block(nn.Module):
    """x + conv₂(SiLU(conv₁(SiLU(x)) + bias(condition))); nothing is added to the bias where there is no condition."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.bias = nn.Linear(condition, channels) if condition else None
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Float[Tensor, "n c h w"], condition: Float[Tensor, "n v"]) -> Float[Tensor, "n c h w"]:
        h = self.first(F.silu(x))
        if self.bias is not None:
            h = h + self.bias(condition)[:, :, None, None]
        return x + self.last(F.silu(h))


def _patch_side(side: int) -> int:
    """The smallest power of two that covers `side` with at most `FINEST` patches."""
    return 1 << (-(-side // FINEST) - 1).bit_length()


def _same(patch: Size) -> int:
    """Padding of the first convolution: single pixels see their neighbours, larger patches do not overlap."""
    return 1 if patch == (1, 1) else 0
