"""AlexNet and VGG16: their convolution stacks for LPIPS, their second-last layer as features.

Krizhevsky 2014, arXiv:1404.5997; Simonyan and Zisserman 2015, arXiv:1409.1556. Parameter names and layers are those
of torchvision's files alexnet-owt-7be5be79.pth and vgg16-397923af.pth.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Backbone = Literal["alexnet", "vgg16"]
CHANNELS: dict[Backbone, tuple[int, ...]] = {  # of the five layers that LPIPS compares
    "alexnet": (64, 192, 384, 256, 256),
    "vgg16": (64, 128, 256, 512, 512),
}
TAPS: dict[Backbone, tuple[int, ...]] = {"alexnet": (1, 4, 7, 9, 11), "vgg16": (3, 8, 15, 22, 29)}  # after a ReLU
GRID: dict[Backbone, int] = {"alexnet": 6, "vgg16": 7}  # side to which the last maps are averaged


class Stack(nn.Module):
    """The convolutions of `kind`."""

    def __init__(self, kind: Backbone) -> None:
        super().__init__()
        self.kind = kind
        self.features = _alexnet() if kind == "alexnet" else _vgg16()

    def maps(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """The five layers that LPIPS compares."""
        found = []
        for number, layer in enumerate(list(self.features)[: TAPS[self.kind][-1] + 1]):
            x = layer(x)
            if number in TAPS[self.kind]:
                found.append(x)
        return found


class Classifier(Stack):
    """All layers but the last: normalised images (n, 3, 224, 224) to 4096 features after a ReLU.

    For VGG16 this is "fc2", the space of Kynkaanniemi et al. 2019, arXiv:1904.06991.
    """

    dimension = 4096

    def __init__(self, kind: Backbone) -> None:
        super().__init__(kind)
        first, second = (1, 4) if kind == "alexnet" else (0, 3)  # places between dropout layers, idle here
        layers = {str(first): nn.Linear(CHANNELS[kind][-1] * GRID[kind] ** 2, 4096), str(second): nn.Linear(4096, 4096)}
        self.classifier = nn.ModuleDict(layers)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 4096"]:
        x = F.adaptive_avg_pool2d(self.features(x), GRID[self.kind]).flatten(1)
        for layer in self.classifier.values():
            x = torch.relu(layer(x))
        return x


def _alexnet() -> nn.Sequential:
    sizes = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
    layers: list[nn.Module] = []
    for number, size in enumerate(sizes):
        layers += [nn.Conv2d(*size), nn.ReLU()]
        if number in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
    return nn.Sequential(*layers)


def _vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for out, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)
