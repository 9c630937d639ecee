"""Text scores against the reference packages, whose values `benchmarks/parity/text.py` wrote down."""

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.parity.text import features, latin, small_roberta

from genwright.metrics.bertscore import bert_score
from genwright.metrics.embedding import TextEncoder
from genwright.metrics.mauve import mauve_of_features, mauve_of_histograms, quantise
from genwright.metrics.references import bleu, chrf, rouge, ter
from genwright.metrics.repetition import self_bleus

REFERENCE = json.loads(Path(__file__).with_name("reference").joinpath("text.json").read_text(encoding="utf-8"))
CASES = REFERENCE["cases"]
SEEDS = 5  # of our clusterings, against the mean over 20 of the reference's
ESTIMATORS = {"MAUVE": "plug-in", "MAUVE*": "krichevsky-trofimov"}


def cases(*metrics):
    found = [case for case in CASES if case["metric"].startswith(metrics)]
    assert len({case["data"] for case in found}) >= 2
    names = ("metric", "data", "nrefs", "tokenizer", "model", "layer", "weighting")
    return [pytest.param(case, id="-".join(str(case[name]) for name in names if name in case)) for case in found]


def texts(case, *, keep=lambda row: True):
    sides = REFERENCE["inputs"][case["data"]]
    pairs = [(row, h) for row, h in zip(sides["references"], sides["hypotheses"], strict=True) if keep(row)]
    nrefs = case.get("nrefs", 1)
    return [row[0] if nrefs == 1 else row[:nrefs] for row, _ in pairs], [hypothesis for _, hypothesis in pairs]


def agrees(case, value):
    assert case["kind"] == "abs"
    assert abs(value - case["value"]) <= case["tolerance"]


@pytest.mark.parametrize("case", cases("BLEU", "chrF", "TER"))
def test_sacrebleu(case):
    scorers = {
        "BLEU": bleu,
        "BLEU char": lambda *sides: bleu(*sides, tokenizer="char"),
        "chrF": chrf,
        "chrF++": lambda *sides: chrf(*sides, word_order=2),
        "TER": ter,
    }
    score = scorers[case["metric"]](*texts(case))
    agrees(case, score.value)
    theirs, version = case["signature"].rsplit("|version:", 1)
    assert theirs in score.signature and f"version:{version.split('.')[0]}." in score.signature


@pytest.mark.parametrize("case", cases("ROUGE"))
def test_rouge(case):
    references, hypotheses = texts(case, keep=lambda row: latin(row[0]))
    scores = {score.name: score for score in rouge(references, hypotheses, tokenizer=case["tokenizer"])}
    agrees(case, scores[case["metric"]].value)


@pytest.mark.parametrize("case", cases("self-BLEU"))
def test_self_bleu(case):
    agrees(case, float(self_bleus([tuple(text.split()) for text in texts(case)[1]]).mean()))


@pytest.fixture(scope="module")
def bert_scores(tmp_path_factory):
    """A function from a case to the three scores; each set of them is computed once."""
    encoders = {
        "MiniLM": TextEncoder(max_tokens=512),
        "small RoBERTa": TextEncoder(small_roberta(tmp_path_factory.mktemp("roberta")), max_tokens=128),
    }
    known = {}

    def scores(case):
        key = (case["data"], case["model"], case["layer"], case["weighting"])
        if key not in known:
            about = {"encoder": encoders[case["model"]], "layer": case["layer"], "weighting": case["weighting"]}
            known[key] = {score.name: score.value for score in bert_score(*texts(case), **about)}
        return known[key]

    return scores


@pytest.mark.parametrize("case", cases("BERTScore"))
def test_bert_score(case, bert_scores):
    agrees(case, bert_scores(case)[case["metric"]])


@pytest.mark.parametrize("case", [c for c in cases("MAUVE") if "histograms" in c.values[0]["metric"]])
def test_mauve_of_histograms(case):
    p, q = np.array(case["p"]), np.array(case["q"])
    agrees(case, mauve_of_histograms(p, q, estimator=ESTIMATORS[case["metric"].split()[0]]))


@pytest.fixture(scope="module")
def clustered():
    """For each data set the counts in cells of both sides, by seed of the clustering."""
    found = {}
    for data in ("Gaussians", "digits"):
        a, b = features(data, 0)
        k, both = round(min(len(a), len(b)) / 10), np.concatenate([a, b])
        labels = [quantise(both, cells=k, seed=seed) for seed in range(SEEDS)]
        found[data] = [
            (np.bincount(each[: len(a)], minlength=k), np.bincount(each[len(a) :], minlength=k)) for each in labels
        ]
    return found


@pytest.mark.parametrize("case", [c for c in cases("MAUVE") if "features" in c.values[0]["metric"]])
def test_mauve_of_features(case, clustered):
    estimator = ESTIMATORS[case["metric"].split()[0]]
    values = [mauve_of_histograms(p, q, estimator=estimator) for p, q in clustered[case["data"]]]
    agrees(case, float(np.mean(values)))
    whole = mauve_of_features(*features(case["data"], 0), features="raw", estimator=estimator).value
    assert whole == pytest.approx(values[0], abs=1e-12)
