"""Which marks there are for which kind of data, and when records bear one without being asked for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genwright.data.dataset import Image, Text, media_of
from genwright.errors import UnsupportedError
from genwright.families.capabilities import settled
from genwright.provenance import image_mark, text_mark

if TYPE_CHECKING:
    from genwright.families.sampling import Sampling
    from genwright.model.generator import Generator

LONG = 200  # tokens of a text above which it is marked without being asked
LARGE = 128  # pixels of each side of a picture from which it is


@dataclass(frozen=True)
class Mark:
    """A model `marked` with a secret; whether records are `due` to be, and why not where a note is worth it."""

    marked: Callable[["Generator", bytes], "Generator"]
    due: Callable[["Generator", "Sampling"], tuple[bool, str | None]]


def _text_due(model: "Generator", how: "Sampling") -> tuple[bool, str | None]:
    how = settled(model.family, model.codec.space, how, model.how)
    if not model.can.streams or (how.max_tokens or model.codec.space.shape[0]) <= LONG:
        return False, None
    if how.temperature == 0 or how.top_k == 1 or how.beams is not None:
        return False, "not marked: only the likeliest text is asked for, which leaves no choice to mark"
    return True, None


def _image_due(model: "Generator", how: "Sampling") -> tuple[bool, str | None]:
    return image_mark.large(model, LARGE) and getattr(media_of(model.fields), "levels", None) == 256, None


KINDS: dict[type, Mark] = {
    Text: Mark(text_mark.marked, _text_due),
    Image: Mark(image_mark.marked, _image_due),
}


def mark_of(model: "Generator") -> Mark | None:
    """That of the kind that a model draws; None if there is none."""
    return KINDS.get(type(media_of(model.fields)))


def marked(model: "Generator", secret: bytes) -> "Generator":
    """A generator whose records bear the mark of `secret`; UnsupportedError where there is none for their kind."""
    found = mark_of(model)
    if found is None:
        raise UnsupportedError("there are marks for texts and images alone", where="marked", hint="sign files instead")
    return found.marked(model, secret)
