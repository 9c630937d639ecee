"""The family contract: a stateless recipe that builds a net for a space, says how to train it, and samples from it.

A family is a frozen dataclass; its fields are its configuration. Families know nothing of data kinds, files or the
training loop. See `tests/test_contract.py` for what every family must keep.
"""

import abc
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.sampling import Sampling
from genwright.spaces import Columns, Conditions, Encoded, Given, Reals, Space, Tokens

Losses = dict[str, Tensor]  # named parts of an objective; the objective is their sum
ANYTHING, DEFAULT = Given(), Sampling()
NetFactory = Callable[[Space, Conditions | None], nn.Module]
OptimizerRecipe = Callable[[nn.Module], list[torch.optim.Optimizer]]


class Density(enum.Enum):
    """What `log_prob` means for a family."""

    EXACT = "exact"
    BOUND = "lower bound"
    ABSENT = "absent"


class Partial(enum.Enum):
    """Which parts of a record can be given."""

    ANY = "any part"
    PREFIX = "its beginning"
    LEVELS = "categories"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a family can do with records of one space; all that is said of families anywhere is made from this.

    `restricts`: `sample` draws columns from their exact distribution within `Given.allowed`. `marginalizes`: entries of
    columns that are NaN are left out exactly, fitting and scoring. `latent`: records have latents that `decode` takes
    back to them; `encodes`: and `encode` finds them. `varies`: records can be drawn near others, see `Given.near`.
    `forgets`: conditions that are not given are unknown to the net, which has learned to do without. `streams`: records
    can be written token by token, see `Streams`.
    `how` names the settings of `Sampling` that change anything,
    `conditions` the spaces of what records can be conditioned on.
    """

    density: Density
    given: Partial
    restricts: bool = False
    marginalizes: bool = False
    latent: bool = False
    encodes: bool = False
    varies: bool = False
    forgets: bool = False
    streams: bool = False
    how: tuple[str, ...] = ()
    conditions: tuple[type, ...] = (Columns, Tokens, Reals)


@dataclass(frozen=True)
class Work:
    """What a fit has to work with: enough to size a net, batch and schedule to it."""

    rows: int
    minutes: float | None = None
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class Family(abc.ABC):
    """A recipe for one kind of generative model."""

    name: ClassVar[str]

    @abc.abstractmethod
    def can(self, space: Space) -> Capabilities:
        """What this family can do with records of `space`; raises `refused` where it cannot model them."""

    @abc.abstractmethod
    def sized(self, space: Space, work: Work) -> Self:
        """This recipe with every field left None filled in for `space` and `work`; recorded, and from then on fixed."""

    @abc.abstractmethod
    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        """An untrained net. Parameters are initialised from torch's default generator, which the caller seeds."""

    @abc.abstractmethod
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """Draw n unpacked records, shape (n, *space.shape), that agree with `given`, in the way that `how` says.

        Only families that declare `restricts` are given an `allowed`.
        """

    @abc.abstractmethod
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """Log-density in nats of each unpacked record, or what `can` says of it; families without a density raise."""


@dataclass(frozen=True, kw_only=True)
class ClosedFormFamily(Family):
    """A family with its own fitting algorithm, such as expectation-maximisation."""

    @abc.abstractmethod
    def fit(
        self,
        net: nn.Module,
        train: Encoded,
        valid: Encoded,
        work: Work,
        rng: torch.Generator,
        report: Callable[[int, int, float, float], None],
    ) -> None:
        """Fit `net` in place; call `report(step, steps, loss, held_out)` after each pass (nats per record)."""


Rows = tuple[Tensor, Tensor | None]  # unpacked records and what they are conditioned on


