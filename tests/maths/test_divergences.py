"""Divergences against closed forms and against torch's own distributions."""

import math

import torch
from torch.distributions import Normal, kl_divergence

from genwright.maths.divergences import energy_distance, gaussian_kl


def test_gaussian_kl_agrees_with_torch():
    rng = torch.Generator().manual_seed(0)
    mean, log_scale, other_mean, other_log_scale = torch.randn(4, 50, 3, generator=rng)
    expected = kl_divergence(Normal(mean, log_scale.exp()), Normal(other_mean, other_log_scale.exp()))
    ours = gaussian_kl(mean, log_scale, other_mean=other_mean, other_log_scale=other_log_scale)
    torch.testing.assert_close(ours, expected)
    standard = kl_divergence(Normal(mean, log_scale.exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, log_scale), standard)


def test_energy_distance_of_shifted_gaussians():
    """In one dimension, 2 E|X - Y| - E|X - X'| - E|Y - Y'| follows from the folded normal distribution."""
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(3000, 1, generator=rng)
    y = torch.randn(3000, 1, generator=rng) + 2.0
    folded = 2 / math.sqrt(math.pi) * math.exp(-1.0) + 2.0 * math.erf(1.0)  # E|N(2, 2)|
    expected = 2 * folded - 2 * 2 / math.sqrt(math.pi)
    assert abs(energy_distance(x, y).item() - expected) < 0.1


def test_distance_between_samples_of_one_law_is_unbiased():
    rng = torch.Generator().manual_seed(3)
    values = [energy_distance(*torch.randn(2, 10, 2, generator=rng)).item() for _ in range(400)]
    mean, error = torch.tensor(values).mean(), torch.tensor(values).std() / 20
    assert abs(mean) < 4 * error
