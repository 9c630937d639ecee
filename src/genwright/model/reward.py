"""Tuning to a reward: answers drawn in groups, of which those with more reward than their group become likelier."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.data.examples import Example, Task
from genwright.errors import ArgumentError
from genwright.families.family import Family, Losses, Player, Rows
from genwright.maths import decoding
from genwright.maths.optimizers import adamw
from genwright.maths.tuning import clipped_surrogate, group_advantages, kl_estimate, mean_over
from genwright.model.scored import Writing, log_probs, unknown
from genwright.model.tuning import check_settings
from genwright.nets.causal import CausalTokens
from genwright.spaces import Encoded

Reward = Callable[..., float]


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Group relative policy optimisation: `reward(prompt, completion)` is a function of texts, higher is better.

    Further fields of a task are handed to it by name; of a chat, the prompt is the list of its messages. Each step
    draws `group` answers of at most `max_tokens` to each of `batch` prompts at `temperature`, and moves `moves` times
    on them, with probabilities of the very distribution they were drawn from: no cuts, and the same temperature.
    `clip` bounds how far a probability may move on one draw, `beta` weighs the divergence from the model as it was.
    Shao et al. 2024, arXiv:2402.03300, eq. 3; averaged over tokens as in Yu et al. 2025, arXiv:2503.14476, eq. 8.
    """

    name: ClassVar[str] = "reward"
    takes: ClassVar[tuple[type[Example], ...]] = (Task,)
    measure: ClassVar[str] = "mean reward"

    reward: Reward
    group: int = 8
    batch: int = 4
    max_tokens: int = 64
    moves: int = 2
    temperature: float = 1.0
    clip: float = 0.2
    beta: float = 0.04
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        check_settings(self)
        if not callable(self.reward):
            hint = "give a function of a prompt and a completion that returns a number"
            raise ArgumentError(f"{self.reward!r:.60} is not a function", where="reward", hint=hint)

    def rows(self, examples: Sequence[Any], writing: Writing, net: nn.Module) -> tuple[Encoded, int]:
        """Prompts with -1 where answers are drawn; their context is the number of the task."""
        x = torch.full((len(examples), writing.codec.length), -1, dtype=torch.int32)
        for row, task in zip(x, examples, strict=True):
            tokens = writing.asked(task)
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.int32)
        return Encoded(x, torch.arange(len(examples), dtype=torch.float32)[:, None]), 0

    def objective(self, examples: Sequence[Any], writing: Writing, family: Family, net: nn.Module) -> "Rollouts":
        return Rollouts(self, tuple(examples), writing, net)


@dataclass(frozen=True, eq=False)
class Rollouts:
    """The objective of `GRPO`: answers to `tasks`, whose numbers are the context of rows, and the net as it was."""

    half_precision: ClassVar[bool] = False  # ratios of probabilities drown in bfloat16

    how: GRPO
    tasks: tuple[Task, ...]
    writing: Writing
    reference: nn.Module

    @property
    def batch(self) -> int:
        return self.how.batch

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        optimizer = partial(adamw, learning_rate=self.how.learning_rate)
        return (Player("model", net, self.loss, optimizer, drawn=self.drawn, moves=self.how.moves),)

    def drawn(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Rows:
        """Answers as rows of tokens beside what is scored; for each its advantage, and log-probabilities by token of
        the net that drew it and of the reference.
        """
        assert context is not None
        net.eval()  # so that what is scored is what was drawn
        x, context = (each.repeat_interleave(self.how.group, dim=0) for each in (x, context))
        rows = self.answers(net, x, rng)
        rewards = self.rewards(rows, context).unflatten(0, (-1, self.how.group))
        advantage = group_advantages(rewards).flatten()
        beside = [log_probs(each, rows[:, 0], temperature=self.how.temperature) for each in (net, self.reference)]
        return rows, torch.cat([advantage[:, None], *beside], dim=1)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        assert context is not None
        net.eval()
        scored = x[:, 1] > 0
        width = int(scored.any(dim=0).nonzero().max()) + 1
        sampled, reference = (each[:, :width] for each in context[:, 1:].chunk(2, dim=1))
        own = log_probs(net, x[:, 0, :width], temperature=self.how.temperature)
        gain = clipped_surrogate(own, sampled, context[:, 0], clip=self.how.clip)
        apart = kl_estimate(own, reference)
        scored = scored[:, :width]
        return {"policy": -mean_over(gain, scored), "kl": self.how.beta * mean_over(apart, scored)}

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        return -self.measured(net, x, context, rng).mean()

    @torch.no_grad()
    def measured(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        assert context is not None
        return self.rewards(self.answers(net, x, rng), context)

    @torch.no_grad()
    def answers(self, net: nn.Module, x: Int[Tensor, "n t"], rng: torch.Generator) -> Int[Tensor, "n 2 t"]:
        """Prompts answered: tokens, and which of them were drawn, the end included."""
        end, place = self.writing.codec.tokenizer.end, torch.arange(x.shape[1], device=x.device)
        first = (x >= 0).sum(dim=1, keepdim=True)
        room = (place >= first) & (place < first + self.how.max_tokens)
        prefix = torch.where(room | (place < first), x, end)
        own = cast(CausalTokens, net)
        tokens = own.sequence.draw(prefix, unknown(own, len(x)), rng, choose=self._choose, end=end)
        ended = ((tokens == end) & room).long().cumsum(dim=1)
        return torch.stack([tokens, (room & ((ended == 0) | ((ended == 1) & (tokens == end)))).long()], dim=1)

    def rewards(self, rows: Int[Tensor, "n 2 t"], context: Float[Tensor, "n 1"]) -> Float[Tensor, "n"]:
        """The reward of each answer."""
        tokenizer, found = self.writing.codec.tokenizer, []
        for (tokens, scored), number in zip(rows.cpu().numpy(), context[:, 0].long().tolist(), strict=True):
            text = tokenizer.decode(tokens[scored > 0]).decode("utf-8", "replace")
            found.append(rewarded(self.how.reward, self.tasks[number], text))
        return torch.tensor(found, device=rows.device)

    def _choose(self, logits: Float[Tensor, "n v"], rng: torch.Generator) -> Int[Tensor, "n"]:
        return decoding.draw(decoding.temper(logits, self.how.temperature), rng)


def rewarded(reward: Reward, task: Task, completion: str) -> float:
    """The reward of one answer; ArgumentError where the function raises, or returns what is no finite number."""
    prompt = task.prompt if isinstance(task.prompt, str) else [vars(message) for message in task.prompt]
    told = f"for the completion {completion!r:.60}"
    try:
        value = reward(prompt, completion, **task.about)
    except Exception as error:
        what = f"it raised {type(error).__name__}: {error}"
        raise ArgumentError(what, where="reward", hint=f"{told} of {task.where}") from error
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if isinstance(value, str) or not math.isfinite(number):
        raise ArgumentError(f"it returned {value!r:.60}, no number", where="reward", hint=f"{told} of {task.where}")
    return number
