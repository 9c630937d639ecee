"""Which records a run fits to, judges and scores."""

import numpy as np
import pytest
from tests.metrics.records import table

import genwright as gw
from genwright.data.dataset import Category, Dataset, Number
from genwright.runs.parts import drawn, fits_each, folds, joined, judged, some, thinned


def few(n: int, *, distinct: int, seed: int = 0) -> Dataset:
    """n rows, many of them equal, with a label of two uneven classes."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, distinct, n)
    label = np.where(rng.random(distinct) < 0.3, "yes", "no").astype(object)[which]
    columns = {"x": which.astype(float), "y": label}
    return Dataset((Number("x", decimals=0), Category("y", levels=("no", "yes"))), columns, label="y")


@pytest.mark.parametrize(("n", "distinct"), [(10, 10), (12, 4), (30, 30), (60, 9), (61, 61), (99, 50)])
def test_every_row_is_in_the_test_part_of_one_fold_beside_its_equals(n, distinct):
    data = few(n, distinct=distinct)
    found = folds(data)
    tests = [each.split.test for each in found]
    assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(n))
    for each in found:
        parts = each.split.train, each.split.valid, each.split.test
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(n))
        assert len(each.split.train) >= 2 and len(each.split.valid) >= 1
        assert not set(each.test.columns["x"]) & (set(each.train.columns["x"]) | set(each.valid.columns["x"]))


def test_folds_share_out_the_labels():
    data = few(60, distinct=60)
    counts = [(each.test.columns["y"] == "yes").sum() for each in folds(data)]
    assert max(counts) - min(counts) <= 1


def test_few_records_are_cross_fitted_and_fewer_refused():
    assert fits_each(few(9_000, distinct=9_000)) == fits_each(few(120, distinct=120)) == 1
    assert fits_each(few(60, distinct=60)) == fits_each(few(10, distinct=10)) == 5
    with pytest.raises(gw.DataError, match="9 records are too few to compare families") as told:
        fits_each(few(9, distinct=9))
    assert "at least 10" in told.value.hint
    with pytest.raises(gw.DataError, match="11 characters of running text"):
        fits_each(_running("Some words."))


def _running(text: str) -> Dataset:
    from genwright.data.text import running_text

    return running_text(text, name="short.txt")


def test_a_table_is_thinned_to_what_can_be_read_in_time_and_rows_stay_in_their_parts():
    data = table(5000)
    assert thinned(data, minutes=5.0, seed=0) is data
    less = thinned(data, minutes=0.001, seed=0)
    assert 1400 <= len(less) <= 1500 and len(less.test) == 0
    assert len(less.train) / len(less.valid) == pytest.approx(len(data.train) / len(data.valid), rel=0.02)
    for part, whole in ((less.train, data.train), (less.valid, data.valid)):
        assert set(part.columns["x"]) <= set(whole.columns["x"])


def test_the_judge_looks_at_fewer_rows_of_wide_tables_and_scores_at_as_many_as_there_are():
    wide = Dataset(tuple(Number(f"x{i}") for i in range(100)), {f"x{i}": np.zeros(40_000) for i in range(100)})
    assert judged(wide) == (300, 1000) and drawn(wide) == 20_000
    assert judged(wide.select(["x0", "x1"])) == (300, 5000)
    assert judged(wide.take(slice(500))) == (300, 500)


def test_some_and_joined():
    data = table(50)
    assert some(data, 50, seed=0) is data
    assert len(some(data, 20, seed=0)) == 20
    again = joined([data.take(slice(30)), data.take(slice(30, None))])
    assert again.frame.equals(data.frame)
