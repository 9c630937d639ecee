"""A judge for every kind of data: real records cannot be told apart, and damaged ones are."""

import random
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits

import genwright as gw
from genwright.data.dataset import Dataset, Text
from genwright.errors import DataError
from genwright.metrics.image_judges import statistics
from genwright.metrics.judging import CROSS_ENTROPY, judged
from genwright.metrics.text_judges import text_looks
from tests.metrics.records import images, table, texts

DIGITS = load_digits()
ORDER = np.random.default_rng(0).permutation(1797)


def digits(rows: slice, spoil=lambda x: x) -> Dataset:
    pixels = DIGITS.images[ORDER[rows]]
    return images(np.clip(spoil(pixels), 0, 16).round().astype(np.uint8)[..., None], DIGITS.target[ORDER[rows]])


REAL = digits(slice(0, 120))


@pytest.mark.parametrize(
    ("spoil", "low", "high"),
    [
        (lambda x: x, 0.75, 1.0),
        (lambda x: gaussian_filter(x, (0, 0.5, 0.5)), 0.0, 0.05),
        pytest.param(lambda x: 0.95 * x, 0.0, 0.1, marks=pytest.mark.slow),
        pytest.param(lambda x: x + np.random.default_rng(0).normal(0, 0.8, x.shape), 0.0, 0.5, marks=pytest.mark.slow),
        (lambda x: x[:, :, ::-1], 0.0, 0.3),
        pytest.param(lambda x: 0 * x + x.mean(0), 0.0, 0.01, marks=pytest.mark.slow),
    ],
    ids=["real", "slightly blurred", "darker", "noisy", "mirrored", "mean"],
)
def test_images(spoil, low, high):
    score, doubt = judged(REAL, digits(slice(120, 240), spoil))
    assert low <= score.value <= high and score.interval[0] <= score.value <= score.interval[1]
    assert (score.interval[1] == 1.0) == (doubt.interval[1] == 1.0) == (low > 0.5)
    assert "boosted trees" in score.note and "convolutional network" in score.note and score.n == 120


@pytest.mark.parametrize("channels", [3, 4])
def test_every_channel_of_a_picture_is_looked_at(channels):
    x = torch.rand(12, channels, 9, 7, generator=torch.Generator().manual_seed(0))
    seen = [statistics(torch.cat([x[:, :k], 0 * x[:, k:]], 1)) for k in range(channels + 1)]
    assert all(np.isfinite(each).all() for each in seen)
    assert all((a != b).any() for a, b in pairwise(seen))


def test_the_cross_entropy_tells_the_bad_from_the_worse_where_the_auc_cannot():
    moved = {
        shift: replace(data, columns={**data.columns, "x": data.columns["x"] + shift})
        for shift, data in ((3.5, table(200, seed=1)), (9.0, table(200, seed=1)))
    }
    near, far = (judged(table(200), moved[shift]) for shift in (3.5, 9.0))
    assert near[0].value < 0.1 and far[0].value < 0.01
    assert near[1].name == CROSS_ENTROPY and near[1].value > 2 * far[1].value


def sentences(n: int, seed: int, subject: str = "cat") -> list[str]:
    rng = random.Random(seed)
    nouns, verbs = ["dog", "bird", "king", "moon", subject], ["sees", "hears", "loves", "finds"]
    return [
        " ".join(f"The {rng.choice(nouns)} {rng.choice(verbs)} a {rng.choice(nouns)}." for _ in range(5))
        for _ in range(n)
    ]


def scrambled(text: str, seed: int) -> str:
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


def test_records_of_text():
    real, fake = sentences(100, 0), sentences(100, 1)
    assert judged(texts(real), texts(fake))[0].value > 0.75
    assert judged(texts(real), texts([scrambled(text, i) for i, text in enumerate(fake)]))[0].value < 0.05
    with pytest.raises(DataError, match="10 records of each set, has 9"):
        judged(texts(real), texts(fake[:9]))


@pytest.mark.slow
def test_running_text_is_not_told_by_its_subject():
    def running(values):
        rows = ["\n".join(values[i : i + 20]) + "\n" for i in range(0, len(values), 20)]
        return Dataset((Text("text", running=True),), {"text": np.array(rows, dtype=object)})

    train, unseen, fake = sentences(160, 0), sentences(80, 1, subject="queen"), sentences(160, 2)
    by_subject, by_style = (judged(running(unseen), running(fake), train=t)[0] for t in (None, running(train)))
    assert by_subject.value < 0.1 and by_style.interval[1] > 0.75
    worse = running([scrambled(text, i) for i, text in enumerate(fake)])
    assert judged(running(unseen), worse, train=running(train))[0].value < 0.1


def test_letters_given_the_four_before_are_told_from_unseen_text():
    source = "".join(gw.read("python-stdlib").columns["text"])[:300_000]
    following, rng = defaultdict(list), random.Random(0)
    for i in range(4, 200_000):
        following[source[i - 4 : i]].append(source[i])

    def written():
        text = source[(place := rng.randrange(190_000)) : place + 4]
        while len(text) < 304:
            text += rng.choice(following[text[-4:]] or [" "])
        return text[4:]

    def running(rows):
        return Dataset((Text("text", running=True),), {"text": np.array(rows, dtype=object)})

    blocks = [source[i : i + 300] for i in range(200_000, 260_000, 300)]
    train, unseen = running([source[:200_000]]), running(blocks[::2])
    [_, fake] = text_looks(unseen, running([written() for _ in range(100)]), train=train)
    [_, real] = text_looks(unseen, running(blocks[1::2]), train=train)
    assert fake.auc > 0.8 and abs(real.auc - 0.5) < 2 * real.error(seed=0)
