"""Families compared: in the time there is, on equally many records, none taking the others along."""

import time
from dataclasses import replace

import pytest
from tests.metrics.records import table

import genwright as gw
from genwright.report.report import Entry
from genwright.runs import budget
from genwright.runs.arena import Arena
from genwright.runs.budget import Budget, Stopwatch
from genwright.runs.ranking import Contestant, choose, rule, told_apart
from genwright.scores.intervals import Replicates
from genwright.scores.score import Score


def arena(tmp_path, *, minutes=0.05, families=2, data=None) -> Arena:
    data = table(400) if data is None else data
    return Arena(data, Budget(minutes, families), 0, tmp_path, Stopwatch(), lambda progress: None)


def test_a_run_may_take_twice_its_training_or_three_minutes():
    assert Budget(1.0, 8).limit == 180.0 and Budget(5.0, 8).limit == 600.0
    assert Budget(5.0, 8).share == pytest.approx(5 / 16)
    assert "8 families train for 19 s each, the best for 2 min 30 s more" in Budget(5.0, 8).told
    assert "10 min 0 s at most" in Budget(5.0, 8).told
    assert 8 * Budget(1.0, 8).most_training < Budget(1.0, 8).limit / 2
    for minutes, families in ((0, 1), (-1, 1), (float("nan"), 1), (1.0, 0)):
        with pytest.raises(gw.ArgumentError):
            Budget(minutes, families)


def test_a_family_that_overruns_is_cut_off_and_says_what_it_had(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "TRAINED_BY", 0.0)
    [late] = arena(tmp_path).compare([gw.Mixture()])
    assert late.generator is None and "cut off after" in late.entry.failure and "its share was" in late.entry.failure


def test_a_share_of_few_steps_is_refused_with_the_minutes_that_would_do(tmp_path):
    from genwright.train.progress import Progress

    place, told = arena(tmp_path, minutes=1.0), []

    def fit(data, *, listener, **rest):
        listener(Progress("training", 1, 4))
        raise AssertionError("not cut off")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genwright.runs.arena.fit", fit)
        told = place.compare([gw.Autoregressive()])
    assert "its share of 15 s is too short: 4 steps; from 2.5 minutes in all it takes part" in told[0].entry.failure


def test_all_are_judged_by_as_many_records_as_fit_the_time(tmp_path, monkeypatch):
    place = arena(tmp_path, data=table(4000))
    looked = []

    def slow(contestant):
        looked.append(place.records)
        time.sleep(place.records / 1000)
        return contestant

    monkeypatch.setattr(place, "_judge", slow)
    monkeypatch.setattr(budget, "MIN_LIMIT", 4.0)  # seconds, of which a tenth at least is left to judge
    place.budget = Budget(0.01, 2, started=time.monotonic() - 4.0)
    entered = Contestant(Entry(family="mixture", seconds=1.0), gw.Mixture(), None, pace=1e-6)
    assert place._settle([entered, entered]) is entered
    assert looked == [400, 300] and place.records == 300
    slowly = replace(entered, pace=1e-3)  # seconds for each record: as many as are drawn in half the time, or the least
    place.budget = Budget(0.01, 1, started=time.monotonic() - 1.7)
    place._settle([slowly])
    assert looked[2] == pytest.approx(350, abs=20)


def test_two_recipes_of_one_family_are_two_contestants(tmp_path):
    one, other = arena(tmp_path, data=table(1200)).compare([gw.Mixture(components=1), gw.Mixture(components=6)])
    assert one.generator.family.components == 1 and other.generator.family.components == 6
    assert {score.n for score in one.entry.scores} == {score.n for score in other.entry.scores}
    assert choose([one, other]) in (one, other)
    assert len({score.floor for c in (one, other) for score in c.entry.scores if score.name == "C2ST"}) == 1


def test_few_rows_are_judged_by_fits_that_have_not_seen_them(tmp_path):
    place = arena(tmp_path, data=table(40))
    found = place.cross_fit([gw.Mixture(), gw.MaskedDiffusion()])
    assert [len(c.entry.preview or ()) for c in found] == [40, 0]
    assert found[0].entry.headline is not None and "does not model" in found[1].entry.failure
    assert (tmp_path / "mixture" / "without-5" / "recipe.json").is_file()
    told = rule(found, choose(found), seconds=1.0, records=40, fits=5)
    assert "drew 40 records" in told and "5 fits that had not seen" in told


def test_a_model_fitted_to_some_of_the_rows_says_so_and_knows_the_data_it_is_of(tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.runs.parts.READ_PER_SECOND", 1)
    data = table(2000)
    [one] = arena(tmp_path, data=data).compare([gw.Mixture(components=2)])
    told = one.generator.record["data"]
    assert told["rows"] == 2000 and told["split"]["test"] == len(data.test)
    assert 800 < told["fitted_rows"] < 1000 and gw.load(tmp_path / "mixture").record["data"] == told


def test_scores_are_told_apart_by_paired_differences_as_compare_does():
    def score(name, value, real, noise):
        values = Replicates(real, tuple(value + noise * e for e in (-1.0, 0.0, 1.0)))
        return Score(name=name, value=value, direction="higher", n=9, signature="", replicates=values)

    same = tuple(0.2 * e for e in (-1.0, 0.0, 1.0))
    near = [score("C2ST", 0.8, same, 0.001), score("C2ST", 0.7, same, 0.001), score("C2ST", 0.7999, same, 0.01)]
    assert told_apart(near) == {1}  # real records that all share cancel, though each value alone is uncertain
