"""Two studies behind docs/evidence/sanity.md: planted training copies, and the error of "A is better than B".

    python -m benchmarks.sanity.studies copies --data DIR --out copies.jsonl
    python -m benchmarks.sanity.studies type-one --out type_one.jsonl

copies: a generator that gives real, unseen records but for 1 % training records, slightly changed, and one that gives
no copies at all: how often is each called a copier? type-one: two generators of one distribution, held against shared
real records, of that distribution or with the same fault in both: how often does the difference of their scores have p
< 0.05?
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import genwright as gw
from benchmarks.coverage import cloud
from benchmarks.coverage_tables import _autoregressive, simulated
from genwright.audit import copies, copying
from genwright.data.dataset import Dataset
from genwright.extractors.encoding import row_points
from genwright.extractors.features import fit_extractor
from genwright.metrics import (
    dependence,
    diversity,
    frechet,
    judges,
    kernel,
    manifolds,
    neighbours,
    repetition,
    series,
    tables,
    text,
)
from genwright.metrics.series_judges import predictive_score
from genwright.scores.multiple import difference
from genwright.scores.score import Score

FEATURES = "sanity"
PLANTED = 0.01  # share of copies
JITTER = 0.02  # of a copy: share of each feature's standard deviation
LEVEL = 0.05


# ---- planted copies -------------------------------------------------------------------------------------------------


def planted(
    points: np.ndarray, sizes: tuple[int, int, int], rng: np.random.Generator, *, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training, unseen and generated records drawn apart; a share of the last are training records with small noise."""
    order = rng.permutation(len(points))
    train, held_out, fake = (points[rows] for rows in np.split(order[: sum(sizes)], np.cumsum(sizes)[:2]))
    fake = fake.copy()
    k = round(share * len(fake))
    copied = train[rng.permutation(len(train))[:k]]
    fake[:k] = copied + JITTER * points.std(0) * rng.normal(size=copied.shape)
    return train, held_out, fake


def alarms(points: np.ndarray, sizes: tuple[int, int, int], *, share: float, replications: int) -> dict[str, float]:
    """Share of replications in which each test calls the generated records copies."""
    tests: dict[str, Callable[..., Score]] = {"near copies": copying.near_copies, "C_T": copying.data_copying}
    found = dict.fromkeys(tests, 0)
    for seed in range(replications):
        rng = np.random.default_rng((seed, round(1e6 * share)))
        train, held_out, fake = planted(points, sizes, rng, share=share)
        for name, test in tests.items():
            found[name] += bool(test(train, fake, held_out=held_out, features=FEATURES, seed=seed).note)
    return {name: count / replications for name, count in found.items()}


def exact_alarms(data: Dataset, sizes: tuple[int, int, int], *, share: float, replications: int) -> float:
    """Share of replications in which exact copies are called more than unseen records hold."""
    found = 0
    for seed in range(replications):
        rng = np.random.default_rng((seed, round(1e6 * share)))
        train, held_out, fake = np.split(rng.permutation(len(data))[: sum(sizes)], np.cumsum(sizes)[:2])
        k = round(share * len(fake))
        fake[:k] = rng.permutation(train)[:k]
        score = copies.exact_copy_rate(data.take(train), data.take(fake), held_out=data.take(held_out))
        found += bool(score.note)
    return found / replications


def copy_cases(folder: Path | None) -> Iterator[tuple[str, Dataset, np.ndarray, tuple[int, int, int]]]:
    """Name, records, the same as points, and how many train, held-out and generated ones are drawn."""
    rng = np.random.default_rng(0)
    digits = gw.read("digits")
    flat = digits.columns["image"].reshape(len(digits), -1).astype(np.float64)
    yield "digits, pixels", digits, flat + 1e-9 * rng.normal(size=flat.shape), (400, 900, 400)
    if folder is None:
        return
    adult = gw.read(folder / "table_adult" / "adult_train.csv.gz")
    adult = adult.take(rng.permutation(len(adult))[:12000])
    yield "Adult, rows as points", adult, row_points(adult, [adult])[0], (4000, 2000, 2000)
    fashion = gw.read(folder / "images_fashion_mnist" / "train-images-idx3-ubyte.gz")
    order = rng.permutation(len(fashion))
    extractor = fit_extractor(fashion.take(order[:2000]), dimension=64, kind="pca")
    shown = fashion.take(order[2000:14000])
    yield "Fashion-MNIST, 64 principal components", shown, extractor(shown), (2000, 1000, 1000)


