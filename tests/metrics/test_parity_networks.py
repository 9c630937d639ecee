"""Networks, perceptual and signal metrics against their reference packages (benchmarks/parity/networks.py)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.parity import networks as reference

from genwright.data.dataset import Dataset, Image
from genwright.metrics import networks, perceptual, signals
from genwright.metrics.backbones import Classifier, Stack
from genwright.metrics.inception import InceptionV3
from genwright.metrics.vision_transformer import VisionTransformer
from genwright.metrics.weights import Weights, fill

FROZEN = json.loads((Path(__file__).parent / "reference" / "networks.json").read_text())
CASES = [pytest.param(c, id=f"{c['metric']}-{c['data']}") for c in FROZEN["cases"]]


def cases(*prefixes):
    return [each for each in CASES if each.values[0]["metric"].startswith(prefixes)]


def check(case, measured):
    expected, measured = np.asarray(case["value"]), np.asarray(measured, np.float64).ravel()
    worst = np.abs(measured - expected).max()
    if case["kind"] == "rel":
        worst = worst / np.abs(expected).max()
    assert worst <= case["tolerance"]


@cache
def filled(make, *arguments):
    """A network whose weights follow the recipe."""
    with torch.device("meta"):
        net = make(*arguments)
    tensors = reference.recipe_state(net.state_dict())
    tensors = {n: torch.zeros(t.shape) if not t.is_floating_point() else t for n, t in tensors.items()}
    weights = Weights(tensors, "0" * 64, None, "recipe")
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


@pytest.mark.parametrize("case", cases("Inception"))
def test_inception(case):
    net = filled(InceptionV3)[0]
    features = inception_features(case["data"])
    if case["metric"] == "Inception logits":
        features = net.logits(torch.tensor(features).float()).numpy()
    check(case, features[:, :: reference.KEPT])


@pytest.mark.parametrize("case", cases("resize"))
def test_resize(case):
    resize = case["metric"].removeprefix("resize ")
    (x,) = networks.batches(dataset(case["data"]), side=299, resize=resize)
    check(case, x[:, :, ::23, ::19])


@pytest.mark.parametrize("case", cases("DINOv2"))
def test_dinov2(case):
    check(case, network("dinov2")(dataset(case["data"]))[:, :: reference.KEPT // 4])


@pytest.mark.slow
@pytest.mark.parametrize("case", cases("alexnet", "vgg16"))
def test_backbones(case):
    kind = case["metric"].removesuffix(" features")
    check(case, network(kind)(dataset(case["data"]))[:, :: 2 * reference.KEPT])


@pytest.mark.parametrize("case", cases("LPIPS"))
def test_lpips(case):
    kind = case["metric"].removeprefix("LPIPS ")
    (stack, below), (heads, above) = filled(Stack, kind), filled(perceptual.Heads, kind)
    net = perceptual.Lpips(kind, (below, above), stack, heads)
    check(case, perceptual.lpips_values(*reference.pair(case["data"], side=64), network=net, data_range=255))


@pytest.mark.parametrize("case", cases("path length"))
def test_path_length(case):
    score = perceptual.path_length(
        reference.decoder(case["data"]),
        reference.path_ends(),
        distance=reference.squared_difference,
        features="squared difference",
        interpolation=case["metric"].removeprefix("path length "),
    )
    check(case, score.value)


SIGNALS = {
    "PSNR per-image": lambda x, y: 10 * np.log10(255**2 / signals.squared_errors(x, y, data_range=255)),
    "PSNR pooled": lambda x, y: signals.psnr(x, y, data_range=255, pooling="pooled").value,
    "SSIM wang": lambda x, y: signals.ssim_values(x, y, data_range=255, convention="wang"),
    "SSIM torchmetrics": lambda x, y: signals.ssim_values(x, y, data_range=255, convention="torchmetrics"),
    "MS-SSIM wang": lambda x, y: signals.ms_ssim_values(x, y, data_range=255, convention="wang"),
    "MS-SSIM torchmetrics": lambda x, y: signals.ms_ssim_values(x, y, data_range=255, convention="torchmetrics"),
}


@pytest.mark.parametrize("case", cases(*SIGNALS))
def test_signals(case):
    multiscale = case["metric"].startswith("MS")
    real, fake = reference.pair(case["data"], side=192 if multiscale else 64, n=2 if multiscale else 4)
    check(case, SIGNALS[case["metric"]](real, fake))


def test_every_case_is_checked():
    checked = cases("Inception", "resize", "DINOv2", "alexnet", "vgg16", "LPIPS", "path length", *SIGNALS)
    assert len(checked) == len(CASES)
    assert all(len({c.values[0]["data"] for c in CASES if c.values[0]["metric"] == m}) >= 2 for m in {
        c.values[0]["metric"] for c in CASES
    })  # fmt: skip
