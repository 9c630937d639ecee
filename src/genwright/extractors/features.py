"""Feature extractors for images, fitted to the user's own data: no weights to download, no foreign domain.

Features are only a yardstick where the fitted part is disjoint from the records that are compared.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn import functional as F

from genwright.data.dataset import Dataset, Image
from genwright.errors import ArgumentError, DataError, StorageError
from genwright.folders import replacing
from genwright.randomness import seeded
from genwright.storage import parse_tensors, read_file, read_json, write_bytes, write_json
from genwright.typed import entry, typed, wrong
from genwright.weights import filled

SIDE = 64  # larger images are averaged down to this before features are taken
FIT_ROWS = 8192  # images an extractor is fitted to, at most
BATCH = 128
CHUNK = 512  # images embedded at once
WIDTHS = (24, 48, 96)  # channels of the three strided convolutions
DIMENSIONS = (4, 64)  # fewest and most features, unless told otherwise
MAX_FEATURES = 512
SCHEMA = 1
Kind = Literal["learned", "pca", "random"]


def feature_dimension(n: int) -> int:
    """As many features as n records can bear: at most 2 % of n, so that the bias of a Frechet distance stays small.

    For two samples of one unit Gaussian it is about d**2 / (2 n) + 2 d / n.

    >>> feature_dimension(180), feature_dimension(1000), feature_dimension(10_000)
    (4, 20, 64)
    """
    return int(np.clip(n // 50, *DIMENSIONS))


@dataclass(frozen=True, eq=False)
class Extractor:
    """A fitted map from images to d features, each with mean 0 and variance 1 over the images it was fitted to.

    `shape` is that of its input (channels, height, width) after averaging down, `levels` the grey levels of pixels,
    `labels` the classes that its classifier tells apart (none for unlabelled data).
    """

    kind: Kind
    shape: tuple[int, int, int]
    levels: int
    dimension: int
    labels: tuple[str, ...]
    fitted_to: int
    seed: int
    net: "_Net" = field(repr=False)

    def __call__(self, data: Dataset) -> Float[np.ndarray, "n d"]:
        """Features of the images of `data`."""
        return self._run(data, self.net.features)

    def classify(self, data: Dataset) -> Float[np.ndarray, "n k"]:
        """Probabilities of `labels` for the images of `data`."""
        if not self.labels:
            raise ArgumentError("this extractor was fitted without labels", hint="fit it to labelled images")
        return self._run(data, lambda x: self.net.classes(x).softmax(1))

    def _run(self, data: Dataset, compute) -> np.ndarray:  # type: ignore[no-untyped-def]
        x = pixels(data, size=self.shape[1:])
        if x.shape[1] != self.shape[0]:
            raise DataError(
                f"images have {x.shape[1]} channels where {self.shape[0]} are expected",
                where=data.name,
                hint="convert them to the mode of the real images",
            )
        with torch.inference_mode():
            parts = [compute(scaled(chunk, self.levels)) for chunk in x.split(CHUNK)]
        return torch.cat(parts).double().numpy()

    @property
    def signature(self) -> str:
        """Which features these are: kind, dimension, images fitted to, and the first digits of the weights' SHA-256."""
        return f"{self.kind}-{self.dimension}d-fit{self.fitted_to}-{self.sha256[:12]}"

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return hashlib.sha256(save_tensors(self.net.state_dict())).hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write extractor.safetensors and extractor.json into `folder`."""
        about = {k: getattr(self, k) for k in ("kind", "shape", "levels", "dimension", "labels", "fitted_to", "seed")}
        with replacing(Path(folder)) as new:
            write_bytes(new / "extractor.safetensors", save_tensors(self.net.state_dict()))
            write_json(new / "extractor.json", {"schema": SCHEMA, "sha256": self.sha256, **about})


def load_extractor(folder: str | Path) -> Extractor:
    """Read what `Extractor.save` wrote; StorageError if it is missing, damaged or of a newer format."""
    path, weights = Path(folder) / "extractor.json", Path(folder) / "extractor.safetensors"
    told, raw = typed(read_json(path), dict, where=str(path)), read_file(weights)
    if told.get("schema") != SCHEMA:
        raise StorageError("written by a newer genwright", where=str(path), hint="update genwright")
    if told.get("sha256") != hashlib.sha256(raw).hexdigest():
        raise StorageError("weights differ from their hash", where=str(weights), hint="fit the extractor again")
    about = {f.name: entry(told, f.name, f.type, where=str(path)) for f in fields(Extractor) if f.name != "net"}
    shape, levels, dimension = about["shape"], about["levels"], about["dimension"]
    if not (0 < dimension <= MAX_FEATURES and 2 <= levels <= 256 and all(0 < side <= SIDE for side in shape)):
        raise wrong("no such images or features", str(path))
    net = filled(
        lambda: _Net(shape, dimension, len(about["labels"]), about["kind"]),
        parse_tensors(raw, where=str(weights))[0],
        where=str(weights),
    )
    return Extractor(**about, net=cast(_Net, net.eval()))


def fit_extractor(data: Dataset, *, dimension: int, kind: Kind = "learned", seed: int = 0) -> Extractor:
    """An extractor fitted to the images of `data`, which must be disjoint from the images to be compared.

    "learned": three convolutions whose features must suffice to rebuild a coarse image, to tell how the image was
    damaged (noise, blur, shuffled patches, not at all), and to name the label where there is one. "pca": principal
    components of the pixels, and "random": the same net with random weights, controls that know nothing of content. At
    most 8192 images are used.
    """
    if not 1 <= dimension <= MAX_FEATURES:
        raise ArgumentError(f"{dimension} features", where="dimension", hint=f"between 1 and {MAX_FEATURES}")
    if len(data) < 2 * dimension:
        raise DataError(
            f"{len(data)} images are too few to fit {dimension} features", where=data.name, hint="use fewer features"
        )
    rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:FIT_ROWS])
    x = pixels(data.take(rows))
    labels, classes = _classes(data, rows) if kind == "learned" else ((), None)
    shape = (x.shape[1], x.shape[2], x.shape[3])
    levels = data.medium(Image).levels
    with seeded(seed):  # initialisation draws from torch's default generator
        net = _Net(shape, dimension, len(labels), kind)
    if kind == "learned":
        _train(net, x, classes, levels=levels, rng=torch.Generator().manual_seed(seed))
    elif kind == "pca":
        _principal_components(net, scaled(x, levels))
    _standardise(net, x, levels)
    return Extractor(kind, shape, levels, dimension, labels, len(rows), seed, net.eval())


def pixels(data: Dataset, *, size: Sequence[int] | None = None) -> Tensor:
    """The images of `data` as floats in grey levels (n, channels, height, width), averaged down to `size`.

    `size` defaults to that of the images, at most 64 x 64. Images that differ in size are all brought to one.
    """
    image = data.medium(Image)
    column = data.columns[image.name]
    if not len(column):
        raise DataError("no images", where=data.name)
    each = [np.asarray(v) for v in column] if column.dtype == object else column
    if size is None:
        heights_widths = np.array([v.shape[:2] for v in each]) if isinstance(each, list) else [each.shape[1:3]]
        size = [int(min(SIDE, s)) for s in np.median(heights_widths, axis=0)]
    if isinstance(each, list):
        channels = {v.shape[2] for v in each}
        if len(channels) > 1:
            raise DataError("images differ in their number of channels", where=data.name)
        return torch.cat([_averaged(v[None], size) for v in each])
    return torch.cat([_averaged(each[i : i + CHUNK], size) for i in range(0, len(each), CHUNK)])


def scaled(x: Float[Tensor, "n c h w"], levels: int) -> Float[Tensor, "n c h w"]:
    """Grey levels to [-1, 1]."""
    return x * (2.0 / max(levels - 1, 1)) - 1.0


def _averaged(images: np.ndarray, size: Sequence[int]) -> Float[Tensor, "n c h w"]:
    x = torch.tensor(images).permute(0, 3, 1, 2).float()
    return x if list(x.shape[2:]) == list(size) else F.interpolate(x, size=tuple(size), mode="area")


def _classes(data: Dataset, rows: np.ndarray) -> tuple[tuple[str, ...], Int[Tensor, "n"] | None]:
    """Label names and each row's class number (-1 unknown)."""
    if data.label is None or data.columns[data.label].dtype != object:
        return (), None
    column = data.columns[data.label][rows]
    labels = tuple(sorted({v for v in column if v is not None}))
    if not 2 <= len(labels) <= len(rows) // 10:
        return (), None
    number = {v: i for i, v in enumerate(labels)}
    return labels, torch.tensor([number.get(v, -1) for v in column])


