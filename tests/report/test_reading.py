"""What scores are said to mean: by the spread of the floor, the baseline and the judge, never by fixed distances."""

from dataclasses import replace

import pytest

from genwright.report.reading import read, read_all, verdict
from genwright.scores.score import Score


def score(name, value, half, *, floor, direction="higher", baseline=None, group="fidelity", error=None):
    return Score(
        name=name,
        value=value,
        direction=direction,
        n=500,
        signature=name,
        interval=None if half is None else (value - half, value + half),
        floor=floor,
        floor_error=error,
        baseline=baseline,
        group=group,
    )


SEEN = score("C2ST", 0.10, 0.05, floor=0.97, baseline=0.0)
UNSEEN = score("C2ST", 0.95, 0.05, floor=0.97, baseline=0.2)


@pytest.mark.parametrize(
    ("value", "half", "error", "grade"),
    [
        (0.06, 0.02, 0.01, "good"),  # at the floor
        (0.085, 0.02, 0.01, "good"),  # above it, by less than both vary
        (0.09, 0.02, 0.0, "fair"),  # the floor is known better
        (0.49, 0.10, 0.01, "fair"),  # heavy blur: far from the floor, and farther from the baseline
        (1.40, 0.10, 0.01, "poor"),
        (9.00, 0.10, 0.01, "poor"),
    ],
)
def test_the_grade_follows_from_the_spread_of_the_floor_and_the_baseline(value, half, error, grade):
    found = score("Frechet distance", value, half, floor=0.06, direction="lower", baseline=2.0, error=error)
    assert read(found).grade == grade
    scaled = replace(  # whatever the scale of the features
        found, value=100 * value, interval=(100 * (value - half), 100 * (value + half)), floor=6.0
    )
    assert read(replace(scaled, floor_error=100 * error, baseline=200.0)).grade == grade


def test_no_dot_is_better_than_the_judge_allows():
    perfect = score("precision", 0.9, 0.05, floor=0.9)
    off = score("shape error", 9.0, 0.5, floor=2.0, direction="lower")
    new = score("exact copies", 0.0, 0.0, floor=0.0, direction="lower", group="novelty", error=0.0)
    assert [r.grade for r in read_all([UNSEEN, perfect, off, new])] == ["good", "good", "fair", "good"]
    readings = read_all([SEEN, perfect, off, new])
    assert [r.grade for r in readings] == ["poor", "fair", "poor", "good"]
    assert readings[1].remark == "No difference here, but a classifier sees one."
    assert verdict(readings, unseen=500).summary.startswith("Far from real data: a classifier")
    assert "95 % of pairs" in verdict(readings, unseen=500).summary


def test_where_real_data_is_told_from_real_data_the_verdict_says_that_nothing_can_be_seen():
    told = score("C2ST", 0.012, 0.036, floor=0.164, baseline=0.0, error=0.08)  # one season from another
    near = score("shape error", 2.0, 0.5, floor=2.0, direction="lower")
    readings = read_all([told, near])
    assert [r.grade for r in readings] == ["fair", "fair"]
    summary = verdict(readings, unseen=500).summary
    assert summary.startswith("Told from real data in 99 % of pairs") and "in 92 % of pairs" in summary
    assert read(replace(told, floor=0.7, floor_error=0.1, interval=(0.6, 0.7), value=0.66)).grade == "good"


def test_a_model_that_its_baseline_equals_is_unusable_in_the_first_words():
    lost = score("C2ST", 0.24, 0.05, floor=0.97, baseline=0.25)
    assert verdict(read_all([lost]), unseen=500).summary.startswith("Unusable: no better than a baseline")
    better = score("C2ST", 0.70, 0.05, floor=0.97, baseline=0.25)
    assert verdict(read_all([better]), unseen=500).summary.startswith("Usable, with a measurable distance")
    independent = score("C2ST", 0.96, 0.05, floor=0.97, baseline=0.96)  # columns that are independent in truth
    assert verdict(read_all([independent]), unseen=500).summary.startswith("Not to be told")


@pytest.mark.parametrize(("bits", "grade"), [(5.09, "poor"), (3.3, "poor"), (2.4, "fact")])
def test_bits_per_byte_count_though_there_is_no_floor(bits, grade):
    found = score("bits per byte", bits, 0.02, floor=None, direction="lower", baseline=3.2, group="likelihood")
    readings = read_all([UNSEEN, found])
    assert readings[1].grade == grade
    assert verdict(readings, unseen=500).summary.startswith("Unusable" if grade == "poor" else "Not to be told")


def test_label_agreement_above_the_real_one_is_not_good_as_such():
    found = score("label agreement", 0.96, 0.01, floor=0.82, direction="target", baseline=0.1, error=0.01)
    assert read(found).grade == "fair"
    assert read(replace(found, value=0.83, interval=(0.81, 0.85))).grade == "good"
