"""The embeddings of conditions, one for each kind of space, shared by every net that can be conditioned."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.nets.conv import ConvEncoder
from genwright.nets.mlp import MLP
from genwright.nets.transformer import Architecture, Transformer, everywhere
from genwright.spaces import Columns, Conditions, Discrete, Reals, Space, Tokens

FREQUENCIES = (0.5, 1.0, 2.0)  # radians per standard deviation of an encoded value
WIDTH = 16  # channels of the convolutions that read a condition


class ContextEmbedding(nn.Module):
    """Condition columns as one vector; an unknown entry (NaN) has an embedding of its own.

    Discrete columns look up a learned row, of which each column has one more than it has levels ("unknown").
    Continuous columns pass the value with its sines and cosines, and a flag for "unknown", through a linear map.
    The sum goes through a residual two-layer perceptron, so that columns can interact.
    """

    offsets: Tensor
    unknown: Tensor
    frequencies: Tensor

    def __init__(self, context: Columns, width: int) -> None:
        super().__init__()
        self.discrete, self.continuous = context.discrete, context.continuous
        levels = [column.levels for column in context.columns if isinstance(column, Discrete)]
        starts = [sum(levels[:i]) + i for i in range(len(levels))]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.long), persistent=False)
        self.register_buffer("unknown", torch.tensor(levels, dtype=torch.float32), persistent=False)
        self.register_buffer("frequencies", torch.tensor(FREQUENCIES), persistent=False)
        self.scale = 1.0 / math.sqrt(len(context.columns))
        self.table = nn.Embedding(sum(levels) + len(levels), width) if levels else None
        features = len(self.continuous) * (2 + 2 * len(FREQUENCIES))
        self.values = nn.Linear(features, width) if features else None
        self.mix = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, context: Float[Tensor, "n c"]) -> Float[Tensor, "n width"]:
        """Rows with NaN where unknown to vectors of about unit variance."""
        total = context.new_zeros(())
        if self.values is not None:
            total = total + self.values(self._features(context[:, self.continuous]))
        if self.table is not None:
            levels = context[:, self.discrete]
            rows = torch.where(levels.isnan(), self.unknown, levels).long() + self.offsets
            total = total + self.table(rows).sum(dim=1)
        total = total * self.scale
        return total + self.mix(total)

    def _features(self, values: Float[Tensor, "n k"]) -> Float[Tensor, "n f"]:
        missing = values.isnan()
        known = (~missing).to(values.dtype)
        angles = values.nan_to_num(0.0)[..., None] * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1) * known[..., None]
        return torch.cat([values.nan_to_num(0.0), 1.0 - known, waves.flatten(1)], dim=1)


class TokensEmbedding(nn.Module):
    """Sequences of tokens as one vector: the mean of a small transformer's output up to the first end mark."""

    def __init__(self, space: Tokens, width: int) -> None:
        super().__init__()
        self.end = space.end
        self.embed_tokens = nn.Embedding(space.vocabulary, width)
        shape = Architecture(width=width, depth=1, heads=max(1, width // 32))
        self.model = Transformer(shape, positions=space.length)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Float[Tensor, "n t"]) -> Float[Tensor, "n width"]:
        known = ~tokens[:, :1].isnan()
        numbers = tokens.nan_to_num(self.end).long()
        read = ((numbers == self.end).long().cumsum(dim=1) <= 1)[..., None]  # the first end mark is read too
        h = self.model(self.embed_tokens(numbers), everywhere) * read
        return torch.where(known, h.sum(dim=1) / read.sum(dim=1), self.unknown)


class ArrayEmbedding(nn.Module):
    """Arrays as one vector, by convolutions where they have sides."""

    def __init__(self, space: Reals, width: int) -> None:
        super().__init__()
        self.body: nn.Module
        if space.sides:
            self.body = ConvEncoder(space, width, width=WIDTH, depth=1, condition=0)
        else:
            self.body = MLP(space.size, width, width=width, depth=1)
        self.unknown = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "n *s"]) -> Float[Tensor, "n width"]:
        known = ~x.flatten(1)[:, :1].isnan()
        x = x.nan_to_num(0.0)
        h = self.body(x, x.new_zeros(len(x), 0)) if isinstance(self.body, ConvEncoder) else self.body(x.flatten(1))
        return torch.where(known, h, self.unknown)


