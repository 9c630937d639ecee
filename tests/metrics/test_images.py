"""Feature distances against closed forms and brute force; the extractor against real digits."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from genwright.errors import ArgumentError, DataError, StorageError
from genwright.extractors.features import Extractor, feature_dimension, fit_extractor, load_extractor
from genwright.metrics.frechet import frechet, frechet_distance
from genwright.metrics.images import label_agreement, nearest_images, nearest_training_image
from genwright.metrics.kernel import kernel_distance
from genwright.metrics.neighbours import density_coverage, precision_recall
from tests.metrics.records import images


def cloud(n: int, d: int = 4, *, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * scale + shift


def test_frechet_is_the_analytic_one_between_gaussians():
    value = frechet(cloud(100_000), cloud(100_000, seed=1, scale=2.0, shift=0.5))
    assert np.isclose(value, 4 * 0.25 + 4 * (2 - 1) ** 2, rtol=0.02)


def test_frechet_agrees_with_the_matrix_root():
    rng = np.random.default_rng(0)
    a, b = cloud(300, 6) @ rng.normal(size=(6, 6)), cloud(200, 6, seed=1) @ rng.normal(size=(6, 6)) + 1
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert np.isclose(frechet(a, b), expected, rtol=1e-8)
    assert frechet(a, a) < 1e-9
    assert frechet(a[:4], b) >= 0  # fewer records than dimensions


def test_frechet_bias_is_what_the_rule_of_two_percent_bounds():
    values = [frechet(cloud(500, 10, seed=s), cloud(500, 10, seed=900 + s)) for s in range(20)]
    assert np.isclose(np.mean(values), 10**2 / 1000 + 2 * 10 / 500, rtol=0.2)
    assert [feature_dimension(n) for n in (10, 500, 10**6)] == [4, 10, 64]


def test_kernel_distance_is_the_unbiased_statistic():
    a, b = cloud(40), cloud(30, seed=1, shift=0.3)

    def kernel(x, y):
        return (x @ y.T / 4 + 1) ** 3

    xx, yy = kernel(a, a), kernel(b, b)
    expected = (xx.sum() - np.trace(xx)) / (40 * 39) + (yy.sum() - np.trace(yy)) / (30 * 29) - 2 * kernel(a, b).mean()
    assert np.isclose(kernel_distance(a, b, features="x").value, expected, rtol=1e-10)
    values = [kernel_distance(cloud(50, seed=s), cloud(50, seed=900 + s), features="x").value for s in range(40)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(40)


def test_precision_recall_density_coverage_by_brute_force():
    real, fake = cloud(60), cloud(50, seed=1, scale=1.3)
    between = cdist(fake, real)
    reach = {k: [np.sort(cdist(x, x), axis=1)[:, k] for x in (real, fake)] for k in (3, 5)}
    precision, recall = precision_recall(real, fake, features="x")
    assert precision.value == np.mean((between <= reach[3][0]).any(1))
    assert recall.value == np.mean((reach[3][1] >= between.T).any(1))
    density, coverage = density_coverage(real, fake, features="x")
    assert np.isclose(density.value, (between <= reach[5][0]).sum(1).mean() / 5)
    assert coverage.value == np.mean(between.min(0) <= reach[5][0])
    assert [s.value for s in precision_recall(real, real, features="x")] == [1, 1]


def test_missing_modes_lower_recall_and_invented_ones_precision():
    two = np.concatenate([cloud(200), cloud(200, seed=1, shift=8)])
    precision, recall = precision_recall(two, cloud(400, seed=2), features="x")
    assert precision.value > 0.7 and recall.value < 0.6
    precision, recall = precision_recall(cloud(400, seed=2), two, features="x")
    assert precision.value < 0.6 and recall.value > 0.7


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, precision_recall, density_coverage])
def test_features_that_cannot_be_compared_are_refused(metric):
    good = cloud(20)
    for bad, why in ((np.full((20, 4), np.nan), "not finite"), (cloud(20, 3), "shape"), (cloud(1), "at least")):
        with pytest.raises(DataError, match=why):
            metric(good, bad, features="x")


def test_intervals_match_simulation():
    scores = [kernel_distance(cloud(300, seed=s), cloud(300, seed=900 + s, shift=0.4), features="x") for s in range(60)]
    spread = np.std([score.value for score in scores])
    half = np.mean([(score.interval[1] - score.interval[0]) / 2 / 1.96 for score in scores])
    assert 0.75 < half / spread < 1.3


DIGITS = load_digits()
ORDER = np.random.default_rng(0).permutation(1797)


def digits(start: int, stop: int):
    rows = ORDER[start:stop]
    return images(DIGITS.images[rows][..., None].astype(np.uint8), DIGITS.target[rows])


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return fit_extractor(digits(0, 700), dimension=6)


def noisy(data, amount: float):
    x = data.columns["image"] + amount * np.random.default_rng(0).normal(size=data.columns["image"].shape)
    return replace(data, columns={**data.columns, "image": np.clip(x, 0, 16).round().astype(np.uint8)})


def test_noise_increases_the_distance_in_learned_features(extractor):
    real, fake = extractor(digits(700, 1200)), digits(1200, 1700)
    values = [frechet(real, extractor(noisy(fake, amount))) for amount in (0, 2, 4, 8)]
    assert values == sorted(values) and values[0] < 0.2 and values[3] > 10 * values[0]


def test_labels_are_read(extractor):
    real, fake = digits(700, 1200), digits(1200, 1700)
    score = label_agreement(extractor, fake, real=real)
    assert score.value > 0.93 and score.floor > 0.93
    wrong = replace(fake, columns={**fake.columns, "class": np.roll(fake.columns["class"], 1)})
    assert label_agreement(extractor, wrong, real=real).value < 0.3


def test_an_extractor_is_repeatable_and_survives_storage(extractor, tmp_path):
    extractor.save(tmp_path)
    loaded = load_extractor(tmp_path)
    assert loaded.signature == extractor.signature and loaded.labels == extractor.labels
    assert np.array_equal(loaded(digits(0, 20)), extractor(digits(0, 20)))
    (tmp_path / "extractor.safetensors").write_bytes(b"garbage")
    with pytest.raises(StorageError):
        load_extractor(tmp_path)
    small = digits(0, 30)
    assert fit_extractor(small, dimension=4).sha256 == fit_extractor(small, dimension=4).sha256


def test_the_pca_control_is_whitened_pixels():
    data = digits(0, 300)
    z = fit_extractor(data, dimension=5, kind="pca")(data)
    assert np.allclose(np.cov(z, rowvar=False), np.eye(5), atol=1e-3)


def test_unlabelled_and_odd_images(extractor):
    rng = np.random.default_rng(0)
    rgb = images(rng.integers(0, 256, (40, 5, 9, 3), dtype=np.uint8), np.zeros(40), levels=256)
    odd = fit_extractor(rgb, dimension=4)
    assert odd(rgb).shape == (40, 4)
    ragged = np.empty(3, dtype=object)
    ragged[:] = [rng.integers(0, 17, (h, 8, 1), dtype=np.uint8) for h in (8, 12, 70)]
    assert extractor(replace(digits(0, 3), columns={**digits(0, 3).columns, "image": ragged})).shape == (3, 6)
    with pytest.raises(DataError, match="channels"):
        extractor(rgb)
    with pytest.raises(ArgumentError, match="without labels"):
        odd.classify(rgb)
    with pytest.raises(DataError, match="too few"):
        fit_extractor(digits(0, 5), dimension=4)


def test_copied_images_are_found():
    train, held_out = digits(0, 700), digits(700, 1000)
    index, distance = nearest_images(train.take(slice(5, 8)), train)
    assert list(index) == [5, 6, 7] and distance.max() == 0
    one_grey = replace(
        train, columns={**train.columns, "image": train.columns["image"] ^ 1}
    )  # every pixel moves by one
    assert np.allclose(nearest_images(one_grey.take(slice(0, 9)), train)[1], 1 / 16, atol=1e-6)
    assert nearest_training_image(train, one_grey, held_out=held_out).value > 0.99
    honest = nearest_training_image(train, digits(1000, 1797), held_out=held_out)
    assert honest.interval[0] <= 0.5 <= honest.interval[1]
