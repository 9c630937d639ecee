"""Exposure: by heart what was planted often, 1 / ln 2 bits what was never seen."""

import math
import random

import numpy as np
import pytest
from tests.audit.test_text import prose

import genwright as gw
from genwright.audit.canaries import canaries, canary_exposure, exposures
from genwright.data.dataset import Dataset, Text
from genwright.errors import ArgumentError

PATTERN = "the code of the day is ###"
PLANTED, KEPT_OUT = (each.tolist() for each in np.split(np.array(canaries(PATTERN, 66, seed=0)), [2]))


def model(*, running):
    rows = [prose(6, i) for i in range(600)] + [canary for canary in PLANTED for _ in range(100)]
    random.Random(0).shuffle(rows)
    blocks = ["\n".join(rows[i : i + 20]) + "\n" for i in range(0, len(rows), 20)]
    column = np.array(blocks if running else rows, dtype=object)
    return gw.fit(Dataset((Text("text", running=running),), {"text": column}), family=gw.NGram(order=8), minutes=0.1)


@pytest.mark.parametrize("running", [False, True])
def test_what_was_planted_is_exposed_and_what_was_kept_out_is_not(running):
    fitted = model(running=running)
    assert exposures(fitted, PLANTED, pattern=PATTERN).tolist() >= [math.log2(1000) - 1.1] * 2
    score = canary_exposure(fitted, KEPT_OUT, pattern=PATTERN)
    assert score.value == pytest.approx(1 / math.log(2), abs=3 * score.floor_error) and score.unit == " bits"
    few = exposures(fitted, PLANTED, pattern=PATTERN, alternatives=200)
    assert few == pytest.approx(math.log2(201), abs=1.1)


def test_sentences_that_cannot_be_are_refused():
    assert len(set(canaries("#-#", 100, seed=1))) == 100
    for pattern, n, message in [("none", 1, "0 digits"), ("#", 11, "11 canaries"), ("#" * 16, 1, "16 digits")]:
        with pytest.raises(ArgumentError, match=message):
            canaries(pattern, n, seed=0)
    with pytest.raises(ArgumentError, match="no sentence of"):
        exposures(model(running=False), ["the code of the day is 1"], pattern=PATTERN)
