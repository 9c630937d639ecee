"""Log-densities of encoded rows, and of the blocks that make up a text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from genwright.codecs.text import reads_text
from genwright.data.dataset import Dataset
from genwright.errors import UnsupportedError
from genwright.families.family import Density
from genwright.model.part import WeighsRows
from genwright.model.sampling import chunks
from genwright.spaces import Encoded

if TYPE_CHECKING:
    from genwright.model.generator import Generator


def score(model: "Generator", rows: Encoded, rng: torch.Generator) -> np.ndarray:
    """Log-density of each row in nats, shape (n,), with what the parts add to it."""
    space, found = model.codec.space, []
    for index in chunks(len(rows), space):
        part = rows.rows(index)
        x = part.unpacked(space)
        own = model.family.log_prob(model.net, x, part.context, rng)
        found.append(own + sum(part.log_weight(x) for part in model.parts if isinstance(part, WeighsRows)))
    return torch.cat(found).double().cpu().numpy()


def score_text(model: "Generator", data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities in nats, and sizes in bytes, of the blocks that make up a text.

    Records are a block each, their end counted as one byte. Windows are cut into blocks of half a one; each is scored
    given the half window before it where the density is exact, otherwise whole windows are scored alone.
    """
    codec, rng = model.codec, model.rng(0)
    assert reads_text(codec), "only text has bytes"
    length = codec.length
    if not codec.windowed:
        rows = codec.encode(data, rng=rng)
        return score(model, rows, rng), codec.sizes(rows.x)
    if model.can.density is not Density.EXACT or length < 2:
        rows = codec.windows(data, stride=length)
        return score(model, rows, rng), codec.sizes(rows.x)
    half = length // 2
    rows = codec.windows(data, stride=length - half)
    heads = score(model, Encoded(rows.x[:, :half]), rng)
    tails = score(model, rows, rng) - heads
    sizes = codec.sizes(rows.x[:, half:])
    return np.concatenate([heads[:1], tails]), np.concatenate([codec.sizes(rows.x[:1, :half]), sizes])


def score_beginnings(model: "Generator", sentences: Sequence[str]) -> Float[np.ndarray, "n"]:
    """Log-probability in nats of each sentence as the beginning of a text; UnsupportedError beside fields."""
    model.require("density", lambda can: can.density is not Density.ABSENT, where="canaries")
    codec, rng = model.codec, model.rng(0)
    if not reads_text(codec) or codec.conditions is not None:
        what = "canaries are sentences of a model of texts alone"
        raise UnsupportedError(what, where="canaries", hint="fit to texts without columns beside them")
    tokens = codec.whole(list(sentences), len(sentences)).long().to(rng.device)
    with torch.no_grad():
        found = [model.family.log_prob(model.net, tokens[i], None, rng) for i in chunks(len(tokens), codec.space)]
    return torch.cat(found).double().cpu().numpy()
