"""Balanced draws: each has the exact distribution; together they vary less than independent ones."""

import numpy as np
import pytest
import torch
from scipy import stats

from genwright.nets.balanced import balanced_t, even_uniforms, independent_t


@pytest.mark.parametrize(("n", "size"), [(1, 3), (4, 3), (5, 3), (12, 2), (6, 1)])
def test_each_row_has_the_t_law(n, size):
    rng = torch.Generator().manual_seed(0)
    first = torch.stack([balanced_t(n, size, 6, rng)[0] for _ in range(1500)]).numpy()
    radius = (first**2).sum(axis=1) / size
    turned = first @ np.full(size, size**-0.5)
    assert stats.kstest(radius, stats.f(size, 6).cdf).pvalue > 0.001
    assert stats.kstest(turned, stats.t(6).cdf).pvalue > 0.001
    if size > 1:
        assert stats.kstest(first[:, 0] * first[:, 1], (independent_t(4000, 2, 6, rng)).prod(dim=1)).pvalue > 0.001


def test_means_and_correlations_are_nearer_to_the_law_than_those_of_independent_rows():
    rng = torch.Generator().manual_seed(1)
    for draw, most in ((independent_t, 1.0), (balanced_t, 0.3)):
        tables = [draw(120, 5, 8, rng) for _ in range(40)]
        error = torch.stack([t.mean(dim=0) for t in tables]).square().mean().sqrt() * 120**0.5
        pairs = torch.stack([torch.corrcoef(t.T)[0, 1] for t in tables]).square().mean().sqrt() * 120**0.5
        assert error < 1.5 * most and pairs < 1.7 * most
        assert draw is balanced_t or error > 0.8


def test_chances_are_even_in_each_group_and_uniform_for_each_row():
    rng = torch.Generator().manual_seed(2)
    group = torch.tensor([3, 0, 3, 3, 0])
    uniforms = even_uniforms(group, rng)
    assert (uniforms[group == 3] * 3).int().sort().values.tolist() == [0, 1, 2]
    assert (uniforms[group == 0] * 2).int().sort().values.tolist() == [0, 1]
    first = [float(even_uniforms(group, rng)[0]) for _ in range(1500)]
    assert stats.kstest(first, "uniform").pvalue > 0.001
