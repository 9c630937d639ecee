"""Text scores against the reference packages, whose values `benchmarks/parity/text.py` wrote down."""

import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from benchmarks.parity.text import features, latin, small_roberta

from genwright.extractors.embedding import TextEncoder
from genwright.metrics.bertscore import bert_score
from genwright.metrics.mauve import mauve_of_features, mauve_of_histograms, quantise
from genwright.metrics.references import bleu, chrf, rouge, ter
from genwright.metrics.repetition import self_bleus

REFERENCE = json.loads(Path(__file__).with_name("reference").joinpath("text.json").read_text(encoding="utf-8"))
CASES = REFERENCE["cases"]
SEEDS = 5  # of our clusterings, against the mean over 20 of the reference's
ESTIMATORS = {"MAUVE": "plug-in", "MAUVE*": "krichevsky-trofimov"}


def texts(case, *, keep=lambda row: True):
    sides = REFERENCE["inputs"][case["data"]]
    pairs = [(row, h) for row, h in zip(sides["references"], sides["hypotheses"], strict=True) if keep(row)]
    nrefs = case.get("nrefs", 1)
    return [row[0] if nrefs == 1 else row[:nrefs] for row, _ in pairs], [hypothesis for _, hypothesis in pairs]


SACREBLEU = {
    "BLEU": bleu,
    "BLEU char": lambda *sides: bleu(*sides, tokenizer="char"),
    "chrF": chrf,
    "chrF++": lambda *sides: chrf(*sides, word_order=2),
    "TER": ter,
}


@cache
def by_sacrebleu(metric, data, nrefs):
    return SACREBLEU[metric](*texts({"data": data, "nrefs": nrefs}))


def of_sacrebleu(case):
    score = by_sacrebleu(case["metric"], case["data"], case.get("nrefs", 1))
    theirs, version = case["signature"].rsplit("|version:", 1)
    assert theirs in score.signature and f"version:{version.split('.')[0]}." in score.signature
    return score.value


@cache
def all_rouge(sides, tokenizer):
    return {score.name: score.value for score in rouge(*json.loads(sides), tokenizer=tokenizer)}


def of_rouge(case):
    sides = texts(case, keep=lambda row: latin(row[0]))
    return all_rouge(json.dumps(sides), case["tokenizer"])[case["metric"]]


def of_self_bleu(case):
    return float(self_bleus([tuple(text.split()) for text in texts(case)[1]]).mean())


@cache
def encoder(model):
    if model == "MiniLM":
        made = TextEncoder(max_tokens=512)
    else:
        with tempfile.TemporaryDirectory() as folder:
            made = TextEncoder(small_roberta(Path(folder)), max_tokens=128)
    states = cache(lambda tokens, layer: list(TextEncoder.token_states(made, tokens, layer=layer)))
    made.token_states = lambda tokens, *, layer: states(tuple(tokens), layer)  # the same for both weightings
    return made


@cache
def bert_scores(data, model, layer, weighting):
    about = {"encoder": encoder(model), "layer": layer, "weighting": weighting}
    return {score.name: score.value for score in bert_score(*texts({"data": data}), **about)}


def of_bert(case):
    return bert_scores(case["data"], case["model"], case["layer"], case["weighting"])[case["metric"]]


@cache
def clustered(data):
    """Counts in the cells of both sides, by seed of the clustering."""
    a, b = features(data, 0)
    k, both = round(min(len(a), len(b)) / 10), np.concatenate([a, b])
    labels = [quantise(both, cells=k, seed=seed) for seed in range(SEEDS)]
    return [(np.bincount(each[: len(a)], minlength=k), np.bincount(each[len(a) :], minlength=k)) for each in labels]


def of_mauve(case):
    estimator = ESTIMATORS[case["metric"].split()[0]]
    if "histograms" in case["metric"]:
        return mauve_of_histograms(np.array(case["p"]), np.array(case["q"]), estimator=estimator)
    return float(np.mean([mauve_of_histograms(*each, estimator=estimator) for each in clustered(case["data"])]))


MEASURES = {
    **dict.fromkeys(SACREBLEU, of_sacrebleu),
    **dict.fromkeys(("ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum"), of_rouge),
    "self-BLEU": of_self_bleu,
    **dict.fromkeys(("BERTScore precision", "BERTScore recall", "BERTScore F1"), of_bert),
    **dict.fromkeys(
        (f"{name} of {what}" for name in ESTIMATORS for what in ("histograms", "features")),
        of_mauve,
    ),
}


def difference(case) -> float:
    """How far we are from the frozen value."""
    return abs(MEASURES[case["metric"]](case) - case["value"])


@pytest.mark.parametrize("metric", MEASURES)
def test_agrees_with_its_reference(metric):
    cases = [case for case in CASES if case["metric"] == metric]
    assert len({case["data"] for case in cases}) >= 2
    for case in cases:
        assert difference(case) <= case["tolerance"], case


@pytest.mark.parametrize("data", ["Gaussians", "digits"])
def test_mauve_of_features_is_that_of_its_histograms(data):
    for estimator in ESTIMATORS.values():
        whole = mauve_of_features(*features(data, 0), features="raw", estimator=estimator).value
        assert whole == pytest.approx(mauve_of_histograms(*clustered(data)[0], estimator=estimator), abs=1e-12)
