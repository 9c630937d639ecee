"""What every family must keep, on every kind of space it takes."""

import time
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from genwright.errors import UnsupportedError
from genwright.families import FAMILIES
from genwright.families.capabilities import check, models, suitable
from genwright.families.family import DEFAULT, Density, GradientFamily, Work
from genwright.families.flow import FlowMatching
from genwright.families.recipe import recipe_from_json, recipe_to_json
from genwright.families.sampling import Sampling
from genwright.families.two_stage import TwoStage
from genwright.families.vae import VAE
from genwright.maths.divergences import energy_score
from genwright.randomness import seeded
from genwright.spaces import Columns, Conditions, Continuous, Discrete, Encoded, Given, Reals, Space, Tokens
from genwright.train.fit import fit_family
from genwright.train.state import Plan, State
from genwright.train.step import take_step

ROWS = 240
LABEL = Conditions(Columns((Discrete("label", 3),)))


@dataclass(frozen=True)
class Case:
    """A space with rows in it; the label, where there is one, says which of three patterns a record follows."""

    space: Space
    context: Conditions | None

    def rows(self) -> Encoded:
        rng = torch.Generator().manual_seed(0)
        label = torch.randint(3, (ROWS,), generator=rng)
        match self.space:
            case Reals(shape=shape, levels=None):
                x = 0.2 * torch.randn(ROWS, *shape, generator=rng) + (label.view(-1, *[1] * len(shape)) - 1.0) * 0.5
            case Reals(shape=shape, levels=levels):
                noise = torch.randint(2, (ROWS, *shape), generator=rng)
                x = (noise + label.view(-1, *[1] * len(shape)) * (levels // 3)).to(torch.uint8)
            case Columns():
                state = torch.randint(2, (ROWS,), generator=rng)
                value = torch.where(state == 0, torch.randn(ROWS, generator=rng), 0.0)
                other = torch.randn(ROWS, generator=rng) * 0.3 + label
                x = torch.stack([label.float(), state.float(), value, other], dim=1)
            case Tokens(length=length, vocabulary=vocabulary, end=end):
                start = label[:, None] + torch.arange(length)
                x = (start % (vocabulary - 1)).masked_fill(torch.arange(length) >= length - 2, end)
                x = self.space.pack(x)
        return Encoded(x, None if self.context is None else label[:, None].float())


CASES = {
    "vectors": Case(Reals((3,)), None),
    "images": Case(Reals((1, 8, 8), levels=17), LABEL),
    "large images": Case(Reals((3, 12, 10), levels=256), None),
    "signals": Case(Reals((2, 24), axes=("channel", "time")), LABEL),
    "grids": Case(Reals((6, 6, 6), axes=("x", "y", "z")), None),
    "columns": Case(
        Columns((Discrete("label", 3), Discrete("state", 2), Continuous("value", state=1), Continuous("other"))), None
    ),
    "tokens": Case(Tokens(length=12, vocabulary=9, end=8), LABEL),
}


def takes(name: str, case: Case) -> bool:
    return models(FAMILIES[name](), case.space)


PAIRS = [(name, kind) for name in FAMILIES for kind, case in CASES.items() if takes(name, case)]
TOGETHER = [pytest.param(n, k, id=f"{n}-{k}", marks=pytest.mark.xdist_group(f"{n}-{k}")) for n, k in PAIRS]
every_pair = pytest.mark.parametrize(("name", "kind"), TOGETHER)  # in one process, so that each is fitted once
GRIDS = ("signals", "grids")  # of which families are fitted for long enough to learn something
LONG = (
    "images",
    "large images",
    "tokens",
    *GRIDS,
)  # records for which families build large networks unless told otherwise
SMALL = {"width": 16, "depth": 1, "heads": 2}


def family_for(name: str, kind: str):
    """The family as it sizes itself, but with a small network for images and sequences."""
    if name == "two stage":
        small = {"width": 16 if kind == "vectors" else 8, "batch": 16 if kind in GRIDS else None}
        return TwoStage(first=VAE(grid=None if kind == "vectors" else 4, **small), second=FlowMatching(**small))
    options = {field.name for field in fields(FAMILIES[name])} if kind in LONG else set()
    small = SMALL | ({"width": 8, "batch": 16} if kind in GRIDS else {})
    return FAMILIES[name](**{option: size for option, size in small.items() if option in options})


@cache
def fitted(name: str, kind: str):
    case = CASES[kind]
    rows = case.rows()
    return fit_family(
        family_for(name, kind),
        case.space,
        case.context,
        rows,
        rows,
        work=Work(rows=ROWS, steps=60 if kind in GRIDS else 12),
        seed=0,
        started=time.monotonic(),
        device=torch.device("cpu"),
    )


def some_context(case: Case, n: int) -> Tensor | None:
    return None if case.context is None else (torch.arange(n) % 3).float()[:, None]


def draw(name: str, kind: str, n: int = 6, seed: int = 0, x: Tensor | None = None, how: Sampling = DEFAULT) -> Tensor:
    case, model = CASES[kind], fitted(name, kind)
    with torch.no_grad(), seeded(seed):
        rng = torch.Generator().manual_seed(seed)
        return model.family.sample(model.net, n, given=Given(x, some_context(case, n)), how=how, rng=rng)


@every_pair
def test_samples_lie_in_the_space(name, kind):
    case, x = CASES[kind], draw(name, kind)
    assert x.shape == (6, *case.space.shape)
    assert torch.isfinite(x.float()).all()
    packed = case.space.pack(x)
    again = case.space.unpack(packed)
    match case.space:
        case Reals(levels=int(levels)):
            assert packed.dtype == torch.uint8 and int(packed.max()) < levels
        case Columns(columns=columns):
            assert torch.equal(again, x)
            for i in case.space.discrete:
                assert torch.equal(x[:, i], x[:, i].round())
                assert (x[:, i] >= 0).all() and (x[:, i] < columns[i].levels).all()
            assert (x[~case.space.active(x)] == 0).all()
        case Tokens(vocabulary=vocabulary, end=end):
            assert (x >= 0).all() and (x < vocabulary).all()
            ended = (x == end).long().cumsum(1) > 0
            assert (x[ended] == end).all(), "something follows the end of a record"


@every_pair
def test_same_seed_same_samples(name, kind):
    assert torch.equal(draw(name, kind, seed=3), draw(name, kind, seed=3))
    assert not torch.equal(draw(name, kind, n=32, seed=3), draw(name, kind, n=32, seed=4))


@every_pair
def test_recipe_and_weights_rebuild_the_model(name, kind):
    case, model = CASES[kind], fitted(name, kind)
    family = recipe_from_json(recipe_to_json(model.family))
    assert family == model.family
    with seeded(99):
        net = family.build(case.space, case.context)
    net.load_state_dict(model.net.state_dict())
    net.eval()
    with torch.no_grad(), seeded(0):
        again = family.sample(net, 6, given=Given(None, some_context(case, 6)), rng=torch.Generator().manual_seed(0))
    assert torch.equal(again, draw(name, kind))


@every_pair
def test_a_sized_recipe_is_complete_and_stays_as_it_is(name, kind):
    case, family = CASES[kind], fitted(name, kind).family
    assert family.sized(case.space, Work(rows=10**6, minutes=60.0)) == family
    if isinstance(family, GradientFamily):
        assert family.batch is not None


@every_pair
def test_overfits_one_batch(name, kind):
    case, family = CASES[kind], fitted(name, kind).family
    if kind in GRIDS or not isinstance(family, GradientFamily) or len(family.players(fitted(name, kind).net)) > 1:
        pytest.skip("not one objective that falls")
    family = replace(family, batch=8)
    rows = case.rows().rows(slice(0, 8))
    with seeded(0):
        state = State.start(family, family.build(case.space, case.context), seed=0)
        before = mean_loss(state, case.space, rows)
        for _ in range(80):
            take_step(family, state, case.space, rows, Plan(10**6, 10**6, 1, 8, 1, "float32"))
        assert mean_loss(state, case.space, rows) < before


@torch.no_grad()
def mean_loss(state, space, rows):
    """The objective over 20 draws of its noise, the same ones each time."""
    rng, loss = torch.Generator().manual_seed(1), state.players[0].loss
    return sum(sum(loss(state.net, space.unpack(rows.x), rows.context, rng).values()) for _ in range(20))


@pytest.mark.parametrize(
    ("name", "kind"), [pair for pair in TOGETHER if pair.values[1] not in (*GRIDS, "large images")]
)
def test_every_record_has_a_gradient_of_its_own(name, kind):
    """Losses run under `torch.func.vmap`, one record at a time."""
    case, model = CASES[kind], fitted(name, kind)
    if not isinstance(model.family, GradientFamily):
        pytest.skip("no gradients")
    rows, rng = case.rows().rows(slice(0, 3)), torch.Generator().manual_seed(0)
    x = case.space.unpack(rows.x)
    net = deepcopy(model.net).requires_grad_(True).train()
    for player in model.family.players(net):

        def loss(weights, x, context, player=player):
            beside = None if context is None else context[None]
            whole = {f"net.{name}": weight for name, weight in weights.items()}
            return functional_call(Objective(net, player.loss), whole, (x[None], beside, rng))

        weights = {name: weight.detach() for name, weight in net.named_parameters()}
        over = (None, 0, None if rows.context is None else 0)
        each = vmap(grad(loss), in_dims=over, randomness="different")(weights, x, rows.context)
        flat = torch.cat([gradient.flatten(1) for gradient in each.values()], dim=1)
        assert flat.isfinite().all() and (flat.abs().sum(1) > 0).all()


class Objective(nn.Module):
    """A loss as a module, so that its weights can be given."""

    def __init__(self, net, loss):
        super().__init__()
        self.net, self.loss = net, loss

    def forward(self, x, context, rng):
        return torch.stack(list(self.loss(self.net, x, context, rng).values())).sum()


@pytest.mark.parametrize(("name", "kind"), [pair for pair in TOGETHER if pair.values[1] in GRIDS])
def test_what_numbers_of_a_record_have_in_common_is_learned(name, kind):
    """Means of records lie closer to real ones than those of numbers drawn independently, each as it is distributed."""
    rows, rng = CASES[kind].rows().x.flatten(1), torch.Generator().manual_seed(1)
    independent = torch.stack([column[torch.randperm(ROWS, generator=rng)] for column in rows.T], dim=1)
    settings = FAMILIES[name]().can(CASES[kind].space).how
    how = Sampling(
        **({"temperature": 1.0} if "temperature" in settings else {"steps": 8} if "steps" in settings else {})
    )
    means = [x.flatten(1).mean(1, keepdim=True) for x in (rows, draw(name, kind, n=120, how=how), independent[:120])]
    assert energy_score(means[0], means[1]) < energy_score(means[0], means[2])


@every_pair
def test_log_prob_is_what_the_family_declares(name, kind):
    case, model = CASES[kind], fitted(name, kind)
    rows = case.rows().rows(slice(0, 5))
    arguments = (model.net, case.space.unpack(rows.x), rows.context, torch.Generator().manual_seed(0))
    if model.family.can(CASES[kind].space).density is Density.ABSENT:
        with pytest.raises(UnsupportedError) as caught:
            model.family.log_prob(*arguments)
        assert caught.value.hint
    else:
        with torch.no_grad():
            values = model.family.log_prob(*arguments)
        assert values.shape == (5,) and torch.isfinite(values).all()


@every_pair
def test_latents_decode_and_encode(name, kind):
    case, model = CASES[kind], fitted(name, kind)
    if not model.family.can(case.space).latent:
        pytest.skip("no latent space")
    with torch.no_grad():
        z = model.family.draw_latent(model.net, 4, torch.Generator().manual_seed(0))
        x = model.family.decode(model.net, z, some_context(case, 4))
        assert x.shape == (4, *case.space.shape)
        assert torch.equal(x, model.family.decode(model.net, z, some_context(case, 4)))
        if model.family.can(case.space).encodes:
            assert model.family.encode(model.net, x, some_context(case, 4)).shape == z.shape


PARTIAL = [
    (n, k)
    for n, k in PAIRS
    if (n, k) in {("mixture", "columns"), ("tree", "columns"), ("copula", "columns"), ("autoregressive", "columns")}
    or k == "tokens"
]


@pytest.mark.parametrize(("name", "kind"), PARTIAL, ids=[f"{n}-{k}" for n, k in PARTIAL])
def test_given_entries_come_back_unchanged(name, kind):
    case = CASES[kind]
    x = case.space.unpack(case.rows().x[:6]).clone()
    if kind == "tokens":
        x[:, 3:] = -1
        free = x < 0
    else:
        x[:, 0], x[3:, 3] = float("nan"), float("nan")
        free = torch.isnan(x)
    drawn = draw(name, kind, x=x)
    assert torch.equal(drawn[~free], x[~free])


ROWS_OF_TABLES = {f.name: f.can(CASES["columns"].space) for f in suitable(CASES["columns"].space)}
RESTRICTING = [name for name, can in ROWS_OF_TABLES.items() if can.restricts]
SETS = {0: torch.tensor([True, False, True]), 2: torch.tensor([-0.5, 0.4]), 3: torch.tensor([0.1, 2.1])}


@pytest.mark.parametrize("name", RESTRICTING)
@pytest.mark.parametrize("fixed", [False, True])
def test_every_record_lies_in_the_allowed_sets_and_keeps_what_is_given(name, fixed):
    case, model, n = CASES["columns"], fitted(name, "columns"), 300
    x = torch.full((n, 4), torch.nan)
    if fixed:  # of single rows: a level outside of its set, a state, a value in its range
        x[:100, 0], x[50:150, 1], x[80:200, 3] = 1.0, 1.0, 0.3
    with torch.no_grad(), seeded(0):
        given = Given(x if fixed else None, allowed=SETS)
        drawn = model.family.sample(model.net, n, given=given, rng=torch.Generator().manual_seed(0))
    assert torch.equal(drawn[~x.isnan()], x[~x.isnan()])
    free, active = x.isnan(), case.space.active(drawn)
    assert SETS[0][drawn[free[:, 0], 0].long()].all()
    for j in (2, 3):
        value = drawn[free[:, j] & active[:, j], j]
        assert ((value >= SETS[j][0]) & (value <= SETS[j][1])).all() and len(value.unique()) > 20
    assert (drawn[~active] == 0).all()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_space_it_cannot_take_is_refused_with_a_hint(name):
    refused = [kind for kind, case in CASES.items() if not takes(name, case)]
    for kind in refused:
        with pytest.raises(UnsupportedError) as caught:
            check(FAMILIES[name](), CASES[kind].space)
        assert caught.value.hint
    assert refused or name == "autoregressive"


MARGINALIZING = [name for name, can in ROWS_OF_TABLES.items() if can.marginalizes]


@pytest.mark.parametrize("name", MARGINALIZING)
def test_unknown_entries_are_marginalised_in_fitting_and_scoring(name):
    case = CASES["columns"]
    holes = case.rows().x.clone()
    gaps = torch.rand(holes.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    gaps[:, 2] |= gaps[:, 1]  # a value whose state is unknown is unknown
    rows = Encoded(holes.masked_fill(gaps, torch.nan))
    work, device = Work(rows=ROWS, steps=12), torch.device("cpu")
    model = fit_family(
        FAMILIES[name](), case.space, None, rows, rows, work=work, seed=0, started=time.monotonic(), device=device
    )
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        assert torch.isfinite(model.family.log_prob(model.net, rows.x, None, rng)).all()
        last = case.rows().x[:20].clone()
        last[:, 1:] = torch.nan
        each = [torch.cat([torch.full((20, 1), float(k)), last[:, 1:]], dim=1) for k in range(3)]
        parts = torch.stack([model.family.log_prob(model.net, x, None, rng) for x in each])
        nothing = model.family.log_prob(model.net, torch.full((20, 4), torch.nan), None, rng)
    assert torch.allclose(parts.logsumexp(dim=0), nothing, atol=1e-4) and torch.allclose(nothing, torch.zeros(20))
