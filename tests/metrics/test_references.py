"""Scores against reference texts: closed forms, intervals, bad input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.errors import DataError
from genwright.metrics.references import _in_common, _rows_of_lcs, bleu, chrf, rouge, rouge_tokenizer, ter

WORDS = ("the", "of", "and", "to", "in", "a", "king", "his", "my", "lord", "that", "with", "not", "shall", "be", "for")


def sentences(n, *, seed=0, words=12):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=words)) for _ in range(n)]


def damaged(texts, share, *, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join("x" if rng.random() < share else word for word in text.split()) for text in texts]


def every(references, hypotheses, **about):
    return [bleu(references, hypotheses, **about), chrf(references, hypotheses, **about),
            ter(references, hypotheses, **about), *rouge(references, hypotheses, **about)]  # fmt: skip


def test_perfect_and_hopeless_hypotheses():
    references = sentences(30)
    best, worst = every(references, references), every(references, ["zzz qqq"] * 30)
    assert [score.value for score in best] == [100, 100, 0, 1, 1, 1, 1]
    assert all(score.value < 3 for score in worst if score.name != "TER") and worst[2].value == 100


def test_scores_fall_with_damage():
    references = sentences(30)
    values = np.array([[s.value for s in every(references, damaged(references, d))] for d in (0, 0.2, 0.4, 0.6, 0.8)])
    directions = np.array([1 if s.direction == "lower" else -1 for s in every(references, references)])
    assert (np.diff(values, axis=0) * directions > 0).all()


@pytest.mark.parametrize("metric", [bleu, chrf])
def test_interval_is_as_wide_as_the_spread_between_corpora(metric):
    scores = []
    for seed in range(40):
        references = sentences(40, seed=seed)
        scores.append(metric(references, damaged(references, 0.3, seed=1000 + seed)))
    half = np.mean([s.interval[1] - s.interval[0] for s in scores]) / 2 / 2.09  # Student's 97.5 % at 19 degrees
    assert 0.75 < half / np.std([s.value for s in scores]) < 1.35
    assert all(len(s.replicates.real) == 20 and not s.replicates.fake for s in scores)


def test_two_systems_are_compared_pair_by_pair():
    references = sentences(200)
    a, b = (chrf(references, damaged(references, share, seed=1)) for share in (0.3, 0.32))
    apart = np.array(a.replicates.real) - np.array(b.replicates.real)
    paired = np.sqrt(19 / 20 * np.sum((apart - apart.mean()) ** 2))
    assert paired < 0.7 * np.hypot(a.replicates.error, b.replicates.error)


def test_several_references_take_the_best():
    assert rouge([["a b c d", "w x y z"]], ["w x y z"])[0].value == 1
    assert bleu([["a b c d", "w x y z"], ["a b c d"]], ["w x y z", "a b c d"]).value == 100


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_longest_common_subsequence_by_brute_force(a, b):
    def within(short, long):
        rest = iter(long)
        return all(letter in rest for letter in short)

    longest = max(n for n in range(len(a) + 1) for s in itertools.combinations(a, n) if within(s, b))
    assert len(b) - _rows_of_lcs(a, b)[-1].bit_count() == longest
    found = [a[i] for i in sorted(_in_common(a, b))]
    assert len(found) == longest and within(found, b)


def test_other_scripts():
    russian = ["быстрая лиса прыгает через собаку"]
    with pytest.raises(DataError, match="lose 100% of the letters"):
        rouge(russian, russian)
    assert [s.value for s in rouge(russian, russian, tokenizer="unicode words")] == [1, 1, 1, 1]
    assert rouge_tokenizer("unicode words")("हिन्दी 漢字, ok") == ["हिन्दी", "漢", "字", "ok"]
    assert "loses" in rouge(["déjà vu in the cafe of the town"], ["deja vu"])[0].note
    assert "does not split" in bleu(["敏捷的棕色狐狸"], ["敏捷的棕色狐狸"]).note
    assert bleu(["敏捷的棕色狐狸"], ["敏捷的棕色狐狸"], tokenizer="char").note == ""
    assert bleu(["😀 🎉 a b c"], ["😀 🎉 a b c"]).value == 100


def test_bad_input():
    for references, hypotheses in (([], []), (["a"], ["a", "b"]), ("a", ["a"]), (["a"], "a"), ([[]], ["a"])):
        with pytest.raises(DataError):
            bleu(references, hypotheses)
    assert [s.value for s in every(["a b c d"], [""])] == [0, 0, 100, 0, 0, 0, 0]
    assert bleu(["a b c d"], ["a b c d"]).interval is None
    with pytest.raises(DataError, match="too long for TER"):
        ter(["a " * 600], ["b"])


def test_long_texts_take_seconds():
    long = [" ".join(sentences(1, words=20_000))]
    assert len(long[0]) > 70_000
    assert rouge(long, damaged(long, 0.1))[2].value > 0.85
    assert 60 < bleu(long, damaged(long, 0.1)).value < 90
