"""The tree of hidden states against sums over all rows, and what it recovers."""

import itertools

import pytest
import torch

from genwright.nets.chow_liu import codes, mutual_information, spanning_tree
from genwright.nets.inverse import draw_rows, inside_hat, shares_below
from genwright.nets.latent_tree import LatentTree
from genwright.spaces import Columns, Continuous, Discrete

SPACE = Columns((Discrete("a", 3), Discrete("b", 2), Discrete("c", 4)))
NAN = float("nan")


def tree(space=SPACE, context=None, *, states=3, knots=5, seed=0):
    torch.manual_seed(seed)
    net = LatentTree(space, context, states=states, knots=knots)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_()
        net.parent.copy_(torch.tensor([1, -1, 1, 0][: len(net.parent)]))
        net.order.copy_(torch.tensor([1, 0, 2, 3][: len(net.order)]))
    return net


def all_rows():
    return torch.tensor(list(itertools.product(range(3), range(2), range(4))), dtype=torch.float32)


def shares(rows):
    """Share of each of `all_rows`."""
    index = (rows * torch.tensor([8.0, 4.0, 1.0])).sum(dim=1).long()
    return torch.bincount(index, minlength=24) / len(rows)


def test_probabilities_of_all_rows_sum_to_one_and_marginals_to_their_parts():
    net, rows = tree(), all_rows()
    p = net.log_prob(rows, None).exp()
    assert p.sum().item() == pytest.approx(1.0, abs=1e-5)
    for pattern in ([0.0, NAN, 2.0], [NAN, 1.0, NAN], [NAN, NAN, NAN]):
        known = torch.tensor(pattern)
        agree = ((rows == known) | known.isnan()).all(dim=1)
        assert net.log_prob(known[None], None).exp().item() == pytest.approx(p[agree].sum().item(), rel=1e-5)


@pytest.mark.parametrize("many", [False, True])
def test_conditional_draws_follow_bayes_rule(many):
    net, rows, n = tree(), all_rows(), 40_000
    known = torch.tensor([NAN, 1.0, NAN])
    partial = known.repeat(n, 1)
    if many:  # a second pattern: rows are then drawn each on its own conditions
        partial = torch.cat([partial, torch.tensor([[2.0, NAN, NAN]])])
    allowed = {2: torch.tensor([True, False, True, True])}
    drawn = net.draw(len(partial), partial, None, allowed, torch.Generator().manual_seed(0))[:n]
    p = net.log_prob(rows, None).exp() * (rows[:, 1] == 1) * (rows[:, 2] != 1)
    assert (shares(drawn) - p / p.sum()).abs().max() < 0.01


def test_a_density_integrates_to_one_and_draws_follow_it():
    net = tree(Columns((Continuous("x"), Discrete("y", 2))), states=2)
    grid = torch.linspace(-6, 6, 4001)
    density = net.log_prob(torch.stack([grid, torch.full_like(grid, NAN)], dim=1), None).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1.0, abs=1e-3)
    rng = torch.Generator().manual_seed(0)
    drawn = net.draw(40_000, None, None, {}, rng)[:, 0]
    for q in (-1.0, 0.0, 0.7):
        expected = torch.trapezoid(density[grid < q], grid[grid < q]).item()
        assert (drawn < q).float().mean().item() == pytest.approx(expected, abs=0.01)
    inside = net.draw(20_000, None, None, {0: torch.tensor([-0.3, 0.9])}, rng)
    assert inside[:, 0].min() >= -0.3 and inside[:, 0].max() <= 0.9
    within = (drawn >= -0.3) & (drawn < 0.3)
    expected = within.float().sum() / ((drawn >= -0.3) & (drawn <= 0.9)).float().sum()
    assert (inside[:, 0] < 0.3).float().mean().item() == pytest.approx(expected.item(), abs=0.015)


def test_context_is_conditioned_on():
    net = tree(SPACE, Columns((Discrete("label", 2),)))
    x, label = all_rows(), torch.ones(24, 1)
    assert net.log_prob(x, label).exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    drawn = net.draw(40_000, None, torch.ones(40_000, 1), {}, torch.Generator().manual_seed(0))
    assert (shares(drawn) - net.log_prob(x, label).exp()).abs().max() < 0.01


def test_the_tree_of_a_chain_is_the_chain():
    rng = torch.Generator().manual_seed(0)
    a = torch.randint(3, (4000,), generator=rng)
    flips = [torch.rand(4000, generator=rng) < 0.1 for _ in range(3)]
    b = torch.where(flips[0], torch.randint(3, (4000,), generator=rng), a)
    c = torch.where(flips[1], torch.randint(3, (4000,), generator=rng), b)
    z = torch.randn(4000, generator=rng) + c
    space = Columns((Discrete("a", 3), Discrete("b", 3), Discrete("c", 3), Continuous("z")))
    weight = mutual_information(codes(space, torch.stack([a, b, c, z], dim=1)))
    parent, _ = spanning_tree(weight)
    edges = {frozenset((j, int(parent[j]))) for j in range(4) if parent[j] >= 0}
    assert edges == {frozenset((0, 1)), frozenset((1, 2)), frozenset((2, 3))}


def test_independent_columns_have_no_information_on_average():
    rng = torch.Generator().manual_seed(0)
    found = [mutual_information(torch.randint(8, (500, 2), generator=rng))[0, 1] for _ in range(200)]
    assert abs(torch.stack(found).mean()) < 0.002  # 49 / 1,000 without the correction


def test_hats_invert_and_rows_without_weight_are_never_drawn():
    share = torch.rand(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for hat in (0, 2, 4):
        at = inside_hat(torch.full((1000,), hat), share, 5)
        assert torch.allclose(shares_below(at, 5)[:, hat], share, atol=1e-9)
    weights = torch.tensor([[0.0, 1.0, 0.0, 3.0, 0.0]])
    drawn = draw_rows(weights, torch.zeros(10_000, dtype=torch.long), torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {1, 3}
    assert (drawn == 3).float().mean().item() == pytest.approx(0.75, abs=0.02)
