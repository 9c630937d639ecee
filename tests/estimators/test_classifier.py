"""Classifier: Bayes' rule is exact where the distribution is known, on arrays and tables, with gaps and few labels."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score

import genwright as gw
from genwright.errors import ArgumentError, UnsupportedError

TREE = gw.TreeMixture(states=6, knots=8)


def shop(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of numbers, levels, dates and truths; a row is of class "b" by chance .5, and columns follow its class."""
    rng = np.random.default_rng(seed)
    late = rng.random(n) < 0.5
    frame = pd.DataFrame(
        {
            "spend": rng.normal(np.where(late, 1.5, 0.0), 1.0).round(3),
            "city": np.where(rng.random(n) < np.where(late, 0.8, 0.3), "Ghent", "Lyon"),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, n) + 150 * late, unit="D"),
            "member": rng.random(n) < 0.5,
            "order": [f"k{i:06d}" for i in range(n)],
        }
    )
    return frame, np.where(late, "b", "a")


def with_gaps(frame: pd.DataFrame, share: float, seed: int = 1) -> pd.DataFrame:
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def discrete_law(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Two columns that depend on the class alone, and P(class 1 | both columns), shape (2, 3)."""
    rng = np.random.default_rng(seed)
    p_y, p_u, p_v = (
        np.array([0.4, 0.6]),
        np.array([[0.8, 0.2], [0.3, 0.7]]),
        np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]),
    )
    y = (rng.random(n) < p_y[1]).astype(int)
    u = (rng.random(n) < p_u[y, 1]).astype(int)
    v = (rng.random(n)[:, None] > p_v[y].cumsum(1)).sum(1)
    joint = p_y[:, None, None] * p_u[:, :, None] * p_v[:, None, :]
    frame = pd.DataFrame({"u": np.array(["no", "yes"])[u], "v": np.array(["x", "y", "z"])[v]})
    return frame, y, joint[1] / joint.sum(0)


@pytest.mark.parametrize("density", ["joint", "per class"])
def test_the_posterior_of_a_known_law_is_found(density):
    frame, y, posterior = discrete_law(6000)
    model = gw.Classifier(gw.Mixture(components=2 if density == "joint" else 1), density=density, steps=60)
    model.fit(frame, y)
    every = pd.DataFrame([(u, v) for u in ("no", "yes") for v in ("x", "y", "z")], columns=["u", "v"])
    assert np.abs(model.predict_proba(every)[:, 1] - posterior.ravel()).max() < 0.04
    assert np.allclose(np.exp(model.log_joint(every)).sum(), 1.0, atol=1e-5)


@pytest.mark.parametrize("family", [gw.Mixture(components=2), TREE], ids=["mixture", "tree"])
def test_what_is_missing_is_summed_out_exactly(family):
    frame, y, _ = discrete_law(800)
    model = gw.Classifier(family, density="joint", steps=30).fit(frame, y)
    known = pd.DataFrame({"u": ["yes"] * 3, "v": ["x", "y", "z"]})
    gap = pd.DataFrame({"u": ["yes"], "v": [None]})
    summed = np.exp(model.log_joint(known)).sum(0)
    assert np.allclose(np.exp(model.log_joint(gap))[0], summed, rtol=1e-4)
    nothing = pd.DataFrame({"u": [None], "v": [None]})
    assert np.allclose(np.exp(model.log_density(nothing)), 1.0, atol=1e-4)


@pytest.mark.parametrize(
    "family", [TREE, gw.Mixture(components=6), gw.Autoregressive(width=24, depth=1)], ids=lambda f: f.name
)
def test_tables_of_any_columns_with_gaps(family):
    frame, y = shop(600)
    test, truth = shop(300, seed=1)
    model = gw.Classifier(family, density="joint", steps=240).fit(with_gaps(frame, 0.1), y)
    assert model.score(test, truth) > 0.85
    gaps = with_gaps(test, 0.3)
    assert 0.75 < model.score(gaps, truth) <= model.score(test, truth)
    proba = model.predict_proba(gaps)
    assert np.allclose(proba.sum(1), 1) and list(model.classes_) == ["a", "b"]
    x, labels = model.sample(50)
    assert list(x.columns) == ["spend", "city", "since", "member"] and set(labels) == {"a", "b"}
    assert not x.isna().any(axis=None)


def test_one_density_for_each_class_on_a_table():
    frame, y = shop(500)
    model = gw.Classifier(gw.Mixture(components=2), density="per class", steps=20).fit(with_gaps(frame, 0.1), y)
    assert model.score(*shop(300, seed=1)) > 0.85
    assert set(model.sample(40)[1]) == {"a", "b"}


def test_a_vae_classifies_by_its_bound_but_takes_no_gaps():
    frame, y = shop(400)
    model = gw.Classifier(gw.VAE(latent=2, width=24, depth=1), density="per class", steps=80).fit(frame, y)
    assert model.score(*shop(200, seed=1)) > 0.7
    with pytest.raises(UnsupportedError, match="missing"):
        model.predict(with_gaps(frame, 0.5))


def symptoms(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Five columns of yes and no, of which four in five tell the class of a row."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.5).astype(int)
    told = rng.random((n, 5)) < 0.8
    signs = np.where(np.where(told, y[:, None], 1 - y[:, None]) == 1, "yes", "no")
    return pd.DataFrame(signs, columns=list("abcde")), y


def test_unlabelled_rows_teach_what_x_looks_like():
    frame, y = symptoms(3000)
    few = np.where(np.arange(len(y)) < 20, y, -1)
    model = gw.Classifier(gw.Mixture(components=2), unlabelled=-1, density="joint", steps=60).fit(frame, few)
    alone = gw.Classifier(gw.Mixture(components=1), density="per class", steps=20).fit(frame[:20], y[:20])
    test, truth = symptoms(2000, seed=1)
    best = (((test == "yes").sum(axis=1) > 2) == truth).mean()
    assert model.score(test, truth) > best - 0.02 and model.score(test, truth) > alone.score(test, truth) + 0.02


@pytest.mark.parametrize("missing", [None, np.nan])
def test_labels_that_are_missing_are_none(missing):
    frame, y = shop(300)
    labels = y.astype(object)
    labels[50:] = missing
    model = gw.Classifier(gw.Mixture(components=4), steps=20).fit(frame, labels)
    assert list(model.classes_) == ["a", "b"] and model.score(*shop(200, seed=1)) > 0.8
    numbers = np.where(np.arange(300) < 50, (y == "b").astype(float), np.nan)
    assert list(gw.Classifier(gw.Mixture(), steps=2).fit(frame, numbers).classes_) == [0.0, 1.0]


def test_missing_can_be_a_value():
    rng = np.random.default_rng(0)
    y = rng.random(800) < 0.5
    frame = pd.DataFrame(
        {"size": rng.normal(size=800), "answer": np.where(rng.random(800) < 0.1 + 0.8 * y, None, "said")}
    )
    told = gw.Classifier(TREE, keep_missing=["answer"], steps=200).fit(frame, y)
    untold = gw.Classifier(TREE, steps=200).fit(frame, y)
    assert told.score(frame, y) > 0.85 and untold.score(frame, y) < 0.65


def test_outliers_have_small_p_values_and_ordinary_rows_even_ones():
    X, y = load_wine(return_X_y=True)
    model = gw.Classifier(gw.Mixture(components=1), steps=10).fit(X[::2], y[::2])
    ordinary = model.outlier_p_value(X[1::2])
    assert 0.2 < ordinary.mean() < 0.7 and model.outlier_p_value(X[:3] * 5).max() <= 1 / 9
    frame, labels = shop(500)
    table = gw.Classifier(TREE, steps=240).fit(frame, labels)
    fresh, _ = shop(300, seed=1)
    even = table.outlier_p_value(fresh)
    assert (even < 0.1).mean() < 0.2 and 0.4 < even.mean() < 0.6
    odd = fresh.assign(city="Atlantis", spend=99.0)
    assert table.outlier_p_value(odd).max() < 0.05
    assert 0.3 < table.outlier_p_value(with_gaps(fresh, 0.4)).mean() < 0.7
    assert np.array_equal(table.score_samples(odd), table.log_density(odd))


def test_density_of_an_array_is_in_its_units():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 1)) * 50 + 10
    model = gw.Classifier(gw.Mixture(components=1), steps=10).fit(X, X[:, 0] > 10)
    grid = np.linspace(-300, 300, 3001)[:, None]
    assert np.exp(model.log_density(grid)).sum() * 0.2 == pytest.approx(1.0, abs=0.01)


def test_it_works_inside_scikit_learn():
    X, y = load_wine(return_X_y=True)
    assert cross_val_score(gw.Classifier(gw.Mixture(components=1), steps=5), X, y, cv=3).mean() > 0.95


@pytest.mark.parametrize(
    ("build", "labels", "match"),
    [
        (lambda: gw.Classifier(gw.GAN()), None, "no density"),
        (lambda: gw.Classifier(steps=1, minutes=1), None, "both"),
        (lambda: gw.Classifier().set_params(density="both"), None, "density="),
        (lambda: gw.Classifier(keep_missing=["sise"]), None, "sise"),
        (lambda: gw.Classifier(), ["a"] * 40, "1 class"),
        (lambda: gw.Classifier(), [None] * 40, "0 classes"),
        (lambda: gw.Classifier(density="per class"), ["a", "b", None, "a"] * 10, "unlabelled"),
        (lambda: gw.Classifier(gw.VAE()), ["a", "b", None, "a"] * 10, "unlabelled"),
    ],
)
def test_what_cannot_work_is_said_before_fitting(build, labels, match):
    frame, y = shop(40)
    with pytest.raises((ArgumentError, UnsupportedError), match=match) as caught:
        build().fit(frame, y if labels is None else labels)
    assert caught.value.hint
