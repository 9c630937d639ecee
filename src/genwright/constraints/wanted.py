"""What `given` means where rules reshape columns: conditions for the model, and conditions on what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from genwright.codecs.conditions import Between, OneOf, Shares, as_condition, value_set
from genwright.codecs.scalars import Atoms, Levels
from genwright.codecs.values import entries, parse_number, values_of
from genwright.constraints.reshaping import Joint, Reshaping
from genwright.constraints.rules import Range, agrees
from genwright.data.dataset import Category, Constant, Dataset, Field, Number, Time
from genwright.errors import ArgumentError

Entries = Any  # one value or condition for all rows, or a list with one for each


@dataclass(frozen=True)
class Wanted:
    """`inner`: what the model is given. `outer`: conditions on computed columns, met by drawing again. `fixed`: the
    outer columns that must not be changed, those included that are joint with one that is given.
    """

    inner: dict[str, Entries]
    outer: dict[str, Entries]
    fixed: frozenset[str] = frozenset()

    def inner_at(self, index: Int[np.ndarray, " k"]) -> dict[str, Entries]:
        """What the model is given for the rows at `index`."""
        return {name: _at(value, index) for name, value in self.inner.items()}

    def met(self, outer: Dataset, index: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Which rows meet the conditions of the rows at `index`."""
        good = np.ones(len(outer), dtype=bool)
        for name, value in self.outer.items():
            for condition, rows in _grouped(_at(value, index), len(outer)):
                good[rows] &= _holds(outer.take(rows), name, condition)
        return good

    def distance(self, outer: Dataset, index: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """How far computed columns are from the numbers asked for in the rows at `index`; infinite where missing."""
        total = np.zeros(len(outer))
        for name in self.outer:
            wanted = self.numbers(name, index)
            away = np.abs(outer.columns[name] - wanted) / max(1.0, float(np.nanmax(np.abs(wanted), initial=0.0)))
            total += np.where(np.isnan(wanted), 0.0, np.nan_to_num(away, nan=np.inf))
        return total

    def ranges(self, fields: Sequence[Field]) -> list[Range]:
        """What is asked for of number and time columns in all rows alike, as rules."""
        found = []
        for field in fields:
            target = {**self.inner, **self.outer}.get(field.name)
            if not isinstance(field, Number | Time) or target is None or isinstance(target, list | OneOf):
                continue
            told = [target.low, target.high] if isinstance(target, Between) else [target, target]
            low, high = (t if t is None or isinstance(field, Time) else parse_number(field, t) for t in told)
            if (low, high) != (None, None):
                found.append(Range(field.name, low=low, high=high))
        return found

    def numbers(self, name: str, index: Int[np.ndarray, " n"]) -> np.ndarray:
        """The number asked for in a computed column in each row, NaN where it is a range, a set or missing."""
        wanted = _at(self.outer[name], index)
        listed = wanted if isinstance(wanted, list) else [wanted] * len(index)
        return np.array([w if isinstance(w, float) else np.nan for w in listed])


def wanted_of(
    shape: Reshaping, levels: Mapping[str, Sequence[str]], given: Mapping[str, Any], n: int, rng: Any
) -> Wanted:
    """`given` for n rows, taken apart. `levels` has those of each joint category.

    Raises ArgumentError for a combination of values that was never seen, and for values of columns with a pattern.
    """
    known = {name: _listed(value, n, name, rng) for name, value in given.items()}
    inner = {name: value for name, value in known.items() if name not in shape.absent}
    for joint in shape.joints:
        told = {name: known[name] for name in joint.columns if name in known}
        if told:
            inner[joint.name] = _joined(joint, levels[joint.name], told, shape, n)
    outer = {c.column: _numeric(shape.by_name[c.column], known[c.column]) for c in shape.computed if c.column in known}
    for pattern in shape.patterns:
        if pattern.column in known:
            hint = "set the column after sampling"
            raise ArgumentError("is made up anew for every row, so it cannot be given", where=pattern.column, hint=hint)
    joined = [name for joint in shape.joints if joint.name in inner for name in joint.columns]
    return Wanted(inner, outer, frozenset([*known, *joined]))


def _listed(value: Any, n: int, name: str, rng: np.random.Generator) -> Entries:
    """One value or condition for all rows, or a list of n of them."""
    if isinstance(value, Shares):
        return value.entries(n, rng)
    if as_condition(value) is not None:
        return as_condition(value)
    listed = [as_condition(each) or each for each in entries(value, n, where=name)]
    return listed if any(each is not listed[0] for each in listed) else listed[0]


def _numeric(field: Field, target: Entries) -> Entries:
    """Wishes for a computed column with their values as floats; ArgumentError where one is no number."""
    match target:
        case list():
            return [_numeric(field, each) for each in target]
        case Between(low=low, high=high):
            return Between(_numeric(field, low), _numeric(field, high))
        case OneOf(values=values):
            return OneOf(*(_numeric(field, each) for each in values))
    return None if target is None or target is pd.NA else parse_number(field, target)


def _joined(joint: Joint, levels: Sequence[str], told: Mapping[str, Entries], shape: Reshaping, n: int) -> Entries:
    """The set of combinations that agree with what was told of their members; one set for all rows, or a list."""
    column = np.empty(len(levels), dtype=object)
    column[:] = levels
    parts = joint.parted(column, shape.by_name)
    conditions: dict[tuple[Any, ...], OneOf] = {}

    def combinations(members: tuple[Any, ...]) -> OneOf:
        if members not in conditions:
            kept = np.ones(len(levels), dtype=bool)
            for name, member in zip(told, members, strict=True):
                kept &= _chosen(shape, name, parts[name], member)
            if not kept.any():
                shown = ", ".join(f"{name} = {member!r}" for name, member in zip(told, members, strict=True))
                hint = "give values that occur together in the training rows"
                raise ArgumentError(f"no combination seen has {shown}", where=joint.name, hint=hint)
            conditions[members] = OneOf(*column[kept])
        return conditions[members]

    if not any(isinstance(value, list) for value in told.values()):
        return combinations(tuple(told.values()))
    rows = [value if isinstance(value, list) else [value] * n for value in told.values()]
    return [combinations(members) for members in zip(*rows, strict=True)]


def _chosen(shape: Reshaping, name: str, column: np.ndarray, target: Any) -> Bool[np.ndarray, " n"]:
    """Which values of a column a wish allows."""
    field = shape.by_name[name]
    values = values_of(field, column)
    if isinstance(field, Constant):
        return np.array([v == target for v in column.tolist()], dtype=bool)
    coder = Levels.fit(values) if isinstance(field, Category) else Atoms.fit(values)
    return value_set(field, coder, as_condition(target) or OneOf(target)).holds(values)


def _holds(outer: Dataset, name: str, target: float | Between | OneOf | None) -> Bool[np.ndarray, " n"]:
    """In which rows a computed number is as asked."""
    column = outer.columns[name]
    match target:
        case Between(low=low, high=high):
            return (column >= (-np.inf if low is None else low)) & (column <= (np.inf if high is None else high))
        case OneOf(values=values):
            return np.any([_holds(outer, name, value) for value in values], axis=0)
        case float() if not np.isnan(target):
            return agrees(outer, name, np.full(len(column), target)) & ~np.isnan(column)
    return np.isnan(column)


def _at(value: Entries, index: Int[np.ndarray, " k"]) -> Entries:
    return [value[i] for i in index.tolist()] if isinstance(value, list) else value


def _grouped(value: Entries, n: int) -> list[tuple[Any, Int[np.ndarray, " k"]]]:
    """The different values with the rows that they are for."""
    if not isinstance(value, list):
        return [(value, np.arange(n))]
    rows: dict[Any, list[int]] = {}
    for i, target in enumerate(value):
        rows.setdefault(target, []).append(i)
    return [(target, np.array(index)) for target, index in rows.items()]
