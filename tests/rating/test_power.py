"""The planner: known half-widths, and power as simulated studies have it, analysed as real ones are."""

import numpy as np
import pytest

from genwright.errors import ArgumentError
from genwright.rating.bradley_terry import bootstrap
from genwright.rating.power import (
    Design,
    accuracy_power,
    detectable_accuracy,
    detectable_difference,
    detectable_win_rate,
    half_width,
    raters_for_accuracy,
    raters_for_scale,
    raters_for_win_rate,
    scale_power,
    win_rate_power,
)
from genwright.rating.rankings import Answers, origin_ranking, scale_ranking
from tests.rating.simulated import comparisons


def test_half_widths_near_one_half_are_those_everybody_quotes():
    assert [round(100 * half_width(n), 1) for n in (100, 400, 1000)] == [9.8, 4.9, 3.1]
    assert half_width(100, ties=0.5) == pytest.approx(half_width(100) / np.sqrt(2))


@pytest.mark.parametrize(
    ("gap", "tie", "taste", "design"),
    [
        (0.6, 0.6, 0.5, Design(raters=18, per_rater=15)),
        (0.65, 0.4, 0.3, Design(raters=16, per_rater=21, systems=3)),
    ],
)
def test_power_of_preferences_is_as_simulated(gap, tie, taste, design):
    """120 studies each: the first system is better by `gap` than the others, which are equal."""
    strength = [gap] + [0.0] * (design.systems - 1)
    rate, ties, correlation = _margins(gap, tie, taste)
    planned = Design(**{**design.to_json(), "ties": ties, "correlation": correlation})
    found = 0
    for seed in range(120):
        given = comparisons(
            strength, raters=design.raters, each=design.per_rater, seed=seed, tie=tie, side=0.2, taste=taste
        )
        p = bootstrap(given, sides="estimated", replications=120, seed=seed).p_values()
        found += p[0, 1] < 0.05 / design.pairs
    assert win_rate_power(planned, rate) == pytest.approx(found / 120, abs=0.1)


def _margins(gap: float, tie: float, taste: float) -> tuple[float, float, float]:
    """Win rate, share of ties and intraclass correlation over raters with tastes."""
    own = gap + taste * np.sqrt(2) * np.random.default_rng(0).normal(size=200_000)
    win, lose = 1 / (1 + np.exp(-own) + tie * np.exp(-own / 2)), 1 / (1 + np.exp(own) + tie * np.exp(own / 2))
    ties = 1 - win - lose
    score = win + ties / 2
    within = (win + ties / 4).mean() - score.mean() ** 2
    return float(score.mean()), max(float(ties.mean()), 0.0), float(score.var() / within)


def test_power_of_scales_is_as_simulated():
    """Rater levels do not matter; tastes do: variance 0.16 of 1.16 per answer, in each of the two means."""
    design = Design(raters=12, per_rater=20, correlation=0.16 / 1.16)
    found = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rater, system = np.repeat(np.arange(12), 20), np.tile(np.arange(2), 120)
        value = 0.5 * system + rng.normal(size=12)[rater] + 0.4 * rng.normal(size=(12, 2))[rater, system]
        answers = Answers(systems=("a", "b"), system=system, rater=rater, value=value + rng.normal(size=240))
        found += scale_ranking(answers, question="coherence", seed=0).differences[0].p < 0.05
    assert scale_power(design, 0.5, deviation=np.sqrt(1.16)) == pytest.approx(found / 150, abs=0.1)


def test_power_of_real_or_generated_is_as_simulated():
    design = Design(raters=15, per_rater=16)
    found = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        rater, system = np.repeat(np.arange(15), 16), np.tile(np.arange(2), 120)
        value = (rng.uniform(size=240) < np.where(system == 1, 0.6, 0.4)).astype(float)
        answers = Answers(systems=("a", "real"), system=system, rater=rater, value=value)
        low, high = origin_ranking(answers, seed=0).common["told from real"].interval
        found += not low <= 50 <= high
    assert accuracy_power(design, 0.6) == pytest.approx(found / 150, abs=0.1)


def test_plans_are_the_smallest_that_suffice():
    for plan, power in (
        (raters_for_win_rate(0.6, design=Design(raters=2, per_rater=30, systems=4, ties=0.2)), win_rate_power),
        (raters_for_accuracy(0.55, design=Design(raters=2, per_rater=30, systems=3)), accuracy_power),
        (raters_for_scale(0.3, design=Design(raters=2, per_rater=30, correlation=0.1), deviation=1.5), scale_power),
    ):
        goal = {win_rate_power: 0.6, accuracy_power: 0.55, scale_power: 0.3}[power]
        fewer = Design(**{**plan.to_json(), "raters": plan.raters - 1})
        assert power(plan, goal) >= 0.8 > power(fewer, goal)


def test_what_is_detectable_is_found_with_the_power_asked_for():
    design = Design(raters=12, per_rater=40, correlation=0.05)
    assert win_rate_power(design, detectable_win_rate(design, power=0.9)) == pytest.approx(0.9, abs=1e-3)
    assert accuracy_power(design, detectable_accuracy(design)) == pytest.approx(0.8, abs=1e-3)
    assert scale_power(design, detectable_difference(design)) == pytest.approx(0.8, abs=1e-3)
    assert detectable_win_rate(Design(raters=2, per_rater=1)) == 1.0
    assert detectable_difference(Design(raters=2, per_rater=2), deviation=3.0) == np.inf


def test_more_raters_help_and_what_costs_power_does():
    base = Design(raters=10, per_rater=20)
    power = win_rate_power(base, 0.6)
    assert win_rate_power(Design(raters=20, per_rater=20), 0.6) > power
    assert win_rate_power(Design(raters=10, per_rater=20, correlation=0.2), 0.6) < power
    assert win_rate_power(Design(raters=10, per_rater=20, systems=5), 0.6) < power
    assert win_rate_power(base, 0.5) == pytest.approx(0.05, abs=1e-4)


def test_impossible_plans_are_refused():
    design = Design(raters=2, per_rater=20)
    with pytest.raises(ArgumentError, match="not there"):
        raters_for_win_rate(0.5, design=design)
    with pytest.raises(ArgumentError, match="cannot be with"):
        raters_for_win_rate(0.9, design=Design(raters=2, per_rater=20, ties=0.5))
    with pytest.raises(ArgumentError, match="1,000,000"):
        raters_for_win_rate(0.50001, design=design)
    with pytest.raises(ArgumentError, match="power"):
        raters_for_win_rate(0.6, design=design, power=1.0)
    for wrong in ({"raters": 1}, {"per_rater": 0}, {"ties": 1.0}, {"correlation": -0.1}, {"systems": 1}):
        with pytest.raises(ArgumentError):
            Design(**{"raters": 5, "per_rater": 5, **wrong})
