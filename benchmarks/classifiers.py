"""Classifiers and a regressor from densities beside discriminative ones, on rows that no fit has seen.

python -m benchmarks.classifiers                                    every setting below, one seed
python -m benchmarks.classifiers --setting labels --model tree --model logistic --seeds 3
python -m benchmarks.classifiers --setting curve --rows 100 --rows 1000

Settings, on Adult: `curve` (complete rows, 100 up to all for training), `missing` (30 % of all inputs hidden, in
training and test rows), `labels` (2 % of the labels known); and `regression`: the hourly rentals of bike sharing from
weather and calendar. Seconds are of the processor.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import genwright as gw
from benchmarks.common import data_file, record

TESTED = 4000
TRAINED = 8000  # rows where the setting is not about their number
CURVE = (100, 300, 1000, 3000, 10_000, 32_561)
HIDDEN, LABELLED = 0.3, 0.02
NUMBERS, OTHERS = make_column_selector(dtype_include=np.number), make_column_selector(dtype_exclude=np.number)
Table = tuple[pd.DataFrame, np.ndarray]


def encoded(model: Any) -> Any:
    """Numbers standardised, gaps filled and marked, categories one-hot, for linear models."""
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    return make_pipeline(make_column_transformer((numbers, NUMBERS), (levels, OTHERS)), model)


def ordinal(model: Callable[[list[bool]], Any], frame: pd.DataFrame) -> Any:
    """Categories as numbers that boosted trees are told of."""
    levels = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=250
    )
    flags = [False] * len(NUMBERS(frame)) + [True] * len(OTHERS(frame))
    return make_pipeline(make_column_transformer(("passthrough", NUMBERS), (levels, OTHERS)), model(flags))


CLASSIFIERS: dict[str, Callable[[pd.DataFrame, int], Any]] = {
    "tree": lambda x, seed: gw.Classifier(gw.TreeMixture(states=64), seed=seed),
    "corrected tree": lambda x, seed: gw.Classifier(gw.TreeMixture(states=64), correction=0.1, seed=seed),
    "plain tree": lambda x, seed: gw.Classifier(gw.TreeMixture(states=64), correction=0.0, seed=seed),
    "mixture": lambda x, seed: gw.Classifier(gw.Mixture(), density="joint", seed=seed),
    "autoregressive": lambda x, seed: gw.Classifier(gw.Autoregressive(), density="joint", seed=seed),
    "logistic": lambda x, seed: encoded(LogisticRegression(max_iter=1000)),
    "boosting": lambda x, seed: ordinal(
        lambda flags: HistGradientBoostingClassifier(
            categorical_features=flags, early_stopping=True, random_state=seed
        ),
        x,
    ),
}
REGRESSORS: dict[str, Callable[[pd.DataFrame, int], Any]] = {
    "tree": lambda x, seed: gw.Regressor(gw.TreeMixture(states=64), seed=seed),
    "mixture": lambda x, seed: gw.Regressor(gw.Mixture(), seed=seed),
    "autoregressive": lambda x, seed: gw.Regressor(gw.Autoregressive(), seed=seed),
    "linear": lambda x, seed: encoded(LinearRegression()),
    "boosting": lambda x, seed: ordinal(
        lambda flags: HistGradientBoostingRegressor(categorical_features=flags, random_state=seed), x
    ),
}
DENSITIES = ("tree", "corrected tree", "plain tree", "mixture", "autoregressive")
SETTINGS = ("curve", "missing", "labels", "regression")


def main() -> None:
    """Every model in every setting asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", action="append", choices=SETTINGS, help="Default: all. Repeatable.")
    parser.add_argument("--model", action="append", choices=sorted({*CLASSIFIERS, *REGRESSORS}), help="Repeatable.")
    parser.add_argument("--rows", action="append", type=int, help="Of the curve. Repeatable.")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for seed in range(options.seeds):
        for setting in options.setting or SETTINGS:
            sizes = (options.rows or CURVE) if setting == "curve" else (TRAINED,)
            for rows in sizes:
                (regressed if setting == "regression" else classified)(setting, rows, seed, options.model)


def adult(rows: int, seed: int) -> tuple[Table, Table]:
    """Random rows of the training file, and of the test file."""
    parts = []
    for name, n in (("train", rows), ("test", TESTED)):
        path = data_file(f"table_adult/adult_{name}.csv.gz")
        frame = pd.read_csv(path, skipinitialspace=True, na_values="?").sample(n, random_state=seed)
        label = frame.pop(frame.columns[-1]).str.strip(". ").to_numpy(str)
        parts.append((frame, label))
    return parts[0], parts[1]


def classified(setting: str, rows: int, seed: int, models: Sequence[str] | None) -> None:
    """Adult's income: accuracy, log-loss and area under the curve."""
    (x, y), (x_test, y_test) = adult(rows, seed)
    rng = np.random.default_rng(seed)
    if setting == "missing":
        x, x_test = (each.mask(rng.random(each.shape) < HIDDEN) for each in (x, x_test))
    known = rng.random(rows) < LABELLED if setting == "labels" else np.ones(rows, dtype=bool)
    for name, build in CLASSIFIERS.items():
        if models and name not in models:
            continue
        partly = name in DENSITIES and not known.all()
        began = time.process_time()
        train = (x, np.where(known, y.astype(object), None)) if partly else (x[known], y[known])
        model = build(train[0], seed).fit(*train)
        fitted = time.process_time()
        law = np.clip(model.predict_proba(x_test), 1e-12, 1)
        measured = {
            "accuracy": round(accuracy_score(y_test, model.classes_[law.argmax(axis=1)]), 4),
            "log-loss": round(log_loss(y_test, law), 4),
            "AUC": round(roc_auc_score(y_test == model.classes_[1], law[:, 1]), 4),
            "fit_seconds": round(fitted - began, 1),
            "predict_seconds": round(time.process_time() - fitted, 1),
        }
        record("classifiers", {"setting": setting, "rows": rows, "model": name, "seed": seed}, measured)


def regressed(setting: str, rows: int, seed: int, models: Sequence[str] | None) -> None:
    """Hourly rentals: root mean square error and R² of the mean, and how often 90 % intervals hold the truth."""
    frame = pd.read_csv(data_file("table2_bike_sharing/hour.csv.gz")).drop(columns=["instant", "casual", "registered"])
    frame["month day"] = pd.to_datetime(frame.pop("dteday")).dt.day
    frame = frame.sample(rows + TESTED, random_state=seed)
    y = frame.pop("cnt").to_numpy(float)
    for name, build in REGRESSORS.items():
        if models and name not in models:
            continue
        began = time.process_time()
        model = build(frame[:rows], seed).fit(frame[:rows], y[:rows])
        fitted = time.process_time()
        error = model.predict(frame[rows:]) - y[rows:]
        measured = {"RMSE": round(float(np.sqrt((error**2).mean())), 2)}
        measured["R2"] = round(1 - float((error**2).mean() / y[rows:].var()), 4)
        if name in DENSITIES:
            low, high = model.predict_quantiles(frame[rows:], [0.05, 0.95]).T
            measured["90 % intervals hold"] = round(float(((y[rows:] >= low) & (y[rows:] <= high)).mean()), 4)
        measured |= {"fit_seconds": round(fitted - began, 1), "all_seconds": round(time.process_time() - began, 1)}
        record("regressors", {"setting": setting, "rows": rows, "model": name, "seed": seed}, measured)


if __name__ == "__main__":
    main()
