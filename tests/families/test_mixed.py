"""Rows under Gaussian noise and masks: what diffusion and flow do with tables."""

import pytest
import torch

from genwright.families import mixed
from genwright.families.denoising import default_steps
from genwright.families.diffusion import Diffusion
from genwright.families.family import Work
from genwright.families.flow import FlowMatching
from genwright.spaces import Columns, Continuous, Discrete, Encoded, Given

JOINT = torch.tensor([[0.30, 0.02, 0.05], [0.03, 0.20, 0.02], [0.02, 0.06, 0.30]])
SPACE = Columns((Discrete("a", 3), Continuous("x"), Discrete("b", 3), Continuous("y")))
FAMILIES = [FlowMatching, Diffusion]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rows(n: int) -> torch.Tensor:
    """Levels with the distribution JOINT; x is .6 (a - 1) + .6 noise, y is .8 x + .3 noise."""
    cell = torch.multinomial(JOINT.flatten(), n, replacement=True, generator=rng(1))
    a, b = cell // 3, cell % 3
    x = 0.6 * (a - 1) + 0.6 * torch.randn(n, generator=rng(2))
    y = 0.8 * x + 0.3 * torch.randn(n, generator=rng(3))
    return torch.stack([a.float(), x, b.float(), y], dim=1)


def law(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 0] * 3 + x[:, 2]).long().bincount(minlength=9).view(3, 3) / len(x)


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def fitted(request):
    torch.manual_seed(0)
    x, steps = rows(6000), 350
    family = request.param(width=48, batch=256).sized(SPACE, Work(rows=len(x), steps=steps))
    net = family.build(SPACE, None)
    family.prepare(net, SPACE, Encoded(x), rng())
    (player,) = family.players(net)
    (optimizer,) = player.optimizer(net)
    for step in range(steps):
        batch = x[torch.randint(len(x), (256,), generator=rng(step))]
        net.zero_grad()
        sum(player.loss(net, batch, None, rng(step)).values()).backward()
        optimizer.param_groups[0]["lr"] = 4e-3 * min(1.0, 2 * (1 - step / steps))
        optimizer.step()
    return family, net.eval()


def test_the_joint_law_of_levels_and_values_is_recovered(fitted):
    family, net = fitted
    drawn, real = family.sample(net, 6000, rng=rng(4)), rows(6000)
    assert (law(drawn) - JOINT).abs().sum() / 2 < 0.05
    values = drawn[:, [0, 1, 3]]
    torch.testing.assert_close(values.T.corrcoef(), real[:, [0, 1, 3]].T.corrcoef(), atol=0.06, rtol=0)
    torch.testing.assert_close(values.std(0), real[:, [0, 1, 3]].std(0), atol=0.05, rtol=0)


def test_given_levels_and_values_condition_the_rest(fitted):
    family, net = fitted
    given = torch.full((3000, 4), torch.nan)
    given[:1500, 0], given[1500:, 1] = 2.0, -0.9
    drawn = family.sample(net, 3000, given=Given(given), rng=rng(5))
    assert torch.equal(drawn[~given.isnan()], given[~given.isnan()])
    shares = drawn[:1500, 2].long().bincount(minlength=3) / 1500
    assert (shares - JOINT[2] / JOINT[2].sum()).abs().max() < 0.08
    assert drawn[:1500, 1].mean().item() == pytest.approx(0.6, abs=0.1)
    assert drawn[1500:, 3].mean().item() == pytest.approx(-0.72, abs=0.12)
    density = torch.exp(-0.5 * ((-0.9 - 0.6 * (torch.arange(3) - 1)) / 0.6) ** 2) * JOINT.sum(1)
    shares = drawn[1500:, 0].long().bincount(minlength=3) / 1500
    assert (shares - density / density.sum()).abs().max() < 0.1


def test_latents_and_rows_determine_each_other(fitted):
    family, net = fitted
    x = rows(300)
    z = family.encode(net, x, None)
    assert z.shape == x.shape and z.isfinite().all()
    again = family.decode(net, z, None)
    assert (again[:, [0, 2]] == x[:, [0, 2]]).float().mean() > 0.97
    assert (again[:, [1, 3]] - x[:, [1, 3]]).abs().median() < 0.1


def test_an_untrained_net_scores_levels_by_their_frequencies():
    x = rows(4000)[:, [0, 2]]
    space = Columns((Discrete("a", 3), Discrete("b", 3)))
    family = Diffusion().sized(space, Work(rows=4000, steps=10))
    net = family.build(space, None)
    family.prepare(net, space, Encoded(x), rng())
    entropy = torch.stack([-(p * p.log()).sum() for p in (JOINT.sum(1), JOINT.sum(0))]).mean()
    assert family.held_out(net, x.repeat(5, 1), None, rng()).item() == pytest.approx(entropy.item(), abs=0.02)
    assert default_steps(space, 20) == 2


def test_free_levels_become_visible_one_after_the_other_and_states_before_values_tell():
    space = Columns((Continuous("v", state=4), *(Discrete(f"d{i}", 2) for i in range(4))))
    known = torch.zeros(50, 5, dtype=torch.bool)
    known[:25, 2] = True
    due = mixed._due(space, torch.rand(50, 5, generator=rng()), known, 12)
    assert (due[:, 0] == 2).all() and (due[:25, 2] == 2).all()
    assert (due[:, 4] >= mixed.STATES_UNTIL).all()
    free = due[25:, 1:4].sort(dim=1).values
    assert (free.diff(dim=1) > 0.2).all() and (free > 0).all() and (free <= 1).all()
    on_the_grid = due * 12
    torch.testing.assert_close(on_the_grid, on_the_grid.round(), atol=1e-4, rtol=0)


def test_levels_are_the_quantiles_of_their_law():
    logits = torch.randn(200, 7, generator=rng())
    level = torch.randint(7, (200,), generator=rng()).float()
    assert torch.equal(mixed._level_at(logits, mixed._place_of(logits, level)), level)
    same = torch.tensor([0.2, 0.5, 0.3]).log().expand(40_000, 3)
    drawn = mixed._level_at(same, torch.randn(40_000, generator=rng()))
    torch.testing.assert_close(drawn.long().bincount() / 40_000, torch.tensor([0.2, 0.5, 0.3]), atol=0.01, rtol=0)
