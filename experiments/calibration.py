"""Likelihood and calibration: NLL, its bounds (ELBO, IWAE), CRPS and ECE, each tagged with what it is.

A bound is never comparable with an exact value, nor bounds with each other: name and signature say which one it is.
"""

import enum

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import logsumexp, ndtr

from genwright.errors import DataError
from genwright.scores.intervals import Replicates, jackknife_groups, mean_replicates
from genwright.scores.kinks import share_of_one_interval, smoothed_absolute
from genwright.scores.score import Score, signature

MIN_RECORDS = 2  # for an interval
MIN_ECE_PER_BIN = 10  # predictions


class Ensemble(enum.StrEnum):
    """How the spread of k samples, E|X - X'|, is estimated in the CRPS."""

    FAIR = "fair"  # over pairs of different samples: unbiased for the distribution they are drawn from (Ferro 2014)
    EMPIRICAL = "empirical"  # over all pairs: the CRPS of the k samples themselves taken as the forecast
    PWM = "probability-weighted moments"  # by order statistics: the fair one, computed in O(k log k)


class Bins(enum.StrEnum):
    """How confidences are cut into bins for the calibration error."""

    EQUAL_WIDTH = "equal width"  # Naeini et al. 2015; Guo et al. 2017
    EQUAL_MASS = "equal mass"  # as many predictions in each (Nguyen and O'Connor 2015)


def nll(log_probs: Float[np.ndarray, "n"], *, unit: str = " nats", seed: int = 0) -> Score:
    """Mean negative log-likelihood of held-out records, from their exact log-probabilities in nats."""
    return _code_length("NLL", -log_probs, protocol="exact", note="exact", unit=unit, seed=seed)


def elbo(log_weights: Float[np.ndarray, "n k"], *, unit: str = " nats", seed: int = 0) -> Score:
    """Negative evidence lower bound: an upper bound of the NLL, from log p(x, z) - log q(z | x) of k draws each.

    The mean over draws, so k lessens its noise and not its gap. Kingma and Welling 2014, arXiv:1312.6114, eq. 2.
    """
    values = -_finite(log_weights, "log-weights").mean(axis=1)
    protocol = f"bound, ELBO of {log_weights.shape[1]} draws"
    return _code_length("negative ELBO", values, protocol=protocol, note="upper bound of the NLL", unit=unit, seed=seed)


def iwae(log_weights: Float[np.ndarray, "n k"], *, unit: str = " nats", seed: int = 0) -> Score:
    """Negative importance-weighted bound: -log of the mean of k weights p(x, z) / q(z | x) for each record, averaged.

    An upper bound of the NLL that falls with k (k = 1 is the ELBO): compare equal k only. Burda et al. 2016,
    arXiv:1509.00519, eq. 8.
    """
    k = log_weights.shape[1]
    values = np.log(k) - logsumexp(_finite(log_weights, "log-weights"), axis=1)
    name = f"negative IWAE-{k}"
    note = "upper bound of the NLL"
    return _code_length(name, values, protocol=f"bound, IWAE K={k}", note=note, unit=unit, seed=seed)


def crps(
    observed: Float[np.ndarray, "n"],
    samples: Float[np.ndarray, "n k"],
    *,
    ensemble: Ensemble = Ensemble.FAIR,
    seed: int = 0,
) -> Score:
    """Mean continuous ranked probability score of k samples drawn for each observation, in the unit of these.

    Gneiting and Raftery 2007, "Strictly proper scoring rules", eq. 21.
    """
    values = crps_ensemble(observed, samples, ensemble=ensemble)
    protocol = f"{ensemble.value}, K={samples.shape[1]}"
    return _code_length("CRPS", values, protocol=protocol, note="", unit="", seed=seed)


def crps_ensemble(
    observed: Float[np.ndarray, "n"], samples: Float[np.ndarray, "n k"], *, ensemble: Ensemble = Ensemble.FAIR
) -> Float[np.ndarray, "n"]:
    """E|X - y| - E|X - X'| / 2 for each observation y, X and X' among its samples.

    >>> crps_ensemble(np.array([0.0]), np.array([[-1.0, 1.0]])).tolist()
    [0.0]
    >>> crps_ensemble(np.array([0.0]), np.array([[-1.0, 1.0]]), ensemble=Ensemble.EMPIRICAL).tolist()
    [0.5]
    """
    k = samples.shape[1]
    if len(observed) != len(samples) or k < 2:
        raise DataError(
            f"{len(observed)} observations and {samples.shape} samples", where="CRPS", hint="2 each or more"
        )
    x = np.sort(_finite(samples, "samples"), axis=1)
    away = np.abs(x - _finite(observed, "observations")[:, None]).mean(axis=1)
    rank = np.arange(1, k + 1)
    if ensemble is Ensemble.PWM:
        first, second = x.mean(axis=1), (x * (rank - 1)).sum(axis=1) / (k * (k - 1))
        return away + first - 2 * second
    pairs = 2 * (x * (2 * rank - k - 1)).sum(axis=1)  # sum over ordered pairs of |x_i - x_j|
    return away - pairs / (2 * (k * (k - 1) if ensemble is Ensemble.FAIR else k * k))


