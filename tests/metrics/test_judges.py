"""C2ST and TSTR tell good tables from bad ones."""

from dataclasses import replace

import numpy as np
import pytest

from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.metrics.judges import Judge, c2st, most_predictable, tstr_gap
from genwright.metrics.learners import Learner
from tests.metrics.records import independent, table


def test_c2st_is_near_one_for_real_and_low_for_independent_columns():
    real = table(300)
    same = c2st(real, table(300, seed=1))
    apart = c2st(real, independent(real, 300))
    assert same.value > 0.8 and same.interval[1] == 1.0
    assert apart.value < 0.5 and apart.interval[0] <= apart.value <= apart.interval[1]
    assert "n=300+300" in same.signature


def test_c2st_uses_equally_many_rows_and_is_repeatable():
    real, fake = table(120), table(900, seed=1)
    score = c2st(real, fake, seed=3)
    assert score.n == 120 and score == c2st(real, fake, seed=3)
    with pytest.raises(DataError, match="10 records"):
        c2st(real.take(slice(0, 9)), fake)


def test_logistic_regression_is_blind_to_dependence_and_trees_are_not():
    real = table(400)
    shuffled = independent(table(400, seed=7), 400)
    logistic, trees = (c2st(real, shuffled, judge=judge) for judge in (Judge.LOGISTIC, Judge.TREES))
    assert logistic.value > 0.85 and logistic.interval[1] > 0.95
    assert trees.value < 0.6 and trees.interval[1] < logistic.interval[0]
    assert "blind to dependence" in logistic.note and logistic.name == "logistic C2ST"
    shifted = replace(real, columns={**real.columns, "x": real.columns["x"] + 1.5})
    assert c2st(real, shifted, judge=Judge.LOGISTIC).value < 0.6  # a column of its own is seen


def test_c2st_replicates_and_p_value():
    real = table(200)
    same, apart = c2st(real, table(200, seed=1)), c2st(real, independent(real, 200))
    for score in (same, apart):
        assert len(score.replicates.real) == len(score.replicates.fake) == 20
        assert 0.01 < score.replicates.error < 0.15
    p = [float(score.note.split("p = ")[1]) for score in (same, apart)]
    assert p[0] > 0.05 and p[1] < 1e-4


def test_tstr_gap():
    train, test = table(300), table(300, seed=2)
    good = tstr_gap(train, table(300, seed=1), test=test, refits=2)
    assert good.interval[0] < 0 < good.interval[1] or abs(good.value) < 3
    assert len(good.replicates.real) == 20 and len(good.replicates.fake) == 2
    bad = tstr_gap(train, independent(train, 300), test=test, refits=0)
    assert bad.value > 15 and bad.interval[0] > 5 and not bad.replicates.fake
    assert "target=label" in good.signature and "AUC" in good.note
    assert all(learner.value in good.note for learner in Learner)
    numeric = tstr_gap(train, independent(train, 300), test=test, target="x", refits=0)
    assert numeric.value > 20 and "RMSE" in numeric.note


def test_refits_count_what_the_generated_rows_add_to_the_error():
    train, test, fake = table(150), table(150, seed=2), table(150, seed=1, dependence=0.6)
    given, counted = (tstr_gap(train, fake, test=test, refits=refits) for refits in (0, 5))
    assert given.value == counted.value and given.replicates.real == counted.replicates.real
    assert counted.replicates.error > given.replicates.error


def test_a_generated_table_with_one_class_teaches_nothing():
    train = table(200)
    yes = train.take(train.columns["label"] == "yes")
    fake = yes.take(np.arange(200) % len(yes))
    score = tstr_gap(train, fake, test=table(150, seed=1), refits=0)
    assert 40 < score.value < 50  # AUC 0.5 against almost 1


def test_without_a_label_the_most_predictable_category_is_found():
    data = table(600)
    noise = np.random.default_rng(0).permutation(data.columns["label"])
    unlabelled = Dataset(data.fields, {**data.columns, "label": noise})
    assert most_predictable(unlabelled) == "size"
