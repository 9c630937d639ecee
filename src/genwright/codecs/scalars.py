"""Coders of one scalar field each, to one or two columns of a `Columns` space and back; and those of few values.

Careful encoding decides how well single columns are reproduced, before any network: few distinct values are kept as
they are (`Atoms`, `Levels`); other numbers are made smooth and standard normal (`genwright.codecs.smooth`), many
levels become a group and a member (`genwright.codecs.grouped`).
"""

import abc
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from genwright.codecs.value_sets import ValueSet
from genwright.spaces import Continuous, Discrete
from genwright.typed import require

MAX_LEVELS = 256  # states of one discrete column
MAX_ROWS = 2**40  # of a table


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
    def restrict(self, allowed: ValueSet) -> tuple[Tensor | None, ...] | None:
        """What keeps each column to values in the set, as in `Given.allowed` (None: nothing), or a little outside it.

        None instead of a tuple if the coder knows no value in the set.
        """

    @abc.abstractmethod
    def project(self, values: np.ndarray, allowed: ValueSet, rng: torch.Generator) -> np.ndarray:
        """Decoded values with those outside of the set replaced: numbers by the nearest in it, levels at random."""

    @abc.abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON."""


@final
@dataclass(frozen=True)
class Atoms(ScalarCoder):
    """Numbers with few distinct `values`, each a level of one ordered column; a missing value is one level more."""

    values: tuple[float, ...]
    missing: bool

    def __post_init__(self) -> None:
        require(rising(self.values), "values that do not rise")
        require(bool(self.values) or self.missing, "no values")

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
        return self._table[state_numbers(x, len(self._table))]

    def restrict(self, allowed: ValueSet) -> tuple[Tensor | None, ...] | None:
        own = torch.from_numpy(allowed.holds(self._table))
        return (own,) if bool(own.any()) else None

    def project(self, values: np.ndarray, allowed: ValueSet, rng: torch.Generator) -> np.ndarray:
        return np.where(allowed.holds(values), values, allowed.nearest(values))

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

    def __post_init__(self) -> None:
        require(bool(self.known) or self.missing, "no levels")
        require(len(set(self.known)) == len(self.known), "a level twice")
        require(len(self.rare) == len(self.rare_counts), "other numbers of rare levels and their counts")
        require(all(0 < count < MAX_ROWS for count in self.rare_counts), "impossible counts of rare levels")

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        codes, found = pd.factorize(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(found))
        ranked = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        missing = bool((codes < 0).any())
        room = MAX_LEVELS - missing
        cut = len(ranked) if len(ranked) <= room else room - 1
        names, rare = tuple(level for level, _ in ranked), ranked[cut:]
        return cls(names[:cut], names[cut:], tuple(count for _, count in rare), missing)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.frequent + self.rare, dtype=object)

    @cached_property
    def _table(self) -> np.ndarray:
        return np.array([*self.frequent, *self.rare, None], dtype=object)

    @property
    def known(self) -> tuple[str, ...]:
        """All levels, the commonest first."""
        return self.frequent + self.rare

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
        return self._table[codes]

    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        codes = np.minimum(self._index.get_indexer(pd.Index(values, dtype=object)), len(self.frequent))
        return np.where(codes < 0, self._levels - 1, codes).astype(np.float32)[:, None]

    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        codes = state_numbers(x, self._levels)
        absent = codes == self._levels - 1 if self.missing else np.zeros(len(codes), dtype=bool)
        if self.rare:
            drawn = np.flatnonzero((codes == len(self.frequent)) & ~absent)
            cumulative = np.cumsum(self.rare_counts)
            places = uniform(len(drawn), rng) * cumulative[-1]
            codes[drawn] = len(self.frequent) + np.searchsorted(cumulative, places, side="right")
        codes[absent] = -1
        return self._table[codes]

    def restrict(self, allowed: ValueSet) -> tuple[Tensor | None, ...] | None:
        names = allowed.holds(self._table)
        cut = len(self.frequent)
        own = [*names[:cut], *([names[cut:-1].any()] if self.rare else []), *([names[-1]] if self.missing else [])]
        return (torch.tensor(own, dtype=torch.bool),) if any(own) else None

    def project(self, values: np.ndarray, allowed: ValueSet, rng: torch.Generator) -> np.ndarray:
        """Levels outside the set give way to allowed rare ones, or any allowed one, by their counts."""
        values = values.copy()
        wrong = np.flatnonzero(~allowed.holds(values))
        names = allowed.holds(self._table[:-1])
        rare = np.flatnonzero(names[len(self.frequent) :])
        if len(wrong) and len(rare):
            total = np.cumsum(np.array(self.rare_counts)[rare])
            drawn = rare[np.searchsorted(total, uniform(len(wrong), rng) * total[-1], side="right")]
            values[wrong] = self._table[len(self.frequent) + drawn]
        elif len(wrong):
            values[wrong] = self._table[np.flatnonzero(names)[0]] if names.any() else None
        return values

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "levels",
            "frequent": list(self.frequent),
            "rare": list(self.rare),
            "rare_counts": list(self.rare_counts),
            "missing": self.missing,
        }


def rising(values: Sequence[float]) -> bool:
    """Whether finite values rise from each to the next."""
    return all(map(math.isfinite, values)) and all(a < b for a, b in itertools.pairwise(values))


def state_numbers(x: Float[np.ndarray, "n width"], levels: int) -> np.ndarray:
    """The first column as state numbers."""
    assert not np.isnan(x[:, 0]).any(), "a free entry reached decode"
    return np.clip(np.rint(x[:, 0]).astype(np.int64), 0, levels - 1)


def uniform(n: int, rng: torch.Generator) -> Float[np.ndarray, " n"]:
    return torch.rand(n, generator=rng, dtype=torch.float64).numpy()
