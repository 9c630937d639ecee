"""PSNR, SSIM and MS-SSIM: how near images are to the originals that they are meant to restore or compress.

Only for aligned pairs, such as reconstructions: between samples and unrelated real images they mean nothing. The range
that grey levels may take is always given, never guessed from the data. All in float64.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Real
from scipy.ndimage import correlate1d
from torch import Tensor
from torch.nn import functional as F

from genwright.errors import ArgumentError, DataError
from genwright.scores.intervals import Replicates, mean_replicates
from genwright.scores.score import Score, signature

Pixels = Real[np.ndarray, "_ _ _ _"]  # (pairs, height, width, channels); the two sets must agree
Pooling = Literal["per-image", "pooled"]
Convention = Literal["wang", "torchmetrics"]
CHUNK_PIXELS = 2_000_000  # numbers of each set that are worked on at once
WINDOW, SIGMA = 11, 1.5  # the Gaussian window of Wang et al. 2004
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of Wang et al. 2003, from fine to coarse


def psnr(real: Pixels, fake: Pixels, *, data_range: float, pooling: Pooling = "per-image", seed: int = 0) -> Score:
    """Peak signal-to-noise ratio of pairs in dB: 10 log10(data_range**2 / mean squared error).

    "per-image": the mean over pairs of each one's ratio, as papers report. "pooled": one ratio from the error of all
    pairs together, torchmetrics' default. Infinite if any pair (pooled: every pair) is identical.

    >>> print(psnr(np.zeros((1, 8, 8, 1)), np.ones((1, 8, 8, 1)), data_range=255))
    PSNR ↑ 48.13 dB
    """
    errors = squared_errors(real, fake, data_range=data_range)
    if pooling == "per-image":
        return _score("PSNR", _decibels(errors, data_range), "per image", data_range, seed, unit=" dB")
    n = len(errors)
    value = float(_decibels(errors.mean(keepdims=True), data_range)[0])
    replicates = None
    if n > 1 and np.isfinite(value):
        left_out = np.array(mean_replicates(errors, seed=seed))
        replicates = Replicates(real=tuple(_decibels(left_out, data_range).tolist()), fake=())
        if not np.isfinite(replicates.real).all():
            replicates = None
    return Score(
        name="PSNR",
        value=value,
        direction="higher",
        n=n,
        signature=signature("PSNR", protocol=f"pooled, range {data_range:g}", n=(n, n), seed=seed),
        interval=None if replicates is None else replicates.interval(value),
        unit=" dB",
        replicates=replicates,
    )


def ssim(real: Pixels, fake: Pixels, *, data_range: float, convention: Convention = "wang", seed: int = 0) -> Score:
    """Mean structural similarity of pairs, 1 for identical images; see `ssim_values`."""
    values = ssim_values(real, fake, data_range=data_range, convention=convention)
    return _score("SSIM", values, f"{convention}, gaussian 11x11", data_range, seed, high=1.0)


def ms_ssim(
    real: Pixels,
    fake: Pixels,
    *,
    data_range: float,
    convention: Convention = "wang",
    weights: tuple[float, ...] = SCALE_WEIGHTS,
    seed: int = 0,
) -> Score:
    """Mean multi-scale structural similarity of pairs, 1 for identical images; see `ms_ssim_values`."""
    values = ms_ssim_values(real, fake, data_range=data_range, convention=convention, weights=weights)
    return _score("MS-SSIM", values, f"{convention}, {len(weights)} scales", data_range, seed, high=1.0)


def squared_errors(real: Pixels, fake: Pixels, *, data_range: float) -> Float[np.ndarray, "n"]:
    """Mean squared difference of each pair, in squared grey levels."""
    return _by_pair(real, fake, data_range, 1, lambda x, y: ((x - y) ** 2).mean((1, 2, 3)))


def ssim_values(
    real: Pixels, fake: Pixels, *, data_range: float, convention: Convention = "wang"
) -> Float[np.ndarray, "n"]:
    """Structural similarity of each pair, averaged over places and channels: Wang et al. 2004, eq. 13 and 17.

    "wang": averaged over the places where the window fits, as in the paper, and in skimage with gaussian_weights=True
    and use_sample_covariance=False. "torchmetrics": over all places, with the images mirrored at their edges.

    >>> x = np.zeros((1, 16, 16, 1)); y = x + 1.0
    >>> bool(np.isclose(ssim_values(x, y, data_range=1.0)[0], 1e-4 / 1.0001))
    True
    """
    fewest = WINDOW if convention == "wang" else WINDOW // 2 + 1
    return _by_pair(real, fake, data_range, fewest, lambda x, y: _maps(x, y, data_range, convention)[0].mean((1, 2, 3)))


def ms_ssim_values(
    real: Pixels,
    fake: Pixels,
    *,
    data_range: float,
    convention: Convention = "wang",
    weights: tuple[float, ...] = SCALE_WEIGHTS,
) -> Float[np.ndarray, "n"]:
    """Multi-scale structural similarity of each pair: Wang, Simoncelli and Bovik 2003, eq. 7.

    Contrast and structure at every scale, luminance at the coarsest; images are halved by averaging 2 x 2 pixels, and
    negative similarities count as 0. "wang": each channel by itself, where the window fits, then averaged, as in piq
    and pytorch-msssim. "torchmetrics": channels averaged at each scale; the coarsest with mirrored edges.
    Five scales need sides of 176 pixels or more; `weights` has one entry per scale.
    """
    fewest = WINDOW * 2 ** (len(weights) - 1)

    def value(x: Tensor, y: Tensor) -> Tensor:
        over = (2, 3) if convention == "wang" else (1, 2, 3)
        product: Tensor | float = 1.0
        for scale, weight in enumerate(weights):
            if scale:
                x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
            last = scale == len(weights) - 1
            whole, contrast = _maps(x, y, data_range, convention if last else "wang")
            product = product * (whole if last else contrast).mean(over).clamp(min=0) ** weight
        assert isinstance(product, Tensor)
        return product.mean(1) if product.ndim == 2 else product

    return _by_pair(real, fake, data_range, fewest, value)


def _maps(x: Tensor, y: Tensor, data_range: float, convention: Convention) -> tuple[Tensor, Tensor]:
    """Similarity, and its contrast and structure part alone, at each place."""
    if convention == "torchmetrics":
        x, y = (F.pad(v, (WINDOW // 2,) * 4, mode="reflect") for v in (x, y))
    mx, my, xx, yy, xy = _blurred(torch.stack([x, y, x * x, y * y, x * y])).unbind()
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    spread = (xx - mx * mx).clamp(min=0) + (yy - my * my).clamp(min=0)
    contrast = (2 * (xy - mx * my) + c2) / (spread + c2)
    return (2 * mx * my + c1) / (mx * mx + my * my + c1) * contrast, contrast


def _blurred(x: Float[Tensor, "k n c h w"]) -> Float[Tensor, "k n c i j"]:
    """Averages under the Gaussian window, where it fits."""
    place = np.arange(WINDOW) - WINDOW // 2
    bell = np.exp(-(place**2) / (2 * SIGMA**2))
    whole, edge = x.numpy(), slice(WINDOW // 2, -(WINDOW // 2))
    for axis in (3, 4):  # scipy is an order of magnitude faster here than convolutions in float64
        whole = correlate1d(whole, bell / bell.sum(), axis=axis)
    return torch.from_numpy(whole[..., edge, edge])


def _by_pair(
    real: Pixels, fake: Pixels, data_range: float, fewest: int, compute: Callable[[Tensor, Tensor], Tensor]
) -> Float[np.ndarray, "n"]:
    """`compute` of each pair of images as float64 (n, c, h, w), a chunk at a time."""
    check_pairs(real, fake, data_range)
    if min(real.shape[1:3]) < fewest:
        raise DataError(
            f"images of {real.shape[1]} x {real.shape[2]} pixels are too small",
            where="structural similarity",
            hint=f"at least {fewest} x {fewest} are needed",
        )
    step = max(1, CHUNK_PIXELS // int(np.prod(real.shape[1:])))
    parts = []
    for start in range(0, len(real), step):
        x, y = (torch.tensor(np.asarray(v[start : start + step], np.float64)).permute(0, 3, 1, 2) for v in (real, fake))
        parts.append(compute(x, y))
    return torch.cat(parts).numpy()


def check_pairs(real: Pixels, fake: Pixels, data_range: float) -> None:
    """Raise unless these are two equally shaped, finite, non-empty sets of images within a range that makes sense."""
    if real.shape != fake.shape:
        raise DataError(
            f"images of shape {fake.shape} cannot be paired with originals of shape {real.shape}", where="image pairs"
        )
    if not real.size:
        raise DataError("no images", where="image pairs", hint="at least one pair is needed, two for an interval")
    if not (data_range > 0 and np.isfinite(data_range)):
        raise ArgumentError(f"a range of {data_range:g}", where="data_range", hint="255 for 8-bit images")
    for images in (real, fake):
        if not np.isfinite(images).all():
            raise DataError(f"{(~np.isfinite(images)).sum()} pixels are not finite", where="image pairs")
        if float(images.max()) - float(images.min()) > data_range * (1 + 1e-9):
            raise DataError(f"grey levels span more than data_range={data_range:g}", where="image pairs")


def _decibels(errors: Float[np.ndarray, "n"], data_range: float) -> Float[np.ndarray, "n"]:
    with np.errstate(divide="ignore"):
        return 10 * np.log10(data_range**2 / errors)


def _score(
    name: str,
    values: Float[np.ndarray, "n"],
    protocol: str,
    data_range: float,
    seed: int,
    *,
    high: float = np.inf,
    unit: str = "",
) -> Score:
    """The mean over pairs, with its interval."""
    replicates = pair_replicates(values, seed=seed)
    identical = int(np.isinf(values).sum())
    value = float(values.mean())
    return Score(
        name=name,
        value=value,
        direction="higher",
        n=len(values),
        signature=signature(name, protocol=f"{protocol}, range {data_range:g}", n=(len(values),) * 2, seed=seed),
        interval=None if replicates is None else replicates.interval(value, high=high),
        unit=unit,
        note=f"{identical} pairs are identical" if identical else "",
        replicates=replicates,
    )


def pair_replicates(values: Float[np.ndarray, "n"], *, seed: int) -> Replicates | None:
    """Replicates of a mean over pairs; None for fewer than two, or if a value is infinite.

    A pair is left out as a whole, in the groups of the real records: two generators that restored the same originals
    are then compared pair by pair.
    """
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    return Replicates(real=mean_replicates(values, seed=seed), fake=())
