"""Reference values for table, series and likelihood metrics: `python benchmarks/parity/tables.py`.

Needs sdmetrics, scikit-learn, statsmodels, scoringrules and torchmetrics. Writes tests/metrics/reference/tables.json;
the test imports the inputs from here, so that both sides see the same numbers.
"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

OUT = Path(__file__).parents[2] / "tests" / "metrics" / "reference" / "tables.json"
TABLES = ("wine", "diabetes", "synthetic with missing values")
SERIES = ("autoregressive series", "digits as series")
FORECASTS = ("gaussian forecasts", "diabetes resampled")
CONFIDENCES = ("uniform confidences", "breast cancer logistic")
BINS = 15
LAGS = 12


def tables(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A real and a generated table: columns x, y, z (numbers), kind and size (text)."""
    if name == "synthetic with missing values":
        return _synthetic(400, 1), _synthetic(300, 2)
    if name == "wine":
        x = load_wine().data
        frame = pd.DataFrame({"x": x[:, 0], "y": x[:, 6], "z": x[:, 12]})
        frame["kind"] = np.array(["low", "mid", "high"], dtype=object)[load_wine().target]
    else:
        x = load_diabetes(scaled=False).data
        frame = pd.DataFrame({"x": x[:, 0], "y": x[:, 2], "z": x[:, 5]})
        frame["kind"] = np.where(x[:, 1] == 1, "low", "high").astype(object)
    frame["size"] = np.digitize(frame["y"], np.quantile(frame["y"], [0.3, 0.7])).astype(str).astype(object)
    fake = frame.iloc[1::2].reset_index(drop=True)
    fake["x"] = 1.02 * fake["x"]  # so that some values lie beyond the real range
    return frame.iloc[::2].reset_index(drop=True), fake


def _synthetic(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 1] += 0.8 * x[:, 0]
    x[:, 2] = np.exp(x[:, 2])
    x[rng.random((n, 3)) < 0.1] = np.nan
    kind = np.array(["low", "mid", "high"], dtype=object)[rng.integers(0, 3, n)]
    size = np.array(["0", "1"], dtype=object)[(rng.random(n) < 0.3).astype(int)]
    kind[rng.random(n) < 0.05] = None
    return pd.DataFrame({"x": x[:, 0], "y": x[:, 1], "z": x[:, 2], "kind": kind, "size": size})


def series(name: str) -> np.ndarray:
    """(n, t, c) with n 5, t 64, c 2."""
    if name == "digits as series":
        return load_digits().data[:10].reshape(5, 2, 64).transpose(0, 2, 1).copy()
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(5, 64, 2))
    x = np.zeros_like(noise)
    for t in range(64):
        x[:, t] = 0.6 * x[:, t - 1] - 0.3 * x[:, t - 2] + noise[:, t] if t > 1 else noise[:, t]
    x[..., 1] += 0.5 * x[..., 0]
    return x


def forecasts(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Observations and 20 samples for each."""
    rng = np.random.default_rng(4)
    if name == "gaussian forecasts":
        return rng.normal(size=200), rng.normal(0.3, 1.5, size=(200, 20))
    target = load_diabetes().target
    return target, target[rng.integers(0, len(target), size=(len(target), 20))]


def confidences(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and whether each prediction was right."""
    rng = np.random.default_rng(5)
    if name == "uniform confidences":
        p = rng.random(1000)
        return p, rng.random(1000) < p**1.3
    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(0)) / x.std(0)
    p = LogisticRegression(C=0.01).fit(x[::2, :4], y[::2]).predict_proba(x[1::2, :4])[:, 1]
    return p, y[1::2] == 1


