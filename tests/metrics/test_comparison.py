"""Comparison: better ranks first and is told apart, equal is not, and the rule is said."""

import numpy as np
import pytest

from genwright.errors import ArgumentError, DataError
from genwright.metrics.comparison import compare, ranked
from genwright.metrics.evaluate import Evaluation
from genwright.metrics.intervals import Replicates
from genwright.metrics.score import Score
from tests.metrics.records import independent, table

REAL = table(300)


@pytest.fixture(scope="module")
def found():
    systems = {"shuffled": independent(REAL, 200, seed=3), "good": table(250, seed=1), "rival": table(200, seed=2)}
    return compare(systems, real=REAL, by="trend error")


def test_better_ranks_first_and_equals_cannot_be_told_apart(found):
    names = [name for name, _ in found.ranking]
    assert names[-1] == "shuffled" and set(found.best) == {"good", "rival"}
    assert found.rule == "trend error, lower is better"
    assert {frozenset(group) for group in found.together} == {frozenset({"good", "rival"}), frozenset({"shuffled"})}
    by_pair = {frozenset((pair.first, pair.second)): pair for pair in found.pairs}
    assert len(by_pair) == 3
    assert by_pair[frozenset({"good", "shuffled"})].adjusted_p < 0.01
    assert by_pair[frozenset({"good", "rival"})].adjusted_p > 0.05


def test_as_many_records_of_each_are_used(found):
    assert {score.n for _, score in found.ranking} == {200}


def test_json_holds_everything(found):
    told = found.to_json()
    assert [line["system"] for line in told["ranking"]] == [name for name, _ in found.ranking]
    assert (
        told["best"] == list(found.best) and len(told["pairs"]) == 3 and set(told["scores"]) == set(found.evaluations)
    )
    assert told["cannot_tell_apart"] == [[name for name, _ in found.ranking][:2]]


def test_the_headline_of_tables_is_c2st():
    systems = {"good": table(120, seed=1), "shuffled": independent(REAL, 120, seed=3)}
    found = compare(systems, real=REAL)
    assert found.rule == "C2ST, higher is better" and found.best == ("good",)


def test_one_system_few_records_and_unknown_scores_are_refused():
    good = table(100, seed=1)
    with pytest.raises(ArgumentError, match="1 systems"):
        compare({"a": good}, real=REAL)
    with pytest.raises(DataError, match="3 records are too few"):
        compare({"a": good, "b": good.take(slice(0, 3))}, real=REAL)
    with pytest.raises(ArgumentError, match="beauty"):
        compare({"a": good, "b": table(100, seed=2)}, real=REAL, by="beauty")


def evaluation(value, direction, *, floor=None):
    rng = np.random.default_rng(int(1000 * value))
    sides = Replicates((), tuple(value + 0.001 * rng.normal(size=20)))
    about = {"direction": direction, "n": 50, "signature": "", "floor": floor, "replicates": sides}
    return Evaluation((Score(name="C2ST", value=value, **about),))


@pytest.mark.parametrize(
    ("direction", "first"), [("lower", "low"), ("higher", "high"), ("target", "middle")]
)  # fmt: skip
def test_what_is_better_follows_the_direction(direction, first):
    values = {"low": 0.1, "middle": 0.5, "high": 0.9}
    found = ranked({name: evaluation(value, direction, floor=0.45) for name, value in values.items()})
    assert found.ranking[0][0] == first and found.best == (first,)


def test_scores_without_replicates_cannot_rank():
    bare = Evaluation((Score(name="C2ST", value=1.0, direction="higher", n=9, signature=""),), ("too few rows",))
    with pytest.raises(DataError, match="no score could be measured") as caught:
        ranked({"a": bare, "b": bare})
    assert caught.value.hint == "too few rows"
