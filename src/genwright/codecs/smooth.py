"""Numbers with many distinct values, made smooth and standard normal.

Missing marks and spikes are split off as states, since no smooth distribution has them.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self, final

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.special import ndtri
from torch import Tensor

from genwright.codecs.digits import to_digits, written_digits
from genwright.codecs.scalars import ScalarCoder, rising, state_numbers, uniform
from genwright.codecs.smoothed import smoothed_map
from genwright.codecs.value_sets import Interval, ValueSet
from genwright.spaces import Continuous, Discrete
from genwright.typed import require

SPIKE_SHARE = 0.005  # a spike holds more than this share of the rows,
SPIKE_ROWS = 30  # at least this many rows (in small tables, round numbers are often that common by chance),
NONE = np.empty(0)
MAX_VALUE = 1e120  # tables have numbers up to 1e100
FEW_ROWS = 3  # that hold the same value, farther from others than nine tenths of the rows from each other
SPIKE_RATIO = 3.0  # and so many times the mean count of its two neighbours on each side
MAX_KNOTS = 960  # evenly spaced quantiles; with the tails' extra ones a table stays below 1000
SMALL_ROWS = 2000  # with fewer, quantiles are smoothed
COARSE_SHARE = 0.6  # of the values that lie on a coarse grid, at least; by chance a tenth do
ROUNDINGS = 8  # doublings of the float32 step by which the bounds of a range of scores may be off
BLUR = 2.0**-22  # scores nearer to each other are one: sums of float32 numbers up to 4 have no more digits
TAIL_ROWS = 8  # the outermost inner knot leaves at least this many rows outside


@final
@dataclass(frozen=True)
class Smooth(ScalarCoder):
    """Numbers with many distinct values: a state column, where there is need for one, and a standard normal column.

    State 0 is an ordinary value; then come missing, if any is, and one state for each of `spikes`. Ordinary values
    lie on a grid of `step` (0: anywhere), or, most of them, on a `coarse` one (0: there is none), of which one more
    discrete column tells: 0 on the coarse grid, 1 off it. They are spread uniformly over their cell, and pass through
    the piecewise linear quantile map from `knots` to the normal scores `scores`; scores beyond it are drawn anew in its
    outermost cell, so that the ends of the range are no commoner than the values beside them.

    A float32 score stands for an interval: decoding draws a place in it, so that the last digits of decoded values are
    distributed as those of the data. Values come back exactly where their cell is wider than that interval, others to
    about a millionth of the range. Without a grid, values get as many significant digits and decimal places as
    `digits` says; empty: all that float64 has.
    """

    step: float
    low: float
    high: float
    knots: tuple[float, ...]
    scores: tuple[float, ...]
    spikes: tuple[float, ...] = ()
    missing: bool = False
    coarse: float = 0.0
    digits: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.step, self.coarse, self.low, self.high, *self.knots, *self.scores)
        require(all(abs(number) <= MAX_VALUE for number in numbers), "infinite or huge numbers")
        require(self.step >= 0 and self.coarse >= 0 and self.low <= self.high, "no such range or grid")
        require(len(self.knots) == len(self.scores) > 0, "other numbers of knots and scores, or none")
        require(all(a <= b for each in (self.knots, self.scores) for a, b in pairwise(each)), "knots that do not rise")
        require(rising(self.spikes), "spikes that do not rise")
        require(not self.digits or (len(self.digits) == 2 and min(self.digits) >= 0), "no such digits")

    @classmethod
    def fit(
        cls,
        values: Float[np.ndarray, " n"],
        *,
        step: float,
        rng: torch.Generator,
        apart: Float[np.ndarray, " k"] = NONE,
    ) -> Self:
        """Fit to at least one value that is not missing; those in `apart`, not all of them, become spikes."""
        present = values[~np.isnan(values)]
        coarse = coarse_step(present, step) if len(present) < SMALL_ROWS else 0.0
        spikes = np.union1d(find_spikes(present[_on(present, coarse)] if coarse else present), apart)
        ordinary = np.sort(present[~np.isin(present, spikes)])
        low, high = float(ordinary[0]), float(ordinary[-1])
        cell = np.where(_on(ordinary, coarse), coarse, step)
        spread = np.sort(ordinary + (uniform(len(ordinary), rng) - 0.5) * cell) if step else ordinary
        edges = float((ordinary - cell / 2).min()), float((ordinary + cell / 2).max())  # every cell lies wholly inside
        few = len(spread) < SMALL_ROWS and low < high
        knots, scores = smoothed_map(spread, edges=edges) if few else _quantile_map(spread, edges=edges)
        return cls(
            step,
            low,
            high,
            tuple(knots.tolist()),
            tuple(scores.tolist()),
            tuple(spikes.tolist()),
            len(present) < len(values),
            coarse,
            () if step else written_digits(ordinary),
        )

    @cached_property
    def _map(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        return np.array(self.knots), np.array(self.scores)

    @property
    def _states(self) -> int:
        return 1 + self.missing + len(self.spikes)

    def columns(self, name: str, first: int) -> tuple[Discrete | Continuous, ...]:
        grids = (Discrete(f"{name}:grid", 2),) if self.coarse else ()
        if self._states == 1:
            return (*grids, Continuous(name))
        return (Discrete(f"{name}:state", self._states), *grids, Continuous(name, state=first))

    def snap(self, values: np.ndarray) -> np.ndarray:
        snapped = np.clip(values, self.low, self.high)
        if self.step:
            snapped = self._on_grid(snapped, np.full(len(values), self.step))
        absent = np.isnan(values)
        if not self.missing:
            snapped[absent] = self._from_scores(np.zeros(1), np.full(1, self.step))[0]
        return np.where(np.isin(values, self.spikes), values, snapped)

    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        state = np.zeros(len(values), dtype=np.float32)
        state[np.isnan(values)] = 1
        for number, spike in enumerate(self.spikes, start=1 + self.missing):
            state[values == spike] = number
        ordinary = state == 0
        scores = np.zeros(len(values), dtype=np.float32)
        scores[ordinary] = self._to_scores(values[ordinary], rng)
        off = (ordinary & ~_on(values, self.coarse)).astype(np.float32)
        return np.stack([state] * (self._states > 1) + [off] * bool(self.coarse) + [scores], axis=1)

    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        steps = np.full(len(x), self.step)
        if self.coarse:
            steps[state_numbers(x[:, -2:], 2) == 0] = self.coarse
        values = self._from_scores(self._placed(x[:, -1].astype(np.float64), rng), steps)
        if self._states == 1:
            return values
        special = np.array([np.nan] * (1 + self.missing) + list(self.spikes))
        state = state_numbers(x, self._states)
        return np.where(state == 0, values, special[state])

    def restrict(self, allowed: ValueSet) -> tuple[Tensor | None, ...] | None:
        low, high = allowed.hull(self.low, self.high)
        if self.step and low <= high:  # whole cells of the grid
            steps = np.ceil((low - self.low) / self.step - 1e-9), np.floor((high - self.low) / self.step + 1e-9)
            low, high = (self.low + each * self.step for each in steps)
        ordinary = low <= high
        special = allowed.holds(np.array([np.nan] * self.missing + list(self.spikes)))
        states = torch.tensor([ordinary, *special], dtype=torch.bool)
        if not states.any():
            return None
        scores = self._score_range(low, high) if ordinary else None
        grids = (None,) if self.coarse else ()
        return (*grids, scores) if self._states == 1 else (None if states.all() else states, *grids, scores)

    def project(self, values: np.ndarray, allowed: ValueSet, rng: torch.Generator) -> np.ndarray:
        """Those just outside an interval are reflected into it; in one that scores do not resolve, all are likely."""
        nearest = allowed.nearest(values)
        low, high = allowed.hull(self.low, self.high)
        if isinstance(allowed, Interval) and low < high:
            inside = np.where(
                np.abs(values - nearest) <= high - low,
                2 * nearest - values,
                low + uniform(len(values), rng) * (high - low),
            )
            inside = self._on_grid(inside, np.full(len(values), self.step))
            nearest = np.where(allowed.holds(inside), inside, nearest)
        return np.where(allowed.holds(values), values, nearest)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "smooth",
            "step": self.step,
            "low": self.low,
            "high": self.high,
            "knots": list(self.knots),
            "scores": list(self.scores),
            "spikes": list(self.spikes),
            "missing": self.missing,
            "coarse": self.coarse,
            "digits": list(self.digits),
        }

    def _to_scores(self, values: Float[np.ndarray, " n"], rng: torch.Generator | None) -> Float[np.ndarray, " n"]:
        """Ordinary values to float32 normal scores, all of whose interval maps back to the same value if it can."""
        knots, scores = self._map
        place = np.full(len(values), 0.5) if rng is None else uniform(len(values), rng)
        if self.step:
            steps = np.where(_on(values, self.coarse), self.coarse, self.step)
            z = np.interp(values + (place - 0.5) * steps, knots, scores).astype(np.float32)
            moved = np.zeros(len(values), dtype=bool)
            for end in _ends(z.astype(np.float64)):  # it may reach beyond the edge of the value's cell
                moved |= self._from_scores(end.clip(scores[0], scores[-1]), steps) != values
            z[moved] = np.interp(values[moved], knots, scores)
            return z
        z = np.interp(values, knots, scores)
        first, last = np.searchsorted(knots, values, side="left"), np.searchsorted(knots, values, side="right") - 1
        tied = first < last  # a repeated value takes a stretch of scores: any place in it will do
        z[tied] = (scores[first] + place * (scores[np.maximum(last, 0)] - scores[first]))[tied]
        return z.astype(np.float32)

    def _placed(self, z: Float[np.ndarray, " n"], rng: torch.Generator) -> Float[np.ndarray, " n"]:
        """A place within the interval of each float32 score; within the outermost cell for those beyond the map."""
        scores = self._map[1]
        low, high = (end.clip(scores[0], scores[-1]) for end in _ends(z))
        high = np.where(low == high, np.where(z < 0, scores[1], high), high)
        low = np.where(low == high, scores[-2], low)
        return low + uniform(len(z), rng) * (high - low)

    def _from_scores(self, z: Float[np.ndarray, " n"], steps: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The values of scores, on the grid of `steps` and in range."""
        return np.clip(self._on_grid(np.interp(z, *self._map[::-1]), steps), self.low, self.high)

    def _score_range(self, low: float, high: float) -> Tensor | None:
        """The scores [low, high] that decode to the values from `low` to `high`; None where these are all."""
        if low <= self.low and high >= self.high:
            return None
        knots, scores = self._map
        cell, steps = self.step / 2, np.full(2, self.step)
        outer = np.interp([np.nextafter(low - cell, -np.inf), np.nextafter(high + cell, np.inf)], knots, scores)
        bounds = outer.astype(np.float32)
        for doubling in range(ROUNDINGS):  # scores are float32, and decode rounds a value that is on a border
            first, last = _ends(bounds.astype(np.float64))
            decoded = self._from_scores(np.array([first[0], last[1]]), steps)
            out = np.array([decoded[0] < low, decoded[1] > high])
            inwards = np.array([1.0, -1.0]) * np.spacing(np.abs(bounds).clip(max=9.0)) * 2.0**doubling
            bounds = np.where(out, bounds + inwards, bounds).astype(np.float32)
        return torch.from_numpy(np.sort(bounds))

    def _on_grid(self, values: Float[np.ndarray, " n"], steps: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The nearest values on the grid of `steps`, or with the fitted number of digits."""
        if not self.step:
            return to_digits(values, self.digits)
        # not np.rint: large floats have few digits after the point, and their halves would all become even numbers
        on = self.low + np.floor((values - self.low) / self.step + 0.5) * self.step
        return np.where(steps == self.coarse, np.rint(values / steps) * steps, on) if self.coarse else on


def _ends(z: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The interval that each float32 score stands for."""
    half = np.maximum(np.spacing(np.abs(z).astype(np.float32)).astype(np.float64), BLUR) / 2
    return z - half, z + half


def coarse_step(values: Float[np.ndarray, " n"], step: float) -> float:
    """A grid ten or a hundred times as coarse as that of `step` that most values lie on, but not all; else 0.

    Whole numbers among halves or thirds, for instance: a smooth distribution would lose them.

    >>> coarse_step(np.array([30.0, 40.0, 80.0, 35.0, 50.0]), 1.0)
    10.0
    """
    for times in (100, 10) if step else ():
        share = float(_on(values, times * step).mean())
        if COARSE_SHARE <= share < 1.0:
            return times * step
    return 0.0


def _on(values: Float[np.ndarray, " n"], step: float) -> Bool[np.ndarray, " n"]:
    """Which values are multiples of `step`; none where there is no such grid."""
    return np.isclose(np.rint(values / step) * step, values, rtol=0, atol=1e-9) if step else np.zeros(len(values), bool)


def find_spikes(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The values that hold clearly more rows than their neighbours: inflated zeros, bounds, defaults; and those that
    several rows hold, far from all others: marks such as 99999. Ascending.

    >>> find_spikes(np.array([0.0] * 50 + list(range(1, 200)))).tolist()
    [0.0]
    """
    distinct, counts = np.unique(values, return_counts=True)
    padded = np.pad(counts, 2)
    around = padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]
    inside = np.pad(np.ones_like(counts), 2)
    neighbours = np.maximum(inside[:-4] + inside[1:-3] + inside[3:-1] + inside[4:], 1)
    many = counts > max(SPIKE_SHARE * len(values), SPIKE_ROWS)
    gaps = np.diff(distinct, prepend=-np.inf, append=np.inf)
    low, high = np.quantile(values, [0.05, 0.95])
    alone = (np.minimum(gaps[:-1], gaps[1:]) > high - low) & (counts >= FEW_ROWS) if high > low else np.zeros_like(many)
    return distinct[(many & (counts > SPIKE_RATIO * around / neighbours)) | alone]


def _quantile_map(
    spread: Float[np.ndarray, " n"], *, edges: tuple[float, float]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Quantiles of ascending values as knots from edge to edge, and their normal scores."""
    shares = _shares(len(spread))
    knots = np.interp(shares * (len(spread) - 1), np.arange(len(spread)), spread)
    knots[0], knots[-1] = edges
    outermost = min(0.5 / len(spread), shares[1] / 4)
    return knots, ndtri(np.concatenate([[outermost], shares[1:-1], [1 - outermost]])).round(6)


def _shares(n: int) -> Float[np.ndarray, " k"]:
    """Quantile levels from 0 to 1: clip(n / 30, 10, 960) evenly spaced, and towards each end halving further while
    some rows are left outside: heavy tails need their own knots.
    """
    even = np.linspace(0, 1, int(np.clip(n // 30, 10, MAX_KNOTS)))
    halves = even[1] / 2.0 ** np.arange(1, 20)
    tail = halves[halves * n >= TAIL_ROWS]
    return np.unique(np.concatenate([even, tail, 1 - tail]))
