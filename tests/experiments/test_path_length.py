"""Latent path length: closed forms, refusals."""

import numpy as np
import pytest
import torch
from benchmarks.parity.networks import squared_difference
from experiments.path_length import feature_distance, path_length, path_lengths

import genwright as gw
from genwright.data.dataset import Dataset, Image
from genwright.errors import ArgumentError, DataError
from genwright.extractors.features import fit_extractor
from genwright.families.family import Work
from genwright.randomness import seeded
from genwright.spaces import Reals


def ends(n=200, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.normal(size=(n, d))), torch.tensor(rng.normal(size=(n, d)))


MATRIX = torch.tensor(np.random.default_rng(1).normal(size=(6, 48)) / 10, dtype=torch.float32)


def linear(z):
    return (z @ MATRIX).view(-1, 3, 4, 4)


@pytest.mark.parametrize("place", ("end", "full"))
def test_straight_paths_of_a_linear_decoder(place):
    """d = mean((epsilon A (b - a))**2), wherever on the path."""
    a, b = ends()
    expected = (((b - a) @ MATRIX.double()) ** 2).mean(1).numpy()
    measured = path_lengths(linear, (a, b), distance=squared_difference, place=place, epsilon=1e-2)
    assert np.allclose(measured, expected, rtol=1e-3)
    low, high = np.percentile(expected, 1, method="lower"), np.percentile(expected, 99, method="higher")
    score = path_length(linear, (a, b), distance=squared_difference, features="mse", place=place, epsilon=1e-2)
    assert np.isclose(score.value, expected[(expected >= low) & (expected <= high)].mean(), rtol=1e-3)
    assert score.interval[0] < score.value < score.interval[1] and len(score.replicates.fake) == 20


def test_great_circles():
    """Between unit vectors at an angle w, every step of epsilon is a turn by epsilon * w."""
    angle = torch.tensor(np.random.default_rng(2).uniform(0.3, 2.8, 150))
    a = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(150, -1)
    b = torch.stack([angle.cos(), angle.sin()], 1)
    measured = path_lengths(
        lambda z: z[:, :, None, None],
        (a, b),
        distance=lambda x, y: ((x - y) ** 2).sum((1, 2, 3)),
        interpolation="slerp",
        place="full",
        epsilon=1e-2,
    )
    assert np.allclose(measured, angle.numpy() ** 2, rtol=2e-3)


def test_rougher_decoders_are_longer():
    scores = [
        path_length(lambda z, k=k: torch.sin(k * linear(z)), ends(), distance=squared_difference, features="mse").value
        for k in (1, 2, 4, 8, 16)
    ]
    assert scores == sorted(scores)


def test_path_refusals():
    with pytest.raises(DataError, match="at least 100"):
        path_length(linear, ends(99), distance=squared_difference, features="mse")
    with pytest.raises(DataError, match="whole grey levels"):
        path_length(lambda z: linear(z).byte(), ends(), distance=squared_difference, features="mse")
    with pytest.raises(DataError, match="not finite"):
        path_length(lambda z: linear(z) * torch.nan, ends(), distance=squared_difference, features="mse")
    with pytest.raises(ArgumentError, match="step"):
        path_length(linear, ends(), distance=squared_difference, features="mse", epsilon=0.0)


def test_path_length_of_a_latent_family():
    """A latent family's decoder, measured in the features of an extractor fitted to the data."""
    digits = gw.read("digits")
    pixels = digits.columns[digits.media.name][:300]
    data = Dataset((Image("image", pixels.shape[1:], "L", digits.media.levels),), {"image": pixels})
    space, work = Reals(pixels.shape[3:] + pixels.shape[1:3]), Work(rows=300, steps=1)
    family = gw.VAE().sized(space, work)
    with seeded(0):
        net = family.build(space, None)
    extractor = fit_extractor(data, dimension=8, kind="pca")
    rng = torch.Generator().manual_seed(0)
    start, end = (family.draw_latent(net, 100, rng) for _ in range(2))
    score = path_length(
        lambda z: family.decode(net, z, None),
        (start, end),
        distance=feature_distance(extractor),
        features=extractor.signature,
        epsilon=1e-2,
    )
    assert 0 < score.value < np.inf and extractor.signature in score.signature
    with pytest.raises(DataError, match="3 channels"):
        feature_distance(extractor)(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
