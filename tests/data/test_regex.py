"""Texts made for a regular expression match it, all different where that is asked for."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.data.regex import draw, parse
from genwright.errors import ArgumentError

ATOMS = st.sampled_from(
    ["a", r"\d", r"\w", "[A-F0-9]", "[^a-z ]", r"\.", "-", ".", r"[\]x-]", "(ab|c)", "(?:x|y|)", " "]
)
TIMES = st.sampled_from(["", "?", "*", "+", "{3}", "{1,2}", "{2,}", "{0,1}"])


def patterns() -> st.SearchStrategy[str]:
    pieces = st.tuples(ATOMS, TIMES).map("".join)
    chains = st.lists(pieces, min_size=1, max_size=4).map("".join)
    return st.lists(chains, min_size=1, max_size=3).map("|".join)


@settings(max_examples=50, deadline=None)
@given(patterns(), st.integers(0, 2**32))
def test_every_text_matches_its_pattern(pattern, seed):
    node, rng = parse(pattern), np.random.default_rng(seed)
    texts = draw(node, 20, distinct=False, rng=rng)
    assert all(re.fullmatch(pattern, text) for text in texts), (pattern, texts)
    different = draw(node, 20, distinct=True, rng=rng)
    if different is None:
        assert len(set(draw(node, 3000, distinct=False, rng=rng))) < 24  # some of few are very rare
    else:
        assert len(set(different)) == 20 and all(re.fullmatch(pattern, text) for text in different)


def test_all_texts_of_a_small_set_are_found():
    node = parse(r"[AB]\d{2}")
    assert node.size == 200
    found = draw(node, 200, distinct=True, rng=np.random.default_rng(0))
    assert sorted(found) == [f"{c}{k:02d}" for c in "AB" for k in range(100)]
    assert draw(node, 201, distinct=True, rng=np.random.default_rng(0)) is None
    assert draw(parse("(a|a|a|b)"), 3, distinct=True, rng=np.random.default_rng(0)) is None


def test_very_many_different_texts_come_from_very_large_sets():
    found = draw(parse("[0-9A-F]{8}-[0-9A-F]{4}"), 100_000, distinct=True, rng=np.random.default_rng(0))
    assert len(set(found)) == 100_000


@pytest.mark.parametrize(
    "pattern", [r"(a", "(?=a)b", r"(a)\1", "a*?", "a++", r"\bword", "a^b", "[^ -~]", "é", "a{2000}"]
)
def test_what_cannot_be_made_is_said(pattern):
    with pytest.raises(ArgumentError) as caught:
        parse(pattern)
    assert r"known are characters, \d" in str(caught.value)
