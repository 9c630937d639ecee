"""Do 95 % intervals of the table metrics hold the expected score? Simulated tables, one JSON line per metric.

python -m benchmarks.coverage_tables --replications 1000 [--metrics "shape error" ...]

The expected score at that n is the mean of the replications themselves.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np
from experiments.calibration import crps, ece, nll

from genwright.data.dataset import Category, Dataset, Number
from genwright.metrics.dependence import mutual_information_error
from genwright.metrics.judges import Judge, c2st, tstr_gap
from genwright.metrics.manifolds import alpha_precision, beta_recall, distance_to_closest_record
from genwright.metrics.series import acf_error, cross_correlation_error, pacf_error, spectral_distance
from genwright.metrics.series_judges import discriminative_score, predictive_score
from genwright.metrics.tables import shape_error, trend_error
from genwright.scores.score import Score


def simulated(n: int, *, seed: int, shift: float = 0.0) -> Dataset:
    """Three correlated numbers and two categories that follow them; `shift` makes a generator's mistakes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    x[:, 1] = 0.7 * x[:, 0] + 0.7 * x[:, 1] + shift
    x[:, 2] = np.exp(0.5 * x[:, 1] + 0.5 * x[:, 2])
    odds = x[:, 0] + (1 - 2 * shift) * rng.normal(size=n)
    size = np.array(["small", "medium", "large", "huge"], dtype=object)[np.digitize(odds, [-1, 0, 1])]
    label = np.where(x[:, 1] + rng.normal(size=n) > 0.3, "yes", "no").astype(object)
    fields = (
        *(Number(f"x{i}") for i in range(3)),
        Category("size", ("huge", "large", "medium", "small")),
        Category("label", ("no", "yes")),
    )
    return Dataset(fields, {**{f"x{i}": x[:, i] for i in range(3)}, "size": size, "label": label}, label="label")


Simulation = Callable[[int, int, float], Score]  # of n, seed and shift


def coverage(metric: Simulation, *, n: int, shift: float, replications: int) -> dict[str, float]:
    """Share of intervals that hold the mean score, their mean width and the ratio of claimed to actual error."""
    scores = [metric(n, seed, shift) for seed in range(replications)]
    values = np.array([score.value for score in scores])
    low, high = (np.array([score.interval[i] for score in scores if score.interval]) for i in (0, 1))
    errors = np.array([score.replicates.error if score.replicates else np.nan for score in scores])
    expected = values.mean()
    return {
        "coverage": float(np.mean((low <= expected) & (expected <= high))),
        "below": float(np.mean(high < expected)),
        "above": float(np.mean(low > expected)),
        "expected": float(expected),
        "mean_width": float(np.mean(high - low)),
        "error_ratio": float(np.sqrt(np.mean(errors**2)) / values.std(ddof=1)),
    }


def _of_tables(metric: Callable[..., Score]) -> Simulation:
    def simulate(n: int, seed: int, shift: float) -> Score:
        real, fake = simulated(n, seed=2 * seed), simulated(n, seed=2 * seed + 1, shift=shift)
        return metric(real, fake, seed=seed)

    return simulate


def _of_points(metric: Callable[..., Score]) -> Simulation:
    def simulate(n: int, seed: int, shift: float) -> Score:
        rng = np.random.default_rng(seed)
        real, fake = rng.normal(size=(n, 4)), (1 + shift) * rng.normal(size=(n, 4)) + shift
        return metric(real, fake, features="normal", seed=seed)

    return simulate


def _closest_record(n: int, seed: int, shift: float) -> Score:
    rng = np.random.default_rng(seed)
    train, held_out, fake = (rng.normal(size=(n, 4)) for _ in range(3))
    return distance_to_closest_record(train, fake + shift, held_out=held_out, features="normal", seed=seed)


