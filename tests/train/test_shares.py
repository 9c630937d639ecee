"""Shares of levels are matched after training, within the time there is."""

import time

import pytest
import torch

import genwright as gw
from genwright.families.family import Work
from genwright.spaces import Columns, Discrete, Encoded
from genwright.train.plan import Clock
from genwright.train.shares import match_shares

SHARES = torch.tensor([0.7, 0.25, 0.05])
SPACE = Columns((Discrete("size", 3), Discrete("kind", 3)))


def shares_of(family, *, steps=None, seconds=None):
    """How often untrained nets draw the levels of a column, once the shares in 20,000 rows are matched."""
    rows = torch.multinomial(SHARES, 40_000, replacement=True, generator=torch.Generator().manual_seed(0)).view(-1, 2)
    torch.manual_seed(0)
    family = family.sized(SPACE, Work(rows=20_000, steps=400))
    net = family.build(SPACE, None)
    clock = Clock(steps=steps, deadline=None if seconds is None else time.monotonic() + seconds)
    match_shares(family, net, space=SPACE, rows=Encoded(rows.float()), clock=clock, seed=0)
    drawn = family.sample(net, 20_000, rng=torch.Generator().manual_seed(1))
    return drawn[:, 1].long().bincount(minlength=3) / len(drawn)


@pytest.mark.parametrize("family", [gw.VAE(), gw.GAN(), gw.FlowMatching(), gw.Diffusion(), gw.Autoregressive()])
def test_shares_are_those_of_the_rows(family):
    assert (shares_of(family, steps=400) - SHARES).abs().sum() < 0.04


@pytest.mark.parametrize("family", [gw.FlowMatching(), gw.Diffusion()])
def test_a_moment_is_enough_for_one_round(family):
    assert (shares_of(family, seconds=0.1) - SHARES).abs().sum() < 0.12  # .73 before it


def test_nothing_is_matched_when_the_time_is_up():
    assert (shares_of(gw.Diffusion(), seconds=-1) - 1 / 3).abs().max() < 0.03
