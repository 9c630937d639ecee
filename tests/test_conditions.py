"""Ranges, sets and shares through `Generator.sample`, and `Generator.impute`: every row matches, as often as due."""

import datetime
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import genwright as gw
from genwright import Between, OneOf, Shares
from genwright.constraints import Order, Sum
from genwright.errors import ArgumentError, DataError, UnsupportedError


def people(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    country = draw.integers(0, 3, n)
    income = np.round(draw.lognormal(7 + country, 0.5), 2)
    income[draw.random(n) < 0.2] = 0.0
    income[draw.random(n) < 0.1] = np.nan
    start = pd.Timestamp("2023-01-01 00:00")
    return pd.DataFrame(
        {
            "country": np.array(["DE", "FR", "IT"])[country],
            "age": np.clip(draw.normal(35 + 10 * country, 8).round(), 18, 90).astype(int),
            "income": income,
            "born": (start + pd.to_timedelta(draw.integers(0, 500 * 1440, n), unit="min")).strftime("%Y-%m-%d %H:%M"),
            "note": draw.choice(np.array(["a", "b", None], dtype=object), n),
            "score": draw.normal(size=n) + country,
            "id": [f"p{k:05d}" for k in range(n)],
        }
    )


@pytest.fixture(scope="module")
def mixture():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gw.fit(gw.read(people()), family=gw.Mixture(components=8), steps=12)


@pytest.fixture(scope="module")
def vae():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gw.fit(gw.read(people(500)), family=gw.VAE(), steps=15)


def within(frame, low, high):
    return bool(((frame >= low) & (frame <= high)).all())


CONDITIONS = {
    "whole numbers": ({"age": Between(30, 40)}, lambda f: within(f.age, 30, 40)),
    "a spike and more": ({"income": Between(0, 900.5)}, lambda f: within(f.income, 0, 900.5) and (f.income == 0).any()),
    "no spike": ({"income": Between(1, None)}, lambda f: within(f.income, 1, np.inf)),
    "full precision": ({"score": Between(-0.1234567, 0.1)}, lambda f: within(f.score, -0.1234567, 0.1)),
    "never missing": ({"income": Between(), "note": Between()}, lambda f: f[["income", "note"]].notna().all().all()),
    "whole days": (
        {"born": Between("2023-02-01", "2023-03-31")},
        lambda f: within(f.born, "2023-02-01", "2023-03-31 23:59"),
    ),
    "months": (
        {"born": Between(None, "2023-02")},
        lambda f: within(f.born, "2023-01-01", "2023-02-28 23:59"),
    ),
    "levels": ({"country": {"DE", "IT"}}, lambda f: set(f.country) == {"DE", "IT"}),
    "missing or a": ({"note": OneOf("a", None)}, lambda f: set(f.note.fillna("?")) == {"a", "?"}),
    "some ages": ({"age": {20, 33, 60}}, lambda f: set(f.age) == {20, 33, 60}),
    "zero or missing": ({"income": {0.0, None}}, lambda f: bool((f.income.fillna(0) == 0).all())),
    "all at once": (
        {"age": Between(40, None), "country": {"FR", "IT"}, "income": Between(1, 5000), "note": "a"},
        lambda f: (
            within(f.age, 40, 99) and within(f.income, 1, 5000) and set(f.note) == {"a"} and "DE" not in set(f.country)
        ),
    ),
}


@pytest.mark.parametrize("what", CONDITIONS)
def test_every_row_meets_the_condition(mixture, what):
    given, holds = CONDITIONS[what]
    fake = mixture.sample(400, given=given, seed=1).frame
    assert len(fake) == 400 and holds(fake)


@pytest.mark.parametrize("what", ["whole numbers", "a spike and more", "levels", "whole days"])
def test_families_that_cannot_restrict_reject_until_every_row_meets_it(vae, what):
    given, holds = CONDITIONS[what]
    fake = vae.sample(100, given=given, seed=1)
    assert holds(fake.frame) and len(set(fake.columns["id"])) == 100


def test_values_off_the_data_grid_in_a_set_are_drawn_too(mixture):
    score = people().score.to_numpy()[:3]
    assert set(mixture.sample(200, given={"score": OneOf(*score)}).columns["score"]) <= set(score)


def test_a_range_on_one_column_leaves_the_exact_law_of_the_other():
    """x standard normal and y = x + noise: y given x in a range is the truncated normal plus noise."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=6000)
    data = gw.read(pd.DataFrame({"x": x, "y": x + 0.5 * draw.normal(size=6000)}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = gw.fit(data, family=gw.Mixture(components=40, smoothing=1.0), steps=40)
    fake = model.sample(4000, given={"x": Between(1, 1.5)}).frame
    expected = stats.truncnorm.rvs(1, 1.5, size=40_000, random_state=draw) + 0.5 * draw.normal(size=40_000)
    assert stats.ks_2samp(fake.y, expected).statistic < 0.06
    free = model.sample(60_000).frame
    assert stats.ks_2samp(fake.y, free.y[free.x.between(1, 1.5)]).statistic < 0.03


def test_shares_are_exact_and_rows_shuffled(mixture):
    fake = mixture.sample(101, given={"country": Shares({"DE": 0.5, "FR": 0.25, "IT": 0.25})}).frame
    assert fake.country.value_counts().to_dict() == {"DE": 51, "FR": 25, "IT": 25}
    assert fake.country.iloc[:20].nunique() > 1
    ages = {Between(None, 30): 0.25, Between(31, None): 0.75}
    fake = mixture.sample(80, given={"age": Shares(ages), "note": "a"})
    assert (fake.columns["age"] <= 30).sum() == 20 and set(fake.columns["note"]) == {"a"}
    assert len(set(fake.columns["id"])) == 80


def test_conditions_can_differ_from_row_to_row(mixture):
    given = {"age": [Between(None, 30), 50, {40, 41}] * 20, "country": ["DE", "FR", "IT"] * 20}
    fake = mixture.sample(60, given=given).frame
    assert (fake.age[::3] <= 30).all() and (fake.age[1::3] == 50).all() and fake.age[2::3].isin([40, 41]).all()
    assert fake.country.tolist() == given["country"]


@pytest.mark.parametrize(
    "given, told",
    [
        ({"age": Between(40, 30)}, "give the smaller one first: 30..40"),
        ({"age": Between(200, None)}, "it goes from 18 to"),
        ({"age": Between(30.2, 30.8)}, "no value of this data lies in 30.2..30.8"),
        ({"age": Between("old", None)}, "not a number"),
        ({"country": {"DE", "FX"}}, "no level 'FX'"),
        ({"country": set()}, "a set of no values"),
        ({"country": Between("A", "B")}, "ranges are of numbers and times"),
        ({"born": Between("2050-01-01", None)}, "its values go from 2023-01-01"),
        ({"born": Between("soon", None)}, "not a time"),
        ({"age": {30, None}}, "never missing"),
        ({"aeg": Between(1, 2)}, "did you mean 'age'"),
        ({"age": [Between(1, 50)] * 3}, "3 conditions given for 10 records"),
    ],
)
def test_conditions_that_cannot_be_met_name_column_and_remedy(mixture, given, told):
    with pytest.raises(ArgumentError) as caught:
        mixture.sample(10, given=given)
    assert told in str(caught.value)


def test_shares_must_add_up():
    with pytest.raises(ArgumentError, match="add up to"):
        Shares({"a": 0.5, "b": 0.4})
    with pytest.raises(ArgumentError, match="a share of"):
        Shares({"a": 1.5, "b": -0.5})


def test_a_family_that_never_meets_the_condition_says_so_in_bounded_time(vae):
    with pytest.raises(UnsupportedError, match=r"0 of [0-9,]+ draws met score"):
        vae.sample(5, given={"score": OneOf(*people().score[:2])})


# ---- imputation -----------------------------------------------------------------------------------------------------


def incomplete(n: int = 200) -> pd.DataFrame:
    frame, draw = people(n, seed=7), np.random.default_rng(1)
    for name in frame.columns[:-1]:
        frame[name] = frame[name].astype(object).where(draw.random(n) > 0.4, None)
    return frame


def test_imputation_keeps_what_is_there_and_fills_what_is_not(mixture):
    rows = incomplete()
    for source in (rows, gw.read(rows)):
        done = mixture.impute(source, seed=2).frame
        assert not done.isna().any().any()
        for name in rows.columns:
            there = rows[name].notna().to_numpy()
            assert done[name][there].tolist() == rows[name][there].tolist(), name


def test_several_draws_of_each_row_come_one_after_the_other_and_differ(mixture):
    rows = incomplete(40).drop(columns=["age"])
    done = mixture.impute(rows, 5, keep_missing=["note"]).frame
    assert len(done) == 200 and done.id.tolist() == [k for k in rows.id for _ in range(5)]
    assert done.age.groupby(done.id).nunique().mean() > 3
    assert done.note.isna().sum() == 5 * rows.note.isna().sum()


def test_imputation_follows_the_conditional_law(mixture):
    rows = pd.DataFrame({"country": ["DE"] * 1000 + ["IT"] * 1000})
    done, real = mixture.impute(rows).frame, people()
    for country in ("DE", "IT"):
        difference = done.age[done.country == country].mean() - real.age[real.country == country].mean()
        assert abs(difference) < 1.5


def test_values_never_seen_are_kept_and_conditioned_on_as_the_nearest(mixture):
    rows = pd.DataFrame({"country": ["XX", "DE"], "age": [30.5, 200.0], "score": [0.1, 99.0]})
    with pytest.warns(UserWarning, match="'XX' to"):
        done = mixture.impute(rows)
    assert done.columns["country"].tolist() == ["XX", "DE"]
    assert done.columns["age"].tolist() == [30.5, 200.0] and done.frame.age.tolist() == [30.5, 200.0]


def test_imputation_says_what_it_cannot_do(mixture, vae):
    rows = incomplete(5)
    with pytest.raises(UnsupportedError, match="vae has no exact conditional distributions"):
        vae.impute(rows)
    with pytest.raises(ArgumentError, match="no field called 'nte'"):
        mixture.impute(rows, keep_missing=["nte"])
    with pytest.raises(ArgumentError, match="n=0 is not a count"):
        mixture.impute(rows, 0)
    with pytest.raises(DataError, match="none of the columns"):
        mixture.impute(pd.DataFrame({"other": [1, 2]}))
    text = gw.fit(gw.read(pd.DataFrame({"t": ["a b", "c d"] * 20}), schema={"t": "text"}), steps=1)
    with pytest.raises(UnsupportedError, match="only rows of tables"):
        text.impute(pd.DataFrame({"t": ["a"]}))


def test_rules_hold_in_imputed_rows_too():
    draw = np.random.default_rng(0)
    net, start = draw.lognormal(3, 1, 400).round(2), draw.integers(0, 50, 400)
    tax = (0.1 * net * draw.random(400)).round(2)
    whole = pd.DataFrame(
        {"net": net, "tax": tax, "gross": (net + tax).round(2), "start": start, "end": start + tax.round()}
    )
    whole["note"] = draw.choice(np.array(["a", "b", None], dtype=object), 400)
    rules = [Sum("gross", ["net", "tax"]), Order(["start", "end"])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = gw.fit(gw.read(whole), family=gw.Mixture(components=6), constraints=rules, steps=8)
    rows = whole.head(60).astype(object)
    rows.loc[:19, ["gross", "end"]] = None
    rows.loc[10:29, ["start", "note"]] = None
    done = model.impute(rows, 2)
    assert len(done) == 120 and all(rule.holds(done).all() for rule in rules) and not done.frame.isna().any().any()
    for name in rows.columns:
        there = rows[name].notna().to_numpy()
        assert done.frame[name][::2][there].tolist() == rows[name][there].tolist()


MINUTES = [datetime.timedelta(minutes=m) for m in (1, 5, 9)]
CLOCKS = [datetime.time(8), datetime.time(9, 30), datetime.time(17, 5)]


@pytest.fixture(scope="module")
def waits():
    draw = np.random.default_rng(0)
    clock = [datetime.time(int(h), int(m)) for h, m in zip(draw.integers(6, 22, 300), draw.integers(0, 60, 300))]
    wait = pd.to_timedelta(draw.integers(20, 7200, 300), unit="s")
    frame = pd.DataFrame({"wait": wait, "clock": pd.Series(clock, dtype=object), "x": draw.normal(size=300)})
    return gw.fit(gw.read(frame), family=gw.Mixture(components=2), steps=3)


@pytest.mark.parametrize(
    "given, holds",
    [
        ({"wait": MINUTES[1]}, lambda f: (f.wait == MINUTES[1]).all()),
        ({"wait": np.timedelta64(300, "s")}, lambda f: (f.wait == MINUTES[1]).all()),
        ({"wait": OneOf(*MINUTES)}, lambda f: f.wait.isin(MINUTES).all()),
        ({"wait": Between(MINUTES[0], MINUTES[2])}, lambda f: f.wait.between(MINUTES[0], MINUTES[2]).all()),
        ({"wait": Between(low=MINUTES[2])}, lambda f: (f.wait >= MINUTES[2]).all()),
        ({"clock": CLOCKS[1]}, lambda f: (f.clock == CLOCKS[1]).all()),
        ({"clock": "09:30"}, lambda f: (f.clock == CLOCKS[1]).all()),
        ({"clock": OneOf(*CLOCKS)}, lambda f: f.clock.isin(CLOCKS).all()),
        ({"clock": Between(CLOCKS[0], CLOCKS[1])}, lambda f: f.clock.between(CLOCKS[0], CLOCKS[1]).all()),
        ({"clock": Between("08:00", "09:30")}, lambda f: f.clock.between(CLOCKS[0], CLOCKS[1]).all()),
        (
            pd.DataFrame({"wait": [MINUTES[0]] * 20, "clock": pd.Series([CLOCKS[2]] * 20, dtype=object)}),
            lambda f: (f.wait == MINUTES[0]).all() and (f.clock == CLOCKS[2]).all(),
        ),
    ],
)
def test_durations_and_times_of_day_are_given_as_what_they_are(waits, given, holds):
    assert holds(waits.sample(20, given=given, seed=1).frame)


def test_durations_and_times_of_day_are_refused_where_the_data_has_none(waits):
    for given in ({"x": MINUTES[0]}, {"wait": CLOCKS[0]}, {"clock": MINUTES[0]}):
        with pytest.raises(ArgumentError, match=r"is not a (number|time)"):
            waits.sample(2, given=given)


def test_durations_and_times_of_day_are_kept_in_imputation(waits):
    rows = pd.DataFrame(
        {
            "wait": pd.Series([MINUTES[0], None, MINUTES[2]], dtype=object),
            "clock": pd.Series([None, *CLOCKS[:2]], dtype=object),
        }
    )
    filled = waits.impute(rows, seed=1).frame
    assert filled.wait[[0, 2]].tolist() == [MINUTES[0], MINUTES[2]] and filled.clock[1:].tolist() == CLOCKS[:2]
    assert isinstance(filled.wait[1], datetime.timedelta) and isinstance(filled.clock[0], datetime.time)
