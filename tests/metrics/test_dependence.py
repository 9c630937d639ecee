"""Mutual information against closed forms; what each measure of dependence sees."""

from dataclasses import replace

import numpy as np
import pytest
from experiments.similarity import contingency_similarity, correlation_similarity

from genwright.errors import DataError
from genwright.metrics.dependence import (
    Normalisation,
    mutual_information_error,
    normalized_mutual_information,
)
from genwright.metrics.tables import trend_error
from tests.metrics.records import independent, table


def test_information_of_a_known_table():
    a, b = np.repeat([0, 0, 1, 1], [4, 1, 1, 2]), np.repeat([0, 1, 0, 1], [4, 1, 1, 2])
    joint = np.array([[4, 1], [1, 2]]) / 8
    independent_joint = joint.sum(1)[:, None] * joint.sum(0)
    information = np.sum(joint * np.log(joint / independent_joint))
    entropy = -np.sum(joint.sum(1) * np.log(joint.sum(1)))
    whole = -np.sum(joint * np.log(joint))
    for normalisation in Normalisation:
        scale = whole if normalisation is Normalisation.JOINT else entropy  # both columns have the same entropy
        found = normalized_mutual_information(a, b, normalisation=normalisation)
        assert np.isclose(found, information / scale, atol=1e-12)
    assert normalized_mutual_information(np.zeros(5, dtype=int), np.zeros(5, dtype=int)) == 1
    assert normalized_mutual_information(np.zeros(4, dtype=int), np.arange(4)) == 0


def test_information_sees_what_correlation_does_not():
    rng = np.random.default_rng(0)
    real = table(2000)
    bent = rng.normal(size=2000)
    real = replace(real, columns={**real.columns, "x": bent, "y": bent**2 + 0.1 * rng.normal(size=2000)})
    real = real.select(["x", "y"])
    fake = independent(real, 2000)
    assert trend_error(real, fake).value < 5
    score = mutual_information_error(real, fake)
    assert score.value > 30 and score.interval[0] < score.value < score.interval[1]
    assert "arithmetic mean" in score.signature and score.replicates is not None


def test_the_error_is_small_for_another_sample_and_grows_with_lost_dependence():
    real = table(1500)
    values = [mutual_information_error(real, table(1500, seed=1, dependence=d)).value for d in (0.9, 0.7, 0.4)]
    assert values[0] < 3 and values == sorted(values)
    assert mutual_information_error(real, real).value < 1e-9


def test_mistakes_are_named():
    with pytest.raises(DataError, match="two columns"):
        mutual_information_error(table(50).select(["x"]), table(50))
    with pytest.raises(DataError, match="3 and 4 rows"):
        normalized_mutual_information(np.arange(3), np.arange(4))
    with pytest.raises(DataError, match="differ in both"):
        correlation_similarity(np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(DataError, match="no rows"):
        contingency_similarity(np.zeros((0, 2), dtype=int), np.zeros((3, 2), dtype=int))
