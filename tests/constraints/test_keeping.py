"""Rules hold in every row: for every family, after writing to a file, with conditions, and in bounded time."""

import json
import time
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

import genwright as gw
from genwright.codecs.conditions import Between
from genwright.constraints import Constraints, FixedCombinations, Formula, Order, Pattern, Range, Sum, Unique, keep
from genwright.data.dataset import Category, Identifier, Number, Time
from genwright.data.write import write
from genwright.errors import ArgumentError, DataError, StorageError, UnsupportedError
from tests.codecs.rows import number, table
from tests.constraints.shop import CITIES, kept, names, rules

FAMILIES = {
    "mixture": gw.Mixture(components=4),
    "autoregressive": gw.Autoregressive(width=16, depth=1),
    "gan": gw.GAN(),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


@cache
def fitted(family: str):
    return gw.fit(kept(), family=FAMILIES[family], steps=8, constraints=rules())


def assert_all_hold(frame: pd.DataFrame):
    """The rules of `tests.constraints.shop`, written out without any of genwright."""
    assert frame["order"].str.fullmatch(r"[A-Z]-\d{4}").all() and frame["order"].is_unique
    assert set(zip(frame["city"], frame["country"])) <= set(CITIES)
    ordered, sent, arrived = (pd.to_datetime(frame[name]) for name in ("ordered", "sent", "arrived"))
    assert (ordered <= sent).all() and (ordered >= "2024-01-01").all()
    assert (arrived.isna() | (arrived > sent)).all()
    cents = (frame[["net", "tax", "gross"]].to_numpy() * 100).round()
    assert (cents[:, 0] + cents[:, 1] == cents[:, 2]).all() and (cents[:, 2] <= 15_000).all()
    assert (np.abs(frame["units"] * frame["price"] - frame["value"]) < 0.05 + 1e-9).all()
    assert (frame[["is S", "is M", "is L"]].sum(axis=1) == 1).all()
    assert frame["slot"].is_unique


@every_family
def test_every_rule_holds_in_every_row_after_writing_and_reading_back(family, tmp_path):
    fake = fitted(family).sample(300, seed=1)
    write(fake, tmp_path / "fake.csv")
    frame = pd.read_csv(tmp_path / "fake.csv")
    assert list(frame.columns) == names(kept()) and len(frame) == 300
    assert_all_hold(frame)
    assert "drawn again so that the rules hold" in fake.notes[-1]


@every_family
def test_conditions_on_columns_that_rules_reshape_are_met(family):
    given = {"country": "FR", "gross": 42.5, "is M": 1}
    frame = fitted(family).sample(40, given=given, seed=2).frame
    assert (frame[list(given)] == list(given.values())).all().all()
    assert set(frame["city"]) <= {"Lyon", "Paris"}
    assert_all_hold(frame)


def test_conditions_can_differ_from_row_to_row():
    given = {"city": ["Graz", "Bonn"] * 20, "gross": [20.0, 30.0, 40.0, 50.0] * 10, "sent": "2024-03-01"}
    frame = fitted("mixture").sample(40, given=given, seed=3).frame
    assert frame["city"].tolist() == given["city"] and frame["gross"].tolist() == given["gross"]
    assert (frame["sent"] == "2024-03-01").all()
    assert_all_hold(frame)
    wide = fitted("mixture").sample(60, given={"gross": Between(40, 60), "country": {"FR", "AT"}}).frame
    assert wide["gross"].between(40, 60).all() and set(wide["country"]) <= {"FR", "AT"}


def test_what_is_given_stays_when_rows_are_moved():
    given = {"country": ["AT", "DE"] * 10, "gross": Between(149.9, 150), "sent": "2024-03-01", "units": 8}
    fake = fitted("mixture").sample(20, given=given, seed=4)
    assert "at last moved" in fake.notes[-1]
    frame = fake.frame
    assert frame["country"].tolist() == given["country"] and frame["gross"].between(149.9, 150).all()
    assert (frame["sent"] == "2024-03-01").all() and (frame["units"] == 8).all()
    assert_all_hold(frame)


def test_conditions_can_be_written_as_text_and_sets():
    fake = fitted("mixture").sample(30, given={"gross": "42.5", "is M": "1", "city": {"Bonn", "Graz"}})
    assert (fake.columns["gross"] == 42.5).all() and (fake.columns["is M"] == 1).all()
    assert set(fake.columns["city"]) <= {"Bonn", "Graz"}
    assert_all_hold(fake.frame)
    either = fitted("mixture").sample(20, given={"value": {8.0, 12.0}, "city": [{"Bonn", "Lyon"}, "Graz"] * 10})
    assert set(either.columns["value"]) <= {8.0, 12.0} and set(either.columns["city"][1::2]) == {"Graz"}
    with pytest.raises(ArgumentError, match="'much' is not a number"):
        fitted("mixture").sample(2, given={"gross": "much"})
    with pytest.raises(ArgumentError, match="what is given of gross"):
        fitted("mixture").sample(2, given={"gross": None})


def test_a_formula_is_solved_for_one_of_its_columns():
    draw = np.random.default_rng(0)
    start = np.datetime64("2024-01-01", "us") + draw.integers(0, 300_000, 300).astype("timedelta64[m]")
    minutes, price = (draw.integers(1, 200, 300).astype(float) for _ in range(2))
    form = "%Y-%m-%d %H:%M"
    times = (start, start + minutes.astype("timedelta64[m]"))
    data = table(
        *((Time(name, form, "2024-01-01 00:00", "2024-07-29 00:00"), t) for name, t in zip(("start", "end"), times)),
        *((Number(n, 0, 1, 199), v) for n, v in (("minutes", minutes), ("price", price))),
        (Number("paid", 0, 1, 39_601), minutes * price),
    )
    both = [Formula("minutes", "(end - start) * 1440"), Formula("paid", "minutes * price"), Order(["start", "end"])]
    model = gw.fit(data, family=gw.Mixture(components=2), steps=4, constraints=both)
    wanted = [60, 61, 62, 63, 64] * 10
    fake = model.sample(50, given={"minutes": wanted}, seed=1).frame
    assert ((fake["end"] - fake["start"]) / pd.Timedelta(minutes=1)).tolist() == wanted
    assert (fake["paid"] == fake["minutes"] * fake["price"]).all() and fake["start"].nunique() > 45


def test_a_combination_never_seen_and_made_up_texts_cannot_be_given():
    with pytest.raises(ArgumentError, match="no combination seen has city = 'Graz', country = 'FR'"):
        fitted("mixture").sample(2, given={"city": "Graz", "country": "FR"})
    with pytest.raises(ArgumentError, match="made up anew"):
        fitted("mixture").sample(2, given={"order": "A-0001"})
    with pytest.raises(ArgumentError, match=r"Range\('gross', high=150.0\).* with gross as given"):
        fitted("mixture").sample(2, given={"gross": 200.0})


def test_saved_and_loaded_it_draws_the_same_and_scores(tmp_path):
    model = fitted("mixture")
    model.save(tmp_path)
    again = gw.load(tmp_path)
    assert again.part(Constraints) == model.part(Constraints)
    assert again.sample(20, seed=5).frame.equals(model.sample(20, seed=5).frame)
    assert np.array_equal(again.log_prob(kept()), model.log_prob(kept()))
    damaged = model.part(Constraints).to_json() | {"rules": [{"rule": "unknown"}]}
    with pytest.raises(StorageError, match="no rule called"):
        Constraints.from_json(json.loads(json.dumps(damaged)), inner=())


def test_rows_decoded_from_latents_are_moved_to_where_the_rules_hold():
    model = gw.fit(kept(), family=gw.VAE(), steps=5, constraints=rules())
    for rows in (model.decode(model.encode(kept().take(slice(30)))), model.interpolate(3, steps=8)):
        assert_all_hold(rows.frame)


def two(a, b, *, decimals: int = 0, **more):
    columns = {"a": np.asarray(a, dtype=float), "b": np.asarray(b, dtype=float)}
    return table(*((Number(n, decimals, v.min(), v.max()), v) for n, v in columns.items()), **more)


def test_drawing_again_is_the_exact_law_given_the_rules():
    """Two digits: pairs come as often as among unconstrained draws of which those in order are taken."""
    free = two(*np.random.default_rng(0).integers(0, 10, (2, 1000)))
    model = gw.fit(free, family=gw.Mixture(components=2), steps=3)
    ruled = replace(model, parts=(Constraints(free.fields, None, (Order(["a", "b"]),), {}),))
    counts = []
    for values in (model.sample(20_000, seed=1).columns, ruled.sample(10_000, seed=2).columns):
        good = values["a"] <= values["b"]
        counts.append(np.bincount((10 * values["a"] + values["b"])[good].astype(int), minlength=100))
    seen = np.array(counts)[:, np.sum(counts, axis=0) > 0]
    assert counts[1].sum() == 10_000 and chi2_contingency(seen).pvalue > 1e-3


def test_bounded_time_where_the_model_hardly_touches_the_rules():
    """Nine columns that rise, to a model in which they are independent: one row in 9! = 362,880 keeps the order."""
    draw = np.random.default_rng(0)
    columns = np.sort(draw.integers(0, 1000, (400, 9)), axis=1) + np.arange(9)
    data = table(*((Number(f"x{k}", 0, 0, 1010), columns[:, k].astype(float)) for k in range(9)))
    names = [f"x{k}" for k in range(9)]
    tight = [Order(names, strict=True), Range("x3", low=float(columns[:, 3].min()), high=float(columns[:, 3].max()))]
    shuffled = replace(data, columns={n: draw.permutation(c) for n, c in data.columns.items()})
    model = replace(gw.fit(shuffled, family=gw.Mixture(components=1), steps=2), parts=(Constraints.of(data, tight),))
    began = time.monotonic()
    fake = model.sample(2000, seed=0, given={"x5": 500})
    assert time.monotonic() - began < 5
    assert (np.diff(np.stack([fake.columns[n] for n in names]), axis=0) > 0).all()
    assert (fake.columns["x5"] == 500).all() and "at last moved to where they do" in fake.notes[-1]


def test_computed_columns_are_moved_by_what_they_follow_from():
    """No total that the model draws is in range; rows are solved for, and parts given stay as they are."""
    draw = np.random.default_rng(0)
    parts = draw.integers(0, 100, (300, 2)).astype(float)
    rows = (*((Number(n, 0, 0, 200), v) for n, v in zip("ab", parts.T)), (Number("t", 0, 0, 400), parts.sum(axis=1)))
    model = gw.fit(table(*rows), family=gw.Mixture(components=1), steps=2, constraints=[Sum("t", ["a", "b"])])
    far = Constraints(model.part(Constraints).fields, None, (Sum("t", ["a", "b"]), Range("t", low=350, high=360)), {})
    values = replace(model, parts=(far,)).sample(50, given={"a": 90}).columns
    assert (values["a"] + values["b"] == values["t"]).all() and (values["a"] == 90).all()
    assert ((values["t"] >= 350) & (values["t"] <= 360)).all()


def test_what_cannot_be_kept_is_named():
    data = two(np.repeat(np.arange(5), 40), np.arange(200))
    model = gw.fit(data, family=gw.Mixture(components=1), steps=2, constraints=[Unique(["b"])])
    assert sorted(model.sample(200).columns["b"]) == list(range(200))
    with pytest.raises(ArgumentError, match=r"Unique\(\['b'\]\) could not be kept in 201 rows") as caught:
        model.sample(201)
    assert "only 200 different values" in str(caught.value)
    plates = table((Identifier("plate"), list("ABCDEFGHIJKLMNOPQRST")), (Number("x", 0, 0, 19), np.arange(20.0)))
    few = gw.fit(plates, family=gw.Mixture(components=1), steps=2, constraints=[Pattern("plate", "[A-T]")])
    assert sorted(few.sample(20).columns["plate"]) == list("ABCDEFGHIJKLMNOPQRST")
    with pytest.raises(ArgumentError, match="21 different values are asked for, but there are 20"):
        few.sample(21)


def test_contradictions_are_named_before_training():
    data = two([1, 2, 3] * 20, [2, 3, 5] * 20)
    contradictory = [
        Unique(["a", "b"]),
        Range("a", low=5, high=9),
        Range("a", high=20),
        Range("b", high=5),
        Order(["a", "b"], strict=True),
    ]
    with pytest.raises(ArgumentError) as caught:
        gw.fit(data, steps=1, constraints=contradictory)
    assert "these 3 rules cannot hold in any row" in str(caught.value)
    assert "Range('a', low=5.0, high=9.0), Range('b', high=5.0), Order(['a', 'b'], strict=True)" in str(caught.value)
    with pytest.raises(ArgumentError, match="circle: "):
        gw.fit(data, steps=1, constraints=[Order(["a", "b"]), Order(["b", "a"])])
    with pytest.raises(ArgumentError, match="'a' would be fixed by more than one rule"):
        gw.fit(data, steps=1, constraints=[Formula("a", "b - 1"), Formula("a", "b - 2")])
    with pytest.raises(UnsupportedError, match="rules are about tables"):
        gw.fit(gw.read("digits"), steps=1, constraints=[Range("label", low=0)])


def test_rows_that_break_a_rule_are_named_and_can_be_left_out():
    a, b = np.arange(60.0), np.arange(60.0) + 1
    b[[16, 40]] = 0
    data = two(a, b)
    with pytest.raises(DataError) as caught:
        gw.fit(data, steps=1, constraints=[Order(["a", "b"])])
    told = str(caught.value)
    assert "row 17 breaks Order(['a', 'b']): a = 16, b = 0; 2 of" in told and "--drop-broken" in told
    good = keep(data, [Order(["a", "b"])])
    assert len(good) == 58 and good.notes == ("2 rows that break the rules are left out",)
    assert keep(good, [Order(["a", "b"])]) is good


def test_the_sum_computes_a_part_where_two_rules_share_the_total():
    draw = np.random.default_rng(0)
    a, b, c = draw.integers(0, 50, (3, 200)).astype(float)
    d = a + b - c + 100
    data = table(
        *(
            (Number(n, 0, v.min(), v.max()), v)
            for n, v in (("a", a), ("b", b), ("c", c), ("d", d), ("t", a + b + 100), ("k", np.full(200, 100.0) + 0 * a))
        )
    )
    shared = [Formula("k", "100 + 0 * a"), Sum("t", ["a", "b", "k"]), Sum("t", ["c", "d"])]
    fake = gw.fit(data, family=gw.Mixture(components=2), steps=5, constraints=shared).sample(100)
    values = fake.columns
    assert (values["t"] == values["a"] + values["b"] + 100).all() and (values["t"] == values["c"] + values["d"]).all()


def test_more_combinations_than_one_column_holds_are_still_only_those_seen():
    draw = np.random.default_rng(0)
    pairs = draw.choice(90_000, size=700, replace=False)
    rows = draw.choice(pairs, size=3000)
    columns = {"a": [f"a{k // 300}" for k in rows], "b": [f"b{k % 300}" for k in rows]}
    data = table(
        *((Category(n, tuple(sorted(set(v)))), v) for n, v in columns.items()),
        (Number("x", 0, 0, 99), draw.integers(0, 100, 3000).astype(float)),
    )
    model = gw.fit(data, family=gw.Mixture(components=2), steps=3, constraints=[FixedCombinations(["a", "b"])])
    fake = model.sample(1000)
    assert set(zip(fake.columns["a"], fake.columns["b"])) <= set(zip(*columns.values()))
    one = columns["a"][0]
    assert set(model.sample(30, given={"a": one}).columns["a"]) == {one}


def test_unconstrained_numbers_stay_as_they_were():
    data = number(np.arange(100.0))
    assert gw.fit(data, family=gw.Mixture(components=1), steps=2).parts == ()
