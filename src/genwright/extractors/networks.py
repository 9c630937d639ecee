"""Networks whose weights the user brings: features of images that may be comparable with the literature."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image as Pillow
from torch import Tensor

from genwright.data.dataset import Dataset, Image
from genwright.errors import ArgumentError, DataError
from genwright.extractors.backbones import Classifier
from genwright.extractors.inception import InceptionV3
from genwright.extractors.published import Weights, fill, read_weights
from genwright.extractors.vision_transformer import HEAD, VisionTransformer

Kind = Literal["inception", "dinov2", "vgg16", "alexnet"]
Resize = Literal["tensorflow", "pil-bicubic"]
CHUNK = 8  # images in the network at once; more are no faster on a CPU
SIDES: dict[Kind, int] = {"inception": 299, "dinov2": 224, "vgg16": 224, "alexnet": 224}
RESIZE: dict[Kind, Resize] = {
    "inception": "tensorflow",
    "dinov2": "pil-bicubic",
    "vgg16": "tensorflow",
    "alexnet": "tensorflow",
}
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels, in [0, 1]


@dataclass(frozen=True, eq=False)
class Network:
    """A network with weights from a file, from images to d features.

    Grey images count as three equal channels, grey levels are brought to [0, 255], and images of any size are resized
    to `side`. `resize` is "tensorflow", bilinear without antialiasing as in the first FID and in torch-fidelity, or
    "pil-bicubic", antialiased and not rounded, as in clean-fid.
    """

    kind: Kind
    dimension: int
    resize: Resize
    weights: Weights = field(repr=False)
    net: torch.nn.Module = field(repr=False)
    labels: tuple[str, ...] = ()  # none: the classes of these networks are ImageNet's, not those of the data

    @property
    def side(self) -> int:
        """Height and width of its input."""
        return SIDES[self.kind]

    @property
    def comparable(self) -> bool:
        """Whether the weights are known, or pinned by the user, as the published ones."""
        return self.weights.comparable

    @property
    def signature(self) -> str:
        """Which features these are: kind, size, preprocessing, hash of the weights, how far they are known."""
        weights = f"sha256 {self.weights.sha256[:12]}, {self.weights.standing}"
        return f"{self.kind}-{self.dimension}d, {self.resize} to {self.side}, {weights}"

    def __call__(self, data: Dataset) -> Float[np.ndarray, "n d"]:
        """Features of the images of `data`; computed in float32, a few images at a time."""
        return self._run(data, self.net)

    def logits(self, data: Dataset) -> Float[np.ndarray, "n 1008"]:
        """Logits of Inception's 1008 classes, without bias: the convention of the Inception Score."""
        net = self.net
        if not isinstance(net, InceptionV3):
            raise ArgumentError(f"{self.kind} gives no logits", where="logits", hint="load kind='inception'")
        return self._run(data, lambda x: net.logits(net(x)))

    def classify(self, data: Dataset) -> Float[np.ndarray, "n 1008"]:
        """Probabilities of Inception's 1008 classes, from `logits`."""
        logits = self.logits(data)
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def _run(self, data: Dataset, compute: Callable[[Tensor], Tensor]) -> np.ndarray:
        with torch.inference_mode():
            parts = [compute(self._scaled(x)) for x in batches(data, side=self.side, resize=self.resize)]
        return torch.cat(parts).double().numpy()

    def _scaled(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """From [0, 255] to what the network was trained on."""
        if self.kind == "inception":
            return (x - 128) / 128
        mean, spread = (255 * torch.tensor(v)[:, None, None] for v in (MEAN, SPREAD))
        return (x - mean) / spread


def load_network(path: str | Path, kind: Kind, *, resize: Resize | None = None, pinned: str | None = None) -> Network:
    """The network `kind` with the weights in `path`, a .safetensors file.

    "inception": FID's Inception-v3, 2048 features. "dinov2": the class token of ViT-S/B/L-14 (384, 768 or 1024).
    "vgg16", "alexnet": the second-last layer, 4096. `resize` defaults to the convention of the reference: "tensorflow",
    for DINOv2 "pil-bicubic". `pinned`: the hash of the published weights, as `read_weights` takes it. DataError if the
    file is missing (naming the one wanted), of another format, or does not fit.

    >>> load_network("weights/absent.safetensors", "vgg16")
    Traceback (most recent call last):
    genwright.errors.DataError: weights/absent.safetensors: no such file; the weights of vgg16 are wanted, ...
    """
    weights = read_weights(path, kind=kind, pinned=pinned)
    with torch.device("meta"):  # parameters are replaced by those of the file, so none are drawn
        match kind:
            case "inception":
                net: InceptionV3 | VisionTransformer | Classifier = InceptionV3()
                unused: tuple[str, ...] = ()
            case "dinov2":
                width, depth, patches = _size(weights)
                net, unused = VisionTransformer(width=width, depth=depth, side=patches), ("mask_token",)
            case "vgg16" | "alexnet":
                net, unused = Classifier(kind), ("classifier.6.",)
    fill(net, weights, unused=unused)
    return Network(kind, net.dimension, resize or RESIZE[kind], weights, net)


def _size(weights: Weights) -> tuple[int, int, int]:
    """Width, depth and patches along a side of a vision transformer."""
    tensor = weights.tensors.get("pos_embed")
    blocks = {name.split(".")[1] for name in weights.tensors if name.startswith("blocks.")}
    if tensor is None or tensor.ndim != 3 or tensor.shape[2] % HEAD or not tensor.shape[1]:
        raise DataError("not the weights of this network: 'pos_embed' is missing or odd", where=weights.where)
    return tensor.shape[2], len(blocks), round((tensor.shape[1] - 1) ** 0.5)


def batches(data: Dataset, *, side: int, resize: Resize) -> Iterator[Float[Tensor, "n 3 h w"]]:
    """The images of `data`, resized, a few at a time, as floats in [0, 255]."""
    image = data.medium(Image)
    column, levels = data.columns[image.name], image.levels
    if not len(column):
        raise DataError("no images", where=data.name, hint="at least one is needed")
    resized = _tensorflow if resize == "tensorflow" else _pil_bicubic
    for start in range(0, len(column), CHUNK):
        yield torch.cat([resized(_rgb(v, levels, data.name), side) for v in column[start : start + CHUNK]])


def _rgb(pixels: UInt8[np.ndarray, "h w c"], levels: int, where: str) -> Float[Tensor, "1 3 h w"]:
    if pixels.shape[2] not in (1, 3):
        raise DataError(
            f"images have {pixels.shape[2]} channels where 1 or 3 are expected",
            where=where,
            hint="convert them to L or RGB",
        )
    x = torch.tensor(pixels).permute(2, 0, 1)[None].float()
    return (x if levels == 256 else x * (255 / max(levels - 1, 1))).expand(-1, 3, -1, -1)


def _tensorflow(x: Float[Tensor, "1 3 h w"], side: int) -> Float[Tensor, "1 3 s s"]:
    """Bilinear with the corner pixels' corners aligned, not their centres, and no antialiasing: TensorFlow 1.x."""
    for axis in (3, 2):
        n = x.shape[axis]
        place = torch.arange(side, dtype=torch.float32) * torch.tensor(n / side)
        low = place.long()
        high = (low + 1).clamp(max=n - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = side
        first = x.index_select(axis, low)
        x = first + (x.index_select(axis, high) - first) * (place - low).view(shape)
    return x


def _pil_bicubic(x: Float[Tensor, "1 3 h w"], side: int) -> Float[Tensor, "1 3 s s"]:
    """Pillow's antialiased bicubic filter on each channel in float32, clipped but not rounded: clean-fid."""
    channels = [Pillow.fromarray(c).resize((side, side), Pillow.Resampling.BICUBIC) for c in x[0].numpy()]
    return torch.tensor(np.stack([np.asarray(c).clip(0, 255) for c in channels]))[None]
