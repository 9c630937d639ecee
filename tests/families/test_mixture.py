"""Mixture: EM climbs, known distributions are recovered, densities and conditionals are exact."""

import dataclasses
import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.capabilities import check
from genwright.families.family import Work
from genwright.families.mixture import Mixture
from genwright.nets.column_components import ColumnComponents
from genwright.spaces import Columns, Conditions, Continuous, Discrete, Encoded, Given, Reals, Space, Tokens

TABLE = Columns((Discrete("a", 3), Continuous("value", state=2), Discrete("state", 2), Continuous("free")))
LABEL = Columns((Discrete("label", 3), Continuous("size")))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def two_blobs(n: int) -> Tensor:
    """A quarter around (-.5, -.5) with correlation .8, the rest round at (.5, .5)."""
    first = torch.rand(n, generator=rng(1)) < 0.25
    noise = torch.randn(n, 2, generator=rng(2)) * 0.15
    tilted = torch.stack([noise[:, 0], 0.8 * noise[:, 0] + 0.6 * noise[:, 1]], dim=1)
    return torch.where(first[:, None], tilted - 0.5, noise + 0.5)


def table_rows(n: int) -> Tensor:
    a = torch.randint(3, (n,), generator=rng(1)).float()
    state = (torch.rand(n, generator=rng(2)) < 0.2 + 0.3 * (a == 1)).float()
    value = torch.where(state == 0, a - 1 + 0.3 * torch.randn(n, generator=rng(3)), 0.0)
    return torch.stack([a, value, state, torch.randn(n, generator=rng(4)) - 0.5 * a], dim=1)


def fitted(
    family: Mixture, space: Space, x: Tensor, *, context: Tensor | None = None, columns: Columns | None = None
) -> tuple[Mixture, nn.Module, list[float]]:
    """The sized family, its fitted net, and the loss after each pass."""
    losses: list[float] = []
    work = Work(rows=len(x), steps=30)
    family = family.sized(space, work)
    net = family.build(space, None if columns is None else Conditions(columns))
    data = Encoded(x, context)
    family.fit(net, data, data, work, rng(), lambda step, steps, loss, held_out: losses.append(loss))
    return family, net, losses


def integral(family: Mixture, net: nn.Module, axes: list[Tensor], context: Tensor | None = None) -> float:
    """Riemann sum of the density over the grid of `axes`; an axis of one point is not integrated over."""
    x = torch.stack([g.flatten() for g in torch.meshgrid(*axes, indexing="ij")], dim=1)
    beside = None if context is None else context.expand(len(x), -1)
    step = math.prod(float(axis[1] - axis[0]) for axis in axes if len(axis) > 1)
    return float(family.log_prob(net, x, beside, rng()).exp().sum()) * step


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_every_pass_of_em_raises_the_likelihood(rank):
    x = two_blobs(800)
    _, _, losses = fitted(Mixture(components=4, rank=rank, smoothing=1e-6), Reals((2,)), x)
    assert all(after <= before + 1e-4 for before, after in itertools.pairwise(losses))
    assert losses[-1] < losses[0]


def test_every_pass_of_em_raises_the_likelihood_of_columns():
    _, _, losses = fitted(Mixture(components=5, smoothing=1e-6), TABLE, table_rows(900))
    assert all(after <= before + 1e-4 for before, after in itertools.pairwise(losses))


def test_rank_zero_makes_the_entries_of_a_component_independent():
    x = two_blobs(800)
    family, net, _ = fitted(Mixture(components=1, rank=0, smoothing=1e-6), Reals((2,)), x)
    alone = torch.distributions.Normal(x.mean(dim=0), x.std(dim=0, correction=0))
    assert torch.allclose(family.log_prob(net, x, None, rng()), alone.log_prob(x).sum(dim=1), atol=1e-3)
    drawn = family.sample(net, 4000, rng=rng())
    assert torch.allclose(drawn.std(dim=0), x.std(dim=0), rtol=0.1)
    assert abs(float(torch.corrcoef(drawn.T)[0, 1])) < 0.06


