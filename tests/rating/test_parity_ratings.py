"""The analysis of ratings against independent packages: frozen values, made by benchmarks/parity/ratings.py."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from genwright.rating.agreement import krippendorff_alpha, self_consistency
from genwright.rating.bradley_terry import Comparisons, bradley_terry
from genwright.rating.power import Design, accuracy_power
from genwright.scores.multiple import adjusted

ROOT = Path(__file__).parents[2]
CASES = json.loads((ROOT / "tests" / "metrics" / "reference" / "ratings.json").read_text(encoding="utf-8"))["cases"]


def recipe():
    """The script that made the values, which also makes their inputs."""
    spec = importlib.util.spec_from_file_location("parity_ratings", ROOT / "benchmarks" / "parity" / "ratings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INPUTS = recipe()


def ours(metric: str, data: str):
    """What we make of the same input."""
    name, *rest = metric.split(", ")
    if name == "Bradley–Terry":
        k, left, right, outcome = INPUTS.comparisons(data)
        given = Comparisons(
            systems=tuple(f"s{i}" for i in range(k)), left=left, right=right, outcome=outcome, rater=np.zeros_like(left)
        )
        fit = bradley_terry(given, ties=rest[0], sides="estimated" if len(rest) > 1 else "ignored")
        assert not fit.note
        tie, side = [np.log(fit.tie)] if rest[0] == "davidson" else [], [fit.side] if len(rest) > 1 else []
        return [*fit.log_strength, *tie, *side]
    if name == "Krippendorff's alpha":
        return krippendorff_alpha(INPUTS.answers(data), level=rest[0])
    if name == "adjusted p-values":
        return adjusted(INPUTS.p_values(data), by=rest[0])
    if name == "self-consistency":
        agreeing, n = map(int, data.split(" of "))
        return self_consistency(np.arange(n) < agreeing).interval
    raters, rate = data.split(" raters, ")
    return accuracy_power(Design(raters=int(raters), per_rater=1), float(rate))


def difference(case) -> float:
    """The largest difference from the frozen value."""
    return float(np.max(np.abs(np.asarray(ours(case["metric"], case["data"])) - np.asarray(case["value"]))))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['metric']}: {case['data']}")
def test_agrees_with_the_reference(case):
    assert difference(case) <= case["tolerance"]


def test_baseball_strengths_are_those_in_the_book():
    """Agresti, "Categorical Data Analysis": strengths over Baltimore's."""
    strengths = np.array(ours("Bradley–Terry, half win", "baseball 1987"))
    np.testing.assert_allclose(strengths - strengths[-1], [1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0], atol=0.006)
