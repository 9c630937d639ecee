"""Completed rows: drawn from the right conditional distribution, and otherwise as they were given."""

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.errors import DataError

ROWS = 1000


@pytest.fixture(scope="module")
def line():
    """y = 2 x + N(0, .5)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    return gw.read(pd.DataFrame({"x": x.round(4), "y": (2 * x + rng.normal(0, 0.5, ROWS)).round(4)}))


@pytest.mark.parametrize(
    ("family", "steps", "off", "spread"),
    [
        (gw.Copula(), 1, 0.12, 1.1),
        (gw.Autoregressive(), 400, 0.35, 1.5),  # .6 and 1.8 where tails looked alike
        (gw.Mixture(), 100, 0.5, 1.25),  # .8 and 1.8 where components were widened
    ],
    ids=["copula", "autoregressive", "mixture"],
)
def test_means_and_spreads_are_those_of_the_conditional_law(line, family, steps, off, spread):
    model = gw.fit(line, family=family, steps=steps)
    at = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    drawn = model.impute(pd.DataFrame({"x": at}), 400, seed=1).frame["y"].to_numpy().reshape(5, 400)
    assert np.abs(drawn.mean(axis=1) - 2 * at).max() < off
    assert 0.9 < np.median(drawn.std(axis=1)) / 0.5 < spread


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    frame = pd.DataFrame({"x": x, "k": rng.integers(0, 90, 400), "c": rng.choice(["a", "b"], 400)})
    return frame.assign(gap=np.where(rng.random(400) < 0.3, np.nan, x.round(3)))


@pytest.mark.parametrize("family", [gw.Mixture(components=3), gw.Copula()], ids=lambda f: f.name)
def test_rows_keep_index_order_and_further_columns(patients, family, tmp_path):
    model = gw.fit(gw.read(patients), family=family, steps=5)
    part = pd.DataFrame(
        {"note": ["u", "v", "w"], "c": ["a", None, "b"], "x": [0.25, None, -1.0], "id": [7, 8, 9], "k": [1, None, 3]},
        index=["r3", "r1", "r2"],
    )
    done = model.impute(part, 2).frame
    assert list(done.columns) == [*part.columns, "gap"]
    assert done.index.tolist() == ["r3", "r3", "r1", "r1", "r2", "r2"]
    assert done["note"].tolist() == list("uuvvww") and done["x"].to_numpy()[[0, 4]].tolist() == [0.25, -1.0]
    assert done["id"].astype(int).tolist() == [7, 7, 8, 8, 9, 9] and not done.isna().any(axis=None)
    assert model.impute(part, keep_missing=["gap"]).frame["gap"].isna().all()
    part.to_csv(tmp_path / "part.csv", index=False)
    assert model.impute(tmp_path / "part.csv").frame["note"].tolist() == ["u", "v", "w"]
    assert model.impute(gw.read(part)).take(slice(1, 3)).frame["note"].tolist() == ["v", "w"]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_numbers_are_refused_by_row(patients, value):
    model = gw.fit(gw.read(patients), family=gw.Mixture(components=2), steps=2)
    with pytest.raises(DataError, match="inf in row 2 is neither") as caught:
        model.impute(pd.DataFrame({"x": [0.5, value], "c": ["a", None]}))
    assert "'x'" in caught.value.where and caught.value.hint
