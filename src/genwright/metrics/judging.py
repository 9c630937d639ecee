"""The judge of every kind of data: can it tell generated records from real ones it has not seen?

Tables: boosted trees (a random forest if there are few rows). Images: boosted trees and a convolutional network.
Text: logistic regression on runs of characters and words. Other scores each see one side of the data; what a judge can
tell apart is not good, whatever they say.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from genwright.data.dataset import Dataset, Text
from genwright.metrics.collect import Found, second_real
from genwright.metrics.kind import Sides
from genwright.metrics.kinds import KINDS
from genwright.metrics.text_judges import PASSAGE
from genwright.metrics.two_sample import CROSS_ENTROPY, doubt, told_apart
from genwright.scores.score import Score

BLOCK = 16 * PASSAGE  # characters of running text that stay together when it is divided


def judged(real: Dataset, fake: Dataset, *, train: Dataset | None = None, seed: int = 0) -> tuple[Score, Score]:
    """C2ST and the cross-entropy of the judge who sees most, for data of any kind, at equal numbers of records.

    C2ST is 2 (1 - AUC): 1 cannot be told apart, 0 is told apart always. Where that is near 0 for all generators that
    are compared, the cross-entropy (in bits; 1 is a toss-up) still tells the bad from the worse. `train` is used for
    running text only, see `text_looks`. Raises DataError below 10 records (passages of text) of each.
    """
    looks = KINDS[real.kind].looks(Sides(fake, real, train), seed)
    return told_apart(looks, name="C2ST", seed=seed), doubt(looks, name=CROSS_ENTROPY, seed=seed)


def score_judge(found: Found, sides: Sides, seed: int) -> None:
    """What the judge says, and what it says of two sets of real records and of a baseline."""
    fake, real, train, worst = sides
    if real.running:
        one, other = divided(real if train is None else train)
        learned, floor = (None, (one, other)) if train is None else (one, (real, other))
        metric = partial(judged, train=learned, seed=seed)
    else:
        metric, floor = partial(judged, seed=seed), second_real(real, train, len(fake), seed)
    found.add_beside("C2ST", metric, (real, fake), floor, None if worst is None else (floor[0], worst))


def divided(text: Dataset) -> tuple[Dataset, Dataset]:
    """Running text as two sets of blocks that take turns, so that both speak of the same things."""
    media = text.medium(Text)
    name = media.name
    whole = "".join(text.columns[name])
    size = min(BLOCK, max(len(whole) // 20, PASSAGE))
    blocks = np.array([whole[start : start + size] for start in range(0, len(whole), size)], dtype=object)
    return tuple(  # type: ignore[return-value]
        replace(text, fields=(media,), columns={name: blocks[i::2]}, fixed_split=None) for i in range(2)
    )
