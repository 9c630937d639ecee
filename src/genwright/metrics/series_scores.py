"""Every score of generated series."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float

from genwright.audit import copying
from genwright.data.dataset import Series
from genwright.errors import DataError
from genwright.metrics import manifolds
from genwright.metrics.collect import Found
from genwright.metrics.forecasts import forecast_scores
from genwright.metrics.frechet import frechet_distance
from genwright.metrics.kind import Sides, Tools
from genwright.metrics.series import (
    Records,
    acf_error,
    check_series,
    cross_correlation_error,
    marginal_error,
    pacf_error,
    spectral_distance,
)
from genwright.metrics.series_arrays import Arrays, arrays_of
from genwright.metrics.series_encoder import encoder_of
from genwright.metrics.series_judges import MIN_JUDGED_SERIES, discriminative_score, predictive_score
from genwright.scores.score import Score

CONTEXT = "context Frechet distance"
POINTS = "readings in standard deviations"
MAX_COPIES = 2000  # of each set, whose nearest neighbours are looked for
MAX_DISCRIMINATED = 1000  # of each set
METRICS: dict[str, Callable[..., Score]] = {  # of arrays; see MEANINGS for what each asks
    "marginal error": marginal_error,
    "ACF error": acf_error,
    "PACF error": pacf_error,
    "cross-correlation error": cross_correlation_error,
    "spectral distance": spectral_distance,
}


def score_series(found: Found, sides: Sides, tools: Tools) -> None:
    """Values, memory, rhythm, shapes and forecasts; with `train` signs of copying too."""
    try:
        sets = arrays_of(sides)
    except DataError as error:
        found.notes.append(f"series are not compared: {error.what}")
        return
    one, other = _floor(sets, len(sets.fake), tools.seed)
    worst = None if sets.worst is None else (one, sets.worst)
    for name, metric in METRICS.items():
        measured = partial(metric, records=sets.records, seed=tools.seed)
        found.add_beside(name, measured, (sets.real, sets.fake), (one, other), worst)
    few = partial(_few, seed=tools.seed)
    told = partial(discriminative_score, records=sets.records, seed=tools.seed)
    if min(map(len, (sets.real, sets.fake))) >= MIN_JUDGED_SERIES:
        judged = (few(sets.real), few(sets.fake)), (few(one), few(other)), worst and (few(one), few(worst[1]))
        found.add_beside("discriminative score", told, *judged)
    _score_context(found, sets, (one, other), worst, tools)
    if sets.train is not None:
        train = sets.train
        learned = partial(predictive_score, train, test=sets.real, records=sets.records, seed=tools.seed)
        found.add("predictive score", lambda: learned(sets.fake))
        _score_copies(found, sets, tools.seed)
    if tools.generator is not None:
        generator = tools.generator
        found.add("forecast CRPS", lambda: forecast_scores(generator, sides.real, train=sides.train, seed=tools.seed))
    if isinstance(sides.real.media, Series) and sides.real.media.gaps:
        found.notes.append("gaps of series are filled on a straight line for all scores but that of the judge")


def _floor(sets: Arrays, n: int, seed: int) -> tuple[Float[np.ndarray, "a t c"], Float[np.ndarray, "b t c"]]:
    """Two sets of real series: those to compare with beside training ones, or their halves in time."""
    rng = np.random.default_rng(seed)
    if sets.train is not None:
        return sets.real, sets.train[np.sort(rng.permutation(len(sets.train))[:n])]
    half = len(sets.real) // 2
    order = np.arange(len(sets.real)) if sets.records is Records.WINDOWS else rng.permutation(len(sets.real))
    return sets.real[order[:half]], sets.real[order[half:]]


def _few(x: Float[np.ndarray, "n t c"], *, seed: int) -> Float[np.ndarray, "m t c"]:
    return x[np.sort(np.random.default_rng(seed).permutation(len(x))[:MAX_DISCRIMINATED])]


def _score_context(
    found: Found, sets: Arrays, floor: Sequence[np.ndarray], worst: Sequence[np.ndarray] | None, tools: Tools
) -> None:
    """The Frechet distance between codes of whole series, by an encoder that learned from training ones."""
    if not found.wants(CONTEXT):
        return
    try:
        check_series(sets.real, sets.fake)
        encoder = encoder_of(sets.real if sets.train is None else sets.train, seed=tools.seed)
    except DataError as error:
        found.notes.append(f"{CONTEXT} not measured: {error.what}")
        return

    def distance(real: np.ndarray, fake: np.ndarray) -> Score:
        codes = encoder.codes(real), encoder.codes(fake)
        score = frechet_distance(*codes, features=encoder.signature, seed=tools.seed)
        assert isinstance(score, Score)
        return score

    own = Found()
    beyond = None if worst is None else (worst[0], worst[1])
    own.add_beside("Frechet distance", distance, (sets.real, sets.fake), (floor[0], floor[1]), beyond)
    found.scores += [_named(score, CONTEXT) for score in own.scores]
    found.notes += own.notes


def _named(score: Score, name: str) -> Score:
    return replace(score, name=name)


def _score_copies(found: Found, sets: Arrays, seed: int) -> None:
    """Distances to the training series, beside those of unseen ones."""
    assert sets.train is not None
    rng = np.random.default_rng(seed)
    real, fake, train = (
        x[np.sort(rng.permutation(len(x))[:most])].reshape(min(len(x), most), -1)
        for x, most in ((sets.real, MAX_COPIES), (sets.fake, MAX_COPIES), (sets.train, 20_000))
    )
    for name, test in {
        "distance to closest record": manifolds.distance_to_closest_record,
        "near copies": copying.near_copies,
    }.items():
        found.add(name, partial(test, train, fake, held_out=real, features=POINTS, seed=seed))
