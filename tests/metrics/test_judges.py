"""C2ST and TSTR tell good tables from bad ones."""

import numpy as np
import pytest

from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.metrics.judges import c2st, most_predictable, tstr_gap
from tests.metrics.records import independent, table


def test_c2st_is_near_one_for_real_and_low_for_independent_columns():
    real = table(500)
    same = c2st(real, table(500, seed=1))
    apart = c2st(real, independent(real, 500))
    assert same.value > 0.85 and same.interval[1] == 1.0
    assert apart.value < 0.5 and apart.interval[0] <= apart.value <= apart.interval[1]
    assert "n=500+500" in same.signature


def test_c2st_uses_equally_many_rows_and_is_repeatable():
    real, fake = table(120), table(900, seed=1)
    score = c2st(real, fake, seed=3)
    assert score.n == 120 and score == c2st(real, fake, seed=3)
    with pytest.raises(DataError, match="100 rows"):
        c2st(real.take(slice(0, 20)), fake)


def test_tstr_gap():
    train, test = table(800), table(400, seed=2)
    good = tstr_gap(train, table(800, seed=1), test=test)
    bad = tstr_gap(train, independent(train, 800), test=test)
    assert good.interval[0] < 0 < good.interval[1] or abs(good.value) < 3
    assert bad.value > 20 and bad.interval[0] > 5
    assert "target=label" in good.signature and "AUC" in good.note
    numeric = tstr_gap(train, independent(train, 800), test=test, target="x")
    assert numeric.value > 20 and "RMSE" in numeric.note


def test_a_generated_table_with_one_class_teaches_nothing():
    train = table(400)
    yes = train.take(train.columns["label"] == "yes")
    fake = yes.take(np.arange(400) % len(yes))
    assert "AUC 0.500" in tstr_gap(train, fake, test=table(300, seed=1)).note


def test_without_a_label_the_most_predictable_category_is_found():
    data = table(600)
    noise = np.random.default_rng(0).permutation(data.columns["label"])
    unlabelled = Dataset(data.fields, {**data.columns, "label": noise})
    assert most_predictable(unlabelled) == "size"
