"""Causal transformers over discrete sequences: token records, and images read pixel by pixel in raster order."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.errors import UnsupportedError
from genwright.nets.context import ReadsConditions
from genwright.nets.packing import packed, worth_packing
from genwright.nets.transformer import (
    Architecture,
    Drop,
    KeyValues,
    Transformer,
    causal,
    documents_apart,
    dropping,
    kept,
)
from genwright.spaces import Conditions, Reals, Tokens

Choose = Callable[[Tensor, torch.Generator], Tensor]  # logits (n, v) to one symbol each (n,)

DRAW_POSITIONS = 2**16  # of sequences decoded side by side; bounds the memory of their keys and values


class CausalSequence(ReadsConditions):
    """log p(s_t | s_<t, context) over sequences of `length` symbols below `symbols`, each preceded by `start`.

    `start` may be one of the symbols or the number after the last; `tied` scores share the embedding of the symbols.
    `places`, if given, holds the coordinates of each position (row, column, ...); their learned embeddings are added
    where it is predicted. Conditions stand before the start, see `ReadsConditions`.
    """

    coordinates: Tensor

    def __init__(
        self,
        *,
        length: int,
        symbols: int,
        start: int,
        conditions: Conditions | None,
        places: Int[Tensor, "t k"] | None,
        shape: Architecture,
        tied: bool,
    ) -> None:
        width = shape.width
        super().__init__(conditions, vocabulary=symbols, width=width)
        self.length, self.start = length, start
        self.embed_tokens = nn.Embedding(max(symbols, start + 1), width)
        self.lm_head = nn.Linear(width, symbols, bias=False)
        self.model = Transformer(shape, positions=length + self.before)
        self.places = nn.ModuleList()
        if places is not None:
            self.places.extend(nn.Embedding(int(axis.max()) + 1, width) for axis in places.T)
            self.register_buffer("coordinates", places, persistent=False)
        for embedding in (self.embed_tokens, *self.places):
            nn.init.normal_(embedding.weight, std=0.5)
        if tied:
            assert start < symbols, "a start that is none of the symbols has no score to share"
            nn.init.normal_(self.embed_tokens.weight, std=width**-0.5)
            self.lm_head.weight = self.embed_tokens.weight
        else:
            nn.init.zeros_(self.lm_head.weight)

    def logits(
        self,
        inputs: Int[Tensor, "b t"],
        context: Float[Tensor, "b c"] | None,
        *,
        past: list[KeyValues] | None = None,
        first: int = 0,
        drop: Drop = kept,
    ) -> Float[Tensor, "b t v"]:
        """Scores of what follows each input; inputs stand at `first`, `first` + 1, ..., the context before 0."""
        h = self.embed_tokens(inputs)
        for axis, embedding in enumerate(self.places):
            h = h + embedding(self.coordinates[first : first + inputs.shape[1], axis])
        if first > 0:
            return self.lm_head(self.model(h, causal, past))
        h = self.model(self.read(context, drop(h), self.embed_tokens), causal, past, drop)
        return self.lm_head(h[:, self.before :])

    def shifted(self, s: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        """The inputs that predict `s`: the start, then all symbols but the last."""
        return torch.cat([torch.full_like(s[:, :1], self.start), s[:, :-1]], dim=1)

    def symbol_log_prob(
        self, s: Int[Tensor, "b t"], context: Float[Tensor, "b c"] | None, drop: Drop = kept
    ) -> Float[Tensor, "b t"]:
        """log p(s_t | s_<t, context) of every symbol, in nats."""
        return picked(self.logits(self.shifted(s), context, drop=drop), s)

    def document_log_prob(self, s: Int[Tensor, "b t"], end: int, drop: Drop = kept) -> Float[Tensor, "b t"]:
        """log p of every symbol given those before it in its own document, which begins with an `end`; of the first
        symbol of a row 0.
        """
        own = documents_apart((s[:, :-1] == end).long().cumsum(dim=1))
        logits = self.lm_head(self.model(drop(self.embed_tokens(s[:, :-1])), own, drop=drop))
        return F.pad(picked(logits, s[:, 1:]), (1, 0))

    @torch.no_grad()
    def draw(
        self,
        prefix: Int[Tensor, "n t"],
        context: Float[Tensor, "n c"] | None,
        rng: torch.Generator,
        *,
        choose: Choose,
        end: int | None,
    ) -> Int[Tensor, "n t"]:
        """One sequence per row of `prefix`, whose leading symbols are kept; -1 stands where the symbol is drawn.

        Prefixes may differ in length. After the first `end` behind them, if there is one, all is `end`.
        """
        parts, step = [], max(1, DRAW_POSITIONS // self.length)
        for at in range(0, len(prefix), step):
            part = slice(at, at + step)
            parts.append(self._draw(prefix[part], None if context is None else context[part], rng, choose, end))
        return torch.cat(parts) if parts else prefix

    def _draw(
        self, prefix: Tensor, context: Tensor | None, rng: torch.Generator, choose: Choose, end: int | None
    ) -> Tensor:
        s = prefix.clone()
        ended = torch.zeros(len(s), dtype=torch.bool, device=s.device)
        kept = (s >= 0).long().cumprod(dim=1).sum(dim=1)  # leading symbols, of which none ends a row
        known = int(kept.min())
        inputs, past, first = self.shifted(s)[:, : known + 1], self.model.empty_past(len(s)), 0
        for t in range(known, self.length):
            logits = self.logits(inputs, context, past=past, first=first)[:, -1].float()
            s[:, t] = torch.where(s[:, t] >= 0, s[:, t], choose(logits, rng))
            if end is not None:
                s[:, t] = torch.where(ended, end, s[:, t])
                ended |= (s[:, t] == end) & (t >= kept)
                if ended.all():
                    s[:, t:] = end
                    break
            inputs, first = s[:, t : t + 1], t + 1
        return s

    def packed_log_prob(self, x: Int[Tensor, "n t"], end: int, drop: Drop = kept) -> Float[Tensor, " n"]:
        """log p of each record in nats, its first `end` included; several records share a row of the net."""
        rows = packed(x, end)
        own = documents_apart(rows.record)
        logits = self.lm_head(self.model(drop(self.embed_tokens(rows.inputs)), own, drop=drop))
        found = picked(logits, rows.targets).flatten()
        mine = rows.record.flatten()
        return found.new_zeros(len(x)).index_add(0, mine[mine >= 0], found[mine >= 0])


def picked(logits: Float[Tensor, "b t v"], s: Int[Tensor, "b t"]) -> Float[Tensor, "b t"]:
    """The log-probability of each symbol."""
    return -F.cross_entropy(logits.float().flatten(0, 1), s.flatten(), reduction="none").view_as(s)


def leading(given: Bool[Tensor, "n t"], what: str) -> None:
    """Raise unless what is given in each row is a prefix of it."""
    if bool((given[:, 1:] & ~given[:, :-1]).any()):
        raise UnsupportedError(
            f"an autoregressive model continues the beginning of {what}; it cannot fill in what comes before",
            where="given",
            hint="give a prefix only, or use a family that fills in any part: MaskedDiffusion or FlowMatching",
        )


class CausalTokens(nn.Module):
    """A causal transformer over token records; what follows a record's first `end` carries no probability."""

    def __init__(self, space: Tokens, conditions: Conditions | None, *, shape: Architecture, tied: bool) -> None:
        super().__init__()
        self.space, self.conditions = space, conditions
        self.sequence = CausalSequence(
            length=space.length,
            symbols=space.vocabulary,
            start=space.first,
            conditions=conditions,
            places=None,
            shape=shape,
            tied=tied,
        )

    def nll(
        self, x: Int[Tensor, "n t"], context: Float[Tensor, "n c"] | None, rng: torch.Generator, *, dropout: float = 0.0
    ) -> Float[Tensor, " n"]:
        """Negative log-likelihood of each record in nats, for training, with a share of what is computed forgotten."""
        drop = dropping(dropout, rng)
        alone = self.sequence.before == 0 and not self.space.documents and self.space.start is None
        if alone and worth_packing(x, self.space.end):
            return -self.sequence.packed_log_prob(x, self.space.end, drop)
        return -self.token_log_prob(x, context, drop).sum(dim=1)

    def log_prob(self, x: Int[Tensor, "n t"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, " n"]:
        """Exact log-probability of each record in nats, its first `end` included."""
        return self.token_log_prob(x, context).sum(dim=1)

    def token_log_prob(
        self, x: Int[Tensor, "n t"], context: Float[Tensor, "n c"] | None, drop: Drop = kept
    ) -> Float[Tensor, "n t"]:
        """log p(x_t | x_<t, context) in nats; 0 after the first `end`, or of documents after the first of several."""
        if self.space.documents:
            again = F.pad((x[:, 1:] == self.space.end) & (x[:, :-1] == self.space.end), (1, 0))
            return self.sequence.document_log_prob(x, self.space.end, drop).masked_fill(again, 0.0)
        ends = (x == self.space.end).long()
        return self.sequence.symbol_log_prob(x, context, drop).masked_fill(ends.cumsum(dim=1) > ends, 0.0)

    def draw(
        self,
        n: int,
        partial: Int[Tensor, "n t"] | None,
        context: Float[Tensor, "n c"] | None,
        rng: torch.Generator,
        *,
        choose: Choose,
    ) -> Int[Tensor, "n t"]:
        """n records that continue the prompts in `partial` (-1 where free)."""
        if partial is None:
            partial = torch.full((n, self.space.length), -1, device=self.sequence.lm_head.weight.device)
        leading(partial >= 0, "a text")
        return self.sequence.draw(partial, context, rng, choose=choose, end=self.space.end)


class CausalPixels(nn.Module):
    """A causal transformer over arrays of few levels, in raster order with the channels innermost.

    The density is that of the levels spread evenly over their cells, 2 / (levels - 1) wide, so that it can be compared
    with continuous models of the dequantised data. van den Oord et al. 2016, arXiv:1601.06759, eq. 1.
    """

    def __init__(self, space: Reals, conditions: Conditions | None, *, shape: Architecture) -> None:
        super().__init__()
        assert space.levels is not None
        self.conditions = conditions
        self.space, self.cell = space, 2.0 / (space.levels - 1)
        axes = [torch.arange(size) for size in (*space.sides, space.channels)]
        self.sequence = CausalSequence(
            length=space.size,
            symbols=space.levels,
            start=space.levels,
            conditions=conditions,
            places=torch.cartesian_prod(*axes).reshape(space.size, len(axes)),
            shape=shape,
            tied=False,
        )

    def nll(
        self,
        x: Float[Tensor, " n *s"],
        context: Float[Tensor, "n c"] | None,
        rng: torch.Generator,
        *,
        dropout: float = 0.0,
    ) -> Float[Tensor, " n"]:
        """Negative log-likelihood of each array in nats, for training, with a share of what is computed forgotten."""
        return -self.log_prob(x, context, dropping(dropout, rng))

    def log_prob(
        self, x: Float[Tensor, " n *s"], context: Float[Tensor, "n c"] | None, drop: Drop = kept
    ) -> Float[Tensor, " n"]:
        """Exact log-density of each array in nats."""
        mass = self.sequence.symbol_log_prob(self._symbols(x), context, drop).sum(dim=1)
        return mass - self.space.size * math.log(self.cell)

    def draw(
        self,
        n: int,
        partial: Float[Tensor, " n *s"] | None,
        context: Float[Tensor, "n c"] | None,
        rng: torch.Generator,
        *,
        choose: Choose,
    ) -> Float[Tensor, " n *s"]:
        """n arrays that continue the first values of `partial` in raster order (NaN where free)."""
        if partial is None:
            partial = torch.full((n, *self.space.shape), torch.nan, device=self.sequence.lm_head.weight.device)
        free = self._raster(partial.isnan())
        leading(~free, "an image")
        symbols = self._symbols(partial.nan_to_num(0.0)).masked_fill(free, -1)
        drawn = self.sequence.draw(symbols, context, rng, choose=choose, end=None)
        x = self.space.unpack(self._unraster(drawn))
        return torch.where(partial.isnan(), x, partial)

    def _symbols(self, x: Float[Tensor, " n *s"]) -> Int[Tensor, "n t"]:
        return self._raster(self.space.pack(x).long())

    def _raster(self, x: Tensor) -> Tensor:
        return self.space.as_grid(x).movedim(1, -1).flatten(1)

    def _unraster(self, s: Tensor) -> Tensor:
        space = self.space
        return space.from_grid(s.unflatten(1, (*space.sides, space.channels)).movedim(-1, 1))
