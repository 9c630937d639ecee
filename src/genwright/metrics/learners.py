"""Learners that judge tables: boosted trees, a random forest, and a linear model, each on the features that suit it."""

import enum
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.extractors.encoding import row_points, tree_columns

FOREST_TREES = 50


class Learner(enum.StrEnum):
    """A learner of a table's column from the others."""

    TREES = "boosted trees"  # 100 rounds of histogram gradient boosting, native categories and missing values
    FOREST = "random forest"  # 50 trees, at least 5 rows in a leaf
    LINEAR = "linear model"  # logistic or ridge regression on `encoding.row_points`, penalty 1


@dataclass(frozen=True)
class Problem:
    """Predict `y_test` from what (x, y) teaches; rows as trees see them (`columns`) and as linear models do (`points`).

    `y` holds class numbers into `classes` for classification, plain numbers (`classes` empty) for regression.
    """

    columns: Float[np.ndarray, "n c"]
    points: Float[np.ndarray, "n d"]
    y: Int[np.ndarray, "n"] | Float[np.ndarray, "n"]
    columns_test: Float[np.ndarray, "m c"]
    points_test: Float[np.ndarray, "m d"]
    y_test: np.ndarray
    categorical: list[bool]
    classes: np.ndarray

    @classmethod
    def predicting(cls, train: Dataset, test: Dataset, target: str) -> "Problem":
        """Predict the column `target` from the others, where it is known."""
        train, test = (t.take(~pd.isna(t.columns[target])) for t in (train, test))
        others = [f.name for f in train.scalars if f.name != target]
        if not others:
            raise DataError(f"no column to predict {target!r} from", where=train.name)
        if not len(train) or not len(test):
            raise DataError(f"no row with a known {target!r}", where=train.name)
        a, b = train.select(others), test.select(others)
        columns, categorical = tree_columns(a, b)
        points, points_test = row_points(a, [a, b])
        n, y, y_test = len(train), train.columns[target], test.columns[target]
        classes = np.array([])
        if y.dtype == object:
            classes, y = np.unique(y.astype(str), return_inverse=True)
        else:
            y, y_test = (v.astype("datetime64[s]") if v.dtype.kind == "M" else v for v in (y, y_test))
            y, y_test = y.astype(np.float64), y_test.astype(np.float64)
        return cls(columns[:n], points, y, columns[n:], points_test, y_test, categorical, classes)

    @classmethod
    def labelled(cls, a: Dataset, b: Dataset, label: Bool[np.ndarray, "n"]) -> "Problem":
        """Tell the rows of two tables apart; training and test rows are all of them until `part` takes some."""
        columns, categorical = tree_columns(a, b)
        points = np.concatenate(row_points(a, [a, b]))
        y = label.astype(np.int64)
        return cls(columns, points, y, columns, points, y, categorical, np.array([0, 1]))

    def part(self, fit: Int[np.ndarray, "k"], held: Int[np.ndarray, "l"]) -> "Problem":
        """Train on the rows `fit` of the training rows, test on the rows `held` of the test rows."""
        return Problem(
            self.columns[fit],
            self.points[fit],
            self.y[fit],
            self.columns_test[held],
            self.points_test[held],
            self.y_test[held],
            self.categorical,
            self.classes,
        )

    def probabilities(self, learner: Learner, *, seed: int, rounds: int = 100) -> Float[np.ndarray, "m k"]:
        """Probability of each class for the test rows; `rounds` of boosting. One class only: 1 throughout."""
        if len(self.classes) < 2:
            return np.ones((len(self.y_test), 1))
        match learner:
            case Learner.TREES:
                trees = HistGradientBoostingClassifier(
                    max_iter=rounds, categorical_features=self.categorical, early_stopping=False, random_state=seed
                )
                return _fitted(trees, self.columns, self.y).predict_proba(self.columns_test)
            case Learner.FOREST:
                forest = RandomForestClassifier(FOREST_TREES, min_samples_leaf=5, random_state=seed)
                return _fitted(forest, self.columns, self.y).predict_proba(self.columns_test)
            case Learner.LINEAR:
                return _fitted(LogisticRegression(max_iter=300), self.points, self.y).predict_proba(self.points_test)

    def squared_errors(self, learner: Learner, *, seed: int) -> Float[np.ndarray, "m"]:
        """Squared error of each test row, in units of the test rows' variance."""
        centre, spread = self.y_test.mean(), self.y_test.std() or 1.0
        y = (self.y - centre) / spread
        match learner:
            case Learner.TREES:
                trees = HistGradientBoostingRegressor(
                    categorical_features=self.categorical, early_stopping=False, random_state=seed
                )
                predicted = _fitted(trees, self.columns, y).predict(self.columns_test)
            case Learner.FOREST:
                forest = RandomForestRegressor(FOREST_TREES, min_samples_leaf=5, random_state=seed)
                predicted = _fitted(forest, self.columns, y).predict(self.columns_test)
            case Learner.LINEAR:
                predicted = _fitted(Ridge(alpha=1.0), self.points, y).predict(self.points_test)
        return (predicted - (self.y_test - centre) / spread) ** 2


def _fitted(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """`model` fitted to (x, y)."""
    # One thread: OpenMP's threads wait for each other in busy loops, on a shared machine a hundred times slower.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a judge need not be at its optimum to be compared
        return model.fit(x, y)
