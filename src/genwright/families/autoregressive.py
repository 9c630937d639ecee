"""Autoregressive models: log p(x) = sum_t log p(x_t | x_<t). Exact likelihood, prompts, one value after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Decoder,
    Density,
    GradientFamily,
    Losses,
    Partial,
    Player,
    Streams,
    Work,
    refused,
)
from genwright.families.sampling import Sampling, choose
from genwright.families.sizing import chunks, dropout_for, sequence_size
from genwright.maths.optimizers import adamw, muon_and_adamw
from genwright.nets.any_order import AnyOrderColumns
from genwright.nets.causal import CausalPixels, CausalTokens
from genwright.nets.context import drop_context
from genwright.nets.decoding import CausalDecoder
from genwright.nets.default import sequence_net
from genwright.nets.quantised import fitting
from genwright.nets.transformer import Architecture, block_matrices
from genwright.spaces import Columns, Conditions, Given, Reals, Space, Tokens

Net = AnyOrderColumns | CausalTokens | CausalPixels

FEW_ROWS = 5000  # of a table, below which the densities of continuous columns get fewer parameters
WIDTHS = 48, 128  # least and most of a net of columns ...
ROWS_PER_WIDTH = 240  # ... and in between one for so many rows
CHOICE = "temperature", "top_k", "top_p", "min_p"  # settings of how a token is drawn, and of how a text is written
PENALTIES = "repetition_penalty", "frequency_penalty", "presence_penalty"
WRITING = ("max_tokens", "stop", *PENALTIES, "grammar", "speculate", "beams")
TEXT_RATES: dict[str, Any] = {"learning_rate": 1e-2, "muon_learning_rate": 0.014, "betas": (0.8, 0.95)}
DECAY_PER_DROPOUT = 5.0  # what is seen often enough to need the one needs the other
LONGEST = 1024  # values in one array read as a sequence


def _too_many_values(space: Reals) -> str | None:
    """Why an array cannot be read as a sequence of few symbols, or None if it can."""
    if space.lengths:
        return "arrays of different lengths"
    if space.levels is not None and space.levels <= 256 and space.size <= LONGEST:
        return None
    what = "continuous values" if space.levels is None else f"{space.size:,} values of {space.levels} levels"
    return f"{what} (arrays are read value by value: at most {LONGEST:,} values of at most 256 levels)"


@dataclass(frozen=True, kw_only=True)
class Autoregressive(GradientFamily, Streams):
    """One value after the other, each from its exact conditional distribution given those before it.

    Tokens: a causal transformer; prompts are continued. Columns: any column given any others, so any columns can be
    given. Arrays of at most 256 levels and 1,024 values: pixel by pixel in raster order; the first rows can be given.
    `bins` and `bumps` shape the densities of continuous columns. `kv_heads` to `qk_norm` shape the transformer, see
    `genwright.nets.transformer.Architecture`; `tied` texts score tokens by their embeddings.
    Temperature and cuts sharpen the draws of tokens and pixels, not the likelihood. `label_dropout` is the share of
    training records whose context is hidden; `dropout` of what a sequence net computes while it learns (with weight
    decay in proportion), by default more the more often a text is read. van den Oord et al. 2016, arXiv:1601.06759,
    eq. 1; Radford et al. 2019, eq. 1.
    """

    name: ClassVar[str] = "autoregressive"
    half_precision: ClassVar[bool] = True
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {
        Columns: AnyOrderColumns,
        Reals: CausalPixels,
        Tokens: CausalTokens,
    }

    width: int | None = None
    depth: int | None = None
    heads: int | None = None
    bins: int | None = None
    bumps: int | None = None
    label_dropout: float = 0.1
    kv_heads: int | None = None
    head_width: int | None = None
    hidden: int | None = None
    rope_base: float = 10_000.0
    norm_eps: float = 1e-6
    qk_norm: bool = True
    tied: bool = False
    dropout: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.label_dropout <= 1:
            raise ArgumentError("label_dropout is not a share", where="Autoregressive", hint="a number from 0 to 1")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            what = f"dropout={self.dropout}"
            raise ArgumentError(what, where="Autoregressive", hint="a number from 0 to below 1, or leave it out")

    def can(self, space: Space) -> Capabilities:
        if isinstance(space, Columns):
            return Capabilities(
                density=Density.EXACT, given=Partial.ANY, restricts=True, marginalizes=True, conditions=(Columns,)
            )
        if isinstance(space, Reals) and (what := _too_many_values(space)):
            raise refused(self, what)
        tokens = isinstance(space, Tokens)
        ways: dict[str, Any] = {"streams": tokens, "forgets": self.label_dropout > 0}
        settings = CHOICE + (WRITING if tokens else ())
        return Capabilities(density=Density.EXACT, given=Partial.PREFIX, how=settings, **ways)

    def sized(self, space: Space, work: Work) -> Self:
        """Widths by data kind, rows of a table, and time: for text about what has the lowest held-out loss by then."""
        dropout = self.dropout
        match space:
            case Columns():
                width, depth, batch = _column_width(work.rows), 2, min(512, max(32, work.rows // 8))
            case Reals():
                width, depth, batch = sequence_size(space.size, work)
            case Tokens():
                width, depth, batch = sequence_size(space.length, work, mean=space.mean)
                if dropout is None and space.mean is None:  # windows: on records it was found to hurt
                    own = {"width": self.width or width, "depth": self.depth or depth, "batch": self.batch or batch}
                    dropout = dropout_for(space.length, work, **own)
        width, depth, batch = self.width or width, self.depth or depth, self.batch or batch
        heads = self.heads or max(1, width // 64)
        few = work.rows < FEW_ROWS
        bins, bumps = self.bins or (1 if few else 16), self.bumps or (4 if few else 8)
        sizes: dict[str, Any] = {"width": width, "depth": depth, "heads": heads, "batch": batch}
        return replace(self, **sizes, bins=bins, bumps=bumps, dropout=dropout)

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert self.width and self.depth and self.heads, "size the family before building"
        shape = Architecture(
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            kv_heads=self.kv_heads or 0,
            head_width=self.head_width or 0,
            hidden=self.hidden or 0,
            rope_base=self.rope_base,
            norm_eps=self.norm_eps,
            qk_norm=self.qk_norm,
        )
        return sequence_net(space, conditions, shape=shape, tied=self.tied, bins=self.bins, bumps=self.bumps)

    def level_biases(self, net: nn.Module) -> tuple[Float[Tensor, " levels"], ...]:
        return net.level_biases if isinstance(net, AnyOrderColumns) else ()

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        # Weight decay as strong as this, and few weights, keep some ten thousand rows from being learned by heart.
        columns = partial(adamw, learning_rate=3e-3, weight_decay=2.0)
        rates = TEXT_RATES if isinstance(net, CausalTokens) else {}
        rates = rates | {"weight_decay": DECAY_PER_DROPOUT * (self.dropout or 0.0)}
        sequences = partial(muon_and_adamw, matrices=block_matrices, **rates)
        return (Player("model", net, self.loss, columns if isinstance(net, AnyOrderColumns) else sequences),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """Mean negative log-likelihood in nats per value."""
        context = drop_context(net, context, self.label_dropout, rng)
        ways = {} if isinstance(net, AnyOrderColumns) else {"dropout": self.dropout or 0.0}
        return {"nll": cast(Net, net).nll(x, context, rng, **ways).mean() * (len(x) / x.numel())}

    @torch.no_grad()
    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """Mean negative log-likelihood in nats per value."""
        return -self.log_prob(net, x, context, rng).mean() * (len(x) / x.numel())

    @torch.no_grad()
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        if isinstance(net, AnyOrderColumns):
            return net.draw(n, given.x, given.context, rng, given.allowed)
        sequence = cast(CausalTokens | CausalPixels, net)
        return sequence.draw(n, given.x, given.context, rng, choose=partial(choose, how=how))

    def decoder(self, net: nn.Module, *, slots: int) -> Decoder:
        sequence = cast(CausalTokens, net).sequence
        return CausalDecoder(sequence, slots=slots, product=fitting(sequence))

    @torch.no_grad()
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, " n"]:
        """Exact log-density in nats of each record: of a text its first `end` included, of an image per [-1, 1]^d.

        NaN entries of table rows are marginalised.
        """
        rows = chunks(len(x), length=x[0].numel())
        scored = cast(Net, net)
        return torch.cat([scored.log_prob(x[r], None if context is None else context[r]) for r in rows])


def _column_width(rows: int) -> int:
    """Width of a net of columns, in sixteens: wider ones learn few rows by heart, and are slower.

    >>> [_column_width(rows) for rows in (500, 8_000, 20_000, 30_000, 1_000_000)]
    [48, 48, 80, 128, 128]
    """
    least, most = WIDTHS
    return min(most, max(least, 16 * round(rows / ROWS_PER_WIDTH / 16)))
