"""How far generated time series are from real ones in what they owe to their past, to each other, and to each rhythm.

Series are arrays (n series, t steps, c channels), equally spaced, without gaps.
"""

import enum
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from genwright.errors import DataError
from genwright.scores.intervals import GROUPS, jackknife_groups
from genwright.scores.kinks import lined_up, positive_interval, replicate_error, smoothed_absolute, split_replicates
from genwright.scores.score import Score, signature

MIN_SERIES = 20  # of each set: one per jackknife group
MAX_LAGS = 24  # unless more are asked for


class Estimator(enum.StrEnum):
    """What a sum over the t - k products at lag k is divided by."""

    UNADJUSTED = "divided by t"  # the usual one: smaller variance, always a valid correlation sequence
    ADJUSTED = "divided by t - k"  # unbiased for known means, noisy at long lags


class Records(enum.StrEnum):
    """What the series of one set are to each other, which decides how records are left out together."""

    INDEPENDENT = "independent series"
    WINDOWS = "windows of one series"  # in order: neighbours are alike, so blocks of them are left out


def autocorrelation(
    series: Float[np.ndarray, "n t c"], *, lags: int, estimator: Estimator = Estimator.UNADJUSTED
) -> Float[np.ndarray, "n k c"]:
    """Autocorrelation of each series about its own mean at lags 1 ... k; 0 for a channel that does not vary.

    Brockwell and Davis 1991, "Time Series: Theory and Methods", eq. 7.2.1.

    >>> autocorrelation(np.array([[[1.0], [-1.0], [1.0], [-1.0]]]), lags=2)[0, :, 0].tolist()
    [-0.75, 0.5]
    """
    covariance = _lagged_products(_centred(series), _centred(series), lags, estimator)
    variance = covariance[:, :1]
    return np.where(variance > 0, covariance[:, 1:] / np.where(variance > 0, variance, 1.0), 0.0)


def partial_autocorrelation(
    series: Float[np.ndarray, "n t c"], *, lags: int, estimator: Estimator = Estimator.UNADJUSTED
) -> Float[np.ndarray, "n k c"]:
    """Partial autocorrelation at lags 1 ... k from the Yule-Walker equations by Durbin and Levinson's recursion.

    Brockwell and Davis 1991, proposition 5.2.1. Statsmodels' "ywm" (unadjusted) and "ywadjusted".
    """
    r = autocorrelation(series, lags=lags, estimator=estimator)
    partial = np.zeros_like(r)
    coefficients = np.zeros_like(r)
    rest = np.ones((r.shape[0], r.shape[2]))
    for k in range(lags):
        before = coefficients[:, :k]
        explained = np.sum(before * r[:, :k][:, ::-1], axis=1)
        last = (r[:, k] - explained) / np.where(np.abs(rest) > 1e-12, rest, np.inf)
        coefficients[:, :k] = before - last[:, None] * before[:, ::-1]
        coefficients[:, k] = partial[:, k] = last
        rest = rest * (1 - last**2)
    return partial


def cross_correlation(
    series: Float[np.ndarray, "n t c"], *, lags: int, estimator: Estimator = Estimator.UNADJUSTED
) -> Float[np.ndarray, "n k p"]:
    """Correlation of x_i(s + k) with x_j(s) in each series for all pairs i < j of channels, lags -k ... k.

    Pairs in the order (0, 1), (0, 2), ..., (1, 2), ...; 0 where a channel does not vary.
    """
    first, second = np.triu_indices(series.shape[2], 1)
    x = _centred(series)
    ahead = _lagged_products(x[:, :, first], x[:, :, second], lags, estimator)
    behind = _lagged_products(x[:, :, second], x[:, :, first], lags, estimator)
    products = np.concatenate([behind[:, :0:-1], ahead], axis=1)
    spread = np.sqrt(np.mean(x**2, axis=1))
    scale = (spread[:, first] * spread[:, second])[:, None]
    return np.where(scale > 0, products / np.where(scale > 0, scale, 1.0), 0.0)


