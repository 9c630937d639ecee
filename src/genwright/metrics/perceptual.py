"""Distances between images as people see them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import DataError
from genwright.extractors.backbones import CHANNELS, Backbone, Stack
from genwright.extractors.published import Weights, fill, read_weights
from genwright.metrics.signals import Pixels, check_pairs, pair_replicates
from genwright.scores.score import Score, signature

CHUNK_PIXELS = 500_000  # pixels of each set that are in the network at once
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's means and spreads, in [-1, 1]
SMALLEST: dict[Backbone, int] = {"alexnet": 31, "vgg16": 16}  # side that leaves the last layer one place
Images = Float[Tensor, "n c h w"]  # in [-1, 1]


@dataclass(frozen=True, eq=False)
class Lpips:
    """Learned perceptual distance of version 0.1 over `kind`: Zhang et al. 2018, arXiv:1801.03924, eq. 1."""

    kind: Backbone
    weights: tuple[Weights, Weights] = field(repr=False)  # of the backbone and of the heads
    stack: Stack = field(repr=False)
    heads: "Heads" = field(repr=False)

    def __call__(self, real: Images, fake: Images) -> Float[Tensor, "n"]:
        """Distance of each pair of images in [-1, 1]; grey images count as three equal channels."""
        side = min(real.shape[2:])
        if real.shape[1] not in (1, 3) or side < SMALLEST[self.kind]:
            raise DataError(
                f"images of {real.shape[1]} channels and {side} pixels a side do not suit LPIPS over {self.kind}",
                where="LPIPS",
                hint=f"1 or 3 channels and at least {SMALLEST[self.kind]} pixels a side are needed",
            )
        maps = [self.stack.maps(_standard(x.expand(-1, 3, -1, -1))) for x in (real, fake)]
        total = torch.zeros(len(real))
        for a, b, head in zip(*maps, self.heads.parameters(), strict=True):
            total = total + ((_unit(a) - _unit(b)) ** 2 * head).sum(1).mean((1, 2))
        return total

    @property
    def comparable(self) -> bool:
        """Whether backbone and heads are known, or pinned by the user, as the published ones."""
        return all(part.comparable for part in self.weights)

    @property
    def signature(self) -> str:
        """Version, backbone, both hashes, and how far they are known."""
        backbone, heads = (part.sha256[:12] for part in self.weights)
        standing = " + ".join(dict.fromkeys(part.standing for part in self.weights))
        return f"lpips-0.1 {self.kind}, sha256 {backbone}+{heads}, {standing}"


class Heads(nn.Module):
    """One weight per channel of each of five layers, named as in the published files."""

    def __init__(self, kind: Backbone) -> None:
        super().__init__()
        for number, channels in enumerate(CHANNELS[kind]):
            head = nn.Conv2d(channels, 1, 1, bias=False)
            self.add_module(f"lin{number}", nn.ModuleDict({"model": nn.ModuleDict({"1": head})}))

    def forward(self) -> None:
        raise AssertionError("heads hold weights only")


def load_lpips(
    backbone: str | Path, heads: str | Path, *, kind: Backbone, pinned: tuple[str | None, str | None] = (None, None)
) -> Lpips:
    """LPIPS from two files: torchvision's weights of `kind`, and the small linear heads of the lpips package.

    Only the convolutions of the backbone are kept. `pinned`: the hash of either, as `read_weights` takes it. DataError
    if a file is missing (naming the one wanted), of another format, or does not fit.
    """
    below = read_weights(backbone, kind=kind, prefix="features.", pinned=pinned[0])
    above = read_weights(heads, kind=f"lpips-{kind}", pinned=pinned[1])
    with torch.device("meta"):
        stack, linear = Stack(kind), Heads(kind)
    fill(stack, below)
    fill(linear, above)
    return Lpips(kind, (below, above), stack, linear)


def lpips(real: Pixels, fake: Pixels, *, network: Lpips, data_range: float, seed: int = 0) -> Score:
    """Mean LPIPS of aligned pairs, 0 for identical images; grey levels in [0, data_range]."""
    check_pairs(real, fake, data_range)
    values = lpips_values(real, fake, network=network, data_range=data_range)
    replicates = pair_replicates(values, seed=seed)
    value = float(values.mean())
    return Score(
        name="LPIPS",
        value=value,
        direction="lower",
        n=len(values),
        signature=signature("LPIPS", protocol=network.signature, n=(len(values),) * 2, seed=seed),
        interval=None if replicates is None else replicates.interval(value, low=0.0),
        replicates=replicates,
    )


def lpips_values(real: Pixels, fake: Pixels, *, network: Lpips, data_range: float) -> Float[np.ndarray, "n"]:
    """LPIPS of each pair; computed in float32, a chunk at a time."""
    step = max(1, CHUNK_PIXELS // (real.shape[1] * real.shape[2]))
    parts = []
    with torch.inference_mode():
        for start in range(0, len(real), step):
            x, y = (
                torch.tensor(v[start : start + step]).permute(0, 3, 1, 2).float() * (2 / data_range) - 1
                for v in (real, fake)
            )
            parts.append(network(x, y))
    return torch.cat(parts).double().numpy()


def _standard(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    shift, scale = (torch.tensor(v)[:, None, None] for v in (SHIFT, SCALE))
    return (x - shift) / scale


def _unit(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Unit length over channels at each place."""
    return x / ((x**2).sum(1, keepdim=True).sqrt() + 1e-10)
