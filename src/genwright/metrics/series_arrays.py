"""Sets of series as arrays that metrics can look at: of one length, without gaps, in units of standard deviations."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from genwright.data.dataset import Number, Series
from genwright.data.series import held
from genwright.errors import DataError
from genwright.metrics.kind import Sides
from genwright.metrics.series import Records

SHORT = 0.1  # share of real records that may be shorter than what is looked at; they are left out
MIN_STEPS = 4


@dataclass(frozen=True)
class Arrays:
    """Series of each set (n, steps, channels); `gaps` are shares of missing values by record and feature, `sizes` the
    lengths of records before they were cut.
    """

    fake: Float[np.ndarray, "n t c"]
    real: Float[np.ndarray, "m t c"]
    train: Float[np.ndarray, "k t c"] | None
    worst: Float[np.ndarray, "b t c"] | None
    gaps: tuple[np.ndarray, np.ndarray]
    sizes: tuple[np.ndarray, np.ndarray]
    records: Records


def arrays_of(sides: Sides, *, kept: bool = False) -> Arrays:
    """All sets on the scale of the real ones, cut to the length that nearly all real records have.

    Shorter ones are left out, or where all are `kept` go on with their last reading. Gaps are filled on a
    straight line between their ends. Raises DataError for records shorter than 4 readings.
    """
    field = sides.real.medium(Series)
    name = field.name
    real = sides.real.columns[name]
    steps = int(np.quantile([len(rows) for rows in real], SHORT, method="lower"))
    if steps < MIN_STEPS:
        raise DataError(f"series of {steps} readings are too short to be compared", where=name)
    sets = [None if data is None else data.columns[name] for data in sides]
    made = [None if items is None else _array(_longer(items, steps) if kept else items, field, steps) for items in sets]
    fake, whole = made[0], made[1]
    assert fake is not None and whole is not None
    centre, spread = whole.mean((0, 1)), whole.std((0, 1))
    spread = np.where(spread > 1e-9, spread, 1.0)
    fake, whole, train, worst = (None if x is None else (x - centre) / spread for x in made)
    assert fake is not None and whole is not None
    return Arrays(
        fake,
        whole,
        train,
        worst,
        (_missing(sides.fake.columns[name]), _missing(real)),
        (_sizes(sides.fake.columns[name]), _sizes(real)),
        Records.INDEPENDENT if field.window is None else Records.WINDOWS,
    )


def _missing(items: np.ndarray) -> Float[np.ndarray, "n c"]:
    return np.stack([np.isnan(rows[:, 1:]).mean(0) for rows in items])


def _sizes(items: np.ndarray) -> Float[np.ndarray, " n"]:
    return np.array([float(len(rows)) for rows in items])


def _longer(items: np.ndarray, steps: int) -> np.ndarray:
    return held(
        [rows if len(rows) >= steps else np.pad(rows, ((0, steps - len(rows)), (0, 0)), "edge") for rows in items]
    )


def _array(items: np.ndarray, field: Series, steps: int) -> Float[np.ndarray, "n t c"]:
    kept = [rows[:steps, 1:] for rows in items if len(rows) >= steps]
    if not kept:
        raise DataError(f"no series has {steps} readings, as nearly all real ones have", where=field.name)
    return spread_out(filled(np.stack(kept)), field)


def spread_out(x: Float[np.ndarray, "n t f"], field: Series) -> Float[np.ndarray, "n t c"]:
    """Categories as one channel for each level."""
    parts = []
    for i, feature in enumerate(field.features):
        if isinstance(feature, Number):
            parts.append(x[:, :, i : i + 1])
        else:
            parts.append((np.rint(x[:, :, i : i + 1]) == np.arange(len(feature.levels))).astype(np.float64))
    return np.concatenate(parts, axis=2)


def filled(x: Float[np.ndarray, "n t f"]) -> Float[np.ndarray, "n t f"]:
    """Gaps on a straight line between their ends; channels of a record that were never measured as their mean."""
    missing = np.isnan(x)
    if not missing.any():
        return x
    t = x.shape[1]
    place = np.arange(t)[None, :, None]
    before = np.maximum.accumulate(np.where(missing, -1, place), axis=1)
    after = np.minimum.accumulate(np.where(missing, t, place)[:, ::-1], axis=1)[:, ::-1]
    low = np.where(before < 0, np.minimum(after, t - 1), before)
    high = np.where(after >= t, low, after)
    left, right = (np.take_along_axis(x, at, axis=1) for at in (low, high))
    share = np.where(high > low, (place - low) / np.maximum(high - low, 1), 0.0)
    line = left + share * (right - left)
    never = missing.all(axis=1, keepdims=True)
    means = np.array([np.nanmean(c) if np.isfinite(c).any() else 0.0 for c in np.moveaxis(x, 2, 0)])
    return np.where(missing, np.where(never, means, line), x)
