"""Decoding functions against brute force over the sorted probabilities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genwright.maths import decoding

LOGITS = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)) * 2


def kept(logits: torch.Tensor) -> list[set[int]]:
    return [set(row.isfinite().nonzero().flatten().tolist()) for row in logits]


@pytest.mark.parametrize("p", [0.01, 0.3, 0.7, 0.95, 1.0])
def test_top_p_is_the_smallest_sufficient_set(p: float) -> None:
    for row, found in zip(LOGITS.double().softmax(dim=1), kept(decoding.top_p(LOGITS, p)), strict=True):
        expected: set[int] = set()
        for index in row.argsort(descending=True).tolist():
            if sum(row[i] for i in expected) >= p:
                break
            expected.add(index)
        assert found == expected or (p == 1.0 and len(found) >= 6)


@pytest.mark.parametrize("k", [1, 3, 7, 100])
def test_top_k_keeps_the_largest(k: int) -> None:
    for row, found in zip(LOGITS, kept(decoding.top_k(LOGITS, k)), strict=True):
        assert found == set(row.argsort(descending=True)[:k].tolist())


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_min_p_cuts_by_ratio_to_the_likeliest(p: float) -> None:
    for row, found in zip(LOGITS.double().softmax(dim=1), kept(decoding.min_p(LOGITS, p)), strict=True):
        assert found == {i for i in range(7) if row[i] >= p * row.max()}


def test_what_is_kept_keeps_its_proportions() -> None:
    cut = decoding.top_k(LOGITS, 3)
    finite = cut.isfinite()
    assert torch.equal(cut[finite], LOGITS[finite])


def test_temperature_is_a_power_of_the_law() -> None:
    law = decoding.temper(LOGITS, 0.5).softmax(dim=1)
    squared = LOGITS.softmax(dim=1) ** 2
    torch.testing.assert_close(law, squared / squared.sum(dim=1, keepdim=True))
    assert decoding.draw(decoding.temper(LOGITS, 0.0), torch.Generator()).equal(LOGITS.argmax(dim=1))


def test_draws_follow_the_law() -> None:
    law = torch.tensor([0.5, 0.0, 0.3, 0.2])
    drawn = decoding.draw(law.log().expand(100_000, 4), torch.Generator().manual_seed(1))
    frequency = torch.bincount(drawn, minlength=4) / 100_000
    assert frequency[1] == 0
    torch.testing.assert_close(frequency, law, atol=0.006, rtol=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.integers(0, 2**31))
def test_only_possible_symbols_are_drawn(possible: int, seed: int) -> None:
    logits = torch.full((64, 6), -torch.inf)
    logits[:, possible] = 3.0
    assert (decoding.draw(logits, torch.Generator().manual_seed(seed)) == possible).all()


def test_same_seed_same_draws() -> None:
    draws = [decoding.draw(LOGITS, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)