def crps_gaussian(
    observed: Float[np.ndarray, "n"], mean: Float[np.ndarray, "n"], deviation: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """The CRPS of N(mean, deviation^2) in closed form. Gneiting et al. 2005, "Calibrated probabilistic forecasting"."""
    if not (deviation > 0).all():
        raise DataError("deviations must be positive", where="CRPS")
    z = (observed - mean) / deviation
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return deviation * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))


def ece(
    confidence: Float[np.ndarray, "n"],
    correct: Bool[np.ndarray, "n"],
    *,
    bins: int = 15,
    binning: Bins = Bins.EQUAL_WIDTH,
    seed: int = 0,
) -> Score:
    """Expected calibration error: mean over predictions of |share correct - mean confidence| in their bin, in percent.

    Biased upwards by about 0.4 sqrt(bins / n): compare equal n and bins only. Guo et al. 2017, arXiv:1706.04599, eq. 3.
    """
    bin_of = calibration_bins(confidence, bins=bins, binning=binning)
    if len(correct) != len(confidence):
        raise DataError(f"{len(confidence)} confidences and {len(correct)} outcomes", where="ECE")
    if len(correct) < bins * MIN_ECE_PER_BIN:
        raise DataError(f"{len(correct)} predictions", where="ECE", hint=f"{bins * MIN_ECE_PER_BIN} for {bins} bins")
    residual = correct - confidence
    group = jackknife_groups(len(residual), seed)
    groups = int(group.max()) + 1
    sums = np.bincount(group * bins + bin_of, weights=residual, minlength=groups * bins).reshape(groups, bins)
    left = (sums.sum(0) - sums) / (len(residual) - np.bincount(group))[:, None]
    gaps = np.concatenate([sums.sum(0, keepdims=True) / len(residual), left])
    squares = np.bincount(bin_of, weights=residual**2, minlength=bins)
    error = np.sqrt(np.maximum(squares / len(residual) - gaps[0] ** 2, 0) / len(residual))
    values = smoothed_absolute(gaps, error).sum(axis=1)
    low, high = share_of_one_interval(float(values[0]), Replicates(tuple(values[1:].tolist()), ()))
    n = len(residual)
    return Score(
        name="ECE",
        value=100 * float(values[0]),
        direction="lower",
        n=n,
        signature=signature("ECE", protocol=f"{bins} bins, {binning.value}", n=(n, 0), seed=seed),
        interval=(100 * low, 100 * high),
        unit="%",
        group="likelihood",
        replicates=Replicates(tuple((100 * values[1:]).tolist()), ()),
    )


def calibration_bins(confidence: Float[np.ndarray, "n"], *, bins: int, binning: Bins) -> np.ndarray:
    """The bin number of each confidence: ((b - 1) / bins, b / bins] or equally many predictions, ties together."""
    if not len(confidence) or bins < 1:
        raise DataError(f"{len(confidence)} confidences in {bins} bins", where="ECE")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise DataError("confidences must be from 0 to 1", where="ECE")
    if binning is Bins.EQUAL_WIDTH:
        inner = np.linspace(0, 1, bins + 1)[1:-1]
    else:
        inner = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(inner, confidence, side="left")


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise DataError(f"{(~np.isfinite(values)).sum()} {what} are not finite", where="likelihood")
    return values


def _code_length(name: str, values: np.ndarray, *, protocol: str, note: str, unit: str, seed: int) -> Score:
    """The mean of one value per held-out record, with its interval over records."""
    n = len(values)
    if n < MIN_RECORDS:
        raise DataError(f"{n} records", where=name, hint=f"{MIN_RECORDS} are needed")
    replicates = Replicates(mean_replicates(_finite(values, "values"), seed=seed), ())
    value = float(values.mean())
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=n,
        signature=signature(name, protocol=protocol, n=(n, 0), seed=seed),
        interval=replicates.interval(value),
        unit=unit,
        group="likelihood",
        note=note,
        replicates=replicates,
    )
