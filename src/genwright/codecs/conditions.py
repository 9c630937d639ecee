"""Conditions on scalar fields beyond single values: ranges, sets and shares."""

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from genwright.codecs.grouped import Grouped
from genwright.codecs.scalars import Levels, ScalarCoder
from genwright.codecs.schema import from_numbers, grid_scale, to_numbers
from genwright.codecs.value_sets import Interval, Members, ValueSet
from genwright.codecs.values import did_you_mean, fixed_values, parse_number, parse_time
from genwright.data.dataset import Category, Field, Number, Time
from genwright.data.times import parse_as
from genwright.errors import ArgumentError

ROUNDING = 1e-6  # of a grid step, that a bound may be off by being written in binary
COARSE = re.compile(r"\d{4}(-\d\d(-\d\d([ T]\d\d(:\d\d)?)?)?)?")  # ISO times without seconds


@final
@dataclass(frozen=True)
class Between:
    """Numbers or times from `low` to `high`, both ends included; None leaves an end open. Never missing.

    A time that is written more coarsely than the data stands for all of it: `Between("2024-01", "2024-03")` ends with
    the last moment of March.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)
    >>> alcohol = model.sample(50, given={"alcohol": gw.Between(12, 12.5)}).columns["alcohol"]
    >>> bool(alcohol.min() >= 12), bool(alcohol.max() <= 12.5)
    (True, True)
    """

    low: Any = None
    high: Any = None


@final
@dataclass(frozen=True, init=False)
class OneOf:
    """Any of some values, as a Python set means too, or any of one list; None stands for missing.

    >>> import genwright as gw
    >>> gw.OneOf("DE", "FR", None) == gw.OneOf(["DE", "FR", None])
    True
    """

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        listed = len(values) == 1 and isinstance(values[0], Iterable) and not isinstance(values[0], str | bytes)
        object.__setattr__(self, "values", tuple(dict.fromkeys(values[0] if listed else values)))


@final
@dataclass(frozen=True)
class Shares:
    """The share of rows for each value, `Between` or `OneOf`; rows are counted by largest remainder and shuffled.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)
    >>> fake = model.sample(10, given={"class": gw.Shares({"class_0": 0.7, "class_2": 0.3})})
    >>> sorted(fake.columns["class"]).count("class_0")
    7
    """

    shares: Mapping[Any, float]

    def __post_init__(self) -> None:
        wrong = [key for key, share in self.shares.items() if not share >= 0]
        if wrong:
            raise ArgumentError(f"a share of {self.shares[wrong[0]]} for {wrong[0]!r}", hint="shares are 0 or more")
        total = sum(self.shares.values())
        if not abs(total - 1) < 1e-6:
            hint = "name every value, or put the others together as gw.OneOf(...)"
            raise ArgumentError(f"the shares add up to {total:g}, not 1", where="Shares", hint=hint)

    def entries(self, n: int, rng: np.random.Generator) -> list[Any]:
        """n values or conditions in these shares, in random order."""
        exact = np.array(list(self.shares.values())) * n
        counts = np.floor(exact + 1e-9).astype(np.int64)
        left = np.argsort(counts - exact, kind="stable")[: n - counts.sum()]
        counts[left] += 1
        listed = [key for key, count in zip(self.shares, counts, strict=True) for _ in range(count)]
        return [listed[i] for i in rng.permutation(n)]


Condition = Between | OneOf


def as_condition(value: Any) -> Condition | None:
    """A range or set of values; None if `value` is a single value, or one for each row."""
    if isinstance(value, (set, frozenset)):
        return OneOf(*sorted(value, key=lambda v: (v is None, str(v))))
    return value if isinstance(value, (Between, OneOf)) else None


def value_set(field: Field, coder: ScalarCoder, condition: Condition) -> ValueSet:
    """The values of `field` that meet `condition`, as its coder takes them.

    Raises ArgumentError for ends in the wrong order, unknown values, and where no value of the data is left.
    """
    found = _members(field, coder, condition) if isinstance(condition, OneOf) else _between(field, coder, condition)
    if coder.restrict(found) is None:
        raise ArgumentError(f"no value of this data lies in {_shown(condition)}", where=field.name, hint=_extent(field))
    return found


