"""Beam search: of all texts that go on from a prompt, a likely one, by keeping the likeliest few at every length."""

import torch

from genwright.codecs.text import TextCodec
from genwright.families.family import Decoder
from genwright.model.requests import Delta, Finish, Prompt, Text, default_limit, latest


class Beams:
    """The search for one text; each step makes all its beginnings a token longer.

    Ended texts compare by their log-probability per token, as in Wu et al. 2016, arXiv:1609.08144, eq. 14, with an
    exponent of 1. The search ends when as many have ended as there are beams, or at the longest.
    """

    def __init__(self, number: int, prompt: Prompt, codec: TextCodec, decoder: Decoder) -> None:
        self.number, self._prompt, self._codec, self._decoder = number, prompt, codec, decoder
        self._limit = prompt.how.max_tokens or default_limit(codec, len(prompt.tokens))
        self._beginnings: list[tuple[int, ...]] = [()]
        self._scores: list[tuple[float, ...]] = [()]  # log-probabilities of the tokens of each
        self._ended: list[tuple[tuple[int, ...], tuple[float, ...], Finish]] = []
        self._logits: torch.Tensor | None = None

    def step(self) -> Delta | None:
        """One token more; the whole text once it is found."""
        logits = self._next()
        log_probs = logits.float().log_softmax(dim=-1).cpu()
        totals = torch.tensor([sum(each) for each in self._scores])[:, None] + log_probs
        width = self._decoder.slots
        best = totals.flatten().topk(min(2 * width, totals.numel()))
        parents: list[int] = []
        kept: list[tuple[tuple[int, ...], tuple[float, ...]]] = []
        for place in best.indices.tolist():
            parent, token = divmod(place, log_probs.shape[1])
            scores = (*self._scores[parent], float(log_probs[parent, token]))
            tokens = (*self._beginnings[parent], token)
            if token == self._codec.tokenizer.end:
                self._ended.append((tokens[:-1], scores, "stop"))
            elif self._stops(tokens):
                self._ended.append((tokens, scores, "stop"))
            elif len(tokens) >= self._limit:
                self._ended.append((tokens, scores, "length"))
            elif len(kept) < width:
                parents.append(parent)
                kept.append((tokens, scores))
        if not kept or len(self._ended) >= width:
            return self._found()
        self._decoder.select(parents)
        self._beginnings, self._scores = [each[0] for each in kept], [each[1] for each in kept]
        return None

    def _next(self) -> torch.Tensor:
        """Scores of what follows each beginning; those that are full go on from their last half."""
        decoder, whole = self._decoder, [[*self._prompt.tokens, *each] for each in self._beginnings]
        if decoder.lengths and decoder.lengths[0] < decoder.room:
            last = torch.tensor([[each[-1]] for each in whole], device=decoder.device)
            return decoder.step(last)[:, -1]
        for row in reversed(range(len(decoder.lengths))):
            decoder.evict(row)
        tails, context = [latest(each, decoder.room) for each in whole], self._prompt.context
        return decoder.admit(tails, None if context is None else context.expand(len(tails), -1))

    def _stops(self, tokens: tuple[int, ...]) -> bool:
        """Whether the last token completes a stop string, or is one."""
        how, tokenizer = self._prompt.how, self._codec.tokenizer
        text = tokenizer.decode(tokens)
        return any(stop.encode() in text or tokenizer.special.get(stop) == tokens[-1] for stop in how.stop or ())

    def _found(self) -> Delta:
        tokens, scores, finished = max(self._ended, key=lambda each: sum(each[1]) / len(each[1]))
        inside = self._codec.text.running and not self._prompt.tokens
        text = Text(self._codec.tokenizer, self._prompt.how.stop or (), inside=inside)
        written = "".join(text.add(token) for token in tokens) + text.rest()
        return Delta(self.number, tokens, written, scores[: len(tokens)], finished)
