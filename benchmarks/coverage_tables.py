"""Do 95 % intervals of the table metrics hold the expected score? Simulated tables, one JSON line per metric.

python -m benchmarks.coverage_tables --replications 1000 [--metrics "shape error" ...]

The expected score at that n is the mean of the replications themselves.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np

from genwright.data.dataset import Category, Dataset, Number
from genwright.metrics.judges import Judge, c2st
from genwright.metrics.score import Score
from genwright.metrics.tables import shape_error, trend_error


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


SIMULATIONS: dict[str, tuple[Simulation, tuple[int, ...], int]] = {  # metric: simulation, sizes, most replications
    "shape error": (_of_tables(shape_error), (300, 1000), 1000),
    "trend error": (_of_tables(trend_error), (300, 1000), 1000),
    "logistic C2ST": (_of_tables(partial(c2st, judge=Judge.LOGISTIC)), (150, 500), 1000),
    "C2ST": (_of_tables(c2st), (150,), 200),
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
