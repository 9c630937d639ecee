"""Conditions that are no scalar fields: a caption beside an image, a text beside its translation, an image beside its
own small version. Each has a codec of its own; a record's conditions are one row of numbers, see `Conditions`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.tokenizers import Maker, chosen
from genwright.codecs.values import unknown_field
from genwright.data.dataset import ARRAYS, MEDIA, Dataset, Field, Image
from genwright.errors import ArgumentError, UnsupportedError
from genwright.spaces import Conditions, Given, Tokens
from genwright.typed import entry, typed, wrong

if TYPE_CHECKING:
    from genwright.codecs.medium import MediumCodec

SHRINK = 4  # of the sides of a picture in low resolution


def low_resolution(pixels: UInt8[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n a b c"]:
    """Images a quarter as high and wide: the mean of each 4 x 4 pixels, the last ones repeated at the edges.

    >>> low_resolution(np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)).item()
    8
    """
    n, height, width, channels = pixels.shape
    sides = ((0, 0), (0, -height % SHRINK), (0, -width % SHRINK), (0, 0))
    padded = np.pad(pixels, sides, mode="edge").astype(np.float32)
    blocks = padded.reshape(n, padded.shape[1] // SHRINK, SHRINK, padded.shape[2] // SHRINK, SHRINK, channels)
    return blocks.mean(axis=(2, 4)).round().astype(np.uint8)


DERIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"low resolution": low_resolution}


@dataclass(frozen=True)
class Derived:
    """A condition that is made from a field: `Derived("image", "low resolution")` is called "image: low resolution".

    Samples leave it out. Raises ArgumentError for unknown functions.
    """

    field: str
    function: str

    def __post_init__(self) -> None:
        if self.function not in DERIVATIONS:
            known = ", ".join(map(repr, DERIVATIONS))
            raise ArgumentError(f"{self.function!r} is no derivation", where="Derived", hint=f"there are: {known}")

    @property
    def name(self) -> str:
        """What it is given as."""
        return f"{self.field}: {self.function}"

    def added(self, data: Dataset) -> Dataset:
        """The rows with this field beside the others, unless it is there."""
        if self.name in data.columns:
            return data
        source = data.field(self.field)
        pixels = data.columns[self.field]
        if not isinstance(source, Image) or pixels.dtype == object:
            what = f"{self.function} of {self.field!r}, which is no image of one size"
            raise UnsupportedError(
                what, where=data.name, hint="derive from an image field; --size makes images of one size"
            )
        column = DERIVATIONS[self.function](pixels)
        field = Image(self.name, column.shape[1:], source.mode, source.levels)
        return replace(data, fields=(*data.fields, field), columns={**data.columns, self.name: column})


@dataclass(frozen=True)
class Others:
    """Codecs of the fields, other than scalar ones, that a target is conditioned on; and which of them are derived."""

    codecs: tuple["MediumCodec", ...] = ()
    derived: tuple[Derived, ...] = ()

    @classmethod
    def fit(
        cls, data: Dataset, target: str, derived: Sequence[Derived], *, rng: torch.Generator, tokenizer: Maker = chosen
    ) -> Self:
        """Codecs of all media and free-text fields of `data` but the target, and of what is derived."""
        from genwright.codecs.fit import media_codec  # which has a codec of media for each kind, and those have Others

        data = cls((), tuple(derived)).completed(data)
        fields = [f for f in data.fields if isinstance(f, MEDIA) and f.name != target]
        return cls(
            tuple(media_codec(data.select([f.name]), f, rng=rng, tokenizer=tokenizer) for f in fields), tuple(derived)
        )

    def conditions(self, rows: ColumnsCodec) -> Conditions | None:
        """These beside the columns of scalar fields; None if there are none of either."""
        if not rows.space.columns and not self.codecs:
            return None
        return Conditions(rows.space, tuple((codec.field.name, codec.space) for codec in self.codecs))

    @property
    def shown(self) -> tuple["MediumCodec", ...]:
        """Those that records have: all but derived ones."""
        derived = {each.name for each in self.derived}
        return tuple(codec for codec in self.codecs if codec.field.name not in derived)

    def completed(self, data: Dataset) -> Dataset:
        """The rows with derived fields beside them."""
        for each in self.derived:
            data = each.added(data)
        return data

    def encode(self, rows: ColumnsCodec, data: Dataset, *, rng: torch.Generator) -> Float[Tensor, "n k"] | None:
        """The conditions of all rows; missing texts are unknown."""
        if self.conditions(rows) is None:
            return None
        data, parts = self.completed(data), [rows.encode(data, rng=rng).x]
        for codec in self.codecs:
            absent = torch.from_numpy(np.asarray(_absent(data.columns[codec.field.name]), dtype=bool))
            x = codec.space.unpack(codec.encode(data, rng=rng).x).float().flatten(1)
            parts.append(torch.where(absent[:, None], torch.nan, x))
        return torch.cat(parts, dim=1)

    def given(
        self, rows: ColumnsCodec, x: Tensor | None, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator
    ) -> Given:
        """A partial observation of n rows: `x`, scalar fields, whole texts or images; others are unknown."""
        own = {codec.field.name: codec for codec in self.codecs}
        known = [*own, *(field.name for field in rows.fields)]
        for name in fixed if own else ():
            if name not in known:
                raise unknown_field(name, known, where=rows.name)
        given = rows.given_beside(x, {name: v for name, v in fixed.items() if name not in own}, n, rng=rng)
        parts = [given.context] if given.context is not None else []
        for name, codec in own.items():
            free = torch.full((n, int(np.prod(codec.space.shape))), torch.nan)
            parts.append(codec.whole(fixed[name], n).flatten(1) if name in fixed else free)
        return replace(given, context=torch.cat(parts, dim=1) if parts else None)

    def decode(self, conditions: Conditions, context: Tensor, *, rng: torch.Generator) -> dict[Field, np.ndarray]:
        """The fields that are known in every row, and texts that are known in some: None where they are not."""
        found: dict[Field, np.ndarray] = {}
        parts = conditions.split(context)
        for codec in self.shown:
            x = parts[codec.field.name]
            known = ~x.flatten(1)[:, 0].isnan().cpu().numpy()
            if not known.any() or (isinstance(codec.field, ARRAYS) and not known.all()):
                continue
            records = x.nan_to_num(0.0)
            drawn = codec.decode_field(codec.space.pack(records.long() if isinstance(codec.space, Tokens) else records))
            if not known.all():
                drawn[~known] = None
            found[codec.field] = drawn
        return found

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        derived = [[each.field, each.function] for each in self.derived]
        return {"codecs": [codec.to_json() for codec in self.codecs], "derived": derived}

    @classmethod
    def from_json(cls, told: Any, *, where: str) -> Self:
        """The inverse of `to_json`; nothing where nothing was told, as by earlier versions."""
        from genwright.codecs.fit import media_codec_from_json

        if told is None:
            return cls()
        told = typed(told, dict, where=where)
        codecs = tuple(media_codec_from_json(each, where=where) for each in entry(told, "codecs", tuple, where=where))
        names = [codec.field.name for codec in codecs]
        pairs = entry(told, "derived", tuple[tuple[str, str], ...], where=where)
        if len(set(names)) < len(names) or any(function not in DERIVATIONS for _, function in pairs):
            raise wrong("no such conditions", where)
        return cls(codecs, tuple(Derived(field, function) for field, function in pairs))


ALONE = Others()


def _absent(column: np.ndarray) -> np.ndarray:
    return np.array([each is None for each in column]) if column.dtype == object else np.zeros(len(column), dtype=bool)
