"""Networks, perceptual and signal metrics against their reference packages (benchmarks/parity/networks.py)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.parity import networks as reference
from experiments.path_length import path_length

from genwright.data.dataset import Dataset, Image
from genwright.extractors import networks
from genwright.extractors.backbones import Classifier, Stack
from genwright.extractors.inception import InceptionV3
from genwright.extractors.published import Weights, fill
from genwright.extractors.vision_transformer import VisionTransformer
from genwright.metrics import perceptual, signals

FROZEN = json.loads((Path(__file__).parent / "reference" / "networks.json").read_text())
CASES = FROZEN["cases"]


@cache
def filled(make, *arguments):
    """A network whose weights follow the recipe."""
    with torch.device("meta"):
        net = make(*arguments)
    tensors = reference.recipe_state(net.state_dict())
    tensors = {n: torch.zeros(t.shape) if not t.is_floating_point() else t for n, t in tensors.items()}
    weights = Weights(tensors, "0" * 64, False, "recipe")
    return fill(net, weights), weights


def network(kind, resize=None):
    make = {
        "inception": lambda: filled(InceptionV3),
        "dinov2": lambda: filled(dinov2),
        "vgg16": lambda: filled(Classifier, "vgg16"),
        "alexnet": lambda: filled(Classifier, "alexnet"),
    }
    net, weights = make[kind]()
    return networks.Network(kind, net.dimension, resize or networks.RESIZE[kind], weights, net)


def dinov2():
    return VisionTransformer(**reference.DINOV2, positions="exact")


def dataset(data):
    height, width = reference.SIZES[data]
    pixels = reference.images(data, height=height, width=width)
    return Dataset((Image("image", pixels.shape[1:], "RGB"),), {"image": pixels})


@cache
def inception_features(data):
    return network("inception")(dataset(data))


def of_inception(case):
    net = filled(InceptionV3)[0]
    features = inception_features(case["data"])
    if case["metric"] == "Inception logits":
        features = net.logits(torch.tensor(features).float()).numpy()
    return features[:, :: reference.KEPT]


def of_resizing(case):
    resize = case["metric"].removeprefix("resize ")
    (x,) = networks.batches(dataset(case["data"]), side=299, resize=resize)
    return x[:, :, ::23, ::19]


def of_dinov2(case):
    return network("dinov2")(dataset(case["data"]))[:, :: reference.KEPT // 4]


def of_classifiers(case):
    kind = case["metric"].removesuffix(" features")
    return network(kind)(dataset(case["data"]))[:, :: 2 * reference.KEPT]


def of_lpips(case):
    kind = case["metric"].removeprefix("LPIPS ")
    (stack, below), (heads, above) = filled(Stack, kind), filled(perceptual.Heads, kind)
    net = perceptual.Lpips(kind, (below, above), stack, heads)
    return perceptual.lpips_values(*reference.pair(case["data"], side=64), network=net, data_range=255)


def of_paths(case):
    return path_length(
        reference.decoder(case["data"]),
        reference.path_ends(),
        distance=reference.squared_difference,
        features="squared difference",
        interpolation=case["metric"].removeprefix("path length "),
    ).value


SIGNALS = {
    "PSNR per-image": lambda x, y: 10 * np.log10(255**2 / signals.squared_errors(x, y, data_range=255)),
    "PSNR pooled": lambda x, y: signals.psnr(x, y, data_range=255, pooling="pooled").value,
    "SSIM wang": lambda x, y: signals.ssim_values(x, y, data_range=255, convention="wang"),
    "SSIM torchmetrics": lambda x, y: signals.ssim_values(x, y, data_range=255, convention="torchmetrics"),
    "MS-SSIM wang": lambda x, y: signals.ms_ssim_values(x, y, data_range=255, convention="wang"),
    "MS-SSIM torchmetrics": lambda x, y: signals.ms_ssim_values(x, y, data_range=255, convention="torchmetrics"),
}


def of_signals(case):
    multiscale = case["metric"].startswith("MS")
    real, fake = reference.pair(case["data"], side=192 if multiscale else 64, n=2 if multiscale else 4)
    return SIGNALS[case["metric"]](real, fake)


MEASURES = {
    "Inception": of_inception,
    "resize": of_resizing,
    "DINOv2": of_dinov2,
    **dict.fromkeys(("alexnet", "vgg16"), of_classifiers),
    "LPIPS": of_lpips,
    "path length": of_paths,
    **dict.fromkeys(SIGNALS, of_signals),
}


def difference(case) -> float:
    """The largest difference from the frozen value, as a share of it where the tolerance is relative."""
    measure = next(function for start, function in MEASURES.items() if case["metric"].startswith(start))
    expected, measured = np.asarray(case["value"]), np.asarray(measure(case), np.float64).ravel()
    apart = float(np.abs(measured - expected).max())
    return apart / float(np.abs(expected).max()) if case["kind"] == "rel" else apart


def marked(case):
    large = case["metric"].startswith(("alexnet", "vgg16"))
    return pytest.param(case, id=f"{case['metric']}-{case['data']}", marks=pytest.mark.slow if large else ())


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_agrees_with_its_reference(case):
    assert difference(case) <= case["tolerance"]


def test_every_metric_has_two_data_sets():
    names = {case["metric"] for case in CASES}
    assert all(len({case["data"] for case in CASES if case["metric"] == name}) >= 2 for name in names)
