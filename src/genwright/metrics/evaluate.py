"""evaluate: every metric that suits the data and that its size can bear, each beside its floor."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from genwright.data.dataset import Category, Dataset, Image, Text
from genwright.data.split import row_keys
from genwright.errors import ArgumentError, DataError
from genwright.families.family import Density
from genwright.generator import Generator
from genwright.metrics import copies, images, judges, tables, text
from genwright.metrics.align import aligned
from genwright.metrics.features import FIT_ROWS, Extractor, feature_dimension, fit_extractor
from genwright.metrics.frechet import frechet_distance
from genwright.metrics.kernel import kernel_distance
from genwright.metrics.neighbours import density_coverage, precision_recall
from genwright.metrics.score import Score

MIN_ROWS = 10  # of each table or set of images, for anything at all to be measured
MIN_FEATURE_ROWS = 50  # of each set of images, for distances between features
MAX_IMAGES = 10_000  # of each set
MAX_SEARCHED_IMAGES = 1000  # generated images whose nearest neighbours are looked for
MAX_TEXTS = 256  # generated texts in which copied runs are looked for
MAX_BYTES = 1_000_000  # of text on each side of the n-gram divergence
HEADLINES = (  # the first that could be measured
    *("Frechet distance", "kernel distance", "nearest training image"),  # images
    *("bits per byte", "byte 4-gram divergence", "distinct-1"),  # text
    *("C2ST", "trend error", "shape error"),  # tables
)


@dataclass(frozen=True)
class Evaluation:
    """All scores of one set of generated records, and notes on what could not be measured and why."""

    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Score:
        """The score called `name`."""
        for score in self.scores:
            if score.name == name:
                return score
        known = ", ".join(s.name for s in self.scores)
        raise ArgumentError(f"no score called {name!r}", hint=f"there are {known}")

    def __contains__(self, name: str) -> bool:
        return any(score.name == name for score in self.scores)

    def to_json(self) -> dict[str, Any]:
        """Scores and notes as JSON values; numbers that are not finite as null."""
        scores = [{k: _json_value(v) for k, v in score.to_json().items()} for score in self.scores]
        return {"scores": scores, "notes": list(self.notes)}


def _json_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json_value(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    fake: Dataset,
    *,
    real: Dataset,
    train: Dataset | None = None,
    generator: Generator | None = None,
    extractor: Extractor | None = None,
    seed: int = 0,
) -> Evaluation:
    """Compare generated records with real ones.

    `real`: records that the generator was not fitted to. `train`: those it was fitted to, for signs of copying, for
    utility, and for floors (training records against `real`; without them, halves of `real` against each other).
    `generator`: for bits per byte of text. `extractor`: features for images; by default one is fitted to a part of
    `train` (or half of `real`) that takes no part in the comparison.

    Raises DataError if fields are missing or cannot be compared, or if there are fewer than 10 records of either
    (one, if they are texts).
    """
    fewest = 1 if isinstance(real.media, Text) else MIN_ROWS  # one text holds many words
    for data in (fake, real):
        if len(data) < fewest:
            raise DataError(
                f"{len(data)} records are too few to evaluate", where=data.name, hint=f"at least {fewest} are needed"
            )
    scores = _Scores()
    extra = [f.name for f in fake.fields if f.name not in {g.name for g in real.fields}]
    if extra:
        scores.notes.append(f"not compared, since the real data has no such field: {', '.join(extra)}")
    fake = aligned(fake, real)
    if train is not None:
        train = aligned(train, real)
    match real.media:
        case Image():
            _evaluate_images(scores, fake, real, train, extractor, seed)
        case Text():
            _evaluate_texts(scores, fake, real, train, generator, seed)
        case _:
            _evaluate_tables(scores, fake, real, train, seed)
    return Evaluation(tuple(scores.found), tuple(scores.notes))


def headline(evaluation: Evaluation) -> Score:
    """The one score that families are compared by.

    Tables: C2ST, which sees dependence between columns. Images: Frechet distance. Text: bits per byte, for families
    that have a likelihood, else the divergence of byte 4-grams. Where data is too small for it, the next that is there.
    """
    for name in HEADLINES:
        if name in evaluation:
            return evaluation[name]
    raise DataError("nothing could be measured", hint="; ".join(evaluation.notes) or "give more records")


Metric = Callable[[Any, Any], Score | Sequence[Score]]  # of real and of generated records


class _Scores:
    """Scores so far; a metric that the data cannot bear leaves a note instead."""

    def __init__(self) -> None:
        self.found: list[Score] = []
        self.notes: list[str] = []

    def add(self, name: str, metric: Callable[[], Score | Sequence[Score]]) -> None:
        """Whatever `metric` returns; if it raises DataError, a note that names it and says why."""
        try:
            self.found.extend(_several(metric()))
        except DataError as error:
            self.notes.append(f"{name} not measured: {error.what}")

    def add_beside(self, name: str, metric: Metric, sets: tuple[Any, Any], floor_sets: tuple[Any, Any]) -> None:
        """`metric` of real and generated records, with its value between two sets of real records as the floor."""

        def both() -> Sequence[Score]:
            scores = _several(metric(*sets))
            try:
                floors = _several(metric(*floor_sets))
            except DataError:  # halves of the real data may be too small where the whole is not
                return scores
            return [replace(score, floor=floor.value) for score, floor in zip(scores, floors, strict=True)]

        self.add(name, both)


def _several(result: Score | Sequence[Score]) -> Sequence[Score]:
    return [result] if isinstance(result, Score) else result


def _second_real(real: Dataset, train: Dataset | None, n: int, seed: int) -> tuple[Dataset, Dataset]:
    """Real records to hold against `real` for the floor, n if there are as many; and what `real` is then."""
    rng = np.random.default_rng(seed)
    if train is not None:
        return real, train.take(np.sort(rng.permutation(len(train))[:n]))
    rows = rng.permutation(len(real))
    half = len(real) // 2
    return real.take(np.sort(rows[half:])), real.take(np.sort(rows[:half]))


def _evaluate_tables(scores: _Scores, fake: Dataset, real: Dataset, train: Dataset | None, seed: int) -> None:
    _compare_columns(scores, fake, real, train, seed)
    if train is None:
        scores.notes.append("without training records, utility and signs of copying are not measured")
        return
    halves = np.random.default_rng(seed).permutation(len(train)) % 2 == 0

    def utility() -> Score:
        score = judges.tstr_gap(train, fake, test=real, seed=seed)
        try:
            floor = judges.tstr_gap(
                train.take(halves), train.take(~halves), test=real, target=_target(score), seed=seed
            ).value
        except DataError:
            return score
        return replace(score, floor=floor)

    scores.add("TSTR gap", utility)
    scores.add("nearest training row", lambda: copies.nearest_training_row(train, fake, held_out=real, seed=seed))
    scores.add("exact copies", lambda: copies.exact_copy_rate(train, fake, held_out=real))


def _target(score: Score) -> str:
    """The column that a TSTR score predicted."""
    return score.signature.split("target=", 1)[1].rsplit("|n=", 1)[0]


def _compare_columns(scores: _Scores, fake: Dataset, real: Dataset, train: Dataset | None, seed: int) -> None:
    """Shape, trend and C2ST of the scalar fields, with floors."""
    against, other = _second_real(real, train, len(fake), seed)
    if train is None:
        scores.notes.append(f"floors compare halves of the real data, {len(other)} records each, and so lie too high")
    metrics: dict[str, Callable[..., Score]] = {"shape error": tables.shape_error}
    if len(real.scalars) > 1:
        metrics["trend error"] = tables.trend_error
    metrics["C2ST"] = judges.c2st
    for name, metric in metrics.items():
        scores.add_beside(name, partial(metric, seed=seed), (real, fake), (against, other))


def _evaluate_images(
    scores: _Scores, fake: Dataset, real: Dataset, train: Dataset | None, extractor: Extractor | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    source = real if train is None else train
    order = rng.permutation(len(source))
    cut = len(source) // 2 if train is None else min(max(len(source) // 4, min(1000, len(source) // 2)), FIT_ROWS)
    rest = source.take(np.sort(order[cut:]))
    reference = rest if train is None else real
    n = min(len(fake), len(reference), MAX_IMAGES)
    if n < MIN_FEATURE_ROWS:
        scores.notes.append(f"feature distances not measured: {n} images of each, {MIN_FEATURE_ROWS} are needed")
    else:
        if extractor is None:
            extractor = _fitted(source.take(np.sort(order[:cut])), feature_dimension(n), seed)
        _compare_features(scores, extractor, fake, reference, None if train is None else rest, n, rng)
        _compare_labels(scores, extractor, fake, reference)
    if train is not None:
        few = fake.take(np.sort(rng.permutation(len(fake))[:MAX_SEARCHED_IMAGES]))
        scores.add("nearest training image", lambda: images.nearest_training_image(train, few, held_out=real))
        scores.add("exact copies", lambda: copies.exact_copy_rate(train, fake, held_out=real))


def _compare_features(
    scores: _Scores,
    extractor: Extractor,
    fake: Dataset,
    reference: Dataset,
    rest: Dataset | None,
    n: int,
    rng: np.random.Generator,
) -> None:
    """Distances between n generated and n real images in feature space; floors from real images of neither part."""

    def drawn(data: Dataset, most: int) -> np.ndarray:
        return extractor(data.take(np.sort(rng.permutation(len(data))[:most])))

    real_features, fake_features = drawn(reference, n), drawn(fake, n)
    against = real_features
    if rest is None:
        half = len(real_features) // 2
        against, other = real_features[:half], real_features[half:]
        scores.notes.append(f"floors compare halves of the real images, {half} each, and so lie too far off")
    else:
        other = drawn(rest, n)
    metrics: dict[str, Callable[..., Score | Sequence[Score]]] = {
        "Frechet distance": frechet_distance,
        "kernel distance": kernel_distance,
        "precision and recall": precision_recall,
        "density and coverage": density_coverage,
    }
    for name, metric in metrics.items():
        measured = partial(metric, features=extractor.signature)
        scores.add_beside(name, measured, (real_features, fake_features), (against, other))


def _compare_labels(scores: _Scores, extractor: Extractor, fake: Dataset, reference: Dataset) -> None:
    """Whether generated images show what their label says."""
    label = None if reference.label is None else reference.field(reference.label)
    if isinstance(label, Category) and extractor.labels:
        scores.add("label agreement", lambda: images.label_agreement(extractor, fake, real=reference))


_extractors: dict[tuple[bytes, int, int], Extractor] = {}  # families of one comparison are measured by one yardstick


def _fitted(data: Dataset, dimension: int, seed: int) -> Extractor:
    """`fit_extractor`, remembered: it is deterministic, so only time is saved."""
    key = b"".join(row_keys(data.columns).tolist()), dimension, seed
    if key not in _extractors:
        while len(_extractors) >= 4:
            _extractors.pop(next(iter(_extractors)))
        _extractors[key] = fit_extractor(data, dimension=dimension, seed=seed)
    return _extractors[key]


def _evaluate_texts(
    scores: _Scores, fake: Dataset, real: Dataset, train: Dataset | None, generator: Generator | None, seed: int
) -> None:
    assert isinstance(real.media, Text)
    generated, unseen = (_texts(data) for data in (fake, real))
    if generator is not None and generator.family.density is not Density.ABSENT:
        scores.add("bits per byte", lambda: _bits_per_byte(generator, real))
    size = min(_size(generated), _size(unseen) if train is not None else _size(unseen) // 2, MAX_BYTES)
    pieces = _cut(unseen, size)
    if train is not None:
        other = _cut(_texts(train), size)
    else:
        other = _cut(unseen[::-1], size)
        scores.notes.append("floors compare the two ends of the real text")
    sample = _cut(generated, size)
    scores.add_beside("byte 4-gram divergence", text.ngram_divergence, (pieces, sample), (pieces, other))
    for n in (1, 2, 3):
        scores.add(f"distinct-{n}", partial(text.distinct_n, pieces, sample, n=n))
    if train is not None:
        rng = np.random.default_rng(seed)
        few = [generated[i] for i in np.sort(rng.permutation(len(generated))[:MAX_TEXTS])]
        join = "" if real.media.running else "\n"
        whole, held_out = join.join(_texts(train)), join.join(unseen)
        scores.add("longest copied run", lambda: text.longest_copied_run(whole, few, held_out=held_out, seed=seed))


def _bits_per_byte(generator: Generator, real: Dataset) -> Score:
    log_probs, sizes = generator.score_text(real)
    bound = "upper bound" if generator.family.density is Density.BOUND else ""
    window = f"{generator.codec.space.shape[0]}-byte windows"
    return text.bits_per_byte(log_probs, sizes, window=window, bound=bound)


def _texts(data: Dataset) -> list[str]:
    assert data.media is not None
    return [value for value in data.columns[data.media.name] if value]


def _size(texts: list[str]) -> int:
    return sum(len(each.encode("utf-8", "replace")) for each in texts)


PIECE = 512  # characters of a piece of long text; pieces are what intervals resample


def _cut(texts: list[str], size: int) -> list[str]:
    """Whole texts, long ones in pieces, until about `size` bytes are reached."""
    pieces: list[str] = []
    total = 0
    for each in texts:
        for start in range(0, len(each), PIECE):
            if total >= size:
                return pieces
            piece = each[start : start + PIECE].encode("utf-8", "replace")[: size - total].decode("utf-8", "ignore")
            pieces.append(piece)
            total += max(len(piece.encode("utf-8")), 1)
    return pieces
