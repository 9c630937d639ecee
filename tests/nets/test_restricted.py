"""Draws within sets of columns follow the exact conditional distribution: checked where it is known."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from genwright.nets.any_order import AnyOrderColumns
from genwright.nets.mixture import MixtureNet
from genwright.nets.quantile_density import QuantileDensity
from genwright.randomness import seeded
from genwright.spaces import Columns, Continuous, Discrete, Given

COLUMNS = Columns((Discrete("s", 3), Continuous("v", state=0), Continuous("y")))
N = 40_000


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_clusters() -> MixtureNet:
    """Half the rows: s mostly 0, v about -1, y about 3; the others: s mostly 1 or 2, v about 1, y about -3."""
    net = MixtureNet(COLUMNS, None, components=2, rank=1)
    net.body.log_levels[:3] = torch.tensor([[0.8, 0.1], [0.1, 0.5], [0.1, 0.4]]).log()
    net.body.mean.copy_(torch.tensor([[-1.0, 3.0], [1.0, -3.0]]))
    return net


def test_mixture_reweights_components_by_their_mass_in_the_sets():
    net = two_clusters()
    x = net.draw(N, Given(allowed={1: torch.tensor([0.0, math.inf])}), rng())
    inside = [stats.norm.sf(1), stats.norm.sf(-1)]  # of v in either component
    mass = [0.8 * inside[0] + 0.2, 0.1 * inside[1] + 0.9]
    first = float((x[:, 2] > 0).float().mean())
    assert first == pytest.approx(mass[0] / sum(mass), abs=0.01)
    ordinary = x[(x[:, 2] > 0), 0] == 0
    assert float(ordinary.float().mean()) == pytest.approx(0.8 * inside[0] / mass[0], abs=0.02)
    assert (x[x[:, 0] == 0, 1] >= 0).all() and (x[x[:, 0] > 0, 1] == 0).all()


def test_mixture_draws_truncated_normals_far_out_in_either_tail():
    net = two_clusters()
    for low, high, tail in ((6.0, 7.0, 1), (-7.0, -6.0, -1)):
        x = net.draw(N, Given(allowed={0: torch.tensor([True, False, False]), 1: torch.tensor([low, high])}), rng())
        law = stats.truncnorm(low - tail, high - tail, loc=tail)  # the nearer component has all the mass
        assert stats.kstest(x[:, 1].numpy(), law.cdf).statistic < 0.01


def test_mixture_agrees_with_rejection_of_unrestricted_draws():
    net, sets = two_clusters(), {0: torch.tensor([True, True, False]), 2: torch.tensor([-2.0, 2.9])}
    free = net.draw(4 * N, Given(), rng(1))
    kept = free[(free[:, 0] < 2) & (free[:, 2] >= -2) & (free[:, 2] <= 2.9)]
    drawn = net.draw(N, Given(allowed=sets), rng(2))
    for j in (0, 1, 2):
        assert stats.ks_2samp(kept[:, j].numpy(), drawn[:, j].numpy()).statistic < 0.02


def test_any_order_agrees_with_rejection_of_unrestricted_draws():
    """The net's draws depend on the order of columns, so the order of the rejected ones is that of restricted ones."""
    columns = Columns((Discrete("a", 3), Discrete("b", 4), Continuous("c")))
    with seeded(0):
        net = AnyOrderColumns(columns, None, width=16, depth=2, bins=4, bumps=2).eval()
        for head in net.heads:
            torch.nn.init.normal_(head.weight, std=0.5)
    sets = {
        0: torch.tensor([True, True, False]),
        1: torch.tensor([False, True, True, False]),
        2: torch.tensor([-0.3, 1.5]),
    }
    free = net.draw(4 * N, None, None, rng(1))
    kept = free[sets[0][free[:, 0].long()] & sets[1][free[:, 1].long()] & (free[:, 2] >= -0.3) & (free[:, 2] <= 1.5)]
    drawn = net.draw(N, None, None, rng(2), sets)
    pairs = [torch.bincount((4 * x[:, 0] + x[:, 1]).long(), minlength=12) / len(x) for x in (kept, drawn)]
    assert float((pairs[0] - pairs[1]).abs().sum()) / 2 < 0.015
    for a in (0, 1):
        here = [x[x[:, 0] == a, 2].numpy() for x in (kept, drawn)]
        assert stats.ks_2samp(*here).statistic < 0.03


@pytest.mark.parametrize(("low", "high"), [(-math.inf, math.inf), (-0.2, 0.1), (1.5, math.inf), (-4.5, -3.5)])
def test_ranges_of_a_quantile_density(low, high):
    density = QuantileDensity(8, 3)
    head = 0.7 * torch.randn(1, density.parameters_needed, generator=rng(3))
    grid = torch.linspace(max(low, -9), min(high, 9), 40_001)
    p = density.log_prob(head.expand(len(grid), -1), grid).double().exp().numpy()
    mass = np.trapezoid(p, grid.numpy())
    assert float(density.log_mass(head, low, high).exp()) == pytest.approx(mass, rel=2e-3)
    drawn = density.sample(head.expand(N, -1), rng(), low, high).numpy()
    assert drawn.min() >= np.float32(low) and drawn.max() <= np.float32(high)
    cdf = np.cumsum(p) / p.sum()
    assert stats.kstest(drawn, lambda v: np.interp(v, grid.numpy(), cdf)).statistic < 0.012


def test_a_range_too_narrow_to_tell_still_gives_a_value_in_it():
    density = QuantileDensity(8, 3)
    head = torch.zeros(5, density.parameters_needed)
    assert (density.sample(head, rng(), 0.25, 0.25) == 0.25).all()
    assert torch.isfinite(density.log_mass(head, 0.25, 0.25)).all()