def _autoregressive(n: int, *, seed: int, shift: float = 0.0) -> np.ndarray:
    """Two channels of 32 steps; a generator forgets sooner and moves more."""
    rng = np.random.default_rng(seed)
    noise = (1 + shift) * rng.normal(size=(n, 32, 2))
    noise[..., 1] += 0.5 * noise[..., 0]
    x = noise.copy()
    for t in range(1, 32):
        x[:, t] += (0.7 - shift) * x[:, t - 1]
    return x


def _of_series(metric: Callable[..., Score]) -> Simulation:
    def simulate(n: int, seed: int, shift: float) -> Score:
        real, fake = _autoregressive(n, seed=2 * seed), _autoregressive(n, seed=2 * seed + 1, shift=shift)
        return metric(real, fake, seed=seed)

    return simulate


def _predictive(n: int, seed: int, shift: float) -> Score:
    real = _autoregressive(n, seed=10**6)  # only the scale, and what to compare with
    fake, test = _autoregressive(n, seed=2 * seed, shift=shift), _autoregressive(n, seed=2 * seed + 1)
    return predictive_score(real, fake, test=test, seed=seed)


def _ece(n: int, seed: int, shift: float) -> Score:
    rng = np.random.default_rng(seed)
    confidence = rng.random(n)
    return ece(confidence, rng.random(n) < confidence ** (1 + 2 * shift), seed=seed)


def _nll(n: int, seed: int, shift: float) -> Score:
    return nll(-np.random.default_rng(seed).gamma(2.0, 1 + shift, n), seed=seed)


def _crps(n: int, seed: int, shift: float) -> Score:
    rng = np.random.default_rng(seed)
    return crps(rng.normal(size=n), rng.normal(shift, 1.0, size=(n, 20)), seed=seed)


def _tstr(n: int, seed: int, shift: float) -> Score:
    train, test = simulated(n, seed=10**6), simulated(n, seed=2 * seed)  # the real training rows are given
    return tstr_gap(train, simulated(n, seed=2 * seed + 1, shift=shift), test=test, target="label", seed=seed)


SIMULATIONS: dict[str, tuple[Simulation, tuple[int, ...], int]] = {  # metric: simulation, sizes, most replications
    "shape error": (_of_tables(shape_error), (300, 1000), 1000),
    "trend error": (_of_tables(trend_error), (300, 1000), 1000),
    "mutual information error": (_of_tables(mutual_information_error), (300, 1000), 1000),
    "alpha-precision": (_of_points(alpha_precision), (300, 1000), 1000),
    "beta-recall": (_of_points(beta_recall), (300,), 1000),
    "distance to closest record": (_closest_record, (300,), 1000),
    "ACF error": (_of_series(acf_error), (100, 400), 1000),
    "PACF error": (_of_series(pacf_error), (100, 400), 1000),
    "cross-correlation error": (_of_series(cross_correlation_error), (100, 400), 1000),
    "spectral distance": (_of_series(spectral_distance), (100, 400), 1000),
    "ECE": (_ece, (500, 2000), 1000),
    "NLL": (_nll, (200,), 1000),
    "CRPS": (_crps, (200,), 1000),
    "predictive score": (_predictive, (200,), 1000),
    "logistic C2ST": (_of_tables(partial(c2st, judge=Judge.LOGISTIC)), (150, 500), 1000),
    "C2ST": (_of_tables(c2st), (150,), 200),  # trees are slow
    "TSTR gap": (_tstr, (200,), 100),  # 63 fits a replication
    "discriminative score": (_of_series(discriminative_score), (100,), 100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--metrics", nargs="*", default=list(SIMULATIONS), choices=list(SIMULATIONS))
    options = parser.parse_args()
    for name in options.metrics:
        simulation, sizes, most = SIMULATIONS[name]
        for n in sizes:
            for shift in (0.0, 0.1, 0.3):
                replications = min(options.replications, most)
                found = coverage(simulation, n=n, shift=shift, replications=replications)
                rounded = {key: round(value, 4) for key, value in found.items()}
                about = {"metric": name, "n": n, "shift": shift, "replications": replications}
                print(json.dumps(about | rounded), flush=True)


if __name__ == "__main__":
    main()
