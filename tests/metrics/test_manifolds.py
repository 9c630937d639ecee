"""Alpha-precision, beta-recall and distance to closest record against brute force."""

from dataclasses import replace

import numpy as np
import pytest

from genwright.data.align import aligned
from genwright.errors import DataError
from genwright.extractors.encoding import row_points
from genwright.metrics.manifolds import (
    ALPHAS,
    RecallSupport,
    alpha_precision,
    beta_recall,
    distance_to_closest_record,
)
from tests.metrics.records import table


def points(n: int, seed: int, *, spread: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return spread * np.random.default_rng(seed).normal(size=(n, 3)) + shift


def brute_precision(real: np.ndarray, fake: np.ndarray) -> float:
    centre = real.mean(0)
    gaps = []
    for alpha in ALPHAS:
        radius = np.quantile([np.linalg.norm(p - centre) for p in real], alpha)
        gaps.append(abs(np.mean([np.linalg.norm(p - centre) <= radius for p in fake]) - alpha))
    return 1 - 2 * np.mean(gaps)


def brute_recall(real: np.ndarray, fake: np.ndarray, support: RecallSupport) -> float:
    centre = fake.mean(0)
    near, outness = [], []
    for i, p in enumerate(real):
        own = min(np.linalg.norm(p - q) for j, q in enumerate(real) if j != i)
        distances = [np.linalg.norm(p - q) for q in fake]
        near.append(min(distances) <= own)
        outness.append(np.linalg.norm(fake[int(np.argmin(distances))] - centre))
    among = outness if support is RecallSupport.MATCHED else [np.linalg.norm(q - centre) for q in fake]
    shares = [np.mean(near & (np.array(outness) <= np.quantile(among, beta))) for beta in ALPHAS]
    return 1 - 2 * np.mean(np.abs(np.array(shares) - ALPHAS))


def test_agree_with_brute_force():
    for real, fake in ((points(60, 0), points(80, 1, shift=0.3)), (points(70, 2), points(55, 3, spread=0.5))):
        assert np.isclose(alpha_precision(real, fake, features="x").value, brute_precision(real, fake), atol=1e-12)
        for support in RecallSupport:
            found = beta_recall(real, fake, features="x", support=support)
            assert np.isclose(found.value, brute_recall(real, fake, support), atol=1e-12)


def test_replicates_follow_values_with_a_group_left_out():
    real, fake = points(200, 0), points(200, 1, spread=1.8)
    group = np.random.default_rng(4).permutation(200) % 20  # generated records have the seed after that of real ones
    for metric in (alpha_precision, beta_recall):
        score = metric(real, fake, features="x", seed=3)
        assert len(score.replicates.real) == len(score.replicates.fake) == 20
        left_out = [metric(real, fake[group != g], features="x").value for g in range(6)]
        assert np.corrcoef(score.replicates.fake[:6], left_out)[0, 1] > 0.98
        assert score.interval[0] < score.value < score.interval[1]


def test_precision_falls_with_outliers_and_recall_with_dropped_modes():
    real = np.concatenate([points(200, 0), points(200, 1, shift=8.0)])
    same = np.concatenate([points(200, 2), points(200, 3, shift=8.0)])
    noisy = same + 6 * np.random.default_rng(5).normal(size=same.shape)
    dropped = points(400, 4)
    assert alpha_precision(real, same, features="x").value > 0.9 > alpha_precision(real, noisy, features="x").value
    assert beta_recall(real, same, features="x").value - beta_recall(real, dropped, features="x").value > 0.05
    assert alpha_precision(real, real, features="x").value > 0.99


def test_distance_to_closest_record_is_the_median_and_only_describes():
    train, held_out, fake = points(90, 0), points(70, 1), points(80, 2)
    score = distance_to_closest_record(train, fake, held_out=held_out, features="x")
    nearest, usual = (np.linalg.norm(p[:, None] - train, axis=2).min(1) for p in (fake, held_out))
    assert np.isclose(score.value, np.median(nearest)) and np.isclose(score.floor, np.median(usual))
    assert "descriptive only" in score.note and score.direction == "target"
    copies = distance_to_closest_record(train, train[:80], held_out=held_out, features="x")
    assert copies.value == 0


def test_rows_of_tables_become_points():
    real, fake = table(300), table(200, seed=1)
    a, b = row_points(real, [real, aligned(fake, real)])
    assert a.shape == (300, 1 + 2 + 4 + 1 + 4) and b.shape[1] == a.shape[1]  # x, y and its marks, size, day, label
    assert np.isfinite(a).all() and np.isfinite(b).all()
    assert abs(a[:, 0].mean()) < 1e-9 and abs(a[:, 0].std() - 1) < 0.02
    differ = np.flatnonzero(real.columns["size"] != real.columns["size"][0])[0]
    assert np.isclose(np.linalg.norm(a[0, 3:7] - a[differ, 3:7]), 1)
    stretched = replace(real, columns={**real.columns, "x": np.exp(real.columns["x"])})
    assert np.allclose(row_points(stretched, [stretched])[0], a)
    assert alpha_precision(a, b, features="normal scores").value > 0.8


def test_mistakes_are_named():
    with pytest.raises(DataError, match="dimensions"):
        alpha_precision(points(60, 0), points(60, 1)[:, :2], features="x")
    with pytest.raises(DataError, match="50 of each"):
        beta_recall(points(60, 0), points(20, 1), features="x")
    broken = points(60, 1)
    broken[3, 0] = np.nan
    with pytest.raises(DataError, match="1 points are not finite"):
        alpha_precision(points(60, 0), broken, features="x")
