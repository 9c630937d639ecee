"""A privacy budget: every look at the data goes through it, and is written down as it is spent."""

import math
import secrets
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import ndtri

from genwright.privacy.accountant import (
    Exponential,
    Gaussian,
    Mechanism,
    SampledGaussian,
    Threshold,
    concentrated,
    noise_for,
    spent,
)

THRESHOLD_SHARE = 0.25  # of delta, kept for thresholds that fail


class Budget:
    """Noisy answers about a table, within (epsilon, delta) all together.

    Shares of the budget are given as parts of `rho`, what zero-concentrated mechanisms may spend in all. `mechanisms`
    lists what has been asked so far.
    """

    def __init__(self, epsilon: float, delta: float, *, noise_seed: int | None) -> None:
        self.epsilon, self.delta = epsilon, delta
        self.rho = concentrated(epsilon, delta=(1 - THRESHOLD_SHARE) * delta)
        self.mechanisms: list[Mechanism] = []
        self.rng = np.random.default_rng(secrets.randbits(256) if noise_seed is None else noise_seed)

    @property
    def spent(self) -> float:
        """The epsilon of everything so far, at the budget's delta."""
        return spent(self.mechanisms, delta=self.delta)

    def scale(self, tables: int, *, share: float) -> float:
        """The standard deviation of the noise that `counts` adds to so many tables."""
        return math.sqrt(tables / (2 * share * self.rho))

    def counts(
        self, what: str, tables: Sequence[Float[np.ndarray, "..."]], *, share: float
    ) -> tuple[list[Float[np.ndarray, "..."]], float]:
        """Noisy copies of `tables` of counts, and the standard deviation of the noise.

        A row counts once in each table at most, so that one more changes all of them by sqrt(tables) in L2 norm.
        """
        if not tables:  # as of pairs where there is one column: nothing is told, so nothing is spent
            return [], 0.0
        scale = self.scale(len(tables), share=share)
        self._spend(Gaussian(what, scale / math.sqrt(len(tables))))
        return [table + scale * self.rng.standard_normal(table.shape) for table in tables], scale

    def named_counts(
        self, what: str, tables: Sequence[Float[np.ndarray, " _"]], *, share: float
    ) -> tuple[list[Float[np.ndarray, " _"]], float, float]:
        """Noisy counts of keys that the data itself names, the noise, and the threshold below which none may be named.

        A key that only one row has has a count of 1 and passes the threshold with a probability of delta' / tables; the
        union over tables is delta' = a share of delta.
        """
        failure = THRESHOLD_SHARE * self.delta
        noisy, scale = self.counts(what, tables, share=share)
        self._spend(Threshold(what, failure))
        return noisy, scale, 1 + scale * float(-ndtri(failure / len(tables)))

    def choose(self, what: str, scores: Float[np.ndarray, " k"], *, count: int, share: float) -> Int[np.ndarray, " m"]:
        """The indices of `count` high scores, by the exponential mechanism; one row changes no score by more than 1.

        McSherry & Talwar 2007; `count` choices one after the other are the highest scores plus Gumbel noise.
        """
        epsilon = math.sqrt(8 * share * self.rho / count)
        self._spend(Exponential(what, epsilon, count))
        return np.argsort(-(epsilon * scores / 2 + self.rng.gumbel(size=len(scores))), kind="stable")[:count]

    def sampled_noise(self, what: str, *, rate: float, times: int) -> float:
        """The noise, in L2 sensitivities, that spends what is left on `times` releases over rows sampled at `rate`."""
        mechanism = noise_for(
            self.mechanisms, what=what, rate=rate, times=times, epsilon=self.epsilon, delta=self.delta
        )
        self._spend(mechanism)
        return mechanism.noise

    def stopped(self, *, after: int) -> None:
        """Take back what the last mechanism was to spend on releases that were never made, for want of time."""
        mechanism = self.mechanisms.pop()
        assert isinstance(mechanism, SampledGaussian) and after <= mechanism.times
        self._spend(replace(mechanism, times=after))

    def generator(self) -> torch.Generator:
        """A new source of randomness that is as secret as the noise.

        What is random row by row must not follow a known seed: a row that is left out would shift that of all others.
        """
        return torch.Generator().manual_seed(int(self.rng.integers(2**62)))

    def _spend(self, mechanism: Mechanism) -> None:
        self.mechanisms.append(mechanism)
        assert self.spent <= self.epsilon * (1 + 1e-6), f"{mechanism} overdraws the budget"
