"""The picture of utility: what learners make of real rows when they are taught by real or by generated ones."""

from collections.abc import Sequence

import numpy as np

from genwright.data.dataset import Category, Dataset
from genwright.errors import DataError
from genwright.metrics.learners import Learner, Problem
from genwright.report import charts
from genwright.report.plots import WIDTH, Picture
from genwright.scores.score import Score

_MOST = 1000  # rows that a learner is taught, and that it is tested on
_ROUNDS = 40  # of boosting


def trained_on(
    train: Dataset | None, fake: Dataset, *, test: Dataset, scores: Sequence[Score], seed: int = 0
) -> Picture | None:
    """How much three learners get right on unseen real rows, taught by as many real or generated rows."""
    target = next((_target(score) for score in scores if score.name == "TSTR gap"), None)
    if train is None or target is None:
        return None
    n = min(len(train), len(fake), _MOST)
    rng = np.random.default_rng(seed)
    sets = [_some(data, n, rng) for data in (train, fake)]
    test = _some(test, _MOST, rng)
    try:
        right = [[_right(rows, test, target, learner, seed) for learner in Learner] for rows in sets]
    except DataError:  # too few rows know the target
        return None
    category = isinstance(test.field(target), Category)
    what = "Share of unseen real rows predicted rightly" if category else "Share of the variance explained (R², from 0)"
    caption = f"{what}: column {target}, learners taught by {n} real or {n} generated rows."
    chart = charts.bars(
        [each.value for each in Learner], *(np.clip(v, 0.0, 1.0) for v in np.array(right)), title=target, width=WIDTH
    )
    return Picture(chart, caption)


def _target(score: Score) -> str | None:
    """The column that was predicted, from the signature."""
    _, found, rest = score.signature.partition("target=")
    return rest.rsplit("|n=", 1)[0] if found else None


def _right(rows: Dataset, test: Dataset, target: str, learner: Learner, seed: int) -> float:
    """Share of test rows predicted rightly for a category; explained variance for a number."""
    problem = Problem.predicting(rows, test, target)
    if not len(problem.classes):
        return 1 - float(problem.squared_errors(learner, seed=seed).mean())
    likeliest = problem.probabilities(learner, seed=seed, rounds=_ROUNDS).argmax(1)
    return float((problem.classes[likeliest] == problem.y_test.astype(str)).mean())


def _some(data: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    return data.take(np.sort(rng.permutation(len(data))[:n]))
