"""Shape and trend against scipy, pandas and counting by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from genwright.data.align import aligned
from genwright.data.dataset import Category, Constant, Dataset, Number
from genwright.errors import DataError
from genwright.metrics.dependence import mutual_information_error
from genwright.metrics.tables import Binning, Missing, shape_error, shape_errors, trend_error, trend_errors
from genwright.scores.intervals import jackknife_error
from tests.metrics.records import independent, table


def test_identical_tables_have_no_error():
    real = table(300)
    assert shape_error(real, real).value == 0
    assert trend_error(real, real).value < 1e-9


def test_shape_is_kolmogorov_smirnov_and_total_variation():
    real, fake = table(400), table(300, seed=1, dependence=0.5)
    errors = shape_errors(real, fake)
    assert np.isclose(errors["x"], 100 * ks_2samp(real.columns["x"], fake.columns["x"]).statistic)
    y, z = (d.columns["y"][~np.isnan(d.columns["y"])] for d in (real, fake))
    assert np.isclose(errors["y"], 100 * ks_2samp(y, z).statistic)
    large = [np.mean(d.columns["size"] == "large") for d in (real, fake)]
    assert np.isclose(errors["size"], 100 * abs(large[0] - large[1]))
    assert np.isclose(shape_error(real, fake).value, np.mean(list(errors.values())))


def test_a_number_missing_more_often_shows_in_its_shape():
    real = table(400)
    columns = {**real.columns, "x": np.where(np.arange(400) % 2 == 0, np.nan, real.columns["x"])}
    assert np.isclose(shape_errors(real, replace(real, columns=columns))["x"], 50)


def test_trend_is_correlation_and_contingency():
    real, fake = table(500), table(400, seed=1, dependence=0.2)
    errors = trend_errors(real, fake).set_index(["first", "second"])
    r, s = (pd.DataFrame({k: d.columns[k] for k in ("x", "y")}).corr().loc["x", "y"] for d in (real, fake))
    assert np.isclose(errors.loc[("x", "y"), "error"], 50 * abs(r - s))
    assert np.isclose(errors.loc[("size", "label"), "error"], 100 * _contingency(real, fake))
    assert len(errors) == 10 and set(errors["kind"]) == {"correlation", "contingency"}
    assert np.isclose(trend_error(real, fake).value, errors["error"].mean())


def _contingency(real: Dataset, fake: Dataset) -> float:
    counts = [pd.crosstab(d.columns["size"], d.columns["label"], normalize=True).to_numpy() for d in (real, fake)]
    return float(np.abs(counts[0] - counts[1]).sum() / 2)


def test_bins_of_mixed_pairs():
    rng = np.random.default_rng(0)
    fields = (Number("v"), Category("c", ("a", "b")))

    def data(v):
        return Dataset(fields, {"v": v, "c": np.where(rng.random(len(v)) < 0.5, "a", "b").astype(object)})

    real = data(rng.uniform(0, 1, 20_000))
    shifted = data(rng.uniform(0, 1, 20_000) * 3 + 7)
    assert np.isclose(trend_errors(real, shifted)["error"][0], 100)
    assert trend_errors(real, shifted, binning=Binning.OWN_RANGE)["error"][0] < 3  # its own range hides the shift


def test_noise_increases_errors_and_intervals_hold_the_value():
    real = table(1500)
    shapes, trends = [], []
    for noise in (0.0, 0.3, 1.0, 3.0):
        fake = table(1500, seed=5)
        rng = np.random.default_rng(0)
        fake = replace(fake, columns={**fake.columns, "x": fake.columns["x"] + noise * rng.normal(size=1500)})
        for scores, score in ((shapes, shape_error(real, fake)), (trends, trend_error(real, fake))):
            scores.append(score.value)
            assert score.interval is not None and score.interval[0] <= score.value <= score.interval[1]
    assert shapes == sorted(shapes) and trends == sorted(trends)
    assert trend_error(real, independent(real, 1500)).value > 5 * trend_error(real, table(1500, seed=9)).value


def test_interval_width_matches_simulation():
    real = table(400)
    scores = [trend_error(table(400, seed=s), table(400, seed=1000 + s, dependence=0.5)) for s in range(60)]
    spread = np.std([score.value for score in scores])
    half = np.mean([(score.interval[1] - score.interval[0]) / 2 / 1.96 for score in scores])
    assert 0.7 < half / spread < 1.5
    assert real.name == "table"


@pytest.mark.parametrize("metric", [shape_error, trend_error])
def test_replicates_hold_the_error_and_the_interval_is_not_symmetric(metric):
    score = metric(table(400), table(300, seed=1, dependence=0.6))
    assert len(score.replicates.real) == len(score.replicates.fake) == 20
    low, high = score.interval
    assert 0 < low < score.value < high and high - score.value > score.value - low
    assert 0.3 < (high - low) / (2 * 2.1 * score.replicates.error) < 1.7


def test_two_generators_are_compared_on_shared_real_rows():
    real = table(500)
    good, bad = (trend_error(real, table(500, seed=s, dependence=d)) for s, d in ((1, 0.9), (2, 0.3)))
    alone = [np.hypot(good.replicates.error, bad.replicates.error)]
    real_part = np.subtract(bad.replicates.real, good.replicates.real)
    shared = np.sqrt(
        jackknife_error(real_part) ** 2
        + jackknife_error(np.array(good.replicates.fake)) ** 2
        + jackknife_error(np.array(bad.replicates.fake)) ** 2
    )
    assert shared < 1.2 * alone[0] and bad.value - good.value > 4 * shared


def test_missing_values_counted_or_dropped():
    real = table(400)
    half = np.arange(400) % 2 == 0
    fake = replace(
        real,
        columns={
            **real.columns,
            "x": np.where(half, np.nan, real.columns["x"]),
            "size": np.where(half, None, real.columns["size"]),
        },
    )
    counted, dropped = (shape_errors(real, fake, missing=m) for m in Missing)
    assert np.isclose(counted["x"], 50) and np.isclose(counted["size"], 50)
    assert dropped["x"] < 10 and dropped["size"] < 5
    trends = [trend_errors(real, fake, missing=m).set_index(["first", "second"]).error["x", "y"] for m in Missing]
    assert trends[0] > 40 > 5 > trends[1]
    assert "dropped" in shape_error(real, fake, missing=Missing.DROPPED).signature
    nothing = replace(real, columns={**real.columns, "size": np.full(400, None)})
    with pytest.raises(DataError, match="known value"):
        shape_errors(real, nothing, missing=Missing.DROPPED)


def test_many_levels_do_not_need_a_table_of_all_pairs():
    rng = np.random.default_rng(0)
    levels = np.array([f"v{i}" for i in range(5000)], dtype=object)
    fields = (Category("a", tuple(levels)), Category("b", tuple(levels)))
    data = Dataset(fields, {k: levels[rng.integers(0, 5000, 3000)] for k in "ab"})
    assert trend_error(data, data).value == 0


def test_the_real_fields_are_the_authority():
    real = table(50)
    collapsed = replace(
        real,
        fields=tuple(Constant(f.name, "large") if f.name == "size" else f for f in real.fields),
        columns={**real.columns, "size": np.array(["large"] * 50, dtype=object)},
    )
    assert shape_errors(real, collapsed)["size"] > 0
    as_text = replace(
        real,
        fields=(Category("x"), *real.fields[1:]),
        columns={**real.columns, "x": np.array([repr(float(v)) for v in real.columns["x"]], dtype=object)},
    )
    assert shape_errors(real, as_text)["x"] == 0
    coded = Dataset((Category("k", ("1", "2"), "int"),), {"k": np.array(["1", "2"], dtype=object)})
    numbers = Dataset((Number("k"),), {"k": np.array([1.0, 2.0])})
    assert list(aligned(numbers, coded).columns["k"]) == ["1", "2"]


def test_mistakes_are_named():
    real = table(50)
    with pytest.raises(DataError, match="lacks 'day'"):
        shape_error(real, real.select(["x", "y", "size", "label"]))
    wrong = replace(real, fields=(Category("x"), *real.fields[1:]), columns={**real.columns, "x": real.columns["size"]})
    with pytest.raises(DataError, match="'x' holds category"):
        shape_error(real, wrong)
    with pytest.raises(DataError, match="two columns"):
        trend_error(real.select(["x"]), real)
    with pytest.raises(DataError, match="too few"):
        shape_error(real, real.take(slice(0, 1)))


def test_of_wide_tables_the_pairs_of_some_columns_are_looked_at_and_that_is_said(monkeypatch):
    monkeypatch.setattr("genwright.metrics.tables.MAX_PAIRED", 10)
    rng = np.random.default_rng(0)
    fields = tuple(Number(f"x{i}") for i in range(1200))
    real, fake = (Dataset(fields, {f.name: rng.normal(size=60) for f in fields}, name="wide") for _ in range(2))
    for metric in (trend_error, mutual_information_error):
        score = metric(real, fake)
        assert "all pairs of 10 of 1,200 columns" in score.signature and score.value > 0
        assert metric(real, fake, seed=1).value != score.value
        assert "all pairs, " in metric(real.select(["x0", "x1"]), fake.select(["x0", "x1"])).signature