def _members(field: Field, coder: ScalarCoder, condition: OneOf) -> Members:
    if not condition.values:
        raise ArgumentError("a set of no values", where=field.name, hint="name at least one value")
    values = fixed_values(field, coder, list(condition.values), len(condition.values))
    present = values[~pd.isna(values)]
    return Members(tuple(present.tolist()), missing=len(present) < len(values))


def _between(field: Field, coder: ScalarCoder, condition: Between) -> ValueSet:
    if condition.low is None and condition.high is None:
        return Interval()
    match field:
        case Number() | Category(dtype="int" | "float"):
            low, high = _number(field, condition.low, -np.inf), _number(field, condition.high, np.inf)
        case Time():
            low, high = _moments(field, condition)
        case _:
            hint = 'ranges are of numbers and times; give a set such as {"a", "b"}'
            raise ArgumentError(f"{_shown(condition)} is a range of categories", where=field.name, hint=hint)
    if low > high:
        hint = f"give the smaller one first: {_shown(Between(condition.high, condition.low))}"
        raise ArgumentError(f"{_shown(condition)} ends before it begins", where=field.name, hint=hint)
    if isinstance(field, Category):
        assert isinstance(coder, (Levels, Grouped))
        return Members(tuple(level for level in coder.known if low <= float(level) <= high))
    scale = grid_scale(field) if isinstance(field, Number) else None
    if scale is None:
        return Interval(low, high)
    return Interval(float(np.ceil(low * scale - ROUNDING)), float(np.floor(high * scale + ROUNDING)))


def _number(field: Field, end: Any, default: float) -> float:
    """One end of a range of numbers."""
    value = default if end is None else parse_number(field, end)
    if np.isnan(value):
        raise ArgumentError("one end of the range is missing", where=field.name, hint="leave it out, or give a number")
    return value


def _moments(field: Time, condition: Between) -> tuple[float, float]:
    """Both ends of a range of times in units of the field's format, each rounded into the range."""
    low, high = -np.inf, np.inf
    if condition.low is not None:
        first = _span(field, condition.low)[0]
        low = float(to_numbers(field, first)[0])
        low += bool(from_numbers(field, np.array([low]))[0] < first[0])
    if condition.high is not None:
        high = float(to_numbers(field, _span(field, condition.high)[1])[0])
    return low, high


def _span(field: Time, end: Any) -> tuple[np.ndarray, np.ndarray]:
    """The first and last moment of a time: of the whole day where only a day is said, and so on."""
    whole = isinstance(end, datetime.date) and not isinstance(end, datetime.datetime)
    if whole or (isinstance(end, str) and COARSE.fullmatch(end) and parse_as([end], field.format) is None):
        try:
            period = pd.Period(end, freq="D") if whole else pd.Period(end)
        except ValueError:
            hint = f"write it like {field.low or field.format}"
            raise ArgumentError(f"{end!r} is not a time", where=field.name, hint=hint) from None
        first, last = np.array([[period.start_time], [period.end_time]], dtype="datetime64[us]")
        return first, last
    moment = np.array([parse_time(field, end)], dtype="datetime64[us]")
    if np.isnat(moment[0]):
        raise ArgumentError("one end of the range is missing", where=field.name, hint="leave it out, or give a time")
    return moment, moment


def _extent(field: Field) -> str:
    """A hint with the values that a field takes."""
    if isinstance(field, Category):
        return did_you_mean("", field.levels)
    low, high = (getattr(field, end) for end in ("low", "high"))
    return f"its values go from {low} to {high}" if isinstance(field, Time) else f"it goes from {low:g} to {high:g}"


def _shown(condition: Condition) -> str:
    """A condition as it is written on the command line."""
    if isinstance(condition, OneOf):
        return "{" + ",".join("missing" if v is None else str(v) for v in condition.values) + "}"
    return "..".join("" if end is None else str(end) for end in (condition.low, condition.high))
