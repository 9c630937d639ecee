"""Regressor: mean, spread, quantiles and density of y given x are those of known distributions."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import genwright as gw
from genwright.data.numerals import spell
from genwright.errors import ArgumentError, GenwrightError, UnsupportedError


def line(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """y = 20 + 10 x with noise of standard deviation 5."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    return x, 20 + 10 * x[:, 0] + 5 * rng.normal(size=n)


def test_a_gaussian_gives_the_regression_line_and_its_noise():
    x, y = line(3000)
    model = gw.Regressor(gw.Mixture(components=1, rank=2), steps=10).fit(x, y)
    at = np.array([[-1.0], [0.0], [1.5]])
    mean = 20 + 10 * at[:, 0]
    assert np.abs(model.predict(at) - mean).max() < 0.5
    assert np.abs(model.predict_std(at) - 5).max() < 0.3
    wanted = mean[:, None] + 5 * norm.ppf([0.1, 0.5, 0.9])
    assert np.abs(model.predict_quantiles(at, [0.1, 0.5, 0.9]) - wanted).max() < 0.8
    assert np.abs(model.log_prob(at, mean + 3) - norm.logpdf(3, scale=5)).max() < 0.1
    drawn = model.sample(at, 4000, seed=1)
    assert drawn.shape == (3, 4000) and np.abs(drawn.mean(1) - mean).max() < 0.6
    assert np.abs(drawn.std(1) - 5).max() < 0.4 and np.array_equal(drawn, model.sample(at, 4000, seed=1))
    assert model.log_density(at) == pytest.approx(norm.logpdf(at[:, 0]), abs=0.1)
    assert model.log_prob(at, np.full(3, 1e6)).max() == -np.inf


def two_sided(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Delays: none in half of the rows by train, else 10 (train) or 40 (bus) minutes on average, gamma distributed."""
    rng = np.random.default_rng(seed)
    bus = rng.random(n) < 0.5
    delay = rng.gamma(4.0, np.where(bus, 10.0, 2.5))
    delay[~bus & (rng.random(n) < 0.5)] = 0.0
    frame = pd.DataFrame({"by": np.where(bus, "bus", "train"), "wind": rng.normal(size=n).round(2)})
    return frame, delay


@pytest.mark.parametrize(
    "family",
    [gw.TreeMixture(states=8), gw.Mixture(components=6), gw.Autoregressive(width=16, depth=1)],
    ids=lambda f: f.name,
)
def test_tables_with_gaps_and_a_target_with_a_spike(family):
    frame, y = two_sided(1500)
    y[::7] = np.nan
    gaps = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.1)
    model = gw.Regressor(family, steps=300).fit(gaps, y)
    by = pd.DataFrame({"by": ["bus", "train", None], "wind": [0.0, 0.0, np.nan]})
    assert model.predict(by) == pytest.approx([40, 5, 22.5], rel=0.2)
    low, middle, high = model.predict_quantiles(by, [0.25, 0.45, 0.9]).T
    assert low[1] == middle[1] == 0.0 and (low[0] > 20) and (high > middle).all()
    assert np.exp(model.log_prob(by, np.zeros(3)))[1:] == pytest.approx([0.5, 0.25], abs=0.08)
    assert (model.sample(by, 400)[1] == 0).mean() == pytest.approx(0.5, abs=0.1)
    grid = np.linspace(0.1, 120, 300)
    mass = np.exp(model.log_prob(pd.concat([by[:1]] * len(grid)), grid)).sum() * (grid[1] - grid[0])
    assert mass == pytest.approx(1.0, abs=0.1)


def test_few_values_are_kept_as_they_are():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, 900)
    y = x + (rng.random(900) < 0.25)
    model = gw.Regressor(gw.TreeMixture(states=4), steps=240).fit(pd.DataFrame({"x": x.astype(str)}), y)
    at = pd.DataFrame({"x": ["0", "2"]})
    assert model.predict(at) == pytest.approx([0.25, 2.25], abs=0.1)
    assert set(model.sample(at, 200).ravel()) == {0, 1, 2, 3}
    assert np.exp(model.log_prob(at, [1, 2])) == pytest.approx([0.25, 0.75], abs=0.1)


def test_outliers():
    x, y = line(500)
    model = gw.Regressor(gw.Mixture(components=1), steps=5).fit(x, y)
    assert model.outlier_p_value(np.array([[9.0]]))[0] <= 1 / 51 < 0.4 < model.outlier_p_value(np.array([[0.1]]))[0]


@pytest.mark.parametrize(
    ("family", "target", "match"),
    [
        (gw.GAN(), [1.0, 2.0, 3.0, 4.0] * 10, "no density"),
        (gw.VAE(), [1.0, np.nan, 3.0, 4.0] * 10, "every row"),
        (None, [np.nan] * 40, "fewer than 2"),
    ],
)
def test_what_cannot_work_is_said_before_fitting(family, target, match):
    with pytest.raises((ArgumentError, UnsupportedError), match=match) as caught:
        gw.Regressor(family).fit(np.arange(80.0).reshape(40, 2) ** 0.5, target)
    assert caught.value.hint


def test_quantile_levels_are_chances():
    model = gw.Regressor(gw.Mixture(components=1), steps=2).fit(*line(60))
    with pytest.raises(ArgumentError, match="levels"):
        model.predict_quantiles([[0.0]], [50])


def test_amounts_as_people_write_them_are_those_amounts():
    rng = np.random.default_rng(0)
    amount = np.round(rng.lognormal(6, 1, 80), 2)
    written = [spell(f"{v:.2f}", "-1.234.567,5 €") for v in amount]
    one = gw.Regressor(gw.Mixture(components=1), steps=2).fit(pd.DataFrame({"a": written}), written)
    same = gw.Regressor(gw.Mixture(components=1), steps=2).fit(pd.DataFrame({"a": amount}), amount)
    for model in (one, same):
        predicted = [model.predict(pd.DataFrame({"a": asked})) for asked in (written[:5], amount[:5])]
        np.testing.assert_allclose(*predicted, rtol=1e-4)
    for model in (one, same):
        with pytest.raises(GenwrightError, match=r"not (a number|numeric).*'cheap'") as caught:
            model.predict(pd.DataFrame({"a": ["cheap"]}))
        assert not re.search("schema=|missing=", caught.value.hint)
    with pytest.raises(ArgumentError, match=r"is that 1234 or 1\.234"):
        one.fit(pd.DataFrame({"a": amount}), ["1,234", "2,345"] * 40)
    with pytest.raises(ArgumentError, match="an array of texts") as caught:
        one.fit(np.array(written).reshape(-1, 1).astype(object), amount)
    assert "DataFrame" in caught.value.hint
