"""Coherence falls, step by step, as more of the sentences of real prose are shuffled."""

import pydoc_data.topics

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import datasets

from genwright.errors import ArgumentError, DataError
from genwright.metrics.coherence import embedding_coherence, lexical_coherence, order_gain, split_sentences

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
TOPICS = [text for text in pydoc_data.topics.topics.values() if len(text) > 2000][::3]  # the Python reference
DESCRIPTIONS = [getattr(datasets, f"load_{name}")().DESCR for name in ("iris", "wine", "breast_cancer", "digits")]


def shuffled(texts, share, *, seed=1):
    """Texts with a share of their sentences in random order among themselves."""
    rng = np.random.default_rng(seed)
    out = []
    for text in texts:
        sentences = np.array(split_sentences(text), dtype=object)
        moved = np.flatnonzero(rng.random(len(sentences)) < share)
        sentences[moved] = sentences[rng.permutation(moved)]
        out.append("\n\n".join(sentences))
    return out


def test_lexical_coherence_falls_as_sentences_are_shuffled():
    scores = [lexical_coherence(TOPICS, shuffled(TOPICS, share)) for share in SHARES]
    assert spearmanr([score.value for score in scores], SHARES).statistic < -0.95
    assert scores[0].interval[0] > 0.015 and scores[-1].interval[1] < 0.5 * scores[0].value
    assert abs(scores[0].value - scores[0].floor) < 0.015 and len(scores[0].replicates.fake) == len(TOPICS)


@pytest.mark.slow  # with fewer passages the order of the scores is a matter of chance
def test_embedding_coherence_falls_as_sentences_are_shuffled():
    scores = [embedding_coherence(TOPICS, shuffled(TOPICS, share), passages=150) for share in (0, 0.5, 1)]
    values = [score.value for score in scores]
    assert values == sorted(values, reverse=True) and values[0] > 0.03 and abs(values[-1]) < 0.02


@pytest.mark.parametrize("metric", [lexical_coherence, pytest.param(embedding_coherence, marks=pytest.mark.slow)])
def test_another_kind_of_prose(metric):
    texts = [text[:2500] for text in DESCRIPTIONS]
    whole, mixed = (metric(texts, shuffled(texts, share), sentences=6, passages=8).value for share in (0, 1))
    assert whole > mixed


def test_saying_the_same_over_and_over_is_not_coherent():
    assert abs(lexical_coherence(TOPICS, ["The cat sat on the mat. " * 50] * 3).value) < 1e-9


def test_order_gain_is_zero_on_average_over_orders():
    x = np.random.default_rng(0).normal(size=(6, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    rng = np.random.default_rng(1)
    gains = [order_gain(x[rng.permutation(6)]) for _ in range(4000)]
    assert abs(np.mean(gains)) < 4 * np.std(gains) / np.sqrt(4000)


def test_other_scripts_and_bad_input():
    assert len(split_sentences("今日は雨が降っている。明日は晴れるだろう。")) == 2
    assert len(split_sentences("यह एक वाक्य है। यह दूसरा वाक्य है।")) == 2
    assert split_sentences("") == split_sentences("😀 🎉") == []
    for fake in ([], [""], ["One sentence is here."], ["x" * 100_000]):
        with pytest.raises(DataError, match="no generated text has 8 sentences"):
            lexical_coherence(TOPICS[:3], fake)
    with pytest.raises(ArgumentError, match="at least 3"):
        lexical_coherence(TOPICS[:3], TOPICS[:3], sentences=2)
    assert lexical_coherence(TOPICS[:3], TOPICS[:1]).interval is not None
