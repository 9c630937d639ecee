"""How smoothly a generator of images moves through its latent space."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError, DataError
from genwright.extractors.features import Extractor
from genwright.metrics.perceptual import Images
from genwright.scores.intervals import Replicates, jackknife_groups
from genwright.scores.score import Score, signature

MIN_PATHS = 100  # of which trimming drops the outermost two
PATHS_AT_ONCE = 32
Distance = Callable[[Tensor, Tensor], Tensor]  # of each pair of images, squared in nature: it falls with epsilon**2
Interpolation = Literal["lerp", "slerp"]
Place = Literal["end", "full"]


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
    if start.shape != end.shape or n < MIN_PATHS:
        raise DataError(
            f"{n} starts and {len(end)} ends of paths",
            where="path length",
            hint=f"at least {MIN_PATHS} of each are needed, of one shape",
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
