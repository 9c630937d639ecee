"""Judges of generated tables: a classifier that tries to tell them from real ones, and one that learns from them.

Both are gradient-boosted trees with native categories and missing values: unlike a logistic regression they see
dependence between columns.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from genwright.data.dataset import Category, Dataset, Field, Time
from genwright.errors import DataError
from genwright.metrics.align import aligned
from genwright.metrics.intervals import auc_influence, influence_error, normal_interval
from genwright.metrics.score import Score, signature

FOLDS = 5
MAX_ROWS = 50_000  # of each table; more would only cost time
MAX_LEVELS = 250  # of a category; rarer ones share one (the trees take 255 bins)
MAX_TARGET_LEVELS = 12  # of a category chosen to be predicted; each level costs one tree a round
MIN_C2ST_ROWS = 100
MIN_TSTR_ROWS = 100


def c2st(real: Dataset, fake: Dataset, *, seed: int = 0) -> Score:
    """Classifier two-sample test: 2 (1 - max(AUC, 1/2)), so 1 cannot be told apart and 0 is told apart always.

    `real` must hold rows that the generator was not fitted to, else overfitting flatters the score. As many rows of
    each are used, and a judge with more rows sees more: compare scores of equal n only. AUC is the mean over 5
    stratified folds, each judged by trees fitted to the others. Lopez-Paz and Oquab 2017, arXiv:1610.06545.
    """
    fake = aligned(fake, real)
    n = min(len(real), len(fake), MAX_ROWS)
    if n < MIN_C2ST_ROWS:
        raise DataError(f"C2ST needs {MIN_C2ST_ROWS} rows of each table, has {n}", where=fake.name)
    rng = np.random.default_rng(seed)
    a, b = (t.take(np.sort(rng.choice(len(t), n, replace=False))) for t in (real, fake))
    x, categorical = _features(a, b)
    is_fake = np.repeat([False, True], n)
    aucs, errors = [], []
    for fit, judge in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, is_fake):
        scores = _class_scores(x[fit], is_fake[fit], x[judge], categorical=categorical, seed=seed)
        auc, influence = auc_influence(scores[:, 1], is_fake[judge])
        aucs.append(auc)
        errors.append(influence_error(influence))
    # Folds share training rows, so their AUCs are not independent: the correction of Nadeau and Bengio 2003.
    auc, error = float(np.mean(aucs)), float(np.sqrt(np.mean(np.square(errors)) * (1 / FOLDS + 1 / (FOLDS - 1))))
    low, high = normal_interval(auc, error)
    return Score(
        name="C2ST",
        value=_indistinct(auc),
        direction="higher",
        n=n,
        signature=signature("C2ST", protocol=f"boosted trees, {FOLDS} folds", n=(n, n), seed=seed),
        interval=(_indistinct(high), _indistinct(low)),
        note=f"AUC {auc:.3f}",
    )


def _indistinct(auc: float) -> float:
    return float(2 * (1 - np.clip(auc, 0.5, 1.0)))


def tstr_gap(train: Dataset, fake: Dataset, *, test: Dataset, target: str | None = None, seed: int = 0) -> Score:
    """Utility lost by training on generated rows instead of real ones, tested on real rows, in percent.

    For a category the relative loss of the one-vs-rest AUC averaged over its levels, for a number or time the
    relative growth of the RMSE. `target` defaults to the label of `train`, else to its most predictable category.
    The real and the generated training set have as many rows. Interval: over the test rows, the two models given.
    Esteban et al. 2017, arXiv:1706.02633, sec. 4.2 (TSTR).
    """
    fake, test = aligned(fake, train), aligned(test, train)
    n = min(len(train), len(fake), MAX_ROWS)
    if min(n, len(test)) < MIN_TSTR_ROWS:
        raise DataError(f"TSTR needs {MIN_TSTR_ROWS} rows of each, has {min(n, len(test))}", where=fake.name)
    name = target or train.label or most_predictable(train, seed=seed)
    rng = np.random.default_rng(seed)
    real_rows, fake_rows = (t.take(np.sort(rng.choice(len(t), n, replace=False))) for t in (train, fake))
    if isinstance(train.field(name), Category):
        gap, error, told = _classification_gap(real_rows, fake_rows, test, name, seed)
    else:
        gap, error, told = _regression_gap(real_rows, fake_rows, test, name, seed)
    return Score(
        name="TSTR gap",
        value=100 * gap,
        direction="lower",
        n=n,
        signature=signature("TSTR gap", protocol=f"boosted trees, target={name}", n=(len(test), n), seed=seed),
        interval=normal_interval(100 * gap, 100 * error),
        unit="%",
        group="utility",
        note=f"predicting {name!r}: {told}",
    )


def most_predictable(table: Dataset, *, seed: int = 0, rows: int = 2000) -> str:
    """The category that trees predict best from the other columns (balanced by AUC); without one, the last number."""
    sample = table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:rows]))
    half = np.arange(len(sample)) % 2 == 0
    best, name = -1.0, table.scalars[-1].name
    for field in table.scalars:
        if isinstance(field, Category) and 2 <= len(set(sample.columns[field.name])) <= MAX_TARGET_LEVELS:
            problem = _Problem.of(sample.take(half), sample.take(~half), field.name)
            auc = problem.macro_auc(seed=seed, rounds=20)[0]
            if auc > best:
                best, name = auc, field.name
    return name


@dataclass(frozen=True)
class _Problem:
    """Predict one column from the others: training and test matrices with rows of known targets only."""

    x: Float[np.ndarray, "n c"]
    y: np.ndarray
    x_test: Float[np.ndarray, "m c"]
    y_test: np.ndarray
    categorical: list[bool]

    @classmethod
    def of(cls, train: Dataset, test: Dataset, target: str) -> "_Problem":
        train, test = (t.take(~pd.isna(t.columns[target])) for t in (train, test))
        others = [f.name for f in train.scalars if f.name != target]
        if not others:
            raise DataError(f"no column to predict {target!r} from", where=train.name)
        if not len(train) or not len(test):
            raise DataError(f"no row with a known {target!r}", where=train.name)
        x, categorical = _features(train.select(others), test.select(others))
        return cls(x[: len(train)], train.columns[target], x[len(train) :], test.columns[target], categorical)

    def macro_auc(self, *, seed: int, rounds: int = 100) -> tuple[float, Float[np.ndarray, "m"]]:
        """One-vs-rest AUC averaged over the levels found in the test rows, with each row's influence."""
        classes, y = np.unique(self.y.astype(str), return_inverse=True)
        scores = np.ones((len(self.y_test), 1))
        if len(classes) > 1:
            scores = _class_scores(self.x, y, self.x_test, categorical=self.categorical, seed=seed, rounds=rounds)
        column = {level: i for i, level in enumerate(classes)} if len(classes) > 1 else {}
        results = []
        for level in np.unique(self.y_test.astype(str)):
            positive = self.y_test.astype(str) == level
            if positive.all():
                continue
            score = scores[:, column[level]] if level in column else np.zeros(len(positive))
            results.append(auc_influence(score, positive))
        if not results:
            return 0.5, np.zeros(len(self.y_test))
        return float(np.mean([auc for auc, _ in results])), np.mean([i for _, i in results], axis=0)

    def squared_errors(self, *, seed: int) -> Float[np.ndarray, "m"]:
        """Squared error of each test row, in units of the test rows' variance."""
        y, y_test = self.y.astype(np.float64), self.y_test.astype(np.float64)
        centre, spread = y_test.mean(), y_test.std() or 1.0
        trees = HistGradientBoostingRegressor(
            categorical_features=self.categorical, early_stopping=False, random_state=seed
        )
        with threadpool_limits(limits=1, user_api="openmp"):
            predicted = trees.fit(self.x, (y - centre) / spread).predict(self.x_test)
        return (predicted - (y_test - centre) / spread) ** 2


