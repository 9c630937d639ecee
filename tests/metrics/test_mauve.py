"""MAUVE: closed forms, what it falls with, when it refuses."""

import numpy as np
import pytest

from genwright.errors import DataError
from genwright.metrics.mauve import divergence_curve, mauve, mauve_of_features, mauve_of_histograms


def clouds(n, *, seed, share=0.0, shift=0.0):
    """Points about five centres; a share of them about one centre only, all moved by `shift`."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(5, 16))
    at = np.where(rng.random(n) < share, 0, rng.integers(0, 5, n))
    return centres[at] + 0.5 * rng.normal(size=(n, 16)) + shift


def test_curve_by_hand():
    p, q = np.array([1, 3]), np.array([3, 1])
    curve = divergence_curve(p, q)
    middle = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    assert curve.shape == (27, 2) and curve[13] == pytest.approx(np.exp(-5 * middle))
    assert mauve_of_histograms(p, p) == 1 and mauve_of_histograms(p, q) == pytest.approx(mauve_of_histograms(q, p))
    smooth = mauve_of_histograms(np.array([0, 2]), np.array([2, 0]), estimator="krichevsky-trofimov")
    assert smooth == pytest.approx(mauve_of_histograms(np.array([1, 5]), np.array([5, 1])))


def test_equal_laws_and_what_it_falls_with():
    real = clouds(600, seed=0)
    dropped = [mauve_of_features(real, clouds(600, seed=1, share=s), features="raw") for s in (0, 0.3, 0.6, 1)]
    moved = [mauve_of_features(real, clouds(600, seed=1, shift=s), features="raw") for s in (0, 0.2, 0.5, 1)]
    for scores in (dropped, moved):
        values = [score.value for score in scores]
        assert values[0] > 0.9 and values == sorted(values, reverse=True) and values[-1] < 0.6
    score = moved[1]
    assert score.interval[0] < score.value < score.interval[1] and "biased upwards" in score.note
    assert len(score.replicates.real) == len(score.replicates.fake) == 20
    assert "60 cells" in score.signature and "raw" in score.signature


def test_same_seed_same_value():
    a, b = clouds(200, seed=0), clouds(200, seed=1)
    assert mauve_of_features(a, b, features="raw") == mauve_of_features(a, b, features="raw")


def test_bad_input():
    with pytest.raises(DataError, match="needs 100 a side"):
        mauve(["a"] * 99, ["b"] * 500)
    with pytest.raises(DataError, match="not finite"):
        mauve_of_features(np.full((100, 2), np.nan), np.zeros((100, 2)), features="raw")
    with pytest.raises(DataError, match="width"):
        mauve_of_features(np.zeros((100, 3)), np.zeros((100, 2)), features="raw")
    with pytest.raises(DataError, match="counts"):
        mauve_of_histograms(np.zeros(2), np.ones(2))
    assert mauve_of_features(np.ones((100, 2)), np.ones((100, 2)), features="raw").value == pytest.approx(1)


def test_texts_by_the_packaged_encoder():
    rng = np.random.default_rng(0)
    animals, prices = ("cat", "dog", "horse", "fish"), ("stock", "bond", "price", "market")

    def lines(words):
        return [f"the {rng.choice(words)} and the {rng.choice(words)} number {rng.integers(100)}" for _ in range(110)]

    same, other = mauve(lines(animals), lines(animals)), mauve(lines(animals), lines(prices))
    assert same.value > 0.8 > 0.2 > other.value and "all-MiniLM-L6-v2" in same.signature
