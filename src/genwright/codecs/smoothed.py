"""Quantiles of few numbers, smoothed: a kernel estimate on a scale where they are about normal."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri
from scipy.stats import yeojohnson, yeojohnson_llf

BANDWIDTH = 1.5  # times Silverman's: the shape of few rows is mostly chance
POWERS = (-8.0, 4.0)  # of Yeo-Johnson transformations
GRID = 512  # points at which the estimate is evaluated
KNOTS = 61


def smoothed_map(
    values: Float[np.ndarray, " n"], *, edges: tuple[float, float]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Knots from edge to edge and their standard normal scores, of the smoothed law of ascending `values` between them.

    Yeo & Johnson 2000, eq. 3, takes the skew away; there a Gaussian kernel of 1.5 times the bandwidth of Silverman
    1986, eq. 3.28, is laid around values that are drawn in first, so that the variance stays (ibid., eq. 6.2).
    """
    centre, spread = np.median(values), values.std()
    power = minimize_scalar(lambda p: -yeojohnson_llf(p, (values - centre) / spread), bounds=POWERS).x
    among = np.interp(np.linspace(0, len(values) - 1, GRID), np.arange(len(values)), values)
    knots = np.unique(np.concatenate([np.linspace(*edges, GRID), among]))
    at, x = (yeojohnson((each - centre) / spread, power) for each in (knots, values))
    at, x = (at - x.mean()) / x.std(), (x - x.mean()) / x.std()
    width = BANDWIDTH * 1.06 * len(x) ** -0.2
    shrink = 1.0 / np.sqrt(1.0 + width**2)
    below = ndtr((at[:, None] - shrink * x) / (width * shrink)).mean(axis=1)
    outermost = 0.5 / len(x)
    below = outermost + (1.0 - 2.0 * outermost) * (below - below[0]) / (below[-1] - below[0])
    scores = np.linspace(ndtri(outermost), ndtri(1.0 - outermost), KNOTS).round(6)
    inverse = np.interp(scores, ndtri(below), knots)
    inverse[0], inverse[-1] = edges  # rounding must not leave any value outside
    return inverse, scores
