"""The GAN: its game and penalties against closed forms, and what a short training recovers."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.family import Work
from genwright.families.gan import GAN
from genwright.maths.divergences import energy_distance
from genwright.maths.games import gradient_penalty, non_saturating, relativistic
from genwright.nets.moments import Moments
from genwright.spaces import Columns, Continuous, Discrete, Encoded, Given, Reals

SMALL = GAN(batch=64, latent=4, width=32, depth=1, penalty=0.2, learning_rate=2e-3)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(family: GAN, net: nn.Module, x: torch.Tensor, context: torch.Tensor | None, steps: int) -> None:
    """What the shared loop does: every player once per step, learning rates falling, weights averaged."""
    players, generator = family.players(net), rng()
    optimizers = [player.optimizer(player.module)[0] for player in players]
    average = [p.detach().clone() for p in net.parameters()]
    for step in range(steps):
        rows = torch.randint(len(x), (family.batch,), generator=generator)
        for player, optimizer in zip(players, optimizers, strict=True):
            net.zero_grad()
            sum(player.loss(net, x[rows], None if context is None else context[rows], generator).values()).backward()
            optimizer.param_groups[0]["lr"] = family.learning_rate * min(1.0, 2 * (1 - step / steps))
            optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in net.parameters()], 0.02)
    with torch.no_grad():
        for parameter, mean in zip(net.parameters(), average, strict=True):
            parameter.copy_(mean)


def test_the_penalty_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    weights = torch.tensor([0.5, -2.0, 1.0])
    x = torch.randn(40_000, 3, generator=rng())
    estimate = gradient_penalty(lambda points: points @ weights, x, x @ weights, rng(1))
    assert abs(estimate / weights.square().sum() - 1) < 0.03


def test_the_penalty_of_a_curved_critic_agrees_with_autograd():
    def critic(points: torch.Tensor) -> torch.Tensor:
        return torch.sin(points).sum(1) + points[:, 0] * points[:, 1]

    x = torch.randn(40_000, 3, generator=rng(), requires_grad=True)
    [gradient] = torch.autograd.grad(critic(x).sum(), x)
    exact = gradient.square().sum(1).mean()
    with torch.no_grad():
        estimate = gradient_penalty(critic, x, critic(x), rng(1))
    assert abs(estimate / exact - 1) < 0.03


def test_the_games_at_equal_scores():
    scores = torch.zeros(5)
    assert math.isclose(relativistic(scores, scores).item(), math.log(2), rel_tol=1e-6)
    assert math.isclose(non_saturating(scores, scores).item(), 2 * math.log(2), rel_tol=1e-6)
    assert relativistic(scores + 1, scores) < relativistic(scores, scores) < relativistic(scores, scores + 1)


def test_each_player_moves_only_itself():
    net = SMALL.build(Reals((2,)), None)
    x = torch.randn(16, 2, generator=rng())
    SMALL.critic_loss(net, x, None, rng())["game"].backward()
    assert all(p.grad is None for p in net.generator.parameters())
    net.zero_grad()
    SMALL.generator_loss(net, x, None, rng())["game"].backward()
    assert all(p.grad is None for p in net.critic.parameters())
    assert any(p.grad is not None for p in net.generator.parameters())


@pytest.mark.parametrize("objective", [relativistic, non_saturating])
def test_it_recovers_the_moments_of_a_gaussian(objective):
    mean, mix = torch.tensor([0.3, -0.5]), torch.tensor([[0.6, 0.0], [0.4, 0.3]])
    x = mean + torch.randn(4000, 2, generator=rng()) @ mix.T
    torch.default_generator.manual_seed(0)
    family = replace(SMALL, objective=objective)
    net = family.build(Reals((2,)), None)
    train(family, net, x, None, 400)
    fake = family.sample(net, 4000, rng=rng(1))
    assert (fake.mean(0) - mean).abs().max() < 0.12
    assert (fake.T.cov() - mix @ mix.T).abs().max() < 0.12
    assert energy_distance(x, fake) < 0.03


def test_mixed_rows_keep_their_dependence_and_obey_what_is_given():
    space = Columns((Discrete("kind", 3), Continuous("size"), Discrete("state", 2), Continuous("extra", state=2)))
    generator = rng()
    kind = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 2000, replacement=True, generator=generator)[:, None]
    state = torch.randint(2, (2000, 1), generator=generator).float()
    size = kind - 1.0 + 0.2 * torch.randn(2000, 1, generator=generator)
    x = torch.cat([kind.float(), size, state, torch.where(state == 0, size, 0.0)], dim=1)
    torch.default_generator.manual_seed(0)
    net = SMALL.build(space, None)
    SMALL.prepare(net, space, Encoded(x), rng())
    train(SMALL, net, x, None, 600)
    fake = SMALL.sample(net, 2000, rng=generator)
    shares = fake[:, 0].long().bincount(minlength=3) / 2000
    assert (shares - torch.tensor([0.5, 0.3, 0.2])).abs().max() < 0.15
    assert ((fake[:, 1] + 1).round() == fake[:, 0]).float().mean() > 0.8
    assert (fake[fake[:, 2] == 1, 3] == 0).all()
    given = torch.full((50, 4), torch.nan)
    given[:, 0] = 2.0
    matching = SMALL.sample(net, 50, given=Given(given), rng=generator)
    assert (matching[:, 0] == 2).all() and matching[:, 1].mean() > 0.5


def test_what_it_cannot_do_is_said_with_a_hint():
    net = SMALL.build(Columns((Discrete("kind", 2), Continuous("size"))), None)
    with pytest.raises(UnsupportedError, match="no likelihood"):
        SMALL.log_prob(net, torch.zeros(1, 2), None, rng())
    with pytest.raises(UnsupportedError, match="exact numbers"):
        SMALL.sample(net, 1, given=Given(torch.tensor([[torch.nan, 0.5]])), rng=rng())
    with torch.no_grad():
        net.generator.body.last.bias[1] -= 1e3
    with pytest.raises(UnsupportedError, match="kind"):
        SMALL.sample(net, 1, given=Given(torch.tensor([[1.0, torch.nan]])), rng=rng())
    with pytest.raises(ArgumentError, match="penalty"):
        GAN(penalty=-1.0)


def test_the_held_out_loss_prefers_the_true_law():
    family = GAN().sized(Reals((2,)), Work(rows=100, steps=10))
    net = family.build(Reals((2,)), None)

    class Truth(nn.Module):
        def forward(self, z: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
            return z[:, :2]

    x = torch.randn(500, 2, generator=rng())
    before = family.held_out(net, x, None, rng())
    net.generator = Truth()
    assert family.held_out(net, x, None, rng()) < before - 0.05
    assert torch.isfinite(family.held_out(net, x[:1], None, rng()))


def test_no_level_is_dropped():
    """Four levels, the rarest of 5 %, each with a value of its own: all are drawn, about as often as they should be."""
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    space = Columns((Discrete("kind", 4), Continuous("size")))
    kind = torch.multinomial(shares, 3000, replacement=True, generator=rng())[:, None]
    x = torch.cat([kind.float(), (kind - 1.0) + 0.2 * torch.randn(3000, 1, generator=rng(1))], dim=1)
    torch.default_generator.manual_seed(0)
    net = SMALL.build(space, None)
    SMALL.prepare(net, space, Encoded(x), rng())
    before = SMALL.sample(net, 4000, rng=rng(2))[:, 0].long().bincount(minlength=4) / 4000
    assert (before - shares).abs().max() < 0.1
    train(SMALL, net, x, None, 500)
    drawn = SMALL.sample(net, 4000, rng=rng(3))
    assert (drawn[:, 0].long().bincount(minlength=4) / 4000 - shares).abs().max() < 0.06
    assert ((drawn[:, 1] + 1).round() == drawn[:, 0]).float().mean() > 0.7


def test_the_moments_are_those_of_the_rows_and_their_loss_is_lowest_there():
    """Logits that say the shares of independent columns are free of error; those of other shares are not."""
    space = Columns((Discrete("kind", 3), Discrete("state", 2)))
    shares = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.9, 0.1])
    draws = [torch.multinomial(p, 20_000, replacement=True, generator=rng(i)) for i, p in enumerate(shares)]
    moments = Moments(space)
    moments.prepare(torch.stack(draws, 1).float())
    assert (moments.levels - torch.cat(shares)).abs().max() < 0.01
    assert (moments.pairs[:3, 3:] - shares[0][:, None] * shares[1]).abs().max() < 0.01
    right = torch.cat(shares).log().repeat(8, 1)
    assert moments.loss(right) < 2e-3 < 0.1 < moments.loss(torch.zeros(8, 5))