def test_recovers_a_known_gaussian_mixture():
    x = two_blobs(4000)
    family, net, _ = fitted(Mixture(components=2, rank=2), Reals((2,)), x)
    order = net.log_weights.argsort()
    weights, mean = net.log_weights.exp()[order], net.body.mean[order]
    loading = net.body.loading[order]
    covariance = loading @ loading.mT + torch.diag_embed(net.body.noise[order])
    assert float(weights[0]) == pytest.approx(0.25, abs=0.03)
    assert torch.allclose(mean, torch.tensor([[-0.5, -0.5], [0.5, 0.5]]), atol=0.03)
    correlation = covariance[:, 0, 1] / (covariance[:, 0, 0] * covariance[:, 1, 1]).sqrt()
    assert torch.allclose(correlation, torch.tensor([0.8, 0.0]), atol=0.06)
    drawn = family.sample(net, 4000, rng=rng())
    assert torch.allclose(drawn.mean(dim=0), x.mean(dim=0), atol=0.04)


def test_densities_integrate_to_one():
    axis = torch.linspace(-3, 3, 241)
    family, net, _ = fitted(Mixture(components=3, rank=1), Reals((2,)), two_blobs(500))
    assert integral(family, net, [axis, axis]) == pytest.approx(1.0, abs=1e-3)
    family, net, _ = fitted(Mixture(components=3), TABLE, table_rows(500))
    wide, none = torch.linspace(-7, 7, 141), torch.zeros(1)
    total = sum(
        integral(family, net, [torch.tensor([float(a)]), none if state else wide, torch.tensor([float(state)]), wide])
        for a in range(3)
        for state in range(2)
    )
    assert total == pytest.approx(1.0, abs=1e-3)


def test_conditionals_agree_with_brute_force():
    family, net, _ = fitted(Mixture(components=3, rank=2), Reals((2,)), two_blobs(800))
    partial = torch.tensor([[0.2, torch.nan]])
    marginal = float(family.log_prob(net, partial, None, rng()).exp())
    axis = torch.linspace(-3, 3, 2001)
    joint = family.log_prob(net, torch.stack([torch.full_like(axis, 0.2), axis], dim=1), None, rng()).exp()
    assert marginal == pytest.approx(float(torch.trapezoid(joint, axis)), rel=1e-3)
    drawn = family.sample(net, 8000, given=Given(partial.expand(8000, -1)), rng=rng())
    assert (drawn[:, 0] == torch.tensor(0.2)).all()
    expected = float(torch.trapezoid(joint * axis, axis)) / marginal
    assert float(drawn[:, 1].mean()) == pytest.approx(expected, abs=0.02)


def test_imputes_columns_from_their_exact_law_and_keeps_what_is_given():
    family, net, _ = fitted(Mixture(components=4), TABLE, table_rows(1000))
    partial = torch.tensor([[torch.nan, torch.nan, 0.0, -1.0]])
    with_a = partial.repeat(3, 1)
    with_a[:, 0] = torch.arange(3)
    law = family.log_prob(net, with_a, None, rng()).softmax(dim=0)
    drawn = family.sample(net, 6000, given=Given(partial.expand(6000, -1)), rng=rng())
    assert (drawn[:, 2] == 0).all() and (drawn[:, 3] == -1).all() and not drawn.isnan().any()
    shares = torch.bincount(drawn[:, 0].long(), minlength=3) / len(drawn)
    assert torch.allclose(shares, law, atol=0.025)
    free = family.sample(net, 1000, rng=rng())
    assert (free[free[:, 2] == 1][:, 1] == 0).all()
    implied = family.sample(
        net, 50, given=Given(torch.tensor([[torch.nan, 0.5, torch.nan, torch.nan]]).repeat(50, 1)), rng=rng()
    )
    assert (implied[:, 2] == 0).all(), "a value implies its state"