def copies_study(folder: Path | None, replications: int) -> Iterator[dict[str, Any]]:
    """One row per data set, test and share of copies."""
    for name, data, points, sizes in copy_cases(folder):
        for share in (PLANTED, 0.0):
            about = {"study": "copies", "data": name, "train, unseen, generated": sizes, "planted": share}
            rates = alarms(points, sizes, share=share, replications=replications)
            rates["exact copies"] = exact_alarms(data, sizes, share=share, replications=min(replications, 200))
            for test, rate in rates.items():
                count = min(replications, 200) if test == "exact copies" else replications
                yield about | {"test": test, "flagged": round(rate, 4), "replications": count}


# ---- type-I error ---------------------------------------------------------------------------------------------------

Scores = Sequence[Score]
Pair = tuple[Scores, Scores]  # of two generators of one distribution, against shared real records


def _listed(found: Score | tuple[Score, ...]) -> Scores:
    return found if isinstance(found, tuple) else (found,)


def _both(
    metric: Callable[..., Score | tuple[Score, ...]], draw: Callable[[float], Any], seed: int, fault: float
) -> Pair:
    """A metric(real, fake, seed=...) of two generated sets against one real set; `draw` makes records with a fault."""
    real, first, second = draw(0.0), draw(fault), draw(fault)
    return _listed(metric(real, first, seed=seed)), _listed(metric(real, second, seed=seed))


def of_features(metric: Callable[..., Score | tuple[Score, ...]], seed: int, fault: float, *, n: int = 300) -> Pair:
    """Two sets of features against a third."""
    rng = np.random.default_rng(seed)
    return _both(partial(metric, features=FEATURES), lambda shift: cloud(rng, n, shift=shift), seed, fault)


def of_copying(metric: Callable[..., Score], seed: int, fault: float, *, n: int = 300) -> Pair:
    """Two sets of features against training and held-out ones."""
    rng = np.random.default_rng(seed)
    train, held_out = cloud(rng, n), cloud(rng, n)
    measured = partial(metric, train, held_out=held_out, features=FEATURES, seed=seed)
    return [measured(cloud(rng, n, shift=fault))], [measured(cloud(rng, n, shift=fault))]


def of_tables(metric: Callable[..., Score], seed: int, fault: float, *, n: int = 300) -> Pair:
    """Two tables against a third."""
    seeds = iter(range(3 * seed, 3 * seed + 3))
    return _both(metric, lambda shift: simulated(n, seed=next(seeds), shift=shift), seed, fault)


def of_series(metric: Callable[..., Score], seed: int, fault: float, *, n: int = 200) -> Pair:
    """Two sets of series against a third."""
    seeds = iter(range(3 * seed, 3 * seed + 3))
    return _both(metric, lambda shift: _autoregressive(n, seed=next(seeds), shift=shift), seed, fault)


def of_forecasts(seed: int, fault: float, *, n: int = 200) -> Pair:
    """Two sets of series that forecasters learn from, against one test set."""
    shifts = (0.0, fault, fault, 0.0)
    real, first, second, test = (_autoregressive(n, seed=4 * seed + i, shift=shift) for i, shift in enumerate(shifts))
    return tuple([predictive_score(real, fake, test=test, seed=seed)] for fake in (first, second))  # type: ignore


def of_texts(metric: Callable[..., Score], seed: int, fault: float, *, n: int = 120) -> Pair:
    """Texts of 40 words by a first-order chain over 200 words of very different frequency."""
    rng = np.random.default_rng(seed)
    law = np.random.default_rng(7)
    chain = law.dirichlet(0.05 + 8 / np.arange(1, 201), size=200).cumsum(axis=1)
    words = np.array([f"w{i}" for i in range(200)])

    def draw(strayed: float) -> list[str]:
        states = [rng.integers(0, 200, n)]
        for _ in range(39):
            following = (rng.random(n)[:, None] > chain[states[-1]]).sum(axis=1).clip(max=199)
            states.append(np.where(rng.random(n) < strayed, rng.integers(0, 200, n), following))
        return [" ".join(row) for row in words[np.stack(states, axis=1)]]

    return _both(metric, draw, seed, fault)


