"""Numbers in units of their spread, of which a few wild ones take nothing away."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from jaxtyping import Float, Int

CENTRAL = (
    0.02,
    0.98,
)  # quantiles that wild values lie outside of: 4.1 standard deviations of a normal one apart
WILD = 10.0  # standard deviations, by these, from the median, beyond which a value is wild
GAP = 2.0  # standard deviations between the others and wild ones, so that their densities do not run into each other


@final
@dataclass(frozen=True, eq=False)
class Line:
    """A rising map, straight over all values but wild ones; these lie within one unit, and a gap, beyond the others.

    Otherwise one misplaced decimal point would make all other values one. Without wild values: less the mean, in
    standard deviations.
    """

    knots: Float[np.ndarray, " k"]
    codes: Float[np.ndarray, " k"]

    @classmethod
    def fit(cls, values: Float[np.ndarray, " n"]) -> Self:
        first = np.quantile(values, CENTRAL[0], method="higher")
        last = np.quantile(values, CENTRAL[1], method="lower")
        reach = WILD * (last - first) / 4.1
        inner = values[np.abs(values - np.median(values)) <= reach] if reach > 0 else values
        centre = inner.mean()
        size = float(np.abs(inner).max())
        scale = float(inner.std())
        if scale <= 1e-12 * size:  # one value, but for rounding: others will be far from it, not infinitely far
            scale = size or 1.0
        knots = [inner.min(), inner.max()] if np.ptp(inner) else [centre, centre + scale]
        codes = [(knot - centre) / scale for knot in knots]
        low, high = codes[0] - GAP, codes[-1] + GAP
        if values.min() < centre + scale * (low - 1.0):
            knots, codes = [values.min(), centre + scale * low, *knots], [low - 1.0, low, *codes]
        if values.max() > centre + scale * (high + 1.0):
            knots, codes = [*knots, centre + scale * high, values.max()], [*codes, high, high + 1.0]
        return cls(np.array(knots), np.array(codes))

    def encode(self, values: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        return _straight(values, self.knots, self.codes)

    def decode(self, codes: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        return _straight(codes, self.codes, self.knots)

    def log_slope(self, values: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Log of how much longer the map makes a short stretch at each value."""
        slopes = np.diff(self.codes) / np.diff(self.knots)
        return np.log(slopes[_piece(values, self.knots)])


def _piece(x: Float[np.ndarray, "*n"], xs: Float[np.ndarray, " k"]) -> Int[np.ndarray, "*n"]:
    return np.clip(np.searchsorted(xs, x, side="left") - 1, 0, len(xs) - 2)


def _straight(x: Float[np.ndarray, "*n"], xs: Float[np.ndarray, " k"], ys: Float[np.ndarray, " k"]) -> np.ndarray:
    """Piecewise linear, the outer pieces going on beyond the ends."""
    place = _piece(x, xs)
    return ys[place] + (x - xs[place]) * ((ys[place + 1] - ys[place]) / (xs[place + 1] - xs[place]))
