"""A U-Net that the library diffusers has too, weight by weight: slower than our own nets, but it opens elsewhere.

Its parameters are called as those of `UNet2DModel` there, so they are written as they are. What it computes is that
model with blocks DownBlock2D and UpBlock2D (no attention), group norms, and positional embeddings of times.
"""

import math
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from genwright.errors import UnsupportedError
from genwright.nets.default import is_grid
from genwright.nets.flow_net import FlowNet
from genwright.spaces import Conditions, Discrete, Reals, Space

WIDTHS = (32, 64, 64)  # channels of each resolution, finest first
LAYERS = 1  # residual blocks of each on the way down; there is one more on the way up
GROUPS = 8
EPSILON = 1e-5
STEPS = 1000.0  # times are counted in thousandths
LONGEST = 10_000.0  # the slowest wave of a time, in thousandths
HINT = "fit to images of two sides, unlabelled or with one label: select(['image', 'label'])"


def portable(space: Space, conditions: Conditions | None) -> "PortableNet":
    """The net for `FlowMatching(net=portable)` and `Diffusion(net=portable)`; `genwright export --to diffusers` writes
    it. UnsupportedError for other records than images, and conditions other than one label.

    >>> net = portable(Reals((1, 28, 28)), None)
    >>> net.sizes, sum(p.numel() for p in net.parameters())
    ([(28, 28), (14, 14), (7, 7)], 1045729)
    """
    image = cast(Reals, space)
    if not is_grid(space) or len(image.sides) != 2 or image.axes[0] != "channel":
        raise UnsupportedError("the portable net draws images", where="portable", hint=HINT)
    return PortableNet(image, conditions)


