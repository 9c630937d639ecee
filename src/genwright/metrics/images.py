"""Metrics that look at images themselves: labels that agree, nearest training images."""

import numpy as np
import torch
from jaxtyping import Float, Int

from genwright.audit.copies import nearer_share
from genwright.data.dataset import Category, Dataset
from genwright.errors import DataError
from genwright.extractors.features import Extractor, pixels
from genwright.scores.intervals import share_interval
from genwright.scores.score import Score, signature

CHUNK_CELLS = 16_000_000  # distances held at once: 64 MB of float32


def label_agreement(extractor: Extractor, fake: Dataset, *, real: Dataset) -> Score:
    """Share of generated images that a classifier fitted to real ones gives the label they were generated with.

    Its own accuracy on real images that it was not fitted to is the floor, and the target: labels cannot be followed
    better than they can be read, and images that are clearer than real ones lack what makes real ones hard to read.
    """
    hits = _named(extractor, fake)
    n, ceiling = len(hits), _named(extractor, real)
    value = float(hits.mean())
    protocol = f"classifier of {extractor.signature}"
    return Score(
        name="label agreement",
        value=value,
        direction="target",
        n=n,
        signature=signature("label agreement", protocol=protocol, n=(len(ceiling), n)),
        interval=share_interval(value, n),
        floor=float(ceiling.mean()),
        floor_error=float(ceiling.std() / np.sqrt(len(ceiling))),
        baseline=1 / len(extractor.labels),
    )


def nearest_images(
    fake: Dataset, among: Dataset, *, side: int = 32
) -> tuple[Int[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Index of the nearest of `among` for each generated image, and its distance.

    Distance: root mean square difference of pixels as a share of the full grey range, images averaged down to at most
    `side` pixels.
    """
    a, b = (_small(data, among, side) for data in (fake, among))
    if a.shape[1] != b.shape[1]:
        raise DataError("images differ in their number of channels", where=fake.name)
    squares = (b * b).sum(1)
    step = max(1, CHUNK_CELLS // len(b))
    index, distance = [], []
    for chunk in a.split(step):
        apart = torch.addmm(squares[None, :], chunk, b.T, alpha=-2.0)
        best = apart.argmin(1)
        index.append(best)
        distance.append((chunk - b[best]).square().mean(1).sqrt())  # afresh: no cancellation, so copies give 0
    return torch.cat(index).numpy(), torch.cat(distance).double().numpy()


def nearest_training_image(train: Dataset, fake: Dataset, *, held_out: Dataset, seed: int = 0) -> Score:
    """Share of generated images nearer in pixels to a training image than to an unseen real one; 0.5 is ideal.

    Corrected for the sizes of the two sets as in `genwright.audit.copies.nearer_share`.
    """
    to_train, to_held_out = nearest_images(fake, train)[1], nearest_images(fake, held_out)[1]
    sizes = len(train), len(held_out)
    return nearer_share(
        to_train, to_held_out, sizes=sizes, name="nearest training image", protocol="pixel RMS", seed=seed
    )


def _small(data: Dataset, like: Dataset, side: int) -> Float[torch.Tensor, "n p"]:
    """Pixels in [0, 1], flattened, at the size of `like` but at most `side`."""
    shape = pixels(like.take(slice(0, 1))).shape[2:]
    x = pixels(data, size=[min(side, s) for s in shape])
    levels = getattr(like.media, "levels", 256)
    return x.flatten(1) / max(levels - 1, 1)


def _named(extractor: Extractor, data: Dataset) -> np.ndarray:
    """Whether the classifier names each labelled image right."""
    if data.label is None or not isinstance(data.field(data.label), Category):
        raise DataError("no label to agree with", where=data.name)
    truth = data.columns[data.label]
    known = np.array([v is not None for v in truth])
    if not known.any():
        raise DataError("no labelled image", where=data.name)
    guess = np.array(extractor.labels, dtype=object)[extractor.classify(data.take(known)).argmax(1)]
    return guess == truth[known]
