"""The games against closed forms, and what the critic of whole sets and unrolling add to them."""

import math

import pytest
import torch
from torch import nn

from genwright.families.gan import AHEAD, GAN
from genwright.maths.games import minimax, non_saturating, relativistic, reply, saturating
from genwright.nets.set_critic import SetCritic
from genwright.spaces import Reals


def test_the_generator_of_the_minimax_game_minimises_what_the_critic_maximises():
    real, fake = torch.tensor([0.3, -1.0]), torch.tensor([0.2, 2.0])
    of_critic = -(torch.sigmoid(real).log() + (1 - torch.sigmoid(fake)).log()).mean()
    assert minimax(real, fake) == pytest.approx(float(of_critic), abs=1e-6)
    assert reply(minimax)(fake, real) == pytest.approx(float((1 - torch.sigmoid(fake)).log().mean()), abs=1e-6)
    assert reply(relativistic) is relativistic and reply(non_saturating) is non_saturating


def test_only_the_minimax_generator_learns_nothing_where_it_loses():
    lost = torch.full((4,), -20.0, requires_grad=True)
    for game, learns in ((saturating, False), (non_saturating, True), (relativistic, True)):
        [slope] = torch.autograd.grad(game(lost, torch.zeros(4)), lost)
        assert (float(slope.abs().sum()) > 0.5) is learns, game


def test_a_critic_of_sets_tells_records_that_are_all_alike():
    class Same(nn.Module):
        def forward(self, x, context):
            return x

    critic = SetCritic(Same(), 2)
    with torch.no_grad():
        critic.last.weight.copy_(torch.tensor([[0.0, 0.0, 1.0]]))
        critic.last.bias.zero_()
    x = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    assert torch.allclose(critic(x, None), torch.full((2, 1), 0.5), atol=1e-3)  # deviations 1 and 0
    assert critic(x[:1], None).abs().max() < 1e-3


@pytest.mark.parametrize("settings", [{"minibatch": True}, {"unroll": 2}, {"objective": minimax, "penalty": 0.0}])
def test_every_way_to_play_trains_both_players(settings):
    family = GAN(batch=16, latent=2, width=8, depth=1, **{"penalty": 0.2} | settings)
    net, rng = family.build(Reals((2,)), None), torch.Generator().manual_seed(0)
    x = torch.randn(16, 2, generator=rng)
    for player in family.players(net):
        losses = player.loss(net, x, None, rng)
        assert all(math.isfinite(float(each.detach())) for each in losses.values())
        net.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        moved = {id(p) for p in net.parameters() if p.grad is not None}
        assert moved <= {id(p) for p in player.module.parameters()} and moved


def test_unrolling_takes_the_step_that_the_critic_would():
    family = GAN(batch=4, latent=2, width=4, depth=1, penalty=0.0, objective=non_saturating, unroll=1)

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = nn.Parameter(torch.tensor(0.0))

        def forward(self, x, context):
            return self.slope * x

    critic = Plain()
    real, fake = torch.full((4, 1), 2.0), torch.full((4, 1), 1.0)
    weights = family._ahead(critic, real, fake, None)
    # at slope 0 the gradient of softplus(-2s) + softplus(s) is -2/2 + 1/2
    assert float(weights["slope"].detach()) == pytest.approx(AHEAD * 0.5)


def test_a_remedy_is_the_modern_game_and_only_for_what_games_fail_by():
    classic = GAN(objective=minimax, penalty=0.0)
    assert classic.remedied("mode collapse") == GAN(penalty=0.2)
    assert classic.remedied("overfitting") is None and GAN(penalty=0.2).remedied("mode collapse") is None
