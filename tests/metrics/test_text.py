"""Text scores against closed forms and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from genwright.errors import DataError
from genwright.metrics.perplexity import byte_counts, perplexity, word_counts
from genwright.metrics.runs import copied_runs
from genwright.metrics.text import bits_per_byte, distinct_n, jensen_shannon, longest_copied_run, ngram_divergence

WORDS = ("the", "of", "and", "to", "in", "a", "king", "his", "my", "lord", "that", "with", "not", "shall", "be", "for")


def prose(words: int, *, seed: int = 0) -> str:
    """Words from a small Markov chain."""
    rng = np.random.default_rng(seed)
    at, out = 0, []
    for _ in range(words):
        at = (at * 7 + int(rng.integers(1, 4))) % len(WORDS)
        out.append(WORDS[at])
    return " ".join(out)


def test_bits_per_byte_closed_form_and_interval():
    sizes = np.full(500, 100)
    assert np.isclose(bits_per_byte(np.full(500, -100 * np.log(256)), sizes, window="none").value, 8)
    rng = np.random.default_rng(0)
    scores = [bits_per_byte(-rng.gamma(50, 2, 100), rng.integers(50, 150, 100), window="none") for _ in range(200)]
    half = np.mean([(s.interval[1] - s.interval[0]) / 2 / 1.96 for s in scores])
    assert 0.85 < half / np.std([s.value for s in scores]) < 1.15
    for log_probs, counts in (([np.nan], [1]), ([-1.0], [1, 2]), ([-1.0], [0])):
        with pytest.raises(DataError):
            bits_per_byte(np.array(log_probs), np.array(counts), window="none")


def test_intervals_of_a_text_know_that_neighbours_are_alike():
    rng, halves, values = np.random.default_rng(0), {1: [], 8: []}, []
    for _ in range(60):
        bits = np.repeat(rng.normal(2.0, 0.5, 50), 6) * 100  # six blocks of a subject each
        for block, half in halves.items():
            score = bits_per_byte(-bits * np.log(2), np.full(300, 100), window="half", block=block)
            half.append((score.interval[1] - score.interval[0]) / 2 / 1.96)
        values.append(score.value)
    alone, together = (np.mean(half) / np.std(values) for half in halves.values())
    assert alone < 0.55 and 0.75 < together < 1.2


def test_jensen_shannon_agrees_with_scipy():
    rng = np.random.default_rng(0)
    p, q = rng.integers(0, 9, 50), rng.integers(0, 9, 50)
    assert np.isclose(jensen_shannon(p, q), jensenshannon(p, q, base=2) ** 2)
    assert jensen_shannon(p, p) < 1e-12


def test_ngram_divergence_grows_with_damage():
    real = [prose(60, seed=s) for s in range(40)]
    same = [prose(60, seed=1000 + s) for s in range(40)]
    rng = np.random.default_rng(0)
    letters = ["".join(rng.permutation(list(text))) for text in same]
    values = [ngram_divergence(real, fake).value for fake in (real, same, letters)]
    assert values[0] == 0 and values == sorted(values) and values[1] < 0.2 < values[2]
    score = ngram_divergence(real, same)
    assert score.interval[0] < score.value < score.interval[1]
    with pytest.raises(DataError, match="too few"):
        ngram_divergence(real, ["ab"])


def test_ngrams_do_not_cross_records():
    assert ngram_divergence(["abcd", "efgh"], ["efgh", "abcd"]).value == 0


def test_distinct_n_does_not_depend_on_length():
    long, short = [prose(6000)], [prose(600, seed=1)]
    score = distinct_n(long, short)
    assert abs(score.value - score.floor) < 0.05
    assert distinct_n(long, ["to be or not " * 200]).value < 0.05
    with pytest.raises(DataError, match="words"):
        distinct_n(long, [""])


@settings(max_examples=60, deadline=None)
@given(st.text("abé", max_size=60), st.lists(st.text("abé", max_size=30), max_size=4))
def test_copied_runs_are_the_longest(train, texts):
    source = train.encode()
    for text, (start, length) in zip(texts, copied_runs(texts, train), strict=True):
        raw = text.encode()
        assert raw[start : start + length] in source
        assert not any(raw[i : i + length + 1] in source for i in range(len(raw) - length))


def test_copied_passages_are_flagged_and_honest_text_is_not():
    train, held_out = prose(20_000), prose(5000, seed=1)
    honest = [prose(40, seed=100 + s) for s in range(40)]
    assert "copied" not in longest_copied_run(train, honest, held_out=held_out).note
    copies = [train[1000 * s : 1000 * s + 400] for s in range(40)]
    score = longest_copied_run(train, copies, held_out=held_out)
    assert score.value == 400 and score.floor < 150 and "copied" in score.note


def test_perplexity_closed_forms_and_interval():
    counts = np.full(50, 20)
    for base in (2, 256):
        score = perplexity(-20 * np.log(base) * np.ones(50), counts, unit="token", window="none")
        assert abs(score.value - base) < 1e-6 * base and np.allclose(score.interval, base)
    texts = ["to be or not to be", "that is"]
    nats, words, sizes = np.log([1e-6, 1e-3]), word_counts(texts), byte_counts(texts)
    assert words.tolist() == [6, 2] and sizes.tolist() == [18, 7]
    assert np.isclose(perplexity(nats, words, unit="word", window="none").value, 10 ** (9 / 8), rtol=1e-9)
    bits = bits_per_byte(nats, sizes, window="none")
    assert np.isclose(perplexity(nats, sizes, unit="byte", window="none").value, 2**bits.value, rtol=1e-9)
    rng = np.random.default_rng(0)
    scores = [
        perplexity(-rng.gamma(20, 2, 100), rng.integers(9, 15, 100), unit="word", window="half") for _ in range(200)
    ]
    half = np.mean([np.log(s.interval[1] / s.interval[0]) / 2 / 2.09 for s in scores])
    assert 0.85 < half / np.std([np.log(s.value) for s in scores]) < 1.15
    assert "half" in scores[0].signature and len(scores[0].replicates.real) == 20
    for log_probs, sizes in (([np.inf], [1]), ([-1.0], [1, 2]), ([-1.0], [0]), ([], [])):
        with pytest.raises(DataError):
            perplexity(np.array(log_probs), np.array(sizes, dtype=np.int64), unit="word", window="none")
