"""Judges of generated series: boosted trees on what a series amounts to, and a convolution over time.

The trees see levels, steps, autocorrelations, rhythms, lengths and what was not measured; the network sees shapes.
Neighbouring windows of one series stay in one fold, so that no judge knows a window by what stood beside it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from genwright.data.dataset import Dataset
from genwright.metrics.kind import Sides
from genwright.metrics.series import Records
from genwright.metrics.series_arrays import Arrays, arrays_of
from genwright.metrics.series_judges import odds_of_fake, summary
from genwright.metrics.two_sample import Look, Rows, blocked_folds, enough, look, odds_by_trees, shuffled_folds

MAX_JUDGED = 2000  # series of each set


def series_looks(sides: Sides, seed: int) -> list[Look]:
    """What trees and a convolutional network find in equally many series of both sets, at most 2,000 of each."""
    sets = arrays_of(Sides(sides.fake, sides.real), kept=True)
    n = min(len(sets.real), len(sets.fake), MAX_JUDGED)
    enough(n, where=sides.fake.name)
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.permutation(len(x))[:n]) for x in (sets.real, sets.fake)]
    x = np.concatenate([sets.real[rows[0]], sets.fake[rows[1]]])
    seen = np.concatenate([summary(x), _beside(sets, rows)], axis=1)
    is_fake = np.repeat([False, True], n)

    def trees(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        return expit(odds_by_trees(seen[fit], is_fake[fit], seen[asked], seed=seed))

    def network(fit: Rows, asked: Rows) -> Float[np.ndarray, "_"]:
        return odds_of_fake(x[fit], is_fake[fit], x[asked], seed)

    folds = blocked_folds(n) if sets.records is Records.WINDOWS else shuffled_folds(n, seed=seed)
    return [look("boosted trees", trees, n=n, folds=folds), look("convolution", network, n=n, folds=folds)]


def series_points(of: Dataset, sets: Sequence[Dataset]) -> list[np.ndarray]:
    """Each set as points: all readings of a series, in standard deviations of those it is held against."""
    return [arrays_of(Sides(each, of), kept=True).fake.reshape(len(each), -1) for each in sets]


def series_traits(of: Dataset, sets: Sequence[Dataset]) -> list[np.ndarray]:
    """Each set as trees see it."""
    return [summary(arrays_of(Sides(each, of), kept=True).fake) for each in sets]


def _beside(sets: Arrays, rows: list[np.ndarray]) -> Float[np.ndarray, "n2 k"]:
    """Lengths, and shares of what was not measured, where they differ at all."""
    gaps = np.concatenate([sets.gaps[1][rows[0]], sets.gaps[0][rows[1]]])
    sizes = np.concatenate([sets.sizes[1][rows[0]], sets.sizes[0][rows[1]]])[:, None]
    both = np.concatenate([gaps, sizes], axis=1)
    return both[:, both.std(0) > 0]
