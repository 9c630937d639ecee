"""Krippendorff's alpha by its definition, invariances, interval; self-consistency."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.errors import DataError
from genwright.rating.agreement import agreement, krippendorff_alpha, reading, self_consistency

LEVELS = ("nominal", "ordinal", "interval", "ratio")


def by_definition(values: np.ndarray, level: str) -> float:
    """1 - D_o / D_e by loops over all pairs."""
    units = [unit[~np.isnan(unit)] for unit in values.T]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units)
    n = len(every)

    def apart(a: float, b: float) -> float:
        low, high = min(a, b), max(a, b)
        match level:
            case "nominal":
                return float(a != b)
            case "interval":
                return (a - b) ** 2
            case "ratio":
                return ((a - b) / (a + b)) ** 2 if a + b else 0.0
        counted = np.sum((every >= low) & (every <= high))
        return (counted - (np.sum(every == low) + np.sum(every == high)) / 2) ** 2

    observed = sum(sum(apart(a, b) for a in unit for b in unit) / (len(unit) - 1) for unit in units) / n
    expected = sum(apart(a, b) for a in every for b in every) / (n * (n - 1))
    return 1 - observed / expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(LEVELS))
def test_alpha_is_its_definition(seed, level):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, size=(4, 8)).astype(float)
    values[rng.uniform(size=values.shape) < 0.3] = np.nan
    values[:2, 0] = [0, 3]
    assert krippendorff_alpha(values, level=level) == pytest.approx(by_definition(values, level), abs=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_full_agreement_is_1_and_chance_is_0(level):
    rng = np.random.default_rng(0)
    unit = rng.integers(1, 8, size=2000).astype(float)
    assert krippendorff_alpha(np.tile(unit, (3, 1)), level=level) == pytest.approx(1.0)
    uniform = krippendorff_alpha(rng.integers(1, 8, size=(3, 2000)).astype(float), level=level)
    assert abs(uniform) < 0.05


def test_levels_ignore_what_they_should():
    rng = np.random.default_rng(1)
    values = rng.integers(1, 8, size=(3, 30)).astype(float)
    shifted = {"nominal": (values * 13) % 17, "ordinal": values**3, "interval": 5 * values - 3, "ratio": 9 * values}
    for level in LEVELS:
        here, there = (krippendorff_alpha(each, level=level) for each in (values, shifted[level]))
        assert here == pytest.approx(there)
        assert krippendorff_alpha(values[::-1, ::-1], level=level) == pytest.approx(here)


def test_many_values_take_little_memory():
    """200,000 distinct values: a matrix of their differences would take 320 GB."""
    rng = np.random.default_rng(2)
    unit = rng.normal(size=100_000)
    values = unit + rng.normal(size=(2, 100_000))
    assert krippendorff_alpha(values, level="interval") == pytest.approx(0.5, abs=0.01)
    assert krippendorff_alpha(values, level="ordinal") == pytest.approx(0.48, abs=0.02)


def test_too_little_to_agree_on_is_an_error():
    with pytest.raises(DataError, match="no unit has two answers"):
        krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2.0]]), level="nominal")
    with pytest.raises(DataError, match="all answers are equal"):
        krippendorff_alpha(np.ones((2, 4)), level="interval")


def test_the_interval_holds_the_true_alpha():
    """80 studies of 5 raters and 60 units; the truth is alpha of 20,000 units."""
    level = "interval"

    def study(units: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return np.clip(np.round(4 + 1.3 * rng.normal(size=units) + rng.normal(size=(5, units))), 1, 7)

    truth = krippendorff_alpha(study(20_000, 10**6), level=level)
    found = [agreement(study(60, seed), level=level, name="x", replications=60, seed=seed) for seed in range(80)]
    covered = np.mean([score.interval[0] <= truth <= score.interval[1] for score in found])
    assert covered >= 0.87


def test_the_score_says_how_to_read_it():
    values = np.array([[1.0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7]])
    score = agreement(values, level="ordinal", name="agreement: coherence")
    assert score.group == "human" and score.note.startswith("good")
    assert "ordinal" in score.signature and score.n == 12
    assert score == agreement(values, level="ordinal", name="agreement: coherence")
    assert [reading(value)[:5] for value in (0.9, 0.7, 0.3)] == ["good ", "tenta", "rater"]


def test_self_consistency_is_a_share_with_wilson_interval():
    score = self_consistency(np.array([True] * 17 + [False] * 3))
    assert score.value == 85 and score.n == 20 and score.unit == "%"
    assert score.interval[0] < 70 < 93 < score.interval[1]
    with pytest.raises(DataError, match="no repeated trials"):
        self_consistency(np.zeros(0, dtype=bool))
