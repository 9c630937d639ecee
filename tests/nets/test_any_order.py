"""Any-order autoregression: every order is a probability distribution, draws follow it, and it learns dependence."""

import itertools

import pytest
import torch
from torch import Tensor

from genwright.maths.optimizers import adamw
from genwright.nets.any_order import AnyOrderColumns
from genwright.nets.quantile_density import QuantileDensity
from genwright.spaces import Columns, Continuous, Discrete

DISCRETE = Columns((Discrete("a", 3), Discrete("b", 2), Discrete("c", 4)))
MIXED = Columns((Continuous("value", state=2), Discrete("a", 3), Discrete("state", 3), Continuous("free")))
CONTEXT = Columns((Discrete("label", 3), Continuous("size")))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_net(space: Columns, context: Columns | None = None, *, spread: float = 0.4) -> AnyOrderColumns:
    """A net with random heads: far from any symmetric starting point."""
    torch.manual_seed(0)
    net = AnyOrderColumns(space, context, width=16, depth=2, bins=8).eval()
    for head in net.heads:
        torch.nn.init.normal_(head.weight, std=spread)
        torch.nn.init.normal_(head.bias, std=spread)
    return net


def all_rows(space: Columns) -> Tensor:
    return torch.tensor(list(itertools.product(*(range(c.levels) for c in space.columns)))).float()


@torch.no_grad()
def test_probabilities_sum_to_one_in_the_natural_order_and_in_random_ones():
    net, rows = random_net(DISCRETE), all_rows(DISCRETE)
    assert net.log_prob(rows, None).exp().sum().item() == pytest.approx(1.0, abs=1e-4)
    for seed in range(4):  # the same seed gives each single row the same order
        total = sum(float((-net.nll(row[None], None, rng(seed))).exp()) for row in rows)
        assert total == pytest.approx(1.0, abs=1e-4)


@torch.no_grad()
def test_mixed_density_integrates_to_one():
    net = random_net(MIXED, spread=0.15)  # bumps wide enough for the grid
    # midpoints of cells that end where the density jumps, at the bins' edges
    edges = torch.tensor([*range(-14, -3, 2), *net.density.edges, *range(4, 15, 2)])
    within = (torch.arange(10) + 0.5) / 10
    grid = (edges[:-1, None] + edges.diff()[:, None] * within).flatten()
    weight = (edges.diff()[:, None] / 10).expand(-1, 10).flatten()
    total = 0.0
    for a, state in itertools.product(range(3), range(3)):
        first, first_weight = (grid, weight) if state == 0 else (torch.zeros(1), torch.ones(1))
        value, free = (t.flatten() for t in torch.meshgrid(first, grid, indexing="ij"))
        x = torch.stack([value, torch.full_like(value, a), torch.full_like(value, state), free], dim=1)
        weights = first_weight[:, None] * weight
        total += float((net.log_prob(x, None).exp() * weights.flatten()).sum())
    assert total == pytest.approx(1.0, abs=5e-3)


@torch.no_grad()
def test_draws_follow_the_natural_order_law():
    net, rows = random_net(DISCRETE), all_rows(DISCRETE)
    drawn = net.draw(20_000, None, None, rng())
    number = (drawn @ torch.tensor([8.0, 4.0, 1.0])).long()
    shares = torch.bincount(number, minlength=len(rows)) / len(drawn)
    assert 0.5 * float((shares - net.log_prob(rows, None).exp()).abs().sum()) < 0.02


def test_draws_keep_what_is_given_and_leave_values_out_where_the_state_says_so():
    net = random_net(MIXED)
    partial = torch.full((600, 4), torch.nan)
    partial[:200, 1] = 2.0
    partial[200:400, 0] = 0.7  # a value implies its state
    partial[400:, 2] = 1.0
    x = net.draw(600, partial, None, rng())
    assert not x.isnan().any()
    fixed = ~partial.isnan()
    assert torch.equal(x[fixed], partial[fixed])
    assert (x[200:400, 2] == 0).all()
    assert (x[x[:, 2] != 0][:, 0] == 0).all()
    assert torch.equal(x, net.draw(600, partial, None, rng()))


def test_context_may_be_unknown_in_part_and_changes_the_law():
    net = random_net(MIXED, CONTEXT)
    x = net.draw(8, None, torch.tensor([[1.0, torch.nan]]).expand(8, -1), rng())
    known = torch.tensor([[1.0, 0.5]]).expand(8, -1)
    partly = torch.tensor([[1.0, torch.nan]]).expand(8, -1)
    laws = [net.log_prob(x, c) for c in (known, partly, None)]
    assert all(law.isfinite().all() for law in laws)
    assert not torch.allclose(laws[0], laws[1]) and not torch.allclose(laws[1], laws[2])
    assert net.nll(x, known, rng()).shape == (8,)


def test_learns_dependence_in_every_direction():
    n = 4096
    level = torch.randint(4, (n,), generator=rng(1)).float()
    value = (level - 1.5) * 0.9 + 0.1 * torch.randn(n, generator=rng(2))
    data = torch.stack([level, value], dim=1)
    space = Columns((Discrete("level", 4), Continuous("value")))
    torch.manual_seed(0)
    net = AnyOrderColumns(space, None, width=32, depth=1).train()
    [optimizer] = adamw(net, learning_rate=2e-2)
    randomness = rng(3)
    for _ in range(100):
        optimizer.zero_grad()
        net.nll(data[torch.randint(n, (256,), generator=randomness)], None, randomness).mean().backward()
        optimizer.step()
    net.eval()
    entropy = 1.386 + 0.5 * (1 + 1.8379) - 2.3026  # ln 4 + h(N(0, .1^2)), nats
    assert -net.log_prob(data, None).mean().item() < entropy + 0.15
    partial = torch.tensor([[torch.nan, 1.35], [3.0, torch.nan]]).repeat(500, 1)
    x = net.draw(1000, partial, None, rng())
    assert (x[::2, 0] == 3).float().mean() > 0.97
    assert float(x[1::2, 1].mean()) == pytest.approx(1.35, abs=0.06)


def test_saved_weights_restore_the_law():
    net = random_net(MIXED, CONTEXT)
    other = AnyOrderColumns(MIXED, CONTEXT, width=16, depth=2, bins=8).eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(net.draw(50, None, None, rng()), other.draw(50, None, None, rng()))


def test_trains_in_bfloat16():
    net = AnyOrderColumns(MIXED, None, width=16, depth=2, bins=8).train()
    x = random_net(MIXED).draw(32, None, None, rng())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net.nll(x, None, rng()).mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_quantile_density_integrates_to_one_and_samples_match_it():
    density = QuantileDensity(8, 3)
    head = torch.randn(1, density.parameters_needed, generator=rng(4)) * 1.5
    grid = torch.linspace(-40, 40, 80_001)
    law = density.log_prob(head.expand(len(grid), -1), grid).exp()
    assert float(torch.trapezoid(law, grid)) == pytest.approx(1.0, abs=1e-3)
    drawn = density.sample(head.expand(40_000, -1), rng()).sort().values
    cumulative = torch.cumulative_trapezoid(law, grid)
    at = torch.searchsorted(grid, drawn).clamp(max=len(cumulative) - 1)
    empirical = torch.arange(1, len(drawn) + 1) / len(drawn)
    assert float((cumulative[at] - empirical).abs().max()) < 0.012
