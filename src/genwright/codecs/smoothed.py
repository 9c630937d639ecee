"""Quantiles of few numbers, smoothed: a kernel estimate on a scale where they are about normal."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri
from scipy.stats import yeojohnson, yeojohnson_llf

BANDWIDTH = 1.5  # times Silverman's: the shape of few rows is mostly chance
POWERS = (-8.0, 4.0)  # of Yeo-Johnson transformations
GRID = 512  # points at which the estimate is evaluated
KNOTS = 61
WIDTHS = (0.02, 0.1, 0.25, 0.5)  # quantiles of the distances from an origin within which a scale stays about linear
MIN_SPREAD = 0.1  # standard deviations that the middle half of the values is taken to spread, at least
GAIN = 5.0  # nats of likelihood that a logarithmic scale has to gain,
FEWEST = 20  # values at least: of fewer, some are always close together


class Scale(NamedTuple):
    """asinh((x - origin) / width): linear near the origin, logarithmic far from it; linear all over if width is inf.

    Then in units of `spread` around `centre`, and through the Yeo-Johnson transformation of `power`.
    """

    origin: float
    width: float
    centre: float
    spread: float
    power: float
    log_likelihood: float

    def bent(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Values on the scale before the power transformation."""
        return (_bend(values, self.origin, self.width) - self.centre) / self.spread

    def __call__(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return yeojohnson(self.bent(values), self.power)

    def even(self, low: float, high: float) -> Float[np.ndarray, " k"]:
        """Values from `low` to `high` that are evenly spaced before the power transformation."""
        if np.isinf(self.width):
            return np.linspace(low, high, GRID)
        first, last = _bend(np.array([low, high]), self.origin, self.width).tolist()
        inner = self.origin + self.width * np.sinh(np.linspace(first, last, GRID)[1:-1])
        return np.concatenate([[low], inner.clip(low, high), [high]])


def smoothed_map(
    values: Float[np.ndarray, " n"], *, edges: tuple[float, float]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Knots from edge to edge and their standard normal scores: the smoothed distribution of ascending `values`.

    A logarithmic scale where the values are much likelier on it, and the power of Yeo & Johnson 2000, eq. 3, take the
    skew away; there a Gaussian kernel of 1.5 times the bandwidth of Silverman 1986, eq. 3.28, with the spread of
    eq. 3.30, is laid around values that are drawn in first, so that the variance stays (ibid., eq. 6.2).
    """
    scale = _best_scale(values)
    among = np.interp(np.linspace(0, len(values) - 1, GRID), np.arange(len(values)), values)
    knots = np.unique(np.concatenate([scale.even(*edges), among]))
    at, x = scale(knots), scale(values)
    at, x = (at - x.mean()) / x.std(), (x - x.mean()) / x.std()
    spread = np.clip(np.subtract(*np.quantile(x, [0.75, 0.25])) / 1.349, MIN_SPREAD, 1.0)
    width = BANDWIDTH * 1.06 * spread * len(x) ** -0.2
    shrink = 1.0 / np.sqrt(1.0 + width**2)
    below = ndtr((at[:, None] - shrink * x) / (width * shrink)).mean(axis=1)
    outermost = 0.5 / len(x)
    below = outermost + (1.0 - 2.0 * outermost) * (below - below[0]) / (below[-1] - below[0])
    scores = np.linspace(ndtri(outermost), ndtri(1.0 - outermost), KNOTS).round(6)
    inverse = np.interp(scores, ndtri(below), knots)
    inverse[0], inverse[-1] = edges  # rounding must not leave any value outside
    return inverse, scores


def _best_scale(values: Float[np.ndarray, " n"]) -> Scale:
    """The scale on which ascending values are likeliest to be normal; a linear one unless the gain is clear."""
    linear = _scale(values, 0.0, np.inf)
    origins = [o for o in dict.fromkeys((0.0, values[0], values[-1], np.median(values))) if np.ptp(values - o)]
    bent = [(float(o), float(w)) for o in origins for w in np.quantile(np.abs(values - o), WIDTHS) if w > 0]
    if not bent or len(values) < FEWEST:
        return linear
    logarithmic = _scale(values, *max(bent, key=lambda each: _log_likelihood(values, each[0], each[1], 1.0)))
    return logarithmic if logarithmic.log_likelihood > linear.log_likelihood + GAIN else linear


def _scale(values: Float[np.ndarray, " n"], origin: float, width: float) -> Scale:
    """The scale with the likeliest power."""
    power = minimize_scalar(lambda p: -_log_likelihood(values, origin, width, p), bounds=POWERS).x
    bent = _bend(values, origin, width)
    fit = _log_likelihood(values, origin, width, power)
    return Scale(origin, width, float(np.median(bent)), float(bent.std()), float(power), fit)


def _log_likelihood(values: Float[np.ndarray, " n"], origin: float, width: float, power: float) -> float:
    """Of values that are normal on a scale, in nats: the likelihood there, and how much longer the scale makes each."""
    bent = _bend(values, origin, width)
    spread = bent.std()
    stretch = 0.0 if np.isinf(width) else -0.5 * np.log((values - origin) ** 2 + width**2).sum()
    return float(yeojohnson_llf(power, (bent - np.median(bent)) / spread) - len(values) * np.log(spread) + stretch)


def _bend(values: Float[np.ndarray, " n"], origin: float, width: float) -> Float[np.ndarray, " n"]:
    return values if np.isinf(width) else np.arcsinh((values - origin) / width)
