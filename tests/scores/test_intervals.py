"""Intervals against closed forms, references and simulation."""

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from genwright.scores.intervals import (
    Replicates,
    auc_influence,
    jackknife_error,
    jackknife_groups,
    share_interval,
)


def test_share_interval_is_wilsons():
    for k, n in ((0, 10), (3, 10), (10, 10), (517, 1000)):
        expected = binomtest(k, n).proportion_ci(method="wilson")
        assert np.allclose(share_interval(k / n, n), expected, atol=1e-12)


def test_auc_agrees_with_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.3
    score = np.round(rng.normal(size=400) + positive, 1)
    auc, influence = auc_influence(score, positive)
    assert np.isclose(auc, roc_auc_score(positive, score), atol=1e-12)
    assert abs(influence.mean()) < 1e-12


def test_auc_error_matches_simulation():
    rng = np.random.default_rng(1)
    positive = np.repeat([True, False], [80, 120])
    results = [auc_influence(rng.normal(size=200) + positive, positive) for _ in range(300)]
    errors = [np.sqrt(np.mean(influence**2) / len(influence)) for _, influence in results]
    assert 0.85 < np.mean(errors) / np.std([auc for auc, _ in results]) < 1.15


def test_jackknife_error_of_a_mean_is_the_classic_one():
    x = np.random.default_rng(2).normal(size=2000)
    group = jackknife_groups(len(x), seed=0)
    error = jackknife_error(np.array([x[group != g].mean() for g in range(group.max() + 1)]))
    assert np.isclose(error, x.std(ddof=1) / np.sqrt(len(x)), rtol=0.4)  # 20 groups leave it 16 % uncertain


def test_what_generated_records_vary_by_alone_is_never_taken_off():
    sides = {"real": (0.9, 1.0, 1.1), "fake": (1.9, 2.0, 2.1), "excess": 1.0}
    bare, kept = Replicates(**sides), Replicates(**sides, least=0.012)
    assert np.isclose(bare.error**2, 0.375 * bare.raw_variance) and np.isclose(kept.error**2, 0.012)
    assert np.isclose(kept.minus(kept).error ** 2, 0.024)
