"""Judges of generated images: boosted trees on pixels and local statistics, and a small convolutional network.

The trees see at a glance what spoils an image everywhere (blur, noise, speckle, a shift of grey levels) and where ink
lies too often or too seldom; the network sees shapes. Either alone is blind to some faults, so both look.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional as F

from genwright.data.dataset import Dataset, Image
from genwright.errors import DataError
from genwright.extractors.features import pixels
from genwright.metrics.two_sample import Look, Rows, enough, look, odds_by_trees, shuffled_folds
from genwright.randomness import seeded

MAX_JUDGED = 2000  # images of each set; more would only cost time
SIDE = 64  # larger images are averaged down to this
MOSAIC = 12  # side to which images are averaged for the trees' pixels
GREYS, STEPS = 8, 9  # bins of the histograms of grey levels and of differences between neighbours
WIDTHS = (8, 16, 32)  # channels of the three convolutions
BATCH = 64
EPOCHS = 9
MIN_STEPS, MAX_STEPS = 60, 150  # of training the network


def image_looks(real: Dataset, fake: Dataset, *, seed: int = 0) -> list[Look]:
    """What trees and a convolutional network find in equally many images of both sets, at most 2,000 of each."""
    n = min(len(real), len(fake), MAX_JUDGED)
    enough(n, where=fake.name)
    rng = np.random.default_rng(seed)
    x = _stacked([data.take(np.sort(rng.permutation(len(data))[:n])) for data in (real, fake)])
    is_fake = np.repeat([False, True], n)
    seen = statistics(x)

    def trees(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        return expit(odds_by_trees(seen[fit], is_fake[fit], seen[asked], seed=seed))

    def network(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        net = _trained(x[fit], torch.tensor(is_fake[fit]).float(), seed=seed)
        with torch.inference_mode():
            return torch.cat([net(part).sigmoid() for part in x[asked].split(512)]).double().numpy()

    folds = shuffled_folds(n, seed=seed)
    return [look("boosted trees", trees, n=n, folds=folds), look("convolutional network", network, n=n, folds=folds)]


def mosaics(data: Dataset, *, like: Dataset) -> Float[np.ndarray, "n c a b"]:
    """Images as grey levels from 0 to 1, averaged down to a mosaic of at most 12 a side."""
    x = _stacked([like.take(slice(1)), data])[1:]
    size = [min(MOSAIC, side) for side in x.shape[2:]]
    return F.interpolate(x, size=size, mode="area").double().numpy()


def image_points(real: Dataset, sets: Sequence[Dataset]) -> list[Float[np.ndarray, "_ d"]]:
    """Images as their grey levels, from 0 to 1, averaged down to a mosaic."""
    return [mosaics(data, like=real).reshape(len(data), -1) for data in sets]


def image_traits(real: Dataset, sets: Sequence[Dataset]) -> list[Float[np.ndarray, "_ d"]]:
    """Images as the trees see them."""
    return [statistics(_stacked([real.take(slice(1)), data])[1:]).astype(np.float64) for data in sets]


def statistics(x: Float[Tensor, "n c h w"]) -> Float[np.ndarray, "n d"]:
    """Each image as trees see it: a mosaic of it, and how its grey levels and their local changes are distributed.

    Ratios of the changes at two scales hardly depend on what is shown, and so give blur and noise away in a few images.
    """
    mosaic = _mosaic(x)
    local = x - _smoothed(x)
    coarse = _smoothed(x) - _smoothed(_smoothed(x))
    across, down = x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]
    energies = torch.cat([_size(each) for each in (x - x.mean((2, 3), keepdim=True), across, down, local, coarse)], 1)
    logs = (energies + 1e-3).log()
    overall, *changes = logs.split(x.shape[1], dim=1)  # by channel
    ratios = torch.cat([change - overall for change in changes], 1)
    fine = changes[2] - changes[3]
    median = local.abs().flatten(2).quantile(torch.tensor([0.5, 0.9, 1.0]), dim=2).permute(1, 2, 0).flatten(1)
    shares = [_histogram(x, 0.0, 1.0, GREYS), _histogram(across, -1.0, 1.0, STEPS), _histogram(local, -0.5, 0.5, STEPS)]
    plain = [(x == bound).float().mean((2, 3)) for bound in (0.0, 1.0)] + [(across == 0).float().mean((2, 3))]
    return torch.cat([mosaic, energies, ratios, fine, median, *shares, *plain], 1).numpy()


def _mosaic(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    return F.interpolate(x, size=[min(MOSAIC, side) for side in x.shape[2:]], mode="area").flatten(1)


def _smoothed(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _size(x: Tensor) -> Float[Tensor, "n c"]:
    """Root mean square over the image."""
    return x.square().mean((2, 3)).sqrt()


def _histogram(x: Tensor, low: float, high: float, bins: int) -> Float[Tensor, "n d"]:
    """Shares of the pixels of each image in equal bins, colours together."""
    cell = ((x - low) * (bins / (high - low))).long().clamp(0, bins - 1).flatten(1)
    counts = torch.zeros(len(x), bins).scatter_add_(1, cell, torch.ones(cell.shape))
    return counts / cell.shape[1]


def _stacked(sets: list[Dataset]) -> Float[Tensor, "n c h w"]:
    """Images of both sets in grey levels from 0 to 1, at one size."""
    first = pixels(sets[0])
    second = pixels(sets[1], size=first.shape[2:])
    if first.shape[1] != second.shape[1]:
        raise DataError("images differ in their number of channels", where=sets[1].name)
    return torch.cat([first, second]) / max(sets[0].medium(Image).levels - 1, 1)


class _Net(nn.Module):
    """Three convolutions over the image and what is left of it after smoothing; the logarithm of the odds of fake."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 2 * channels
        for i, width in enumerate(WIDTHS):
            stride = 2 if side >= 8 and (i > 0 or side > 32) else 1
            side = -(-side // stride)
            layers += [nn.Conv2d(inside, width, 3, stride, 1), nn.BatchNorm2d(width), nn.SiLU()]
            inside = width
        pooled = min(side, 4)
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(pooled), nn.Flatten(), nn.Dropout(0.3))
        self.head = nn.Linear(inside * pooled**2, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n"]:
        return self.head(self.body(torch.cat([2 * x - 1, 4 * (x - _smoothed(x))], 1)))[:, 0]


def _trained(x: Float[Tensor, "n c h w"], y: Float[Tensor, "n"], *, seed: int) -> _Net:
    """The network after a fixed number of steps, which depends on the number of images only."""
    batch = min(BATCH, len(x))
    steps = int(np.clip(EPOCHS * len(x) // batch, MIN_STEPS, MAX_STEPS))
    order = torch.Generator().manual_seed(seed)
    with seeded(seed):  # initial weights and dropout draw from torch's default generator
        net = _Net(x.shape[1], min(x.shape[2:]))
        optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05, fused=True)
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(x), (batch,), generator=order)
            shown, asked = x[rows], y[rows]
            loss = F.binary_cross_entropy_with_logits(net(shown), 0.95 * asked + 0.025)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            rate.step()
    return net.eval()
