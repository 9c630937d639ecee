"""Shares and outcomes of groups are recovered with their intervals, and even draws are even."""

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.audit.bias import balanced, bias, downstream
from genwright.errors import ArgumentError


def people(n, *, rare=0.2, rate=0.3, seed=0):
    rng = np.random.default_rng(seed)
    group = np.where(rng.random(n) < rare, "b", "a")
    town = np.where(rng.random(n) < 0.5, "x", "y")
    score = rng.normal(size=n)
    paid = np.where(rng.random(n) < np.where(group == "b", rate, 0.6), "yes", "no")
    return pd.DataFrame({"group": group, "town": town, "score": score.round(3), "paid": paid})


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    found = []
    for name, frame in {
        "real": people(1200),
        "same": people(1200, seed=1),
        "skewed": people(1200, rare=0.08, rate=0.7, seed=2),
    }.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
        found.append(gw.read(folder / f"{name}.csv"))
    return found


def test_a_sample_of_the_same_source_is_fair_and_a_skewed_one_is_not(tables):
    real, same, skewed = tables
    fair = bias(real, same, by=["group", "town"], outcome={"paid": "yes"})
    assert {each.name for each in fair} >= {"group=b", "town=x", "group=b and town=x"} and len(fair) == 8
    assert not any(each.misrepresented or each.skewed for each in fair)
    found = {each.name: each for each in bias(real, skewed, by=["group", "town"], outcome={"paid": "yes"})}
    b = found["group=b"]
    assert b.misrepresented and b.skewed and b.gap[0] < 0.08 - 0.2 < b.gap[1]
    assert b.rate_gap[0] < 0.7 - 0.3 < b.rate_gap[1] and b.told_apart > 0.6
    assert not found["group=a"].skewed and not found["town=x"].misrepresented


def test_a_group_of_few_records_is_not_judged(tables):
    real, same, _ = tables
    rows = np.flatnonzero(real.columns["group"] == "b")
    few = real.take(np.sort(np.r_[rows[:20], np.flatnonzero(real.columns["group"] == "a")]))
    (b,) = [each for each in bias(few, same, by=["group"]) if each.name == "group=b"]
    assert b.told_apart is None and b.rate is None and b.misrepresented


def test_even_draws_are_even_and_a_learner_is_measured_by_group(tables):
    real = tables[0]
    model = gw.fit(real, family=gw.Mixture(components=4), steps=10)
    even = balanced(model, 400, by=["group", "town"], data=real)
    counts = np.unique(even.columns["group"].astype(str) + even.columns["town"].astype(str), return_counts=True)[1]
    assert counts.tolist() == [100, 100, 100, 100]
    found = downstream(real, test=tables[1], outcome={"paid": "yes"}, by=["group"])
    assert set(found) == {"all", "group=a", "group=b"}
    assert found["all"][1][0] > 0.5 and found["all"][2] == 1200


def test_numbers_are_no_groups(tables):
    with pytest.raises(ArgumentError, match="'score' is no category"):
        bias(tables[0], tables[1], by=["score"])