def power_spectrum(series: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n f c"]:
    """One-sided periodogram |sum_s x(s) e^(-2 pi i f s)|^2 / t of each series about its mean, f = 1/t ... 1/2."""
    return np.abs(np.fft.rfft(_centred(series), axis=1)[:, 1:]) ** 2 / series.shape[1]


def acf_error(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    lags: int | None = None,
    estimator: Estimator = Estimator.UNADJUSTED,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """Mean over lags and channels of the difference of autocorrelations, each averaged over series."""
    lags = _checked(real, fake, lags)

    def features(x: np.ndarray) -> np.ndarray:
        return autocorrelation(x, lags=lags, estimator=estimator)

    protocol = f"lags 1-{lags}, {estimator.value}"
    return _mean_difference("ACF error", real, fake, features, protocol=protocol, records=records, seed=seed)


def pacf_error(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    lags: int | None = None,
    estimator: Estimator = Estimator.UNADJUSTED,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """Mean over lags and channels of the difference of partial autocorrelations, each averaged over series."""
    lags = _checked(real, fake, lags)

    def features(x: np.ndarray) -> np.ndarray:
        return partial_autocorrelation(x, lags=lags, estimator=estimator)

    protocol = f"lags 1-{lags}, yule-walker, {estimator.value}"
    return _mean_difference("PACF error", real, fake, features, protocol=protocol, records=records, seed=seed)


def cross_correlation_error(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    lags: int | None = None,
    estimator: Estimator = Estimator.UNADJUSTED,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """Mean over pairs of channels and lags -k ... k of the difference of correlations, averaged over series."""
    if real.shape[2] < 2:
        raise DataError("cross-correlation needs two channels", where="series", hint="use the ACF error")
    lags = _checked(real, fake, lags)

    def features(x: np.ndarray) -> np.ndarray:
        return cross_correlation(x, lags=lags, estimator=estimator)

    protocol = f"lags -{lags}-{lags}, {estimator.value}"
    name = "cross-correlation error"
    return _mean_difference(name, real, fake, features, protocol=protocol, records=records, seed=seed)


def spectral_distance(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """Mean over frequencies and channels of |10 log10 of the ratio of mean power spectra|, in decibels.

    Sees the amount of variation as well as its rhythm. Gray and Markel 1976, "Distance measures for speech
    processing", sec. II, with the first power; a floor of 1e-12 of a channel's mean power keeps logarithms finite.
    """
    _checked(real, fake, None)

    def decibels(mean_power: np.ndarray) -> np.ndarray:
        least = 1e-12 * mean_power[:1].mean(axis=1, keepdims=True) + 1e-300
        return 10 * np.log10(np.maximum(mean_power, least))

    return _mean_difference(
        "spectral distance",
        real,
        fake,
        power_spectrum,
        protocol="periodograms",
        records=records,
        seed=seed,
        scale=decibels,
        unit=" dB",
    )


def marginal_error(
    real: Float[np.ndarray, "n t c"],
    fake: Float[np.ndarray, "m _ _"],
    *,
    records: Records = Records.INDEPENDENT,
    seed: int = 0,
) -> Score:
    """Mean over channels and 19 quantiles of the real values of the difference of the shares of values below them."""
    _checked(real, fake, None)
    edges = np.quantile(real, np.arange(1, 20) / 20, axis=(0, 1))  # (19, c)

    def features(x: np.ndarray) -> np.ndarray:
        return np.stack([(x <= edge).mean(axis=1) for edge in edges], axis=1)

    return _mean_difference("marginal error", real, fake, features, protocol="19 quantiles", records=records, seed=seed)


def series_groups(n: int, records: Records, seed: int) -> Int[np.ndarray, "n"]:
    """Jackknife groups of series: random ones, or blocks of neighbouring windows."""
    if records is Records.INDEPENDENT:
        return jackknife_groups(n, seed)
    return np.arange(n) * min(GROUPS, n) // n


def check_series(
    real: Float[np.ndarray, "n t c"], fake: Float[np.ndarray, "m _ _"], *, least: int = MIN_SERIES
) -> None:
    """DataError unless both sets have `least` series of the same steps and channels, all finite."""
    if real.shape[1:] != fake.shape[1:]:
        raise DataError(
            f"series of {real.shape[1]} steps, {real.shape[2]} channels against {fake.shape[1]} steps, "
            f"{fake.shape[2]} channels",
            where="series",
        )
    for series in (real, fake):
        if len(series) < least or series.shape[1] < 4:
            found = f"{len(series)} series of {series.shape[1]} steps"
            raise DataError(found, where="series", hint=f"{least} of each with 4 steps are needed")
        if not np.isfinite(series).all():
            raise DataError(f"{(~np.isfinite(series)).sum()} values are not finite", where="series")


def _checked(real: np.ndarray, fake: np.ndarray, lags: int | None) -> int:
    """The number of lags: by default a quarter of the steps, at most 24."""
    check_series(real, fake)
    steps = real.shape[1]
    lags = max(1, min(steps // 4, MAX_LAGS)) if lags is None else lags
    if not 1 <= lags < steps / 2:
        raise DataError(f"{lags} lags of series with {steps} steps", where="lags", hint=f"1 to {(steps - 1) // 2}")
    return lags


def _mean_difference(
    name: str,
    real: np.ndarray,
    fake: np.ndarray,
    features: Callable[[np.ndarray], np.ndarray],
    *,
    protocol: str,
    records: Records,
    seed: int,
    scale: Callable[[np.ndarray], np.ndarray] = lambda mean: mean,
    unit: str = "",
) -> Score:
    """Mean absolute difference of two sets' mean features, on the given scale."""
    groups = series_groups(len(real), records, seed), series_groups(len(fake), records, seed + 1)
    sides = (scale(_means(features(x), group)) for x, group in zip((real, fake), groups, strict=True))
    p, q = lined_up(*sides)
    real_groups = int(groups[0].max()) + 1
    values = smoothed_absolute(p - q, replicate_error(p - q, real_groups)).mean(axis=(1, 2))
    replicates = split_replicates(values, real_groups)
    value = float(values[0])
    n = len(real), len(fake)
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=len(fake),
        signature=signature(name, protocol=f"{protocol}, {records.value} of {real.shape[1]}", n=n, seed=seed),
        interval=positive_interval(value, replicates),
        unit=unit,
        replicates=replicates,
    )


def _means(x: Float[np.ndarray, "n k c"], group: Int[np.ndarray, "n"]) -> Float[np.ndarray, "r k c"]:
    """Mean over all series, then with each group left out."""
    sums = np.stack([x[group == g].sum(axis=0) for g in range(int(group.max()) + 1)])
    counts = np.bincount(group)[:, None, None]
    left = (sums.sum(0) - sums) / (counts.sum() - counts)
    return np.concatenate([x.mean(axis=0)[None], left])


def _centred(series: Float[np.ndarray, "n t c"]) -> Float[np.ndarray, "n t c"]:
    return series - series.mean(axis=1, keepdims=True)


def _lagged_products(
    x: Float[np.ndarray, "n t p"], y: Float[np.ndarray, "n t p"], lags: int, estimator: Estimator
) -> Float[np.ndarray, "n k p"]:
    """Sum over s of x(s + k) y(s) at lags 0 ... k, divided as the estimator says."""
    t = x.shape[1]
    sums = np.stack([np.einsum("ntp,ntp->np", x[:, k:], y[:, : t - k]) for k in range(lags + 1)], axis=1)
    count = t - np.arange(lags + 1) if estimator is Estimator.ADJUSTED else np.full(lags + 1, t)
    return sums / count[:, None]
