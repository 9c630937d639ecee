"""One truth value in all its spellings: the same to fit, given, impute, estimators, evaluate and every reader."""

import json

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.codecs.conditions import OneOf, Shares
from genwright.constraints.rules import is_off, is_on
from genwright.data.align import aligned
from genwright.data.like import read_like
from genwright.data.spellings import level_finder, truth
from genwright.data.sql_write import sql_values
from genwright.errors import ArgumentError

N = 120
T = np.random.default_rng(0).random(N) < 0.4
X = np.random.default_rng(1).normal(size=N) + 3 * T
WORDS = [("False", "True"), ("false", "true"), ("no", "yes"), ("NO", "YES"), ("N", "Y"), ("f", "t"), ("off", "on")]
FORMS = {
    "bool": T,
    "boolean": pd.array(T, dtype="boolean"),
    "object": T.astype(object),
    "int": T.astype(int),
    "Int64": pd.array(T.astype(int), dtype="Int64"),
    "uint8": T.astype(np.uint8),
    "float": T.astype(float),
    "digits": np.where(T, "1", "0"),
    "decimals": np.where(T, "1.0", "0.0"),
    "mixed case": [("Yes", "yes")[i % 2] if yes else ("No", "no")[i % 2] for i, yes in enumerate(T)],
    **{yes: np.where(T, yes, no) for no, yes in WORDS},
}
SAID = [(True, False), (1, 0), (1.0, 0.0), (np.True_, np.False_), (np.int64(1), np.uint8(0)), (np.float32(1), -0.0)]
SAID += [(yes, no) for no, yes in WORDS] + [("1", "0"), ("1.0", "0.0"), (" True", "No ")]


def frame(form):
    return pd.DataFrame({"x": X, "t": FORMS[form]})


def yes_of(column):
    return np.array([str(v) in ("1", "1.0", "Yes", *(yes for _, yes in WORDS)) for v in column])


@pytest.mark.parametrize("form", FORMS)
def test_given_takes_every_spelling(form):
    model = gw.fit(gw.read(frame(form)), family=gw.Mixture(components=2), steps=3)
    for pair in SAID:
        assert yes_of(model.sample(2, given={"t": list(pair)}).columns["t"]).tolist() == [True, False], pair
    assert yes_of(model.sample(4, given={"t": OneOf(1)}).columns["t"]).all()
    assert yes_of(model.sample(4, given={"t": Shares({"yes": 0.25, 0: 0.75})}).columns["t"]).sum() == 1
    assert yes_of(model.sample(3, given={"t": pd.array([True, False, True], dtype="boolean")}).columns["t"]).sum() == 2
    for unknown in (2, "maybe", 0.5):
        with pytest.raises(ArgumentError):
            model.sample(1, given={"t": unknown})


@pytest.mark.parametrize("form", ["bool", "int", "yes"])
def test_impute_evaluate_and_estimators_see_the_same_values(form):
    data = gw.read(frame(form))
    model = gw.fit(data, family=gw.Mixture(components=2), steps=3)
    classifier = gw.Classifier(gw.Mixture(components=2), density="joint", steps=3).fit(frame(form), X > 1)
    imputed, predicted = [], []
    for other in FORMS:
        full = model.impute(frame(other)[["t"]], seed=1)
        imputed.append(full.columns["x"])
        assert (yes_of(full.columns["t"]) == T).all()
        predicted.append(classifier.predict_proba(frame(other)))
        column = aligned(gw.read(frame(other)), data).columns["t"]
        assert (yes_of(column) == T).all() and set(column) <= set(data.columns["t"])
    assert all((x == imputed[0]).all() for x in imputed)
    assert all((p == predicted[0]).all() for p in predicted)


@pytest.mark.parametrize("form", FORMS)
def test_arrays_of_numbers_take_truth_values(form):
    classifier = gw.Classifier(steps=3).fit(frame("int"), X > 1)
    assert (classifier.predict_proba(frame(form)) == classifier.predict_proba(frame("int"))).all()


@pytest.mark.parametrize("real", ["bool", "int", "float", "yes", "mixed case"])
def test_files_are_read_with_the_levels_of_the_real_data(real, tmp_path):
    data = gw.read(frame(real))
    frame("int").to_csv(tmp_path / "a.csv", index=False)
    frame("YES").to_csv(tmp_path / "b.csv", index=False)
    frame("bool").to_parquet(tmp_path / "c.parquet")
    lines = [json.dumps({"x": x, "t": bool(t)}) for x, t in zip(X.tolist(), T)]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    for path in sorted(tmp_path.iterdir()):
        found = read_like(path, data)
        assert found.field("t") == data.field("t") and not found.notes, path
        assert (yes_of(found.columns["t"]) == T).all() and set(found.columns["t"]) <= set(data.columns["t"])


def test_every_spelling_of_a_level_stays_as_it_is():
    data = gw.read(frame("mixed case"))
    assert data.field("t").levels == ("No", "Yes", "no", "yes")
    assert (read_like(frame("mixed case"), data).columns["t"] == data.columns["t"]).all()
    assert (aligned(data, data).columns["t"] == data.columns["t"]).all()


def test_other_columns_take_no_words_for_numbers():
    ages = gw.read(pd.DataFrame({"age": np.arange(N) % 60 + 20, "x": X}))
    with pytest.raises(gw.DataError, match="not a number"):
        read_like(pd.DataFrame({"age": ["yes", "no"], "x": [0.5, 1.5]}), ages)
    graded = gw.read(pd.DataFrame({"g": [f"{k % 3}" for k in range(N)], "x": X}), schema={"g": "category"})
    found = read_like(pd.DataFrame({"g": ["1.0", "yes"], "x": [0.5, 1.5]}), graded)
    assert found.columns["g"].tolist() == ["1", "yes"] and "not known" in found.notes[0]


@pytest.mark.parametrize("form", ["int", "float", "Int64", "uint8"])
def test_labels_of_zeros_and_ones_are_classes_whatever_their_type(form):
    data = gw.read(frame(form), label="t")
    assert isinstance(data.field("t"), type(gw.read(frame("bool")).field("t"))) and len(data.field("t").levels) == 2


def test_rules_and_databases_read_truth_values_alike():
    import sqlalchemy as sa

    for form in FORMS:
        data = gw.read(frame(form))
        assert (is_on(data.columns["t"]) == T).all() and (is_off(data.columns["t"]) == ~T).all()
        if data.columns["t"].dtype == object:
            assert sql_values(data.field("t"), data.columns["t"], sa.Boolean()) == T.tolist()


@pytest.mark.parametrize("odd", ["sNaN", "NaN", "inf", "1e999999999", "", "\udc80", "1_0"])
def test_odd_texts_are_no_truth_values(odd):
    assert truth(odd) is None
    find = level_finder((odd, "1", "0"), "str")
    assert find(odd) == odd and find(1) == "1" and find("yes") == "yes"


def test_ranges_of_categories_of_numbers_stay_ranges():
    stars = pd.DataFrame({"stars": np.arange(N) % 5 + 1, "x": X})
    model = gw.fit(gw.read(stars, label="stars"), family=gw.Mixture(components=2), steps=3)
    assert set(model.sample(40, given={"stars": gw.Between(2, 3)}).columns["stars"]) == {"2", "3"}
