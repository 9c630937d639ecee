"""Series metrics: closed forms, what each sees, honest intervals, exact errors."""

import numpy as np
import pytest
from scipy.signal import periodogram

from genwright.errors import DataError
from genwright.metrics.series import (
    Estimator,
    Records,
    acf_error,
    autocorrelation,
    cross_correlation,
    cross_correlation_error,
    pacf_error,
    partial_autocorrelation,
    power_spectrum,
    series_groups,
    spectral_distance,
)

METRICS = (acf_error, pacf_error, cross_correlation_error, spectral_distance)


def autoregressive(n: int, seed: int, *, phi: float = 0.7, coupling: float = 0.6, steps: int = 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, steps, 2))
    x[..., 1] = coupling * x[..., 0] + np.sqrt(1 - coupling**2) * x[..., 1]
    for t in range(1, steps):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi**2) * x[:, t]
    return x


def test_correlations_of_long_series_are_those_of_the_process():
    x = autoregressive(1, 0, steps=20_000)
    lags = np.arange(1, 6)
    for estimator in Estimator:
        assert np.allclose(autocorrelation(x, lags=5, estimator=estimator)[0, :, 0], 0.7**lags, atol=0.03)
        partial = partial_autocorrelation(x, lags=5, estimator=estimator)[0, :, 1]
        assert np.allclose(partial, [0.7, 0, 0, 0, 0], atol=0.03)
        cross = cross_correlation(x, lags=2, estimator=estimator)[0, :, 0]
        assert np.allclose(cross, 0.6 * 0.7 ** np.array([2, 1, 0, 1, 2]), atol=0.05)


def test_estimators_differ_by_what_they_divide_by():
    x = autoregressive(3, 1)
    plain, adjusted = (autocorrelation(x, lags=6, estimator=e) for e in Estimator)
    assert np.allclose(adjusted, plain * (24 / (24 - np.arange(1, 7)))[:, None], atol=1e-12)


def test_power_spectrum_is_the_periodogram_and_keeps_the_variance():
    x = autoregressive(4, 2)
    expected = periodogram(x, detrend="constant", scaling="spectrum", return_onesided=False, axis=1)[1]
    assert np.allclose(power_spectrum(x), 24 * expected[:, 1:13], atol=1e-12)
    power = power_spectrum(x)
    assert np.allclose((2 * power[:, :-1].sum(1) + power[:, -1]) / 24, x.var(axis=1), atol=1e-12)


def test_a_channel_that_does_not_vary_has_no_correlation():
    x = autoregressive(30, 0)
    x[..., 1] = 3.0
    assert not autocorrelation(x, lags=3)[..., 1].any() and not cross_correlation(x, lags=3).any()
    assert not partial_autocorrelation(x, lags=3)[..., 1].any()
    assert np.isfinite(spectral_distance(x, autoregressive(30, 1)).value)


@pytest.mark.parametrize("metric", METRICS)
def test_zero_for_the_same_and_growing_with_what_is_lost(metric):
    real = autoregressive(200, 0)
    assert metric(real, real).value == 0
    changes = [{"phi": p, "coupling": c} for p, c in ((0.7, 0.6), (0.55, 0.4), (0.2, 0.0))]
    scores = [metric(real, autoregressive(200, 1, **change)) for change in changes]
    assert scores[0].value < scores[1].value < scores[2].value
    for score in scores:
        assert score.interval[0] < score.value < score.interval[1]
        assert len(score.replicates.real) == len(score.replicates.fake) == 20
    assert scores[2].interval[0] > scores[0].interval[1]


def test_each_sees_what_it_is_for():
    real = autoregressive(300, 0)
    uncoupled = autoregressive(300, 1, coupling=0.0)
    assert cross_correlation_error(real, uncoupled).value > 10 * acf_error(real, uncoupled).value
    louder = 2 * autoregressive(300, 2)
    assert acf_error(real, louder).value < 0.02
    assert np.isclose(spectral_distance(real, louder).value, 10 * np.log10(4), atol=0.3)


def test_windows_of_one_series_are_left_out_in_blocks():
    group = series_groups(100, Records.WINDOWS, seed=3)
    assert (np.diff(group) >= 0).all() and (np.bincount(group) == 5).all()
    long = autoregressive(1, 0, steps=2000)[0]
    windows = np.lib.stride_tricks.sliding_window_view(long, 24, axis=0)[::4].transpose(0, 2, 1)
    fake = autoregressive(len(windows), 1, phi=0.5)
    naive, honest = (acf_error(windows, fake, records=r).replicates.real for r in Records)
    assert np.std(honest) > 1.3 * np.std(naive)  # overlapping windows hold less than they seem to
    assert "windows of one series" in acf_error(windows, fake, records=Records.WINDOWS).signature


def test_mistakes_are_named():
    x = autoregressive(30, 0)
    with pytest.raises(DataError, match="12 steps, 2 channels"):
        acf_error(x, x[:, :12])
    with pytest.raises(DataError, match="19 series"):
        acf_error(x, x[:19])
    with pytest.raises(DataError, match="two channels"):
        cross_correlation_error(x[..., :1], x[..., :1])
    with pytest.raises(DataError, match="1 to 11"):
        pacf_error(x, x, lags=12)
    broken = x.copy()
    broken[0, 0, 0] = np.inf
    with pytest.raises(DataError, match="1 values are not finite"):
        spectral_distance(x, broken)
