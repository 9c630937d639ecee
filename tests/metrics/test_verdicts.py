"""Constructed records get the first words that anyone would give them; see docs/evidence/verdicts.md."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from benchmarks.verdicts import FAR, KINDS, UNUSABLE, Subject, allowed, digits

import genwright as gw
from genwright.metrics.comparison import compare

QUICK = ("letters given the two before", "unseen real text", "unseen real images")  # of texts and images
CASES = [
    pytest.param(kind, name, marks=[pytest.mark.slow] * (kind != "tables" and name not in QUICK))
    for kind, (_, cases) in KINDS.items()
    for name in cases
]


@cache
def subject(kind: str) -> Subject:
    if kind != "images":
        return KINDS[kind][0]()
    few = digits(80)
    return replace(few, train=few.train.take(slice(400)))


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_every_case_gets_its_verdict(kind, name):
    make, must = KINDS[kind][1][name]
    of = subject(kind)
    assert of.judged(make(of))[0].startswith(allowed(must))


@pytest.mark.parametrize(
    "family",
    [gw.VAE(), *(pytest.param(each, marks=pytest.mark.slow) for each in (gw.FlowMatching(), gw.GAN(), gw.Diffusion()))],
    ids=lambda family: family.name,
)
def test_a_family_trained_for_two_steps_is_not_recommended(family):
    of = subject("images")
    made = gw.fit(of.train, family=family, steps=2).sample(len(of.real), seed=0)
    assert of.judged(made)[0].startswith((UNUSABLE, FAR))


@pytest.mark.slow
def test_slightly_blurred_pictures_are_told_from_real_ones_and_rank_behind_them():
    of = digits(590)
    made, _ = KINDS["images"][1]["slight blur (0.5 pixels)"]
    others = of.train.take(np.arange(len(of.real)) % len(of.train))
    found = compare({"blurred": made(of), "real": of.spare}, real=of.real, train=others)
    assert found.best == ("real",) and found.rule.startswith("C2ST")
