"""Rules as JSON, and what is said of JSON that is none."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.constraints import (
    FixedCombinations,
    Formula,
    OneHot,
    Order,
    Pattern,
    Range,
    Sum,
    Unique,
    read_rules,
    rule_from_json,
    rule_to_json,
    rules_from_json,
)
from genwright.errors import ArgumentError
from tests.constraints.shop import rules

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
SEVERAL = st.lists(NAMES, min_size=2, max_size=4, unique=True)
RULES = st.one_of(
    st.builds(Range, NAMES, low=st.floats(-1e9, 1e9), high=st.none() | st.floats(-1e9, 1e9)),
    st.builds(Range, NAMES, high=st.dates()),
    st.builds(Order, SEVERAL, strict=st.booleans()),
    st.builds(FixedCombinations, SEVERAL),
    st.builds(OneHot, SEVERAL),
    st.builds(lambda names: Sum(names[0], names[1:]), SEVERAL),
    st.builds(Formula, st.just("y"), st.sampled_from(["2 * x", "round(`a b` / c, 1)"])),
    st.builds(Unique, st.lists(NAMES, min_size=1, max_size=3)),
    st.builds(Pattern, NAMES, st.sampled_from([r"\d{3}", "[A-Z]+"])),
)


@settings(max_examples=60, deadline=None)
@given(RULES)
def test_rules_come_back_from_json_text(rule):
    assert rule_from_json(json.loads(json.dumps(rule_to_json(rule), allow_nan=False))) == rule


def test_a_rule_is_written_as_the_python_that_makes_it():
    namespace = {c.__name__: c for c in (FixedCombinations, Formula, OneHot, Order, Pattern, Range, Sum, Unique)}
    for rule in [*rules(), Order(["a", "b"], strict=True)]:
        assert eval(str(rule), namespace) == rule


@pytest.mark.parametrize(
    "told, message",
    [
        ({"rule": "order"}, "is not a list"),
        (["order"], "rule 1: 'order' is not an object"),
        ([{"rule": "one_hot", "columns": ["a", "b"]}, {"rule": "oder"}], "rule 2: no rule called 'oder'"),
        ([{"rule": "order"}], "order: 'columns' is missing\n  hint: order has: columns, strict"),
        (
            [{"rule": "order", "columns": ["a", "b"], "sharp": 1}],
            "order: 'sharp' is unknown\n  hint: order has: columns, strict",
        ),
        ([{"rule": "order", "columns": "ab"}], "order, columns: 'ab' is not a list"),
        ([{"rule": "order", "columns": ["a"]}], "are not two or more different columns"),
        ([{"rule": "order", "columns": ["a", "b"], "strict": 1}], "order, strict: 1 is not true or false"),
        ([{"rule": "range", "column": "a"}], "neither low nor high is given\n  hint: give one of them"),
        ([{"rule": "range", "column": "a", "low": True}], "range, low: True is not a number"),
        ([{"rule": "formula", "column": "a", "expression": 3}], "formula, expression: 3 is not text"),
        ([{"rule": "formula", "column": "a", "expression": "a + 1"}], "computed from itself"),
        ([{"rule": "unique", "columns": []}], "no column is named"),
        ([{"rule": "pattern", "column": "a", "regex": "("}], "no regular expression"),
    ],
)
def test_what_is_wrong_is_said(told, message):
    with pytest.raises(ArgumentError) as caught:
        rules_from_json(told, where="rules.json")
    assert message in str(caught.value)


def test_files_are_read_and_missed(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text(json.dumps([rule_to_json(rule) for rule in rules()]))
    assert read_rules(path) == tuple(rules())
    path.write_text("[{")
    with pytest.raises(ArgumentError, match="not valid JSON"):
        read_rules(path)
    with pytest.raises(ArgumentError, match="no such file"):
        read_rules(tmp_path / "rule.json")
