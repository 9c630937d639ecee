"""Judges of generated tables: classifiers that try to tell them from real ones, and models that learn from them."""

import enum
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from genwright.data.align import aligned
from genwright.data.dataset import Category, Dataset
from genwright.errors import DataError
from genwright.metrics.learners import Learner, Problem
from genwright.metrics.two_sample import Look, Rows, enough, look, shuffled_folds, told_apart
from genwright.scores.intervals import Replicates, auc_influence, mean_replicates
from genwright.scores.score import Score, signature

MAX_ROWS = 50_000  # of each table; more would only cost time
MAX_TARGET_LEVELS = 12  # of a category chosen to be predicted; each level costs one tree a round
MIN_BOOSTED_ROWS = 100
MIN_TSTR_ROWS = 100
REFITS = 5  # with a fifth of the generated training rows left out, for what these rows add to the error


class Judge(enum.StrEnum):
    """Who tells real from generated rows in a classifier two-sample test."""

    TREES = "boosted trees"  # the headline: sees dependence between columns
    LOGISTIC = "logistic regression"  # common elsewhere; sees each column on its own


LEARNER_OF = {Judge.TREES: Learner.TREES, Judge.LOGISTIC: Learner.LINEAR}
BLIND = "; blind to dependence between columns"


def c2st(real: Dataset, fake: Dataset, *, judge: Judge = Judge.TREES, seed: int = 0) -> Score:
    """Classifier two-sample test: 2 (1 - max(AUC, 1/2)), so 1 cannot be told apart and 0 is told apart always.

    `real` must hold rows that the generator was not fitted to, else overfitting flatters the score. As many rows of
    each are used, and a judge with more rows sees more: compare scores of equal n only. AUC is the mean over 5
    stratified folds, each judged by a classifier fitted to the others; interval, replicates and the p-value in the
    note are from the rows' influence on these AUCs (DeLong et al. 1988). Below 100 rows a random forest sits in for
    boosted trees, which need more to learn from. Lopez-Paz and Oquab 2017, arXiv:1610.06545.
    """
    name = "C2ST" if judge is Judge.TREES else "logistic C2ST"
    note = BLIND if judge is Judge.LOGISTIC else ""
    return told_apart([table_look(real, fake, judge=judge, seed=seed)], name=name, seed=seed, note=note)


def table_look(real: Dataset, fake: Dataset, *, judge: Judge = Judge.TREES, seed: int = 0) -> Look:
    """What `judge` finds in as many rows of two tables."""
    fake = aligned(fake, real)
    n = min(len(real), len(fake), MAX_ROWS)
    enough(n, where=fake.name)
    rng = np.random.default_rng(seed)
    a, b = (t.take(np.sort(rng.choice(len(t), n, replace=False))) for t in (real, fake))
    problem = Problem.labelled(a, b, np.repeat([False, True], n))
    learner = Learner.FOREST if judge is Judge.TREES and n < MIN_BOOSTED_ROWS else LEARNER_OF[judge]

    def judging(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        return problem.part(fit, asked).probabilities(learner, seed=seed)[:, 1]

    name = learner.value if learner is Learner.FOREST else judge.value
    return look(name, judging, n=n, folds=shuffled_folds(n, seed=seed))


def tstr_gap(
    train: Dataset, fake: Dataset, *, test: Dataset, target: str | None = None, refits: int = REFITS, seed: int = 0
) -> Score:
    """Utility lost by training on generated rows instead of real ones, tested on real rows, in percent.

    For a category the relative loss of the one-vs-rest AUC averaged over its levels, for a number or time the
    relative growth of the RMSE; the mean of three learners (boosted trees, a random forest, a linear model), each
    named in the note. `target` defaults to the label of `train`, else to its most predictable category. The real and
    the generated training set have as many rows. Interval: over test rows (real replicates) and generated training
    rows (generated replicates: `refits` times with a group left out; 0 takes the fitted models as given); the real
    training rows are given. Esteban et al. 2017, arXiv:1706.02633, sec. 4.2 (TSTR).
    """
    fake, test = aligned(fake, train), aligned(test, train)
    n = min(len(train), len(fake), MAX_ROWS)
    if min(n, len(test)) < MIN_TSTR_ROWS:
        raise DataError(f"TSTR needs {MIN_TSTR_ROWS} rows of each, has {min(n, len(test))}", where=fake.name)
    name = target or train.label or most_predictable(train, seed=seed)
    rng = np.random.default_rng(seed)
    real_rows, fake_rows = (t.take(np.sort(rng.choice(len(t), n, replace=False))) for t in (train, fake))
    category = isinstance(train.field(name), Category)
    references = {learner: _Result.of(real_rows, test, name, learner, seed) for learner in Learner}
    gaps = {learner: _Result.of(fake_rows, test, name, learner, seed).gap(references[learner]) for learner in Learner}
    value = float(np.mean([gap for gap, _ in gaps.values()]))
    influence = np.mean([of_rows for _, of_rows in gaps.values()], axis=0)
    real_side = tuple(100 * (value + left_out) for left_out in mean_replicates(influence, seed=seed))
    group = np.random.default_rng(seed + 1).permutation(n) % max(refits, 1)
    left_out = [fake_rows.take(group != g) for g in range(refits)]
    again = [
        float(np.mean([_Result.of(rows, test, name, each, seed).gap(references[each])[0] for each in Learner]))
        for rows in left_out
    ]
    replicates = Replicates(real_side, tuple(100 * each for each in again))
    nothing = float(np.mean([each.gap_of_nothing for each in references.values()]))
    told = "; ".join(f"{each.value} {100 * gap:.1f}% ({references[each].told})" for each, (gap, _) in gaps.items())
    return Score(
        name="TSTR gap",
        value=100 * value,
        direction="lower",
        n=n,
        signature=signature(
            "TSTR gap", protocol=f"{len(Learner)} learners, target={name}", n=(len(test), n), seed=seed
        ),
        interval=replicates.interval(100 * value),
        unit="%",
        group="utility",
        baseline=100 * nothing,
        note=f"predicting {name!r} ({'AUC' if category else 'RMSE'}), trained on real rows in brackets: {told}",
        replicates=replicates,
    )


def most_predictable(table: Dataset, *, seed: int = 0, rows: int = 2000) -> str:
    """The category that trees predict best from the other columns (balanced by AUC); without one, the last number."""
    sample = table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:rows]))
    half = np.arange(len(sample)) % 2 == 0
    best, name = -1.0, table.scalars[-1].name
    for field in table.scalars:
        if isinstance(field, Category) and 2 <= len(set(sample.columns[field.name])) <= MAX_TARGET_LEVELS:
            result = _Result.of(sample.take(half), sample.take(~half), field.name, Learner.TREES, seed, rounds=20)
            if result.quality > best:
                best, name = result.quality, field.name
    return name


