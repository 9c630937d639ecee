"""Examples as rows of tokens, beside what is to be learned of each, and how likely a net finds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.codecs.text import TextCodec
from genwright.data.examples import Conversation, Message, Pair, Task
from genwright.errors import DataError
from genwright.model import chat
from genwright.model.chat import Scored
from genwright.nets.causal import CausalTokens, picked


@dataclass(frozen=True)
class Writing:
    """How examples are written in tokens: prompts and what follows as they are, or as turns of a chat."""

    codec: TextCodec
    chat: bool

    def answered(self, prompt: str, answer: str, *, where: str, suffix: str | None = None) -> Scored:
        """The tokens of a prompt and its answer, and that of these the answer and its end are to be learned.

        Raises DataError for a prompt that leaves no room for an answer.
        """
        if self.chat and suffix is None:
            return self.conversed(Conversation(messages=(Message("user", prompt), Message("assistant", answer))), where)
        tokenizer = self.codec.tokenizer
        after = chat.tokens_of(answer, tokenizer)
        before = chat.tokens_of(prompt, tokenizer) if suffix is None else chat.around(prompt, suffix, tokenizer)
        self._check_room(before, where=f"{where}, prompt")
        return [*before, *after, tokenizer.end], [False] * len(before) + [True] * (len(after) + 1)

    def conversed(self, told: Conversation, where: str) -> Scored:
        """The tokens of a chat, and that of these the assistant's are to be learned."""
        tokens, scored = chat.learned(told.messages, self.codec.tokenizer)
        if not any(scored[: self.codec.length]):
            self._check_room(tokens[: scored.index(True)], where=f"{where}, messages")
        return tokens, scored

    def asked(self, task: Task) -> list[int]:
        """The tokens of a prompt, or of a chat that is the assistant's to go on with."""
        tokenizer = self.codec.tokenizer
        said = task.prompt
        if self.chat and isinstance(said, str):
            said = (Message("user", said),)
        tokens = chat.tokens_of(said, tokenizer) if isinstance(said, str) else chat.render(said, tokenizer)
        self._check_room(tokens, where=f"{task.where}, prompt")
        return tokens

    def rows(self, found: Sequence[Scored]) -> tuple[Int[Tensor, "n 2 t"], int]:
        """One row of tokens and of what is scored for each, filled up with ends, and how many had to be cut."""
        length, end = self.codec.length, self.codec.tokenizer.end
        x = torch.zeros(len(found), 2, length, dtype=torch.int32)
        x[:, 0] = end
        for row, (tokens, scored) in zip(x, found, strict=True):
            kept = min(len(tokens), length)
            row[0, :kept], row[1, :kept] = torch.tensor(tokens[:kept]), torch.tensor(scored[:kept])
        return x, sum(len(tokens) > length for tokens, _ in found)

    def pairs(self, examples: Sequence[Pair | Conversation]) -> tuple[Int[Tensor, "n 2 t"], int]:
        """`rows` of pairs and chats."""
        return self.rows(
            [
                self.answered(each.prompt, each.completion, where=each.where, suffix=each.suffix)
                if isinstance(each, Pair)
                else self.conversed(each, each.where)
                for each in examples
            ]
        )

    def _check_room(self, prompt: Sequence[int], *, where: str) -> None:
        if len(prompt) >= self.codec.length:
            what = f"{len(prompt)} tokens leave no room for an answer within the {self.codec.length} of a record"
            raise DataError(what, where=where, hint="shorten it, or fit a model of longer records")


def log_probs(net: nn.Module, tokens: Int[Tensor, "n t"], *, temperature: float = 1.0) -> Float[Tensor, "n t"]:
    """log p of every token given those before it, drawn at `temperature`; conditions beside the text are unknown."""
    own = cast(CausalTokens, net)
    logits = own.sequence.logits(own.sequence.shifted(tokens), unknown(own, len(tokens))).float()
    return picked(logits / temperature, tokens)


def unknown(net: CausalTokens, n: int) -> Float[Tensor, "n k"] | None:
    """Conditions that are all unknown; None where the net has none."""
    return None if net.conditions is None else net.conditions.unknown(n, net.sequence.lm_head.weight.device)


def scored_log_probs(net: nn.Module, x: Int[Tensor, "n 2 t"]) -> tuple[Float[Tensor, "n s"], Bool[Tensor, "n s"]]:
    """`log_probs` of rows of tokens up to the last that is scored in any, and which are."""
    scored = x[:, 1] > 0
    width = int(scored.any(dim=0).nonzero().max()) + 1
    return log_probs(net, x[:, 0, :width]), scored[:, :width]