def _classification_gap(
    real: Dataset, fake: Dataset, test: Dataset, target: str, seed: int
) -> tuple[float, float, str]:
    """Relative loss of AUC, its standard error, and both AUCs in words."""
    (best, from_real), (auc, from_fake) = (_Problem.of(t, test, target).macro_auc(seed=seed) for t in (real, fake))
    influence = auc / best**2 * from_real - from_fake / best  # of 1 - auc / best
    told = f"AUC {auc:.3f} trained on generated rows, {best:.3f} on real ones"
    return 1 - auc / best, influence_error(influence), told


def _regression_gap(real: Dataset, fake: Dataset, test: Dataset, target: str, seed: int) -> tuple[float, float, str]:
    """Relative growth of the RMSE, its standard error, and both RMSEs in words."""
    from_real, from_fake = (_Problem.of(t, test, target).squared_errors(seed=seed) for t in (real, fake))
    best, mse = max(float(from_real.mean()), 1e-300), float(from_fake.mean())
    ratio = np.sqrt(mse / best)
    influence = ratio / 2 * ((from_fake - mse) / max(mse, 1e-300) - (from_real - best) / best)
    told = (
        f"RMSE {np.sqrt(mse):.3f} trained on generated rows, {np.sqrt(best):.3f} on real ones (in standard deviations)"
    )
    return float(ratio - 1), influence_error(influence), told


def _class_scores(
    x: Float[np.ndarray, "n c"],
    y: np.ndarray,
    x_test: Float[np.ndarray, "m c"],
    *,
    categorical: list[bool],
    seed: int,
    rounds: int = 100,  # of boosting
) -> Float[np.ndarray, "m k"]:
    """Probability of each class in test rows, by trees fitted to (x, y)."""
    trees = HistGradientBoostingClassifier(
        max_iter=rounds, categorical_features=categorical, early_stopping=False, random_state=seed
    )
    # One thread: OpenMP's threads wait for each other in busy loops, on a shared machine a hundred times slower.
    with threadpool_limits(limits=1, user_api="openmp"):
        return trees.fit(x, y).predict_proba(x_test)


def _features(a: Dataset, b: Dataset) -> tuple[Float[np.ndarray, "n c"], list[bool]]:
    """Rows of both tables as one matrix for trees, and which of its columns are categories; NaN is missing."""
    parts = [_feature(f, np.concatenate([a.columns[f.name], b.columns[f.name]])) for f in a.scalars]
    return np.stack(parts, axis=1), [isinstance(f, Category) for f in a.scalars]


def _feature(field: Field, column: np.ndarray) -> Float[np.ndarray, "n"]:
    if isinstance(field, Category):
        return _level_numbers(column)
    if isinstance(field, Time):
        return np.where(np.isnat(column), np.nan, column.astype("datetime64[s]").astype(np.float64))
    return column.astype(np.float64)


def _level_numbers(column: np.ndarray) -> Float[np.ndarray, "n"]:
    """Levels numbered by falling frequency, the rare ones together; ties by text, so row order does not matter."""
    codes, levels = pd.factorize(column, use_na_sentinel=True, sort=True)
    known: Bool[np.ndarray, "n"] = codes >= 0
    counts = np.bincount(codes[known], minlength=max(len(levels), 1))
    order: Int[np.ndarray, "l"] = np.empty(len(counts), dtype=np.int64)
    order[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(known, np.minimum(order[np.maximum(codes, 0)], MAX_LEVELS), np.nan)
