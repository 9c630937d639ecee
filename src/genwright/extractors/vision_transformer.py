"""DINOv2's vision transformer with patches of 14 x 14 pixels: Oquab et al. 2023, arXiv:2304.07193.

Pre-norm blocks (Dosovitskiy et al. 2021, arXiv:2010.11929) with layer scale (Touvron et al. 2021, arXiv:2103.17239).
Parameter names are those of dinov2_vits14_pretrain.pth and its larger sisters.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 14
HEAD = 64  # width of an attention head in all published sizes
SIDE = 37  # patches along a side of the images trained on last: 518 pixels
Positions = Literal["hub", "exact"]


class VisionTransformer(nn.Module):
    """Normalised images (n, 3, h, w), sides multiples of 14, to the normalised class token.

    `positions` says how embeddings trained for 37 x 37 patches are stretched to other sizes. "hub": by a factor with
    0.1 added to the new side, as in the published code and hence in FD-DINOv2. "exact": to the new side, as in the
    transformers package. At 518 x 518 pixels nothing is stretched.
    """

    def __init__(self, *, width: int, depth: int, side: int = SIDE, positions: Positions = "hub") -> None:
        super().__init__()
        self.positions, self.dimension = positions, width
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + side**2, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        patches = self.patch_embed["proj"](x)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self.stretched((patches.shape[2], patches.shape[3]))
        return self.norm(self.blocks(tokens)[:, 0])

    def stretched(self, grid: tuple[int, int]) -> Float[Tensor, "1 t d"]:
        """Position embeddings of the class token and of a grid of patches."""
        side = math.isqrt(self.pos_embed.shape[1] - 1)
        if grid == (side, side):
            return self.pos_embed
        own, patches = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        square = patches.unflatten(1, (side, side)).permute(0, 3, 1, 2)
        if self.positions == "hub":
            factors = tuple((g + 0.1) / side for g in grid)
            square = F.interpolate(square, scale_factor=factors, mode="bicubic")
        else:
            square = F.interpolate(square, size=grid, mode="bicubic")
        return torch.cat([own, square.flatten(2).transpose(1, 2)], 1)


class Block(nn.Module):
    """Attention and a two-layer perceptron, each normalised before and scaled by channel after."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width)
        self.mlp = Perceptron(width)
        self.ls1, self.ls2 = LayerScale(width), LayerScale(width)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class Attention(nn.Module):
    """Multi-head self-attention over all tokens: Vaswani et al. 2017, arXiv:1706.03762."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        q, k, v = self.qkv(x).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Perceptron(nn.Module):
    """Two layers, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    """One factor per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        return x * self.gamma
