"""Rows given other rows: some columns to model, and columns beside them to condition on."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import torch

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.data.dataset import Dataset, Field
from genwright.spaces import Columns, Conditions, Encoded, Given
from genwright.typed import require, typed


@final
@dataclass(frozen=True)
class ConditionedCodec(Codec):
    """The fields of `rows` <-> `Columns`; those of `beside` become context columns, which are never generated.

    Context of values that were not met while fitting is taken as the nearest known values.
    """

    rows: ColumnsCodec
    beside: ColumnsCodec
    notes: tuple[str, ...] = ()

    @property
    def scalars(self) -> ColumnsCodec:  # type: ignore[override]
        """The codec of the modelled fields."""
        return self.rows

    @property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        """The modelled fields."""
        return self.rows.fields

    @classmethod
    def fit(cls, data: Dataset, *, beside: Sequence[str], rng: torch.Generator) -> Self:
        """Fit to all rows of `data`, of which the fields named in `beside` are the context."""
        own = [f.name for f in data.fields if f.name not in beside]
        return cls(ColumnsCodec.fit(_part(data, own), rng=rng), ColumnsCodec.fit(_part(data, beside), rng=rng))

    @property
    def space(self) -> Columns:  # type: ignore[override]
        return self.rows.space

    @property
    def conditions(self) -> Conditions:  # type: ignore[override]
        return Conditions(self.beside.space)

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """All rows with their context."""
        return Encoded(self.rows.encode(data, rng=rng).x, self.encode_context(data, rng=rng).context)

    def encode_context(self, data: Dataset, *, rng: torch.Generator) -> Given:
        """The context alone, to draw rows for."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what was drawn before may lie outside of what was seen
            return Given(context=self.beside.encode(data, rng=rng).x)

    def decode(self, encoded: Encoded, *, rng: torch.Generator) -> Dataset:
        """The modelled fields."""
        return self.rows.decode(encoded, rng=rng)

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """Context fields and modelled fields alike; context that is not given is unknown."""
        context = {name: value for name, value in fixed.items() if any(f.name == name for f in self.beside.fields)}
        own = self.rows.given({k: v for k, v in fixed.items() if k not in context}, n, rng=rng)
        return Given(own.x, self.beside.given_beside(None, context, n, rng=rng).context, own.allowed)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "conditioned", "rows": self.rows.to_json(), "beside": self.beside.to_json()}

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        rows, beside = (ColumnsCodec.from_json(told.get(name), where=f"{where}, {name}") for name in ("rows", "beside"))
        return cls(rows, beside)


def _part(data: Dataset, names: Sequence[str]) -> Dataset:
    """Some fields; `Dataset.select` would split the rows first, which is not needed here."""
    columns = {name: data.columns[name] for name in names}
    return Dataset(tuple(data.field(name) for name in names), columns, data.name)


def conditioned(codec: Codec) -> ConditionedCodec:
    """`codec` as one of rows given other rows; raises ArgumentError if it is of another kind."""
    require(isinstance(codec, ConditionedCodec), "not the codec of rows given other rows")
    return codec  # type: ignore[return-value]
