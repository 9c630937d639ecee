"""Distances between real and generated images, taken on features (see `genwright.metrics.features`)."""

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from genwright.data.dataset import Category, Dataset
from genwright.errors import DataError
from genwright.metrics.copies import nearer_share
from genwright.metrics.features import Extractor, feature_dimension, pixels
from genwright.metrics.intervals import jackknife_error, jackknife_groups, normal_interval, share_interval
from genwright.metrics.score import Score, signature

CHUNK_CELLS = 8_000_000  # distances held at once: 64 MB of float64
Features = Float[np.ndarray, "_ _"]  # (records, dimension); the real and the generated set differ in records


def frechet_distance(real: Features, fake: Features, *, features: str, seed: int = 0) -> Score:
    """Frechet distance of Gaussians fitted to two sets of features; `features` names the extractor for the signature.

    |m1 - m2|**2 + tr(S1 + S2 - 2 (S1 S2)**(1/2)) with unbiased covariances: Heusel et al. 2017, arXiv:1706.08500.
    Biased upwards at finite n: read it beside its floor. Interval: delete-a-group jackknife over both sets.
    """
    real, fake = _checked(real, fake, fewest=2)
    groups = jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)
    value = frechet(real, fake)
    errors = [
        jackknife_error(np.array([frechet(real[groups[0] != g], fake) for g in range(groups[0].max() + 1)])),
        jackknife_error(np.array([frechet(real, fake[groups[1] != g]) for g in range(groups[1].max() + 1)])),
    ]
    crowded = real.shape[1] > feature_dimension(min(len(real), len(fake)))
    return _score(
        "Frechet distance",
        value,
        (real, fake),
        features,
        group="fidelity",
        interval=normal_interval(value, math.hypot(*errors), low=0.0),
        note="few records for this many features: compare with the floor only" if crowded else "",
        seed=seed,
    )


def frechet(real: Features, fake: Features) -> float:
    """The Frechet distance itself. The root's trace is taken from the symmetric S1^(1/2) S2 S1^(1/2): no complex part.

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(frechet(x, x + 2.0), 6)
    12.0
    """
    (m1, s1), (m2, s2) = ((x.mean(0), np.atleast_2d(np.cov(x, rowvar=False))) for x in (real, fake))
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ s2 @ root), 0)).sum()
    return float(max(np.sum((m1 - m2) ** 2) + np.trace(s1) + np.trace(s2) - 2 * inner, 0.0))


def kernel_distance(real: Features, fake: Features, *, features: str, seed: int = 0) -> Score:
    """Squared maximum mean discrepancy with k(x, y) = (x.y / d + 1)**3, as the unbiased U-statistic over all records.

    Binkowski et al. 2018, arXiv:1801.01401, eq. 4 and sec. 3.1 (KID). Slightly negative values are valid: on average
    it is 0 for equal laws, at any n. Interval: delete-a-group jackknife, from sums of the kernel over blocks.
    """
    real, fake = _checked(real, fake, fewest=2)
    a, b = jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)
    xx, yy, xy = _block_sums(real, a, real, a), _block_sums(fake, b, fake, b), _block_sums(real, a, fake, b)
    xx[np.diag_indices_from(xx)] -= _diagonal_sums(real, a)
    yy[np.diag_indices_from(yy)] -= _diagonal_sums(fake, b)
    n, m = np.bincount(a), np.bincount(b)

    def discrepancy(p: np.ndarray, q: np.ndarray) -> float:
        i, j = n[p].sum(), m[q].sum()
        within = xx[np.ix_(p, p)].sum() / (i * (i - 1)) + yy[np.ix_(q, q)].sum() / (j * (j - 1))
        return float(within - 2 * xy[np.ix_(p, q)].sum() / (i * j))

    p, q = np.arange(len(n)), np.arange(len(m))
    value = discrepancy(p, q)
    # Leaving a group out must leave two records; sets of two or three have no error to speak of.
    errors = [
        jackknife_error(np.array([discrepancy(p[p != g], q) for g in p])) if len(real) > 3 else 0.0,
        jackknife_error(np.array([discrepancy(p, q[q != g]) for g in q])) if len(fake) > 3 else 0.0,
    ]
    return _score(
        "kernel distance",
        value,
        (real, fake),
        features,
        group="fidelity",
        interval=normal_interval(value, math.hypot(*errors)),
        seed=seed,
    )


