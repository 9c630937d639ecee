"""Which draw of which model records are of, and the same records drawn again."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import save
from torch import Tensor

from genwright.codecs.edits import Inpaint, Variation
from genwright.data.dataset import Dataset
from genwright.data.origin import Draw, Origin
from genwright.errors import ArgumentError
from genwright.families.family import DEFAULT
from genwright.families.sampling import Sampling
from genwright.model.drawing import Conditions, by_field
from genwright.model.part import ChangesNet, Marks
from genwright.storage import json_text, read_json

if TYPE_CHECKING:
    from genwright.model.generator import Generator


def tensors_of(model: "Generator") -> dict[str, Tensor]:
    """All that is saved as weights, by name."""
    own: Mapping[str, Tensor] = model.net.state_dict()
    for part in model.parts:
        own = part.apart(own) if isinstance(part, ChangesNet) else own
    found = {f"net/{name}": tensor for name, tensor in own.items()}
    for part in model.parts:
        for prefix, net in part.nets.items():
            found |= {f"{part.name}/{prefix}{name}": tensor for name, tensor in net.state_dict().items()}
    return found


def hashes_of(model: "Generator") -> tuple[str, str]:
    """The SHA-256 of weights.safetensors and of codec.json, as they are saved."""
    own = {name: tensor.cpu().contiguous().clone() for name, tensor in tensors_of(model).items()}  # tied ones apart
    weights = save(own, metadata={})
    codec = json_text(model.codec.to_json()).encode()
    return hashlib.sha256(weights).hexdigest(), hashlib.sha256(codec).hexdigest()


def origin_of(model: "Generator", n: int, *, given: Mapping[str, Any], how: Sampling, seed: int) -> Origin:
    """That of all records of a draw."""
    weights, codec = model.hashes
    draw = Draw(weights, codec, n, seed, how.to_json(), _hash_of(given) if given else None, mark_of(model))
    return Origin(draw, np.arange(n))


def mark_of(model: "Generator") -> str | None:
    """Which watermark its records bear."""
    part = model.part(Marks)  # type: ignore[type-abstract]
    return None if part is None else part.id


def reproduce(origin: Origin | str | Path, model: "Generator", *, given: Conditions | None = None) -> Dataset:
    """The records that `origin`, or the file of it, tells of: bit for bit on a processor of the same kind.

    `model` and `given` must be those that the records were drawn from and with; ArgumentError otherwise. All of the
    draw is drawn again, for records of one draw share its randomness.
    """
    if not isinstance(origin, Origin):
        origin = Origin.from_json(read_json(Path(origin)), where=str(origin))
    draw, fixed = origin.draw, by_field(given)
    if (draw.weights, draw.codec) != model.hashes:
        what = f"the records were drawn from another model, whose weights have the SHA-256 {draw.weights[:12]}…"
        hint = "load that one: the hash stands in its recipe.json"
        raise ArgumentError(what, where="reproduce", hint=hint)
    if draw.given != (_hash_of(fixed) if fixed else None):
        what = (
            "something else was given" if draw.given and fixed else f"something was {'' if draw.given else 'not '}given"
        )
        raise ArgumentError(f"{what} when the records were drawn", where="given", hint="give just what was given then")
    if draw.mark != mark_of(model):
        what = f"the records bear {'no watermark' if draw.mark is None else f'the watermark {draw.mark}'}"
        raise ArgumentError(what, where="reproduce", hint="mark the model with the same secret, or with none")
    how = Sampling.from_json(dict(draw.how), where="how")
    return (
        dataclasses.replace(model, how=DEFAULT).sample(draw.n, given=given, how=how, seed=draw.seed).take(origin.rows)
    )


def _hash_of(given: Mapping[str, Any]) -> str:
    """The SHA-256 of what is given, whether as numbers or as the texts of these."""
    return hashlib.sha256(json.dumps(_told(given), sort_keys=True).encode()).hexdigest()


def _told(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Inpaint | Variation):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(name): _told(each) for name, each in value.items()}
    return [_told(each) for each in value] if isinstance(value, list | tuple) else str(value)
