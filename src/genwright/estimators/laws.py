"""Distributions of a numeric target, one per row, over the cells that its range is cut into."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from genwright.estimators.targets import Candidates


@dataclass(frozen=True, eq=False)
class Laws:
    """P(y in cell | x) of each row; inside a cell y is uniform."""

    cells: Candidates
    probability: Float[np.ndarray, "n m"]

    @classmethod
    def of(cls, cells: Candidates, log_density: Float[np.ndarray, "n m"]) -> "Laws":
        """From log p(x, y) in the middle of every cell."""
        mass = log_density + cells.log_width
        return cls(cells, np.exp(mass - logsumexp(mass, axis=1, keepdims=True)))

    @property
    def mean(self) -> Float[np.ndarray, " n"]:
        return self.probability @ self.cells.middle

    @property
    def std(self) -> Float[np.ndarray, " n"]:
        centre = float(self.cells.middle.mean())
        width = self.cells.high - self.cells.low
        square = self.probability @ ((self.cells.middle - centre) ** 2 + width**2 / 12)
        return np.sqrt(np.maximum(square - (self.mean - centre) ** 2, 0.0))

    def quantiles(self, levels: Float[np.ndarray, "n q"]) -> Float[np.ndarray, "n q"]:
        """The least value of each row below which each of its levels of probability lies."""
        upto = self.probability.cumsum(axis=1)
        found = np.empty(levels.shape)
        for i, (row, wanted) in enumerate(zip(upto, levels, strict=True)):
            cell = np.minimum(np.searchsorted(row, wanted * row[-1], side="left"), len(row) - 1)
            inside = 1.0 - (row[cell] - wanted * row[-1]) / np.maximum(self.probability[i, cell], 1e-300)
            low, high = self.cells.low[cell], self.cells.high[cell]
            found[i] = low + (high - low) * np.clip(inside, 0.0, 1.0)
        return found

    def log_prob(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Log-density per unit of y in nats; at values that have a cell to themselves the log of their probability."""
        low, high = self.cells.low, self.cells.high
        holds = (low <= y[:, None]) & (y[:, None] <= high)
        single = holds & (low == high)
        with np.errstate(divide="ignore", invalid="ignore"):
            density = np.where(holds & (low < high), self.probability / (high - low), 0.0)
            value = np.where(single.any(1), (self.probability * single).sum(1), density.max(1))
            return np.log(value)
