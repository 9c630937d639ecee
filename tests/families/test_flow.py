import pytest
import torch

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.capabilities import check
from genwright.families.diffusion import Diffusion
from genwright.families.family import Work
from genwright.families.flow import FlowMatching
from genwright.families.sampling import Sampling
from genwright.spaces import Columns, Conditions, Continuous, Discrete, Given, Reals, Tokens

LABEL = Conditions(Columns((Discrete("label", 2),)))
PLANE = Reals((2,))
FAMILIES = [FlowMatching, Diffusion]
PLAIN = Sampling(guidance=1.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fitted(family, space, x, context=None, columns=None, *, steps):
    """A net after `steps` plain steps with a decaying learning rate; the shared loop has its own tests."""
    torch.manual_seed(0)
    family = family.sized(space, Work(rows=len(x), steps=steps))
    net = family.build(space, columns)
    (player,) = family.players(net)
    optimizers, draw = player.optimizer(net), rng()
    for step in range(steps):
        rows = torch.randint(len(x), (family.batch,), generator=draw)
        losses = player.loss(net, x[rows], None if context is None else context[rows], draw)
        net.zero_grad()
        sum(losses.values()).backward()
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 2e-3 * min(1.0, 2 * (1 - step / steps))
            optimizer.step()
    return family, net.eval()


def two_blobs(n: int = 4000):
    """Label 0 around (-1, 0), label 1 around (1, 0.5), each with correlated noise."""
    label = (torch.arange(n) % 2).float()
    noise = torch.randn(n, 2, generator=rng(5)) @ torch.tensor([[0.3, 0.2], [0.0, 0.2]])
    centre = torch.stack([2 * label - 1, 0.5 * label], dim=1)
    return centre + noise, label[:, None]


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def plane(request):
    x, label = two_blobs()
    return fitted(request.param(width=64, batch=128), PLANE, x, label, LABEL, steps=400)


def test_recovers_the_moments_of_each_label(plane):
    family, net = plane
    x, label = two_blobs()
    for value in (0.0, 1.0):
        drawn = family.sample(net, 2000, given=Given(None, torch.full((2000, 1), value)), how=PLAIN, rng=rng())
        real = x[label[:, 0] == value]
        torch.testing.assert_close(drawn.mean(0), real.mean(0), atol=0.08, rtol=0)
        torch.testing.assert_close(drawn.T.cov(), real.T.cov(), atol=0.04, rtol=0.2)


def test_unknown_label_draws_the_mixture(plane):
    family, net = plane
    drawn = family.sample(net, 2000, rng=rng())
    assert (drawn[:, 0] > 0).float().mean().item() == pytest.approx(0.5, abs=0.08)


def test_given_entries_are_kept_and_condition_the_others(plane):
    family, net = plane
    given = torch.full((1000, 2), torch.nan)
    given[:, 0] = 1.3
    drawn = family.sample(net, 1000, given=Given(given, torch.ones(1000, 1)), how=PLAIN, rng=rng())
    assert (drawn[:, 0] == given[:, 0]).all()
    # E[y | x = 1.3] = 0.5 + cov / var (1.3 - 1) = 0.5 + 0.06 / 0.09 * 0.3 = 0.7; unconditionally 0.5
    assert 0.57 < drawn[:, 1].mean().item() < 0.77
    assert drawn[:, 1].std().item() == pytest.approx(0.2, abs=0.06)


def test_latents_and_records_determine_each_other(plane):
    family, net = plane
    x, label = two_blobs(64)
    fine = Sampling(guidance=1.0, steps=200)
    z = family.encode(net, x, label, how=fine)
    assert z.shape == x.shape and z.isfinite().all()
    torch.testing.assert_close(family.decode(net, z, label, how=fine), x, atol=0.05, rtol=0)
    assert family.draw_latent(net, 3, rng()).shape == (3, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_mixed_columns_with_governed_values_and_given_columns(family):
    space = Columns((Discrete("state", 2), Continuous("income", state=0), Discrete("town", 3)))
    state = (torch.arange(3000) % 3 == 0).float()
    town = 2 * state  # town follows state; income lies around 1 where it exists
    income = torch.where(state == 0, 1 + 0.2 * torch.randn(3000, generator=rng(3)), 0.0)
    recipe, net = fitted(family(width=64, batch=128), space, torch.stack([state, income, town], dim=1), steps=250)
    drawn = recipe.sample(net, 1500, rng=rng())
    assert drawn[:, 0].mean().item() == pytest.approx(1 / 3, abs=0.08)
    assert ((drawn[:, 2] == 2) == (drawn[:, 0] == 1)).float().mean() > 0.95
    assert (drawn[drawn[:, 0] == 1, 1] == 0).all()
    assert drawn[drawn[:, 0] == 0, 1].mean().item() == pytest.approx(1, abs=0.1)
    wanted = torch.tensor([[torch.nan, torch.nan, 2.0]]).repeat(500, 1)
    given = recipe.sample(net, 500, given=Given(wanted), rng=rng())
    assert (given[:, 2] == 2).all() and (given[:, 0] == 1).float().mean() > 0.9


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (1, 1, 1), (2, 30, 21)])
def test_images_of_any_size_and_channels(family, shape):
    space = Reals(shape, levels=256)
    recipe = family(width=8).sized(space, Work(rows=100, steps=10))
    net = recipe.build(space, LABEL)
    x, label = torch.rand(4, *shape) * 2 - 1, torch.tensor([[0.0], [1.0], [torch.nan], [0.0]])
    loss = sum(recipe.loss(net, x, label, rng()).values())
    loss.backward()
    assert loss.isfinite() and recipe.held_out(net, x, label, rng()).isfinite()
    half = torch.where(torch.rand(x.shape, generator=rng()) < 0.5, x, torch.nan)
    drawn = recipe.sample(net, 4, given=Given(half, label), how=Sampling(steps=2), rng=rng())
    assert drawn.shape == x.shape and drawn.abs().max() <= 1
    assert ((drawn == half) | half.isnan()).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_overfits_one_image(family):
    space = Reals((1, 4, 4), levels=17)
    x = space.unpack(torch.randint(0, 17, (1, 1, 4, 4), generator=rng())).repeat(16, 1, 1, 1)
    recipe, net = fitted(family(width=16), space, x, steps=100)
    assert (recipe.sample(net, 8, rng=rng()) - x[:8]).abs().mean() < 0.2


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_samples(family):
    recipe = family(width=16).sized(PLANE, Work(rows=10, steps=1))
    net = recipe.build(PLANE, None)
    torch.nn.init.normal_(net.head.weight, generator=rng())
    draws = [recipe.sample(net, 300, rng=rng(seed)) for seed in (1, 1, 2)]
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_refusals_name_a_way_out(family):
    with pytest.raises(UnsupportedError, match="does not model sequences of tokens"):
        check(family(), Tokens(8, 256, 0))
    with pytest.raises(UnsupportedError) as refused:
        family().log_prob(torch.nn.Identity(), torch.zeros(1, 2), None, rng())
    assert "Mixture" in refused.value.hint
    for wrong in ({"width": 0}, {"context_dropout": 1.0}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            family(**wrong)
