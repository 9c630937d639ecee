"""The kinds of data that can be read and written."""

from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any

from genwright.data.dataset import ByKind, Dataset, Image, Text
from genwright.data.images import recast
from genwright.data.text import rerecorded


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How records of one kind are held: `recast` brings them to the form of a known field."""

    recast: Callable[[Dataset, Any], Dataset]


KINDS = ByKind[Kind](
    {Image: Kind(recast=recast), Text: Kind(recast=rerecorded), NoneType: Kind(recast=lambda data, field: data)}
)