COARSE = 8  # side of the coarse image that features must rebuild
SPOILT = 4  # ways in which an image is damaged: not at all, noise, blur, shuffled patches


class _Net(nn.Module):
    """Image to trunk to d features (a plain projection for "pca"), and from these the answers they are trained on."""

    centre: Tensor
    spread: Tensor

    def __init__(self, shape: tuple[int, ...], dimension: int, classes: int, kind: Kind) -> None:
        super().__init__()
        channels, height, width = shape
        if kind == "pca":
            self.trunk: nn.Module = nn.Flatten()
            inside = channels * height * width
        else:
            layers: list[nn.Module] = []
            for i, out in enumerate(WIDTHS):
                stride = 2 if min(height, width) >= 8 or i == 1 else 1
                height, width = -(-height // stride), -(-width // stride)
                layers += [nn.Conv2d(channels, out, 3, stride, 1), nn.BatchNorm2d(out), nn.SiLU()]
                channels = out
            pooled = min(height, 4), min(width, 4)
            self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(pooled), nn.Flatten())
            inside = channels * pooled[0] * pooled[1]
            self.rebuild = nn.Linear(dimension, shape[0] * COARSE * COARSE)
            self.spoilt = nn.Linear(dimension, SPOILT)
            self.named = nn.Linear(dimension, max(classes, 1))
            self.label = nn.Linear(inside, max(classes, 1))
        self.project = nn.Linear(inside, dimension)
        self.register_buffer("centre", torch.zeros(dimension))
        self.register_buffer("spread", torch.ones(dimension))

    def features(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        return (self.project(self.trunk(x)) - self.centre) / self.spread

    def classes(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.label(self.trunk(x))


def _train(net: _Net, x: Tensor, classes: Tensor | None, *, levels: int, rng: torch.Generator) -> None:
    """Fit in a fixed number of steps that depends on the number and size of images only, so reruns are identical."""
    seen = min(30 * len(x), 32_000 * 784 // (x.shape[2] * x.shape[3]))
    batch = min(BATCH, len(x))
    steps = max(seen // batch, 100)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    net.train()
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), generator=rng)
        clean = scaled(x[rows], levels)
        loss = _loss(net, clean, None if classes is None else classes[rows], rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        rate.step()
    net.eval()


def _loss(net: _Net, clean: Tensor, classes: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
    """Rebuild, tell how it was damaged, and (of unspoilt images) name."""
    how = (torch.randint(2 * SPOILT, (len(clean),), generator=rng) - SPOILT).clamp(min=0)  # five of eight left alone
    trunk = net.trunk(_spoil(clean, how, rng))
    features = F.batch_norm(net.project(trunk), None, None, training=True)
    coarse = F.adaptive_avg_pool2d(clean, COARSE).flatten(1)
    loss = F.mse_loss(net.rebuild(features), coarse) / coarse.var().clamp(min=1e-4)
    loss = loss + 0.2 * F.cross_entropy(net.spoilt(features), how)
    if classes is None:
        return loss
    named = torch.where(how == 0, classes, -1)
    for logits in (net.named(features), net.label(trunk)):
        loss = loss + F.cross_entropy(logits, named, ignore_index=-1)
    return loss


def _spoil(x: Float[Tensor, "n c h w"], how: Int[Tensor, "n"], rng: torch.Generator) -> Float[Tensor, "n c h w"]:
    """Spoil each image in its own way, by a random amount."""
    amount = torch.rand(len(x), 1, 1, 1, generator=rng)
    way = how[:, None, None, None]
    x = torch.where(way == 1, x + 0.8 * amount * torch.randn(x.shape, generator=rng), x)
    blurred = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.where(way == 2, x + (0.3 + 0.7 * amount) * (blurred - x), x)
    half = x.shape[3] // 2
    other = torch.cat([x[..., half:], x[..., :half]], dim=3).flip(0) if half else x
    top = torch.arange(x.shape[2])[:, None] < x.shape[2] * (0.25 + 0.5 * amount)
    return torch.where((way == 3) & top, other, x)


def _principal_components(net: _Net, x: Float[Tensor, "n c h w"]) -> None:
    """Set the projection to the leading principal components."""
    flat = x.flatten(1).double()
    directions = torch.linalg.eigh(torch.cov(flat.T))[1].flip(1)[:, : net.project.out_features]
    with torch.no_grad():
        net.project.weight.zero_()
        net.project.weight[: directions.shape[1]] = directions.T
        net.project.bias.zero_()


def _standardise(net: _Net, x: Tensor, levels: int) -> None:
    """Give every feature mean 0 and variance 1 over the fitted images."""
    net.eval()
    with torch.inference_mode():
        z = torch.cat([net.features(scaled(chunk, levels)) for chunk in x.split(CHUNK)]).double()
    net.centre.copy_(z.mean(0))
    net.spread.copy_(z.std(0).clamp(min=1e-6))
