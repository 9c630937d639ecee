"""What all metrics of two sets of features share: checks, and the score that says which features they were."""

import numpy as np

from genwright.errors import DataError
from genwright.maths.distances import Features
from genwright.scores.intervals import Replicates
from genwright.scores.score import Direction, Group, Score, signature


def checked(real: Features, fake: Features, *, fewest: int) -> tuple[Features, Features]:
    """Both sets in float64; DataError unless they are finite, of one dimension and large enough."""
    for name, x in (("real", real), ("generated", fake)):
        if x.ndim != 2 or x.shape[1] != real.shape[1]:
            raise DataError(f"{name} features of shape {x.shape} against {real.shape}", where="features")
        if len(x) < fewest:
            raise DataError(f"{len(x)} {name} records, at least {fewest} are needed", where="features")
        if not np.isfinite(x).all():
            bad = int((~np.isfinite(x)).any(axis=1).sum())
            raise DataError(f"{bad} {name} records have features that are not finite", where="features")
    return real.astype(np.float64), fake.astype(np.float64)


def feature_score(
    name: str,
    value: float,
    *,
    sets: tuple[Features, Features],
    protocol: str,
    group: Group,
    direction: Direction,
    replicates: Replicates,
    low: float = -np.inf,
    high: float = np.inf,
    interval: tuple[float, float] | None = None,
    note: str = "",
    seed: int | None = None,
) -> Score:
    """A score of two sets of features, its interval from the replicates, within `low` and `high`, unless given."""
    n = len(sets[0]), len(sets[1])
    return Score(
        name=name,
        value=value,
        direction=direction,
        n=n[1],
        signature=signature(name, protocol=protocol, n=n, seed=seed),
        interval=interval or replicates.interval(value, low=low, high=high),
        group=group,
        note=note,
        replicates=replicates,
    )
