"""Records of different lengths: padding takes part in nothing, and samples are as long as records are."""

import time
from dataclasses import replace

import pytest
import torch

from genwright.errors import UnsupportedError
from genwright.families import FAMILIES
from genwright.families.capabilities import check, models
from genwright.families.family import GradientFamily, Work
from genwright.randomness import seeded
from genwright.spaces import Encoded, Given, Reals
from genwright.train.fit import fit_family
from genwright.train.step import evaluate

SOUND = Reals((2, 12), levels=256, axes=("channel", "time"), lengths=(3, 5, 12))
SERIES = Reals((12, 2), axes=("time", "feature"), lengths=(3, 5, 12))
TAKE = [n for n in FAMILIES if models(FAMILIES[n](), SOUND) and issubclass(FAMILIES[n], GradientFamily)]


def rows(space, n=60):
    rng = torch.Generator().manual_seed(0)
    lengths = torch.tensor(space.lengths)[torch.randint(3, (n,), generator=rng)]
    return Encoded(space.pack(torch.rand((n, *space.shape), generator=rng) - 0.5), None, lengths)


def test_lengths_travel_with_their_records():
    data = rows(SOUND)
    x = data.unpacked(SOUND)
    assert torch.equal(SOUND.lengths_of(x), data.lengths)
    assert not x[0, :, : data.lengths[0]].isnan().any() and x[0, :, data.lengths[0] :].isnan().all()
    again = Encoded.joined([data.rows(slice(0, 20)), data.rows(torch.arange(20, 60)).to(torch.device("cpu"))])
    assert torch.equal(again.unpacked(SOUND).nan_to_num(9.0), x.nan_to_num(9.0))
    assert torch.equal(Encoded.packed(SOUND, x, None).lengths, data.lengths)


@pytest.mark.parametrize("space", [SOUND, SERIES], ids=["sound", "series"])
@pytest.mark.parametrize("name", TAKE)
def test_padding_is_left_out_and_samples_have_lengths(name, space):
    data, family = rows(space), FAMILIES[name](width=8, batch=8)
    work, device = Work(rows=60, steps=2), torch.device("cpu")
    model = fit_family(family, space, None, data, data, work=work, seed=0, started=time.monotonic(), device=device)
    other = replace(data, x=torch.where(space.beyond(data.lengths), 1, data.x).to(data.x.dtype))
    assert not torch.equal(other.x, data.x)
    losses = [evaluate(model.family, model.net, space, some, rows=60, seed=0) for some in (data, other)]
    assert losses[0] == losses[1] and losses[0] == losses[0]
    for player in model.family.players(model.net):
        each = [
            player.loss(model.net, some.unpacked(space), None, torch.Generator().manual_seed(0))
            for some in (data, other)
        ]
        assert {name: float(value.detach()) for name, value in each[0].items()} == each[1]
    with torch.no_grad(), seeded(0):
        rng = torch.Generator().manual_seed(0)
        drawn = space.lengths_of(model.family.sample(model.net, 200, rng=rng))
        assert set(drawn.tolist()) == {3, 5, 12} and 40 < (drawn == 5).sum() < 95
        given = Given(lengths=torch.tensor([4, 11]))
        assert space.lengths_of(model.family.sample(model.net, 2, given=given, rng=rng)).tolist() == [4, 11]


def test_a_loss_does_not_shrink_with_the_padding():
    """A squared error of 1 at every number is 1, however many are left out."""
    family, net = FAMILIES["flow"](width=8), None
    with seeded(0):
        net = family.build(SOUND, None)
    short = replace(rows(SOUND), lengths=torch.full((60,), 3))
    full = replace(short, lengths=torch.full((60,), 12))
    parts = [evaluate(family, net, SOUND, some, rows=60, seed=0) for some in (short, full)]
    assert parts[0] == pytest.approx(parts[1], rel=0.25)


def test_families_that_would_read_the_padding_refuse():
    refuse = [name for name in ("mixture", "autoregressive") if name not in TAKE]
    assert refuse == ["mixture", "autoregressive"] and set(TAKE) == {"vae", "gan", "diffusion", "flow"}
    for name in refuse:
        with pytest.raises(UnsupportedError, match="different lengths") as caught:
            check(FAMILIES[name](), SOUND)
        assert "FlowMatching" in caught.value.hint
