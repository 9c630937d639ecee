"""Coders of one scalar field each: numbers and categories to one or two columns of a `Columns` space, and back.

Careful encoding decides how well single columns are reproduced, before any network: few distinct values are kept as
they are (`Atoms`, `Levels`); everything else is made smooth and standard normal (`Smooth`), with missing marks and
spikes split off as states, since no smooth law has them.
"""

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.special import ndtri

from genwright.spaces import Continuous, Discrete

MOST_LEVELS = 256  # states of one discrete column
ALWAYS_ATOMS = 100  # up to this many distinct numbers are kept as atoms ...
SPARSE_SHARE = 0.1  # ... and up to MOST_LEVELS where they fill less than this share of their grid
ROWS_PER_ATOM = 5  # with fewer rows per distinct value, atoms would be copies of single rows
SPIKE_SHARE = 0.005  # a spike holds more than this share of the rows,
SPIKE_ROWS = 30  # at least this many rows (in small tables, round numbers are often that common by chance),
SPIKE_RATIO = 3.0  # and so many times the mean count of its two neighbours on each side
MOST_KNOTS = 960  # evenly spaced quantiles; with the tails' extra ones a table stays below 1000
TAIL_ROWS = 8  # the outermost inner knot leaves at least this many rows outside


class ScalarCoder(abc.ABC):
    """A fitted map between the values of one scalar field and one or two encoded columns.

    Values are float64 with NaN for missing (see `genwright.codecs.schema.to_numbers`), or objects for categories.
    """

    @abc.abstractmethod
    def columns(self, name: str, first: int) -> tuple[Discrete | Continuous, ...]:
        """The columns that a field called `name` takes, `first` being the index of the first of them."""

    @abc.abstractmethod
    def snap(self, values: np.ndarray) -> np.ndarray:
        """The nearest values that the coder knows; those it knows stay as they are."""

    @abc.abstractmethod
    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        """Known values to columns; `rng` draws the place within each value's cell, None takes its centre."""

    @abc.abstractmethod
    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        """Columns to values; `rng` draws the members of rare buckets."""

    @abc.abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON."""


@final
@dataclass(frozen=True)
class Atoms(ScalarCoder):
    """Numbers with few distinct `values`, each a level of one ordered column; a missing value is one level more."""

    values: tuple[float, ...]
    missing: bool

    @classmethod
    def fit(cls, values: Float[np.ndarray, " n"]) -> Self:
        absent = np.isnan(values)
        return cls(tuple(np.unique(values[~absent]).tolist()), bool(absent.any()))

    @cached_property
    def _table(self) -> Float[np.ndarray, " levels"]:
        return np.array(self.values + ((np.nan,) if self.missing else ()))

    def columns(self, name: str, first: int) -> tuple[Discrete | Continuous, ...]:
        return (Discrete(name, len(self._table), ordered=True),)

    def snap(self, values: np.ndarray) -> np.ndarray:
        return self._table[self._codes(values)]

    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        return self._codes(values).astype(np.float32)[:, None]

    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        return self._table[_states(x, len(self._table))]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "atoms", "values": list(self.values), "missing": self.missing}

    def _codes(self, values: np.ndarray) -> np.ndarray:
        """The level of the nearest atom; missing values without a level of their own take the middle atom."""
        if not self.values:
            return np.zeros(len(values), dtype=np.int64)
        atoms = np.array(self.values)
        codes = np.searchsorted((atoms[1:] + atoms[:-1]) / 2, values)
        codes[np.isnan(values)] = len(atoms) if self.missing else len(atoms) // 2
        return codes


@final
@dataclass(frozen=True)
class Levels(ScalarCoder):
    """Categories by falling frequency: `frequent` ones are a level each; the `rare` ones share the next level and are
    told apart on decode by drawing them by their `rare_counts`; a missing value is the last level.
    """

    frequent: tuple[str, ...]
    rare: tuple[str, ...]
    rare_counts: tuple[int, ...]
    missing: bool

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        codes, found = pd.factorize(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(found))
        ranked = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        missing = bool((codes < 0).any())
        room = MOST_LEVELS - missing
        cut = len(ranked) if len(ranked) <= room else room - 1
        names, rare = tuple(level for level, _ in ranked), ranked[cut:]
        return cls(names[:cut], names[cut:], tuple(count for _, count in rare), missing)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.frequent + self.rare, dtype=object)

    @cached_property
    def _known(self) -> np.ndarray:
        return np.array([*self.frequent, *self.rare, None], dtype=object)

    @property
    def _levels(self) -> int:
        return len(self.frequent) + bool(self.rare) + self.missing

    def columns(self, name: str, first: int) -> tuple[Discrete | Continuous, ...]:
        return (Discrete(name, self._levels),)

    def snap(self, values: np.ndarray) -> np.ndarray:
        """Unseen levels take the place of the rarest one; missing values without a level become the commonest."""
        codes = self._index.get_indexer(pd.Index(values, dtype=object))
        absent = pd.isna(values)
        codes[(codes < 0) & ~absent] = len(self._index) - 1  # -1, that is missing, where every value was missing
        codes[absent] = -1 if self.missing else 0
        return self._known[codes]

    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        codes = np.minimum(self._index.get_indexer(pd.Index(values, dtype=object)), len(self.frequent))
        return np.where(codes < 0, self._levels - 1, codes).astype(np.float32)[:, None]

    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        codes = _states(x, self._levels)
        absent = codes == self._levels - 1 if self.missing else np.zeros(len(codes), dtype=bool)
        if self.rare:
            drawn = np.flatnonzero((codes == len(self.frequent)) & ~absent)
            cumulative = np.cumsum(self.rare_counts)
            places = _uniform(len(drawn), rng) * cumulative[-1]
            codes[drawn] = len(self.frequent) + np.searchsorted(cumulative, places, side="right")
        codes[absent] = -1
        return self._known[codes]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "levels",
            "frequent": list(self.frequent),
            "rare": list(self.rare),
            "rare_counts": list(self.rare_counts),
            "missing": self.missing,
        }


@final
@dataclass(frozen=True)
class Smooth(ScalarCoder):
    """Numbers with many distinct values: a state column, where there is need for one, and a standard normal column.

    State 0 is an ordinary value; then come missing, if any is, and one state for each of `spikes`. Ordinary values
    lie on a grid of `step` (0: anywhere), are spread uniformly over their cell, and pass through the piecewise linear
    quantile map from `knots` to the normal scores `scores`; outside of it they are clipped. Values come back exactly,
    unless they have more digits than float32 scores tell apart: then to about a millionth of their range.
    """

    step: float
    low: float
    high: float
    knots: tuple[float, ...]
    scores: tuple[float, ...]
    spikes: tuple[float, ...] = ()
    missing: bool = False

    @classmethod
    def fit(cls, values: Float[np.ndarray, " n"], *, step: float, rng: torch.Generator) -> Self:
        """Fit to at least one value that is not missing."""
        present = values[~np.isnan(values)]
        spikes = find_spikes(present)
        ordinary = np.sort(present[~np.isin(present, spikes)])
        low, high = float(ordinary[0]), float(ordinary[-1])
        spread = np.sort(ordinary + (_uniform(len(ordinary), rng) - 0.5) * step) if step else ordinary
        shares = _shares(len(spread))
        knots = np.interp(shares * (len(spread) - 1), np.arange(len(spread)), spread)
        knots[0], knots[-1] = low - step / 2, high + step / 2  # so that every cell lies wholly inside
        outermost = min(0.5 / len(spread), shares[1] / 4)
        scores = ndtri(np.concatenate([[outermost], shares[1:-1], [1 - outermost]])).round(6)
        return cls(
            step,
            low,
            high,
            tuple(knots.tolist()),
            tuple(scores.tolist()),
            tuple(spikes.tolist()),
            len(present) < len(values),
        )

    @cached_property
    def _map(self) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        return np.array(self.knots), np.array(self.scores)

    @property
    def _states(self) -> int:
        return 1 + self.missing + len(self.spikes)

    def columns(self, name: str, first: int) -> tuple[Discrete | Continuous, ...]:
        if self._states == 1:
            return (Continuous(name),)
        return (Discrete(f"{name}:state", self._states), Continuous(name, state=first))

    def snap(self, values: np.ndarray) -> np.ndarray:
        snapped = np.clip(values, self.low, self.high)
        if self.step:
            snapped = self._on_grid(snapped)
        absent = np.isnan(values)
        if not self.missing:
            snapped[absent] = self._from_scores(np.zeros(1))[0]
        return np.where(np.isin(values, self.spikes), values, snapped)

    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        state = np.zeros(len(values), dtype=np.float32)
        state[np.isnan(values)] = 1
        for number, spike in enumerate(self.spikes, start=1 + self.missing):
            state[values == spike] = number
        ordinary = state == 0
        scores = np.zeros(len(values), dtype=np.float32)
        scores[ordinary] = self._to_scores(values[ordinary], rng)
        return scores[:, None] if self._states == 1 else np.stack([state, scores], axis=1)

    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        values = self._from_scores(x[:, -1].astype(np.float64))
        if self._states == 1:
            return values
        special = np.array([np.nan] * (1 + self.missing) + list(self.spikes))
        state = _states(x, self._states)
        return np.where(state == 0, values, special[state])

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
        }

    def _to_scores(self, values: Float[np.ndarray, " n"], rng: torch.Generator | None) -> Float[np.ndarray, " n"]:
        """Ordinary values to float32 normal scores that `_from_scores` maps back to the same values."""
        knots, scores = self._map
        place = np.full(len(values), 0.5) if rng is None else _uniform(len(values), rng)
        if self.step:
            z = np.interp(values + (place - 0.5) * self.step, knots, scores).astype(np.float32)
            moved = self._from_scores(z.astype(np.float64)) != values  # rounding took the outermost places of a cell
            z[moved] = np.interp(values[moved], knots, scores)
            return z
        z = np.interp(values, knots, scores)
        first, last = np.searchsorted(knots, values, side="left"), np.searchsorted(knots, values, side="right") - 1
        tied = first < last  # a repeated value takes a stretch of scores: any place in it will do
        z[tied] = (scores[first] + place * (scores[np.maximum(last, 0)] - scores[first]))[tied]
        return z.astype(np.float32)

    def _from_scores(self, z: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The roundest of the values that share each float32 score, on the grid and in range."""
        knots, scores = self._map
        half = np.spacing(np.abs(z).astype(np.float32)).astype(np.float64) / 2
        blur = np.interp(z + half, scores, knots) - np.interp(z - half, scores, knots)
        values = _rounded(np.interp(z, scores, knots), blur)
        return np.clip(self._on_grid(values) if self.step else values, self.low, self.high)

    def _on_grid(self, values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return self.low + np.rint((values - self.low) / self.step) * self.step


def fit_number(values: Float[np.ndarray, " n"], *, grid: bool, rng: torch.Generator) -> ScalarCoder:
    """The coder that suits these numbers; `grid` says that they are whole numbers, not anything in between."""
    distinct = np.unique(values[~np.isnan(values)])
    exact = grid and np.abs(distinct).max(initial=0) < 2**52  # float64 has no halves beyond
    step = _common_step(distinct) if exact else 0.0
    crowded = len(values) < ROWS_PER_ATOM * len(distinct)
    if len(distinct) <= 2 or (len(distinct) <= ALWAYS_ATOMS and not crowded):
        return Atoms.fit(values)
    cells = 1 + (distinct[-1] - distinct[0]) / step if step else np.inf
    if len(distinct) < MOST_LEVELS and not crowded and len(distinct) < SPARSE_SHARE * cells:
        return Atoms.fit(values)
    return Smooth.fit(values, step=step, rng=rng)


def find_spikes(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The values that hold clearly more rows than their neighbours: inflated zeros, bounds, defaults; ascending.

    >>> find_spikes(np.array([0.0] * 50 + list(range(1, 200)))).tolist()
    [0.0]
    """
    distinct, counts = np.unique(values, return_counts=True)
    padded = np.pad(counts, 2)
    around = padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]
    inside = np.pad(np.ones_like(counts), 2)
    neighbours = np.maximum(inside[:-4] + inside[1:-3] + inside[3:-1] + inside[4:], 1)
    many = counts > max(SPIKE_SHARE * len(values), SPIKE_ROWS)
    return distinct[many & (counts > SPIKE_RATIO * around / neighbours)]


def coder_from_json(mapping: Mapping[str, Any]) -> ScalarCoder:
    """The inverse of `ScalarCoder.to_json`."""
    kinds: dict[str, type[ScalarCoder]] = {"atoms": Atoms, "levels": Levels, "smooth": Smooth}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in mapping.items()}
    build: Callable[..., ScalarCoder] = kinds[values.pop("kind")]
    return build(**values)


def _common_step(distinct: Float[np.ndarray, " k"]) -> float:
    """The greatest step that all values share, so that prices in hundreds stay so; 1 where that may be chance."""
    if len(distinct) <= ALWAYS_ATOMS:
        return 1.0
    return float(np.gcd.reduce(np.diff(distinct).astype(np.int64)))


def _shares(n: int) -> Float[np.ndarray, " k"]:
    """Quantile levels from 0 to 1: clip(n / 30, 10, 960) evenly spaced, and towards each end halving further while
    some rows are left outside: heavy tails need their own knots.
    """
    even = np.linspace(0, 1, int(np.clip(n // 30, 10, MOST_KNOTS)))
    halves = even[1] / 2.0 ** np.arange(1, 20)
    tail = halves[halves * n >= TAIL_ROWS]
    return np.unique(np.concatenate([even, tail, 1 - tail]))


def _rounded(values: Float[np.ndarray, " n"], blur: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Values to the decimal place just above twice their blur, so that 0.1 is 0.1 and not 0.10000000149."""
    with np.errstate(divide="ignore"):
        places = np.floor(-np.log10(2 * blur))
    sharp = ~(np.abs(places) <= 15)  # exact already, or powers of ten that are not exact
    scale = 10.0 ** np.abs(np.where(sharp, 0, places))
    rounded = np.where(places < 0, np.rint(values / scale) * scale, np.rint(values * scale) / scale)
    return np.where(sharp, values, rounded)


def _states(x: Float[np.ndarray, "n width"], levels: int) -> np.ndarray:
    """The first column as state numbers."""
    assert not np.isnan(x[:, 0]).any(), "a free entry reached decode"
    return np.clip(np.rint(x[:, 0]).astype(np.int64), 0, levels - 1)


def _uniform(n: int, rng: torch.Generator) -> Float[np.ndarray, " n"]:
    return torch.rand(n, generator=rng, dtype=torch.float64).numpy()
