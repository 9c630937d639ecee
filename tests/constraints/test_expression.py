"""Formulas: what is arithmetic is computed as written, whatever else is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.constraints.expression import Expression
from genwright.errors import ArgumentError

NUMBERS = st.integers(-9, 9).map(float)


def trees() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["a", "b", "`unit price`", "2", "0.5"])
    signs = st.sampled_from("+-*/")
    functions = st.sampled_from(["abs({})", "-{}", "round({}, 1)", "min({}, a)", "max(3, {}, b)"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, signs, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            st.tuples(functions, inner).map(lambda t: t[0].format(t[1])),
        ),
        max_leaves=8,
    )


@settings(max_examples=60, deadline=None)
@given(trees(), NUMBERS, NUMBERS, NUMBERS)
def test_formulas_are_what_python_makes_of_them(text, a, b, c):
    names = {"a": a, "b": b, "unit price": c}
    if not any(name in text for name in ("a", "b", "`")):
        return
    tree = Expression(text + " + 0 * a")
    values = {name: np.array([value, value]) for name, value in names.items()}
    functions = {"abs": abs, "min": min, "max": max, "round": lambda x, k=0: float(np.round(x, k))}
    try:
        expected = eval(text.replace("`unit price`", "c"), {"__builtins__": {}, **functions, "a": a, "b": b, "c": c})
    except ZeroDivisionError:
        return
    found = tree(values)
    assert found.shape == (2,)
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-12) or np.isnan(found).all()
    if tree.linear is not None:
        terms, constant = tree.linear
        assert np.isclose(sum(k * names[n] for n, k in terms.items()) + constant, expected)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "a.b", "a[0]", "a ** 2", "lambda: a", "a if b else c", "a < b", "'a'", "a +", "",
        "1 + 2", "abs(a, b)", "min(a)", "round(a, b)", "open(a)", "[a]", "a, b", "f'{a}'", "True + a", "1j * a",
        "a" + "+a" * 400, "a" + "+a" * 1400, "(" * 400 + "a" + ")" * 400, "a := 2", "min(*a)", "max(a, key=b)",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_there_is(text):
    with pytest.raises(ArgumentError, match="the formula") as caught:
        Expression(text)
    assert "backticks" in str(caught.value)


def test_a_deep_formula_is_computed():
    assert Expression("a" + "+a" * 90)({"a": np.ones(1)}).tolist() == [91]


def test_values_that_are_not_finite_are_missing():
    values = {"a": np.array([1.0, 0.0, np.nan]), "b": np.array([0.0, 0.0, 1.0])}
    assert np.isnan(Expression("a / b")(values)).all()
