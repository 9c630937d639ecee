"""Every score of generated images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from genwright.audit import copies, copying
from genwright.data.dataset import Category, Dataset
from genwright.data.split import row_keys
from genwright.extractors.feature_cache import FeatureCache, FeatureMap
from genwright.extractors.features import FIT_ROWS, Extractor, Kind, feature_dimension, fit_extractor
from genwright.extractors.networks import Network
from genwright.metrics import images
from genwright.metrics.collect import Found
from genwright.metrics.diversity import inception_score, vendi_score
from genwright.metrics.frechet import frechet_distance, frechet_infinity
from genwright.metrics.kernel import kernel_distance
from genwright.metrics.kind import Sides, Tools
from genwright.metrics.neighbours import neighbour_scores
from genwright.scores.score import Score

MIN_FEATURE_ROWS = 50  # of each set of images, for distances between features
MAX_IMAGES = 10_000  # of each set
MAX_SEARCHED_IMAGES = 1000  # generated images whose nearest neighbours are looked for
CONTROLS: tuple[Kind, ...] = (
    "pca",
    "random",
)  # extractors that know nothing of content, to hold the fitted one against
METRICS: dict[str, Callable[..., Score | Sequence[Score]]] = {  # of features; see MEANINGS for what each asks
    "Frechet distance": frechet_distance,
    "Frechet distance at infinity": frechet_infinity,
    "kernel distance": kernel_distance,
    "precision, recall, density and coverage": neighbour_scores,
}
OTHERS = (  # that features are needed for
    *("Vendi score", "authenticity", "C_T", "near copies", "Inception Score", "label agreement"),
    *(f"Frechet distance ({kind})" for kind in CONTROLS),
)


@dataclass(frozen=True)
class _Parts:
    """Real images to compare with, those an extractor may be fitted to, and others for floors; no image in two."""

    reference: Dataset
    fit: Dataset
    rest: Dataset | None

    @classmethod
    def of(cls, real: Dataset, train: Dataset | None, rng: np.random.Generator) -> "_Parts":
        source = real if train is None else train
        order = rng.permutation(len(source))
        cut = len(source) // 2 if train is None else min(max(len(source) // 4, min(1000, len(source) // 2)), FIT_ROWS)
        fit, rest = (source.take(np.sort(rows)) for rows in (order[:cut], order[cut:]))
        return cls(rest, fit, None) if train is None else cls(real, fit, rest)


@dataclass(frozen=True)
class _Sets:
    """Features of real and generated images, of two real sets for floors, of images fitted to, and of a baseline."""

    real: np.ndarray
    fake: np.ndarray
    floor: tuple[np.ndarray, np.ndarray]
    train: np.ndarray | None
    worst: np.ndarray | None
    signature: str


def score_images(found: Found, sides: Sides, tools: Tools) -> None:
    """Distances between features, diversity, labels; with `train`, signs of copying too."""
    fake, real, train, worst = sides
    extractor, cache, seed = tools.extractor, tools.cache, tools.seed
    rng = np.random.default_rng(seed)
    parts = _Parts.of(real, train, rng)
    n = min(len(fake), len(parts.reference), MAX_IMAGES)
    if n < MIN_FEATURE_ROWS:
        found.notes.append(f"feature distances not measured: {n} images of each, {MIN_FEATURE_ROWS} are needed")
    elif found.wants(*METRICS, *OTHERS):
        chosen = extractor or _fitted(parts.fit, "learned", feature_dimension(n), seed)
        if train is None:
            found.notes.append(f"floors compare halves of {n} real images, and so lie too far off")
        sets = _features(chosen, parts, fake, worst, n, cache, seed)
        _compare_features(found, sets, seed)
        if extractor is None:
            _compare_controls(found, parts, fake, worst, n, cache, seed)
        _compare_labels(found, chosen, fake, parts.reference, seed)
    if train is not None:
        few = fake.take(np.sort(rng.permutation(len(fake))[:MAX_SEARCHED_IMAGES]))
        found.add("nearest training image", lambda: images.nearest_training_image(train, few, held_out=real))
        found.add("exact copies", lambda: copies.exact_copy_rate(train, fake, held_out=real))


def _features(
    extractor: FeatureMap,
    parts: _Parts,
    fake: Dataset,
    worst: Dataset | None,
    n: int,
    cache: FeatureCache,
    seed: int,
) -> _Sets:
    """Features of n records of each set, drawn alike for every generator that is held against the same real images."""

    def drawn(data: Dataset, salt: int) -> np.ndarray:
        rows = np.random.default_rng((seed, salt)).permutation(len(data))[:n]
        return cache(extractor, data.take(np.sort(rows)))

    real_features, fake_features = drawn(parts.reference, 0), drawn(fake, 1)
    lowest = None if worst is None else drawn(worst, 3)
    if parts.rest is None:
        half = len(real_features) // 2
        floor = real_features[:half], real_features[half:]
        return _Sets(real_features, fake_features, floor, None, lowest, extractor.signature)
    rest = drawn(parts.rest, 2)
    return _Sets(real_features, fake_features, (real_features, rest), rest, lowest, extractor.signature)


def _compare_features(found: Found, sets: _Sets, seed: int) -> None:
    worst = None if sets.worst is None else (sets.real, sets.worst)
    for name, metric in METRICS.items():
        measured = partial(metric, features=sets.signature, seed=seed)
        found.add_beside(name, measured, (sets.real, sets.fake), sets.floor, worst)
    found.add("Vendi score", partial(vendi_score, sets.real, sets.fake, features=sets.signature, seed=seed))
    if sets.train is not None:
        about: dict[str, Any] = {"held_out": sets.real, "features": sets.signature, "seed": seed}
        for name, metric in {
            "authenticity": copying.authenticity,
            "C_T": copying.data_copying,
            "near copies": copying.near_copies,
        }.items():
            found.add(name, partial(metric, sets.train, sets.fake, **about))


def _compare_controls(
    found: Found, parts: _Parts, fake: Dataset, worst: Dataset | None, n: int, cache: FeatureCache, seed: int
) -> None:
    """The Frechet distance by features that were not taught: where it disagrees, look at the images."""
    for kind in CONTROLS:
        if not found.wants(f"Frechet distance ({kind})"):
            continue
        control = _fitted(parts.fit, kind, feature_dimension(n), seed)
        sets = _features(control, parts, fake, None, n, cache, seed)
        measured = partial(frechet_distance, features=sets.signature, seed=seed)
        beside = Found()
        beside.add_beside(f"Frechet distance ({kind})", measured, (sets.real, sets.fake), sets.floor)
        found.scores += [replace(score, name=f"Frechet distance ({kind})") for score in beside.scores]
        found.notes += beside.notes


def _compare_labels(found: Found, extractor: Extractor | Network, fake: Dataset, reference: Dataset, seed: int) -> None:
    """What a classifier makes of the images, and whether they show what their label says."""
    if isinstance(extractor, Network) and extractor.kind == "inception":
        classes = partial(inception_score, extractor.classify(reference), extractor.classify(fake))
        found.add("Inception Score", partial(classes, classifier=extractor.signature, seed=seed))
    elif isinstance(extractor, Extractor) and extractor.labels:
        classes = partial(inception_score, extractor.classify(reference), extractor.classify(fake))
        found.add("Inception Score", partial(classes, classifier=f"own: {extractor.signature}", seed=seed))
        label = None if reference.label is None else reference.field(reference.label)
        if isinstance(label, Category) and fake.label is not None:
            found.add("label agreement", lambda: images.label_agreement(extractor, fake, real=reference))


_extractors: dict[tuple[bytes, Kind, int, int], Extractor] = {}  # families of one contest share one yardstick


def _fitted(data: Dataset, kind: Kind, dimension: int, seed: int) -> Extractor:
    """`fit_extractor`, remembered: it is deterministic, so only time is saved."""
    key = b"".join(row_keys(data.columns).tolist()), kind, dimension, seed
    if key not in _extractors:
        while len(_extractors) >= 6:
            _extractors.pop(next(iter(_extractors)))
        _extractors[key] = fit_extractor(data, kind=kind, dimension=dimension, seed=seed)
    return _extractors[key]
