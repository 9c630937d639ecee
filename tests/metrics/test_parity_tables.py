"""Table, series and likelihood metrics against their reference packages (`python benchmarks/parity/tables.py`)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.parity import tables as recipes
from experiments.similarity import correlation_similarity

from experiments import calibration
from genwright.data.dataset import Category, Dataset, Number
from genwright.metrics import judges, series
from genwright.metrics.dependence import Normalisation, normalized_mutual_information
from genwright.metrics.tables import Binning, Missing, shape_errors, trend_errors

REFERENCE = json.loads((Path(__file__).parent / "reference" / "tables.json").read_text())
ESTIMATORS = {"unadjusted": series.Estimator.UNADJUSTED, "adjusted": series.Estimator.ADJUSTED}
MEANS = {
    "arithmetic": Normalisation.ARITHMETIC,
    "geometric": Normalisation.GEOMETRIC,
    "min": Normalisation.SMALLER,
    "max": Normalisation.LARGER,
}


def dataset(frame: pd.DataFrame) -> Dataset:
    numbers = [c for c in frame if frame[c].dtype.kind == "f"]
    fields = tuple(Number(c) if c in numbers else Category(c, tuple(sorted(set(frame[c].dropna())))) for c in frame)
    columns = {c: frame[c].to_numpy(np.float64 if c in numbers else object) for c in frame}
    return Dataset(fields, {k: v if k in numbers else np.where(pd.isna(v), None, v) for k, v in columns.items()})


def of_columns(case: dict) -> float:
    real, fake = (frame[case["columns"]] for frame in recipes.tables(case["data"]))
    if case["metric"] == "NMI":
        codes = (pd.factorize(real.dropna()[c])[0] for c in real)
        return normalized_mutual_information(*codes, normalisation=MEANS[case["mean"]])
    if case["metric"] == "CorrelationSimilarity" and case["coefficient"] == "spearman":
        return correlation_similarity(real.to_numpy(), fake.to_numpy(), coefficient="spearman")
    data = dataset(real), dataset(fake)
    if case["metric"] in ("KSComplement", "TVComplement"):
        return 1 - shape_errors(*data, missing=Missing.DROPPED)[case["columns"][0]] / 100
    error = trend_errors(*data, binning=Binning.OPEN_ENDS, missing=Missing.DROPPED)["error"][0]
    if case["metric"] == "CorrelationSimilarity":
        assert np.isclose(correlation_similarity(real.to_numpy(), fake.to_numpy()), 1 - error / 100, atol=1e-12)
    return 1 - error / 100


def of_series(case: dict) -> np.ndarray:
    functions = {
        "ACF": series.autocorrelation,
        "PACF": series.partial_autocorrelation,
        "CCF": series.cross_correlation,
    }
    estimator = ESTIMATORS[case["estimator"]]
    return functions[case["metric"]](recipes.series(case["data"]), lags=case["lags"], estimator=estimator)


def of_likelihoods(case: dict) -> float:
    if case["metric"] == "ECE":
        binning = calibration.Bins(case["binning"])
        return calibration.ece(*recipes.confidences(case["data"]), bins=recipes.BINS, binning=binning).value / 100
    observed, samples = recipes.forecasts(case["data"])
    if case["metric"] == "CRPS":
        return calibration.crps(observed, samples, ensemble=calibration.Ensemble(case["ensemble"])).value
    return float(calibration.crps_gaussian(observed, samples.mean(1), samples.std(1)).mean())


def columns(x: np.ndarray, cut: float, named: bool) -> dict[str, np.ndarray]:
    first = np.where(x[:, 0] > cut, "yes", "no").astype(object) if named else x[:, 0]
    return {"v0": first, **{f"v{i}": x[:, i] for i in range(1, 6)}}


def of_judges(case: dict) -> float:
    tables = recipes.judged(case["data"])
    cut = np.median(tables[0][:, 0])
    named = case.get("target") == "category"
    fields = (Category("v0", ("no", "yes")) if named else Number("v0"), *(Number(f"v{i}") for i in range(1, 6)))
    train, fake, test = (Dataset(fields, columns(x, cut, named)) for x in tables)
    if case["metric"] == "TSTR gap":
        return judges.tstr_gap(train, fake, test=test, target="v0", refits=0, seed=case["seed"]).value
    return judges.table_look(test, fake, seed=case["seed"]).auc


MEASURES = {
    **dict.fromkeys(("KSComplement", "TVComplement", "CorrelationSimilarity", "ContingencySimilarity"), of_columns),
    "NMI": of_columns,
    **dict.fromkeys(("ACF", "PACF", "CCF"), of_series),
    **dict.fromkeys(("CRPS", "Gaussian CRPS", "ECE"), of_likelihoods),
    **dict.fromkeys(("C2ST AUC", "TSTR gap"), of_judges),
}


def difference(case: dict) -> float:
    """The largest difference from the frozen value."""
    return float(np.max(np.abs(np.asarray(MEASURES[case["metric"]](case)) - np.asarray(case["value"]))))


@pytest.mark.parametrize("metric", MEASURES)
def test_agrees_with_its_reference(metric):
    cases = [case for case in REFERENCE["cases"] if case["metric"] == metric]
    assert len({case["data"] for case in cases}) >= 2
    for case in cases:
        assert difference(case) <= case["tolerance"], case
