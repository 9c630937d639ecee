"""BERTScore: closed forms of the matching, what it rises with, bad input."""

import numpy as np
import pytest
import torch

from genwright.errors import DataError
from genwright.extractors.embedding import TextEncoder
from genwright.metrics.bertscore import bert_baseline, bert_score, greedy_match
from genwright.metrics.references import bleu

REFERENCES = [
    "The committee approved the new budget on Friday.",
    "Heavy rain flooded several streets in the old town.",
    "She bought a second-hand bicycle for her daughter.",
    "The scientists measured the temperature of the lake.",
]
PARAPHRASES = [
    "On Friday the panel accepted the new spending plan.",
    "Several roads in the old city were under water after strong rainfall.",
    "She purchased a used bike for her girl.",
    "The researchers recorded how warm the lake was.",
]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


def test_greedy_match_by_hand():
    reference, hypothesis = torch.tensor([[1.0, 0], [0, 2], [3, 4]]), torch.tensor([[5.0, 0], [0, 1]])
    match = greedy_match(reference, hypothesis, weights=(torch.tensor([1.0, 1, 2]), torch.ones(2)))
    assert match.recall == pytest.approx((1 + 1 + 2 * 0.8) / 4) and match.precision == pytest.approx(1)
    assert match.f1 == pytest.approx(2 * 0.9 / 1.9)


def test_meaning_counts_where_words_do_not(encoder):
    same, meant = (bert_score(REFERENCES, each, encoder=encoder)[2] for each in (REFERENCES, PARAPHRASES))
    unrelated = bert_score(REFERENCES, PARAPHRASES[1:] + PARAPHRASES[:1], encoder=encoder)[2]
    assert same.value == pytest.approx(1, abs=1e-5) and same.value > meant.value > unrelated.value + 0.2
    assert bleu(REFERENCES, PARAPHRASES).value < 15
    baseline = bert_baseline(REFERENCES, encoder=encoder)
    rescaled = bert_score(REFERENCES, PARAPHRASES, encoder=encoder, baseline=baseline)[2]
    assert rescaled.value == pytest.approx((meant.value - baseline.f1) / (1 - baseline.f1))
    assert "rescaled" in rescaled.signature and "L6" in meant.signature and "no-idf" in meant.signature
    assert meant.interval[0] < meant.value < meant.interval[1] and len(meant.replicates.real) == 4


def test_falls_with_damage(encoder):
    rng = np.random.default_rng(0)
    values = []
    for share in (0, 0.25, 0.5, 0.75):
        damaged = [" ".join("thing" if rng.random() < share else w for w in text.split()) for text in REFERENCES * 3]
        values.append(bert_score(REFERENCES * 3, damaged, encoder=encoder)[2].value)
    assert values == sorted(values, reverse=True)


def test_several_references_and_idf(encoder):
    rows = [[text, other] for text, other in zip(REFERENCES, PARAPHRASES, strict=True)]
    assert bert_score(rows, PARAPHRASES, encoder=encoder)[2].value == pytest.approx(1, abs=1e-5)
    weighted = bert_score(REFERENCES, PARAPHRASES, encoder=encoder, weighting="idf")[2]
    plain = bert_score(REFERENCES, PARAPHRASES, encoder=encoder)[2]
    assert weighted.value != plain.value and ", idf" in weighted.signature
    with pytest.raises(DataError, match="idf weight is 0"):
        bert_score(["the cat"], ["the cat"], encoder=encoder, weighting="idf")


def test_odd_texts(encoder):
    scores = bert_score(["", "a b", "x", "日本語 😀"], ["a", "  ", "x", "日本語 😀"], encoder=encoder)
    assert [score.value for score in scores] == pytest.approx([0.5] * 3, abs=1e-5)
    long = bert_score(["word " * 20_000], ["word " * 20_000], encoder=encoder)[2]
    assert long.value == pytest.approx(1, abs=1e-5) and "2 texts were cut at 256 tokens" in long.note
    assert long.interval is None
    for references, hypotheses in (([], []), (["a"], ["a", "b"]), ("a", ["a"])):
        with pytest.raises(DataError):
            bert_score(references, hypotheses, encoder=encoder)
    with pytest.raises(DataError, match="at least 2"):
        bert_baseline(["a"], encoder=encoder)
