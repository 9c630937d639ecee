"""Likelihoods, bounds, CRPS and calibration against closed forms."""

import numpy as np
import pytest
from experiments.calibration import (
    Bins,
    Ensemble,
    calibration_bins,
    crps,
    crps_ensemble,
    crps_gaussian,
    ece,
    elbo,
    iwae,
    nll,
)
from scipy.stats import norm

from genwright.errors import DataError


def importance_weights(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact log p(x) and log p(x, z) - log q(z | x) where z ~ N(0, 1), x | z ~ N(z, 1) and q is too wide."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, np.sqrt(2), n)
    mean, scale = x / 2, 1.0  # the posterior is N(x / 2, 1/2)
    z = mean[:, None] + scale * rng.normal(size=(n, k))
    log_joint = norm.logpdf(z) + norm.logpdf(x[:, None], z)
    return norm.logpdf(x, 0, np.sqrt(2)), log_joint - norm.logpdf(z, mean[:, None], scale)


def test_bounds_close_in_on_the_exact_value_and_are_tagged():
    exact, weights = importance_weights(500, 512)
    truth = nll(exact)
    bounds = [elbo(weights), iwae(weights[:, :4]), iwae(weights[:, :32]), iwae(weights)]
    values = [b.value for b in bounds]
    assert values == sorted(values, reverse=True) and values[-1] - truth.value < 0.01
    gap = 0.5 * (2 - 1 - np.log(2))  # KL(N(m, 1) || N(m, 1/2))
    assert np.isclose(values[0] - truth.value, gap, atol=0.02)
    assert np.isclose(iwae(weights[:, :1]).value, elbo(weights[:, :1]).value, atol=1e-12)
    assert "exact" in truth.signature and truth.note == "exact" and np.isclose(truth.value, -exact.mean(), atol=1e-12)
    assert "bound, ELBO" in bounds[0].signature and "IWAE K=4" in bounds[1].signature
    assert bounds[1].name == "negative IWAE-4" and all("upper bound" in b.note for b in bounds)


def test_crps_against_pairs_and_closed_forms():
    rng = np.random.default_rng(1)
    y, x = rng.normal(size=50), rng.normal(size=(50, 7))
    away = np.abs(x - y[:, None]).mean(1)
    pairs = np.abs(x[:, :, None] - x[:, None, :])
    expected = {
        Ensemble.EMPIRICAL: away - pairs.mean((1, 2)) / 2,
        Ensemble.FAIR: away - pairs.sum((1, 2)) / (7 * 6) / 2,
        Ensemble.PWM: away - pairs.sum((1, 2)) / (7 * 6) / 2,
    }
    for ensemble, values in expected.items():
        assert np.allclose(crps_ensemble(y, x, ensemble=ensemble), values, atol=1e-12)
        score = crps(y, x, ensemble=ensemble)
        assert np.isclose(score.value, values.mean(), atol=1e-12) and ensemble.value in score.signature
    many = rng.normal(0.5, 2.0, size=(1, 200_000))
    closed = crps_gaussian(np.array([1.0]), np.array([0.5]), np.array([2.0]))
    assert np.allclose(crps_ensemble(np.array([1.0]), many), closed, atol=0.01)


def test_fair_crps_does_not_depend_on_the_number_of_samples():
    rng = np.random.default_rng(2)
    y, x = rng.normal(size=20_000), rng.normal(size=(20_000, 12))
    fair = [crps(y, x[:, :k]).value for k in (3, 12)]
    empirical = [crps(y, x[:, :k], ensemble=Ensemble.EMPIRICAL).value for k in (3, 12)]
    assert abs(fair[0] - fair[1]) < 0.01 < empirical[0] - empirical[1]


def test_calibration_error():
    rng = np.random.default_rng(3)
    p = rng.random(4000)
    right = rng.random(4000) < p
    honest, boastful = ece(p, right), ece(p, rng.random(4000) < p**2)
    assert honest.value < 3 < boastful.value and boastful.interval[0] > honest.interval[1]
    for binning in Bins:
        of = calibration_bins(p, bins=15, binning=binning)
        expected = sum(abs(np.sum((right - p)[of == b])) for b in range(15)) / 4000
        assert np.isclose(ece(p, right, binning=binning).value, 100 * expected, atol=1e-10)
    assert np.ptp(np.bincount(calibration_bins(p, bins=15, binning=Bins.EQUAL_MASS))) <= 1
    assert list(calibration_bins(np.array([0.0, 0.5, 0.51, 1.0]), bins=2, binning=Bins.EQUAL_WIDTH)) == [0, 0, 1, 1]


def test_mistakes_are_named():
    with pytest.raises(DataError, match="1 values are not finite"):
        nll(np.array([0.0, -np.inf, 1.0]))
    with pytest.raises(DataError, match="2 log-weights"):
        iwae(np.full((2, 1), np.nan))
    with pytest.raises(DataError, match="1 records"):
        nll(np.zeros(1))
    with pytest.raises(DataError, match="2 each"):
        crps_ensemble(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(DataError, match="positive"):
        crps_gaussian(np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(DataError, match="from 0 to 1"):
        ece(np.array([0.5, 1.5]), np.array([True, False]))
    with pytest.raises(DataError, match="150 for 15 bins"):
        ece(np.full(20, 0.5), np.ones(20, dtype=bool))
