"""The codec contract: a fitted, frozen map between a Dataset and tensors in a Space. Codecs know no family."""

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from genwright.data.dataset import Dataset, Field
from genwright.spaces import Conditions, Encoded, Given, Space

if TYPE_CHECKING:
    from genwright.codecs.columns import ColumnsCodec


class Codec(abc.ABC):
    """A fitted map Dataset <-> tensors.

    `space` is where `x` lives, `conditions` what it is conditioned on (or None); `notes` says what is left out or cut.
    Decoded records have `fields`, of which `field` is the medium that is modelled, if one is; they can be given
    `derived` ones too; `scalars` is the codec of the scalar ones, itself for a table.
    """

    space: Space
    conditions: Conditions | None
    notes: tuple[str, ...] = ()
    fields: tuple[Field, ...]
    field: Field | None = None
    derived: tuple[Field, ...] = ()
    scalars: "ColumnsCodec"

    @abc.abstractmethod
    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """All rows of `data` as stored tensors. `rng` draws the dequantisation noise."""

    @abc.abstractmethod
    def decode(self, encoded: Encoded, *, rng: torch.Generator) -> Dataset:
        """Stored tensors back to a Dataset with the fields, types, precision and range of the fitted data."""

    @abc.abstractmethod
    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """`{field: value}` as a partial observation of n rows: one value, n of them, or a condition on a scalar field.

        Raises ArgumentError on unknown fields and values.
        """

    @abc.abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything needed to rebuild the codec, as JSON; `codec_from_json` is the inverse."""
