"""How much privacy mechanisms spend together: Rényi differential privacy, summed and turned into (epsilon, delta).

A mechanism M is (a, r)-RDP if D_a(M(D) || M(D')) <= r for all neighbouring tables D, D' (Mironov 2017,
arXiv:1702.07476, definition 4). What several mechanisms spend adds up at every order a (proposition 1), also where
later ones are chosen by what earlier ones released.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float

ORDERS = np.concatenate([1 + np.arange(1, 100) / 10, np.arange(11, 64), 2.0 ** np.arange(6, 13)])
PLACES_PER_SIGMA = 40  # of the quadrature for subsampled noise: its error is far below rounding
TAIL = 12.0  # standard deviations that the quadrature goes beyond the outermost mass
LARGEST_NOISE = 1e6


@final
@dataclass(frozen=True)
class Gaussian:
    """`times` releases of sums plus normal noise of standard deviation `noise` times their L2 sensitivity.

    RDP a / (2 noise^2) each: Mironov 2017, proposition 7.
    """

    what: str
    noise: float
    times: int = 1

    def rdp(self, orders: Float[np.ndarray, " a"]) -> Float[np.ndarray, " a"]:
        """What all releases spend at each order."""
        return self.times * orders / (2 * self.noise**2)


@final
@dataclass(frozen=True)
class SampledGaussian:
    """`times` releases as of `Gaussian`, each over rows taken independently with probability `rate`.

    With q = `rate` and s = `noise`, the RDP at order a is log E[((1 - q) + q exp((2z - 1) / (2 s^2)))^a] / (a - 1) for
    z ~ N(0, s^2): Mironov, Talwar & Zhang 2019, arXiv:1908.10530, theorems 4 and 5, here by quadrature.
    """

    what: str
    noise: float
    rate: float
    times: int = 1

    def rdp(self, orders: Float[np.ndarray, " a"]) -> Float[np.ndarray, " a"]:
        """What all releases spend at each order."""
        if self.rate >= 1.0:
            return Gaussian(self.what, self.noise, self.times).rdp(orders)
        return self.times * np.array([_log_moment(a, self.rate, self.noise) / (a - 1) for a in orders.tolist()])


@final
@dataclass(frozen=True)
class Exponential:
    """`times` choices by the exponential mechanism, each `epsilon`-differentially private on its own.

    Its privacy loss has a range of epsilon, so that it is epsilon^2/8-zCDP and RDP a epsilon^2 / 8: Cesar & Rogers
    2021, arXiv:2004.07223, lemma 3.4. Never more than epsilon itself.
    """

    what: str
    epsilon: float
    times: int = 1

    def rdp(self, orders: Float[np.ndarray, " a"]) -> Float[np.ndarray, " a"]:
        """What all choices spend at each order."""
        return self.times * np.minimum(orders * self.epsilon**2 / 8, self.epsilon)


@final
@dataclass(frozen=True)
class Threshold:
    """Keys in the data, named only if their noisy count is large; with probability `delta` it tells of one row.

    The counts themselves are a `Gaussian`; together they are a delta-approximate mechanism, whose deltas add up:
    Bun & Steinke 2016, arXiv:1605.02065, definition 8.1 and lemma 8.2.
    """

    what: str
    delta: float

    def rdp(self, orders: Float[np.ndarray, " a"]) -> Float[np.ndarray, " a"]:
        """Nothing but the probability of failure."""
        return np.zeros_like(orders)


Mechanism = Gaussian | SampledGaussian | Exponential | Threshold


def spent(mechanisms: Sequence[Mechanism], *, delta: float) -> float:
    """The epsilon for which everything together is (epsilon, delta)-differentially private.

    Infinite where thresholds alone may fail with a probability of delta or more. From RDP by Canonne, Kamath & Steinke
    2020, arXiv:2004.00010, proposition 12 (Balle et al. 2020, arXiv:1905.09982, theorem 21).

    >>> round(spent([Gaussian("counts", noise=4.0)], delta=1e-5), 3)
    1.013
    """
    rest = delta - sum(m.delta for m in mechanisms if isinstance(m, Threshold))
    if rest <= 0:
        return math.inf
    total = np.sum([m.rdp(ORDERS) for m in mechanisms], axis=0) + np.zeros_like(ORDERS)
    epsilon = total + np.log1p(-1 / ORDERS) - (math.log(rest) + np.log(ORDERS)) / (ORDERS - 1)
    return max(0.0, float(np.nanmin(epsilon)))


def concentrated(epsilon: float, *, delta: float) -> float:
    """The largest rho for which any mechanism of RDP a rho (rho-zCDP) is (epsilon, delta)-differentially private."""
    low, high = 0.0, epsilon + 1.0
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        noise = math.sqrt(1 / (2 * middle))
        low, high = (middle, high) if spent([Gaussian("", noise)], delta=delta) <= epsilon else (low, middle)
    return low


def noise_for(
    mechanisms: Sequence[Mechanism], *, what: str, rate: float, times: int, epsilon: float, delta: float
) -> SampledGaussian:
    """The least noise with which `times` sampled releases keep everything together within (epsilon, delta)."""
    low, high = 0.05, 1.0
    while spent([*mechanisms, SampledGaussian(what, high, rate, times)], delta=delta) > epsilon:
        low, high = high, 2 * high
        assert high < LARGEST_NOISE, "nothing is left of the budget"
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        fits = spent([*mechanisms, SampledGaussian(what, middle, rate, times)], delta=delta) <= epsilon
        low, high = (low, middle) if fits else (middle, high)
    return SampledGaussian(what, high, rate, times)


def mechanism_to_json(mechanism: Mechanism) -> dict[str, Any]:
    """Its kind and numbers, for the record."""
    return {"kind": type(mechanism).__name__} | vars(mechanism)


def _log_moment(order: float, rate: float, noise: float) -> float:
    """log E[((1 - q) + q exp((2z - 1) / (2 s^2)))^a] for z ~ N(0, s^2), by the trapezoidal rule."""
    z = np.arange(-TAIL * noise, order + TAIL * noise, noise / PLACES_PER_SIGMA)
    ratio = np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * z - 1) / (2 * noise**2))
    terms = order * ratio - z**2 / (2 * noise**2) - math.log(noise * math.sqrt(2 * math.pi))
    highest = terms.max()
    return max(0.0, float(highest + np.log(np.exp(terms - highest).sum()) + math.log(noise / PLACES_PER_SIGMA)))
