"""Neighbours: replicates by brute force, ties by both conventions, exact copies."""

import numpy as np
import pytest

from genwright.maths.distances import nearest_of, nearest_others
from genwright.metrics.neighbours import Boundary, density_coverage, precision_recall
from genwright.scores.intervals import jackknife_groups

REACHED = {Boundary.INCLUDED: np.less_equal, Boundary.EXCLUDED: np.less}


def cloud(n, seed, *, d=3):
    return np.random.default_rng(seed).normal(size=(n, d))


def grid(n, seed):
    """Whole numbers: many records at exactly the same distance, and many copies."""
    return np.random.default_rng(seed).integers(0, 5, (n, 3)).astype(float)


def squares(x, y):
    return ((x[:, None] - y[None]) ** 2).sum(2)


def brute(real, fake, k, boundary):
    reached, apart = REACHED[boundary], squares(real, fake)
    of_real, of_fake = (np.sort(squares(x, x), axis=1)[:, k] for x in (real, fake))
    return {
        "precision": reached(apart, of_real[:, None]).any(0).mean(),
        "recall": reached(apart, of_fake[None]).any(1).mean(),
        "density": reached(apart, of_real[:, None]).sum(0).mean() / k,
        "coverage": reached(apart.min(1), of_real).mean(),
    }


def scores(real, fake, k, boundary):
    about = {"features": "x", "k": k, "boundary": boundary, "seed": 5}
    return {s.name: s for metric in (precision_recall, density_coverage) for s in metric(real, fake, **about)}


@pytest.mark.parametrize("boundary", Boundary)
@pytest.mark.parametrize("make", [cloud, grid])
def test_values_and_replicates_by_brute_force(make, boundary):
    real, fake = make(70, 0), make(60, 1)
    found, expected = scores(real, fake, 3, boundary), brute(real, fake, 3, boundary)
    a, b = jackknife_groups(70, 5), jackknife_groups(60, 6)
    without_real = [brute(real[a != g], fake, 3, boundary) for g in range(20)]
    without_fake = [brute(real, fake[b != g], 3, boundary) for g in range(20)]
    for name, score in found.items():
        assert np.isclose(score.value, expected[name], rtol=1e-12), name
        assert np.allclose(score.replicates.real, [each[name] for each in without_real], rtol=1e-12), name
        assert np.allclose(score.replicates.fake, [each[name] for each in without_fake], rtol=1e-12), name
        assert boundary.value in score.signature


def test_conventions_part_where_records_tie():
    real, fake = grid(200, 0), grid(200, 1)
    included, excluded = (scores(real, fake, 3, boundary) for boundary in Boundary)
    for name in included:
        assert included[name].value > excluded[name].value


def test_nearest_of_is_zero_for_copies_far_from_the_origin():
    x = cloud(40, 0) + 1e6
    apart, which = nearest_of(x[7:9], x)
    assert apart.tolist() == [0, 0] and which.tolist() == [7, 8]


def test_nearest_others_by_brute_force():
    x = cloud(30, 0)
    apart, which = nearest_others(x, 4)
    full = np.sqrt(squares(x, x))
    np.fill_diagonal(full, np.inf)
    assert np.allclose(apart, np.sort(full, axis=1)[:, :4])
    assert (which == np.argsort(full, axis=1)[:, :4]).all()
