"""Scores of records that answer real ones one by one."""

from dataclasses import replace

import numpy as np
import pytest

from genwright.data.dataset import Dataset, Image
from genwright.errors import DataError
from genwright.metrics.evaluate import evaluate_pairs
from tests.metrics.records import table, texts

TEXTS = [f"The number {i} stands in the middle of sentence {i}." for i in range(30)]


def pictures(seed, *, n=25, side=24, noise=0.0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, side, side, 1)).astype(float)
    shown = np.clip(pixels + noise * np.random.default_rng(9).normal(size=pixels.shape), 0, 255).round()
    return Dataset((Image("image", (side, side, 1), "L"),), {"image": shown.astype(np.uint8)}, name="pictures")


def test_texts_that_are_the_same_and_others():
    same = evaluate_pairs(texts(TEXTS), real=texts(TEXTS))
    names = {score.name for score in same.scores}
    assert names >= {"BLEU", "chrF", "chrF++", "TER", "ROUGE-1", "ROUGE-L"} and "BERTScore F1" not in names
    assert np.isclose(same["BLEU"].value, 100) and same["TER"].value == 0
    other = evaluate_pairs(texts(TEXTS[1:] + TEXTS[:1]), real=texts(TEXTS))
    assert other["BLEU"].value < 95 and other["TER"].value > 0
    assert all(score.floor is None for score in same.scores)


def test_images_by_noise():
    real = pictures(0)
    values = [evaluate_pairs(pictures(0, noise=noise), real=real) for noise in (5, 20, 60)]
    for name in ("PSNR", "SSIM"):
        each = [found[name].value for found in values]
        assert each == sorted(each, reverse=True)
    assert any("MS-SSIM" in note for note in values[0].notes)  # 24 pixels are too few for five scales


def test_what_does_not_pair_is_refused():
    with pytest.raises(DataError, match="29 generated records for 30 real ones"):
        evaluate_pairs(texts(TEXTS[:29]), real=texts(TEXTS))
    with pytest.raises(DataError, match="images of shape"):
        evaluate_pairs(pictures(0, side=20), real=pictures(0))
    with pytest.raises(DataError, match="not compared in pairs"):
        evaluate_pairs(table(20), real=table(20, seed=1))
    with pytest.raises(DataError, match="no images"):
        evaluate_pairs(texts(TEXTS[:25]), real=pictures(0))
    ragged = np.empty(25, dtype=object)
    ragged[:] = [np.zeros((8 + i % 2, 8, 1), np.uint8) for i in range(25)]
    mixed = replace(pictures(0), fields=(Image("image", None, "L"),), columns={"image": ragged})
    with pytest.raises(DataError, match="different sizes"):
        evaluate_pairs(mixed, real=pictures(0))
