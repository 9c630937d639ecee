"""Sets of the values of one field, in the terms of its coder: what conditions such as ranges come down to."""

import abc
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float


class ValueSet(abc.ABC):
    """Some of the values that a field can take: float64 with NaN for missing, or objects for categories."""

    @abc.abstractmethod
    def holds(self, values: np.ndarray) -> Bool[np.ndarray, " n"]:
        """Which of `values` are in the set."""

    @abc.abstractmethod
    def hull(self, low: float, high: float) -> tuple[float, float]:
        """The smallest interval that has all numbers of the set between `low` and `high`; empty: (inf, -inf)."""

    @abc.abstractmethod
    def nearest(self, numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The number of the set that is nearest to each."""


@final
@dataclass(frozen=True)
class Interval(ValueSet):
    """All numbers from `low` to `high`, both ends included; never missing. Of categories: every level."""

    low: float = -np.inf
    high: float = np.inf

    def holds(self, values: np.ndarray) -> Bool[np.ndarray, " n"]:
        if values.dtype == object:
            return ~pd.isna(values)
        return (values >= self.low) & (values <= self.high)

    def hull(self, low: float, high: float) -> tuple[float, float]:
        inner = max(low, self.low), min(high, self.high)
        return inner if inner[0] <= inner[1] else (np.inf, -np.inf)

    def nearest(self, numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return np.clip(numbers, self.low, self.high)


@final
@dataclass(frozen=True)
class Members(ValueSet):
    """The `values` that are listed; `missing` says whether a missing value is one of them."""

    values: tuple[float | str, ...]
    missing: bool = False

    def holds(self, values: np.ndarray) -> Bool[np.ndarray, " n"]:
        absent = pd.isna(values)
        return np.where(absent, self.missing, pd.Series(values).isin(self.values).to_numpy())

    def hull(self, low: float, high: float) -> tuple[float, float]:
        inside = [float(v) for v in self.values if low <= float(v) <= high]
        return min(inside, default=np.inf), max(inside, default=-np.inf)

    def nearest(self, numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        own = np.sort(np.array(self.values, dtype=np.float64))
        if not len(own):
            return np.full(len(numbers), np.nan)
        return own[np.searchsorted((own[1:] + own[:-1]) / 2, np.nan_to_num(numbers))]
