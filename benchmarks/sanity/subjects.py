"""What the sanity battery is run on: real records of each kind, split, with the ways to spoil and to measure them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import KMeans

from benchmarks.sanity import corruptions as spoil
from benchmarks.sanity.battery import Subject
from benchmarks.sanity.designations import IMAGES, SERIES, TABLES, TEXTS
from genwright.audit import copies, copying
from genwright.data.dataset import Dataset, Image, Text
from genwright.errors import DataError
from genwright.extractors.embedding import TextEncoder
from genwright.extractors.encoding import row_points
from genwright.extractors.features import feature_dimension, fit_extractor
from genwright.metrics import (
    coherence,
    images,
    judges,
    manifolds,
    mauve,
    repetition,
    series,
    series_judges,
    tables,
    text,
)
from genwright.metrics.dependence import mutual_information_error
from genwright.metrics.diversity import inception_score, vendi_score
from genwright.metrics.frechet import frechet_distance, frechet_infinity
from genwright.metrics.kernel import kernel_distance
from genwright.metrics.neighbours import density_coverage, precision_recall
from genwright.scores.score import Score

CLUSTERS = 10  # that stand for the modes of records without classes
JUDGED_SPLITS = 4  # of the discriminative score: its mean over draws is what counts here
Parts = tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"], Int[np.ndarray, "_"]]
Measure = Callable[..., Score | tuple[Score, ...]]


def image_subject(data: Dataset, *, n: int, seed: int = 0) -> Subject:
    """Labelled images of one size: n real and n training ones, which also fit the extractor; the rest is the pool."""
    if not isinstance(data.media, Image) or data.label is None:
        raise DataError("labelled images are needed", where=data.name)
    real, train, pool = (data.take(rows) for rows in _split(len(data), n, seed))
    extractor = fit_extractor(train, dimension=feature_dimension(n), seed=seed)
    known, copied = extractor(real), extractor(train)
    signature = extractor.signature

    def featured(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(known, extractor(fake), features=signature, seed=seed)

    def held(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(copied, extractor(fake), held_out=known, features=signature, seed=seed)

    measures: dict[tuple[str, ...], Measure] = {
        ("Frechet distance",): featured(frechet_distance),
        ("Frechet distance at infinity",): featured(frechet_infinity),
        ("kernel distance",): featured(kernel_distance),
        ("precision", "recall"): featured(precision_recall),
        ("density", "coverage"): featured(density_coverage),
        ("Vendi score",): featured(vendi_score),
        ("Inception Score",): lambda fake, *, seed: inception_score(
            extractor.classify(real), extractor.classify(fake), classifier=signature, seed=seed
        ),
        ("label agreement",): lambda fake, *, seed: images.label_agreement(extractor, fake, real=real),
        ("authenticity",): held(copying.authenticity),
        ("C_T",): held(copying.data_copying),
        ("near copies",): held(copying.near_copies),
        ("exact copies",): lambda fake, *, seed: copies.exact_copy_rate(train, fake, held_out=real),
        ("nearest training image",): lambda fake, *, seed: images.nearest_training_image(
            train, fake, held_out=real, seed=seed
        ),
    }
    spoils: dict[str, Callable[..., Any]] = {
        "noise": spoil.image_noise,
        "blur": spoil.image_blur,
        "patches shuffled": spoil.patches_shuffled,
        "modes invented": spoil.images_mixed,
        "training copies": partial(spoil.records_copied, source=train),
        "labels shuffled": spoil.labels_shuffled,
    }
    modes = np.unique(pool.columns[data.label].astype(str), return_inverse=True)[1]
    return Subject("images", data.name, n, real, pool, modes, IMAGES, spoils, measures)


def table_subject(data: Dataset, *, n: int, seed: int = 0) -> Subject:
    """A table: n real and n training rows, the rest is the pool; clusters of rows as points stand for modes."""
    real, train, pool = (data.take(rows) for rows in _split(len(data), n, seed))
    known, copied = row_points(train, [real, train])

    def compared(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(real, fake, seed=seed)

    def pointed(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(known, row_points(train, [fake])[0], features="rows", seed=seed)

    def held(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(
            copied, row_points(train, [fake])[0], held_out=known, features="rows", seed=seed
        )

    measures: dict[tuple[str, ...], Measure] = {
        ("shape error",): compared(tables.shape_error),
        ("trend error",): compared(tables.trend_error),
        ("mutual information error",): compared(mutual_information_error),
        ("C2ST",): compared(judges.c2st),
        ("logistic C2ST",): compared(partial(judges.c2st, judge=judges.Judge.LOGISTIC)),
        ("alpha-precision",): pointed(manifolds.alpha_precision),
        ("beta-recall",): pointed(manifolds.beta_recall),
        ("authenticity",): held(copying.authenticity),
        ("C_T",): held(copying.data_copying),
        ("near copies",): held(copying.near_copies),
        ("distance to closest record",): held(manifolds.distance_to_closest_record),
        ("exact copies",): lambda fake, *, seed: copies.exact_copy_rate(train, fake, held_out=real),
        ("nearest training row",): lambda fake, *, seed: copies.nearest_training_row(
            train, fake, held_out=real, seed=seed
        ),
    }
    spoils: dict[str, Callable[..., Any]] = {
        "noise": spoil.numbers_noised,
        "dependence broken": spoil.rows_shuffled,
        "rows invented": spoil.rows_invented,
        "narrowed": spoil.numbers_narrowed,
        "training copies": partial(spoil.records_copied, source=train),
    }
    modes = _clusters(row_points(train, [pool])[0], seed)
    return Subject("tables", data.name, n, real, pool, modes, TABLES, spoils, measures)


def text_subject(
    texts: Sequence[str],
    topics: Sequence[str],
    *,
    name: str,
    n: int,
    encoder: TextEncoder | None = None,
    seed: int = 0,
) -> Subject:
    """Passages of prose and the topic of each; with an encoder, embeddings too (each passage is embedded once)."""
    real, train, pool = ([texts[i] for i in rows] for rows in _split(len(texts), n, seed))

    def compared(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(real, fake, seed=seed)

    measures: dict[tuple[str, ...], Measure] = {
        ("byte 4-gram divergence",): compared(text.ngram_divergence),
        ("distinct-2",): compared(text.distinct_n),
        ("self-BLEU",): compared(repetition.self_bleu),
        ("seq-rep-4",): compared(repetition.seq_rep),
        ("repetition rate",): compared(repetition.repetition_rate),
        ("compression ratio",): compared(repetition.compression_ratio),
        ("lexical coherence",): compared(coherence.lexical_coherence),
        ("longest copied run",): lambda fake, *, seed: text.longest_copied_run(
            "\n".join(train), fake, held_out="\n".join(real), seed=seed
        ),
        ("exact copies",): lambda fake, *, seed: copies.exact_copy_rate(
            _records(train), _records(fake), held_out=_records(real)
        ),
    }
    if encoder is not None:
        embed = _Remembered(encoder)
        measures["MAUVE",] = lambda fake, *, seed: mauve.mauve_of_features(
            embed(real), embed(fake), features=encoder.signature, seed=seed
        )
        measures["embedding coherence",] = compared(partial(coherence.embedding_coherence, encoder=encoder))
    spoils: dict[str, Callable[..., Any]] = {
        "words shuffled": spoil.words_shuffled,
        "sentences shuffled": spoil.sentences_shuffled,
        "characters at random": spoil.characters_randomised,
        "phrases repeated": spoil.phrases_repeated,
        "training copies": partial(spoil.texts_copied, source=train),
    }
    rows = _split(len(texts), n, seed)[2]
    modes = np.unique([topics[i] for i in rows], return_inverse=True)[1]
    return Subject("text", name, n, real, pool, modes, TEXTS, spoils, measures)


def series_subject(x: Float[np.ndarray, "m t c"], *, name: str, n: int, seed: int = 0) -> Subject:
    """Series that are independent of each other: n real ones, n to test forecasters on, the rest is the pool."""
    real, test, pool = (x[rows] for rows in _split(len(x), n, seed))

    def compared(metric: Measure) -> Measure:
        return lambda fake, *, seed: metric(real, fake, seed=seed)

    measures: dict[tuple[str, ...], Measure] = {
        ("ACF error",): compared(series.acf_error),
        ("PACF error",): compared(series.pacf_error),
        ("spectral distance",): compared(series.spectral_distance),
        ("discriminative score",): compared(partial(series_judges.discriminative_score, splits=JUDGED_SPLITS)),
        ("predictive score",): compared(partial(series_judges.predictive_score, test=test)),
    }
    if x.shape[2] > 1:
        measures["cross-correlation error",] = compared(series.cross_correlation_error)
    spoils: dict[str, Callable[..., Any]] = {
        "noise": spoil.series_noised,
        "time shuffled": spoil.time_shuffled,
        "slowed": spoil.time_slowed,
        "channels unlinked": spoil.channels_unlinked,
        "narrowed": spoil.series_narrowed,
    }
    modes = _clusters(pool.reshape(len(pool), -1), seed)
    return Subject("series", name, n, real, pool, modes, SERIES, spoils, measures)


def _split(total: int, n: int, seed: int) -> Parts:
    """Rows of the real, the training and the pooled records."""
    if total < 3 * n:
        raise DataError(f"{total} records", where="sanity battery", hint=f"three times n = {n} are needed")
    real, train, pool = np.split(np.random.default_rng(seed).permutation(total), [n, 2 * n])
    return real, train, pool


def _clusters(points: Float[np.ndarray, "n d"], seed: int) -> Int[np.ndarray, "n"]:
    """The k-means cluster of each record."""
    return KMeans(CLUSTERS, n_init=3, random_state=seed).fit(points).labels_.astype(np.int64)


def _records(texts: Sequence[str]) -> Dataset:
    return Dataset((Text("text"),), {"text": np.array(list(texts), dtype=object)}, name="texts")


class _Remembered:
    """An encoder that embeds each text only once: most texts of a graded corruption are those of the grade before."""

    def __init__(self, encoder: TextEncoder) -> None:
        self.encoder = encoder
        self.known: dict[str, Float[np.ndarray, "d"]] = {}

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        new = [t for t in dict.fromkeys(texts) if t not in self.known]
        if new:
            self.known.update(zip(new, self.encoder(new), strict=True))
        return np.stack([self.known[t] for t in texts])
