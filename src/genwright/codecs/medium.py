"""What codecs of images, texts and series have in common: a field to model, and the fields beside it."""

import abc
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.others import Others
from genwright.data.dataset import MEDIA, Dataset, Field, Media
from genwright.spaces import Conditions, Encoded
from genwright.typed import entry, wrong


class MediumCodec(Codec):
    """A codec of one image or text field, the `field`.

    Scalar fields beside it become condition columns through `beside`. Texts (captions) and images are conditions, in
    `others`, where the field was named as the target; else samples leave them out, as `notes` says. `order` is that of
    the fields of decoded records.
    """

    beside: ColumnsCodec
    order: tuple[str, ...]
    others: Others

    @property
    @abc.abstractmethod
    def field(self) -> Media:  # type: ignore[override]
        """What is modelled."""

    @abc.abstractmethod
    def decode_field(self, x: Tensor, lengths: Int[Tensor, "n"] | None = None) -> np.ndarray:
        """Stored tensors, of these lengths where records differ in them, to the column of the field."""

    @abc.abstractmethod
    def whole(self, value: Any, n: int) -> Float[Tensor, "n *s"]:
        """A given record for all, or n of them, unpacked and in floats: NaN where None. ArgumentError for others."""

    @property
    def scalars(self) -> ColumnsCodec:  # type: ignore[override]
        """The codec of the scalar fields beside it."""
        return self.beside

    @property
    def fields(self) -> tuple[Field, ...]:  # type: ignore[override]
        """What is beside it, it, and its other conditions but for derived ones."""
        return (*self.beside.fields, self.field, *(other.field for other in self.others.shown))

    @property
    def derived(self) -> tuple[Field, ...]:  # type: ignore[override]
        """Conditions that are made of others, which records do not have."""
        return tuple(each.field for each in self.others.codecs if each not in self.others.shown)

    @property
    def conditions(self) -> Conditions | None:  # type: ignore[override]
        return self.others.conditions(self.beside)

    def decode(self, encoded: Encoded, *, rng: torch.Generator) -> Dataset:
        """Rows of the field and of all that is known beside it, in their order."""
        beside, conditions = self.beside, self.conditions
        context = torch.empty(len(encoded), 0) if encoded.context is None else encoded.context
        columns: dict[Field, np.ndarray] = {self.field: self.decode_field(encoded.x, encoded.lengths)}
        if conditions is not None:
            columns |= self.others.decode(conditions, context, rng=rng)
        own = beside.decode_known(context[:, : len(beside.space.columns)], rng=rng)
        columns |= {field: own[field.name] for field in beside.fields}
        ordered = sorted(columns, key=lambda field: self.order.index(field.name))
        return Dataset(tuple(ordered), {f.name: columns[f] for f in ordered}, name=beside.name, label=beside.label)

    def beside_to_json(self) -> dict[str, Any]:
        """What is beside the field, as plain JSON."""
        own = {"order": list(self.order), "notes": list(self.notes), "others": self.others.to_json()}
        return {"beside": self.beside.to_json()} | own


def beside_from_json(told: dict[str, Any], field: Media, *, where: str) -> dict[str, Any]:
    """The inverse of `beside_to_json`, as arguments of a codec; StorageError unless the order names each field once."""
    beside = ColumnsCodec.from_json(told.get("beside"), where=f"{where}, beside")
    others = Others.from_json(told.get("others"), where=f"{where}, others")
    order, notes = (entry(told, name, tuple[str, ...], where=where) for name in ("order", "notes"))
    if sorted(order) != sorted([field.name, *(c.field.name for c in others.shown), *(f.name for f in beside.fields)]):
        raise wrong("the order is not one of the fields", where)
    return {"beside": beside, "order": order, "notes": notes, "others": others}


def order_of(data: Dataset, target: Field, others: Others) -> tuple[str, ...]:
    """The fields of decoded records, in their order."""
    known = {target.name, *(codec.field.name for codec in others.shown)}
    return tuple(f.name for f in data.fields if f.name in known or not isinstance(f, MEDIA))


def left_out(data: Dataset, target: Field, others: Others) -> tuple[str, ...]:
    """A note for each media field that is neither the target nor one of its conditions."""
    kept = {*order_of(data, target, others), *(each.name for each in others.derived)}
    lost = [f.name for f in data.fields if f.name not in kept]
    return tuple(f"{name}: not modelled beside {target.name}, and left out of samples" for name in lost)
