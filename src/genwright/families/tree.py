"""Trees of hidden states for tables: fitted in seconds, with exact likelihoods, marginals and conditionals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self, cast

import torch
from jaxtyping import Float
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
    only_columns,
    refused,
)
from genwright.families.sampling import Sampling
from genwright.maths.optimizers import adamw
from genwright.nets.latent_tree import LatentTree
from genwright.spaces import Columns, Conditions, Encoded, Given, Space

STATES_BY_MINUTES = ((0.25, 32), (0.75, 64), (3.0, 128), (8.0, 256))  # up to so many minutes, on two cores
MAX_STATES = 512
ROWS_PER_STATE = 64
PREPARED_ROWS = 50_000  # that the tree and the marginals are found from


@dataclass(frozen=True, kw_only=True)
class TreeMixture(GradientFamily):
    """A hidden state for every column, the states in a tree: a mixture whose columns have components of their own.

    The tree is that of Chow & Liu 1968 over the columns' mutual information. With `states=1` columns are independent
    (naive Bayes without a class); more states tell apart more kinds of rows, and take quadratically longer.
    `dropout` is the share of entries hidden, and so marginalised exactly, while fitting: it keeps states from learning
    single rows. `knots` shape the density of continuous columns. Liu & Van den Broeck 2021, arXiv:2106.02264.
    """

    name: ClassVar[str] = "tree"
    half_precision: ClassVar[bool] = False
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {Columns: LatentTree}

    states: int | None = None
    knots: int | None = None
    dropout: float = 0.25

    def __post_init__(self) -> None:
        for name, least in (("states", 1), ("knots", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ArgumentError(
                    f"{name} must be {least} or more, not {value}", where="TreeMixture", hint=f"try {name}=64"
                )
        if not 0.0 <= self.dropout < 1.0:
            raise ArgumentError(
                f"dropout is a share below 1, not {self.dropout}", where="TreeMixture", hint="0.25 is usual"
            )

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Columns):
            raise refused(self, "anything but tables")
        return Capabilities(
            density=Density.EXACT, given=Partial.ANY, restricts=True, marginalizes=True, conditions=(Columns,)
        )

    def sized(self, space: Space, work: Work) -> Self:
        """States by rows and time, so that training sees each row some twenty times."""
        minutes = 1.0 if work.minutes is None else work.minutes
        by_time = next((states for limit, states in STATES_BY_MINUTES if minutes <= limit), MAX_STATES)
        states = self.states or max(2, min(by_time, work.rows // ROWS_PER_STATE))
        knots = self.knots or (16 if work.rows < 5000 else 32)
        return replace(self, states=states, knots=knots, batch=self.batch or min(512, max(32, work.rows // 8)))

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert self.states and self.knots, "size the family before building"
        assert isinstance(space, Columns)
        return LatentTree(space, only_columns(conditions), states=self.states, knots=self.knots)

    def prepare(self, net: nn.Module, space: Space, train: Encoded, rng: torch.Generator) -> None:
        """Find the tree and the marginals."""
        some = train.rows(torch.randperm(len(train), generator=rng, device=rng.device)[:PREPARED_ROWS])
        cast(LatentTree, net).prepare(space.unpack(some.x), some.context)

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("model", net, self.loss, partial(adamw, learning_rate=0.1)),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """Mean negative log-likelihood in nats per value of what `dropout` leaves of each row, conditions included."""
        tree = cast(LatentTree, net)
        rows = tree.joined(x, context)
        hidden = torch.rand(rows.shape, generator=rng, device=rows.device) < self.dropout
        return {"nll": -tree.log_marginal(torch.where(hidden, torch.nan, rows)).mean() / rows.shape[1]}

    @torch.no_grad()
    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """Mean negative log-likelihood in nats per value."""
        return -cast(LatentTree, net).log_prob(x, context).mean() * (len(x) / x.numel())

    @torch.no_grad()
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """n rows from the exact conditional distribution."""
        return cast(LatentTree, net).draw(n, given.x, given.context, given.allowed or {}, rng)

    @torch.no_grad()
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """log p(x | context) in nats; NaN entries of x and context are marginalised."""
        tree = cast(LatentTree, net)
        at_once = tree.rows_at_once
        contexts = [None] * -(-len(x) // at_once) if context is None else context.split(at_once)
        return torch.cat([tree.log_prob(part, beside) for part, beside in zip(x.split(at_once), contexts, strict=True)])
