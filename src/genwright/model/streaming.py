"""Texts written side by side, token by token: each with its own prompt, settings and seed, new ones taking the places
of those that end.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genwright.codecs.text import TextCodec, reads_text, too_long
from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.capabilities import settled
from genwright.families.family import DEFAULT, Streams
from genwright.families.sampling import Sampling
from genwright.model.beams import Beams
from genwright.model.part import ChoosesTokens, RowSampler
from genwright.model.requests import Delta, Prompt, Request, chosen, drawn, latest, shaped
from genwright.nets.causal import leading
from genwright.randomness import checked_seed
from genwright.spaces import Encoded, Given

POSITIONS = 2**14  # of all texts that are written side by side for `sample`, about, and
SLOTS = 64  # most of these texts

if TYPE_CHECKING:
    from genwright.model.generator import Generator

__all__ = ["Delta", "Prompt", "TextEngine", "prompt"]


def prompt(model: "Generator", text: str, *, how: Sampling = DEFAULT, seed: int = 0) -> Prompt:
    """A text to go on with, checked against what the model knows and can; ArgumentError where a record has no room."""
    if not isinstance(text, str):
        raise ArgumentError(f"{text!r:.60} is not text", where="text", hint="give a str as prompt")
    codec, _ = _parts(model)
    how = settled(model.family, codec.space, how, model.how)
    tokens = codec.tokenizer.encode(text.encode("utf-8", "replace"))
    if len(tokens) > codec.length and not codec.windowed:
        raise too_long(len(tokens), codec.length, where="text")
    return Prompt(tokens=tuple(tokens.tolist()), how=how, seed=checked_seed(seed, where="seed"))


class TextEngine:
    """Writes many texts at once with a model of text; for one thread at a time.

    At most `slots` are written side by side, others wait. A text that reaches the last position of the net goes on from
    the last half of what it has. UnsupportedError for models of other data, or of families that do not stream.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read(["one two", "one two"] * 20), family=gw.Autoregressive(width=16, depth=1), steps=2)
    >>> engine = TextEngine(model)
    >>> number = engine.submit(prompt(model, "one", how=gw.Sampling(max_tokens=3)))
    >>> sum(len(delta.tokens) for _ in range(3) for delta in engine.step()), engine.idle
    (3, True)
    """

    def __init__(self, model: "Generator", *, slots: int = 16) -> None:
        self.codec, family = _parts(model)
        self._vocabulary = self.codec.space.vocabulary
        self._decoder = family.decoder(model.net, slots=slots)
        self._waiting: deque[Request] = deque()
        self._running: list[Request] = []
        marks = model.part(ChoosesTokens)  # type: ignore[type-abstract]
        self._choose = drawn if marks is None else marks.choose
        self._searches: list[Beams] = []
        self._search_decoder = partial(family.decoder, model.net)
        self._next = 0

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to write."""
        return not (self._waiting or self._running or self._searches)

    def check(self, prompt: Prompt) -> None:
        """ArgumentError for tokens that the model does not have, UnsupportedError without the conditions it needs."""
        if self.codec.conditions is not None and prompt.context is None:
            what = "the model writes texts given other fields, and none are given"
            raise UnsupportedError(what, where="model", hint="draw from it: sample, with given, takes a prompt too")
        if any(not 0 <= token < self._vocabulary for token in prompt.tokens):
            what = "a prompt holds tokens that the model does not have"
            raise ArgumentError(what, where="tokens", hint=f"give whole numbers from 0 to {self._vocabulary - 1:,}")

    def submit(self, prompt: Prompt) -> int:
        """Have a text written; the number by which `step` and `cancel` know it."""
        self.check(prompt)
        self._next += 1
        if prompt.how.beams is not None:
            decoder = self._search_decoder(slots=prompt.how.beams)
            self._searches.append(Beams(self._next, prompt, self.codec, decoder))
            return self._next
        self._waiting.append(Request(self._next, prompt, self.codec))
        return self._next

    def cancel(self, id: int) -> None:
        """Stop writing a text; nothing if there is none of this number."""
        self._searches = [search for search in self._searches if search.number != id]
        self._waiting = deque(request for request in self._waiting if request.number != id)
        for row, request in enumerate(self._running):
            if request.number == id:
                self._evict(row)
                return

    @torch.inference_mode()
    def step(self) -> list[Delta]:
        """The next token, or several where they were guessed, of every text that is being written, after waiting ones
        have taken free places. Searches by beams tell their text when they have found it.
        """
        full = [row for row, length in enumerate(self._decoder.lengths) if length >= self._decoder.room]
        again = [self._evict(row) for row in reversed(full)]
        self._waiting.extendleft(again)
        found = []
        if running := list(self._running):
            free = self._decoder.room - max(self._decoder.lengths) - 1
            guesses = [request.guessed(free) for request in running]
            found += self._verified(running, guesses)
        if self._waiting and len(self._running) < self._decoder.slots:
            logits = self._admitted()
            new = self._running[len(running) :]
            found += self._joined([self._next_tokens(new, logits)])
        for row in reversed(range(len(self._running))):
            if self._running[row].finished:
                self._evict(row)
        for search in list(self._searches[: self._decoder.slots]):
            if (delta := search.step()) is not None:
                self._searches.remove(search)
                found.append(delta)
        return found

    def _verified(self, requests: list[Request], guesses: list[list[int]]) -> list[Delta]:
        """What follows in each text: its next token, and as many more as the guesses were right before it.

        A guess is right if it is what is drawn at its place, so texts are those that are written without guessing.
        Leviathan et al. 2023, arXiv:2211.17192, section 2.3, for guesses that are certain.
        """
        longest = max(map(len, guesses))
        inputs = [
            [r.tokens[-1], *guess, *[0] * (longest - len(guess))] for r, guess in zip(requests, guesses, strict=True)
        ]
        before = self._decoder.lengths
        logits = self._decoder.step(torch.tensor(inputs, device=self._decoder.device))
        alive, rounds = list(range(len(requests))), []
        for place in range(longest + 1):
            at = logits[:, place] if len(alive) == len(requests) else logits[alive, place]
            added = self._next_tokens([requests[row] for row in alive], at)
            rounds.append(added)
            alive = [
                row
                for row, delta in zip(alive, added, strict=True)
                if not delta.finished and place < len(guesses[row]) and delta.tokens == (guesses[row][place],)
            ]
            for row in alive:
                before[row] += 1
            if not alive:
                break
        self._decoder.lengths = [length + 1 for length in before]
        return self._joined(rounds)

    def _joined(self, rounds: list[list[Delta]]) -> list[Delta]:
        """All that was added to each text."""
        found: dict[int, Delta] = {}
        for delta in (delta for added in rounds for delta in added):
            old = found.get(delta.id, Delta(delta.id, (), "", (), None))
            found[delta.id] = Delta(
                delta.id,
                old.tokens + delta.tokens,
                old.text + delta.text,
                old.log_probs + delta.log_probs,
                delta.finished,
            )
        return list(found.values())

    def _admitted(self) -> Tensor:
        """Scores for waiting texts, which take the free places."""
        many = min(len(self._waiting), self._decoder.slots - len(self._running))
        new = [self._waiting.popleft() for _ in range(many)]
        self._running += new
        tails = [latest(each.tokens, self._decoder.room) for each in new]
        contexts = [each.prompt.context for each in new if each.prompt.context is not None]
        return self._decoder.admit(tails, torch.stack(contexts) if contexts else None)

    def _next_tokens(self, requests: list[Request], logits: Tensor) -> list[Delta]:
        """One token to each text, by its scores."""
        logits = logits.float()
        proposed = chosen(shaped(logits, requests), requests, choose=self._choose)
        tokens = [request.settled(token) for request, token in zip(requests, proposed, strict=True)]
        picked = torch.tensor(tokens, device=logits.device)[:, None]
        log_probs = (logits.gather(1, picked)[:, 0] - logits.logsumexp(dim=1)).tolist()
        deltas = []
        for request, token, log_prob in zip(requests, tokens, log_probs, strict=True):
            text, kept = request.add(token)
            own = ((token,), (log_prob,)) if kept else ((), ())
            deltas.append(Delta(request.number, own[0], text, own[1], request.finished))
        return deltas

    def _evict(self, row: int) -> Request:
        """Take a text off its place, which the last one takes."""
        self._decoder.evict(row)
        last = self._running.pop()
        if row == len(self._running):
            return last
        self._running[row], gone = last, self._running[row]
        return gone


