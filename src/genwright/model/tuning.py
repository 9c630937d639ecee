"""Ways to tune a language model: to completions, and to preferences. See `genwright.model.reward` for rewards."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.data.examples import Conversation, Example, Pair, Preference
from genwright.errors import ArgumentError
from genwright.families.family import Family, Losses, Objective, Player
from genwright.maths.optimizers import adamw
from genwright.maths.tuning import dpo_loss, dpo_margin, mean_over
from genwright.model.scored import Writing, scored_log_probs
from genwright.spaces import Encoded

ROWS_AT_ONCE = 64  # scored together, which bounds the memory of the logits


@runtime_checkable
class Tunes(Objective, Protocol):
    """An objective whose outcome is measured example by example."""

    def measured(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """What `Method.measure` names, of each row."""


@runtime_checkable
class Method(Protocol):
    """A way to tune. `takes` are the examples that it learns from, `measure` says what is told of its outcome."""

    name: ClassVar[str]
    takes: ClassVar[tuple[type[Example], ...]]
    measure: ClassVar[str]

    def rows(self, examples: Sequence[Any], writing: Writing, net: nn.Module) -> tuple[Encoded, int]:
        """Examples as rows, and how many of them were cut; `net` is the one that is tuned, as it was."""

    def objective(self, examples: Sequence[Any], writing: Writing, family: Family, net: nn.Module) -> Tunes:
        """What the loop minimises; rows may refer to the `examples`, which are all there are."""


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Supervised tuning: the likelihood of completions, or of the assistant's turns, given what comes before them.

    Ouyang et al. 2022, arXiv:2203.02155, section 3.5 (step 1).
    """

    name: ClassVar[str] = "sft"
    takes: ClassVar[tuple[type[Example], ...]] = (Pair, Conversation)
    measure: ClassVar[str] = "nats per token of completions"
    half_precision: ClassVar[bool] = True

    learning_rate: float = 1e-3
    batch: int = 16

    def __post_init__(self) -> None:
        check_settings(self)

    def rows(self, examples: Sequence[Any], writing: Writing, net: nn.Module) -> tuple[Encoded, int]:
        x, cut = writing.pairs(examples)
        return Encoded(x.flatten(1)), cut

    def objective(self, examples: Sequence[Any], writing: Writing, family: Family, net: nn.Module) -> Self:
        return self

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("model", net, self.loss, partial(adamw, learning_rate=self.learning_rate)),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        found, scored = scored_log_probs(net, x.unflatten(1, (2, -1)))
        return {"nll": mean_over(-found, scored)}

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        return self.measured(net, x, context, rng).mean()

    @torch.no_grad()
    def measured(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        found = []
        for rows in x.split(ROWS_AT_ONCE):
            log_prob, scored = scored_log_probs(net, rows.unflatten(1, (2, -1)))
            found.append(-(log_prob * scored).sum(dim=1) / scored.sum(dim=1))
        return torch.cat(found)


@dataclass(frozen=True, kw_only=True)
class DPO:
    """Direct preference optimisation: the chosen answer likelier, against the rejected one, than the model had it.

    `beta` is how closely the model keeps to what it was: see `genwright.maths.tuning.dpo_loss`. What is measured is the
    share of pairs of which the tuned model prefers the chosen answer more than it did before: .5 at first.
    Rafailov et al. 2023, arXiv:2305.18290.
    """

    name: ClassVar[str] = "dpo"
    takes: ClassVar[tuple[type[Example], ...]] = (Preference,)
    measure: ClassVar[str] = "preference accuracy"
    half_precision: ClassVar[bool] = True

    beta: float = 0.1
    learning_rate: float = 2e-4
    batch: int = 16

    def __post_init__(self) -> None:
        check_settings(self)

    def rows(self, examples: Sequence[Any], writing: Writing, net: nn.Module) -> tuple[Encoded, int]:
        sides = [
            writing.answered(each.prompt, answer, where=each.where)
            for each in examples
            for answer in (each.chosen, each.rejected)
        ]
        x, cut = writing.rows(sides)
        x = x.reshape(len(examples), -1)
        with torch.no_grad():
            device = next(net.parameters()).device
            reference = [_answer_log_probs(net, rows.long().to(device)).cpu() for rows in x.split(ROWS_AT_ONCE)]
        return Encoded(x, torch.cat(reference)), cut

    def objective(self, examples: Sequence[Any], writing: Writing, family: Family, net: nn.Module) -> Self:
        return self

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("model", net, self.loss, partial(adamw, learning_rate=self.learning_rate)),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        net.eval()  # the reference was scored without dropout too
        return {"dpo": dpo_loss(_margin(net, x, context), beta=self.beta).mean()}

    @torch.no_grad()
    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        return dpo_loss(_margin(net, x, context), beta=self.beta).mean()

    @torch.no_grad()
    def measured(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        assert context is not None
        parts = zip(x.split(ROWS_AT_ONCE), context.split(ROWS_AT_ONCE), strict=True)
        return torch.cat([(_margin(net, *part).sign() + 1.0) / 2.0 for part in parts])  # ties, as at first, are half


def _margin(net: nn.Module, x: Int[Tensor, "n s"], reference: Float[Tensor, "n 2"] | None) -> Float[Tensor, "n"]:
    assert reference is not None
    own = _answer_log_probs(net, x)
    return dpo_margin(own[:, 0], own[:, 1], reference[:, 0], reference[:, 1])


def _answer_log_probs(net: nn.Module, x: Int[Tensor, "n s"]) -> Float[Tensor, "n 2"]:
    """log p of the chosen and of the rejected answer given the prompt."""
    found, scored = scored_log_probs(net, x.unflatten(1, (2, 2, -1)).flatten(0, 1))
    return (found * scored).sum(dim=1).unflatten(0, (-1, 2))


def check_settings(method: Any) -> None:
    """Raise ArgumentError unless the numbers among a method's fields are above 0, and counts are whole."""
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        if field.type not in (int, float):
            continue
        whole = isinstance(value, int) and not isinstance(value, bool)
        number = whole or (field.type is float and isinstance(value, float))
        if not number or not (0 < cast(float, value) < math.inf or (field.name == "beta" and value == 0)):
            what = f"{field.name}={value!r:.60} is not {'a count' if field.type is int else 'a number above 0'}"
            raise ArgumentError(what, where=type(method).__name__, hint=f"for example {field.name}={field.default}")
