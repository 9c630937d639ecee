"""Errors of absolute values and largest gaps against simulation."""

import numpy as np
import pytest

from genwright.scores.intervals import Replicates
from genwright.scores.kinks import (
    positive_interval,
    replicate_error,
    share_of_one_interval,
    smoothed_absolute,
    smoothed_highest,
)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_error_of_an_absolute_value_is_near_the_truth_wherever_it_lies(distance):
    d = distance + np.random.default_rng(0).normal(size=200_000)
    slope = smoothed_absolute(np.stack([d, d + 1]), np.ones_like(d))
    claimed = np.sqrt(np.mean((slope[1] - slope[0]) ** 2))
    assert 0.95 < claimed / np.abs(d).std() < 1.14


def test_far_from_the_kink_nothing_is_smoothed():
    d = np.array([[-5.0, 3.0], [-5.1, 3.2]])
    assert np.allclose(smoothed_absolute(d, np.full(2, 0.1)), np.abs(d))
    curves = np.array([[0.1, 0.9, 0.2], [0.1, 0.95, 0.2], [0.1, 0.88, 0.3]])
    assert np.allclose(smoothed_highest(curves), curves.max(axis=1))


def test_replicate_error_joins_both_sides():
    values = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 7.0])
    assert np.isclose(replicate_error(values, 3), Replicates((1.0, 2.0, 3.0), (5.0, 7.0)).error)


def test_intervals_stay_where_the_quantity_can_be():
    replicates = Replicates((0.01, 0.02, 0.06), (0.01, 0.03))
    low, high = share_of_one_interval(0.02, replicates)
    assert 0 < low < 0.02 < high < 1
    low, high = positive_interval(0.02, replicates)
    assert 0 < low < 0.02 < high
    nothing = Replicates((0.0, 0.0), (0.0, 0.0))
    assert share_of_one_interval(0.0, nothing) == positive_interval(0.0, nothing) == (0.0, 0.0)
