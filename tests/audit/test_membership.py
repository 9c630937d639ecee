"""Attacks find models that know their records by heart, and find nothing where there is nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import genwright as gw
from genwright.audit.attacks import Scene, attacks
from genwright.audit.membership import _encoded, judged, membership
from genwright.audit.points import KernelDensity, nearest, points
from genwright.data.split import Split
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Columns, Continuous, Discrete, Encoded, Tokens


def by_heart(data, n, *, others=200):
    """n records that also decide when to stop, so that a fit learns them by heart; and unseen ones in two sets."""
    seen = data.take(np.arange(n))
    unseen = data.take(np.arange(n, min(n + 2 * others, len(data))))
    half = len(unseen) // 2
    split = Split(np.arange(n), np.arange(min(n, 20)), np.arange(0))
    return replace(seen, fixed_split=split), unseen.take(slice(half)), unseen.take(slice(half, None))


@pytest.fixture(scope="module")
def diabetes():
    data = gw.read("diabetes")
    return data.take(np.random.default_rng(0).permutation(len(data)))


def test_a_strong_attack_is_found_and_chance_is_not():
    rng = np.random.default_rng(0)
    member = np.arange(400) < 200
    noise = {f"noise {k}": rng.normal(size=400) for k in range(9)}
    found = judged(noise | {"sees": 2 * member + rng.normal(size=400)}, member)
    assert found.strongest.name == "sees" and found.leaks and found.p == pytest.approx(1 / 1001)
    assert found.strongest.auc == pytest.approx(0.92, abs=0.04)  # Φ(2 / √2)
    assert found.strongest.interval[0] < 0.9214 < found.strongest.interval[1]
    assert not judged(noise, member).leaks and judged(noise, member).p > 0.05


def test_an_attack_that_says_nothing_is_not_the_strongest():
    rng = np.random.default_rng(0)
    member = np.arange(80) < 40
    some = 0.5 * member + rng.normal(size=80)
    assert judged({"constant": np.zeros(80), "some": some}, member).strongest.name == "some"


def test_a_perfect_attack_has_an_interval_that_is_no_point():
    member = np.arange(100) < 50
    best = judged({"all": member.astype(float)}, member).strongest
    assert best.auc == 1.0 and 0.75 < best.interval[0] < 1.0
    assert best.caught[0.01][0] == 1.0


def test_the_interval_of_the_chosen_attack_holds_a_half_for_a_model_that_saw_none_of_the_targets(diabetes):
    """All attacks on one cheap model; who counts as a member is drawn anew, from records that it never saw."""
    seen, others, reference = by_heart(diabetes, 100, others=120)
    model = gw.fit(seen, family=gw.Mixture(components=4), steps=5)
    rows = [_encoded(model, each, 500, 0) for each in (others, model.sample(300, seed=0), reference)]
    scene = Scene(model, *rows, 0)
    scores = {name: make() for name, make in attacks(scene).items()}
    assert len(scores) >= 8
    rng, held = np.random.default_rng(0), 0
    for k in range(100):
        chosen = rng.permutation(len(others))[:100]
        found = judged({name: score[chosen] for name, score in scores.items()}, np.arange(100) < 50, seed=k)
        held += found.strongest.interval[0] <= 0.5 <= found.strongest.interval[1]
    assert held >= 93


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "family", "n", "steps", "expected"),
    [
        ("diabetes", gw.Mixture(components=80), 80, 100, "likelihood to density of unseen records"),
        pytest.param("diabetes", gw.Autoregressive(), 80, 400, "likelihood", marks=SLOW),
        pytest.param("diabetes", gw.VAE(), 80, 600, "likelihood to density of unseen records", marks=SLOW),
        pytest.param("digits", gw.FlowMatching(width=16), 40, 500, "loss on a grid of noise", marks=SLOW),
    ],
)
def test_records_known_by_heart_are_told_from_others(name, family, n, steps, expected):
    data = gw.read(name)
    data = data.take(np.random.default_rng(0).permutation(len(data)))
    seen, others, reference = by_heart(data, n, others=120)
    model = gw.fit(seen, family=family, steps=steps, doctor=None)
    found = membership(model, seen, others=others, reference=reference)
    aucs = {each.name: each.auc for each in found.attacks}
    assert aucs[expected] > 0.9 and found.strongest.auc > 0.9 and found.leaks and len(aucs) >= 8


def test_too_few_records_and_other_data_are_errors(diabetes):
    model = gw.fit(diabetes, family=gw.Mixture(components=2), steps=2)
    few = diabetes.test.take(slice(5))
    with pytest.raises(DataError, match="5 records, at least 10") as raised:
        membership(model, diabetes.train, others=few, reference=diabetes.valid)
    assert "others" in str(raised.value)
    with pytest.raises(ArgumentError, match="fitted to 442 records, these are 100"):
        gw.audit_model(model, diabetes.take(slice(100)))
    assert "No leak" in gw.audit_model(model, diabetes).verdict


def test_points_of_every_space():
    mixed = Columns((Discrete("a", 3), Continuous("b")))
    a = points([Encoded(torch.tensor([[0.0, 1.0], [2.0, 3.0]])), Encoded(torch.tensor([[0.0, 1.0]]))], mixed)
    assert nearest(a[1], a[0], 2)[0, 0] == 0.0 and a[0].shape == (2, 4)
    tokens = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 5]], dtype=torch.uint8)
    (t,) = points([Encoded(tokens)], Tokens(4, 6, 0))
    apart = torch.cdist(t, t)
    assert apart[0, 2] < apart[0, 1]


def test_a_kernel_density_is_that_of_a_normal_distribution():
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    found = KernelDensity.of(x, like=x).log_prob(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    assert found[0] - found[1] == pytest.approx(2 / (1 + 4000 ** (-2 / 6)), abs=0.25)  # of variance 1 + width²
