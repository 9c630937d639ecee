"""Convolutional encoder (grids to vectors) and decoder (vectors to grids), for grids of 1 to 3 sides of any length.

Both work on a pyramid of grids. The finest grid holds one vector per patch of places (space-to-depth: a small image has
patches of one pixel, a 28 x 28 one of 2 x 2), each further grid is half as large, the coarsest at most 4 x 4.
There is no normalisation, so that both also serve in a GAN under gradient penalties; the last convolution of every
residual block starts at zero instead (Zhang et al. 2019, arXiv:1901.09321; Huang et al. 2024, arXiv:2501.05441).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genwright.spaces import Reals

FINEST, COARSEST = 16, 4  # largest side of the finest and of the coarsest grid
WIDEST = 2  # grids below the finest have this many times its channels
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}  # by the number of sides

Size = tuple[int, ...]


def patch_size(*sides: int) -> Size:
    """Places per patch: powers of two such that the finest grid has at most 16 cells along every side.

    >>> patch_size(8, 8), patch_size(28, 28), patch_size(1, 100), patch_size(1000)
    ((1, 1), (2, 2), (1, 8), (64,))
    """
    return tuple(1 << (-(-side // FINEST) - 1).bit_length() for side in sides)


def pyramid(*sides: int, coarsest: int = COARSEST) -> list[Size]:
    """The sizes of the grids, finest first; no side of the last is longer than `coarsest`.

    >>> pyramid(28, 28), pyramid(24), pyramid(64, 64, coarsest=8)
    ([(14, 14), (7, 7), (4, 4)], [(12,), (6,), (3,)], [(16, 16), (8, 8)])
    """
    sizes = [tuple(-(-side // patch) for side, patch in zip(sides, patch_size(*sides), strict=True))]
    while max(sizes[-1]) > coarsest:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return sizes


def channels_last(x: Float[Tensor, "n c *g"]) -> Float[Tensor, "n c *g"]:
    """The same numbers, with the channels of each place side by side in memory, which convolutions are fastest on."""
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def padded(x: Float[Tensor, "n c *g"], unit: Size) -> Float[Tensor, "n c *p"]:
    """Zeros after the end of sides that are no multiple of `unit`."""
    over = [-side % size for side, size in zip(x.shape[2:], unit, strict=True)]
    return F.pad(x, [pad for each in reversed(over) for pad in (0, each)])


def space_to_depth(x: Float[Tensor, "n c *g"], patch: Size) -> Float[Tensor, "n d *h"]:
    """Every patch of a grid, whose sides divide, as the channels of one place."""
    cut = [part for side, size in zip(x.shape[2:], patch, strict=True) for part in (side // size, size)]
    dims = len(patch)
    places, inner = range(2, 2 * dims + 2, 2), range(3, 2 * dims + 2, 2)
    return x.reshape(*x.shape[:2], *cut).permute(0, *places, 1, *inner).flatten(dims + 1).movedim(-1, 1)


def depth_to_space(x: Float[Tensor, "n d *h"], patch: Size) -> Float[Tensor, "n c *g"]:
    """The inverse of `space_to_depth`.

    >>> x = torch.arange(24.0).view(1, 2, 4, 3)
    >>> bool((depth_to_space(space_to_depth(x, (2, 3)), (2, 3)) == x).all())
    True
    """
    dims = len(patch)
    h = x.movedim(1, -1).unflatten(-1, (-1, *patch))  # n, places, channels, inner
    order = [axis for k in range(dims) for axis in (1 + k, 2 + dims + k)]
    sides = [side * size for side, size in zip(x.shape[2:], patch, strict=True)]
    return h.permute(0, *order, 1 + dims).reshape(x.shape[0], *sides, -1).movedim(-1, 1)


def cropped(x: Float[Tensor, "n c *g"], sides: Size) -> Float[Tensor, "n c *s"]:
    """The first places along every side."""
    for k, side in enumerate(sides):
        x = x.narrow(2 + k, 0, side)
    return x


class ConvEncoder(nn.Module):
    """Arrays of `space` to vectors; `condition` numbers steer every residual block.

    With a `grid`, the vectors are grids without sides longer than that, of `outputs` numbers at each place.
    """

    def __init__(
        self, space: Reals, outputs: int, *, width: int, depth: int, condition: int, grid: int | None = None
    ) -> None:
        super().__init__()
        self.space, self.grid, sides = space, grid, space.sides
        sizes, patch, conv = pyramid(*sides, coarsest=grid or COARSEST), patch_size(*sides), CONVOLUTIONS[len(sides)]
        self.patch = patch
        # single places see their neighbours, larger patches do not overlap
        kernel, padding = (patch, 0) if max(patch) > 1 else (3, 1)
        self.patches = conv(space.channels, width, kernel, patch, padding=padding)  # type: ignore[arg-type]
        self.grids, self.downs = nn.ModuleList(), nn.ModuleList()
        channels = width
        for i in range(len(sizes)):
            if i:
                self.downs.append(conv(channels, WIDEST * width, 3, stride=2, padding=1))
                channels = WIDEST * width
            self.grids.append(nn.ModuleList(_Block(channels, condition, len(sides)) for _ in range(depth)))
        whole = channels * int(torch.Size(sizes[-1]).numel())
        self.last = nn.Linear(whole, outputs) if grid is None else conv(channels, outputs, 1)

    def forward(self, x: Float[Tensor, "n *s"], condition: Float[Tensor, "n v"]) -> Float[Tensor, "n outputs"]:
        h = self.patches(channels_last(padded(self.space.as_grid(x), self.patch)))
        for i, blocks in enumerate(self.grids):
            if i:
                h = self.downs[i - 1](h)
            for block in blocks.children():
                h = block(h, condition)
        return self.last(F.silu(h).flatten(1)) if self.grid is None else self.last(F.silu(h)).flatten(1)


class ConvDecoder(nn.Module):
    """Vectors to `copies` arrays of `space`, one after the other; the vector starts and steers every residual block.

    With a `grid`, the vectors are grids as `ConvEncoder` makes them, of all `inputs` but the last `condition` at each
    place; these come once, after all places, and alone steer the blocks.
    """

    def __init__(
        self,
        inputs: int,
        space: Reals,
        *,
        copies: int,
        width: int,
        depth: int,
        grid: int | None = None,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.space, self.copies, self.grid = space, copies, grid
        self.sizes, self.patch = pyramid(*space.sides, coarsest=grid or COARSEST)[::-1], patch_size(*space.sides)
        dims, conv = len(self.patch), CONVOLUTIONS[len(self.patch)]
        channels = WIDEST * width if len(self.sizes) > 1 else width
        self.places = int(torch.Size(self.sizes[0]).numel())
        steering, start = (inputs, inputs) if grid is None else (condition, inputs - condition)
        self.first = nn.Linear(start, channels * self.places) if grid is None else conv(start, channels, 3, padding=1)
        self.condition = condition
        self.grids, self.ups = nn.ModuleList(), nn.ModuleList()
        for i in range(len(self.sizes)):
            if i:
                finer = width if i == len(self.sizes) - 1 else WIDEST * width
                self.ups.append(conv(channels, finer, 1))
                channels = finer
            self.grids.append(nn.ModuleList(_Block(channels, steering, dims) for _ in range(depth)))
        outputs = copies * space.channels * int(torch.Size(self.patch).numel())
        self.last = conv(channels, outputs, 3, padding=1)

    def forward(self, vector: Float[Tensor, "n inputs"]) -> Float[Tensor, "n k *s"]:
        if self.grid is None:
            h = self.first(vector).unflatten(1, (-1, *self.sizes[0]))
        else:
            z, vector = vector.tensor_split([vector.shape[1] - self.condition], dim=1)
            h = self.first(z.unflatten(1, (-1, *self.sizes[0])))
        h = channels_last(h)
        for i, blocks in enumerate(self.grids):
            if i:
                h = F.interpolate(self.ups[i - 1](h), size=self.sizes[i], mode="nearest")
            for block in blocks.children():
                h = block(h, vector)
        grid = cropped(depth_to_space(self.last(F.silu(h)), self.patch), self.space.sides)
        return self.space.from_grid(grid.unflatten(1, (self.copies, -1)).flatten(0, 1)).unflatten(0, (len(vector), -1))


class _Block(nn.Module):
    """x + conv₂(SiLU(conv₁(SiLU(x)) + bias(condition))); nothing is added to the bias where there is no condition."""

    def __init__(self, channels: int, condition: int, dims: int) -> None:
        super().__init__()
        conv = CONVOLUTIONS[dims]
        self.first = conv(channels, channels, 3, padding=1)
        self.last = conv(channels, channels, 3, padding=1)
        self.bias = nn.Linear(condition, channels) if condition else None
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Float[Tensor, "n c *g"], condition: Float[Tensor, "n v"]) -> Float[Tensor, "n c *g"]:
        h = self.first(F.silu(x))
        if self.bias is not None:
            h = h + self.bias(condition)[(..., *[None] * (x.dim() - 2))]
        return x + self.last(F.silu(h))
