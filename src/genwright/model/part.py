"""What stands around a family in a Generator: parts, each of which takes some of a few places.

A part is anything with a `name`, under which it is saved and which `genwright.model.saving` has a line for, and one
place or more:

- `into(net)` puts it into a net that was loaded, `apart(tensors)` takes it out of what is saved of one: adapters;
- `choose(logits, before, uniform, seeds)` draws the next token of texts, in place of plain drawing: keyed marks;
- `rows(sampler)` wraps what draws encoded rows: the label prior, the correction;
- `records(sampler)` wraps what draws records: constraints, the texts of a table;
- `inner(data)` and `outer(data)` lead from the user's records to those that the family knows, and back;
- `log_weight(x)` is what the part adds to the log-density of unpacked rows, `log_prob(data)` to that of records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.codecs.codec import Codec
from genwright.data.dataset import Dataset, Field
from genwright.families.family import Family
from genwright.spaces import Encoded, Given
from genwright.train.progress import Listener


@runtime_checkable
class RowSampler(Protocol):
    """n rows that agree with `given`: `x` unpacked, beside what it is conditioned on."""

    def __call__(self, n: int, *, given: Given, rng: torch.Generator) -> Encoded: ...


@runtime_checkable
class RecordSampler(Protocol):
    """n records that agree with `given`, by field."""

    def __call__(self, n: int, *, given: Mapping[str, Any], seed: int, listener: Listener) -> Dataset: ...


@runtime_checkable
class Part(Protocol):
    """Something around a family that is saved with it."""

    name: ClassVar[str]

    def to_json(self) -> Any:
        """Its part of recipe.json."""

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        """Modules whose tensors are saved, by the prefix of their names."""


@dataclass(frozen=True)
class Saved:
    """What a part that is loaded may look at: the family and the codec of the model, codec.json, the name of
    recipe.json, and where nets are to lie.
    """

    family: Family
    codec: Codec
    described: Mapping[str, Any]
    where: str
    device: torch.device


@runtime_checkable
class ChangesNet(Protocol):
    def into(self, net: nn.Module) -> Part:
        """The part, after it changed a net that was loaded."""

    def apart(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of such a net as they were before."""


@runtime_checkable
class ChoosesTokens(Protocol):
    def choose(
        self,
        logits: Float[Tensor, "n v"],
        before: Sequence[Sequence[int]],
        uniform: Float[Tensor, " n"],
        seeds: Sequence[int],
    ) -> Int[Tensor, " n"]:
        """The next token of n texts by `logits`, tempered and cut already; `before` holds the tokens of each so
        far, its prompt included, `uniform` a number in [0, 1) that belongs to each place of each text, `seeds` the
        seed of each text.
        """


@runtime_checkable
class Marks(Protocol):
    @property
    def id(self) -> str:
        """Which watermark it is: the same records can be drawn again only with this one."""


@runtime_checkable
class WrapsRows(Protocol):
    def rows(self, sampler: RowSampler) -> RowSampler:
        """A sampler of rows in place of `sampler`, which it may call."""


@runtime_checkable
class WrapsRecords(Protocol):
    def records(self, sampler: RecordSampler) -> RecordSampler:
        """A sampler of records in place of `sampler`, which it may call."""


@runtime_checkable
class ChangesRecords(Protocol):
    def fields_around(self, inner: tuple[Field, ...]) -> tuple[Field, ...]:
        """The fields of records, where those of the family are `inner`."""

    def inner(self, data: Dataset) -> Dataset:
        """Records as the family knows them."""

    def outer(self, data: Dataset, *, seed: int) -> Dataset:
        """Decoded records as the user knows them."""


@runtime_checkable
class WeighsRows(Protocol):
    def log_weight(self, x: Tensor) -> Float[Tensor, " n"]:
        """What it adds to log p(x) in nats."""


@runtime_checkable
class ScoresRecords(Protocol):
    def log_prob(self, data: Dataset) -> Any:
        """What it adds to the log-probability of each record in nats, shape (n,)."""
