"""Categories of more levels than one column has states: a group of levels that behave alike, and a member of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genwright.codecs.grouping import alike
from genwright.codecs.scalars import MAX_LEVELS, MAX_ROWS, ScalarCoder, state_numbers, uniform
from genwright.codecs.value_sets import ValueSet
from genwright.spaces import Continuous, Discrete
from genwright.typed import require

ROWS_PER_GROUP = 100  # with fewer rows there are fewer groups


@final
@dataclass(frozen=True)
class Grouped(ScalarCoder):
    """Categories as a group number and a member number, the members of each group by falling frequency.

    `levels` come group by group, `sizes` levels each, `counts` rows each. A group of more than MAX_LEVELS levels has
    a member number for the most frequent ones; all others share the last and are told apart on decode by their counts.
    Member numbers that a group does not use stand for any of its levels, by their counts. A missing value is one group
    more, the last.
    """

    levels: tuple[str, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    missing: bool

    def __post_init__(self) -> None:
        require(0 < len(set(self.levels)) == len(self.levels) == len(self.counts), "no levels, or one twice")
        require(all(0 < count < MAX_ROWS for count in self.counts), "impossible counts of levels")
        require(min(self.sizes, default=0) > 0 and sum(self.sizes) == len(self.levels), "impossible sizes of groups")

    @classmethod
    def fit(cls, values: np.ndarray, features: Iterable[Float[np.ndarray, " n"]]) -> Self:
        """Levels whose rows have alike `features` (other columns) come into one group."""
        codes, found = pd.factorize(values)
        counts = np.bincount(codes[codes >= 0], minlength=len(found))
        missing = bool((codes < 0).any())
        groups = min(MAX_LEVELS - missing, max(2, len(values) // ROWS_PER_GROUP))
        group = alike(codes, features, counts=counts, groups=groups)
        order = np.lexsort((found.astype(str), -counts, group))
        sizes = np.unique(group, return_counts=True)[1]
        levels = tuple(found[order].tolist())
        return cls(levels, tuple(counts[order].tolist()), tuple(sizes.tolist()), missing)

    @cached_property
    def _index(self) -> pd.Index:
        return pd.Index(self.levels, dtype=object)

    @cached_property
    def _table(self) -> np.ndarray:
        return np.array([*self.levels, None], dtype=object)

    @cached_property
    def known(self) -> tuple[str, ...]:
        """All levels, the commonest first."""
        return tuple(self.levels[i] for i in np.argsort(-np.array(self.counts), kind="stable"))

    @cached_property
    def _ends(self) -> Int[np.ndarray, " groups"]:
        return np.cumsum(self.sizes)

    @cached_property
    def _rows_before(self) -> Int[np.ndarray, " k"]:
        """Rows of all levels before each level, and of all levels."""
        return np.concatenate([[0], np.cumsum(self.counts)])

    @property
    def _members(self) -> int:
        return min(MAX_LEVELS, max(self.sizes))

    def columns(self, name: str, first: int) -> tuple[Discrete | Continuous, ...]:
        return (
            Discrete(f"{name}:group", len(self.sizes) + self.missing),
            Discrete(f"{name}:member", self._members),
        )

    def snap(self, values: np.ndarray) -> np.ndarray:
        """Unseen levels take the place of the rarest one; missing values without a group become the commonest."""
        places = self._index.get_indexer(pd.Index(values, dtype=object))
        absent = pd.isna(values)
        places[(places < 0) & ~absent] = int(np.argmin(self.counts))
        places[absent] = -1 if self.missing else int(np.argmax(self.counts))
        return self._table[places]

    def encode(self, values: np.ndarray, rng: torch.Generator | None) -> Float[np.ndarray, "n width"]:
        places = self._index.get_indexer(pd.Index(values, dtype=object))
        return self._codes(places).astype(np.float32)

    def decode(self, x: Float[np.ndarray, "n width"], rng: torch.Generator) -> np.ndarray:
        group = state_numbers(x[:, :1], len(self.sizes) + self.missing)
        member = state_numbers(x[:, 1:], self._members)
        absent = group == len(self.sizes)
        group = np.where(absent, 0, group)
        size = np.array(self.sizes)[group]
        end = self._ends[group]
        place = end - size + member
        shared = (size > self._members) & (member == self._members - 1)
        unused = member >= size
        among = shared | unused
        first = np.where(shared, place, end - size)
        place[among] = self._draw(first[among], end[among], rng)
        place[absent] = -1
        return self._table[place]

    def restrict(self, allowed: ValueSet) -> tuple[Tensor | None, ...] | None:
        own = allowed.holds(self._table)
        codes = self._codes(np.flatnonzero(own[:-1]))
        group = torch.zeros(len(self.sizes) + self.missing, dtype=torch.bool)
        member = torch.zeros(self._members, dtype=torch.bool)
        group[codes[:, 0]], member[codes[:, 1]] = True, True
        if self.missing and own[-1]:
            group[-1], member[0] = True, True
        return (group, member) if bool(group.any()) else None

    def project(self, values: np.ndarray, allowed: ValueSet, rng: torch.Generator) -> np.ndarray:
        """Levels outside the set give way to allowed ones of their group, or of all groups, by their counts."""
        values = values.copy()
        own = allowed.holds(self._table[:-1])
        wrong = np.flatnonzero(~allowed.holds(values))
        group = self._codes(self._index.get_indexer(pd.Index(values[wrong], dtype=object)))[:, 0]
        of = self._codes(np.arange(len(own)))[:, 0]
        for each in np.unique(group):
            here = wrong[group == each]
            choice = np.flatnonzero(own & (of == each))
            choice = choice if len(choice) else np.flatnonzero(own)
            if len(choice):
                values[here] = self._table[choice[_by_counts(np.array(self.counts)[choice], len(here), rng)]]
            else:
                values[here] = None
        return values

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "grouped",
            "levels": list(self.levels),
            "counts": list(self.counts),
            "sizes": list(self.sizes),
            "missing": self.missing,
        }

    def _codes(self, places: Int[np.ndarray, " n"]) -> Int[np.ndarray, "n 2"]:
        """Group and member of the levels at `places`; -1 is missing."""
        group = np.searchsorted(self._ends, places, side="right")
        first = (
            self._ends[group.clip(max=len(self.sizes) - 1)] - np.array(self.sizes)[group.clip(max=len(self.sizes) - 1)]
        )
        member = np.minimum(places - first, self._members - 1)
        absent = places < 0
        return np.stack([np.where(absent, len(self.sizes), group), np.where(absent, 0, member)], axis=1)

    def _draw(
        self, first: Int[np.ndarray, " n"], end: Int[np.ndarray, " n"], rng: torch.Generator
    ) -> Int[np.ndarray, " n"]:
        """A level from `first` up to before `end`, by the counts, for each row."""
        low, high = self._rows_before[first], self._rows_before[end]
        rows = low + (uniform(len(first), rng) * (high - low)).astype(np.int64)
        return np.searchsorted(self._rows_before, rows, side="right") - 1


def _by_counts(counts: Int[np.ndarray, " k"], n: int, rng: torch.Generator) -> Int[np.ndarray, " n"]:
    """n places, drawn in proportion to `counts`."""
    total = np.cumsum(counts)
    return np.searchsorted(total, uniform(n, rng) * total[-1], side="right")
