"""Autoregressive: exact densities, prompts, decoding, and what it refuses."""

import itertools
from dataclasses import replace
from functools import partial

import pytest
import torch

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.autoregressive import Autoregressive
from genwright.families.capabilities import check, settled
from genwright.families.family import Work
from genwright.families.recipe import recipe_from_json, recipe_to_json
from genwright.families.sampling import Sampling
from genwright.nets.transformer import block_matrices
from genwright.spaces import Columns, Conditions, Discrete, Given, Reals, Tokens

SMALL = Autoregressive(width=16, depth=2, heads=2, batch=8)
TOKENS = Tokens(length=4, vocabulary=3, end=2)
PIXELS = Reals((2, 1, 2), levels=3)
LABEL = Columns((Discrete("label", 2),))
LLAMA = replace(SMALL, heads=4, kv_heads=2, head_width=6, hidden=24, rope_base=5e5, qk_norm=False, tied=True)


def rough(family: Autoregressive, space, context=None) -> torch.nn.Module:
    """A net with random weights throughout, so that its distributions are far from uniform."""
    torch.manual_seed(0)
    net = family.build(space, None if context is None else Conditions(context))
    for weight in (*block_matrices(net), net.sequence.lm_head.weight):
        torch.nn.init.normal_(weight, std=0.5)
    return net.eval()


def all_records(space: Tokens) -> torch.Tensor:
    """Every record of `space`: after the first end only ends."""
    rows = torch.tensor(list(itertools.product(range(space.vocabulary), repeat=space.length)))
    ended = (rows == space.end).long().cumsum(dim=1) > 0
    return rows[(rows == space.end).eq(ended).all(dim=1)]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(family: Autoregressive, net: torch.nn.Module, x: torch.Tensor, context, steps: int) -> list[float]:
    [player] = family.players(net)
    optimizers, losses, noise = player.optimizer(net), [], rng()
    for _ in range(steps):
        loss = sum(player.loss(net, x, context, noise).values())
        net.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(("family", "context"), [(SMALL, None), (SMALL, LABEL), (LLAMA, LABEL)])
def test_probabilities_of_all_token_records_sum_to_one(family: Autoregressive, context) -> None:
    net, x = rough(family, TOKENS, context), all_records(TOKENS)
    assert len(x) == 1 + 2 + 4 + 8 + 16
    beside = None if context is None else torch.tensor([[1.0]]).expand(len(x), 1)
    log_prob = family.log_prob(net, x, beside, rng())
    torch.testing.assert_close(log_prob.exp().sum(), torch.tensor(1.0))
    assert log_prob.std() > 0.5


def test_density_of_all_pixel_arrays_integrates_to_one() -> None:
    net = rough(SMALL, PIXELS)
    levels = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, *PIXELS.shape)
    density = SMALL.log_prob(net, PIXELS.unpack(levels), None, rng()).exp()
    torch.testing.assert_close(density.sum() * 1.0**4, torch.tensor(1.0))  # cells are 2 / (3 - 1) wide


def test_log_prob_is_the_sum_of_the_conditionals_up_to_the_first_end() -> None:
    net, record = rough(SMALL, TOKENS), torch.tensor([[0, 1, 2, 2]])
    expected = 0.0
    for t in range(3):
        logits = net.sequence.logits(torch.cat([torch.tensor([[2]]), record[:, :t]], dim=1), None)
        expected += logits[0, -1].log_softmax(dim=0)[record[0, t]]
    torch.testing.assert_close(SMALL.log_prob(net, record, None, rng())[0], expected)


@pytest.mark.parametrize("context", [None, LABEL])
def test_samples_follow_the_law(context) -> None:
    """Sampling goes through the cache, scoring does not; so this compares the two as well."""
    net, x, n = rough(SMALL, TOKENS, context), all_records(TOKENS), 10_000
    one = torch.zeros(n, 1) if context else None
    drawn = SMALL.sample(net, n, given=Given(context=one), rng=rng())
    law = SMALL.log_prob(net, x, None if one is None else one[: len(x)], rng()).exp()
    frequency = torch.tensor([(drawn == row).all(dim=1).float().mean() for row in x])
    assert frequency.sum() == pytest.approx(1.0)
    torch.testing.assert_close(frequency, law, atol=0.02, rtol=0)


