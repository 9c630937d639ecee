"""Frechet distance against closed forms; what extrapolation removes and what it does not."""

import numpy as np
import pytest

from genwright.errors import DataError
from genwright.metrics.frechet import Moments, Shrinking, frechet, frechet_distance, frechet_infinity


def cloud(n, seed, *, d=8, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def nuclear(x, y):
    """The distance through singular values of the centred sets, which needs no root of a covariance."""
    a, b = ((v - v.mean(0)) / np.sqrt(len(v) - 1) for v in (x, y))
    apart = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.sum(a**2) + np.sum(b**2)
    return apart - 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()


@pytest.mark.parametrize(("n", "d"), [(200, 5), (40, 100)])
def test_it_is_the_distance_by_singular_values_even_with_fewer_records_than_features(n, d):
    x, y = cloud(n, 0, d=d), 1.2 * cloud(n, 1, d=d)
    assert np.isclose(frechet(x, y), nuclear(x, y), rtol=1e-7)


def test_one_dimension_in_closed_form():
    x, y = cloud(500, 0, d=1), 2 * cloud(400, 1, d=1) + 3
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert np.isclose(frechet(x, y), expected, rtol=1e-12)


def test_a_large_mean_costs_no_digits_and_a_rotation_changes_nothing():
    x, y = cloud(300, 0), cloud(300, 1, shift=0.3)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0]
    assert np.isclose(frechet(x + 1e5, y + 1e5), frechet(x, y), rtol=1e-6)
    assert np.isclose(frechet(x @ turn, y @ turn), frechet(x, y), rtol=1e-9)
    assert np.isclose(frechet(x, y), frechet(y, x), rtol=1e-9)


@pytest.mark.parametrize("n", [20, 400])
def test_equal_and_shuffled_sets_have_none(n):
    x = cloud(n, 0, d=40)
    assert frechet(x, x) < 1e-6
    assert frechet(x, x[::-1]) < 1e-6


def test_moments_of_parts_add_up():
    x = cloud(60, 0)
    whole = Moments.of(x[:25]) + Moments.of(x[25:])
    assert np.allclose(whole.covariance, np.cov(x, rowvar=False)) and np.allclose(whole.mean, x.mean(0))
    assert np.allclose((whole - Moments.of(x[:25])).covariance, np.cov(x[25:], rowvar=False))


def test_extrapolation_removes_the_bias_of_both_sets_or_of_the_generated_one():
    means = {}
    for shrinking in Shrinking:
        values = [
            frechet_infinity(cloud(400, s), cloud(400, 500 + s), features="x", shrinking=shrinking).value
            for s in range(5)
        ]
        means[shrinking] = np.mean(values)
    biased = np.mean([frechet(cloud(400, s), cloud(400, 500 + s)) for s in range(5)])
    assert abs(means[Shrinking.BOTH]) < 0.4 * biased
    assert means[Shrinking.BOTH] < means[Shrinking.GENERATED] < biased


def test_the_score_names_its_convention_and_refuses_few_records():
    score = frechet_infinity(cloud(250, 0), cloud(250, 1), features="mine", shrinking=Shrinking.GENERATED)
    assert "shrinking generated" in score.signature and "mine" in score.signature
    assert score.interval[0] < score.value < score.interval[1] and score.replicates.real
    with pytest.raises(DataError, match="at least 200 are needed"):
        frechet_infinity(cloud(100, 0), cloud(300, 1), features="x")


def test_wide_features_of_few_records_are_noted():
    assert "compare with the floor" in frechet_distance(cloud(60, 0), cloud(60, 1), features="x").note
    assert frechet_distance(cloud(400, 0), cloud(400, 1), features="x").note == ""
