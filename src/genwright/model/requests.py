"""One text that is being written: what was written so far, its settings and randomness, and where it ends."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from genwright.codecs.text import CONTINUATION, TextCodec
from genwright.codecs.tokenizers import Tokenizer
from genwright.families.sampling import Sampling, cut
from genwright.maths import decoding
from genwright.model.grammars import Constraint, begun

UNIFORMS = 256  # random numbers that are drawn at once
LATEST = 3, 2, 1  # how many of the last tokens are looked for in what was written before
Choose = Callable[[Tensor, Sequence[Sequence[int]], Tensor, Sequence[int]], Tensor]  # as `ChoosesTokens.choose`
Finish = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a text begins with, as tokens after the leading end mark, and how it goes on.

    The same prompt, settings and seed give the same text whatever is written beside it, up to rounding. `context` are
    the encoded conditions of a model that has any: a row of them.
    """

    tokens: tuple[int, ...]
    how: Sampling
    seed: int
    context: Tensor | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Delta:
    """What was added to a text: tokens (no end mark) with their log-probabilities in nats under the model as it is, and
    whole characters only; parts of a stop string wait until it is clear that they are none.

    `finished` says why the text ends: `stop` at its end mark or a stop string, which is not part of it, `length` at
    `max_tokens`.
    """

    id: int
    tokens: tuple[int, ...]
    text: str
    log_probs: tuple[float, ...]
    finished: Finish | None


class Request:
    """A text while it is written."""

    def __init__(self, number: int, prompt: Prompt, codec: TextCodec) -> None:
        self.number, self.prompt, self.how = number, prompt, prompt.how
        self.tokens, self.prompted = list(prompt.tokens), len(prompt.tokens)
        self.limit = self.how.max_tokens or default_limit(codec, self.prompted)
        self.finished: Finish | None = None
        self._text = Text(codec.tokenizer, self.how.stop or (), inside=codec.text.running and not self.prompted)
        self._ends = {codec.tokenizer.end} | {codec.tokenizer.special.get(name, -1) for name in self.how.stop or ()}
        self._random, self._uniforms = np.random.default_rng(prompt.seed), [0.0][:0]
        self._constraint: Constraint | None = None
        if self.how.grammar is not None:
            self._constraint = begun(self.how.grammar, codec.tokenizer, most=self.limit)
        self._places: dict[tuple[int, ...], int] = {}  # after the latest of each few tokens
        for end in range(1, len(self.tokens)):
            self._remember(end)
        self._counts: Tensor | None = None
        told = self.how.repetition_penalty, self.how.frequency_penalty, self.how.presence_penalty
        self.plain = self._constraint is None and all(each is None for each in told)
        self.penalised = any(each is not None for each in told)

    @property
    def written(self) -> int:
        """How many tokens there are after the prompt."""
        return len(self.tokens) - self.prompted

    @property
    def uniform(self) -> float:
        """The number in [0, 1) that decides the next token: one for each place, however it is written."""
        while len(self._uniforms) <= self.written:
            self._uniforms += self._random.random(UNIFORMS).tolist()
        return self._uniforms[self.written]

    @property
    def allowed(self) -> np.ndarray | None:
        """Of every token, whether the grammar lets it follow; None without one."""
        return None if self._constraint is None else self._constraint.allowed

    def settled(self, token: int) -> int:
        """The token that follows where this one was drawn: another one, if the grammar could not be completed then."""
        return token if self._constraint is None else self._constraint.take(token, self.limit - self.written)

    def guessed(self, most: int) -> list[int]:
        """What may follow: what followed the last few tokens where they stood before, `speculate` tokens of it."""
        most = min(self.how.speculate or 0, most, self.limit - self.written - 1)
        if most <= 0:
            return []
        for size in LATEST:
            place = self._places.get(tuple(self.tokens[-size:]))
            if place is not None:  # and on from there, over and over
                return list(islice(cycle(self.tokens[place:]), most))
        return []

    def _remember(self, end: int) -> None:
        """Where the tokens before `end` stood."""
        if self.how.speculate:
            for size in LATEST:
                if size <= end:
                    self._places[tuple(self.tokens[end - size : end])] = end

    def lowered(self, logits: Tensor) -> Tensor:
        """The scores of the next token, with those penalised that were written before."""
        how = self.how
        if not self.penalised:
            return logits
        if self._counts is None:
            self._counts = logits.new_zeros(2, len(logits))  # in the text after the prompt, and in all
            for token in self.tokens[: self.prompted]:
                self._counts[1, token] += 1
            for token in self.tokens[self.prompted :]:
                self._counts[:, token] += 1
        return decoding.penalise(
            logits,
            *self._counts,
            repetition=how.repetition_penalty or 1.0,
            frequency=how.frequency_penalty or 0.0,
            presence=how.presence_penalty or 0.0,
        )

    def add(self, token: int) -> tuple[str, bool]:
        """The text that is certain now that this token follows, and whether the token is part of it."""
        if token in self._ends:
            self.finished = "stop"
            return self._text.rest(), False
        self.tokens.append(token)
        self._remember(len(self.tokens) - 1)
        if self._counts is not None:
            self._counts[:, token] += 1
        text = self._text.add(token)
        if self._text.stopped or (self._constraint is not None and self._constraint.complete):
            self.finished = "stop"
            text += self._text.rest()
        elif self.written >= self.limit:
            self.finished = "length"
            text += self._text.rest()
        return text, True


