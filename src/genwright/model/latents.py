"""Latents of records, records of latents, and the ways between them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from genwright.codecs.values import entries
from genwright.data.dataset import Dataset
from genwright.families.family import Encodes, HasLatent
from genwright.maths.interpolation import slerp
from genwright.model.prior import LabelPrior
from genwright.model.sampling import chunks
from genwright.spaces import Encoded

if TYPE_CHECKING:
    from genwright.model.generator import Generator


def encode(model: "Generator", data: Dataset) -> np.ndarray:
    """The latent of each record, shape (n, ...)."""
    model.require("encoder", lambda can: can.encodes, where="encode")
    assert isinstance(model.family, Encodes)
    rows = model.codec.encode(model.inner(data), rng=model.rng(0))
    space, found = model.codec.space, []
    for index in chunks(len(rows), space):
        part = rows.rows(index)
        found.append(model.family.encode(model.net, part.unpacked(space), part.context, how=model.how))
    return torch.cat(found).cpu().numpy()


def decode(model: "Generator", latents: np.ndarray, fixed: Mapping[str, Any], seed: int) -> Dataset:
    """The record of each latent, given the scalar fields beside it; those not given are drawn."""
    _family(model, "decode")
    rng = model.rng(seed)
    z = torch.as_tensor(latents, dtype=torch.float32, device=rng.device)
    return _at(model, z, _context(model, fixed, len(latents), rng), fixed, rng)


def interpolate(model: "Generator", n: int, steps: int, given: Mapping[str, Any], seed: int) -> Dataset:
    """n walks of `steps` records between random latents along great circles, one walk after the other."""
    family = _family(model, "interpolate")
    rng, fixed = model.rng(seed), {name: entries(v, n, where=name) for name, v in given.items()}
    context = _context(model, fixed, n, rng)
    start, end = (family.draw_latent(model.net, n, rng) for _ in range(2))
    walk = torch.stack([slerp(start, end, float(t)) for t in np.linspace(0, 1, steps)], dim=1).flatten(0, 1)
    context = None if context is None else context.repeat_interleave(steps, dim=0)
    return _at(
        model, walk, context, {name: [v for v in each for _ in range(steps)] for name, each in fixed.items()}, rng
    )


def _context(model: "Generator", fixed: Mapping[str, Any], n: int, rng: torch.Generator) -> Tensor | None:
    """The scalar fields beside n records, drawn where they are not given."""
    given, prior = model.codec.given(fixed, n, rng=rng), model.part(LabelPrior)
    return given.context if prior is None else prior.completed(given, n, rng).context


def _at(
    model: "Generator", z: Tensor, context: Tensor | None, fixed: Mapping[str, Any], rng: torch.Generator
) -> Dataset:
    """The records of latents, beside `context`, values in `fixed` as they were given."""
    family, space = _family(model, "decode"), model.codec.space
    packed = [
        space.pack(family.decode(model.net, z[rows], None if context is None else context[rows], how=model.how))
        for rows in chunks(len(z), space)
    ]
    decoded = model.codec.decode(Encoded(torch.cat(packed), context), rng=rng)
    return model.outer(model.codec.scalars.hold(decoded, fixed), seed=rng.initial_seed())


def _family(model: "Generator", verb: str) -> HasLatent:
    model.require("latent space", lambda can: can.latent, where=verb)
    assert isinstance(model.family, HasLatent)
    return model.family
