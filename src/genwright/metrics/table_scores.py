"""Every score of a generated table."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from genwright.audit import copies, copying
from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.extractors.encoding import row_points
from genwright.metrics import dependence, judges, manifolds, tables
from genwright.metrics.collect import Found, second_real
from genwright.metrics.kind import Sides, Tools
from genwright.metrics.text_columns import score_text_columns
from genwright.scores.score import Score

MAX_POINTS = 10_000  # rows of each table that are compared as points
POINTS = "normal scores and one-hot"  # see `encoding.row_points`
METRICS: dict[str, Callable[..., Score]] = {  # of real and generated rows; MEANINGS says what each asks
    "shape error": tables.shape_error,
    "logistic C2ST": partial(judges.c2st, judge=judges.Judge.LOGISTIC),
}
PAIR_METRICS: dict[str, Callable[..., Score]] = {  # the same, where there are pairs of columns
    "trend error": tables.trend_error,
    "mutual information error": dependence.mutual_information_error,
    "largest dependence error": dependence.largest_dependence_error,
}


def score_tables(found: Found, sides: Sides, tools: Tools) -> None:
    """Columns, pairs and rows against `real`, and texts; with `train`, utility and signs of copying too."""
    (fake, real, train, worst), seed = sides, tools.seed
    assert worst is not None  # tables always have a baseline
    _compare_columns(found, fake, real, train, worst, seed)
    _compare_points(found, fake, real, train, worst, seed)
    if train is None:
        found.notes.append("without training records, utility and signs of copying are not measured")
    else:
        found.add("nearest training row", lambda: copies.nearest_training_row(train, fake, held_out=real, seed=seed))
        found.add("exact copies", lambda: copies.exact_copy_rate(train, fake, held_out=real))
        found.add("TSTR gap", lambda: _utility(fake, real, train, seed))
    score_text_columns(found, fake, real, train, seed)


def _compare_columns(
    found: Found, fake: Dataset, real: Dataset, train: Dataset | None, worst: Dataset, seed: int
) -> None:
    """Single columns, pairs of columns, and rows as a linear judge sees them, with floors."""
    against, other = second_real(real, train, len(fake), seed)
    if train is None:
        found.notes.append(f"floors compare halves of the real data, {len(other)} records each, and so lie too high")
    for name, metric in (METRICS | (PAIR_METRICS if len(real.scalars) > 1 else {})).items():
        found.add_beside(name, partial(metric, seed=seed), (real, fake), (against, other), (against, worst))


def _compare_points(
    found: Found, fake: Dataset, real: Dataset, train: Dataset | None, worst: Dataset, seed: int
) -> None:
    """Rows as points: fidelity, diversity, and distances to the training rows."""
    if not found.wants("alpha-precision", "beta-recall", "distance to closest record", "C_T", "near copies"):
        return
    against, other = second_real(real, train, len(fake), seed)
    reference = real if train is None else train
    sets = [_few(data, seed) for data in (real, fake, against, other, worst, *([] if train is None else [train]))]
    points = row_points(reference, sets)
    for name, metric in (("alpha-precision", manifolds.alpha_precision), ("beta-recall", manifolds.beta_recall)):
        measured = partial(metric, features=POINTS, seed=seed)
        found.add_beside(name, measured, (points[0], points[1]), (points[2], points[3]), (points[2], points[4]))
    if train is not None:
        copied = {
            "distance to closest record": manifolds.distance_to_closest_record,
            "C_T": copying.data_copying,
            "near copies": copying.near_copies,
        }
        for name, test in copied.items():
            found.add(name, partial(test, points[5], points[1], held_out=points[0], features=POINTS, seed=seed))


def _few(data: Dataset, seed: int) -> Dataset:
    return data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:MAX_POINTS]))


def _utility(fake: Dataset, real: Dataset, train: Dataset, seed: int) -> Score:
    """TSTR gap; the floor trains on other training rows, as many, in place of the generated ones."""
    score = judges.tstr_gap(train, fake, test=real, seed=seed)
    n = min(score.n, len(train) // 2)
    rows = np.random.default_rng(seed).permutation(len(train))
    one, other = (train.take(np.sort(some)) for some in (rows[:n], rows[n : 2 * n]))
    target = score.signature.split("target=", 1)[1].rsplit("|n=", 1)[0]
    try:
        floor = judges.tstr_gap(one, other, test=real, target=target, refits=0, seed=seed)
    except DataError:  # halves may be too small where the whole is not
        return score
    return replace(score, floor=floor.value)
