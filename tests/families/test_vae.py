"""The VAE: its bound against exact likelihoods, partial records, conditions, and what a short training reaches."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal

from genwright.errors import ArgumentError
from genwright.families.family import Work
from genwright.families.vae import VAE, VariationalNet
from genwright.nets.mixture_prior import MixturePrior
from genwright.spaces import Columns, Conditions, Continuous, Discrete, Given, Reals

SMALL = VAE(batch=64, latent=2, width=32, depth=1, prior_components=4)
LOADINGS = torch.tensor([[1.0, 0.5], [-0.5, 1.0], [0.3, -0.8]])
SCALE = 0.6


class Affine(nn.Module):
    """A stand-in for encoder or decoder: an affine map of its input beside constant log-scales."""

    def __init__(self, matrix: torch.Tensor, log_scale: torch.Tensor) -> None:
        super().__init__()
        self.matrix, self.log_scale = nn.Parameter(matrix), nn.Parameter(log_scale)

    def forward(self, x: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        return torch.cat([x @ self.matrix.T, self.log_scale.expand(len(x), -1)], dim=1)


def linear_gaussian() -> tuple[VariationalNet, torch.Tensor]:
    """Probabilistic PCA: x = L z + SCALE ε as a VAE whose diagonal q is the best there is, and 200 draws of x."""
    net = VariationalNet(Reals((3,)), None, latent=2, width=4, depth=1, components=1)
    raw = math.log(SCALE) + torch.log(-torch.expm1(torch.tensor(-6.0 - math.log(SCALE))))  # inverse of the soft bound
    net.decoder = Affine(LOADINGS, raw.expand(3))
    precision = torch.eye(2) + LOADINGS.T @ LOADINGS / SCALE**2
    net.encoder = Affine(precision.inverse() @ LOADINGS.T / SCALE**2, -0.5 * precision.diagonal().log())
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(200, 2, generator=rng) @ LOADINGS.T + SCALE * torch.randn(200, 3, generator=rng)
    return net, x


def exact_log_prob(x: torch.Tensor) -> torch.Tensor:
    return MultivariateNormal(torch.zeros(3), LOADINGS @ LOADINGS.T + SCALE**2 * torch.eye(3)).log_prob(x)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(family: VAE, net: nn.Module, x: torch.Tensor, context: torch.Tensor | None, steps: int) -> None:
    [player] = family.players(net)
    [optimizer] = player.optimizer(player.module)
    generator = rng()
    for _ in range(steps):
        rows = torch.randint(len(x), (64,), generator=generator)
        optimizer.zero_grad()
        parts = player.loss(net, x[rows], None if context is None else context[rows], generator)
        sum(parts.values()).backward()
        optimizer.step()


def test_the_elbo_is_the_exact_likelihood_less_the_gap_of_the_posterior():
    """With a Gaussian posterior of precision P, the best diagonal q leaves KL(q ‖ p) = ½ (Σ log P_jj - log |P|)."""
    net, x = linear_gaussian()
    wide = x.repeat(200, 1)
    elbo = -SMALL.held_out(net, wide, None, rng())
    precision = torch.eye(2) + LOADINGS.T @ LOADINGS / SCALE**2
    gap = 0.5 * (precision.diagonal().log().sum() - precision.logdet())
    assert gap > 0.003
    assert abs(exact_log_prob(x).mean() - gap - elbo) < 0.02


def test_importance_samples_tighten_the_bound():
    net, x = linear_gaussian()
    with torch.no_grad():
        net.encoder.log_scale += 0.7  # a poor posterior, so that there is something to gain
    exact = exact_log_prob(x).mean()
    bounds = [
        replace(SMALL, importance_samples=k).log_prob(net, x.repeat(20, 1), None, rng()).mean() for k in (1, 8, 64)
    ]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.01
    assert exact - bounds[2] < 0.02
    assert exact - bounds[0] > 0.2


def test_partial_records_are_completed_from_the_conditional_law():
    net, _ = linear_gaussian()
    given = torch.tensor([[1.5, torch.nan, torch.nan]]).repeat(1500, 1)
    x = SMALL.sample(net, 1500, given=Given(given), rng=rng())
    covariance = LOADINGS @ LOADINGS.T + SCALE**2 * torch.eye(3)
    expected = covariance[1:, 0] / covariance[0, 0] * 1.5
    spread = covariance[1:, 1:] - covariance[1:, :1] @ covariance[:1, 1:] / covariance[0, 0]
    assert (x[:, 0] == 1.5).all()
    assert (x[:, 1:].mean(0) - expected).abs().max() < 0.12
    assert (x[:, 1:].T.cov() - spread).abs().max() < 0.15


def test_the_parts_of_the_loss_and_free_nats():
    net, x = linear_gaussian()
    parts = replace(SMALL, free_nats=0.0).loss(net, x, None, rng())
    torch.testing.assert_close(parts["reconstruction"] + parts["kl"], SMALL.held_out(net, x, None, rng()))
    assert replace(SMALL, free_nats=50.0).loss(net, x, None, rng())["kl"] == 100.0


def test_a_mixture_prior_finds_the_modes_and_what_the_context_says_of_them():
    generator = rng()
    label = torch.randint(2, (2000, 1), generator=generator).float()
    z = 0.3 * torch.randn(2000, 2, generator=generator) + torch.cat([4 * label - 2, torch.zeros(2000, 1)], dim=1)
    prior = MixturePrior(2, Columns((Discrete("label", 2),)), components=4)
    before = prior.log_prob(z, label).mean()
    prior.fit(z, label, generator)
    exact = MultivariateNormal(torch.zeros(2), 0.09 * torch.eye(2))
    best = exact.log_prob(z - torch.cat([4 * label - 2, torch.zeros(2000, 1)], dim=1)).mean()
    assert before < best - 1
    assert abs(prior.log_prob(z, label).mean() - best) < 0.03
    drawn = prior.sample(500, torch.ones(500, 1), generator)
    assert (drawn[:, 0] > 0).float().mean() > 0.99
    unknown = prior.sample(500, torch.full((500, 1), torch.nan), generator)
    assert 0.4 < (unknown[:, 0] > 0).float().mean() < 0.6


def test_mixed_rows_are_learnt_and_completed():
    space = Columns((Discrete("kind", 2), Continuous("size"), Discrete("state", 2), Continuous("extra", state=2)))
    generator = rng()
    kind, state = torch.randint(2, (2, 1000, 1), generator=generator).float()
    size = 3 * kind - 1.5 + 0.3 * torch.randn(1000, 1, generator=generator)
    x = torch.cat([kind, size, state, torch.where(state == 0, 0.1 * size, 0.0)], dim=1)
    torch.default_generator.manual_seed(0)
    net = SMALL.build(space, None)
    train(SMALL, net, x, None, 500)
    SMALL.refit_prior(net, x, None, generator)
    fake = SMALL.sample(net, 1000, rng=generator)
    assert (((fake[:, 1] > 0) == (fake[:, 0] == 1)).float().mean()) > 0.95
    assert (fake[fake[:, 2] == 1, 3] == 0).all()
    given = torch.tensor([[1.0, torch.nan, torch.nan, torch.nan]]).repeat(200, 1)
    completed = SMALL.sample(net, 200, given=Given(given), rng=generator)
    assert (completed[:, 0] == 1).all() and (completed[:, 1] > 0).float().mean() > 0.95


def test_images_of_any_size_obey_their_label():
    space, context = Reals((3, 5, 9), 256), Columns((Discrete("side", 2),))
    generator = rng()
    side = torch.randint(2, (400, 1), generator=generator).float()
    x = -torch.ones(400, 3, 5, 9)
    x[side[:, 0] == 0, :, :, :4] = 0.5
    x[side[:, 0] == 1, :, :, 5:] = 0.5
    family = replace(SMALL, width=8).sized(space, Work(rows=400, steps=120))
    torch.default_generator.manual_seed(0)
    net = family.build(space, Conditions(context))
    train(family, net, x, side, 120)
    fake = family.sample(net, 40, given=Given(None, torch.arange(40)[:, None] % 2.0), rng=generator)
    left, right = fake[:, :, :, :4].mean((1, 2, 3)), fake[:, :, :, 5:].mean((1, 2, 3))
    assert fake.shape == (40, 3, 5, 9)
    assert ((right > left).float() == torch.arange(40) % 2).all()
    z = family.encode(net, x[:5], side[:5])
    assert (family.decode(net, z, side[:5]) - x[:5]).abs().mean() < 0.2


def test_a_recipe_is_checked_and_sized():
    with pytest.raises(ArgumentError, match="latent"):
        VAE(latent=0)
    with pytest.raises(ArgumentError, match="kl_weight"):
        VAE(kl_weight=-1.0)
    sized = VAE(latent=5).sized(Reals((1, 8, 8), 17), Work(rows=20, minutes=1.0))
    assert sized.latent == 5 and sized.batch == 20
    assert [name for name, value in vars(sized).items() if value is None] == ["net", "grid"]
