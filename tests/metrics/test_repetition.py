"""Repetition scores: closed forms, what they rise with, fixed lengths, bad input."""

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.errors import DataError
from genwright.metrics.repetition import (
    compression_ratio,
    rate_of_repetition,
    repetition_rate,
    self_bleu,
    self_bleus,
    seq_rep,
)

VOCABULARY = [f"w{i}" for i in range(40)]


def prose(texts, words, *, seed=0, looped=0.0):
    """Words by a Zipf distribution; a share of texts says one phrase over and over."""
    rng = np.random.default_rng(seed)
    law = 1 / np.arange(1, 41) ** 1.5
    out = []
    for i in range(texts):
        drawn = rng.choice(VOCABULARY, size=words, p=law / law.sum())
        out.append(" ".join(np.resize(drawn[:5], words) if i < looped * texts else drawn))
    return out


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=7), min_size=2, max_size=6))
def test_self_bleu_is_that_of_sacrebleu(segments):
    metric = sacrebleu.BLEU(tokenize="none", effective_order=True)
    lines = [" ".join(segment) for segment in segments]
    theirs = [metric.sentence_score(line, lines[:i] + lines[i + 1 :]).score for i, line in enumerate(lines)]
    assert np.allclose(self_bleus([tuple(segment) for segment in segments]), theirs, atol=1e-9)


@pytest.mark.parametrize("metric", [self_bleu, seq_rep, repetition_rate, compression_ratio])
def test_rises_with_repetition(metric):
    real = prose(25, 220)
    values = [metric(real, prose(25, 220, seed=1, looped=share)).value for share in (0, 0.25, 0.5, 0.75, 1)]
    assert values == sorted(values) and values[-1] > 1.2 * values[0]
    honest = metric(real, prose(25, 220, seed=1))
    low, high = honest.interval
    assert low < honest.value < high and low - (high - low) < honest.floor < high + (high - low)
    assert len(honest.replicates.fake) >= 5 and not honest.replicates.real


@pytest.mark.parametrize("metric", [self_bleu, seq_rep, repetition_rate, compression_ratio])
def test_does_not_depend_on_how_much_text_there_is(metric):
    few, many = prose(8, 800), prose(32, 800, seed=1)
    one, other = metric(many, few), metric(few, many)
    assert abs(one.value - one.floor) < 0.1 * one.floor and abs(other.value - other.floor) < 0.1 * other.floor


def test_closed_forms():
    assert rate_of_repetition([tuple("abcabc"), tuple("abcabc")]) == pytest.approx((3 / 3 * 2 / 3 * 1 / 3 * 0) ** 0.25)
    assert rate_of_repetition([tuple("abcabcab")]) == pytest.approx((1 * 1 * 1 * 2 / 3) ** 0.25)
    text = ["a b c d a b c d"]
    assert seq_rep(text, text, n=4, words=8).value == pytest.approx(1 - 4 / 5)
    assert self_bleus([tuple("abcd"), tuple("abcd"), tuple("wxyz")])[:2] == pytest.approx([100, 100])


def test_bad_input():
    for metric in (self_bleu, seq_rep, repetition_rate, compression_ratio):
        for real, fake in (([""], [""]), (prose(9, 300), ["one"]), ([], []), (prose(9, 300), [""])):
            with pytest.raises(DataError):
                metric(real, fake)
    with pytest.raises(DataError, match="no others"):
        self_bleus([("a",)])
    assert self_bleu(["日本語 😀 " * 100], ["日本語 😀 " * 100]).value == pytest.approx(100)
    assert seq_rep(prose(1, 300), prose(1, 300)).interval is None
