"""n-gram models of tokens: counted in seconds, exact likelihoods, and the floor under every other model of text."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    ClosedFormFamily,
    Density,
    Partial,
    Work,
    only_columns,
    refused,
)
from genwright.families.sampling import Sampling, choose
from genwright.maths.ngram_fit import fitted
from genwright.maths.ngrams import Stretch, joined
from genwright.nets.ngram import NGramCounts
from genwright.spaces import Columns, Conditions, Encoded, Given, Space, Tokens

ORDERS = ((1024, 8), (1 << 31, 5))  # up to so many tokens in the vocabulary: the longest n-grams that are counted
MAX_ORDER = 32
DEPTHS = 1, 2, 3  # nearest tokens before the columns beside a record, of which the best is taken
MAX_SYMBOLS = 2**24  # that are counted, the first: they take some 2 GB meanwhile
CELLS_AT_ONCE = 2**21  # of records that are read together
SYMBOLS_PER_SECOND = 100_000  # that are counted, rather less than more


@dataclass(frozen=True, kw_only=True)
class NGram(ClosedFormFamily):
    """What follows on the tokens before it, by how often it has: interpolated, modified Kneser-Ney.

    n-grams of up to `order` tokens are counted, fewer where held-out rows say so, with discounts fitted to these rows.
    Condition columns stand in contexts as tokens do, a continuous one in eighths.
    Chen & Goodman 1999, Computer Speech & Language 13, section 3.
    """

    name: ClassVar[str] = "n-gram"

    order: int | None = None

    def __post_init__(self) -> None:
        if self.order is not None and not 1 <= self.order <= MAX_ORDER:
            what = f"order must be 1 to {MAX_ORDER}, not {self.order}"
            raise ArgumentError(what, where="NGram", hint="leave it out if unsure")

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Tokens):
            raise refused(self, "anything but sequences of tokens")
        how = ("temperature", "top_k", "top_p", "min_p")
        return Capabilities(density=Density.EXACT, given=Partial.PREFIX, how=how, conditions=(Columns,))

    def sized(self, space: Space, work: Work) -> Self:
        assert isinstance(space, Tokens)
        return replace(self, order=self.order or next(order for most, order in ORDERS if space.vocabulary <= most))

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert isinstance(space, Tokens)
        return NGramCounts(space, only_columns(conditions))

    def fit(
        self,
        net: nn.Module,
        train: Encoded,
        valid: Encoded,
        work: Work,
        rng: torch.Generator,
        report: Callable[[int, int, float, float], None],
    ) -> None:
        """Count, choose among orders (and depths of the columns) by held-out symbols, fit the discounts to them.

        Where the held-out rows are those to be counted, the last tenth of the symbols sits out while this is done.
        """
        assert self.order is not None, "size the family before fitting"
        holder, began = cast(NGramCounts, net), time.monotonic()
        minutes = np.inf if work.minutes is None else work.minutes
        seen, framed = symbols(holder, train, most=int(min(MAX_SYMBOLS, 60 * minutes * SYMBOLS_PER_SECOND)))
        held_out, _ = symbols(holder, valid, most=MAX_SYMBOLS, framed=framed)
        same = len(train) == len(valid) and torch.equal(train.x, valid.x)
        depths = DEPTHS if seen.beside.shape[1] else (0,)
        each = len(held_out.at) / max(1, len(valid)) if framed else train.x.shape[1]
        steps = len(depths) + 1

        def goes_on(step: int, cost: float) -> bool:
            report(step, steps, cost * each, cost * each)
            return (time.monotonic() - began) * (step + 1) / step < 30 * minutes

        model, cost = fitted(
            seen,
            None if same else held_out,
            vocabulary=holder.space.vocabulary,
            alphabet=holder.alphabet,
            order=self.order + seen.beside.shape[1],
            depths=depths,
            goes_on=goes_on,
        )
        holder.fill(model, framed=framed)
        report(steps, steps, cost * each, cost * each)

    @torch.no_grad()
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Int[Tensor, "n t"]:
        return cast(NGramCounts, net).draw(n, given.x, given.context, rng, choose=partial(choose, how=how))

    @torch.no_grad()
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """Exact log-probability of each record in nats, its first `end` included."""
        return cast(NGramCounts, net).log_prob(x, context)


def symbols(net: NGramCounts, rows: Encoded, *, most: int, framed: bool | None = None) -> tuple[Stretch, bool]:
    """The first symbols of encoded rows, about `most`, and whether the rows are records: else windows of one stream."""
    x = rows.x.cpu()
    if x.stride(0) < x.shape[1] * x.stride(1):  # windows that overlap
        step = x.stride(0) // x.stride(1)
        length = min(most, (len(x) - 1) * step + x.shape[1]) if len(x) else 0
        stream = x.as_strided((1, length), (0, x.stride(1)), x.storage_offset()).numpy().astype(np.int64)
        return net.stretch(stream, net.beside(None, 1), framed=False), False
    framed = not net.space.documents if framed is None else framed
    sizes = torch.where(x == net.space.end, 0, 1).sum(1) + 1
    x = x[: int((sizes.cumsum(0) < most).sum()) + 1]
    beside, parts = net.beside(None if rows.context is None else rows.context[: len(x)], len(x)), []
    step = max(1, CELLS_AT_ONCE // x.shape[1])
    for at in range(0, len(x), step):
        part = x[at : at + step].numpy().astype(np.int64)
        parts.append(joined([net.stretch(part, beside[at : at + step], framed=framed)]))
    return joined(parts), framed
