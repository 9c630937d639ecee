"""ColumnsCodec.given: partial rows whose fixed values come back exactly, and errors that name what there is."""

from datetime import date

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.app.conditions import parse_given
from genwright.codecs import fit_codec
from genwright.codecs.conditions import Between
from genwright.data.dataset import Category
from genwright.errors import ArgumentError
from genwright.spaces import Encoded
from tests.codecs.rows import independent, mixed, number, rng, same, table


def filled(codec, partial):
    """Partial rows with every free entry drawn."""
    x = independent(codec, codec.encode(mixed(), rng=rng()).x, len(partial)).x
    return codec.decode(Encoded(torch.where(partial.isnan(), x, partial)), rng=rng())


def test_given_values_come_back_exactly_and_the_rest_is_free():
    codec = fit_codec(mixed(), rng=rng())
    fixed = {"age": 30, "income": 2_700.25, "day": "2021-03-04", "colour": "red"}
    for name, value in fixed.items():
        partial = codec.given({name: value}, 20, rng=rng()).x
        width = 2 if name == "income" else 1
        assert (~partial.isnan()).sum(1).tolist() == [width] * 20
        column = filled(codec, partial).columns[name]
        expected = np.datetime64(value, "us") if name == "day" else value
        assert (column == expected).all()


def test_given_takes_arrays_missing_spikes_and_outside_types():
    codec = fit_codec(mixed(), rng=rng())
    back = filled(codec, codec.given({"income": [0, None, "2512.5"], "colour": [None, "red", "blue"]}, 3, rng=rng()).x)
    assert same(back.columns["income"], np.array([0, np.nan, 2512.5]))
    assert back.columns["colour"].tolist() == [None, "red", "blue"]
    assert (
        filled(codec, codec.given({"day": date(2021, 3, 4)}, 2, rng=rng()).x).columns["day"]
        == np.datetime64("2021-03-04")
    ).all()
    levels = table(
        (Category("yes", ("False", "True"), "bool"), ["True", "False"] * 5),
        (Category("k", ("1", "2"), "int"), ["1", "2"] * 5),
    )
    outside = fit_codec(levels, rng=rng())
    partial = outside.given({"yes": True, "k": 2.0}, 1, rng=rng()).x
    decoded = outside.decode(Encoded(partial), rng=rng())
    assert (decoded.columns["yes"][0], decoded.columns["k"][0]) == ("True", "2")


def test_given_full_precision_comes_back_as_written():
    codec = fit_codec(number(np.random.default_rng(0).normal(size=1000), decimals=None), rng=rng())
    for value in (0.1, -1.23456, 2.0):
        decoded = codec.decode(Encoded(codec.given({"x": value}, 1, rng=rng()).x), rng=rng())
        assert abs(decoded.columns["x"][0] - value) < 1e-6
        assert codec.hold(decoded, {"x": value}).columns["x"][0] == value


def test_a_level_of_a_rare_bucket_can_be_given():
    codec = fit_codec(table((Category("c"), [f"l{k}" for k in range(300)] * 10 + ["rare1", "rare2"])), rng=rng())
    fixed = {"c": ["rare1", "l7"]}
    rows = codec.decode(Encoded(codec.given(fixed, 2, rng=rng()).x), rng=rng())
    assert codec.hold(rows, fixed).columns["c"].tolist() == ["rare1", "l7"]


def test_nothing_given_is_none():
    assert fit_codec(mixed(), rng=rng()).given({}, 5, rng=rng()).x is None


@pytest.mark.parametrize(
    "fixed, message",
    [
        ({"aeg": 3}, "did you mean 'age'"),
        ({"zzz": 3}, "there are: 'colour', 'age', 'income', 'day'"),
        ({"colour": "rde"}, "did you mean 'red'"),
        ({"age": 200}, "the nearest is 70"),
        ({"age": 30.5}, "the nearest is 30"),
        ({"age": None}, "never missing"),
        ({"age": "old"}, "not a number"),
        ({"age": [1, 2, 3]}, "3 values given for 4 records"),
        ({"income": 2_500.123}, "the nearest is 2500.12"),
        ({"day": "1999-01-01"}, "the nearest is 2020-01-0"),
        ({"day": "soon"}, "not a time"),
    ],
)
def test_given_says_what_is_wrong_and_what_there_is(fixed, message):
    with pytest.raises(ArgumentError) as caught:
        fit_codec(mixed(), rng=rng()).given(fixed, 4, rng=rng())
    assert message in str(caught.value)


@pytest.mark.parametrize("decimals", [0, 1, 2, None])
@pytest.mark.parametrize("scale", [40.0, 3e5])
def test_scores_in_a_range_are_those_of_the_values_in_it(decimals, scale):
    """Every score within what `allowed` says decodes into the range, and every row in the range has such a score."""
    draw = np.random.default_rng(0)
    values = draw.normal(0, scale, 4000)
    values = values if decimals is None else values.round(decimals)
    values[:400] = 0.0
    values[400:500] = np.nan
    data = number(values, decimals=decimals)
    codec = fit_codec(data, rng=rng())
    encoded = codec.encode(data, rng=rng()).x
    for low, high in [(0.5, 30.0), (-scale, 0.0), (scale * 1.234567, None), (None, -1.0), (None, None)]:
        limits = codec.limits({"x": Between(low, high)})
        allowed = codec.allowed(limits)
        inside = np.ones(len(values), dtype=bool)
        for j, limit in allowed.items():
            if limit.dtype == torch.bool:
                inside &= limit[encoded[:, j].long()].numpy()
            else:
                ordinary = (encoded[:, 0] == 0) if encoded.shape[1] == 2 else torch.ones(len(encoded), dtype=torch.bool)
                z = encoded[:, j]
                inside &= (~ordinary | ((z >= limit[0]) & (z <= limit[1]))).numpy()
                rows = torch.stack([torch.zeros(2001), torch.linspace(*limit.clamp(-4, 4).tolist(), 2001)], dim=1)
                decoded = codec.decode(Encoded(rows[:, -encoded.shape[1] :]), rng=rng())
                assert codec.meets(codec.project_exactly(decoded, limits, rng=rng()), limits).all()
                if decimals is not None:
                    assert codec.meets(decoded, limits).all()
        first, last = -np.inf if low is None else low, np.inf if high is None else high
        met = (values >= first) & (values <= last)
        assert (inside == met).mean() > 0.999


def test_a_name_that_no_text_has_is_told_what_can_be_given_and_a_prompt_is_no_set():
    model = gw.fit(gw.read(["one two", "two one"] * 20), family=gw.NGram(), steps=1)
    with pytest.raises(ArgumentError) as told:
        model.sample(1, given={"tex": "one"})
    assert "text" in told.value.hint
    with pytest.raises(ArgumentError, match="not by a set"):
        parse_given(["text in {one,two}"], model)
