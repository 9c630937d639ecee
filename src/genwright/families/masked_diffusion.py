"""Masked (absorbing-state) diffusion over tokens: hide a random part of a record, learn to restore it, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Density,
    GradientFamily,
    Losses,
    Partial,
    Player,
    Work,
    refused,
)
from genwright.families.sampling import Sampling
from genwright.families.sizing import chunks, sequence_size
from genwright.maths import decoding
from genwright.maths.masking import random_ranks, random_subset, stratified_counts
from genwright.maths.optimizers import muon_and_adamw
from genwright.nets.context import drop_context
from genwright.nets.masked import MaskedTokens
from genwright.nets.transformer import Architecture, block_matrices
from genwright.spaces import Conditions, Given, Space, Tokens

STEPS = 64  # from a record that is all masked to one that is not, unless the request says otherwise
BOUND_DRAWS = 8  # masks per record behind `log_prob`


@dataclass(frozen=True, kw_only=True)
class MaskedDiffusion(GradientFamily):
    """Restore hidden tokens from those that are left, at every share of hidden ones at once.

    Sahoo et al. 2024, arXiv:2406.07524, eq. 10, in the form of Ou et al. 2024, arXiv:2406.03736, eq. 3.6: with k of T
    positions hidden, k uniform on 1 .. T, the cross-entropy on the hidden ones times T / k bounds -log p(x).

    Any tokens can be given, wherever they stand. A sample starts fully hidden and is revealed in so many steps, 64
    unless told otherwise, in random order. `label_dropout` is the share of training records whose context is hidden.
    """

    name: ClassVar[str] = "masked diffusion"
    half_precision: ClassVar[bool] = True
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {Tokens: MaskedTokens}

    width: int | None = None
    depth: int | None = None
    heads: int | None = None
    label_dropout: float = 0.1

    def __post_init__(self) -> None:
        where = "MaskedDiffusion"
        if not 0 <= self.label_dropout <= 1:
            raise ArgumentError("label_dropout is not a share", where=where, hint="a number from 0 to 1")

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Tokens):
            raise refused(self, "anything but sequences of tokens")
        ways: dict[str, Any] = {"forgets": self.label_dropout > 0}
        return Capabilities(density=Density.BOUND, given=Partial.ANY, how=("steps", "temperature"), **ways)

    def sized(self, space: Space, work: Work) -> Self:
        """The sizes of the autoregressive model of the same data, so that the two can be compared."""
        assert isinstance(space, Tokens)
        width, depth, batch = sequence_size(space.length, work)
        width, depth, batch = self.width or width, self.depth or depth, self.batch or batch
        return replace(self, width=width, depth=depth, heads=self.heads or max(1, width // 64), batch=batch)

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert isinstance(space, Tokens)
        assert self.width and self.depth and self.heads, "size the family before building"
        shape = Architecture(width=self.width, depth=self.depth, heads=self.heads)
        return MaskedTokens(space, conditions, shape=shape)

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("model", net, self.loss, partial(muon_and_adamw, matrices=block_matrices)),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """Mean bound on the negative log-likelihood in nats per token, from one mask per record."""
        context = drop_context(net, context, self.label_dropout, rng)
        return {"nelbo": self._nelbo(net, x, context, rng).mean() / x.shape[1]}

    @torch.no_grad()
    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """Mean bound on the negative log-likelihood in nats per token, from one mask per record."""
        return self._nelbo_in_parts(net, x, context, rng).mean() / x.shape[1]

    @torch.no_grad()
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """A lower bound on each record's log-probability in nats, estimated from 8 masks (unbiased for the bound)."""
        beside = None if context is None else context.repeat_interleave(BOUND_DRAWS, dim=0)
        bound = self._nelbo_in_parts(net, x.repeat_interleave(BOUND_DRAWS, dim=0), beside, rng)
        return -bound.view(len(x), BOUND_DRAWS).mean(dim=1)

    @torch.no_grad()
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Int[Tensor, "n t"]:
        """Ancestral sampling with the number of hidden tokens falling evenly. Sahoo et al. 2024, algorithm 1."""
        restorer = cast(MaskedTokens, net)
        length, device = restorer.space.length, restorer.lm_head.weight.device
        fixed = torch.full((n, length), -1, device=device) if given.x is None else given.x
        parts = []
        for rows in chunks(n, length=length):
            context = None if given.context is None else given.context[rows]
            parts.append(self._reveal(net, fixed[rows], context, how, rng))
        return torch.cat(parts)

    def _reveal(
        self, net: nn.Module, fixed: Tensor, context: Tensor | None, how: Sampling, rng: torch.Generator
    ) -> Tensor:
        """Fill the -1 of `fixed`; positions revealed in the same round are drawn independently of each other."""
        restorer = cast(MaskedTokens, net)
        n, length, steps = *fixed.shape, how.steps or STEPS
        temperature = 1.0 if how.temperature is None else how.temperature
        free = fixed < 0
        ranks = random_ranks(n, length, rng).masked_fill(~free, length).argsort(dim=1).argsort(dim=1)
        count = free.sum(dim=1, keepdim=True)
        z = torch.where(free, restorer.mask, fixed)
        followed = (~free).flip(1).cummax(dim=1).values.flip(1)  # by something given: no text ends before it
        for step in range(steps):
            low, high = count * step // steps, count * (step + 1) // steps
            now = (ranks >= low) & (ranks < high)
            if not now.any():
                continue
            logits = decoding.temper(restorer(z, context)[now].float(), temperature)
            logits[followed[now], restorer.space.end] = -torch.inf
            z[now] = decoding.draw(logits, rng)
        ended = z.eq(restorer.space.end).long().cumsum(dim=1).gt(0) & free
        return z.masked_fill(ended, restorer.space.end)

    def _nelbo(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        n, length = x.shape
        hidden = stratified_counts(n, length, rng)
        nll = cast(MaskedTokens, net).restoration_nll(x, random_subset(hidden, length, rng), context)
        return nll * (length / hidden)

    def _nelbo_in_parts(
        self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator
    ) -> Float[Tensor, "n"]:
        parts = []
        for rows in chunks(len(x), length=x.shape[1]):
            parts.append(self._nelbo(net, x[rows], None if context is None else context[rows], rng))
        return torch.cat(parts)
