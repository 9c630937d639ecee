"""Diffusion against the exact denoiser of Gaussian data. What it shares with flow matching is in test_flow.py."""

import pytest
import torch

from genwright.families.diffusion import Diffusion
from genwright.families.sampling import Sampling
from genwright.maths.samplers import ddim, ddpm, dpmpp_2m, heun
from genwright.maths.schedules import cosine, from_eps, from_v, linear_beta, min_snr_weight
from genwright.nets.flow_net import FlowNet
from genwright.spaces import Reals

MEAN, STD = 0.3, 0.5


class ExactNet(FlowNet):
    """The best possible net for data N(MEAN, STD^2): it outputs E[v | x_t], or E[eps | x_t]."""

    def __init__(self, family: Diffusion) -> None:
        super().__init__()
        self.space, self.conditions, self.family = Reals((1,)), None, family

    def forward(self, x, t, context=None, known=None):
        alpha, sigma = (each[:, None] for each in self.family.schedule(t.double()))
        clean = MEAN + alpha * STD**2 / (alpha**2 * STD**2 + sigma**2) * (x - alpha * MEAN)
        noise = (x - alpha * clean) / sigma
        return noise if self.family.prediction is from_eps else alpha * noise - sigma * clean


WAYS = [
    (Diffusion(), Sampling(sampler=dpmpp_2m, steps=20)),
    (Diffusion(), Sampling(sampler=heun, steps=20)),
    (Diffusion(), Sampling(sampler=ddim, steps=60)),
    (Diffusion(), Sampling(sampler=ddpm, steps=150)),
    (Diffusion(schedule=cosine), Sampling(steps=20)),
    (Diffusion(prediction=from_eps), Sampling(steps=20)),
]


@pytest.mark.parametrize(("family", "how"), WAYS)
def test_samples_of_the_exact_net_have_the_data_law(family, how):
    drawn = family.sample(ExactNet(family), 4000, how=how, rng=torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert drawn.std().item() == pytest.approx(STD, rel=0.06)
    standard = (drawn - drawn.mean()) / drawn.std()
    assert standard.pow(3).mean().abs() < 0.15 and standard.pow(4).mean().item() == pytest.approx(3, abs=0.4)


@pytest.mark.parametrize("prediction", [from_v, from_eps])
@pytest.mark.parametrize("schedule", [linear_beta, cosine])
def test_loss_of_the_exact_net_is_the_weighted_posterior_variance(schedule, prediction):
    """No net does better than the mean over t of min(SNR, 5) Var[x | x_t], and the exact one reaches it."""
    family = Diffusion(schedule=schedule, prediction=prediction)
    x = MEAN + STD * torch.randn(100_000, 1, generator=torch.Generator().manual_seed(1))
    held_out = family.held_out(ExactNet(family), x, None, torch.Generator().manual_seed(0))
    alpha, sigma = schedule(torch.linspace(0.001, 0.998, 100_001, dtype=torch.float64))
    variance = STD**2 * sigma**2 / (alpha**2 * STD**2 + sigma**2)
    assert held_out.item() == pytest.approx((min_snr_weight(alpha, sigma) * variance).mean().item(), rel=0.02)


def test_encoding_standardises_gaussian_data():
    """The probability flow of Gaussian data is affine, so the latent of x is its standard score."""
    family = Diffusion()
    x = torch.linspace(-1, 1.5, 11)[:, None]
    z = family.encode(ExactNet(family), x, None, how=Sampling(steps=400))
    torch.testing.assert_close(z.float(), (x - MEAN) / STD, atol=0.05, rtol=0)
