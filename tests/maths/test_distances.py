"""Screening by inexact distances: what it leaves open is settled exactly, whatever the scale and the crowding."""

import numpy as np
import pytest

from genwright.maths.distances import Screen, nearest
from genwright.metrics.neighbours import density_coverage, neighbour_scores, precision_recall


def cloud(seed, *, n=90, d=6):
    return np.random.default_rng(seed).normal(size=(n, d))


def apart(seed):
    """Two clusters far from each other: single precision cannot see differences within either."""
    return cloud(seed) + 1e5 * (np.arange(90) % 2)[:, None]


def crowded(seed):
    """Near copies of three records."""
    return np.repeat(cloud(seed, n=3), 30, axis=0) + 1e-7 * cloud(seed + 50)


SETS = {
    "plain": cloud,
    "far from the origin": lambda seed: cloud(seed) + 1e6,
    "with an outlier": lambda seed: np.vstack([cloud(seed), np.full(6, 1e9)]),
    "clusters apart": apart,
    "near copies": crowded,
    "copies": lambda seed: np.repeat(cloud(seed, n=9), 10, axis=0),
    "huge": lambda seed: 1e35 * cloud(seed),
    "tiny": lambda seed: 1e-35 * cloud(seed),
    "all alike": lambda seed: np.ones((90, 6)),
    "whole numbers": lambda seed: np.round(cloud(seed)),
}


def squares(x, y):
    return np.square(x[:, None] - y[None]).sum(2)


@pytest.mark.parametrize("name", SETS)
def test_nearest_by_brute_force(name):
    x, y = SETS[name](0), SETS[name](1)
    found, which = nearest(x, y, 4)
    full = squares(x, y)
    assert (found == np.sort(full, axis=1)[:, :4]).all()
    assert (np.take_along_axis(full, which, 1) == found).all()
    found, which = nearest(x[5:20], x, 3, own=np.arange(5, 20))
    full = squares(x[5:20], x)
    full[np.arange(15), np.arange(5, 20)] = np.inf
    assert (found == np.sort(full, axis=1)[:, :3]).all() and (which != np.arange(5, 20)[:, None]).all()


@pytest.mark.parametrize("name", SETS)
def test_bounds_hold_and_what_they_leave_open_is_settled(name):
    x, y = SETS[name](2), SETS[name](3)
    full = squares(x, y)
    rows, columns = (each.ravel() for each in np.indices(full.shape))
    screen = Screen.suited(x, y, np.quantile(full, 0.05, axis=0))
    low = np.concatenate([chunk.numpy() for _, chunk in screen.chunks()])
    assert (low <= full * screen.scale).all()
    assert (low <= screen.bound(full.max(0)).numpy()).all()
    thresholds = np.stack([full.min(0), np.median(full, axis=0)], axis=1)[columns]  # each hit exactly by some pair
    settled = screen.settled(rows, columns, low.ravel(), thresholds)
    for compare in (np.less, np.less_equal):
        exact = compare(full.ravel()[:, None], thresholds)
        assert (compare(settled[:, None], thresholds) == exact).all()


@pytest.mark.parametrize("name", ["plain", "near copies"])
def test_one_pass_gives_what_two_do(name):
    real, fake = SETS[name](0), SETS[name](1)
    about = {"features": "x", "seed": 3}
    assert neighbour_scores(real, fake, **about) == (
        *precision_recall(real, fake, **about),
        *density_coverage(real, fake, **about),
    )
