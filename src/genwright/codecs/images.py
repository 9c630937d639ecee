"""Images of one size to `Reals`, the scalar fields beside them to context columns."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.edits import Inpaint, Variation, mask_of
from genwright.codecs.medium import MediumCodec, beside_from_json, left_out, order_of
from genwright.codecs.others import ALONE, Others
from genwright.codecs.schema import field_of, field_to_json
from genwright.data.dataset import Dataset, Image
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Encoded, Given, Reals
from genwright.typed import typed, wrong


@final
@dataclass(frozen=True)
class ImageCodec(MediumCodec):
    """One image field <-> `Reals((channels, height, width), levels)`, stored as `uint8`.

    Scalar fields beside it become condition columns through `beside`. Texts (captions) and further images are
    conditions, in `others`, where the image was named as the target; else samples leave them out, as `notes` says.
    """

    image: Image
    beside: ColumnsCodec
    order: tuple[str, ...]
    notes: tuple[str, ...] = ()
    others: Others = ALONE

    @classmethod
    def fit(cls, data: Dataset, *, rng: torch.Generator, field: Image | None = None, others: Others = ALONE) -> Self:
        """Fit to `field`, or the first image field of `data`. Raises DataError for no rows, or images of many sizes."""
        image = field or data.medium(Image)
        beside = ColumnsCodec.fit(data, rng=rng)
        shape = image.shape or _pixels(image, data).shape[1:]
        fitted = Image(image.name, shape, image.mode, image.levels)
        return cls(fitted, beside, order_of(data, image, others), left_out(data, image, others), others)

    @property
    def field(self) -> Image:  # type: ignore[override]
        """The target."""
        return self.image

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        assert self.image.shape is not None
        return self.image.shape

    @property
    def space(self) -> Reals:  # type: ignore[override]
        height, width, channels = self.shape
        return Reals((channels, height, width), self.image.levels)

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """All rows; pixels are copied only where channels must be moved."""
        pixels = _pixels(self.image, data)
        if pixels.shape[1:] != self.shape:
            what = f"images of {_size(pixels.shape[1:])}, but the codec was fitted to {_size(self.shape)}"
            raise DataError(what, where=self.image.name, hint=f"read them with size={self.shape[:2]}")
        x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, 3, 1)))
        return Encoded(x, self.others.encode(self.beside, data, rng=rng))

    def decode_field(self, x: Tensor, lengths: Int[Tensor, "n"] | None = None) -> UInt8[np.ndarray, "n h w c"]:
        """The column of the target."""
        return np.moveaxis(_bytes(x).cpu().numpy(), 1, 3)

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """Conditions by field; the image field as an `Inpaint` or `Variation`, or as pixels 0 .. levels - 1, (height,
        width, channels) or n of them, with NaN where free.
        """
        told = fixed.get(self.image.name)
        varied = told if isinstance(told, Variation) else None
        near = None if varied is None else self._partial(varied.image, n)
        if near is not None and bool(near.isnan().any()):
            raise ArgumentError("a picture with gaps", where=self.image.name, hint="say where in a mask")
        x = self._kept(told, n) if self.image.name in fixed else None
        beside = {name: value for name, value in fixed.items() if name != self.image.name}
        given = self.others.given(self.beside, x, beside, n, rng=rng)
        return given if varied is None else replace(given, near=near, strength=float(varied.strength))

    def _kept(self, told: Any, n: int) -> Tensor | None:
        """What is given of each of n images, NaN where free; None where nothing is."""
        if not isinstance(told, Inpaint | Variation):
            return self._partial(told, n)
        if isinstance(told, Variation) and (told.mask is None or told.strength == 0):
            return None
        x, where = self._partial(told.image, n), mask_of(told.mask, n, self.shape[:2], where=f"{self.image.name}, mask")
        return x.masked_fill(torch.from_numpy(np.moveaxis(where, 3, 1)), torch.nan)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "images", "image": field_to_json(self.image), **self.beside_to_json()}

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        image = field_of(told.get("image"), Image, where=f"{where}, image")
        if image.shape is None:
            raise wrong("not the field of a codec of images", where)
        return cls(image, **beside_from_json(told, image, where=where))

    def whole(self, value: Any, n: int) -> Float[Tensor, "n c h w"]:
        free = np.full(self.shape, np.nan, dtype=np.float32)
        if isinstance(value, (list, tuple)):
            value = [free if each is None else each for each in value]
        return self._partial(free if value is None else value, n)

    def _partial(self, pixels: Any, n: int) -> Tensor:
        shape = self.shape
        try:
            pixels = np.asarray(pixels, dtype=np.float32)
        except (TypeError, ValueError):
            what = f"{type(pixels).__name__} is no image, or holds images of several shapes"
            raise ArgumentError(what, where=self.image.name, hint=f"give an array of shape {shape}") from None
        if pixels.shape not in (shape, (n, *shape)):
            what = f"an array of shape {pixels.shape} was given"
            raise ArgumentError(what, where=self.image.name, hint=f"give {shape} or {(n, *shape)}, NaN where free")
        if np.nanmin(pixels, initial=0) < 0 or np.nanmax(pixels, initial=0) > self.image.levels - 1:
            hint = f"pixels are 0 .. {self.image.levels - 1}, NaN where free"
            raise ArgumentError("pixels outside their range", where=self.image.name, hint=hint)
        channels_first = np.moveaxis(np.broadcast_to(pixels, (n, *shape)), 3, 1)
        return self.space.unpack(torch.from_numpy(channels_first.copy()))  # broadcast views cannot be written to


def expected_images(field: Image) -> Reals:
    """About the space that the codec of a field will have."""
    height, width, channels = field.shape or (1, 1, 1)
    return Reals((channels, height, width), field.levels)


def _pixels(image: Image, data: Dataset) -> UInt8[np.ndarray, "n h w c"]:
    column = data.columns[image.name]
    if column.dtype != object:
        return np.asarray(column)
    sizes = {item.shape for item in column}
    if len(sizes) > 1:
        shown = ", ".join(sorted(map(_size, sizes))[:3])
        what = f"images of {len(sizes)} different sizes ({shown}{', ...' if len(sizes) > 3 else ''})"
        usual = Counter(item.shape[:2] for item in column).most_common(1)[0][0]
        raise DataError(what, where=image.name, hint=f"read them with size={usual}, to resize them to one")
    return np.stack(list(column))


def _size(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{height} x {width} x {channels}"


def _bytes(x: Tensor) -> UInt8[Tensor, "n c h w"]:
    assert x.dtype == torch.uint8, f"images are stored as uint8, not {x.dtype}: pack them first"
    return x
