"""P(y | x) of a density, corrected by what labelled rows say."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from sklearn.metrics import log_loss

import genwright as gw
from genwright.errors import ArgumentError


def rows(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Groups of rows that look alike, and labels that cut across the groups."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 2, n)
    table = pd.DataFrame({"a": rng.normal(3 * group, 1), "b": rng.normal(-3 * group, 1), "c": rng.normal(size=n)})
    table["d"] = np.where(rng.random(n) < 0.2, None, np.array(["u", "v", "w"], dtype=object)[rng.integers(0, 3, n)])
    return table, np.where(rng.random(n) < 1 / (1 + np.exp(-3 * table["c"])), "yes", "no")


@pytest.fixture(scope="module")
def fits():
    x, y = rows(600, 0)
    few = np.where(np.arange(600) < 80, y.astype(object), None)
    family = gw.TreeMixture(states=8)
    return {c: gw.Classifier(family, density="joint", steps=60, correction=c).fit(x, few) for c in (0.0, None)}


def test_labels_that_groups_do_not_show(fits):
    x, y = rows(500, 1)
    assert fits[None].score(x, y) > max(0.8, fits[0.0].score(x, y))
    losses = {c: log_loss(y, model.predict_proba(x)) for c, model in fits.items()}
    assert losses[None] < losses[0.0]


def test_only_the_law_of_the_label_changes(fits):
    x, _ = rows(50, 2)
    plain, corrected = fits[0.0], fits[None]
    np.testing.assert_allclose(corrected.log_density(x), plain.log_density(x), rtol=1e-5)
    joint = corrected.log_joint(x)
    np.testing.assert_allclose(logsumexp(joint, axis=1), corrected.log_density(x), rtol=1e-5)
    np.testing.assert_allclose(
        np.exp(joint - logsumexp(joint, axis=1, keepdims=True)), corrected.predict_proba(x), rtol=1e-4
    )
    pd.testing.assert_frame_equal(plain.sample(20, seed=1)[0], corrected.sample(20, seed=1)[0])


def test_unknown_inputs_and_all_classes(fits):
    law = fits[None].predict_proba(pd.DataFrame({"a": [None, 1.0], "b": None, "c": [None, 2.0], "d": ["new", None]}))
    assert law.shape == (2, 2) and np.allclose(law.sum(axis=1), 1) and law[1, 1] > law[0, 1]


def test_arrays_and_more_classes():
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    model = gw.Classifier(gw.Mixture(components=1), steps=5, correction=0.1).fit(x[::2], y[::2])
    assert model.predict_proba(x[1::2]).shape == (89, 3) and model.score(x[1::2], y[1::2]) > 0.9


def test_strength_is_no_debt():
    with pytest.raises(ArgumentError, match="correction"):
        gw.Classifier(correction=-1).fit([[0.0], [1.0]], [0, 1])
