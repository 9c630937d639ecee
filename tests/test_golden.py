"""Models that earlier versions saved still load, draw what they drew, and score as they scored."""

import json

import numpy as np
import pytest

import genwright as gw
from tests.golden.record import CASES, HERE, expected


def alike(found, known):
    """Equal texts, and numbers up to the rounding of another processor."""
    if isinstance(known, (float, int)) and not isinstance(known, bool):
        return found == pytest.approx(known, rel=1e-4, abs=1e-4, nan_ok=True)
    if isinstance(known, list):
        return len(found) == len(known) and all(map(alike, found, known))
    return found == known


@pytest.mark.parametrize("name", CASES)
def test_saved_models_stay_what_they_are(name):
    make, _ = CASES[name]
    found, known = expected(gw.load(HERE / name), make()), json.loads((HERE / f"{name}.json").read_text())
    if "image" in known["sample"]:  # a level more or less, where rounding decides
        pixels, before = (np.array(each["sample"].pop("image"), dtype=int) for each in (found, known))
        assert np.abs(pixels - before).max() <= 1
    assert found.keys() == known.keys()
    for part, value in known.items():
        assert alike(list(found[part]), list(value)), part
        if isinstance(value, dict):
            assert all(alike(found[part][column], values) for column, values in value.items()), part
