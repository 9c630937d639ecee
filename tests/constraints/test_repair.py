"""Rows moved into ranges and orders: always where that is possible, and never where nothing is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.constraints import Formula, Order, Range, Unique
from genwright.constraints.feasible import check_feasible, point
from genwright.constraints.grids import above, below, ceil, floor, rounded
from genwright.constraints.repair import apart, into_bounds
from genwright.data.dataset import Number, Time
from genwright.errors import ArgumentError
from tests.codecs.rows import table

GRIDS = (
    Number("x", 0),
    Number("x", 2),
    Number("x"),
    Time("x", "%Y-%m-%d"),
    Time("x", "%Y-%m"),
    Time("x", "%H:%M:%S.%f"),
)
VALUES = st.one_of(st.integers(-50, 50).map(float), st.floats(-50, 50), st.just(np.nan))


@pytest.mark.parametrize("field", GRIDS, ids=str)
@settings(max_examples=12, deadline=None)
@given(values=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=5))
def test_grids_know_their_neighbours(field, values):
    x = np.array(values) * (8.64e10 if isinstance(field, Time) else 1)
    down, up = floor(field, x), ceil(field, x)
    assert (down <= x + 1e-6).all() and (up >= x - 1e-6).all()
    assert np.array_equal(floor(field, up), up) and np.array_equal(ceil(field, down), down)
    assert (above(field, down) > down).all() and (below(field, up) < up).all()
    assert np.array_equal(below(field, above(field, down)), down)
    near = rounded(field, x)
    assert ((near == down) | (near == up)).all()
    infinite = np.array([np.inf, -np.inf, np.nan])
    for move in (floor, ceil, above, below):
        assert np.array_equal(move(field, infinite), infinite, equal_nan=True)


RULES = st.lists(
    st.one_of(
        st.builds(
            lambda c, low, size: Range(c, low=low, high=low + size),
            st.sampled_from("abcd"),
            st.integers(-40, 30),
            st.integers(0, 40),
        ),
        st.builds(
            lambda columns, strict: Order(sorted(columns), strict=strict),
            st.sets(st.sampled_from("abcd"), min_size=2),
            st.booleans(),
        ),
    ),
    min_size=1,
    max_size=5,
)
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(RULES, ROWS)
def test_whatever_can_hold_does_after_the_repair(rules, rows):
    fields = (Number("a", 0), Number("b", 1), Number("c", 1), Number("d", 2))
    values = [rounded(f, np.array(v)) for f, v in zip(fields, zip(*rows, strict=True), strict=True)]
    data = table(*zip(fields, values, strict=True))
    try:
        check_feasible(data, rules)
    except ArgumentError as error:
        assert "cannot hold in any row" in str(error)
        return
    columns = {**data.columns, **into_bounds(data, rules)}
    moved = table(*((f, columns[f.name]) for f in fields))
    for rule in rules:
        assert rule.holds(moved).all(), (rule, columns)
    for field in fields:
        assert np.array_equal(rounded(field, columns[field.name]), columns[field.name], equal_nan=True)
        assert np.array_equal(np.isnan(columns[field.name]), np.isnan(data.columns[field.name]))
    good = np.all([rule.holds(data) for rule in rules], axis=0)
    for field in fields:
        assert np.array_equal(columns[field.name][good], data.columns[field.name][good], equal_nan=True)
    assert set(point(data, rules)) == {name for rule in rules for name in rule.names}


def test_a_smallest_set_of_conflicting_rules_is_found_on_the_grid():
    data = table((Number("a", 0), [1.0]), (Number("b", 0), [1.0]), (Time("t"), np.array(["2024-01-01"], "M8[us]")))
    between = [
        Range("a", low=1, high=3),
        Range("b", low=1, high=3),
        Order(["a", "b"], strict=True),
        Range("a", low=2.5),
    ]
    with pytest.raises(ArgumentError, match="these 3 rules cannot hold in any row") as caught:
        check_feasible(data, [Range("t", low="2024-01-01"), *between])
    assert "Range('a', low=1" not in str(caught.value)
    with pytest.raises(ArgumentError, match="this rule cannot hold"):
        check_feasible(data, [Range("a", low=1.2, high=1.8), Range("b", low=1, high=2)])
    check_feasible(data, between[:3])


def test_times_of_several_grids_are_compared_exactly():
    first = np.array(["2024-01-01"], "M8[us]")
    forms = {"s": "%Y-%m-%d %H:%M", "e": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%b %Y"}
    times = [
        (Time(n, form, *[str(first.astype("M8[m]")[0]).replace("T", " ")] * 2), first) for n, form in forms.items()
    ]
    data = table(*times, (Number("m", 0), [0.0]))
    rising = [Order(["day", "s"], strict=True), Order(["s", "e"], strict=True), Range("day", low="2024-01-05")]
    found = point(data, [*rising, Range("e", high="2024-01-05 00:02"), Formula("m", "(e - s) * 1440")])
    assert found["m"] == 1 and np.datetime64(int(found["e"]), "us") == np.datetime64("2024-01-05 00:02")
    with pytest.raises(ArgumentError, match="these 4 rules"):
        check_feasible(data, [*rising, Range("e", high="2024-01-05 00:01")])
    march = [Order(["month", "day"]), Range("month", low="Mar 2024")]
    check_feasible(data, [*march, Range("day", high="2024-03-01")])
    with pytest.raises(ArgumentError, match="these 3 rules"):
        check_feasible(data, [*march, Range("day", high="2024-02-29")])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=13), st.sampled_from([0, 1]))
def test_values_are_moved_apart_within_their_range(numbers, decimals):
    x = np.array(numbers) / 10**decimals
    data = table((Number("x", decimals, 0, 12 / 10**decimals), x))
    moved = apart(data, Unique(["x"]), [], pinned=())
    assert len(np.unique(moved.columns["x"])) == len(x)
    assert moved.columns["x"].min() >= 0 and moved.columns["x"].max() <= 12 / 10**decimals
    first = np.unique(x, return_index=True)[1]
    assert np.array_equal(moved.columns["x"][first], x[first])
