"""Kernel distance: replicates by brute force, an unbiased statistic, blocks."""

import numpy as np

from genwright.metrics import kernel
from genwright.metrics.kernel import kernel_distance, squared_discrepancy
from genwright.scores.intervals import jackknife_groups


def cloud(n, seed, *, d=6, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def test_replicates_are_the_statistic_with_groups_left_out():
    x, y = cloud(50, 0), cloud(45, 1, shift=0.4)
    score = kernel_distance(x, y, features="x", seed=3)
    a, b = jackknife_groups(50, 3), jackknife_groups(45, 4)
    assert np.allclose(score.replicates.real, [squared_discrepancy(x[a != g], y) for g in range(20)], rtol=1e-9)
    assert np.allclose(score.replicates.fake, [squared_discrepancy(x, y[b != g]) for g in range(20)], rtol=1e-9)


def test_the_size_of_blocks_changes_nothing(monkeypatch):
    x, y = cloud(50, 0), cloud(45, 1, shift=0.4)
    whole = squared_discrepancy(x, y)
    monkeypatch.setattr(kernel, "BLOCK", 7)
    assert np.isclose(squared_discrepancy(x, y), whole, rtol=1e-12)


def test_it_is_symmetric_and_grows_with_a_shift():
    x = cloud(200, 0)
    values = [squared_discrepancy(x, cloud(200, 1, shift=shift)) for shift in (0, 0.3, 0.6, 1)]
    assert values == sorted(values) and values[-1] > 20 * abs(values[0])
    y = cloud(100, 2, shift=1)
    assert np.isclose(squared_discrepancy(x, y), squared_discrepancy(y, x), rtol=1e-12)


def test_intervals_of_equal_laws_hold_zero():
    held = [kernel_distance(cloud(150, s), cloud(150, 500 + s), features="x").interval for s in range(40)]
    assert np.mean([low <= 0 <= high for low, high in held]) >= 0.85