@dataclass(frozen=True)
class _Result:
    """How well a learner predicts a column of the test rows: AUC or mean squared error, and each row's influence.

    Rows whose target is unknown have influence 0.
    """

    category: bool
    quality: float
    influence: Float[np.ndarray, "m"]

    @classmethod
    def of(
        cls, train: Dataset, test: Dataset, target: str, learner: Learner, seed: int, rounds: int = 100
    ) -> "_Result":
        known = ~pd.isna(test.columns[target])
        problem = Problem.predicting(train, test, target)
        if isinstance(train.field(target), Category):
            scores = problem.probabilities(learner, seed=seed, rounds=rounds)
            quality, influence = _macro_auc(scores, problem.classes, problem.y_test)
        else:
            squares = problem.squared_errors(learner, seed=seed)
            quality, influence = float(squares.mean()), squares - squares.mean()
        whole = np.zeros(len(test))
        whole[known] = influence * len(test) / known.sum()
        return cls(isinstance(train.field(target), Category), quality, whole)

    @property
    def told(self) -> str:
        return f"{self.quality:.3f}" if self.category else f"{np.sqrt(self.quality):.3f} sd"

    @property
    def gap_of_nothing(self) -> float:
        """Relative loss of a learner that learns nothing: AUC 1/2, or the mean for every row."""
        return 1 - 0.5 / self.quality if self.category else float(np.sqrt(1 / max(self.quality, 1e-300)) - 1)

    def gap(self, best: "_Result") -> tuple[float, Float[np.ndarray, "m"]]:
        """Relative loss against the learner trained on real rows, and each test row's influence on it."""
        if self.category:
            influence = self.quality / best.quality**2 * best.influence - self.influence / best.quality
            return 1 - self.quality / best.quality, influence
        mine, theirs = max(self.quality, 1e-300), max(best.quality, 1e-300)
        ratio = np.sqrt(mine / theirs)
        return float(ratio - 1), ratio / 2 * (self.influence / mine - best.influence / theirs)


def _macro_auc(
    scores: Float[np.ndarray, "m k"], classes: np.ndarray, y_test: np.ndarray
) -> tuple[float, Float[np.ndarray, "m"]]:
    """One-vs-rest AUC averaged over the levels found in the test rows, with each row's influence.

    A level that training never showed has AUC 1/2.
    """
    column = {level: i for i, level in enumerate(classes)}
    results = []
    for level in np.unique(y_test.astype(str)):
        positive = y_test.astype(str) == level
        if not positive.all():
            score = scores[:, column[level]] if level in column else np.zeros(len(positive))
            results.append(auc_influence(score, positive))
    if not results:
        return 0.5, np.zeros(len(y_test))
    return float(np.mean([auc for auc, _ in results])), np.mean([of_rows for _, of_rows in results], axis=0)