def precision_recall(real: Features, fake: Features, *, features: str, k: int = 3) -> tuple[Score, Score]:
    """Precision: share of generated records within reach of a real one; recall: the same the other way round.

    Reach of a record is the distance to its k-th nearest of its own set, boundary included. Kynkaanniemi et al. 2019,
    arXiv:1904.06991, eq. 1-2. Give sets of equal size: precision grows with more real records, recall with more
    generated ones. Intervals are Wilson's, the other set taken as it is.
    """
    real, fake = _checked(real, fake, fewest=k + 1)
    precise = _reached(fake, real, _reach(real, k))[0] > 0
    recalled = _reached(real, fake, _reach(fake, k))[0] > 0
    return (
        _share("precision", precise, (real, fake), f"{features}, k={k}", "fidelity"),
        _share("recall", recalled, (real, fake), f"{features}, k={k}", "diversity"),
    )


def density_coverage(real: Features, fake: Features, *, features: str, k: int = 5) -> tuple[Score, Score]:
    """Density: how many real records' reaches a generated record lies in, over k; coverage: share of real records
    with a generated one within reach.

    Naeem et al. 2020, arXiv:2002.09797, eq. 3-4; unlike precision and recall robust to outliers. Density is about 1
    for equal laws and may exceed it.
    """
    real, fake = _checked(real, fake, fewest=k + 1)
    within, covered = _reached(fake, real, _reach(real, k))
    density = within / k
    error = float(density.std(ddof=1) / np.sqrt(len(density)))
    value = float(density.mean())
    protocol = f"{features}, k={k}"
    interval = normal_interval(value, error, low=0.0)
    return (
        _score("density", value, (real, fake), protocol, direction="target", group="fidelity", interval=interval),
        _share("coverage", covered, (real, fake), protocol, "diversity"),
    )