class Text:
    """Tokens to text, in whole characters, up to a stop string; `inside` where it may begin within a character."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str], *, inside: bool) -> None:
        self._pieces, self._stops, self._inside = tokenizer.pieces, stops, inside
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held, self.stopped = "", False

    def add(self, token: int) -> str:
        """The text that has become certain by one more token."""
        raw = self._pieces[token]
        if self._inside:
            raw = raw.lstrip(CONTINUATION)
            self._inside = not raw
        text = self._held + self._decoder.decode(raw)
        places = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            self.stopped, self._held = True, ""
            return text[: min(places)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back, where the text ends."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text are the beginning of a stop string.

    >>> _overlap("one tw", "two")
    2
    """
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def default_limit(codec: TextCodec, prompted: int) -> int:
    """Tokens of a text that is not told how long to be: with its prompt a record, after a longer one as many again."""
    return codec.length - prompted if prompted < codec.length else codec.length


def latest(tokens: list[int], room: int) -> list[int]:
    """What a net of so many positions goes on from: all tokens, or the last half of what it can read.

    >>> latest([1, 2, 3], 4), latest([1, 2, 3, 4], 4), latest([1], 1)
    ([1, 2, 3], [3, 4], [])
    """
    return tokens if len(tokens) < room else tokens[len(tokens) - room // 2 :]


def shaped(logits: Tensor, requests: Sequence[Request]) -> Tensor:
    """The scores of each request's next token: written ones penalised, those that a grammar forbids left out."""
    if all(request.plain for request in requests):
        return logits
    if any(request.penalised for request in requests):
        logits = torch.stack([request.lowered(row) for request, row in zip(requests, logits, strict=True)])
    masks = [request.allowed for request in requests]
    if all(mask is None for mask in masks):
        return logits
    allowed = np.ones(logits.shape, dtype=bool)
    for row, mask in zip(allowed, masks, strict=True):
        if mask is not None:
            row[:] = mask
    return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)


def drawn(logits: Tensor, before: Sequence[Sequence[int]], uniform: Tensor, seeds: Sequence[int]) -> Tensor:
    """The next token of texts by inversion, whatever stands before it."""
    return decoding.invert(logits, uniform)


def chosen(logits: Tensor, requests: Sequence[Request], *, choose: Choose = drawn) -> list[int]:
    """The next token of each request; logits have a row for each, already shaped."""
    groups: dict[tuple[float | None, ...], list[int]] = {}
    for row, request in enumerate(requests):
        how = request.how
        groups.setdefault((how.temperature, how.top_k, how.top_p, how.min_p), []).append(row)
    found = [0] * len(requests)
    for rows in groups.values():
        how = requests[rows[0]].how
        part = logits if len(groups) == 1 else logits[rows]
        if how.temperature == 0.0 or how.top_k == 1:
            tokens = part.argmax(dim=-1)
        else:
            uniform = torch.tensor([requests[row].uniform for row in rows], dtype=torch.float64, device=logits.device)
            of = [requests[row] for row in rows]
            tokens = choose(cut(part, how), [r.tokens for r in of], uniform, [r.prompt.seed for r in of])
        for row, token in zip(rows, tokens.tolist(), strict=True):
            found[row] = token
    return found
