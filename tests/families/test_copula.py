"""Copula: known dependence is recovered, log_prob is a density that the samples have, odd tables do no harm."""

import math
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import genwright as gw
from genwright.errors import ArgumentError
from genwright.families.copula import START, Copula
from genwright.families.family import Work
from genwright.nets.student_cells import StudentCells
from genwright.spaces import Columns, Continuous, Discrete, Encoded
from genwright.train.fit import fit_family

PAIR = Columns((Continuous("a"), Continuous("b")))
MIXED = Columns((Discrete("class", 2), Discrete("state", 2), Continuous("a", state=1), Continuous("b")))


def student_net() -> StudentCells:
    """Two cells with made-up distributions."""
    net = StudentCells(MIXED, None, cells=2)
    net.log_weights.copy_(torch.tensor([0.3, 0.7]).double().log())
    net.tables.copy_(torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.75, 0.25]]]).double())
    net.means.copy_(torch.tensor([[0.5, -1.0], [-0.3, 0.4]]).double())
    net.scatters.copy_(torch.tensor([[[1.0, 0.6], [0.6, 0.5]], [[0.4, -0.2], [-0.2, 0.9]]]).double())
    net.df.fill_(8)
    return net


def bent_net() -> StudentCells:
    """The same with columns that are moved and bent."""
    net = student_net()
    net.centres.copy_(torch.tensor([[0.2, -0.5], [0.0, 0.3]]).double())
    net.spreads.copy_(torch.tensor([0.8, 1.3]).double())
    net.powers.copy_(torch.tensor([[0.6, 1.4], [1.0, 0.7]]).double())
    return net


def fitted(rows: torch.Tensor, space: Columns, **options: int):
    encoded = Encoded(rows.float())
    return fit_family(
        Copula(**options),
        space,
        None,
        encoded,
        encoded,
        work=Work(rows=len(rows), steps=1),
        seed=0,
        started=time.monotonic(),
        device=torch.device("cpu"),
    )


def test_log_prob_is_that_of_scipy_and_integrates_to_one():
    net = student_net()
    points = torch.linspace(-40, 40, 1601)
    total = 0.0
    for label in (0.0, 1.0):
        for state in (0.0, 1.0):
            b = points[:, None].expand(-1, 4).clone()
            b[:, 0], b[:, 1], b[:, 2] = label, state, torch.nan if state == 0 else 0.0
            total += float(net.log_prob(b, None).exp().sum()) * 0.05
    assert total == pytest.approx(1.0, abs=1e-3)
    row = torch.tensor([[1.0, 0.0, 0.7, -0.4]])
    cells = [
        w * c * s * stats.multivariate_t(m, scatter, df=8).pdf([0.7, -0.4])
        for w, c, s, m, scatter in zip(
            (0.3, 0.7), (0.1, 0.8), (0.6, 0.75), net.means.numpy(), net.scatters.numpy(), strict=True
        )
    ]
    assert float(net.log_prob(row, None)) == pytest.approx(math.log(sum(cells)), abs=1e-5)


@pytest.mark.parametrize("net", [student_net(), bent_net()], ids=["straight", "bent"])
def test_conditional_draws_have_the_law_that_log_prob_says(net):
    rng = torch.Generator().manual_seed(0)
    partial = torch.tensor([[math.nan, 0.0, 1.2, math.nan]]).repeat(20_000, 1)
    b = net.draw(partial, None, rng)[:, 3].sort().values
    grid = torch.linspace(-30, 30, 6001)
    rows = torch.tensor([math.nan, 0.0, 1.2, 0.0]).repeat(len(grid), 1)
    rows[:, 3] = grid
    density = (net.log_prob(rows, None) - net.log_prob(partial[:1], None)).exp()
    cdf = np.interp(b.numpy(), grid.numpy(), (density.cumsum(0) * 0.01).numpy())
    assert float(density.sum()) * 0.01 == pytest.approx(1.0, abs=5e-3)
    assert np.abs(cdf - np.arange(len(b)) / len(b)).max() < 0.015


def test_values_without_meaning_are_zero_and_given_ones_stay():
    net, rng = student_net(), torch.Generator().manual_seed(1)
    partial = torch.full((500, 4), math.nan)
    partial[:250, 3] = 0.25
    drawn = net.draw(partial, None, rng)
    assert (drawn[:250, 3] == 0.25).all() and not drawn.isnan().any()
    assert (drawn[drawn[:, 1] == 1, 2] == 0).all() and (drawn[drawn[:, 1] == 0, 2] != 0).all()


@pytest.mark.parametrize("correlation", [-0.8, 0.999])
def test_a_gaussian_copula_is_recovered(correlation):
    rng = torch.Generator().manual_seed(2)
    a, b = torch.randn(2, 600, generator=rng)
    model = fitted(torch.stack([a, correlation * a + math.sqrt(1 - correlation**2) * b], dim=1), PAIR)
    x = model.family.sample(model.net, 20_000, rng=rng)
    assert float(torch.corrcoef(x.T)[0, 1]) == pytest.approx(correlation, abs=0.08)
    assert int(model.net.df) >= 32


