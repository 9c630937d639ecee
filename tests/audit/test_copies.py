"""Copies are found; honest samples are not accused."""

import numpy as np
from scipy.stats import fisher_exact
from tests.metrics.records import table

from genwright.audit.copies import copied_share, exact_copy_rate, nearest_training_row
from genwright.data.dataset import Category, Dataset, Number


def test_nearest_training_row():
    train, held_out = table(800), table(200, seed=1)
    honest = nearest_training_row(train, table(500, seed=2), held_out=held_out)
    assert honest.interval[0] <= 0.5 <= honest.interval[1] and honest.note == ""
    copier = nearest_training_row(train, train, held_out=held_out)
    assert copier.value > 0.99 and "copied" in copier.note


def test_distance_is_l1_by_ranges_with_two_for_another_category():
    fields = (Number("v"), Category("c", ("a", "b")))

    def rows(*pairs):
        v, c = zip(*pairs, strict=True)
        return Dataset(fields, {"v": np.array(v, float), "c": np.array(c, dtype=object)})

    train = rows((0, "a"), (10, "a"))  # range 10
    fake = rows((4, "a"), (9, "b"), (1, "a"))
    # To training and to unseen rows: 0.4 and 0.3, 2.1 and 0.9, 0.1 and 0.6
    share = nearest_training_row(train, fake, held_out=rows((7, "a"), (0, "b")))
    assert np.isclose(share.value, 1 / 3)


def test_exact_copies_against_the_rate_of_unseen_rows():
    train, held_out = table(300), table(100, seed=1)
    mixed = Dataset(
        train.fields,
        {k: np.concatenate([v[:50], table(150, seed=2).columns[k]]) for k, v in train.columns.items()},
    )
    score = exact_copy_rate(train, mixed, held_out=held_out)
    assert np.isclose(score.value, 25) and score.floor == 0 and "copies" in score.note
    assert exact_copy_rate(train, table(200, seed=3), held_out=held_out).value == 0


def test_copies_are_flagged_by_fishers_exact_test():
    marked = np.arange(400) < 4
    few, fewer = (copied_share("x", marked, np.arange(m) < 0, train=9) for m in (900, 500))
    p = fisher_exact([[4, 396], [0, 900]], alternative="greater").pvalue
    assert few.note.endswith(f"p = {p:.2g}") and p < 0.01 and not fewer.note
