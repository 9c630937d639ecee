"""Metrics of features against their reference packages (`python benchmarks/parity/images.py`)."""

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.parity import images as recipes

from genwright.audit import copying
from genwright.maths import distances
from genwright.metrics import diversity, neighbours
from genwright.metrics.frechet import Shrinking, frechet, frechet_infinity, intercept
from genwright.metrics.kernel import kernel_distance, squared_discrepancy

CASES = json.loads((Path(__file__).parent / "reference" / "images.json").read_text())["cases"]


def of_moments(case):
    real, fake = recipes.features(case["data"])
    if case["metric"] == "Frechet distance":
        return frechet(real, fake)
    rows = recipes.subsets(len(fake), seed=1)
    sizes = np.array([len(size[0]) for size in rows])
    value = intercept(sizes, np.array([np.mean([frechet(real, fake[each]) for each in size]) for size in rows]))
    shrinking = Shrinking(case["shrinking"])
    whole = frechet_infinity(real, fake, features="x", shrinking=shrinking, seed=0).value
    assert np.isclose(value, whole, rtol=1e-9)
    return value


def of_kernels(case):
    real, fake = recipes.features(case["data"])
    if case["metric"] == "KID, same subsets":
        rows = recipes.kid_subsets(len(real), len(fake))
        return np.mean([squared_discrepancy(real[a], fake[b]) for a, b in rows])
    value = squared_discrepancy(real, fake)
    assert np.isclose(kernel_distance(real, fake, features="x").value, value, rtol=1e-10)
    return value


def of_classes(case):
    p = recipes.probabilities(recipes.logits(case["data"]))
    return diversity.split_information(p, splits=case["splits"])


def of_neighbours(case):
    metrics = {
        "precision and recall": neighbours.precision_recall,
        "density and coverage": neighbours.density_coverage,
    }
    boundary = neighbours.Boundary(case["boundary"])
    sets = recipes.features(case["data"])
    return [score.value for score in metrics[case["metric"]](*sets, features="x", k=case["k"], boundary=boundary)]


def of_diversity(case):
    order, data = float(case["order"]), case["data"]
    if case["kernel"] == "cosine":
        fake = recipes.features(data)[1]
        return diversity.vendi_score(fake, fake, features="x", order=order).value
    if case["kernel"] == "Gaussian":
        return diversity.vendi(recipes.similarity(data), order=order)
    samples = np.array(recipes.README_SAMPLES, dtype=np.float64)
    given = np.exp(-np.abs(samples[:, None] - samples)) if "samples" in data else np.array(recipes.README_MATRIX)
    return diversity.vendi(given, order=order)


def of_copies(case):
    held_out, fake = recipes.features(case["data"])
    train = recipes.train_set(case["data"])
    if case["metric"].startswith("C_T"):
        apart = [distances.nearest_of(x, train)[0] for x in (held_out, fake)]
        cells = recipes.cell_numbers(case["data"])
        pairs = ((a, c) for a, c in zip(apart, cells))
        return np.concatenate(copying.cell_statistics(*pairs, cells=recipes.CELLS))
    score = copying.authenticity(train, fake, held_out=held_out, features="x")
    return [score.value, score.floor]


MEASURES = {
    **dict.fromkeys(("Frechet distance", "FD-infinity, same subsets"), of_moments),
    **dict.fromkeys(("KID, same subsets", "KID, all records"), of_kernels),
    "Inception Score": of_classes,
    **dict.fromkeys(("precision and recall", "density and coverage"), of_neighbours),
    "Vendi score": of_diversity,
    **dict.fromkeys(("authenticity", "C_T, same cells"), of_copies),
}


def difference(case) -> float:
    """The largest difference from the frozen value, as a share of it where the tolerance is relative."""
    expected = np.asarray(case["value"])
    apart = float(np.max(np.abs(np.asarray(MEASURES[case["metric"]](case)) - expected)))
    return apart / float(np.max(np.abs(expected))) if case["kind"] == "rel" else apart


@pytest.mark.parametrize("metric", MEASURES)
def test_agrees_with_its_reference(metric):
    cases = [case for case in CASES if case["metric"] == metric]
    assert len({case["data"] for case in cases}) >= 2
    for case in cases:
        assert difference(case) <= case["tolerance"], case


def test_conventions_part_at_ties():
    """What torch_fidelity and prdc say of the same whole numbers differs, and each is matched exactly."""
    tied = [c for c in CASES if c["data"] == recipes.TIED and c["metric"] == "precision and recall" and c["k"] == 3]
    assert {c["boundary"] for c in tied} == {"<=", "<"}
    assert tied[0]["value"] != tied[1]["value"]
    assert all(difference(case) == 0 for case in tied)