class JointEmbedding(nn.Module):
    """Conditions of several kinds as one vector: the sum of an embedding of each."""

    def __init__(self, conditions: Conditions, width: int) -> None:
        super().__init__()
        self.conditions = conditions
        self.columns = ContextEmbedding(conditions.columns, width) if conditions.columns.columns else None
        self.others = nn.ModuleList()
        for _, space in conditions.others:
            self.others.append(EMBEDDINGS[type(space)](space, width))

    def forward(self, context: Float[Tensor, "n k"]) -> Float[Tensor, "n width"]:
        """Rows of conditions, see `Conditions`, to vectors."""
        parts = self.conditions.split(context)
        found = [embed(part) for embed, part in zip(self.others, parts.values(), strict=True)]
        if self.columns is not None:
            found.append(self.columns(self.conditions.of_columns(context)))
        return torch.stack(found).sum(dim=0)


EMBEDDINGS: dict[type, Callable[[Any, int], nn.Module]] = {Tokens: TokensEmbedding, Reals: ArrayEmbedding}


def embedding_of(conditions: Conditions, width: int) -> ContextEmbedding | JointEmbedding:
    """What makes one vector of each row of conditions."""
    return JointEmbedding(conditions, width) if conditions.others else ContextEmbedding(conditions.columns, width)


def _is_text(space: Space) -> bool:
    return isinstance(space, Tokens)


class ReadsConditions(nn.Module):
    """A net of sequences, before which conditions stand: one position for columns and arrays, every token of texts.

    Tokens of the sequence's own vocabulary share its embedding, so that a conditioned model is a plain one that reads
    on; a learned vector tells what is given from what is written.
    """

    def __init__(self, conditions: Conditions | None, *, vocabulary: int, width: int) -> None:
        super().__init__()
        self.conditions = conditions
        self.vector = None if conditions is None else conditions.without(_is_text)
        self.condition = None if self.vector is None else embedding_of(self.vector, width)
        texts = None if conditions is None else conditions.only(_is_text)
        self.texts = None if texts is None else GivenTexts(texts, vocabulary, width)
        self.before = (self.condition is not None) + (0 if texts is None else texts.size)

    def read(
        self, context: Float[Tensor, "n k"] | None, h: Float[Tensor, "n t width"], embed_tokens: nn.Embedding
    ) -> Float[Tensor, "n p width"]:
        """The positions of what stands before `h`, and `h`."""
        if self.conditions is None:
            return h
        assert context is not None
        found = []
        if self.condition is not None and self.vector is not None:
            found.append(self.condition(self.conditions.part(self.vector, context))[:, None])
        if self.texts is not None:
            found.append(self.texts(self.conditions.split(context), embed_tokens))
        return torch.cat([*found, h], dim=1)


class GivenTexts(nn.Module):
    """Texts that stand before a sequence."""

    def __init__(self, texts: Conditions, vocabulary: int, width: int) -> None:
        super().__init__()
        self.names = [name for name, _ in texts.others]
        own = [space for _, space in texts.others if isinstance(space, Tokens)]
        self.embeddings = nn.ModuleList(
            nn.Identity() if space.vocabulary == vocabulary else nn.Embedding(space.vocabulary, width) for space in own
        )
        self.given = nn.Parameter(torch.zeros(len(own), width))
        self.unknown = nn.Parameter(torch.zeros(len(own), width))

    def forward(self, parts: dict[str, Tensor], embed_tokens: nn.Embedding) -> Float[Tensor, "n p width"]:
        found = []
        for k, name in enumerate(self.names):
            tokens, embed = parts[name], self.embeddings[k]
            h = (embed_tokens if isinstance(embed, nn.Identity) else embed)(tokens.nan_to_num(0.0).long())
            found.append(torch.where(tokens.isnan()[..., None], self.unknown[k], h) + self.given[k])
        return torch.cat(found, dim=1)


def drop_context(
    net: nn.Module, context: Float[Tensor, "n k"] | None, rate: float, rng: torch.Generator
) -> Float[Tensor, "n k"] | None:
    """Forget conditions of a net with probability `rate`, so that one net learns the conditional and the unconditional
    distribution: all scalar fields of a row together, each other condition on its own.

    Ho and Salimans 2022, arXiv:2207.12598, Algorithm 1.
    """
    if context is None:
        return None
    conditions = net.conditions
    assert isinstance(conditions, Conditions)
    dropped = torch.zeros_like(context, dtype=torch.bool)
    for span in conditions.spans.values():
        if span.stop > span.start:
            dropped[:, span] = torch.rand(len(context), 1, generator=rng, device=context.device) < rate
    return torch.where(dropped, torch.nan, context)
