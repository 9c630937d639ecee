"""Masked diffusion: its bound against exact likelihoods, its sampler against what it defines, prompts, seeds."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.capabilities import check
from genwright.families.family import Work
from genwright.families.masked_diffusion import BOUND_DRAWS, MaskedDiffusion
from genwright.families.sampling import Sampling
from genwright.nets.transformer import block_matrices
from genwright.spaces import Columns, Conditions, Discrete, Given, Reals, Tokens

SMALL, FOUR = MaskedDiffusion(width=16, depth=2, heads=2, batch=8), Sampling(steps=4)
SPACE = Tokens(length=4, vocabulary=3, end=2)
LABEL = Conditions(Columns((Discrete("label", 2),)))


class TrueConditionals(nn.Module):
    """Stands in for the net: the exact p(x_t | revealed tokens) of a known distribution of four binary tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.space, self.mask, self.lm_head = SPACE, 3, nn.Linear(1, 1)
        self.records = torch.tensor(list(itertools.product(range(2), repeat=4)))
        self.law = torch.randn(16, generator=rng(3)).mul(1.5).softmax(dim=0)

    def forward(self, z: torch.Tensor, context: None) -> torch.Tensor:
        agrees = ((z[:, None] == self.records) | (z[:, None] == self.mask)).all(dim=2)
        weight = self.law * agrees
        counts = torch.einsum("nr,rtv->ntv", weight, nn.functional.one_hot(self.records, 3).float())
        return counts.log()

    def restoration_nll(self, x: torch.Tensor, masked: torch.Tensor, context: None) -> torch.Tensor:
        logits = self(torch.where(masked, self.mask, x), context)
        nll = nn.functional.cross_entropy(logits.flatten(0, 1), x.flatten(), reduction="none").view_as(x)
        return (nll * masked).sum(dim=1)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rough(space: Tokens = SPACE, context: Columns | None = None) -> nn.Module:
    torch.manual_seed(0)
    net = SMALL.build(space, context)
    for weight in (*block_matrices(net), net.lm_head.weight):
        nn.init.normal_(weight, std=0.3)
    return net.eval()


def test_with_true_conditionals_the_bound_is_the_log_likelihood() -> None:
    """The chain rule holds in every order, so the expected bound is tight when all conditionals are exact."""
    net, draws = TrueConditionals(), 4000
    x = net.records[[0, 5, 15]].repeat_interleave(draws, dim=0)
    bound = SMALL.log_prob(net, x, None, rng()).view(3, draws)
    error = 4 * bound.std(dim=1) / draws**0.5
    assert ((bound.mean(dim=1) - net.law[[0, 5, 15]].log()).abs() < error).all()


def test_one_token_per_round_samples_the_true_law() -> None:
    net, n = TrueConditionals(), 20_000
    drawn = SMALL.sample(net, n, how=FOUR, rng=rng())
    frequency = torch.bincount((drawn * torch.tensor([8, 4, 2, 1])).sum(dim=1), minlength=16) / n
    torch.testing.assert_close(frequency, net.law, atol=0.015, rtol=0)


def test_the_bound_is_below_the_likelihood_of_what_the_sampler_draws() -> None:
    """For a net whose conditionals fit no single distribution: exact p(x) is the mean over all orders of revealing."""
    net, x = rough(), torch.tensor([[0, 1, 1, 0], [1, 0, 2, 2]])
    law = torch.zeros(2)
    for order in itertools.permutations(range(4)):
        uniform = torch.ones(2)
        for place, t in enumerate(order):
            masked = torch.ones(2, 4, dtype=torch.bool)
            masked[:, list(order[:place])] = False
            logits = net(torch.where(masked, net.mask, x), None)[:, t]
            uniform *= logits.softmax(dim=1).gather(1, x[:, t : t + 1])[:, 0]
        law += uniform.detach() / 24
    bound = SMALL.log_prob(net, x.repeat_interleave(500, dim=0), None, rng()).view(2, 500).mean(dim=1)
    assert (bound < law.log() + 0.02).all() and (bound > law.log() - 2.0).all()


def test_given_tokens_are_kept_wherever_they_stand() -> None:
    space = Tokens(length=9, vocabulary=7, end=6)
    fixed = torch.full((5, 9), -1)
    fixed[:, 3], fixed[2, 0] = 4, 1
    drawn = SMALL.sample(rough(space), 5, given=Given(x=fixed), how=FOUR, rng=rng())
    assert torch.equal(drawn[fixed >= 0], fixed[fixed >= 0])
    assert (drawn >= 0).all() and (drawn < 7).all()


def test_no_text_ends_in_a_gap() -> None:
    fixed = torch.tensor([[-1, -1, 1, -1]]).repeat(200, 1)
    drawn = SMALL.sample(rough(), 200, given=Given(x=fixed), how=FOUR, rng=rng())
    assert (drawn[:, :2] != 2).all() and (drawn[:, 3] == 2).any()


def test_after_the_first_end_there_are_only_ends() -> None:
    drawn = SMALL.sample(rough(), 300, how=FOUR, rng=rng())
    assert torch.equal(drawn == 2, (drawn == 2).long().cumsum(dim=1) > 0)


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_any_number_of_rounds_fills_everything(steps: int) -> None:
    drawn = SMALL.sample(
        rough(context=LABEL), 6, given=Given(context=torch.zeros(6, 1)), how=Sampling(steps=steps), rng=rng()
    )
    assert drawn.shape == (6, 4) and (drawn < 3).all()


def test_same_seed_same_samples() -> None:
    first, again, other = (SMALL.sample(rough(), 40, how=FOUR, rng=rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_overfits_one_batch_and_restores_it() -> None:
    torch.manual_seed(0)
    space, family = Tokens(8, 12, 11), replace(SMALL, width=32, label_dropout=0.0)
    x, label = torch.randint(0, 11, (2, 8)), torch.tensor([[0.0], [1.0]])
    net, noise = family.build(space, LABEL), rng()
    [player] = family.players(net)
    optimizers = player.optimizer(net)
    before = family.held_out(net, x.repeat(50, 1), label.repeat(50, 1), rng())
    for _ in range(150):
        loss = player.loss(net, x.repeat(4, 1), label.repeat(4, 1), noise)["nelbo"]
        net.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert family.held_out(net, x.repeat(50, 1), label.repeat(50, 1), rng()) < 0.3 * before
    drawn = family.sample(net, 2, given=Given(context=label), how=Sampling(temperature=0.0), rng=rng())
    assert (drawn == x).float().mean() > 0.8


def test_untrained_bound_is_the_uniform_law() -> None:
    x = torch.tensor([[0, 1, 0, 1]])
    bound = SMALL.log_prob(SMALL.build(SPACE, None), x.repeat(500, 1), None, rng())
    assert bound.mean().item() == pytest.approx(-4 * torch.tensor(3.0).log().item(), abs=1e-3)
    assert BOUND_DRAWS > 1


def test_wrong_spaces_and_settings_are_refused_with_a_hint() -> None:
    with pytest.raises(UnsupportedError):
        check(MaskedDiffusion(), Reals((3,)))
    with pytest.raises(ArgumentError):
        MaskedDiffusion(label_dropout=2.0)


def test_sizes_fill_what_is_left_open() -> None:
    sized = MaskedDiffusion().sized(Tokens(256, 257, 256), Work(rows=1000, minutes=5.0))
    assert sized.width and sized.depth and sized.heads and sized.batch
