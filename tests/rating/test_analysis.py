"""Analysis of studies whose truth is known: what was put in comes out, exclusions both ways, intervals hold."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from genwright.app.ratings import ratings
from genwright.errors import DataError
from genwright.rating.analysis import Analysis, analyse
from genwright.rating.bradley_terry import ELO
from genwright.rating.export import write_export
from genwright.rating.rankings import Answers, origin_ranking, scale_ranking
from genwright.rating.records import Study
from genwright.scores.multiple import difference
from tests.rating.simulated import Builder

STRENGTHS = {"real": 0.8, "a": 0.7, "b": -0.9}
FOOLING = {"real": 0.8, "a": 0.7, "b": 0.25}


@pytest.fixture(scope="module")
def study() -> Study:
    """Sixteen raters, one of whom always chooses left, and one who fails every check."""
    builder = Builder(STRENGTHS, raters=16, each=6, seed=1)
    builder.preferences(40, side=0.3).origins(FOOLING).scales()
    left, right = builder.stimuli[0].id, builder.stimuli[-1].id
    pair = {"kind": "pair", "question": "preference", "left": left, "right": right}
    for rater in ("lazy", "absent"):
        builder.raters.append(rater)
        for i in range(30):
            builder.add({**pair, "rater": rater}, "left" if rater == "lazy" or i % 2 else "right")
    for _ in range(3):
        builder.add({**pair, "rater": "absent", "role": "attention", "expected": "tie"}, "left")
    return builder.study(minimum_seconds=0.5)


@pytest.fixture(scope="module")
def analysis(study) -> Analysis:
    return analyse(study)


def test_known_strengths_are_recovered(analysis):
    ranking = analysis.kept.rankings["preference"]
    truth = {name: ELO * (s - np.mean(list(STRENGTHS.values()))) for name, s in STRENGTHS.items()}
    for system, score in ranking.measures["strength"].items():
        assert score.interval[0] - 20 < truth[system] < score.interval[1] + 20
        assert score.group == "human" and score.n == 640
    assert ranking.groups == (("real", "a"), ("b",)) or ranking.groups == (("a", "real"), ("b",))
    assert ranking.order[2] == "b"


def test_the_side_the_ties_and_the_floor_are_reported(analysis):
    ranking = analysis.kept.rankings["preference"]
    low, high = ranking.common["left side chosen"].interval
    assert 50 < low < 100 / (1 + np.exp(-0.3)) < high
    real = ranking.measures["strength"]["real"]
    assert real.floor is None and ranking.measures["strength"]["a"].floor == real.value
    against = ranking.measures["win rate against real"]
    assert set(against) == {"a", "b"} and against["b"].value < 30 and against["b"].floor == 50


def test_wins_are_those_of_the_fitted_strengths(analysis):
    ranking = analysis.kept.rankings["preference"]
    for pair in ranking.wins:
        assert pair.value > 0.5 and pair.interval[0] < pair.value < pair.interval[1]
    assert [pair.p for pair in ranking.wins] == [pair.p for pair in ranking.differences]


def test_real_or_generated(analysis):
    ranking = analysis.kept.rankings["real or generated"]
    called, told = ranking.measures["called real"], ranking.measures["told from real"]
    for system, share in FOOLING.items():
        assert called[system].interval[0] - 3 < 100 * share < called[system].interval[1] + 3
    assert called["b"].floor == called["real"].value
    assert told["b"].value == pytest.approx((100 + called["real"].value - called["b"].value) / 2)
    assert told["a"].value < told["b"].value
    assert ranking.common["told from real"].value == pytest.approx((told["a"].value + told["b"].value) / 2)


def test_scales(analysis):
    ranking = analysis.kept.rankings["coherence"]
    means = ranking.measures["coherence"]
    assert means["real"].value - means["b"].value == pytest.approx(1.7, abs=0.4)
    assert means["b"].floor == means["real"].value
    assert ranking.groups[-1] == ("b",)
    above = next(pair for pair in ranking.wins if {pair.first, pair.second} == {"real", "b"})
    assert above.value > 0.75 and above.adjusted_p < 0.001


def test_scores_share_raters_and_so_can_be_compared(analysis):
    """The level of a rater cancels: the difference of means is known better than either mean."""
    means = analysis.kept.rankings["coherence"].measures["coherence"]
    _, (low, high), p = difference(means["a"], means["b"])
    assert p < 1e-4 and high - low < np.ptp(means["a"].interval) * 1.2


def test_exclusions_are_applied_counted_and_reported_both_ways(analysis):
    assert analysis.exclusions.raters == {"lazy": ("always one side",), "absent": ("failed attention checks",)}
    assert (analysis.kept.raters, analysis.everything.raters) == (16, 18)
    assert analysis.everything.ratings - analysis.kept.ratings == 60
    written = analysis.to_json()
    assert written["exclusions"]["counts"]["always one side"] == 1
    assert written["after exclusions"]["raters"] == 16 and written["without exclusions"]["raters"] == 18
    json.dumps(written, allow_nan=False)


def test_agreement_is_low_where_raters_judge_by_chance_and_high_where_they_see_the_same(study):
    noisy = Builder(STRENGTHS, raters=6, each=10, seed=1).scales(spread=3.0)
    clear = Builder({"a": 2.0, "b": -2.0}, raters=6, each=10, seed=1).scales(spread=0.1)
    low, high = (analyse(each.study()).kept.agreement["coherence"] for each in (noisy, clear))
    assert low.value < 0.3 < 0.6 < high.value
    assert set(analyse(study).kept.agreement) == {"preference", "real or generated", "coherence"}


def test_self_consistency_and_times_by_kind():
    builder = Builder({"a": 1.0, "b": 0.0}, raters=4).preferences(10)
    for trial in builder.trials[::5]:
        swapped = {"left": trial.right, "right": trial.left, "role": "repeat", "repeats": trial.id}
        builder.add({"rater": trial.rater, "kind": "pair", "question": "preference", **swapped}, "left", seconds=9.0)
    findings = analyse(builder.study()).kept
    assert findings.consistency["pair"].n == 8
    assert findings.ratings == 40
    assert findings.seconds["pair"]["median"] == 3.0 and findings.seconds["pair"]["n"] == 48


def test_one_rater_gets_intervals_that_say_whom_they_speak_of():
    builder = Builder(STRENGTHS, raters=1, each=10).preferences(60).origins(FOOLING).scales()
    findings = analyse(builder.study()).kept
    for ranking in findings.rankings.values():
        assert any("one rater" in note for note in ranking.notes)
        assert all(score.interval is not None for score in ranking.scores)
    assert not findings.agreement and any("no agreement" in note for note in findings.notes)


def test_what_cannot_be_analysed_is_said():
    empty = Builder(STRENGTHS, raters=2).study()
    with pytest.raises(DataError, match="nobody has rated"):
        analyse(empty)
    same = Builder({"a": 0.0}, raters=2)
    pair = {"kind": "pair", "question": "preference", "left": same.stimuli[0].id, "right": same.stimuli[1].id}
    for rater in same.raters:
        same.add({**pair, "rater": rater}, "left")
    findings = analyse(same.study()).kept
    assert "no comparison of two different systems" in findings.notes[0] and not findings.rankings


def test_all_raters_left_out_leaves_the_other_analysis():
    builder = Builder(STRENGTHS, raters=3).preferences(20)
    found = analyse(builder.study(exclusions={"seconds": 10.0}))
    assert found.kept.raters == 0 and found.everything.raters == 3 and found.changed == ("preference",)


@pytest.mark.parametrize("kind", ["scale", "share", "accuracy"])
def test_intervals_cover_the_truth_with_raters_as_clusters(kind):
    """120 studies of 14 raters with levels and tastes; 93 to 97 % in the long run."""
    covered = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        rater, system = np.repeat(np.arange(14), 20), np.tile(np.arange(2), 140)
        if kind == "scale":
            value = 4 + rng.normal(size=14)[rater] + 0.5 * rng.normal(size=280)
            answers = Answers(systems=("a", "b"), system=system, rater=rater, value=value)
            score, truth = scale_ranking(answers, question="coherence", seed=0).measures["coherence"]["a"], 4.0
        else:
            leaning = rng.beta(9, 1, size=14) if kind == "share" else rng.beta(3, 3, size=14)
            value = (rng.uniform(size=280) < leaning[rater]).astype(float)
            ranking = origin_ranking(Answers(systems=("a", "real"), system=system, rater=rater, value=value), seed=0)
            score = ranking.measures["called real" if kind == "share" else "told from real"]["a"]
            truth = 90.0 if kind == "share" else 50.0
        covered += score.interval[0] <= truth <= score.interval[1]
    assert 0.89 <= covered / 120 <= 0.992


def test_the_command_line_analyses_exports_and_plans(study, tmp_path):
    study = replace(study, trials=study.trials[-300:], ratings=study.ratings[-300:])

    def told(*args: str) -> str:
        result = CliRunner().invoke(ratings, list(args))
        assert result.exit_code == 0, result.output
        return result.stdout

    write_export(study, tmp_path / "one")
    text = told(str(tmp_path / "one"))
    assert "cannot tell apart: " in text and "left out: always one side: 1" in text
    assert told("export", str(tmp_path / "one" / "study.jsonl"), "--out", str(tmp_path / "two")).strip().endswith("two")
    first, again = (told(str(tmp_path / name), "--json") for name in ("one", "two"))
    assert first == again and json.loads(first)["study"]["sha256"] in text
    assert json.loads(told("power", "--win-rate", "0.6", "--json"))["win rate"]["raters"] == 28
    assert "smallest win rate" in told("power", "--raters", "12")
    assert CliRunner().invoke(ratings, ["power"]).exit_code == 2
    assert CliRunner().invoke(ratings, [str(tmp_path / "none")]).exit_code == 5


def test_withdrawals_are_counted(study):
    assert analyse(replace(study, withdrawn=3)).to_json()["study"]["withdrawn"] == 3
