"""Comparison: better ranks first and is told apart, equal is not, and the rule is said."""

import re

import numpy as np
import pytest

from genwright.data.text import parse_text
from genwright.errors import ArgumentError, DataError
from genwright.metrics.amounts import fewest_bytes
from genwright.metrics.comparison import compare, ranked
from genwright.metrics.evaluate import Evaluation, evaluate
from genwright.scores.intervals import Replicates
from genwright.scores.multiple import difference
from genwright.scores.score import Score
from tests.metrics.records import independent, table
from tests.metrics.test_text import prose

REAL = table(300)


@pytest.fixture(scope="module")
def found():
    systems = {"shuffled": independent(REAL, 200, seed=3), "good": table(250, seed=1), "rival": table(200, seed=2)}
    lacking = {"narrow": table(200, seed=1).select(["x", "size"]), "few": table(5, seed=2)}
    return compare({**systems, **lacking}, real=REAL, by="trend error")


def test_a_baseline_stands_among_the_systems_and_what_equals_it_is_unusable(found):
    name, score = found.baseline
    assert name == "columns drawn independently" and [each for each, _ in found.board][-2:] == ["shuffled", name]
    assert score.value == pytest.approx(dict(found.ranking)["shuffled"].value, rel=0.1)
    assert found.unusable == ("shuffled",) and found.to_json()["baseline"]["name"] == name


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


def test_the_headline_of_tables_is_c2st(found):
    by_judge = ranked(found.evaluations)
    assert by_judge.rule == "C2ST, higher is better" and set(by_judge.best) == {"good", "rival"}


def test_one_system_few_records_and_unknown_scores_are_refused():
    good = table(100, seed=1)
    with pytest.raises(ArgumentError, match="1 systems"):
        compare({"a": good}, real=REAL)
    with pytest.raises(DataError, match="3 records are too few"):
        compare({"a": good, "b": good.take(slice(0, 3))}, real=REAL)
    with pytest.raises(ArgumentError, match="beauty"):
        ranked({name: evaluation(0.5, "lower") for name in "ab"}, by="beauty")


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
    with pytest.raises(DataError, match="fewer than two systems can be compared") as caught:
        ranked({"a": bare, "b": bare})
    assert "a: too few rows" in caught.value.what


def written(text: str, *, name: str, records: str):
    return parse_text(text.encode(), where=name, records=records)


@pytest.fixture(scope="module")
def texts():
    """One language as running text and as lines, its words scrambled, and a few bytes of it."""
    prosaic = [prose(1_500, seed=seed) for seed in range(3)]
    words = prosaic[2].split()
    scrambled = " ".join(np.random.default_rng(0).permutation(words))
    return {
        "running": written(prosaic[1], name="a", records="running"),
        "lines": written("\n".join(" ".join(words[i : i + 9]) for i in range(0, 1500, 9)), name="b", records="lines"),
        "scrambled": written(scrambled[:7_000], name="c", records="running"),
        "tiny": written("It was.", name="d", records="lines"),
    }


def test_texts_cut_otherwise_are_compared_by_equal_amounts_and_a_bad_one_is_left_out_alone(texts):
    found = compare(texts, real=written(prose(1_500, seed=5), name="real", records="running"))
    assert found.ranking[-1][0] == "scrambled" and "running" in found.best
    assert "tiny is left out: 8 bytes of text are too few to compare" in found.notes
    assert [pair.first for pair in found.pairs if pair.adjusted_p < 0.05] and len(found.pairs) == 3


def test_records_half_as_long_are_compared_by_equal_bytes(texts):
    lines = texts["lines"].columns["text"].tolist()
    whole, halves = (
        written("\n".join(each), name="x", records="lines")
        for each in (lines[:80], [line[: len(line) // 2] for line in lines[:80]])
    )
    real = written("\n".join(lines[80:]), name="real", records="lines")
    most, name = fewest_bytes({"whole": whole, "halves": halves}, real=real), "byte 4-gram divergence"
    assert most == sum(map(len, halves.columns["text"])) < sum(map(len, real.columns["text"])) // 2
    sizes = [evaluate(fake, real=real, only=[name], most_bytes=most)[name].signature for fake in (whole, halves)]
    grams = [int(re.search(r"\+(\d+) n-grams", size)[1]) for size in sizes]
    assert most - 3 * 40 - 3 <= grams[0] <= most and grams[1] == most - 3 * len(halves)


def test_scores_of_different_real_records_are_compared_as_if_independent():
    def score(value: float, real: int) -> Score:
        sides = Replicates(tuple(value + 0.1 * i for i in range(4)), tuple(value + 0.1 * i for i in range(5)))
        return Score(name="x", value=value, direction="higher", n=9, signature=f"x|p|n={real}+9|", replicates=sides)

    shared, apart = (difference(score(2.0, 50), score(1.0, real)) for real in (50, 60))
    assert shared[0] == apart[0] == 1.0
    one = score(2.0, 50).replicates.error
    assert (apart[1][1] - apart[1][0]) / 2 > 1.96 * np.sqrt(2) * one > (shared[1][1] - shared[1][0]) / 2


def test_a_system_that_lacks_a_column_or_rows_is_left_out_and_the_others_ranked(found):
    assert {name for name, _ in found.ranking} == {"good", "rival", "shuffled"}
    told = [note for note in found.notes if "is left out" in note]
    assert len(told) == 2 and "lacks 'y'" in " ".join(told) and "5 records are too few" in " ".join(told)
