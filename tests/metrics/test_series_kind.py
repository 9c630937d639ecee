"""Series that are evaluated: real ones pass, spoilt ones do not, and forecasts are held against simple ones."""

import numpy as np
import pandas as pd

import genwright as gw
from genwright.metrics.forecasts import crps, rivals, task_of
from genwright.metrics.series_arrays import filled
from genwright.metrics.series_baselines import series_baselines
from genwright.rating.media import KINDS as RATED
from genwright.report.measured import evaluation_page
from tests.model.test_series import waves


def devices(n: int, seed: int) -> gw.Dataset:
    """Series of two sensors, the second following the first."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, 16))
    for t in range(16):
        x[:, t] = rng.normal(size=n) if t == 0 else 0.8 * x[:, t - 1] + 0.6 * rng.normal(size=n)
    y = np.roll(x, 1, axis=1) + 0.1 * rng.normal(size=x.shape)
    frame = pd.DataFrame({"id": np.repeat([f"d{i}" for i in range(n)], 16), "t": np.tile(np.arange(16), n)})
    return gw.read(frame.assign(x=x.ravel(), y=y.ravel()), series="time=t,entity=id")


def test_real_series_pass_and_those_of_single_sensors_do_not():
    real, other, train = devices(60, 0), devices(60, 1), devices(80, 2)
    found = gw.evaluate(other, real=real, train=train, seconds=60)
    score = found["C2ST"]
    assert score.value > 0.5 and score.baseline < 0.2
    for name in ("marginal error", "ACF error", "cross-correlation error", "context Frechet distance"):
        assert name in found, found.notes
    assert found["cross-correlation error"].baseline > 2 * found["cross-correlation error"].value
    html = evaluation_page(found, fake=other, real=real, train=train, name="devices")
    assert "series" in html and html.count("<svg") >= 3
    pictures = RATED[real.kind].of(real, [0, 1])
    assert pictures[0].shape == pictures[1].shape and pictures[0].shape[2] == 3


def test_gaps_are_filled_on_lines():
    x = np.array([[[np.nan, 1.0], [2.0, np.nan], [np.nan, 3.0], [4.0, np.nan]]])
    assert filled(x)[0].T.tolist() == [[2.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0]]


def test_the_baseline_keeps_values_and_memory_of_single_sensors():
    train = devices(200, 0)
    fake = next(iter(series_baselines(train).values()))(train, 300, np.random.default_rng(0))
    own, drawn = (np.concatenate([rows[:, 1] for rows in data.columns["series"]]) for data in (train, fake))
    assert abs(own.std() - drawn.std()) < 0.1
    pairs = np.concatenate([np.stack([rows[:-1, 1], rows[1:, 1]]) for rows in fake.columns["series"]], axis=1)
    assert abs(np.corrcoef(pairs)[0, 1] - 0.8) < 0.05


def test_crps_of_an_ensemble_is_that_of_its_distribution():
    rng = np.random.default_rng(0)
    found = crps(rng.normal(size=(1, 4000, 1, 1)), np.zeros((1, 1, 1))).item()
    assert abs(found - (np.sqrt(2) - 1) / np.sqrt(np.pi)) < 0.01  # Gneiting and Raftery 2007, of N(0, 1) at 0


def test_simple_forecasts_are_ranked_as_they_should_be():
    data = waves(600)
    task = task_of(data.media, data.test, data.train, horizon=6, most=20, seed=0)
    scores = {name: crps(x, task.truth).mean() for name, x in rivals(task, draws=10, seed=0).items()}
    assert set(scores) == {"persistence", "linear model"} and scores["linear model"] < 0.1 * scores["persistence"]
