"""Which codec a Dataset takes, and codecs read back from JSON."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeGuard

import torch

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.conditioned import ConditionedCodec
from genwright.codecs.images import ImageCodec, expected_images
from genwright.codecs.medium import MediumCodec
from genwright.codecs.others import Derived, Others
from genwright.codecs.series import SeriesCodec, expected_series
from genwright.codecs.text import RUNNING_LENGTH, TextCodec, raw_texts
from genwright.codecs.text_columns import TextColumnsCodec
from genwright.codecs.tokenizers import Maker, chosen
from genwright.codecs.values import unknown_field
from genwright.data.dataset import MEDIA, ByKind, Dataset, Field, Image, Media, Series, Text
from genwright.errors import DataError, UnsupportedError
from genwright.spaces import Columns, Space, Tokens
from genwright.typed import entry, typed, wrong

CODECS: dict[str, type[Any]] = {
    "columns": ColumnsCodec,
    "conditioned": ConditionedCodec,
    "images": ImageCodec,
    "series": SeriesCodec,
    "text": TextCodec,
    "text columns": TextColumnsCodec,
}


@dataclass(frozen=True)
class Kind:
    """How data of one kind are encoded: its codec, about the space that it will have for a field, and whether it has
    a tokenizer.
    """

    codec: type[Any]
    space: Callable[[Any], Space]
    tokenized: bool = False


KINDS = ByKind[Kind](
    {
        Image: Kind(ImageCodec, expected_images),
        Text: Kind(TextCodec, lambda field: Tokens(RUNNING_LENGTH, vocabulary=257, end=256), tokenized=True),
        Series: Kind(SeriesCodec, expected_series),
        NoneType: Kind(ColumnsCodec, lambda field: Columns(())),
    }
)


def media_codec(data: Dataset, field: Media, *, rng: torch.Generator, tokenizer: Maker = chosen) -> MediumCodec:
    """The codec of one media field alone."""
    return KINDS[type(field)].codec.fit(data, rng=rng, field=field, **_ways(KINDS[type(field)], tokenizer))


def media_codec_from_json(told: Any, *, where: str) -> MediumCodec:
    """The codec of a media field that `to_json` described."""
    codec = codec_from_json(told, where=where)
    if not isinstance(codec, MediumCodec):
        raise wrong("not the codec of a condition", where)
    return codec


def fit_codec(
    data: Dataset,
    *,
    rng: torch.Generator,
    target: str | None = None,
    derived: Sequence[Derived] = (),
    tokenizer: Maker | None = None,
    context: int | None = None,
) -> Codec:
    """The codec for `data`, fitted to all of its rows (give the training part); `rng` draws dequantisation noise.

    With a `target`, an image or text field, all others are its conditions, and what is `derived` too. `tokenizer`
    makes that of texts, all of which share it; the target's are cut, or read in windows, of `context` tokens.

    >>> import genwright as gw
    >>> codec = fit_codec(gw.read("wine").train, rng=torch.Generator().manual_seed(0))
    >>> codec.space.columns[0], codec.space.columns[-1]
    (Continuous(name='alcohol', state=None), Discrete(name='class', levels=3, ordered=False))
    """
    if target is not None or derived:
        field = _target(data, target)
        shared = _shared(data, tokenizer)
        others = Others.fit(data, field.name, derived, rng=rng, tokenizer=shared)
        kind = KINDS[type(field)]
        return kind.codec.fit(data, rng=rng, field=field, others=others, **_ways(kind, shared, context))
    if data.media is None and not data.scalars:
        what = "no number, category or time column to model"
        raise DataError(what, where=data.name, hint="identifiers and constants alone cannot be learned from")
    kind = KINDS[data.kind]
    for name, value in {"tokenizer": tokenizer, "context": context}.items():
        if value is not None and not kind.tokenized:
            raise UnsupportedError("only texts have tokens", where=name, hint="leave it out")
    return kind.codec.fit(data, rng=rng, **_ways(kind, tokenizer or chosen, context))


def _ways(kind: Kind, tokenizer: Maker, context: int | None = None) -> dict[str, Any]:
    return {"tokenizer": tokenizer, "length": context} if kind.tokenized else {}


def _tokenized(field: Field) -> TypeGuard[Text]:
    return isinstance(field, MEDIA) and KINDS[type(field)].tokenized


def _shared(data: Dataset, tokenizer: Maker | None) -> Maker:
    """What makes one tokenizer, of all texts together."""
    raws = [raw for field in data.fields if _tokenized(field) for raw in raw_texts(field, data)]
    made = (tokenizer or chosen)(raws)
    return lambda _: made


def _target(data: Dataset, name: str | None) -> Media:
    """The media field called `name`, or else the one that is modelled."""
    names = [f.name for f in data.fields]
    if name is not None and name not in names:
        raise unknown_field(name, names, where="target")
    field = data.media if name is None else data.field(name)
    if not isinstance(field, MEDIA):
        hint = "rows of tables are modelled whole: sample(given=...) conditions on any of their columns"
        raise UnsupportedError(f"{name or 'a table'} is no image or text field", where="target", hint=hint)
    if field.running:
        raise UnsupportedError(
            "running text has no conditions", where=name or field.name, hint="give a text per record"
        )
    return field


def expected_space(data: Dataset) -> Space:
    """About the space that the codec of `data` will have, without fitting one: enough to ask families what they can."""
    return KINDS[data.kind].space(data.media)


def codec_from_json(told: Any, *, where: str = "codec.json") -> Codec:
    """The codec that `to_json` described; raises StorageError where the description is damaged."""
    kind = entry(typed(told, dict, where=where), "kind", str, where=where)
    if kind not in CODECS:
        raise wrong(f"a codec of unknown kind {kind!r:.60}", where)
    return CODECS[kind].from_json(told, where=where)
