"""Reference values for metrics of features: `python benchmarks/parity/images.py`.

Needs torch_fidelity, clean-fid, prdc, vendi-score, scipy and scikit-learn. Writes
tests/metrics/reference/images.json; the test imports the inputs from here, so that both sides see the same numbers.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression

OUT = Path(__file__).parents[2] / "tests" / "metrics" / "reference" / "images.json"
FEATURES = ("Gaussian clouds", "digits, PCA", "digits, pixels")
TIED = "whole numbers"  # many records at exactly the same distance, where <= and < part
WIDE = "fewer records than features"
LOGITS = ("random logits", "digits, logistic regression")
SUBSETS, SUBSET_SIZE = 20, 100  # of KID
GROUPS, PARTS, WINDOWS = 20, (1.0, 0.5, 0.25), 4  # of FD-infinity: random groups, sizes of subsets, subsets of each
ORDERS = (0.5, 1.0, 2.0, np.inf)
CELLS = 4
README_SAMPLES = (0, 0, 10, 10, 20, 20)  # of vendi_score: 2.9999 with the kernel exp(-|a - b|)
README_MATRIX = ((1.0, 0.9, 0.0), (0.9, 1.0, 0.0), (0.0, 0.0, 1.0))  # 2.1573


@cache
def features(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A real and a generated set."""
    rng = np.random.default_rng(1)
    if name == "Gaussian clouds":
        mixing = rng.normal(size=(16, 16)) / 4
        return rng.normal(size=(400, 16)) @ mixing + 3, 1.1 * rng.normal(size=(400, 16)) @ mixing + 3.1
    if name == WIDE:
        return rng.normal(size=(60, 128)), 1.1 * rng.normal(size=(60, 128))
    if name == TIED:
        real, fake = rng.integers(0, 6, (300, 4)), rng.integers(0, 5, (300, 4))
        return real.astype(np.float64), fake.astype(np.float64)
    x = load_digits().data[rng.permutation(1797)]
    if name == "digits, PCA":
        x = PCA(20, svd_solver="full").fit(x[:900]).transform(x)
    real, fake = x[:450], x[450:900].copy()
    fake[::3] *= 0.8
    return real, fake


@cache
def train_set(name: str) -> np.ndarray:
    """What the generator would have been fitted to, for tests of copies: five generated records are nearly in it."""
    rng = np.random.default_rng(1)
    fake = features(name)[1]
    if name == "Gaussian clouds":
        train = fake[rng.permutation(400)[:300]] + rng.normal(size=(300, 16))
    else:
        x = load_digits().data[rng.permutation(1797)]
        train = PCA(20, svd_solver="full").fit(x[:900]).transform(x)[900:1350]
    train[:5] = fake[:5] + 0.01
    return train


