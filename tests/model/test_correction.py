"""The correction of a table generator: what it changes where the truth is known, and when it is left away."""

import time

import pytest
import torch
from torch import nn

from genwright.families.mixture import Mixture
from genwright.model.correction import CAP, Correction, _drawn, learn_correction, reserved_seconds
from genwright.nets.oblivious import DEPTH, ObliviousTrees
from genwright.spaces import Columns, Continuous, Discrete, Encoded, Given

SPACE = Columns((Discrete("a", 4), Continuous("z")))


class Independent(Mixture):
    """A generator that knows both columns and not that they go together."""

    def sample(self, net, n, *, given=None, how=None, rng):
        a = torch.randint(4, (n,), generator=rng).float()
        return torch.stack([a, torch.randn(n, generator=rng)], dim=1)


def real(n, seed):
    rng = torch.Generator().manual_seed(seed)
    a = torch.randint(4, (n,), generator=rng)
    sign = torch.where(torch.rand(n, generator=rng) < 0.65, 1.0, -1.0) * torch.where(a > 1, 1.0, -1.0)
    return torch.stack([a.float(), sign * torch.randn(n, generator=rng).abs()], dim=1)


class Knowing(Independent):
    def sample(self, net, n, *, given=None, how=None, rng):
        return real(n, int(torch.randint(2**31, (), generator=rng)))


def learned(family):
    rows = Encoded(real(6000, 0)), Encoded(real(2000, 1))
    net = nn.Linear(1, 1)
    return learn_correction(family, net, SPACE, *rows, deadline=time.monotonic() + 30, seed=0)


@pytest.fixture(scope="module")
def corrected():
    return learned(Independent())


def agreement(x):
    """Share of rows in which z has the sign that a asks for: 0.65 in truth, 0.5 where columns are independent."""
    return ((x[:, 1] > 0) == (x[:, 0] > 1)).float().mean().item()


def test_draws_move_to_the_truth_and_weights_are_a_density_ratio(corrected):
    correction, measured = corrected
    assert correction is not None
    rng = torch.Generator().manual_seed(0)
    sampler = correction.rows(lambda n, *, given, rng: Encoded(Independent().sample(None, n, rng=rng)))
    drawn = sampler(20_000, given=Given(), rng=rng).x
    assert 0.61 < agreement(drawn) < 0.66
    plain = Independent().sample(None, 20_000, rng=rng)
    weight = correction.log_weight(plain).exp()
    assert weight.mean().item() == pytest.approx(1.0, abs=0.02)
    right = (plain[:, 1] > 0) == (plain[:, 0] > 1)
    assert (weight[right].mean() / weight[~right].mean()).item() == pytest.approx(0.65 / 0.35, rel=0.15)
    assert 0.9 / CAP < measured["acceptance"] <= 1 / CAP + 0.02


def test_a_generator_without_faults_is_left_as_it_is():
    correction, measured = learned(Knowing())
    assert correction is None and measured["held_out_gain"] < 0.002


def test_weights_come_back_from_their_tensors(corrected):
    correction, _ = corrected
    again = Correction(SPACE, len(correction.trees.values))
    again.load_state_dict(correction.state_dict())
    x = real(500, 2)
    assert torch.equal(again.log_weight(x), correction.log_weight(x))


def test_one_tree_is_the_newton_step_of_its_leaves():
    x = real(3000, 3)
    trees = ObliviousTrees(SPACE)
    trees.prepare(x, x)
    gradient = torch.where(x[:, 0] > 1, 0.5, -0.5)
    trees.grow(0, trees.bins(x), gradient, torch.full((3000,), 0.25), rate=1.0)
    score = trees(x)
    assert set(score.sign().tolist()) == {-1.0, 1.0} and torch.equal(score.sign(), -gradient.sign())
    assert score.abs().max() < 2.0  # 0.5 / 0.25, shrunk by the ridge
    assert trees.values.shape[1] == 2**DEPTH


def test_time_is_kept_only_for_tables_large_enough():
    assert reserved_seconds(SPACE, 10_000, 1.0) == pytest.approx(12.0)
    assert reserved_seconds(SPACE, 500, 1.0) == 0.0
    assert reserved_seconds(SPACE, 10_000, None) == 0.0


def test_slow_draws_stop_in_time(monkeypatch):
    drawn = []

    def slowly(family, net, n, *, rng):
        drawn.append(n)
        time.sleep(n / 1000)
        return torch.zeros(n, 2)

    monkeypatch.setattr(Mixture, "sample", slowly)
    began = time.monotonic()
    rows = _drawn(Mixture(), nn.Linear(1, 1), 50_000, began + 2.0, torch.Generator())
    assert time.monotonic() - began < 1.0 and drawn[0] == 64 and len(rows) == sum(drawn) < 1000