def judged(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number tables of as many training, generated and test rows; the first column is to be predicted by TSTR."""
    data = load_breast_cancer().data[:, :6] if name == "breast cancer" else load_diabetes().data[:, 2:8]
    rng = np.random.default_rng(6)
    rows = rng.permutation(len(data))
    third = len(data) // 3
    train, test = data[rows[:third]], data[rows[third : 2 * third]]
    fake = data[rows[2 * third : 3 * third]] + 0.5 * data.std(0) * rng.normal(size=(third, data.shape[1]))
    return train, fake, test


def c2st_auc(real: np.ndarray, fake: np.ndarray, *, seed: int) -> float:
    """Mean AUC over five stratified folds of boosted trees."""
    x, y = np.concatenate([real, fake]), np.repeat([0, 1], [len(real), len(fake)])
    aucs = []
    for fit, held in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
        trees = HistGradientBoostingClassifier(early_stopping=False, random_state=seed).fit(x[fit], y[fit])
        aucs.append(roc_auc_score(y[held], trees.predict_proba(x[held])[:, 1]))
    return float(np.mean(aucs))


def tstr_gap(train: np.ndarray, fake: np.ndarray, test: np.ndarray, *, category: bool, seed: int) -> float:
    """Relative loss on the first column (above its training median, or itself), mean of three learners, in percent."""
    gaps = []
    cut = np.median(train[:, 0])
    spread, centre = test[:, 0].std(), test[:, 0].mean()
    for learner in range(3):
        quality = []
        for rows in (train, fake):
            x, x_test = (rows[:, 1:], test[:, 1:]) if learner < 2 else _normal_scores(rows[:, 1:], test[:, 1:])
            if category:
                models = HistGradientBoostingClassifier, RandomForestClassifier
                model = _model(*models, LogisticRegression(max_iter=300), learner, seed).fit(x, rows[:, 0] > cut)
                quality.append(roc_auc_score(test[:, 0] > cut, model.predict_proba(x_test)[:, 1]))
            else:
                models = HistGradientBoostingRegressor, RandomForestRegressor
                model = _model(*models, Ridge(alpha=1.0), learner, seed).fit(x, (rows[:, 0] - centre) / spread)
                quality.append(np.sqrt(np.mean((model.predict(x_test) - (test[:, 0] - centre) / spread) ** 2)))
        gaps.append(1 - quality[1] / quality[0] if category else quality[1] / quality[0] - 1)
    return float(100 * np.mean(gaps))


def _model(trees: Any, forest: Any, linear: Any, learner: int, seed: int) -> Any:
    if learner == 0:
        return trees(early_stopping=False, random_state=seed)
    return forest(50, min_samples_leaf=5, random_state=seed) if learner == 1 else linear


def _normal_scores(x: np.ndarray, x_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:

    points = [np.zeros_like(x), np.zeros_like(x_test)]
    for j in range(x.shape[1]):
        order = np.argsort(x[:, j])
        share = (rankdata(x[:, j]) - 0.5)[order] / len(x)
        edge = 0.5 / len(x)
        for part, out in zip((x, x_test), points):
            at = np.interp(part[:, j], x[order, j], share, left=edge, right=1 - edge)
            out[:, j] = norm.ppf(np.clip(at, edge, 1 - edge))
    return points[0], points[1]


def case(metric: str, data: str, package: str, value: Any, tolerance: float, **recipe: Any) -> dict[str, Any]:
    """One frozen value."""
    value = np.asarray(value, dtype=np.float64)
    return {
        "metric": metric,
        "data": data,
        "reference": f"{package} {version(package)}",
        "tolerance": tolerance,
        "kind": "abs",
        "value": float(value) if value.ndim == 0 else value.tolist(),
        **recipe,
    }


def table_cases() -> Iterator[dict[str, Any]]:
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
    from sdmetrics.single_column import KSComplement, TVComplement

    for name in TABLES:
        real, fake = tables(name)
        for column in ("x", "y", "z"):
            value = KSComplement.compute(real[column], fake[column])
            yield case("KSComplement", name, "sdmetrics", value, 1e-9, columns=[column])
        for column in ("kind", "size"):
            value = TVComplement.compute(real[column], fake[column])
            yield case("TVComplement", name, "sdmetrics", value, 1e-9, columns=[column])
        for columns in (["x", "y"], ["x", "z"], ["y", "z"]):
            for kind in ("Pearson", "Spearman"):
                value = CorrelationSimilarity.compute(real[columns], fake[columns], coefficient=kind)
                found = case("CorrelationSimilarity", name, "sdmetrics", value, 1e-9, columns=columns)
                yield found | {"coefficient": kind.lower()}
        for columns, numbers in ((["kind", "size"], None), (["x", "kind"], ["x"]), (["z", "size"], ["z"])):
            value = ContingencySimilarity.compute(
                real[columns].copy(), fake[columns].copy(), continuous_column_names=numbers
            )
            yield case("ContingencySimilarity", name, "sdmetrics", value, 1e-9, columns=columns)
        known = real[["kind", "size"]].dropna()
        for mean in ("arithmetic", "geometric", "min", "max"):
            value = normalized_mutual_info_score(known["kind"], known["size"], average_method=mean)
            yield case("NMI", name, "scikit-learn", value, 1e-12, columns=["kind", "size"], mean=mean)


def series_cases() -> Iterator[dict[str, Any]]:
    from statsmodels.tsa.stattools import acf, ccf, pacf

    for name in SERIES:
        x = series(name)
        for adjusted in (False, True):
            estimator = "adjusted" if adjusted else "unadjusted"
            each = [[acf(x[i, :, c], adjusted=adjusted, nlags=LAGS)[1:] for c in (0, 1)] for i in range(len(x))]
            yield case("ACF", name, "statsmodels", np.swapaxes(each, 1, 2), 1e-10, estimator=estimator, lags=LAGS)
            method = "ywadjusted" if adjusted else "ywm"
            each = [[pacf(x[i, :, c], method=method, nlags=LAGS)[1:] for c in (0, 1)] for i in range(len(x))]
            yield case("PACF", name, "statsmodels", np.swapaxes(each, 1, 2), 1e-10, estimator=estimator, lags=LAGS)
            ahead = [ccf(v[:, 0], v[:, 1], adjusted=adjusted)[: LAGS + 1] for v in x]
            behind = [ccf(v[:, 1], v[:, 0], adjusted=adjusted)[LAGS:0:-1] for v in x]
            both = np.concatenate([behind, ahead], axis=1)[..., None]
            yield case("CCF", name, "statsmodels", both, 1e-10, estimator=estimator, lags=LAGS)


def likelihood_cases() -> Iterator[dict[str, Any]]:
    import scoringrules
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    for name in FORECASTS:
        observed, samples = forecasts(name)
        for ours, theirs in (("fair", "fair"), ("empirical", "nrg"), ("probability-weighted moments", "pwm")):
            value = scoringrules.crps_ensemble(observed, samples, estimator=theirs).mean()
            yield case("CRPS", name, "scoringrules", value, 1e-8, ensemble=ours)
        value = scoringrules.crps_normal(observed, samples.mean(1), samples.std(1)).mean()
        yield case("Gaussian CRPS", name, "scoringrules", value, 1e-8)
    for name in CONFIDENCES:
        p, right = confidences(name)
        value = binary_calibration_error(torch.tensor(p), torch.tensor(right).long(), n_bins=BINS, norm="l1")
        yield case("ECE", name, "torchmetrics", float(value), 1e-6, binning="equal width")
        yield case("ECE", name, "scikit-learn", _equal_mass_ece(p, right), 1e-12, binning="equal mass")


def _equal_mass_ece(p: np.ndarray, right: np.ndarray) -> float:
    from sklearn.calibration import calibration_curve

    shares, means = calibration_curve(right, p, n_bins=BINS, strategy="quantile")
    edges = np.percentile(p, np.linspace(0, 100, BINS + 1))
    counts = np.bincount(np.searchsorted(edges[1:-1], p), minlength=BINS)
    return float(np.sum(counts[counts > 0] / len(p) * np.abs(shares - means)))


def judge_cases() -> Iterator[dict[str, Any]]:
    for name in ("breast cancer", "diabetes"):
        train, fake, test = judged(name)
        yield case("C2ST AUC", name, "scikit-learn", c2st_auc(test, fake, seed=0), 1e-9, seed=0)
        for category in (True, False):
            kind = "category" if category else "number"
            value = tstr_gap(train, fake, test, category=category, seed=0)
            yield case("TSTR gap", name, "scikit-learn", value, 1e-9, seed=0, target=kind)


def main() -> None:
    packages = ("sdmetrics", "scikit-learn", "statsmodels", "scoringrules", "torchmetrics")
    cases = [*table_cases(), *series_cases(), *likelihood_cases(), *judge_cases()]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"package": {p: version(p) for p in packages}, "cases": cases}) + "\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