FAULTS = (0.0, 0.3)  # of both generators: none, and a shift of the data, or the share of words that stray
# The metric, and most replications (dear ones have fewer).
CASES: dict[str, tuple[Callable[[int, float], Pair], int]] = {
    "Frechet distance": (partial(of_features, frechet.frechet_distance), 1000),
    "Frechet distance at infinity": (partial(of_features, frechet.frechet_infinity), 400),
    "kernel distance": (partial(of_features, kernel.kernel_distance), 1000),
    "precision and recall": (partial(of_features, neighbours.precision_recall), 1000),
    "density and coverage": (partial(of_features, neighbours.density_coverage), 1000),
    "Vendi score": (partial(of_features, diversity.vendi_score), 1000),
    "alpha-precision": (partial(of_features, manifolds.alpha_precision), 1000),
    "beta-recall": (partial(of_features, manifolds.beta_recall), 1000),
    "authenticity": (partial(of_copying, copying.authenticity), 1000),
    "near copies": (partial(of_copying, copying.near_copies), 1000),
    "distance to closest record": (partial(of_copying, manifolds.distance_to_closest_record), 1000),
    "shape error": (partial(of_tables, tables.shape_error), 1000),
    "trend error": (partial(of_tables, tables.trend_error), 1000),
    "mutual information error": (partial(of_tables, dependence.mutual_information_error), 1000),
    "logistic C2ST": (partial(of_tables, partial(judges.c2st, judge=judges.Judge.LOGISTIC)), 1000),
    "C2ST": (partial(of_tables, judges.c2st), 100),
    "ACF error": (partial(of_series, series.acf_error), 1000),
    "PACF error": (partial(of_series, series.pacf_error), 1000),
    "cross-correlation error": (partial(of_series, series.cross_correlation_error), 1000),
    "spectral distance": (partial(of_series, series.spectral_distance), 1000),
    "predictive score": (of_forecasts, 1000),
    "byte 4-gram divergence": (partial(of_texts, text.ngram_divergence), 400),
    "distinct-2": (partial(of_texts, text.distinct_n), 1000),
    "self-BLEU": (partial(of_texts, repetition.self_bleu), 200),
    "seq-rep-4": (partial(of_texts, repetition.seq_rep), 1000),
    "compression ratio": (partial(of_texts, repetition.compression_ratio), 300),
}


def type_one(name: str, fault: float, replications: int) -> list[dict[str, Any]]:
    """Share of replications with p < 0.05, for every score of one case."""
    pair, most = CASES[name]
    replications = min(replications, most)
    p: dict[str, list[float]] = {}
    for seed in range(replications):
        for first, second in zip(*pair(seed, fault), strict=True):
            p.setdefault(first.name, []).append(difference(first, second)[2])
    rows = []
    for score, values in p.items():
        rate = float(np.mean(np.array(values) < LEVEL))
        error = float(np.sqrt(LEVEL * (1 - LEVEL) / replications))  # of the rate itself, were it 5 %
        about = {"study": "type-one", "score": score, "fault": fault, "replications": replications}
        rows.append(about | {"told_apart": round(rate, 4), "standard_error": round(error, 4)})
    return rows


def main() -> None:
    """Print one JSON line per result, and write them to a file."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["copies", "type-one"])
    parser.add_argument("--data", type=Path, help="the folder of benchmark data")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--only", default="", help="metrics whose name holds this")
    parser.add_argument("--out", type=Path, help="file to append to")
    options = parser.parse_args()
    if options.study == "copies":
        rows: Iterator[dict[str, Any]] = copies_study(options.data, min(options.replications, 300))
    else:
        chosen = [name for name in CASES if options.only in name]
        rows = (row for name in chosen for fault in FAULTS for row in type_one(name, fault, options.replications))
    for row in rows:
        print(json.dumps(row), flush=True)
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