def label_agreement(extractor: Extractor, fake: Dataset, *, real: Dataset) -> Score:
    """Share of generated images that a classifier fitted to real ones gives the label they were generated with.

    Its own accuracy on real images that it was not fitted to is the floor: labels cannot be followed better than they
    can be read.
    """
    hits = _named(extractor, fake)
    n, ceiling = len(hits), _named(extractor, real)
    value = float(hits.mean())
    protocol = f"classifier of {extractor.signature}"
    return Score(
        name="label agreement",
        value=value,
        direction="higher",
        n=n,
        signature=signature("label agreement", protocol=protocol, n=(len(ceiling), n)),
        interval=share_interval(value, n),
        floor=float(ceiling.mean()),
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
    step = max(1, 2 * CHUNK_CELLS // len(b))
    index, distance = [], []
    for chunk in a.split(step):
        apart = torch.addmm(squares[None, :], chunk, b.T, alpha=-2.0)
        best = apart.argmin(1)
        index.append(best)
        distance.append((chunk - b[best]).square().mean(1).sqrt())  # afresh: no cancellation, so copies give 0
    return torch.cat(index).numpy(), torch.cat(distance).double().numpy()


def nearest_training_image(train: Dataset, fake: Dataset, *, held_out: Dataset, seed: int = 0) -> Score:
    """Share of generated images nearer in pixels to a training image than to an unseen real one; 0.5 is ideal.

    Corrected for the sizes of the two sets as in `genwright.metrics.copies.nearer_share`.
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


Group = Literal["fidelity", "diversity"]


def _score(
    name: str,
    value: float,
    sets: tuple[Features, Features],
    protocol: str,
    *,
    group: Group,
    interval: tuple[float, float],
    direction: Literal["lower", "higher", "target"] = "lower",
    note: str = "",
    seed: int | None = None,
) -> Score:
    n = len(sets[0]), len(sets[1])
    return Score(
        name=name,
        value=value,
        direction=direction,
        n=n[1],
        signature=signature(name, protocol=protocol, n=n, seed=seed),
        interval=interval,
        group=group,
        note=note,
    )


def _share(name: str, hits: np.ndarray, sets: tuple[Features, Features], protocol: str, group: Group) -> Score:
    value = float(hits.mean())
    interval = share_interval(value, len(hits))
    return _score(name, value, sets, protocol, direction="higher", group=group, interval=interval)


def _checked(real: Features, fake: Features, *, fewest: int) -> tuple[Features, Features]:
    """Both sets in float64; DataError unless they are finite, of one dimension and large enough."""
    for name, x in (("real", real), ("generated", fake)):
        if x.ndim != 2 or x.shape[1] != real.shape[1]:
            raise DataError(f"{name} features of shape {x.shape} against {real.shape}", where="features")
        if len(x) < fewest:
            raise DataError(f"{len(x)} {name} records, at least {fewest} are needed", where="features")
        if not np.isfinite(x).all():
            bad = int((~np.isfinite(x)).any(axis=1).sum())
            raise DataError(f"{bad} {name} records have features that are not finite", where="features")
    return real.astype(np.float64), fake.astype(np.float64)


def _chunks(n: int, width: int) -> list[slice]:
    step = max(1, CHUNK_CELLS // max(width, 1))
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


def _squared_distances(a: Features, b: Features) -> Float[np.ndarray, "n m"]:
    """|a - b|**2, at least 0."""
    apart = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * (a @ b.T)
    return np.maximum(apart, 0, out=apart)


def _reach(x: Features, k: int) -> Float[np.ndarray, "n"]:
    """Squared distance of each record to its k-th nearest other."""
    reach = np.empty(len(x))
    for rows in _chunks(len(x), len(x)):
        apart = _squared_distances(x[rows], x)
        apart[np.arange(len(apart)), np.arange(len(x))[rows]] = np.inf
        reach[rows] = np.partition(apart, k - 1, axis=1)[:, k - 1]
    return reach


def _reached(
    points: Features, centres: Features, reach: Float[np.ndarray, "m"]
) -> tuple[Int[np.ndarray, "n"], np.ndarray]:
    """For each point the number of centres whose reach it lies in; for each centre whether any point does."""
    within, covered = np.empty(len(points), dtype=np.int64), np.zeros(len(centres), dtype=bool)
    for rows in _chunks(len(points), len(centres)):
        inside = _squared_distances(points[rows], centres) <= reach
        within[rows] = inside.sum(1)
        covered |= inside.any(0)
    return within, covered


def _kernel(a: Features, b: Features) -> Float[np.ndarray, "n m"]:
    inner = a @ b.T / a.shape[1] + 1.0
    return inner * inner * inner


def _block_sums(a: Features, group_a: np.ndarray, b: Features, group_b: np.ndarray) -> Float[np.ndarray, "g h"]:
    """Sums of the kernel between all pairs of groups."""
    sums = np.zeros((group_a.max() + 1, group_b.max() + 1))
    columns = np.eye(sums.shape[1])[group_b]
    for rows in _chunks(len(a), len(b)):
        np.add.at(sums, group_a[rows], _kernel(a[rows], b) @ columns)
    return sums


def _diagonal_sums(x: Features, group: np.ndarray) -> Float[np.ndarray, "g"]:
    """Sum of k(x, x) in each group."""
    return np.bincount(group, weights=((x * x).sum(1) / x.shape[1] + 1.0) ** 3)
