"""Which codec a Dataset takes, and codecs read back from JSON."""

from collections.abc import Sequence
from typing import Any

import torch

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.conditioned import ConditionedCodec
from genwright.codecs.images import ImageCodec
from genwright.codecs.others import Derived, Others
from genwright.codecs.text import END, RUNNING_LENGTH, TextCodec
from genwright.codecs.text_columns import TextColumnsCodec
from genwright.codecs.values import unknown_field
from genwright.data.dataset import MEDIA, Dataset, Field, Image, Text
from genwright.errors import DataError, UnsupportedError
from genwright.spaces import Columns, Reals, Space, Tokens
from genwright.typed import entry, typed, wrong

Kind = type[ColumnsCodec] | type[ConditionedCodec] | type[ImageCodec] | type[TextCodec] | type[TextColumnsCodec]
CODECS: dict[str, Kind] = {
    "columns": ColumnsCodec,
    "conditioned": ConditionedCodec,
    "images": ImageCodec,
    "text": TextCodec,
    "text columns": TextColumnsCodec,
}


MEDIA_CODECS: dict[type, type[ImageCodec] | type[TextCodec]] = {Image: ImageCodec, Text: TextCodec}


def media_codec(data: Dataset, field: Image | Text, *, rng: torch.Generator) -> ImageCodec | TextCodec:
    """The codec of one image or text field alone."""
    return MEDIA_CODECS[type(field)].fit(data, rng=rng, field=field)  # type: ignore[arg-type]


def media_codec_from_json(told: Any, *, where: str) -> ImageCodec | TextCodec:
    """The codec of an image or text field that `to_json` described."""
    codec = codec_from_json(told, where=where)
    if not isinstance(codec, ImageCodec | TextCodec):
        raise wrong("not the codec of a condition", where)
    return codec


def fit_codec(
    data: Dataset, *, rng: torch.Generator, target: str | None = None, derived: Sequence[Derived] = ()
) -> Codec:
    """The codec for `data`, fitted to all of its rows (give the training part); `rng` draws dequantisation noise.

    With a `target`, an image or text field, all others are its conditions, and what is `derived` too.

    >>> import genwright as gw
    >>> codec = fit_codec(gw.read("wine").train, rng=torch.Generator().manual_seed(0))
    >>> codec.space.columns[0], codec.space.columns[-1]
    (Continuous(name='alcohol', state=None), Discrete(name='class', levels=3, ordered=False))
    """
    if target is not None or derived:
        field = _target(data, target)
        others = Others.fit(data, field.name, derived, rng=rng)
        return MEDIA_CODECS[type(field)].fit(data, rng=rng, field=field, others=others)  # type: ignore[arg-type]
    match data.media:
        case Image():
            return ImageCodec.fit(data, rng=rng)
        case Text():
            return TextCodec.fit(data, rng=rng)
    if not data.scalars:
        what = "no number, category or time column to model"
        raise DataError(what, where=data.name, hint="identifiers and constants alone cannot be learned from")
    return ColumnsCodec.fit(data, rng=rng)


def _target(data: Dataset, name: str | None) -> Image | Text:
    """The image or text field called `name`, or else the one that is modelled."""
    names = [f.name for f in data.fields]
    if name is not None and name not in names:
        raise unknown_field(name, names, where="target")
    field = data.media if name is None else data.field(name)
    if isinstance(field, Text) and field.running:
        raise UnsupportedError(
            "running text has no conditions", where=name or field.name, hint="give a text per record"
        )
    if not isinstance(field, MEDIA):
        hint = "rows of tables are modelled whole: sample(given=...) conditions on any of their columns"
        raise UnsupportedError(f"{name or 'a table'} is no image or text field", where="target", hint=hint)
    return field


def expected_space(data: Dataset) -> Space:
    """About the space that the codec of `data` will have, without fitting one: enough to ask families what they can."""
    match data.media:
        case Image(shape=shape, levels=levels):
            height, width, channels = shape or (1, 1, 1)
            return Reals((channels, height, width), levels)
        case Text():
            return Tokens(RUNNING_LENGTH, vocabulary=END + 1, end=END)
    return Columns(())


def scalar_codec(codec: Codec) -> ColumnsCodec:
    """The codec of the scalar fields: `codec` itself for a table, otherwise the one for what is beside the media."""
    if isinstance(codec, ColumnsCodec):
        return codec
    if isinstance(codec, ConditionedCodec):
        return codec.rows
    assert isinstance(codec, (ImageCodec, TextCodec))
    return codec.beside


def codec_fields(codec: Codec) -> tuple[Field, ...]:
    """The fields that decoded records have."""
    scalars = scalar_codec(codec).fields
    if isinstance(codec, ImageCodec | TextCodec):
        return (*scalars, codec.field, *(other.field for other in codec.others.codecs))
    return scalars


def codec_from_json(told: Any, *, where: str = "codec.json") -> Codec:
    """The codec that `to_json` described; raises StorageError where the description is damaged."""
    kind = entry(typed(told, dict, where=where), "kind", str, where=where)
    if kind not in CODECS:
        raise wrong(f"a codec of unknown kind {kind!r:.60}", where)
    return CODECS[kind].from_json(told, where=where)