def kid_subsets(n: int, m: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of each subset as torch_fidelity draws them, seed 2020."""
    rng = np.random.RandomState(2020)
    for _ in range(SUBSETS):
        yield rng.choice(n, SUBSET_SIZE, replace=False), rng.choice(m, SUBSET_SIZE, replace=False)


def subsets(n: int, *, seed: int) -> list[list[np.ndarray]]:
    """Rows of the subsets that FD-infinity is extrapolated from, for each size: successive ones of random groups."""
    group = np.random.default_rng(seed).permutation(n) % GROUPS
    found = []
    for part in PARTS:
        starts = [0] if part == 1 else [i * GROUPS // WINDOWS for i in range(WINDOWS)]
        found.append([np.flatnonzero((group - start) % GROUPS < part * GROUPS) for start in starts])
    return found


@cache
def logits(name: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    if name == "random logits":
        return 3 * rng.normal(size=(505, 40))  # not a multiple of 10: splits are of unequal size
    x, y = load_digits(return_X_y=True)
    return LogisticRegression(max_iter=300).fit(x[:700] / 16, y[:700]).decision_function(x[700:1500] / 16)


def probabilities(of: np.ndarray) -> np.ndarray:
    odds = np.exp(of - of.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def similarity(name: str) -> np.ndarray:
    """A positive definite kernel with ones on the diagonal."""
    x = features(name)[0][:150]
    return np.exp(-(cdist(x, x) ** 2) / np.median(cdist(x, x)) ** 2)


def case(
    metric: str, data: str, reference: str, value: Any, tolerance: float, *, kind: str = "abs", **recipe: Any
) -> dict[str, Any]:
    """One frozen value; `reference` is a package, or says what the value was worked out by."""
    package = reference.split(" by ")[-1]
    named = reference.replace(package, f"{package} {version(package)}")
    value = np.asarray(value, dtype=np.float64)
    value = float(value) if value.ndim == 0 else value.tolist()
    about = {"metric": metric, "data": data, "reference": named, "tolerance": tolerance, "kind": kind, "value": value}
    return about | recipe


def frechet_cases() -> Iterator[dict[str, Any]]:
    from cleanfid.fid import frechet_distance

    for name in (*FEATURES, WIDE):
        real, fake = features(name)
        yield case("Frechet distance", name, "torch_fidelity", _frechet(real, fake), 1e-6, kind="rel")
        moments = (v for x in (real, fake) for v in (x.mean(0), np.cov(x, rowvar=False)))
        yield case("Frechet distance", name, "clean-fid", frechet_distance(*moments), 1e-6, kind="rel")
    for name in FEATURES[:2]:
        real, fake = features(name)
        rows = subsets(len(fake), seed=1)
        values = [np.mean([_frechet(real, fake[each]) for each in size]) for size in rows]
        sizes = np.array([[len(size[0])] for size in rows])
        line = LinearRegression().fit(1 / sizes, values)
        yield case("FD-infinity, same subsets", name, "regression of torch_fidelity's by scikit-learn",
                   line.intercept_, 1e-6, kind="rel", shrinking="generated")  # fmt: skip


def _frechet(real: np.ndarray, fake: np.ndarray) -> float:
    import torch
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    moments = [fid_features_to_statistics(torch.tensor(x)) for x in (real, fake)]
    return float(fid_statistics_to_metric(*moments, False)[KEY_METRIC_FID])


def kernel_cases() -> Iterator[dict[str, Any]]:
    import torch
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    for name in FEATURES:
        real, fake = features(name)
        sets = (torch.tensor(x) for x in (real, fake))
        found = kid_features_to_metric(*sets, kid_subsets=SUBSETS, kid_subset_size=SUBSET_SIZE, verbose=False)
        yield case("KID, same subsets", name, "torch_fidelity", found[KEY_METRIC_KID_MEAN], 1e-6, kind="rel")
        kernel = [(a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((real, real), (fake, fake), (real, fake))]
        n, m = len(real), len(fake)
        within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in kernel[:2]]
        value = sum(within) - 2 * kernel[2].sum() / (n * m)
        yield case("KID, all records", name, "brute force by numpy", value, 1e-10, kind="rel")


def inception_cases() -> Iterator[dict[str, Any]]:
    import torch
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

    for name in LOGITS:
        for splits in (1, 10):
            found = isc_features_to_metric(torch.tensor(logits(name)), splits=splits, shuffle=False)
            value = [found[KEY_METRIC_ISC_MEAN], found[KEY_METRIC_ISC_STD]]
            yield case("Inception Score", name, "torch_fidelity", value, 1e-9, splits=splits)


def neighbour_cases() -> Iterator[dict[str, Any]]:
    import torch
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    for name in (*FEATURES, TIED):
        real, fake = features(name)
        for k in (3, 5):
            sets = torch.tensor(fake), torch.tensor(real)
            found = prc_features_to_metric(*sets, prc_neighborhood=k, verbose=False)
            shares = [round(found["precision"] * len(fake)) / len(fake), round(found["recall"] * len(real)) / len(real)]
            # it averages in float32, so that shares are brought back to whole numbers of records
            yield case("precision and recall", name, "torch_fidelity", shares, 0.0, k=k, boundary="<=")
            found = compute_prdc(real, fake, k)
            value = [found["precision"], found["recall"]]
            yield case("precision and recall", name, "prdc", value, 0.0, k=k, boundary="<")
            value = [found["density"], found["coverage"]]
            yield case("density and coverage", name, "prdc", value, 1e-12, k=k, boundary="<")
            apart, within = cdist(real, fake, "sqeuclidean"), cdist(real, real, "sqeuclidean")
            reach = np.sort(within, axis=1)[:, [k]]
            value = [(apart <= reach).sum(0).mean() / k, (apart.min(1, keepdims=True) <= reach).mean()]
            yield case("density and coverage", name, "brute force by scipy", value, 1e-12, k=k, boundary="<=")


def vendi_cases() -> Iterator[dict[str, Any]]:
    from vendi_score import vendi

    for name in FEATURES[:2]:
        for order in ORDERS:
            value = vendi.score_K(similarity(name), q="inf" if np.isinf(order) else order)
            yield case("Vendi score", name, "vendi-score", value, 1e-8, order=str(order), kernel="Gaussian")
            value = vendi.score_dual(features(name)[1], q="inf" if np.isinf(order) else order)
            yield case("Vendi score", name, "vendi-score", value, 1e-8, order=str(order), kernel="cosine")
    value = vendi.score(README_SAMPLES, lambda a, b: np.exp(-np.abs(a - b)))
    assert abs(value - 2.9999) < 1e-4
    yield case("Vendi score", "its README, samples", "vendi-score", value, 1e-8, order="1.0", kernel="given")
    value = vendi.score_K(np.array(README_MATRIX))
    assert abs(value - 2.1573) < 1e-4
    yield case("Vendi score", "its README, matrix", "vendi-score", value, 1e-8, order="1.0", kernel="given")


def copying_cases() -> Iterator[dict[str, Any]]:
    for name in FEATURES[:2]:
        held_out, fake = features(name)
        train = train_set(name)
        within = cdist(train, train)
        np.fill_diagonal(within, np.inf)
        reach = within.min(1)

        def ratio(x: np.ndarray, train: np.ndarray = train, reach: np.ndarray = reach) -> np.ndarray:
            apart = cdist(x, train)
            return apart.min(1) / reach[apart.argmin(1)]

        shares = [(ratio(fake) > 1).mean(), (ratio(held_out) > 1).mean()]
        yield case("authenticity", name, "brute force by scipy", shares, 0.0)
        yield case("C_T, same cells", name, "scipy", _copying_z(name), 1e-6)


def cell_numbers(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the unseen and of the generated records."""
    held_out, fake = features(name)
    return (held_out[:, 0] > 0) * 2 + (held_out[:, 1] > 0), (fake[:, 0] > 0) * 2 + (fake[:, 1] > 0)


def _copying_z(name: str) -> list[float]:
    """z-values of each cell without correction for ties or continuity, and each cell's weight."""
    train, sets = train_set(name), features(name)
    apart = [cdist(x, train).min(1) for x in sets]
    cells = cell_numbers(name)
    z, weight = np.zeros(CELLS), np.zeros(CELLS)
    for c in range(CELLS):
        a, b = apart[0][cells[0] == c], apart[1][cells[1] == c]
        if len(a) and len(b):
            above = mannwhitneyu(b, a, use_continuity=False).statistic
            z[c] = (above - len(a) * len(b) / 2) / np.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12)
            weight[c] = len(a) / len(apart[0])
    return [*z, *weight]


def main() -> None:
    groups: tuple[Callable[[], Iterator[dict[str, Any]]], ...] = (
        frechet_cases,
        kernel_cases,
        inception_cases,
        neighbour_cases,
        vendi_cases,
        copying_cases,
    )
    cases = [found for group in groups for found in group()]
    packages = ("torch_fidelity", "clean-fid", "prdc", "vendi-score", "scipy", "scikit-learn", "numpy")
    OUT.write_text(json.dumps({"package": {p: version(p) for p in packages}, "cases": cases}) + "\n")
    print(f"{len(cases)} cases, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
