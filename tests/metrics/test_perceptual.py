"""LPIPS: loading, invariances, refusals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from benchmarks.parity.networks import recipe_state
from safetensors.torch import save_file

from genwright.errors import DataError
from genwright.extractors import published as weights
from genwright.extractors.backbones import Stack
from genwright.extractors.published import KNOWN
from genwright.metrics.perceptual import Heads, load_lpips, lpips


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files named as the published ones are inside, the heads as the list of pairs that they hold."""
    folder = tmp_path_factory.mktemp("lpips")
    with torch.device("meta"):
        stack, heads = Stack("alexnet").state_dict(), Heads("alexnet").state_dict()
    save_file(recipe_state(stack) | {"classifier.1.bias": torch.zeros(4096)}, folder / "alexnet.safetensors")
    save_file(recipe_state(heads), folder / "alex.safetensors")
    return folder


@pytest.fixture(scope="module")
def network(files):
    return load_lpips(files / "alexnet.safetensors", files / "alex.safetensors", kind="alexnet")


def pair(n=6, *, side=40, channels=3, spread=30):
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    return real, np.clip(real + rng.normal(0, spread, real.shape), 0, 255).astype(np.uint8)


def test_lpips_orders_noise(network):
    values = [lpips(*pair(spread=s), network=network, data_range=255).value for s in (0, 5, 20, 60)]
    assert values[0] == 0 and values == sorted(values)


def test_lpips_score(network):
    score = lpips(*pair(), network=network, data_range=255)
    assert score.interval[0] < score.value < score.interval[1] and score.direction == "lower" and score.n == 6
    assert (
        "lpips-0.1 alexnet" in score.signature
        and "own weights, not comparable + shaped as published, not verified" in score.signature
    )
    assert len(score.replicates.real) == 6
    assert lpips(*pair(1), network=network, data_range=255).interval is None


def test_grey_is_three_equal_channels(network):
    real, fake = pair(channels=1)
    grey = lpips(real, fake, network=network, data_range=255)
    colour = lpips(real.repeat(3, 3), fake.repeat(3, 3), network=network, data_range=255)
    assert np.isclose(grey.value, colour.value, rtol=1e-6)


def test_lpips_range(network):
    real, fake = pair()
    halves = lpips(real / 510.0, fake / 510.0, network=network, data_range=0.5)
    assert np.isclose(halves.value, lpips(real, fake, network=network, data_range=255).value, rtol=1e-5)


def test_lpips_comparable_only_with_both_files(network, files, monkeypatch):
    shas = [part.sha256 for part in network.weights]
    both = replace(KNOWN[2], tensors=shas[0]), replace(KNOWN[7], tensors=shas[1])
    for known, comparable in ((both, True), (both[:1], False), (both[1:], False)):
        monkeypatch.setattr(weights, "KNOWN", known)
        again = load_lpips(files / "alexnet.safetensors", files / "alex.safetensors", kind="alexnet")
        assert again.comparable is comparable
        assert ("not" in again.signature) is not comparable


def test_lpips_refusals(network, files):
    with pytest.raises(DataError, match="at least 31 pixels"):
        lpips(*pair(side=28), network=network, data_range=255)
    with pytest.raises(DataError, match="2 channels"):
        lpips(*pair(channels=2), network=network, data_range=255)
    with pytest.raises(DataError, match="paired"):
        lpips(pair()[0], pair(5)[1], network=network, data_range=255)
    with pytest.raises(DataError, match=r"alex\.pth .*lpips package"):
        load_lpips(files / "alexnet.safetensors", files / "none.safetensors", kind="alexnet")
    with pytest.raises(DataError, match="weights of this network"):
        load_lpips(files / "alexnet.safetensors", files / "alex.safetensors", kind="vgg16")