def writer(model: "Generator", how: Sampling) -> RowSampler:
    """What draws rows of a model of text, each with a seed of its own: as long as asked, so wider than a record too."""

    def own(n: int, *, given: Given, rng: torch.Generator) -> Encoded:
        codec, _ = _parts(model)
        if given.x is not None:
            leading(given.x >= 0, "a text")
        starts = [[]] * n if given.x is None else [row[row >= 0].tolist() for row in given.x]
        seeds = torch.randint(2**62, (n,), generator=rng, device=rng.device).tolist()
        contexts = [None] * n if given.context is None else list(given.context)
        prompts = [
            Prompt(tokens=tuple(start), how=how, seed=seed, context=context)
            for start, seed, context in zip(starts, seeds, contexts, strict=True)
        ]
        limit = (how.max_tokens or codec.length) + (int(codec.tokenizer.sizes.max()) if how.stop else 0)
        width = limit if given.x is None else given.x.shape[1] + limit
        slots = max(1, min(n, SLOTS, POSITIONS // min(width, codec.length)))
        x = torch.full((n, max(width, codec.length)), codec.tokenizer.end)
        for row, tokens in zip(x, _written(TextEngine(model, slots=slots), prompts), strict=True):
            row[: len(tokens)] = torch.tensor(tokens)
        return Encoded(x, given.context)

    return own


def _written(engine: TextEngine, prompts: Sequence[Prompt]) -> list[list[int]]:
    """The tokens of whole texts, their prompts included."""
    numbers = {engine.submit(each): row for row, each in enumerate(prompts)}
    tokens: list[list[int]] = [[] for _ in prompts]
    while not engine.idle:
        for delta in engine.step():
            tokens[numbers[delta.id]] += delta.tokens
    return [
        [*each.tokens, *_before(each.how.stop, new, engine.codec)] for each, new in zip(prompts, tokens, strict=True)
    ]


def _before(stops: tuple[str, ...] | None, tokens: list[int], codec: TextCodec) -> list[int]:
    """Tokens up to the first stop string, which may begin within one."""
    raw = codec.tokenizer.decode(tokens)
    places = [place for stop in stops or () if (place := raw.find(stop.encode())) >= 0]
    if not places:
        return tokens
    ends = codec.tokenizer.sizes[tokens].cumsum()
    whole = int((ends <= min(places)).sum())
    rest = raw[int(ends[whole - 1]) if whole else 0 : min(places)]
    return [*tokens[:whole], *codec.tokenizer.encode(rest).tolist()]


def _parts(model: "Generator") -> tuple[TextCodec, Streams]:
    """The codec and the family of a model that streams text."""
    if not reads_text(model.codec):
        what = f"records of {model.codec.scalars.name!r} are no texts"
        raise UnsupportedError(what, where="model", hint="fit to a text: .txt, .jsonl or a folder of .txt")
    model.require("way to write texts token by token", lambda can: can.streams, where="model")
    assert isinstance(model.family, Streams), "capabilities say so"
    return model.codec, model.family