def test_heavy_tails_in_common_are_noticed():
    draw = np.random.default_rng(3)
    x = stats.multivariate_t([0, 0], [[1, 0.3], [0.3, 1]], df=5).rvs(1500, random_state=draw)
    model = fitted(torch.from_numpy(x), PAIR)
    assert int(model.net.df) == 8


def test_independent_columns_lose_their_chance_correlations():
    rng = torch.Generator().manual_seed(4)
    rows = torch.randn(40, 12, generator=rng)
    model = fitted(rows, Columns(tuple(Continuous(str(j)) for j in range(12))))
    found = torch.corrcoef(model.net.scatters.reshape(-1, 12, 12)[0]).fill_diagonal_(0).abs().sum()
    assert float(model.net.scatters[0].fill_diagonal_(0).abs().sum()) < float(
        torch.cov(rows.T).fill_diagonal_(0).abs().sum()
    ) * 0.75 and torch.isfinite(found)


def test_skew_within_classes_is_found():
    rng = torch.Generator().manual_seed(6)
    label = (torch.arange(600) % 2).float()
    skewed = torch.randn(600, generator=rng).abs() * torch.where(label == 0, 1.0, -1.0)  # normal if labels are mixed
    other = torch.randn(600, generator=rng) + label
    space = Columns((Discrete("label", 2), Continuous("a"), Continuous("b")))
    model = fitted(torch.stack([label, skewed, other], dim=1), space)
    powers = model.net.powers[:2].sort(dim=0).values
    assert powers[0, 0] < 0.8 and powers[1, 0] > 1.2
    assert ((powers[:, 1] - 1).abs() < 0.2).all()


def test_classes_that_tell_columns_apart_become_cells():
    draw = np.random.default_rng(5)
    kind = draw.integers(0, 2, 400)
    sign = np.where(kind == 0, 1.0, -1.0)
    a = draw.normal(size=400)
    frame = pd.DataFrame(
        {"kind": np.array(["x", "y"])[kind], "a": a, "b": 0.9 * sign * a + 0.4 * draw.normal(size=400)}
    )
    frame["b"] += 2 * kind
    model = gw.fit(gw.read(frame), family=gw.Copula(), steps=1)
    for name, expected in (("x", 0.9), ("y", -0.9)):
        fake = model.sample(2000, given={"kind": name}, seed=1).frame
        assert fake.a.corr(fake.b) == pytest.approx(expected, abs=0.12)


def odd_tables() -> dict[str, pd.DataFrame]:
    draw = np.random.default_rng(6)
    numbers = pd.DataFrame(draw.normal(size=(10, 3)), columns=list("abc"))
    holes = pd.DataFrame(draw.normal(size=(120, 3)), columns=list("abc"))
    holes = holes.mask(draw.random(holes.shape) < 0.3)
    twins = pd.DataFrame({"a": draw.normal(size=60)}).assign(b=lambda f: f.a, constant=3.5)
    return {
        "ten rows": numbers,
        "missing values": holes.assign(kind=draw.choice(["p", "q", None], 120)),
        "columns alike, one constant": twins,
        "categories only": pd.DataFrame({"k": draw.choice(list("xyz"), 50), "l": draw.choice(list("uv"), 50)}),
        "ties": pd.DataFrame({"a": draw.integers(0, 300, 80).round(-2), "b": draw.poisson(40, 80)}),
    }


@pytest.mark.parametrize("name", list(odd_tables()))
def test_odd_tables_do_no_harm(name):
    data = gw.read(odd_tables()[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = gw.fit(data, family=gw.Copula(), steps=1)
        assert np.isfinite(model.log_prob(data)).all()
    fake = model.sample(30, seed=1)
    assert len(fake) == 30 and [f.name for f in fake.fields] == [f.name for f in data.fields]


def test_a_copula_stops_choosing_its_shape_when_its_time_is_over():
    a = np.random.default_rng(7).standard_t(3, size=(1000, 3))
    data = gw.read(pd.DataFrame(a + 2 * a[:, :1], columns=list("abc")))
    whole, late = gw.fit(data, family=gw.Copula(), steps=1), gw.fit(data, family=gw.Copula(), minutes=1e-6)
    assert int(whole.net.df) < START.df == int(late.net.df)  # its tails are heavy, which was not looked at
    fake = late.sample(4000, seed=1).frame
    assert fake.b.corr(fake.c, method="spearman") == pytest.approx(0.8, abs=0.05)


def test_a_silly_number_of_cells_is_refused():
    with pytest.raises(ArgumentError, match="try cells=4"):
        Copula(cells=0)
