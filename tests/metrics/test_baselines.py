"""Baselines know single columns, pixels or letters and nothing else; a model that they equal is of no use."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from sklearn.datasets import load_digits

import genwright as gw
from genwright.metrics.baselines import INDEPENDENT, LETTERS, MEANS, PIXELS, TRIGRAMS, bits_by_counts, unusable
from genwright.metrics.evaluate import evaluate
from genwright.metrics.kinds import baselines
from genwright.report.reading import read_all, verdict
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


def test_bits_per_byte_by_counts_are_those_of_the_source():
    source = RNG.choice(list("abcd"), p=[0.5, 0.25, 0.125, 0.125], size=50_000)
    parts = "".join(source[:40_000]), "".join(source[40_000:])
    found, _ = bits_by_counts(parts[:1], parts[1:], running=True)
    assert found == pytest.approx(np.full(len(found), 1.75), abs=0.03)
    assert bits_by_counts(parts[:1], ["zz" * 100], running=True)[0][-1] > 8
    names = ["anna", "otto", "hannah", "bob"] * 50
    ended, _ = bits_by_counts(names, names[:4], running=False)  # each of four names, and its end
    assert ended[-1] == pytest.approx(8 / (5 + 5 + 7 + 4), abs=0.05)


def test_a_model_of_text_has_to_beat_an_n_gram_model_and_that_one_letters():
    words, rng = [f"{a}{b}" for a in ("ka", "lo", "mi") for b in ("ran", "ton", "vil", "sus")], np.random.default_rng(0)
    data = texts([" ".join(rng.choice(words, 4)) for _ in range(300)])
    weak = gw.fit(data, family=gw.Autoregressive(width=16, depth=1), steps=2)
    counted = gw.fit(data, family=gw.NGram(), steps=1)
    for model, beaten in ((weak, True), (counted, False)):
        sides = {"real": data.test, "train": data.train, "generator": model}
        found = evaluate(model.sample(20, seed=0), **sides, only=["bits per byte", "perplexity per word"])
        score = found["bits per byte"]
        assert bool(unusable(found.scores)) is beaten and "by n-grams of" in score.note
        assert verdict(read_all(found.scores), unseen=300).summary.startswith("Unusable") is beaten
        assert "an n-gram model" in verdict(read_all(found.scores), unseen=300).summary or not beaten
        unseen = data.test.columns["text"]
        by_word = 2 ** (score.value * sum(len(text) + 1 for text in unseen) / (4 * len(unseen)))
        assert found["perplexity per word"].value == pytest.approx(by_word)
    floor, _ = bits_by_counts(data.train.columns["text"].tolist(), unseen.tolist(), running=False)
    assert score.value == pytest.approx(floor[-1], abs=0.05) and score.baseline == pytest.approx(floor[0])
