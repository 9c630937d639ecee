"""Adjusted p-values by definition, differences of scores, and groups that cannot be told apart."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from genwright.errors import DataError
from genwright.scores.intervals import Replicates, mean_replicates
from genwright.scores.multiple import adjusted, difference, differences, groups, inseparable
from genwright.scores.score import Score

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


def score(value: float, *, real=(), fake=()) -> Score:
    return Score(
        name="x", value=value, direction="higher", n=1, signature="", replicates=Replicates(tuple(real), tuple(fake))
    )


@given(P_VALUES)
def test_holm_rejects_what_its_definition_rejects(p):
    """Step down: reject the smallest at level / n, the next at level / (n - 1), and stop at the first that fails."""
    for level in (0.01, 0.05, 0.2):
        rejected = np.zeros(len(p), dtype=bool)
        for step, i in enumerate(np.argsort(p, kind="stable")):
            if p[i] * (len(p) - step) > level:
                break
            rejected[i] = True
        np.testing.assert_array_equal(adjusted(p) <= level, rejected)


@given(P_VALUES)
def test_benjamini_hochberg_rejects_what_its_definition_rejects(p):
    """Reject the k smallest, k being the last with p_(k) <= k level / n."""
    level, ordered = 0.1, np.sort(p)
    fitting = np.flatnonzero(ordered * len(p) / np.arange(1, len(p) + 1) <= level)
    cut = ordered[fitting[-1]] if len(fitting) else -1.0
    np.testing.assert_array_equal(adjusted(p, by="benjamini-hochberg") <= level, p <= cut)


def test_what_is_no_p_value_is_refused():
    for wrong in ([0.1, np.nan], [-0.1], [1.1]):
        with pytest.raises(DataError, match="between 0 and 1"):
            adjusted(np.array(wrong))
    assert len(adjusted(np.zeros(0))) == 0


def test_holm_keeps_false_findings_at_the_level():
    rng = np.random.default_rng(0)
    false = np.mean([(adjusted(rng.uniform(size=10)) < 0.05).any() for _ in range(4000)])
    assert 0.04 < false < 0.06


def test_a_difference_over_shared_records_is_a_paired_test():
    """With one record per group, the jackknife of a mean difference is the paired t-test."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=12)
    b = a + rng.normal(0.5, 0.3, size=12)
    value, (low, high), p = difference(
        score(a.mean(), real=mean_replicates(a, seed=0)), score(b.mean(), real=mean_replicates(b, seed=0))
    )
    error = np.std(a - b, ddof=1) / np.sqrt(12)
    assert value == pytest.approx((a - b).mean())
    assert p == pytest.approx(2 * student.sf(abs(value) / error, 11))
    assert (high - low) / 2 == pytest.approx(student.ppf(0.975, 11) * error)


def test_independent_records_add_their_variances():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 20))
    _, (low, high), _ = difference(
        score(a.mean(), fake=mean_replicates(a, seed=0)), score(b.mean(), fake=mean_replicates(b, seed=0))
    )
    parts = np.array([a.var(ddof=1), b.var(ddof=1)]) / 20
    degrees = parts.sum() ** 2 / (parts**2 / 19).sum()  # Welch
    assert (high - low) / 2 == pytest.approx(student.ppf(0.975, degrees) * np.sqrt(parts.sum()))


def test_equal_scores_differ_by_nothing_and_shared_real_records_cancel():
    same = score(1.0, real=(0.9, 1.1))
    assert difference(same, same) == (0.0, (0.0, 0.0), 1.0)
    value, (low, high), p = difference(same, score(1.0, real=(0.9, 1.0, 1.1)))  # other real records: independent
    assert value == 0.0 and low < -0.1 and high > 0.1 and p == 1.0
    with pytest.raises(DataError, match="replicates"):
        difference(same, replace(same, replicates=None))


def test_all_pairs_are_adjusted_together():
    scores = [(name, score(value, real=(value - 0.1, value + 0.12, value))) for name, value in zip("abc", (0, 1, 5))]
    scores[1] = ("b", score(1.0, real=(1.2, 0.8, 1.0)))
    found = differences(scores)
    assert [(pair.first, pair.second) for pair in found] == list(combinations("abc", 2))
    np.testing.assert_allclose([pair.adjusted_p for pair in found], adjusted(np.array([pair.p for pair in found])))
    assert groups(["c", "b", "a"], found)[0] == ("c",)


@given(st.integers(1, 7), st.data())
def test_groups_are_the_largest_sets_without_a_pair_told_apart(k, data):
    apart = np.zeros((k, k), dtype=bool)
    for i, j in combinations(range(k), 2):
        apart[i, j] = apart[j, i] = data.draw(st.booleans())
    alike = [set(s) for n in range(1, k + 1) for s in combinations(range(k), n) if not apart[np.ix_(s, s)].any()]
    largest = {tuple(sorted(s)) for s in alike if not any(s < other for other in alike)}
    assert set(inseparable(apart)) == largest
