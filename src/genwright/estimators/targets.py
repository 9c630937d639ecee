"""Targets as columns beside the features, and the candidates among which P(y | x) is found by p(x, y)."""

import abc
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import ndtr, ndtri
from torch import Tensor

from genwright.codecs.coders import fit_number
from genwright.codecs.scalars import Atoms
from genwright.codecs.smooth import Smooth
from genwright.estimators.line import Line
from genwright.spaces import Continuous, Discrete

CELLS = 160  # that the range of a continuous target is cut into
MARGIN = 0.5  # standard deviations beyond the range of a target on a line
NAME = "y"


@dataclass(frozen=True, eq=False)
class Candidates:
    """Values that a target may take: cells [low, high] in its units, of which `rows` are the encoded middles.

    The mass of a cell is about its density at the middle times exp(`log_width`). Single values have low = high and
    log_width = 0. Cells are in ascending order and do not overlap.
    """

    rows: Float[Tensor, "m w"]
    log_width: Float[np.ndarray, " m"]
    low: Float[np.ndarray, " m"]
    high: Float[np.ndarray, " m"]

    @property
    def middle(self) -> Float[np.ndarray, " m"]:
        return (self.low + self.high) / 2

    def ascending(self) -> "Candidates":
        """The same in the order of their middles."""
        order = np.argsort(self.middle, kind="stable")
        return Candidates(self.rows[order], self.log_width[order], self.low[order], self.high[order])


class Amounts(abc.ABC):
    """A fitted map of a numeric target to encoded columns."""

    @abc.abstractmethod
    def columns(self, first: int) -> tuple[Discrete | Continuous, ...]:
        """The columns it takes, `first` being the index of the first of them."""

    @abc.abstractmethod
    def encode(self, y: Float[np.ndarray, " n"], rng: torch.Generator) -> Float[Tensor, "n w"]:
        """Targets to columns, NaN where unknown."""

    @abc.abstractmethod
    def candidates(self) -> Candidates:
        """All values that the target may take."""


@final
@dataclass(frozen=True)
class OnALine(Amounts):
    """In units of its spread (see `Line`)."""

    line: Line

    @classmethod
    def fit(cls, y: Float[np.ndarray, " n"]) -> Self:
        return cls(Line.fit(y))

    def columns(self, first: int) -> tuple[Discrete | Continuous, ...]:
        return (Continuous(NAME),)

    def encode(self, y: Float[np.ndarray, " n"], rng: torch.Generator) -> Float[Tensor, "n w"]:
        return torch.tensor(self.line.encode(y), dtype=torch.float32)[:, None]

    def candidates(self) -> Candidates:
        z = np.linspace(self.line.codes[0] - MARGIN, self.line.codes[-1] + MARGIN, CELLS + 1)
        edges = self.line.decode(z)
        middle = torch.tensor((z[1:] + z[:-1]) / 2, dtype=torch.float32)[:, None]
        return Candidates(middle, np.log(np.diff(z)), edges[:-1], edges[1:])


@final
@dataclass(frozen=True)
class Coded(Amounts):
    """Few values each as a level; many smoothed to normal scores, values that hold many rows apart."""

    coder: Atoms | Smooth

    @classmethod
    def fit(cls, y: Float[np.ndarray, " n"], rng: torch.Generator) -> Self:
        coder = fit_number(y, grid=bool((y == np.rint(y)).all()), rng=rng)
        assert isinstance(coder, (Atoms, Smooth))
        return cls(coder)

    def columns(self, first: int) -> tuple[Discrete | Continuous, ...]:
        return self.coder.columns(NAME, first)

    def encode(self, y: Float[np.ndarray, " n"], rng: torch.Generator) -> Float[Tensor, "n w"]:
        rows = np.full((len(y), len(self.columns(0))), np.nan, dtype=np.float32)
        known = ~np.isnan(y)
        rows[known] = self.coder.encode(y[known], rng)
        return torch.from_numpy(rows)

    def candidates(self) -> Candidates:
        if isinstance(self.coder, Atoms):
            values = np.array(self.coder.values)
            return Candidates(torch.arange(len(values)).float()[:, None], np.zeros(len(values)), values, values)
        knots, scores, spikes = (np.array(part) for part in (self.coder.knots, self.coder.scores, self.coder.spikes))
        # cells of equal probability under the marginal distribution, since densities of columns are even on that scale
        edges = np.linspace(ndtr(scores[0]), ndtr(scores[-1]), CELLS + 1)
        middle = ndtri((edges[1:] + edges[:-1]) / 2)
        log_width = np.log(np.diff(edges)) + 0.5 * middle**2 + 0.5 * np.log(2 * np.pi)
        ends = np.interp(ndtri(edges), scores, knots)
        rows = np.full((CELLS + len(spikes), len(self.columns(0))), 0.0)
        rows[:CELLS, -1] = middle
        rows[CELLS:, 0] = 1 + np.arange(len(spikes))
        return Candidates(
            torch.tensor(rows, dtype=torch.float32),
            np.concatenate([log_width, np.zeros(len(spikes))]),
            np.concatenate([ends[:-1], spikes]),
            np.concatenate([ends[1:], spikes]),
        ).ascending()