@dataclass(frozen=True)
class Player:
    """One optimiser's share of a net: what it minimises, over which parameters.

    `drawn` makes of a batch of rows what the loss looks at, without gradients, as rollouts are made of prompts; the
    player then moves `moves` times on that.
    """

    name: str
    module: nn.Module
    loss: Callable[[nn.Module, Tensor, Tensor | None, torch.Generator], Losses]
    optimizer: OptimizerRecipe
    drawn: Callable[[nn.Module, Tensor, Tensor | None, torch.Generator], Rows] | None = None
    moves: int = 1

    @torch.no_grad()
    def given(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Rows:
        """What its loss looks at, of a batch of rows."""
        return (x, context) if self.drawn is None else self.drawn(net, x, context, rng)


@runtime_checkable
class Objective(Protocol):
    """What the training loop minimises: a gradient family, or what a trained net is tuned to."""

    @property
    def batch(self) -> int | None:
        """Rows of a batch."""

    @property
    def half_precision(self) -> bool:
        """Whether losses stay sound when matrix products run in bfloat16."""

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        """Who minimises what."""

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """A loss on rows kept out of training, lower is better."""


@dataclass(frozen=True, kw_only=True)
class GradientFamily(Family):
    """A family trained by the shared gradient loop in `genwright.train`.

    `net` is a function of a space and its conditions that makes the net, in place of that of `genwright.nets.default`;
    what it makes must be as `nets` says. A saved model holds only its name: `genwright.load` has to be given it again.
    """

    half_precision: ClassVar[bool]  # whether losses stay sound when matrix products run in bfloat16
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {}  # by the kind of space: the class that a net must have

    batch: int | None = None
    net: NetFactory | None = None

    def prepare(self, net: nn.Module, space: Space, train: Encoded, rng: torch.Generator) -> None:
        """Set what `net` takes from the training rows before its first step, such as its structure; most do nothing."""

    def level_biases(self, net: nn.Module) -> tuple[Float[Tensor, "levels"], ...]:
        """The numbers in `net`, one per level, that are added to the logits of each discrete column; of most none."""
        return ()

    def remedied(self, diagnosis: str) -> "GradientFamily | None":
        """This recipe, of the same net, as changed against what went wrong, such as "mode collapse"; of most None."""
        return None

    @abc.abstractmethod
    def players(self, net: nn.Module) -> tuple[Player, ...]:
        """Who minimises what; a GAN has two players, every other family one. Each step moves every player once."""

    @abc.abstractmethod
    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """A loss on rows kept out of training, lower is better; decides early stopping and the EMA length."""


def untrained(family: Family, space: Space, conditions: Conditions | None) -> nn.Module:
    """The net of `family.build`, or of the user's own function; ArgumentError for what the family cannot train."""
    if not isinstance(family, GradientFamily) or family.net is None:
        return family.build(space, conditions)
    wanted = family.nets.get(type(space), nn.Module)
    made = None if isinstance(family.net, nn.Module) or not callable(family.net) else family.net(space, conditions)
    if not isinstance(made, wanted):
        what = "net is no function that makes a net" if made is None else f"net made a {type(made).__name__}"
        hint = f"give a function of (space, conditions) that returns a {wanted.__module__}.{wanted.__qualname__}"
        raise ArgumentError(what, where=family.name, hint=hint)
    return made


class HasLatent(abc.ABC):
    """A family whose records are decoded from a latent of known distribution, so that latents can be interpolated."""

    @abc.abstractmethod
    def draw_latent(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n *z"]:
        """n latents from the prior."""

    @abc.abstractmethod
    def decode(
        self, net: nn.Module, z: Float[Tensor, "n *z"], context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Tensor:
        """The most likely unpacked record of each latent; deterministic."""


class Encodes(HasLatent):
    """A latent family that also finds the latent of a record."""

    @abc.abstractmethod
    def encode(
        self, net: nn.Module, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Float[Tensor, "n *z"]:
        """The (posterior mean) latent of each unpacked record; deterministic."""


class LearnsPrior(HasLatent):
    """A latent family whose prior is refitted to the latents of the training rows once the net is trained."""

    @abc.abstractmethod
    def refit_prior(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> None:
        """Fit the latent prior, kept in the net's buffers, to unpacked records."""


@runtime_checkable
class Decoder(Protocol):
    """Rows of tokens that grow side by side. What a row was given and has become is kept until it is evicted.

    `lengths` counts the tokens of each row, the end mark before them included; one that has reached `room` takes no
    more. A row may be made shorter by setting its length: what follows overwrites what stood there.
    """

    slots: int  # most rows
    room: int
    lengths: list[int]

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def admit(self, tokens: Sequence[Sequence[int]], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n v"]:
        """New rows, after those that are there: logits of what follows each of these sequences, shorter than `room`."""

    def step(self, tokens: Int[Tensor, "n t"]) -> Float[Tensor, "n t v"]:
        """Logits of what follows each of t further tokens of every row."""

    def evict(self, row: int) -> None:
        """Forget a row; the last one takes its place."""

    def select(self, rows: Sequence[int]) -> None:
        """Of the rows there are these, in this order; one that is named several times becomes as many."""


class Streams(abc.ABC):
    """A family that can write tokens one after the other, many records at once."""

    @abc.abstractmethod
    def decoder(self, net: nn.Module, *, slots: int) -> Decoder:
        """Room for `slots` records at a time. It keeps the weights as they are now."""


def only_columns(conditions: Conditions | None) -> Columns | None:
    """The condition columns of a family that takes no others; None where there are none."""
    assert conditions is None or not conditions.others, "check() comes first"
    return None if conditions is None else conditions.columns


def refused(family: Family, what: str) -> UnsupportedError:
    """What `can` raises: the family does not model `what`."""
    return UnsupportedError(f"{family.name} does not model {what}")
