"""What every model of series has to beat: each sensor by itself, each reading told from the one before it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from genwright.data.dataset import Category, Dataset, Series
from genwright.data.series import held
from genwright.metrics.kind import Baseline

STEPWISE = "AR(1), each sensor by itself"
KNOTS = 512  # quantiles of the values of a feature


def series_baselines(train: Dataset) -> Mapping[str, Baseline]:
    """A first-order autoregression of each feature, with the distribution of its values."""
    return {STEPWISE: _stepwise}


def _stepwise(train: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    """Records with the times of training ones: Gaussian AR(1), its values moved to their own distribution by rank;
    levels stay, or are drawn anew; what is missing is so by chance.
    """
    field = train.medium(Series)
    items = train.columns[field.name]
    rows = rng.integers(0, len(items), n)
    times = [items[i][:, 0] for i in rows]
    lengths = np.array([len(t) for t in times])
    width = int(lengths.max(initial=0))
    whole = np.concatenate(list(items))
    channels = []
    for i, feature in enumerate(field.features, start=1):
        values = whole[:, i]
        pairs = np.concatenate([np.stack([r[:-1, i], r[1:, i]], axis=1) for r in items])
        known = pairs[np.isfinite(pairs).all(1)]
        if isinstance(feature, Category):
            drawn = _kept(values[np.isfinite(values)], known, (n, width), rng)
        else:
            drawn = _moved(values[np.isfinite(values)], known, (n, width), rng)
        channels.append(np.where(rng.random((n, width)) < np.isnan(values).mean(), np.nan, drawn))
    made = [
        np.concatenate([t[:, None], np.stack([c[k, : len(t)] for c in channels], axis=1)], axis=1)
        for k, t in enumerate(times)
    ]
    columns = {**{name: column[rows] for name, column in train.columns.items()}, field.name: held(made)}
    return replace(train, columns=columns, name=STEPWISE, fixed_split=None, notes=(), index=None, origin=None)


def _moved(
    values: Float[np.ndarray, " v"], pairs: Float[np.ndarray, "p 2"], size: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "n t"]:
    if not len(values):
        return np.full(size, np.nan)
    vary = len(pairs) > 2 and bool((pairs.std(0) > 0).all())
    phi = float(np.corrcoef(pairs.T)[0, 1]) if vary else 0.0
    z = np.empty(size)
    noise = rng.standard_normal(size)
    for t in range(size[1]):
        z[:, t] = noise[:, t] if t == 0 else phi * z[:, t - 1] + np.sqrt(max(0.0, 1 - phi**2)) * noise[:, t]
    shares = np.linspace(0, 1, min(KNOTS, len(values)))
    return np.interp(ndtr(z), shares, np.quantile(values, shares))


def _kept(
    values: Float[np.ndarray, " v"], pairs: Float[np.ndarray, "p 2"], size: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "n t"]:
    if not len(values):
        return np.full(size, np.nan)
    stay = float((pairs[:, 0] == pairs[:, 1]).mean()) if len(pairs) else 0.0
    drawn = values[rng.integers(0, len(values), size)]
    same = rng.random(size) < stay
    for t in range(1, size[1]):
        drawn[:, t] = np.where(same[:, t], drawn[:, t - 1], drawn[:, t])
    return drawn
