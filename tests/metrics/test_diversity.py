"""Vendi and Inception Score: closed forms, invariances, refusals."""

import numpy as np
import pytest

from genwright.errors import ArgumentError, DataError
from genwright.metrics.diversity import effective_number, inception_score, split_information, vendi, vendi_score


def cloud(n, seed, *, d=6):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 2.0, np.inf])
def test_k_directions_equally_often_count_k(order):
    fake = np.repeat(np.eye(6)[:4], 25, axis=0)
    assert np.isclose(vendi_score(fake, fake, features="x", order=order).value, 4)
    assert np.isclose(vendi(fake @ fake.T, order=order), 4)


def test_numbers_of_unequal_shares_fall_with_the_order():
    shares = np.array([0.7, 0.2, 0.1])
    values = [effective_number(shares, order=order) for order in (0, 0.5, 1, 1.001, 2, np.inf)]
    assert values == sorted(values, reverse=True) and values[0] == 3 and np.isclose(values[-1], 1 / 0.7)
    assert np.isclose(values[2], values[3], rtol=1e-3)
    assert np.isclose(values[2], np.exp(-np.sum(shares * np.log(shares))))


def test_length_does_not_count_and_collapse_does():
    real, fake = cloud(200, 0), cloud(200, 1)
    scores = [vendi_score(real, x, features="x") for x in (fake, 7 * fake, np.repeat(fake[:3], 60, axis=0))]
    assert np.isclose(scores[0].value, scores[1].value)
    assert scores[2].value < 3.01 < scores[0].interval[0]
    assert scores[0].floor == scores[1].floor and scores[0].direction == "target"


def test_vendi_refuses_what_has_no_direction():
    with pytest.raises(DataError, match="all zero"):
        vendi_score(cloud(20, 0), np.zeros((20, 6)), features="x")
    with pytest.raises(ArgumentError, match="not a similarity"):
        vendi(np.full((3, 3), 2.0))
    with pytest.raises(ArgumentError, match="order -1"):
        effective_number(np.ones(1), order=-1.0)


def named(n, k, *, sure):
    p = np.full((n, k), (1 - sure) / (k - 1))
    p[np.arange(n), np.arange(n) % k] = sure
    return p


def test_inception_score_in_closed_form():
    sure = 0.9
    entropy = -(sure * np.log(sure) + 0.1 * np.log(0.1 / 4))
    score = inception_score(named(200, 5, sure=1.0), named(200, 5, sure=sure), classifier="c")
    assert np.isclose(score.value, np.exp(np.log(5) - entropy)) and np.isclose(score.floor, 5)
    assert "5 classes" in score.signature and score.interval[0] <= score.value <= score.interval[1]


def test_splits_of_alike_parts_agree():
    mean, deviation = split_information(named(200, 5, sure=0.9), splits=4)
    assert np.isclose(mean, split_information(named(200, 5, sure=0.9), splits=1)[0]) and deviation < 1e-12


def test_inception_score_refuses_few_records_and_what_are_no_probabilities():
    good = named(200, 5, sure=0.9)
    with pytest.raises(DataError, match="too few for 5 classes") as caught:
        inception_score(good, good[:30], classifier="c")
    assert "at least 50" in caught.value.hint
    for bad in (-good, 2 * good):
        with pytest.raises(DataError, match="not class probabilities"):
            inception_score(good, bad, classifier="c")
    with pytest.raises(DataError, match="do not make 10 splits"):
        split_information(good[:5])