def test_context_changes_the_law() -> None:
    net, x = rough(SMALL, TOKENS, LABEL), all_records(TOKENS)[:5]
    laws = [SMALL.log_prob(net, x, torch.full((5, 1), value), rng()) for value in (0.0, 1.0, torch.nan)]
    assert not torch.equal(laws[0], laws[1]) and laws[2].isfinite().all()


def test_prompts_of_different_lengths_are_kept_and_do_not_disturb_each_other() -> None:
    space = Tokens(length=8, vocabulary=20, end=19)
    net = rough(SMALL, space)
    prompts = torch.full((3, 8), -1)
    prompts[0, :5], prompts[1, :2] = torch.arange(5), torch.tensor([7, 8])
    greedy = partial(SMALL.sample, net, how=Sampling(temperature=0.0))
    together = greedy(3, given=Given(x=prompts), rng=rng())
    assert torch.equal(together[prompts >= 0], prompts[prompts >= 0])
    for i in range(3):
        assert torch.equal(greedy(1, given=Given(x=prompts[i : i + 1]), rng=rng())[0], together[i])


def test_a_given_first_row_of_pixels_is_kept_exactly() -> None:
    space = Reals((1, 3, 4), levels=17)
    net = rough(SMALL, space)
    partial = torch.full((5, 1, 3, 4), torch.nan)
    partial[:, :, 0] = torch.linspace(-1, 1, 4)
    x = SMALL.sample(net, 5, given=Given(x=partial), rng=rng())
    assert torch.equal(x[:, :, 0], partial[:, :, 0]) and x.isfinite().all()
    torch.testing.assert_close(space.unpack(space.pack(x)), x, atol=0.4, rtol=0)


def test_after_the_first_end_there_are_only_ends() -> None:
    drawn = SMALL.sample(rough(SMALL, TOKENS), 500, rng=rng())
    ended = (drawn == 2).long().cumsum(dim=1) > 0
    assert ended.any() and torch.equal(drawn == 2, ended)


