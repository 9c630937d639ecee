"""Bradley–Terry: closed forms, what bounds the unbounded, and intervals that hold what they say."""

import numpy as np
import pytest

from genwright.errors import DataError
from genwright.rating.bradley_terry import ELO, Comparisons, bootstrap, bradley_terry, leave_one_rater_out
from tests.rating.simulated import comparisons as simulated


def games(*rows: tuple[int, int, int, int], systems: int = 2, raters: int = 1) -> Comparisons:
    """Rows of left, right, outcome, how often."""
    left, right, outcome, times = np.array(rows).T
    left, right, outcome = (np.repeat(each, times) for each in (left, right, outcome))
    names = tuple("abcdefg"[:systems])
    return Comparisons(systems=names, left=left, right=right, outcome=outcome, rater=np.arange(len(left)) % raters)


def test_two_systems_have_a_closed_form():
    """Fitted shares are those seen: 12 wins, 3 losses, 5 ties."""
    fit = bradley_terry(games((0, 1, 0, 12), (0, 1, 1, 3), (0, 1, 2, 5)))
    assert fit.log_strength[0] - fit.log_strength[1] == pytest.approx(np.log(12 / 3))
    assert fit.tie == pytest.approx(5 / np.sqrt(12 * 3))
    assert fit.win_probability()[0, 1] == pytest.approx(12 / 20)
    assert fit.expected_score()[0, 1] == pytest.approx(14.5 / 20)
    assert fit.elo[0] - fit.elo[1] == pytest.approx(400 * np.log10(4))


def test_a_tie_may_count_half_a_win():
    fit = bradley_terry(games((0, 1, 0, 12), (0, 1, 1, 3), (0, 1, 2, 5)), ties="half win")
    assert fit.log_strength[0] - fit.log_strength[1] == pytest.approx(np.log(14.5 / 5.5))
    assert fit.tie == 0


def test_the_side_is_told_from_the_strength():
    """a wins 9 of 12 on the left and 4 of 12 on the right: odds 3 and 1/2 are strength times and over side."""
    fit = bradley_terry(games((0, 1, 0, 9), (0, 1, 1, 3), (1, 0, 1, 4), (1, 0, 0, 8)), sides="estimated")
    assert fit.log_strength[0] - fit.log_strength[1] == pytest.approx(np.log(3 * 0.5) / 2)
    assert fit.side == pytest.approx(np.log(3 / 0.5) / 2)


def test_the_gradient_vanishes():
    """Expected scores under the fit equal those seen, system by system: the likelihood equations."""
    given = simulated([1.0, 0.3, -0.2, -1.1], raters=20, each=30, seed=0)
    fit = bradley_terry(given)
    won = fit.win_probability()
    seen, expected = np.zeros(4), np.zeros(4)
    for left, right, outcome in zip(given.left, given.right, given.outcome.tolist()):
        seen[left] += (outcome == 0) - (outcome == 1)
        seen[right] += (outcome == 1) - (outcome == 0)
        expected[left] += won[left, right] - won[right, left]
        expected[right] += won[right, left] - won[left, right]
    np.testing.assert_allclose(seen, expected, atol=1e-9)


def test_names_and_sides_do_not_matter():
    given = simulated([1.0, 0.0, -0.5], raters=10, each=20, seed=1)
    fit = bradley_terry(given)
    swapped = Comparisons(
        systems=given.systems,
        left=given.right,
        right=given.left,
        outcome=np.array([1, 0, 2])[given.outcome],
        rater=given.rater,
    )
    np.testing.assert_allclose(bradley_terry(swapped).log_strength, fit.log_strength, atol=1e-10)
    order = np.array([2, 0, 1])
    moved = Comparisons(
        systems=("b", "c", "a"), left=order[given.left], right=order[given.right], outcome=given.outcome,
        rater=given.rater,
    )  # fmt: skip
    np.testing.assert_allclose(bradley_terry(moved).log_strength[order], fit.log_strength, atol=1e-10)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (games((0, 1, 0, 4), (0, 1, 1, 4), (2, 3, 0, 4), (2, 3, 1, 2), systems=4), "no comparison joins a, b | c, d"),
        (games((0, 1, 0, 9)), "one always wins"),
        (games((0, 1, 2, 9)), "all alike"),
    ],
)
def test_what_comparisons_do_not_bound_a_weak_prior_does_and_the_note_says_so(given, said):
    fit = bradley_terry(given)
    assert said in fit.note and "prior" in fit.note
    assert np.isfinite(fit.log_strength).all() and np.abs(fit.log_strength).max() < 5
    fitted = bootstrap(given, replications=50)
    assert np.isfinite(fitted.strength_intervals()).all()


def test_impossible_comparisons_are_refused():
    with pytest.raises(DataError, match="with itself"):
        games((0, 0, 0, 1))
    with pytest.raises(DataError, match="0 comparisons"):
        games((0, 1, 0, 0))


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others():
    given = simulated([0.5, 0.0], raters=8, each=10, seed=2)
    one, same, other = (bootstrap(given, seed=seed, replications=100) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.strength_intervals(), same.strength_intervals())
    assert (one.strength_intervals() != other.strength_intervals()).any()


def test_raters_with_tastes_widen_intervals_that_resample_answers():
    given = simulated([0.0, 0.0], raters=15, each=60, seed=3, taste=1.0)
    alone = Comparisons(**{**vars(given), "rater": np.arange(len(given.left))})
    wide, narrow = (np.ptp(bootstrap(each).strength_intervals()[0]) for each in (given, alone))
    assert wide > 2 * narrow


def test_one_rater_is_resampled_by_answers():
    assert bootstrap(games((0, 1, 0, 12), (0, 1, 1, 8)), replications=50).clusters == 20


def test_leaving_out_a_rater_is_fitting_without_them():
    given = simulated([0.5, 0.0, -0.5], raters=5, each=20, seed=4)
    found = leave_one_rater_out(given)
    others = given.rater != 3
    columns = {name: getattr(given, name)[others] for name in ("left", "right", "outcome", "rater")}
    without = bradley_terry(Comparisons(systems=given.systems, **columns))
    np.testing.assert_allclose(found[3], without.log_strength, atol=1e-9)


def test_intervals_and_tests_hold_what_they_say():
    """120 studies of 16 raters with tastes: coverage about 95 %, false findings about 5 % (1000 in the docs)."""
    covered, scored, false, runs = 0.0, 0, 0, 120
    for seed in range(runs):
        found = bootstrap(
            simulated([0.0, 0.0, 0.0], raters=16, each=12, seed=seed, taste=0.4, side=0.3),
            sides="estimated",
            replications=150,
            seed=seed,
        )
        low, high = found.strength_intervals().T
        covered += np.mean((low <= 0) & (high >= 0)) / runs
        scored += found.score_intervals()[0, 1, 0] <= 0.5 <= found.score_intervals()[0, 1, 1]
        false += found.p_values()[0, 1] < 0.05
    assert 0.91 <= covered <= 0.99
    assert 0.9 <= scored / runs <= 0.99
    assert 0.01 <= false / runs <= 0.1


def test_elo_has_the_usual_scale():
    assert pytest.approx(173.7178) == ELO
