"""Copies are found and honest records are not accused; C_T against scipy's Mann-Whitney statistic."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from genwright.audit.copying import authenticity, cell_statistics, data_copying, near_copies
from genwright.errors import DataError


def cloud(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 6))


def with_copies(train: np.ndarray, seed: int, *, share: float, n: int = 800, noise: float = 0.01) -> np.ndarray:
    fake, rng = cloud(n, seed), np.random.default_rng(seed)
    k = int(share * n)
    fake[:k] = train[rng.choice(len(train), k, replace=False)] + noise * rng.normal(size=(k, 6))
    return fake


def test_authenticity_by_brute_force():
    train, fake, held_out = cloud(50, 0), cloud(40, 1), cloud(30, 2)

    def share(points):
        hits = []
        for x in points:
            apart = np.linalg.norm(train - x, axis=1)
            t = apart.argmin()
            own = np.delete(np.linalg.norm(train - train[t], axis=1), t).min()
            hits.append(apart[t] > own)
        return np.mean(hits)

    score = authenticity(train, fake, held_out=held_out, features="x")
    assert score.value == share(fake) and score.floor == share(held_out)
    assert authenticity(train, train[:20], held_out=held_out, features="x").value == 0


def test_cell_statistics_are_mann_whitney_z_values():
    rng = np.random.default_rng(0)
    unseen, fake = rng.random(60), rng.random(45) ** 2
    cells = rng.integers(0, 2, 60), rng.integers(0, 2, 45)
    z, weight = cell_statistics((unseen, cells[0]), (fake, cells[1]), cells=3)
    for c in (0, 1):
        a, b = unseen[cells[0] == c], fake[cells[1] == c]
        u = mannwhitneyu(b, a).statistic
        assert np.isclose(z[c], (u - len(a) * len(b) / 2) / np.sqrt(len(a) * len(b) * (len(a) + len(b) + 1) / 12))
        assert weight[c] == len(a) / 60
    assert weight[2] == 0


def test_c_t_is_zero_on_average_for_honest_records_and_falls_with_copies():
    values = [
        data_copying(cloud(400, s), cloud(300, 100 + s), held_out=cloud(300, 200 + s), features="x") for s in range(20)
    ]
    assert np.mean([v.interval[0] <= 0 <= v.interval[1] for v in values]) >= 0.8
    train = cloud(400, 0)
    found = [
        data_copying(train, with_copies(train, 7, share=share), held_out=cloud(300, 3), features="x")
        for share in (0, 0.1, 0.3, 0.5)
    ]
    assert [v.value for v in found] == sorted([v.value for v in found], reverse=True)
    assert "copying" in found[-1].note and found[0].note == ""


def test_one_percent_of_planted_copies_is_flagged_and_honest_records_hardly_ever():
    false_alarms = flagged = 0
    for s in range(60):
        train, held_out = cloud(600, s), cloud(800, 1000 + s)
        honest = near_copies(train, cloud(800, 2000 + s), held_out=held_out, features="x")
        planted = near_copies(train, with_copies(train, 3000 + s, share=0.01), held_out=held_out, features="x")
        false_alarms += bool(honest.note)
        flagged += bool(planted.note)
    assert flagged >= 57 and false_alarms <= 2


def test_too_few_records_and_features_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="at least"):
        data_copying(cloud(400, 0), cloud(20, 1), held_out=cloud(300, 2), features="x")
    with pytest.raises(DataError, match="not finite"):
        near_copies(cloud(40, 0), np.full((20, 6), np.nan), held_out=cloud(30, 2), features="x")