class PortableNet(FlowNet):
    """`UNet2DModel` of diffusers, from noised images, times and a label; it does not see which pixels are given.

    Rombach et al. 2022, arXiv:2112.10752; Ho et al. 2020, arXiv:2006.11239, appendix B.
    """

    space: Reals
    sees_parts: ClassVar[bool] = False

    def __init__(self, space: Reals, conditions: Conditions | None) -> None:
        super().__init__()
        self.space, self.conditions = space, conditions
        columns = () if conditions is None else conditions.columns.columns
        if conditions is not None and (conditions.others or len(columns) != 1 or not isinstance(columns[0], Discrete)):
            raise UnsupportedError("the portable net takes one label, and nothing else", where="portable", hint=HINT)
        self.sizes = _sizes(space.sides)
        widths = WIDTHS[: len(self.sizes)]
        self.widths = widths
        embedded = 4 * widths[0]
        self.conv_in = nn.Conv2d(space.channels, widths[0], 3, padding=1)
        self.time_embedding = _Embedding(widths[0], embedded)
        self.class_embedding = nn.Embedding(columns[0].levels + 1, embedded) if columns else None  # type: ignore[union-attr]
        befores = (widths[0], *widths[:-1])
        last = len(widths) - 1
        self.down_blocks = nn.ModuleList(
            _Down(before, width, embedded, shrinks=i < last)
            for i, (before, width) in enumerate(zip(befores, widths, strict=True))
        )
        self.mid_block = _Middle(widths[-1], embedded)
        wide, narrow = widths[::-1], (*widths[-2::-1], widths[0])
        self.up_blocks = nn.ModuleList(
            _Up(wide[max(0, i - 1)], width, narrow[i], embedded, grows=i < last) for i, width in enumerate(wide)
        )
        self.conv_norm_out = nn.GroupNorm(GROUPS, widths[0], EPSILON)
        self.conv_out = nn.Conv2d(widths[0], space.channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        assert self.conv_out.bias is not None
        nn.init.zeros_(self.conv_out.bias)

    def forward(
        self,
        x: Float[Tensor, "n c h w"],
        t: Float[Tensor, "n"],
        context: Float[Tensor, "n k"] | None = None,
        known: Float[Tensor, "n c h w"] | None = None,
    ) -> Float[Tensor, "n c h w"]:
        """`x` at times `t` in [0, 1]; `known` must be None."""
        assert known is None, "it does not know what is given"
        embedded = self.time_embedding(waves(t * STEPS, self.widths[0]))
        if self.class_embedding is not None:
            assert context is not None
            level = context[:, 0]
            unknown = torch.full_like(level, self.class_embedding.num_embeddings - 1)
            embedded = embedded + self.class_embedding(torch.where(level.isnan(), unknown, level).long())
        embedded = functional.silu(embedded)
        h = self.conv_in(x)
        kept = [h]
        for block in self.down_blocks:
            h = block(h, embedded, kept)
        h = self.mid_block(h, embedded)
        for block in self.up_blocks:
            h = block(h, embedded, kept)
        return self.conv_out(functional.silu(self.conv_norm_out(h))).float()


def waves(t: Float[Tensor, "n"], width: int) -> Float[Tensor, "n width"]:
    """Cosines, then sines of times in thousandths. Vaswani et al. 2017, arXiv:1706.03762, section 3.5."""
    angles = t[:, None].float() * frequencies(width).to(t.device)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def frequencies(width: int) -> Float[Tensor, "half"]:
    """Angles per thousandth of time."""
    half = width // 2
    return torch.exp(-math.log(LONGEST) * torch.arange(half, dtype=torch.float32) / half)


def _sizes(sides: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The resolutions: halves as long as sides are even, three at most."""
    found = [sides]
    while len(found) < len(WIDTHS) and all(side % 2 == 0 for side in found[-1]):
        found.append(tuple(side // 2 for side in found[-1]))
    return found


class _Embedding(nn.Module):
    def __init__(self, width: int, embedded: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(width, embedded), nn.Linear(embedded, embedded)

    def forward(self, x: Float[Tensor, "n width"]) -> Float[Tensor, "n embedded"]:
        return self.linear_2(functional.silu(self.linear_1(x)))


class _Residual(nn.Module):
    """x + conv(SiLU(norm(conv(SiLU(norm(x))) + linear(time)))), through a convolution of 1 where widths differ."""

    def __init__(self, before: int, width: int, embedded: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, before, EPSILON), nn.Conv2d(before, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedded, width)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, width, EPSILON), nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(before, width, 1) if before != width else None

    def forward(self, x: Float[Tensor, "n c h w"], embedded: Float[Tensor, "n e"]) -> Float[Tensor, "n d h w"]:
        h = self.conv1(functional.silu(self.norm1(x))) + self.time_emb_proj(embedded)[:, :, None, None]
        h = self.conv2(functional.silu(self.norm2(h)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h


class _Resized(nn.Module):
    """A convolution, of every second place or of twice as many."""

    def __init__(self, width: int, *, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=1)


class _Down(nn.Module):
    def __init__(self, before: int, width: int, embedded: int, *, shrinks: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Residual(before if i == 0 else width, width, embedded) for i in range(LAYERS))
        self.downsamplers = nn.ModuleList([_Resized(width, stride=2)]) if shrinks else None

    def forward(self, h: Tensor, embedded: Tensor, kept: list[Tensor]) -> Tensor:
        for block in self.resnets:
            h = block(h, embedded)
            kept.append(h)
        if self.downsamplers is not None:
            h = self.downsamplers[0].conv(h)  # type: ignore[union-attr,operator]
            kept.append(h)
        return h


class _Middle(nn.Module):
    def __init__(self, width: int, embedded: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Residual(width, width, embedded) for _ in range(2))

    def forward(self, h: Tensor, embedded: Tensor) -> Tensor:
        for block in self.resnets:
            h = block(h, embedded)
        return h


class _Up(nn.Module):
    def __init__(self, before: int, width: int, beside: int, embedded: int, *, grows: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList()
        for i in range(LAYERS + 1):
            skip = beside if i == LAYERS else width
            self.resnets.append(_Residual((before if i == 0 else width) + skip, width, embedded))
        self.upsamplers = nn.ModuleList([_Resized(width, stride=1)]) if grows else None

    def forward(self, h: Tensor, embedded: Tensor, kept: list[Tensor]) -> Tensor:
        for block in self.resnets:
            h = block(torch.cat([h, kept.pop()], dim=1), embedded)
        if self.upsamplers is not None:
            h = functional.interpolate(h, scale_factor=2.0, mode="nearest")
            h = self.upsamplers[0].conv(h)  # type: ignore[union-attr,operator]
        return h
