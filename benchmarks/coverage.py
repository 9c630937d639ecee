"""Do 95 % intervals hold what they promise? Share of replications whose interval holds the expected value.

    python -m benchmarks.coverage                      # 1,000 replications of every metric; about half an hour
    python -m benchmarks.coverage --replications 100 --only "kernel distance"

The truth is the value expected at this n, taken as the mean over all replications: a metric that is biased at finite n
is read beside a floor with the same n. `null`: real and generated records follow one distribution; `apart`: they do
not.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from genwright.metrics import diversity, frechet, kernel, neighbours
from genwright.scores.score import Score

N = 400  # records of each set
D = 8  # features


def cloud(rng: np.random.Generator, n: int, *, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """Correlated features in two clusters of different size, one direction skewed."""
    mix = np.random.default_rng(7).normal(size=(D, D)) / np.sqrt(D)
    z = rng.normal(size=(n, D))
    z[:, 0] += np.where(rng.random(n) < 0.3, 2.0, -1.0)
    z[:, 1] = rng.gamma(4.0, 0.5, n) - 2.0
    return (z * scale) @ mix + shift


@dataclass(frozen=True)
class Case:
    """One metric on one pair of distributions: `measure` draws both sets and returns the scores."""

    name: str
    measure: Callable[[np.random.Generator], Sequence[Score]]


def on_features(metric: Callable[..., Score | tuple[Score, ...]], apart: bool, rng: np.random.Generator) -> list[Score]:
    """A metric of two sets of features, drawn from one distribution or from two."""
    real = cloud(rng, N)
    fake = cloud(rng, N, shift=0.25, scale=1.2) if apart else cloud(rng, N)
    found = metric(real, fake, features="simulated", seed=int(rng.integers(2**31)))
    return list(found) if isinstance(found, tuple) else [found]


FEATURE_METRICS = {
    "Vendi score": diversity.vendi_score,
    "Frechet distance": frechet.frechet_distance,
    "Frechet distance at infinity": frechet.frechet_infinity,
    "kernel distance": kernel.kernel_distance,
    "precision and recall": neighbours.precision_recall,
    "density and coverage": neighbours.density_coverage,
}
CASES = [
    Case(f"{name}, {'apart' if apart else 'null'}", partial(on_features, metric, apart))
    for name, metric in FEATURE_METRICS.items()
    for apart in (False, True)
]


def one(case: int, seed: int) -> list[tuple[str, float, tuple[float, float]]]:
    """Value and interval of every score of one replication."""
    import torch

    torch.set_num_threads(1)
    found = CASES[case].measure(np.random.default_rng((case, seed)))
    return [(score.name, score.value, score.interval) for score in found]


def coverage(case: int, replications: int, workers: int) -> list[dict]:
    """One row per score of the case."""
    with ProcessPoolExecutor(workers) as pool:
        runs = list(pool.map(partial(one, case), range(replications), chunksize=10))
    rows = []
    for i, (name, _, _) in enumerate(runs[0]):
        values = np.array([run[i][1] for run in runs])
        low, high = np.array([run[i][2] for run in runs]).T
        truth = values.mean()
        held = float(np.mean((low <= truth) & (truth <= high)))
        rows.append(
            {
                "case": CASES[case].name,
                "score": name,
                "replications": replications,
                "truth": round(float(truth), 5),
                "coverage": round(held, 3),
                "spread": round(float(values.std(ddof=1)), 5),
                "half_width": round(float(np.mean(high - low) / 2), 5),
            }
        )
    return rows


def main() -> None:
    """Print one JSON line per score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    for i, case in enumerate(CASES):
        if chosen.only in case.name:
            for row in coverage(i, chosen.replications, chosen.workers):
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
