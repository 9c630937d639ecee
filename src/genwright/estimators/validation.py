"""What users give an estimator, checked as scikit-learn checks it: X as a DataFrame, y as numbers, NaN for unknown."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from genwright.data.numerals import Reading, Unclear, read_numerals
from genwright.errors import ArgumentError

TIMES = ("datetime", "datetime64", "date", "time", "timedelta", "timedelta64", "period")  # as pandas calls them
MAX_REPEATS = 10  # times that whole weights may lengthen the data


def table_of(estimator: BaseEstimator, X: Any, *, reset: bool) -> pd.DataFrame:
    """X as a DataFrame; NaN, None and NaT are unknown entries.

    DataFrames keep their types; anything else has to be a matrix of numbers. `reset` takes names and number of columns
    as those of `estimator`, otherwise they are held against them. Raises ValueError or TypeError as scikit-learn does.
    """
    if isinstance(X, pd.DataFrame):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        for name, column in X.items():
            if pd.api.types.is_float_dtype(column.dtype) and np.isinf(column.to_numpy(float, na_value=np.nan)).any():
                raise ArgumentError("Input X contains infinity", where=str(name), hint="replace or drop such values")
        return X.set_axis([str(name) for name in X.columns], axis=1)
    try:
        matrix = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
    except ValueError as error:
        if "could not convert string" not in str(error):
            raise
        hint = "give a DataFrame, whose columns may hold words, dates and amounts such as 1.234,50 €"
        raise ArgumentError(f"X is an array of texts: {error}", where="X", hint=hint) from None
    return pd.DataFrame(matrix, columns=[f"x{j}" for j in range(matrix.shape[1])])


def is_numeric(frame: pd.DataFrame) -> bool:
    """Whether all columns hold numbers."""
    return all(is_number_column(frame[name]) for name in frame)


def is_number_column(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def numbers_of(frame: pd.DataFrame) -> Float[np.ndarray, "n c"]:
    """Columns of numbers as float64, NaN where unknown."""
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)


def labels_of(frame: pd.DataFrame, y: Any, *, unlabelled: Any) -> tuple[Float[np.ndarray, " n"], np.ndarray]:
    """The number of each row's class, NaN for rows without a label, and the classes in order.

    A label that is NaN, None, or equal to `unlabelled` is none. Raises ValueError where labels are no classes.
    """
    column = _column(frame, y)
    absent = _absent(column)
    if unlabelled is not None:
        absent |= np.asarray(column == unlabelled, dtype=bool)
    known = column[~absent]
    known = np.array(known.tolist()) if known.dtype == object else known
    if known.dtype.kind == "f":
        assert_all_finite(known, input_name="y")
    if len(known):
        check_classification_targets(known)
    classes, inverse = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        what = f"y holds {len(classes)} class{'' if len(classes) == 1 else 'es'} besides unlabelled rows"
        raise ArgumentError(what, where="y", hint="a classifier needs at least two classes")
    codes = np.full(len(column), np.nan)
    codes[~absent] = inverse
    return codes, classes


def amounts_of(frame: pd.DataFrame, y: Any) -> Float[np.ndarray, " n"]:
    """The target of each row as float64, NaN for rows without one. Raises ValueError where it is no number."""
    column = _column(frame, y)
    absent = _absent(column)
    amounts = np.full(len(column), np.nan)
    if pd.api.types.infer_dtype(column, skipna=True) in TIMES or column.dtype.kind in "mM":
        hint = 'give numbers, for example (y - y.min()) / pandas.Timedelta("1D")'
        raise ArgumentError("y holds times, and a regressor predicts numbers", where="y", hint=hint)
    amounts[~absent] = read_amounts(column[~absent], where="y", hint="give numbers; a Classifier predicts levels")
    assert_all_finite(amounts[~absent], input_name="y")
    if len(amounts) - absent.sum() < 2:
        raise ArgumentError("fewer than 2 rows (n_samples=1) have a target", where="y", hint="give at least 10 rows")
    return amounts


def read_amounts(values: np.ndarray, *, where: str, hint: str) -> Float[np.ndarray, " n"]:
    """Values as numbers, also as people write them (1.234,50 €); ArgumentError where they are none."""
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        found = read_numerals(list(map(str, values)))
    if isinstance(found, Reading):
        return np.array(found.plain, dtype=np.float64)
    if isinstance(found, Unclear):
        what = f"{where} holds {found.text!r}: is that {found.pointed} or {found.comma}?"
        raise ArgumentError(what, where=where, hint="give numbers")
    raise ArgumentError(f"{where} is not numeric: it holds {str(values[0])!r}", where=where, hint=hint)


def weighted_rows(frame: pd.DataFrame, weight: Any, *, seed: int) -> Int[np.ndarray, " m"]:
    """The rows that stand for weighted ones: each as often as its weight says, fractions by systematic sampling.

    Whole weights repeat rows, which then are so many more; others, and large ones, keep the number of rows that there
    are. Raises ValueError for weights that are negative, not finite, or not one for each row.
    """
    if weight is None:
        return np.arange(len(frame))
    if not np.asarray(weight).any():
        what = "Sample weights must contain at least one non-zero number"  # as scikit-learn says it
        raise ArgumentError(what, where="sample_weight", hint="give some rows a weight above 0")
    weights = _check_sample_weight(weight, frame, dtype=np.float64, ensure_non_negative=True)
    if (weights == np.rint(weights)).all() and weights.sum() <= MAX_REPEATS * len(weights):
        return np.repeat(np.arange(len(weights)), weights.astype(np.int64))
    upto = np.cumsum(weights / weights.sum() * len(weights))
    marks = np.floor(upto - upto[-1] + len(weights) + np.random.default_rng(seed).random())
    return np.repeat(np.arange(len(weights)), np.diff(marks, prepend=0.0).astype(np.int64))


def _column(frame: pd.DataFrame, y: Any) -> np.ndarray:
    if y is None:
        raise ArgumentError("fit requires y to be passed, but the target y is None", where="y", hint="fit(X, y)")
    column = column_or_1d(y, warn=True)
    check_consistent_length(frame, column)
    return column


def _absent(column: np.ndarray) -> Bool[np.ndarray, " n"]:
    return np.asarray(pd.isna(column), dtype=bool)
