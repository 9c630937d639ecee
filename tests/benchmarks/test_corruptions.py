"""Corruptions do what they say, in the amount they say, to as many records as they were given."""

import itertools
from functools import partial

import numpy as np
import pytest
from benchmarks.sanity import corruptions as spoil

from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, DataError
from genwright.metrics.coherence import split_sentences
from tests.metrics.records import images, table

TEXTS = [
    f"Number {i} is the first sentence here. The second one says {i * 7}. And so it ends with {i}!" for i in range(20)
]


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def shown(n: int = 40) -> Dataset:
    draw = np.random.default_rng(1)
    return images(draw.integers(0, 17, (n, 8, 8, 1)).astype(np.uint8), draw.integers(0, 4, n))


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which records differ at all."""
    same = (a == b) | (np.not_equal(a, a) & np.not_equal(b, b))
    return ~same.reshape(len(a), -1).all(axis=1)


def series() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(30, 16, 2)).cumsum(axis=1)


OF_IMAGES = [spoil.image_noise, spoil.image_blur, spoil.patches_shuffled, spoil.images_mixed]
OF_TABLES = [spoil.numbers_noised, spoil.numbers_narrowed, spoil.rows_shuffled, spoil.rows_invented]
OF_TEXTS = [spoil.words_shuffled, spoil.characters_randomised, spoil.phrases_repeated]
OF_SERIES = [
    spoil.series_noised,
    spoil.time_shuffled,
    spoil.time_slowed,
    spoil.channels_unlinked,
    spoil.series_narrowed,
]


@pytest.mark.parametrize("damaged", OF_IMAGES)
def test_images_change_with_the_amount_and_stay_images(damaged):
    data = shown()
    still, little, much = (damaged(data, amount, rng=rng()) for amount in (0.0, 0.4, 1.0))
    x = data.columns["image"]
    assert not changed(x, still.columns["image"]).any()
    apart = [np.abs(d.columns["image"].astype(float) - x).mean() for d in (little, much)]
    assert 0 < apart[0] < apart[1]
    assert much.columns["image"].dtype == np.uint8 and much.columns["image"].max() <= 16
    assert (much.columns["class"] == data.columns["class"]).all()


def test_shuffled_patches_hold_the_same_pixels():
    data = shown()
    moved = spoil.patches_shuffled(data, 1.0, rng=rng()).columns["image"]
    assert (np.sort(moved.reshape(40, -1)) == np.sort(data.columns["image"].reshape(40, -1))).all()


def test_shuffled_labels_keep_their_counts():
    data = shown()
    moved = spoil.labels_shuffled(data, 0.5, rng=rng())
    assert sorted(moved.columns["class"]) == sorted(data.columns["class"])
    assert 0 < changed(moved.columns["class"], data.columns["class"]).sum() <= 20


@pytest.mark.parametrize("damaged", OF_TABLES)
def test_a_share_of_the_rows_changes(damaged):
    data = table(200)
    assert not changed(damaged(data, 0.0, rng=rng()).columns["x"], data.columns["x"]).any()
    few = changed(damaged(data, 0.3, rng=rng()).columns["x"], data.columns["x"])
    more = changed(damaged(data, 0.6, rng=rng()).columns["x"], data.columns["x"])
    assert 50 <= few.sum() <= 60 and 100 <= more.sum() <= 120
    assert (
        not (few & ~more).any() or damaged is spoil.rows_shuffled
    )  # a permutation of more rows may leave one in place


def test_breaking_dependence_keeps_every_column():
    data = table(300)
    broken = spoil.rows_shuffled(data, 1.0, rng=rng())
    assert (np.sort(broken.columns["x"]) == np.sort(data.columns["x"])).all()
    assert sorted(broken.columns["label"]) == sorted(data.columns["label"])
    x, y = broken.columns["x"], np.nan_to_num(broken.columns["y"])
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.2


def test_copies_are_records_of_the_source_and_none_is_taken_twice():
    data, source = table(50, seed=1), table(60, seed=2)
    copied = spoil.records_copied(data, 0.4, source=source, rng=rng())
    found = copied.columns["x"][np.isin(copied.columns["x"], source.columns["x"])]
    assert len(found) == len(set(found)) == 20
    with pytest.raises(DataError, match="50 records cannot be copied from 10"):
        spoil.records_copied(data, 1.0, source=source.take(slice(0, 10)), rng=rng())


def test_modes_go_one_by_one():
    modes = np.repeat(np.arange(5), 40)
    left = [
        set(modes[spoil.without_modes(modes, amount, n=60, rng=rng())].tolist())
        for amount in (0, 0.2, 0.4, 0.6, 0.8, 1)
    ]
    assert [len(each) for each in left] == [5, 4, 3, 2, 1, 1]
    assert all(b <= a for a, b in itertools.pairwise(left))
    assert len(spoil.without_modes(modes, 0.8, n=60, rng=rng())) == 60  # of 40 that are left, some twice


@pytest.mark.parametrize("damaged", OF_TEXTS)
def test_texts_change_with_the_amount(damaged):
    assert damaged(TEXTS, 0.0, rng=rng()) == TEXTS
    assert sum(a != b for a, b in zip(damaged(TEXTS, 0.8, rng=rng()), TEXTS, strict=True)) == len(TEXTS)


def test_words_sentences_and_phrases():
    words = spoil.words_shuffled(TEXTS, 1.0, rng=rng())
    assert [sorted(t.split()) for t in words] == [sorted(t.split()) for t in TEXTS]
    moved = spoil.sentences_shuffled(TEXTS, 0.5, rng=rng())
    assert [sorted(split_sentences(t)) for t in moved] == [sorted(split_sentences(t)) for t in TEXTS]
    assert sum(a != b for a, b in zip(moved, TEXTS, strict=True)) <= 10
    assert spoil.phrases_repeated(["a b c d e f g h i j"], 0.5, rng=rng()) == ["a b c d e b c d e b"]
    copied = spoil.texts_copied(TEXTS, 0.25, source=[f"copy {i}" for i in range(9)], rng=rng())
    assert sum(t.startswith("copy") for t in copied) == len({t for t in copied if t.startswith("copy")}) == 5


@pytest.mark.parametrize("damaged", OF_SERIES)
def test_series_change_with_the_amount(damaged):
    x = series()
    still, little, much = (damaged(x, amount, rng=rng()) for amount in (0.0, 0.4, 1.0))
    assert np.allclose(still, x)
    assert 0 < np.abs(little - x).mean() < np.abs(much - x).mean()


def test_unlinked_channels_are_those_of_other_series():
    x = series()
    apart = spoil.channels_unlinked(x, 1.0, rng=rng())
    assert (apart[..., 0] == x[..., 0]).all()
    assert (np.sort(apart[:, 0, 1]) == np.sort(x[:, 0, 1])).all()


def test_amounts_beyond_one_are_refused():
    for damaged in (spoil.labels_shuffled, partial(spoil.records_copied, source=shown())):
        with pytest.raises(ArgumentError, match=r"an amount of 1\.5"):
            damaged(shown(), 1.5, rng=rng())