def test_labels_make_components_class_conditional():
    label = torch.randint(3, (600,), generator=rng(5))
    x = 0.1 * torch.randn(600, 1, 4, 4, generator=rng(6))
    x[torch.arange(600), 0, label] += 0.8
    context = torch.stack([label.float(), torch.randn(600, generator=rng(7))], dim=1)
    context[::5, 1] = torch.nan
    space = Reals((1, 4, 4), levels=256)
    family, net, _ = fitted(Mixture(components=6), space, space.pack(x), context=context, columns=LABEL)
    wanted = torch.arange(3).repeat(40)
    given = torch.stack([wanted.float(), torch.full((120,), torch.nan)], dim=1)
    drawn = family.sample(net, 120, given=Given(None, given), rng=rng())
    assert (drawn.mean(dim=(1, 3)).argmax(dim=1) == wanted).all()
    bayes = [
        family.log_prob(net, drawn, torch.tensor([[k, torch.nan]]).expand(120, -1), rng()) for k in (0.0, 1.0, 2.0)
    ]
    assert (torch.stack(bayes).argmax(dim=0) == wanted).all()
    top = drawn.clone()
    top[:, :, 2:] = torch.nan
    inpainted = family.sample(net, 120, given=Given(top, None), rng=rng())
    assert torch.equal(inpainted[:, :, :2], top[:, :, :2]) and inpainted.isfinite().all()
    assert (inpainted.mean(dim=(1, 3)).argmax(dim=1) == wanted).float().mean() > 0.98


def test_one_component_makes_columns_independent():
    family, net, _ = fitted(Mixture(components=1), TABLE, table_rows(1000))
    x = family.sample(net, 4000, rng=rng())
    assert abs(float(torch.corrcoef(x[:, [0, 3]].T)[0, 1])) < 0.05


def test_saved_buffers_restore_the_law():
    family, net, _ = fitted(Mixture(components=3), TABLE, table_rows(300))
    other = family.build(TABLE, None)
    other.load_state_dict(net.state_dict())
    drawn = [family.sample(n, 100, rng=rng()) for n in (net, other)]
    assert torch.equal(*drawn)
    x = table_rows(20)
    assert torch.equal(*(family.log_prob(n, x, None, rng()) for n in (net, other)))


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_degenerate_data_gives_finite_laws(rows):
    for space, x in ((Reals((3,)), torch.zeros(rows, 3)), (TABLE, torch.zeros(rows, 4))):
        family, net, _ = fitted(Mixture(components=4), space, x)
        assert family.log_prob(net, x, None, rng()).isfinite().all()
        assert family.sample(net, 5, rng=rng()).isfinite().all()


def test_held_out_rows_end_a_fit_in_time():
    x = table_rows(600)
    family = Mixture(components=200, smoothing=1e-3).sized(TABLE, Work(rows=300))
    net = family.build(TABLE, None)
    passes: list[float] = []
    work = Work(rows=300)
    family.fit(net, Encoded(x[:300]), Encoded(x[300:]), work, rng(), lambda i, n, loss, held: passes.append(held))
    assert len(passes) < 40
    final = -float(family.log_prob(net, x[300:], None, rng()).mean())
    assert final == pytest.approx(min(passes), abs=1e-3)


def test_components_that_tell_values_apart_are_not_widened():
    space, n = Columns((Continuous("x"), Continuous("y"))), 100
    x = torch.randn(2 * n, 2, generator=torch.Generator().manual_seed(0))
    x[:n, 0] += 20.0  # x tells the components apart, y does not
    of, net = torch.arange(2 * n) // n, ColumnComponents(space, components=2)
    net.prepare(x)
    net.maximise(net.statistics(x, torch.eye(2)[of]), 4.0)
    own = torch.stack([x[:n], x[n:]])
    within = own.var(dim=1, correction=0)
    assert torch.allclose(net.variance, (n * within + 4.0 * within.mean(dim=0)) / (n + 4.0), atol=2e-3)
    assert (net.mean[:, 0] - own.mean(dim=1)[:, 0]).abs().max() < 0.02  # .8 if they were 4 rows like all


def test_sizes_follow_rows_and_time():
    assert [Mixture().sized(TABLE, Work(rows=n)).components for n in (40, 100)] == [1, 3]
    many = Mixture().sized(Reals((1, 28, 28)), Work(rows=48_000, minutes=10.0))
    few = Mixture().sized(Reals((1, 28, 28)), Work(rows=48_000, minutes=0.02))
    assert few.components < many.components <= 256
    assert Mixture(components=7).sized(TABLE, Work(rows=10)).components == 7


def test_wrong_arguments_are_refused_with_a_hint():
    with pytest.raises(ArgumentError, match="components"):
        Mixture(components=0)
    with pytest.raises(ArgumentError, match="smoothing"):
        dataclasses.replace(Mixture(), smoothing=0.0)
    with pytest.raises(UnsupportedError, match="tokens"):
        check(Mixture(), Tokens(length=8, vocabulary=257, end=256))
