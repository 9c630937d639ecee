"""Which codec a Dataset takes, and codecs read back from JSON."""

from typing import Any

import torch

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.conditioned import ConditionedCodec
from genwright.codecs.images import ImageCodec
from genwright.codecs.text import END, RUNNING_LENGTH, TextCodec
from genwright.codecs.text_columns import TextColumnsCodec
from genwright.data.dataset import Dataset, Field, Image, Text
from genwright.errors import DataError
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


def fit_codec(data: Dataset, *, rng: torch.Generator) -> Codec:
    """The codec for `data`, fitted to all of its rows (give the training part); `rng` draws dequantisation noise.

    >>> import genwright as gw
    >>> codec = fit_codec(gw.read("wine").train, rng=torch.Generator().manual_seed(0))
    >>> codec.space.columns[0], codec.space.columns[-1]
    (Continuous(name='alcohol', state=None), Discrete(name='class', levels=3, ordered=False))
    """
    match data.media:
        case Image():
            return ImageCodec.fit(data, rng=rng)
        case Text():
            return TextCodec.fit(data, rng=rng)
    if not data.scalars:
        what = "no number, category or time column to model"
        raise DataError(what, where=data.name, hint="identifiers and constants alone cannot be learned from")
    return ColumnsCodec.fit(data, rng=rng)


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
    match codec:
        case ImageCodec():
            return (*scalars, codec.image)
        case TextCodec():
            return (*scalars, codec.text)
    return scalars


def codec_from_json(told: Any, *, where: str = "codec.json") -> Codec:
    """The codec that `to_json` described; raises StorageError where the description is damaged."""
    kind = entry(typed(told, dict, where=where), "kind", str, where=where)
    if kind not in CODECS:
        raise wrong(f"a codec of unknown kind {kind!r:.60}", where)
    return CODECS[kind].from_json(told, where=where)
