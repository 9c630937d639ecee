"""evaluate: the right metrics for each kind of data, floors beside them, notes for what is not measured."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from genwright.data.dataset import Dataset, Number
from genwright.errors import ArgumentError, DataError
from genwright.metrics import judges
from genwright.metrics.evaluate import Evaluation, evaluate, headline
from tests.metrics.records import images, independent, table, texts
from tests.metrics.test_text import prose


def names(evaluation: Evaluation) -> set[str]:
    return {score.name for score in evaluation.scores}


def assert_same(every: Evaluation, fake: Dataset, real: Dataset, train: Dataset, *, only: list[str]) -> None:
    """Only the scores that are asked for are found, and they are the same."""
    some = evaluate(fake, real=real, train=train, only=only)
    assert {score.name for score in some.scores} == set(only)
    assert all(some[each] == every[each] for each in only)


SCORES_OF_TABLES = {
    *("C2ST", "C2ST cross-entropy", "shape error", "trend error", "mutual information error", "logistic C2ST"),
    "largest dependence error",
    *("alpha-precision", "beta-recall", "TSTR gap"),
    *("distance to closest record", "C_T", "near copies", "nearest training row", "exact copies"),
}


def test_tables():
    train, real = table(400), table(150, seed=1)
    good = evaluate(table(150, seed=2), real=real, train=train)
    bad = evaluate(independent(train, 150), real=real, train=train, only=["C2ST"])
    assert names(good) == SCORES_OF_TABLES
    assert all(score.floor is not None and score.interval is not None for score in good.scores)
    assert {score.group for score in good.scores} == {"fidelity", "diversity", "utility", "novelty"}
    assert headline(good).name == "C2ST" and headline(good).value > headline(bad).value
    assert not good.notes
    assert_same(good, table(150, seed=2), real, train, only=["trend error", "exact copies"])
    assert json.loads(json.dumps(good.to_json(), allow_nan=False))["scores"][0]["name"] == "C2ST"


def test_small_tables_say_what_was_not_measured():
    result = evaluate(table(30), real=table(30, seed=1))
    assert {"C2ST", "shape error", "trend error"} <= names(result) and "alpha-precision" not in result
    assert headline(result).name == "C2ST" and "random forest" in headline(result).signature
    assert any(note.startswith("alpha-precision not measured") for note in result.notes)
    with pytest.raises(ArgumentError, match="no score called 'alpha-precision'"):
        result["alpha-precision"]
    with pytest.raises(DataError, match="too few to evaluate"):
        evaluate(table(5), real=table(30))


def test_fields_that_do_not_match():
    real = table(30)
    with pytest.raises(DataError, match="lacks 'size', 'day'"):
        evaluate(table(30).select(["x", "y", "label"]), real=real)
    wider = table(30, seed=1)
    wider = Dataset((*wider.fields, Number("extra")), {**wider.columns, "extra": np.zeros(30)})
    assert any("extra" in note for note in evaluate(wider, real=real).notes)


def test_images():
    digits = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    data = images(digits.images[order][..., None].astype(np.uint8), digits.target[order])
    train, real, fake = (data.take(slice(a, b)) for a, b in ((0, 1000), (1000, 1200), (1200, 1400)))
    result = evaluate(fake, real=real, train=train)
    assert {"Frechet distance", "kernel distance", "precision", "recall", "density", "coverage"} <= names(result)
    assert {"label agreement", "nearest training image", "exact copies", "Vendi score", "Inception Score"} <= names(
        result
    )
    assert {"Frechet distance (pca)", "Frechet distance (random)", "C_T", "near copies", "authenticity"} <= names(
        result
    )
    assert all(score.floor is not None for score in result.scores)
    assert headline(result).name == "C2ST" and headline(result).value > 0.8
    assert result["Frechet distance"].value < 0.3
    assert_same(result, fake, real, train, only=["kernel distance", "recall", "exact copies"])
    copies = ["nearest training image", "exact copies"]
    copier = evaluate(train.take(slice(0, 200)), real=real, train=train, only=copies)
    assert copier["nearest training image"].value > 0.99 and copier["exact copies"].value == 100


def test_texts():
    train, real, fake = (texts([prose(80, seed=k + s) for s in range(30)]) for k in (0, 1000, 2000))
    result = evaluate(fake, real=real, train=train)
    assert names(result) == {
        *(
            "C2ST",
            "C2ST cross-entropy",
            "byte 4-gram divergence",
            "distinct-1",
            "distinct-2",
            "distinct-3",
            "self-BLEU",
            "seq-rep-4",
        ),
        *("repetition rate", "compression ratio", "longest copied run"),
        *("copied passages", "copied 32-byte runs", "copied 8-word runs"),
    }
    assert any(note.startswith("lexical coherence not measured") for note in result.notes)  # prose() has no sentences
    assert all(score.floor is not None for score in result.scores)
    assert headline(result).name == "C2ST" and headline(result).interval[1] == 1.0
    assert_same(result, fake, real, train, only=["distinct-1", "byte 4-gram divergence"])
    copier = evaluate(train, real=real, train=train, only=["longest copied run", "copied passages"])
    assert "copied" in copier["longest copied run"].note and copier["copied passages"].note.startswith("copies: 30")


def test_few_long_and_empty_texts():
    train, real = texts([prose(4000)]), texts([prose(1000, seed=1)])
    result = evaluate(texts([prose(1000, seed=2)]), real=real, train=train)
    assert headline(result).floor is not None
    assert {note.split(" not measured")[0] for note in result.notes} == {
        *("C2ST", "repetition rate", "lexical coherence"),
    }
    with pytest.raises(DataError, match="nothing could be measured"):
        evaluate(texts(["", ""]), real=real, train=train)


def test_no_score_is_begun_after_the_time_is_over_and_each_left_out_is_named():
    train, real, fake = table(400), table(150, seed=1), table(150, seed=2)
    found = evaluate(fake, real=real, train=train, seconds=0.0)
    assert names(found) == {"C2ST", "C2ST cross-entropy"}  # there is always something to tell by
    late = [note.partition(" not measured")[0] for note in found.notes if "the time for scoring was over" in note]
    assert set(late) | names(found) == SCORES_OF_TABLES


def test_the_floor_of_tstr_trains_on_as_many_other_rows_as_the_score(monkeypatch):
    train, real, fake = table(1000), table(150, seed=1), table(120, seed=2)
    honest, sets = judges.tstr_gap, []

    def watched(first, second, **rest):
        sets.append((first, second))
        return honest(first, second, **rest)

    monkeypatch.setattr(judges, "tstr_gap", watched)
    [score] = evaluate(fake, real=real, train=train, only=["TSTR gap"]).scores
    one, other = sets[1]
    assert score.n == len(one) == len(other) == 120
    assert not set(one.columns["x"]) & set(other.columns["x"])
    assert score.floor == honest(one, other, test=real, refits=0).value
