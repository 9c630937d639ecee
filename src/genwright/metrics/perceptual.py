"""Distances between images as people see them, and how smoothly a generator moves through its latent space."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError, DataError
from genwright.extractors.backbones import CHANNELS, Backbone, Stack
from genwright.extractors.features import Extractor
from genwright.extractors.published import Weights, fill, read_weights
from genwright.metrics.signals import Pixels, check_pairs, pair_replicates
from genwright.scores.intervals import Replicates, jackknife_groups
from genwright.scores.score import Score, signature

CHUNK_PIXELS = 500_000  # pixels of each set that are in the network at once
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's means and spreads, in [-1, 1]
SMALLEST: dict[Backbone, int] = {"alexnet": 31, "vgg16": 16}  # side that leaves the last layer one place
FEWEST_PATHS = 100  # of which trimming drops the outermost two
PATHS_AT_ONCE = 32
Images = Float[Tensor, "n c h w"]  # in [-1, 1]
Distance = Callable[[Tensor, Tensor], Tensor]  # of each pair of images, squared in nature: it falls with epsilon**2
Interpolation = Literal["lerp", "slerp"]
Place = Literal["end", "full"]


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


def feature_distance(extractor: Extractor) -> Distance:
    """Mean squared difference of an extractor's standardised features, for images in [-1, 1]: needs no foreign weights.

    Images larger than the extractor's input are averaged down to it, as everywhere.
    """

    def features(x: Images) -> Float[Tensor, "n d"]:
        if x.shape[1] != extractor.shape[0]:
            raise DataError(f"images have {x.shape[1]} channels where {extractor.shape[0]} are expected")
        return extractor.net.features(nn.functional.interpolate(x, size=extractor.shape[1:], mode="area"))

    return lambda a, b: ((features(a) - features(b)) ** 2).mean(1)


def path_length(
    decode: Callable[[Tensor], Tensor],
    ends: tuple[Tensor, Tensor],
    *,
    distance: Distance,
    features: str,
    interpolation: Interpolation = "lerp",
    place: Place = "end",
    epsilon: float = 1e-4,
    seed: int = 0,
) -> Score:
    """Perceptual path length: E[d(G(z(t)), G(z(t + epsilon))) / epsilon**2], Karras et al. 2019, arXiv:1812.04948.

    `decode` takes latents (n, ...) to float images (n, c, h, w) in [-1, 1], never to whole grey levels, among which a
    step of `epsilon` vanishes: for a latent family without conditions `lambda z: family.decode(net, z, None)`. `ends`:
    both ends of n >= 100 paths, drawn from the prior. `distance` and its name `features`: a `Lpips` and its signature,
    or `feature_distance`. Paths are straight ("lerp") or along great circles ("slerp") and are measured where they
    begin ("end") or anywhere on them ("full"). The smallest and largest 1 % are dropped, as the paper does.

    >>> ends = torch.zeros(100, 2), torch.ones(100, 2)
    >>> score = path_length(
    ...     lambda z: z[:, :, None, None], ends, distance=lambda a, b: ((a - b) ** 2).mean((1, 2, 3)), features="mse"
    ... )
    >>> round(score.value, 3)
    1.0
    """
    values = path_lengths(
        decode, ends, distance=distance, interpolation=interpolation, place=place, epsilon=epsilon, seed=seed
    )
    n, value = len(values), _trimmed(values)
    group = jackknife_groups(n, seed + 1)
    replicates = Replicates(real=(), fake=tuple(_trimmed(values[group != g]) for g in range(int(group.max()) + 1)))
    protocol = f"{interpolation}, {place}, epsilon={epsilon:g}, float32, {features}"
    return Score(
        name="path length",
        value=value,
        direction="lower",
        n=n,
        signature=signature("path length", protocol=protocol, n=(0, n), seed=seed),
        interval=replicates.interval(value, low=0.0),
        replicates=replicates,
    )


def path_lengths(
    decode: Callable[[Tensor], Tensor],
    ends: tuple[Tensor, Tensor],
    *,
    distance: Distance,
    interpolation: Interpolation = "lerp",
    place: Place = "end",
    epsilon: float = 1e-4,
    seed: int = 0,
) -> Float[np.ndarray, "n"]:
    """d / epsilon**2 on each path, none dropped."""
    start, end = (z.double() for z in ends)
    n = len(start)
    if start.shape != end.shape or n < FEWEST_PATHS:
        raise DataError(
            f"{n} starts and {len(end)} ends of paths",
            where="path length",
            hint=f"at least {FEWEST_PATHS} of each are needed, of one shape",
        )
    if not 0 < epsilon < 1:
        raise ArgumentError(f"a step of {epsilon:g}", where="epsilon", hint="1e-4 is usual")
    t = torch.zeros(n, dtype=torch.float64)
    if place == "full":
        t = torch.tensor(np.random.default_rng(seed).random(n))
    mix = _lerp if interpolation == "lerp" else _slerp
    parts = []
    with torch.inference_mode():
        for chunk in torch.arange(n).split(PATHS_AT_ONCE):
            pair = [mix(start[chunk], end[chunk], t[chunk] + step).float() for step in (0.0, epsilon)]
            parts.append(distance(*_decoded(decode, pair)).double() / epsilon**2)
    values = torch.cat(parts).numpy()
    if not np.isfinite(values).all():
        raise DataError(f"{(~np.isfinite(values)).sum()} distances are not finite", where="path length")
    return values


def _decoded(decode: Callable[[Tensor], Tensor], pair: list[Tensor]) -> tuple[Tensor, Tensor]:
    images = decode(torch.cat(pair))
    if not images.is_floating_point():
        raise DataError(
            f"images came as {images.dtype}",
            where="path length",
            hint="decode to floats in [-1, 1]: a small step vanishes among whole grey levels",
        )
    first, second = images.chunk(2)
    return first, second


def _lerp(a: Tensor, b: Tensor, t: Float[Tensor, "n"]) -> Tensor:
    return a + (b - a) * t.view(-1, *[1] * (a.ndim - 1))


def _slerp(a: Tensor, b: Tensor, t: Float[Tensor, "n"]) -> Tensor:
    """Along the great circle between two directions, the length changing with it: Shoemake 1985."""
    flat_a, flat_b, t = a.flatten(1), b.flatten(1), t[:, None]
    angle = torch.acos(nn.functional.cosine_similarity(flat_a, flat_b, dim=1).clamp(-0.9999, 0.9999))[:, None]
    return ((torch.sin((1 - t) * angle) * flat_a + torch.sin(t * angle) * flat_b) / torch.sin(angle)).view_as(a)


def _trimmed(values: Float[np.ndarray, "n"]) -> float:
    """The mean without the smallest and the largest 1 %."""
    low, high = np.percentile(values, 1, method="lower"), np.percentile(values, 99, method="higher")
    return float(values[(values >= low) & (values <= high)].mean())
