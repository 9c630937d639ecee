"""How records are drawn: the family's rows, what its parts make of them, and what the codec decodes."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from genwright.codecs.text import too_long
from genwright.data.dataset import Dataset
from genwright.families.sampling import Sampling
from genwright.model.drawing import Drawer, draw_given
from genwright.model.part import RecordSampler, RowSampler, WrapsRecords, WrapsRows
from genwright.model.prior import LabelPrior
from genwright.model.streaming import writer
from genwright.randomness import seeded
from genwright.spaces import Encoded, Given, Space, Tokens
from genwright.train.devices import check_memory
from genwright.train.progress import Listener, Progress, silent
from genwright.weights import in_numbers

if TYPE_CHECKING:
    from genwright.model.generator import Generator

CHUNK_NUMBERS = 2**18  # numbers in x that are sampled or scored at once, about


def records(model: "Generator", how: Sampling) -> RecordSampler:
    """What draws the records of a model: its own, wrapped by its parts from the inside out."""

    def own(n: int, *, given: Mapping[str, Any], seed: int, listener: Listener = silent) -> Dataset:
        with seeded(seed), in_numbers():
            return draw_given(drawer(model, how, model.rng(seed), listener), given, n, seed=seed)

    sampler: RecordSampler = own
    for part in model.parts:
        sampler = part.records(sampler) if isinstance(part, WrapsRecords) else sampler
    return sampler


def drawer(model: "Generator", how: Sampling, rng: torch.Generator, listener: Listener) -> Drawer:
    """What draws packed rows; ranges and sets of columns are a matter of the prior where there is one."""
    space, sample = model.codec.space, rows(model, how)

    def draw(given: Given, n: int) -> Encoded:
        found = []
        for at in chunks(n, space):
            drawn = sample(at.stop - at.start, given=given.rows(at), rng=rng)
            found.append(Encoded.packed(space, drawn.x, drawn.context))
            listener(Progress("sampling", at.stop, n))
        return Encoded.joined(found)

    restricts = model.can.restricts or model.part(LabelPrior) is not None
    return Drawer(model.codec, draw, restricts, model.can.marginalizes, model.family.name, rng)


def rows(model: "Generator", how: Sampling) -> RowSampler:
    """What draws the encoded rows of a model: its family, wrapped by its parts from the inside out."""

    def own(n: int, *, given: Given, rng: torch.Generator) -> Encoded:
        if isinstance(space := model.codec.space, Tokens) and given.x is not None and given.x.shape[1] > space.length:
            raise too_long(given.x.shape[1], space.length, where="given")
        if given.near is not None and given.strength == 0:
            return Encoded(given.near, given.context)
        if given.near is not None:
            model.require("way to draw near a record", lambda can: can.varies, where="given")
        return Encoded(model.family.sample(model.net, n, given=given, how=how, rng=rng), given.context)

    sampler: RowSampler = writer(model, how) if model.can.streams else own
    for part in model.parts:
        sampler = part.rows(sampler) if isinstance(part, WrapsRows) else sampler
    return sampler


def check_memory_of(model: "Generator", n: int) -> None:
    """Raise for more records than there is memory for: encoded and decoded, each number and level once."""
    size = n * (8 * int(np.prod(model.codec.space.shape)) + 8 * len(model.codec.fields))
    check_memory(size, what=f"{n:,} records", hint="ask for fewer at a time, with another seed each time")


def chunks(n: int, space: Space) -> Iterator[slice]:
    """Slices of about CHUNK_NUMBERS numbers each."""
    step = max(16, CHUNK_NUMBERS // max(1, int(np.prod(space.shape))))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))