@pytest.mark.parametrize("space", [TOKENS, PIXELS])
def test_same_seed_same_samples(space) -> None:
    net = rough(SMALL, space)
    first, again, other = (SMALL.sample(net, 50, rng=rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_top_k_of_one_is_greedy() -> None:
    net = rough(SMALL, TOKENS)
    greedy = [SMALL.sample(net, 4, how=how, rng=rng()) for how in (Sampling(top_k=1), Sampling(temperature=0.0))]
    assert torch.equal(*greedy)


def test_shapes_that_came_later_are_saved_where_they_differ_from_what_was_before() -> None:
    assert not {"kv_heads", "qk_norm", "tied"} & recipe_to_json(SMALL)["fields"].keys()
    assert recipe_from_json(recipe_to_json(SMALL)) == SMALL
    assert recipe_from_json(recipe_to_json(LLAMA)) == LLAMA


def test_tied_scores_are_products_with_the_embedding() -> None:
    net = rough(LLAMA, TOKENS).sequence
    assert net.lm_head.weight is net.embed_tokens.weight
    assert sum(p.numel() for p in net.lm_head.parameters()) == 3 * 16
    assert not [name for name, _ in net.named_parameters() if "norm" in name and "self_attn" in name]


@pytest.mark.parametrize("space", [Tokens(16, 30, 29), Reals((1, 4, 4), levels=17)])
def test_overfits_one_batch_and_uses_its_labels(space) -> None:
    torch.manual_seed(0)
    family = replace(SMALL, width=32, label_dropout=0.0)
    levels = torch.randint(0, 17, (4, *space.shape))
    x, label = space.unpack(levels), torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    losses = train(family, family.build(space, Conditions(LABEL)), x, label, 80)
    assert losses[-1] < 0.25 * losses[0]


def test_untrained_loss_is_that_of_the_uniform_law() -> None:
    net = SMALL.build(TOKENS, None)
    x = torch.tensor([[0, 1, 0, 1]])
    assert SMALL.loss(net, x, None, rng())["nll"].item() == pytest.approx(torch.tensor(3.0).log().item(), abs=1e-5)
    assert SMALL.held_out(net, x, None, rng()).item() == pytest.approx(torch.tensor(3.0).log().item(), abs=1e-5)


def test_what_cannot_be_modelled_or_given_is_refused_with_a_hint() -> None:
    for space in (Reals((3,)), Reals((3, 64, 64), levels=256)):
        with pytest.raises(UnsupportedError) as refused:
            check(Autoregressive(), space)
        assert "FlowMatching" in refused.value.hint
    with pytest.raises(UnsupportedError, match="prefix"):
        SMALL.sample(rough(SMALL, TOKENS), 1, given=Given(x=torch.tensor([[-1, 0, -1, -1]])), rng=rng())
    wrong = {"top_p": 0.0, "temperature": -1.0, "top_k": 0, "min_p": 2.0, "steps": 0, "guidance": -1.0}
    for name, value in wrong.items():
        with pytest.raises(ArgumentError, match=name):
            Sampling(**{name: value})
    with pytest.raises(UnsupportedError, match="temperature"):
        settled(SMALL, LABEL, Sampling(temperature=0.5), Sampling())


def test_columns_build_score_and_sample() -> None:
    space = Columns((Discrete("a", 3), Discrete("b", 2)))
    family = Autoregressive().sized(space, Work(rows=64, steps=10))
    net = family.build(space, None)
    x = torch.tensor(list(itertools.product(range(3), range(2)))).float()
    torch.testing.assert_close(family.log_prob(net, x, None, rng()).exp().sum(), torch.tensor(1.0))
    partial = torch.tensor([[2.0, torch.nan]]).expand(20, 2)
    assert (family.sample(net, 20, given=Given(x=partial), rng=rng())[:, 0] == 2).all()


@pytest.mark.parametrize("space", [Tokens(256, 257, 256), Reals((1, 8, 8), levels=17), LABEL])
def test_sizes_fill_what_is_left_open_and_keep_what_is_not(space) -> None:
    sized = Autoregressive(depth=1).sized(space, Work(rows=1000, minutes=5.0))
    assert sized.depth == 1 and sized.width and sized.heads and sized.batch
    assert sized.sized(space, Work(rows=1000, minutes=5.0)) == sized


def test_a_text_that_is_read_many_times_is_learned_with_dropout_and_decay() -> None:
    space = Tokens(256, 257, 256)
    few, many = (Autoregressive().sized(space, Work(rows=rows, minutes=5.0)) for rows in (10_000_000, 400_000))
    assert few.dropout is None and many.dropout == pytest.approx(0.19, abs=0.02)
    assert replace(many, dropout=0.0).sized(space, Work(rows=400_000, minutes=5.0)).dropout == 0.0
    net = many.build(space, None)
    decays = [few.players(net)[0].optimizer(net)[0], many.players(net)[0].optimizer(net)[0]]
    assert [o.param_groups[0]["weight_decay"] for o in decays] == [0.0, pytest.approx(5 * many.dropout)]
    x = torch.randint(0, 256, (4, 256))
    losses = [many.loss(net.train(), x, None, rng(seed))["nll"] for seed in (0, 0, 1)]
    assert losses[0] == losses[1]
    for weight in (*block_matrices(net), net.sequence.lm_head.weight):
        torch.nn.init.normal_(weight, std=0.1)
    losses = [many.loss(net, x, None, rng(seed))["nll"].item() for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    assert many.held_out(net, x, None, rng(0)) == many.held_out(net, x, None, rng(1))
    with pytest.raises(ArgumentError, match="dropout=1"):
        Autoregressive(dropout=1)


def test_dropout_and_decay_keep_a_small_text_from_being_learned_by_heart() -> None:
    """Sentences of a random grammar, 60 of them read 60 times: held-out bits of the last weights."""
    words = torch.randint(0, 9, (40, 5), generator=rng())  # of five letters, told apart by their first two
    space = Tokens(20, 11, 10)
    records = words[torch.randint(0, 40, (660, 4), generator=rng(1))].flatten(1)
    train_rows, held_out = records[:60], records[60:]

    def after(family: Autoregressive) -> float:
        torch.manual_seed(0)
        net = family.build(space, None)
        train(family, net, train_rows, None, 60)
        return family.held_out(net.eval(), held_out, None, rng()).item()

    plain, dropped = (after(Autoregressive(width=64, depth=2, heads=1, dropout=share)) for share in (0.0, 0.3))
    assert dropped < plain - 0.05


def test_nets_of_columns_are_narrower_the_fewer_the_rows() -> None:
    widths = [Autoregressive().sized(LABEL, Work(rows=rows)).width for rows in (100, 8_000, 20_000, 100_000)]
    assert widths == [48, 48, 80, 128]
    assert Autoregressive(width=40).sized(LABEL, Work(rows=100)).width == 40
