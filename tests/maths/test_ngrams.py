"""Counts and Kneser-Ney: a case worked by hand, exact sums, a recovered source."""

import numpy as np
import pytest

from genwright.maths.ngram_fit import discounts, smoothed, tuned
from genwright.maths.ngrams import NEW, RAW, Smoothed, counted, following, joined, probabilities, stretched

END = 4


def stream(symbols, **ways):
    return stretched(np.array([symbols]), end=END, framed=False, **ways)


def model(symbols, *, order, vocabulary=5):
    return smoothed(counted(stream(symbols), vocabulary=vocabulary, alphabet=vocabulary, order=order))


def test_kneser_ney_by_hand():
    """abacabab over a, b, c, d, end, all discounts 3/4: p(b | a) and p(d | a), two symbols at most."""
    counts = model([0, 1, 0, 2, 0, 1, 0, 1], order=2).counts
    found = Smoothed(counts, np.tile([0.75, 0.75, 0.75, 0.0], (2, 2, 1)))
    # What follows a: b three times, c once, so (3 - 3/4) / 4 + 2 * 3/4 / 4 * p(b), where p counts what comes before:
    # a after b, c; b after a; c after a: 4 pairs of 3 kinds, so p(b) = (1 - 3/4) / 4 + 3 * 3/4 / 4 * 1/5.
    b, unseen = 0.25 / 4 + 2.25 / 4 / 5, 2.25 / 4 / 5
    assert counts.tallies[NEW, :3].tolist() == [2, 1, 1] and counts.tallies[RAW, :3].tolist() == [4, 3, 1]
    asked = stream([0, 1, 0, 3]).rows(slice(1, None, 2))
    assert probabilities(found, asked)[1] == pytest.approx([2.25 / 4 + 1.5 / 4 * b, 1.5 / 4 * unseen])
    alone = [(3 - 0.75) / 8 + 2.25 / 8 / 5, 2.25 / 8 / 5]  # by single symbols, where occurrences count
    assert probabilities(found, asked)[0] == pytest.approx(alone)


def test_discounts_in_closed_form_and_where_there_are_none():
    # n1..n4 = 4, 2, 1, 1: Y = 1/2, and 1 - 2 Y 2/4, 2 - 3 Y 1/2, 3 - 4 Y 1/1
    assert discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])).tolist() == pytest.approx([0.5, 1.25, 1.0, 0.0])
    assert discounts(np.array([5, 6, 7])).tolist() == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize("order", [1, 3, 6])
def test_what_follows_sums_to_one_and_is_what_symbols_cost(order):
    rng = np.random.default_rng(0)
    made = model(rng.integers(0, 4, 300), order=order)
    asked = stream(rng.integers(0, 4, 40))
    law = following(made, asked)
    assert np.allclose(law.sum(1), 1, atol=1e-12) and (law > 0).all()
    assert np.allclose(law[np.arange(40), asked.asked], probabilities(made, asked)[-1], rtol=1e-12)


def test_lower_orders_are_the_models_of_fewer_symbols():
    symbols = np.random.default_rng(1).integers(0, 4, 400)
    whole, asked = model(symbols, order=4), stream(symbols[::-1])
    for order in (1, 2, 3):
        cut = Smoothed(whole.counts.cut(order), whole.discounts[:order])
        assert np.allclose(probabilities(whole, asked)[order - 1], probabilities(cut, asked)[-1], rtol=1e-12)


def test_records_end_and_contexts_stop_at_their_beginning():
    x = np.array([[0, 1, END, END], [0, 1, 2, 3]])
    asked = stretched(x, end=END, framed=True)
    assert asked.asked.tolist() == [0, 1, END, 0, 1, 2, 3] and asked.reach.tolist() == [1, 2, 3, 1, 2, 3, 4]
    assert joined([asked]).asked.tolist() == asked.asked.tolist() and len(joined([asked]).symbols) == 9
    windows = stretched(np.array([[2, END, 0, 1, END, END]]), end=END, framed=False, documents=True)
    assert windows.asked.tolist() == [END, 0, 1, END] and windows.reach.tolist() == [1, 1, 2, 3]
    made = smoothed(counted(asked, vocabulary=5, alphabet=5, order=3))
    first = following(made, stretched(x[:1, :1], end=END, framed=True))[0]
    assert first[0] > 0.5 and np.isclose(first.sum(), 1)


def test_fitted_discounts_make_held_out_symbols_likelier_and_none_change_nothing():
    rng = np.random.default_rng(2)
    law = rng.dirichlet(np.full(20, 0.2), 20)
    symbols = [0]
    for _ in range(6000):
        symbols.append(int(rng.choice(20, p=law[symbols[-1]])))
    made = smoothed(counted(stream(symbols[:2000]), vocabulary=20, alphabet=20, order=4))
    held_out, unseen = stream(symbols[2000:4000]), stream(symbols[4000:])
    before, after = (-np.log(probabilities(m, unseen)[-1]).mean() for m in (made, tuned(made, held_out)))
    assert after < before - 0.005
    nothing = tuned(made, held_out.rows(slice(0, 0))).discounts
    assert np.allclose(nothing[1:], made.discounts[1:], atol=0.1)


def test_nothing_is_dense_in_the_vocabulary():
    symbols = np.random.default_rng(0).integers(0, 30_000, 2000)
    counts = counted(stream(symbols), vocabulary=30_001, alphabet=30_001, order=5).cut(5)
    assert len(counts.grams) < 5 * 2000 and counts.contexts[0] == -1 and counts.order == 5
