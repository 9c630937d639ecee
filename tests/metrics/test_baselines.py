"""Baselines know single columns, pixels or letters and nothing else; a model that they equal is of no use."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from sklearn.datasets import load_digits

from genwright.metrics.baselines import INDEPENDENT, LETTERS, MEANS, PIXELS, TRIGRAMS, bits_per_byte
from genwright.metrics.kinds import baselines
from tests.metrics.records import images, table, texts

RNG = np.random.default_rng(0)


def test_columns_keep_their_shares_and_lose_their_dependence():
    real = table(2000)
    (name, draw), *rest = baselines(real).items()
    made = draw(real, 2000, np.random.default_rng(0))
    assert name == INDEPENDENT and not rest and len(made) == 2000 and made.fields == real.fields
    assert abs(np.nanmean(made.columns["x"]) - np.nanmean(real.columns["x"])) < 0.1
    pair = np.array([[np.sum((made.columns["size"] == a) & (made.columns["label"] == b)) for a in ("large", "small")]
                     for b in ("yes", "no")])  # fmt: skip
    assert chi2_contingency(pair).pvalue > 0.01


def test_images_are_those_of_their_class():
    digits = load_digits()
    real = images(digits.images[..., None].astype(np.uint8), digits.target)
    made = {name: draw(real, 300, np.random.default_rng(0)) for name, draw in baselines(real).items()}
    assert list(made) == [PIXELS, MEANS]
    for data in made.values():
        pixels, labels = data.columns["image"].astype(float), data.columns["class"]
        assert pixels.shape == (300, 8, 8, 1) and pixels.max() <= 16
        means = {k: digits.images[digits.target == int(k)].mean(0) for k in set(labels)}
        near = [min(means, key=lambda k: np.abs(means[k] - image[..., 0]).sum()) for image in pixels]
        assert np.mean(np.array(near) == labels) > 0.95
    assert len({image.tobytes() for image in made[MEANS].columns["image"]}) == 10
    assert len({image.tobytes() for image in made[PIXELS].columns["image"]}) == 300


def test_texts_hold_the_letters_and_trigrams_of_real_ones():
    real = texts(["the cat sat on the mat", "a dog ran to the door", "the end"] * 20)
    made = {name: draw(real, 50, np.random.default_rng(0)).columns["text"] for name, draw in baselines(real).items()}
    assert list(made) == [TRIGRAMS, LETTERS]
    known = {text[i : i + 3] for text in real.columns["text"] for i in range(len(text) - 2)}
    share = {k: np.mean([t[i : i + 3] in known for t in v for i in range(len(t) - 2)]) for k, v in made.items()}
    assert share[TRIGRAMS] == 1.0 and share[LETTERS] < 0.5
    assert {text[0] for text in made[TRIGRAMS]} <= {"t", "a"}  # records begin and end as real ones do
    assert {text[-1] for text in made[TRIGRAMS]} <= {"t", "r", "d"}


@pytest.mark.parametrize("order", [0, 1, 2])
def test_bits_per_byte_are_those_of_the_source(order):
    source = RNG.choice(list(b"abcd"), p=[0.5, 0.25, 0.125, 0.125], size=50_000).astype(np.uint8).tobytes()
    assert bits_per_byte(source[:40_000], source[40_000:], order=order) == pytest.approx(1.75, abs=0.03)
    assert bits_per_byte(source, b"zz" * 100, order=order) > 8
    assert bits_per_byte(b"abc" * 5000, b"abc" * 100, order=order) == pytest.approx(
        np.log2(3) if not order else 0, abs=0.01
    )
