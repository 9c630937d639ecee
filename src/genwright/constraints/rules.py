"""Rules that every generated row keeps. A rule is true of a row in which a value that it compares is missing."""

import abc
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from genwright.codecs.schema import grid_scale, show
from genwright.constraints.expression import Expression
from genwright.constraints.grids import bound, operands, ordinal, plain, scaled
from genwright.data.dataset import Category, Constant, Dataset, Identifier, Number, Time
from genwright.data.regex import matches, parse
from genwright.data.spellings import truth
from genwright.data.split import row_keys
from genwright.errors import ArgumentError

RELATIVE = 1e-9  # to which computed values agree, where the column has no grid of decimals
SHOWN = 3  # columns of a broken row in a message


class Rule(abc.ABC):
    """What holds in every row."""

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """The columns that the rule speaks of."""

    @abc.abstractmethod
    def check(self, data: Dataset) -> None:
        """Raise ArgumentError unless the columns exist and are of kinds that the rule is about."""

    @abc.abstractmethod
    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        """In which rows the rule holds."""

    @abc.abstractmethod
    def __str__(self) -> str:
        """The rule as it is written in Python."""

    def broken(self, data: Dataset, row: int) -> str:
        """The values of a row, for a message."""
        told = [f"{n} = {show(data.field(n), data.columns[n][row])}" for n in self.names[: SHOWN + 1]]
        return ", ".join(told[:SHOWN]) + (", ..." if len(told) > SHOWN else "")


@final
@dataclass(frozen=True)
class Range(Rule):
    """Numbers or times from `low` to `high`, both included; None is no bound. Times as text or dates.

    >>> print(Range("age", low=18))
    Range('age', low=18.0)
    """

    column: str
    low: float | str | None = None
    high: float | str | None = None

    def __init__(
        self, column: str, *, low: float | str | date | None = None, high: float | str | date | None = None
    ) -> None:
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "low", plain(low))
        object.__setattr__(self, "high", plain(high))
        if self.low is None and self.high is None:
            raise ArgumentError("neither low nor high is given", where=str(self), hint="give one of them")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    def check(self, data: Dataset) -> None:
        self.bounds(data)

    def bounds(self, data: Dataset) -> tuple[float, float]:
        """Both ends on the scale of `grids.scaled`."""
        field = ordinal(data, self.column, rule=str(self))
        low = -np.inf if self.low is None else bound(field, self.low, rule=str(self))
        return low, np.inf if self.high is None else bound(field, self.high, rule=str(self))

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        low, high = self.bounds(data)
        values = scaled(ordinal(data, self.column, rule=str(self)), data.columns[self.column])
        return ~((values < low) | (values > high))

    def __str__(self) -> str:
        told = [f", {side}={v!r}" for side, v in (("low", self.low), ("high", self.high)) if v is not None]
        return f"Range({self.column!r}{''.join(told)})"


@final
@dataclass(frozen=True)
class Order(Rule):
    """Numbers, or times, that rise from column to column: each at most the next, or below it where `strict`.

    >>> print(Order(["admitted", "discharged"]))
    Order(['admitted', 'discharged'])
    """

    columns: tuple[str, ...]
    strict: bool = False

    def __init__(self, columns: list[str] | tuple[str, ...], *, strict: bool = False) -> None:
        object.__setattr__(self, "columns", _several(columns, "Order"))
        object.__setattr__(self, "strict", strict)

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    def check(self, data: Dataset) -> None:
        kinds = {type(ordinal(data, name, rule=str(self))) for name in self.columns}
        if len(kinds) > 1:
            raise ArgumentError(
                "numbers and times have no common order", where=str(self), hint="compare like with like"
            )

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        good = np.ones(len(data), dtype=bool)
        highest = np.full(len(data), -np.inf)  # of the values so far
        for name in self.columns:
            values = scaled(ordinal(data, name, rule=str(self)), data.columns[name])
            good &= ~(values <= highest if self.strict else values < highest)
            highest = np.fmax(highest, values)
        return good

    def __str__(self) -> str:
        return f"Order({list(self.columns)!r}{', strict=True' if self.strict else ''})"


@final
@dataclass(frozen=True)
class FixedCombinations(Rule):
    """Only combinations of values that the training rows hold, as of cities and their countries.

    >>> print(FixedCombinations(["city", "country"]))
    FixedCombinations(['city', 'country'])
    """

    columns: tuple[str, ...]

    def __init__(self, columns: list[str] | tuple[str, ...]) -> None:
        object.__setattr__(self, "columns", _several(columns, "FixedCombinations"))

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    def check(self, data: Dataset) -> None:
        for name in self.columns:
            field = data.field(name)
            if not isinstance(field, Category | Constant | Number | Time):
                what = f"{name!r} is a {type(field).__name__.lower()} column, different in every row"
                raise ArgumentError(what, where=str(self), hint="leave it out of the rule")

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        """All rows: whatever the data holds is a combination that was seen."""
        return np.ones(len(data), dtype=bool)

    def __str__(self) -> str:
        return f"FixedCombinations({list(self.columns)!r})"


@final
@dataclass(frozen=True)
class OneHot(Rule):
    """Exactly one of the columns is 1 (or true), the others 0; all of them may be missing together.

    >>> print(OneHot(["red", "green", "blue"]))
    OneHot(['red', 'green', 'blue'])
    """

    columns: tuple[str, ...]

    def __init__(self, columns: list[str] | tuple[str, ...]) -> None:
        object.__setattr__(self, "columns", _several(columns, "OneHot"))

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    def check(self, data: Dataset) -> None:
        for name in self.columns:
            if not isinstance(data.field(name), Category | Constant | Number):
                raise ArgumentError(f"{name!r} does not hold 0 and 1", where=str(self), hint="leave it out of the rule")

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        on, off, absent = (np.zeros(len(data), dtype=np.int64) for _ in range(3))
        for name in self.columns:
            column = data.columns[name]
            missing = pd.isna(column)
            lit = is_on(column)
            absent, on, off = absent + missing, on + lit, off + (~missing & ~lit & is_off(column))
        width = len(self.columns)
        return (absent == width) | ((on == 1) & (off == width - 1))

    def __str__(self) -> str:
        return f"OneHot({list(self.columns)!r})"


@final
@dataclass(frozen=True)
class Sum(Rule):
    """`total` is the sum of `parts`, rounded to the decimals of the total.

    >>> print(Sum("gross", ["net", "tax"]))
    Sum('gross', ['net', 'tax'])
    """

    total: str
    parts: tuple[str, ...]

    def __init__(self, total: str, parts: list[str] | tuple[str, ...]) -> None:
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "parts", _several([*parts, total], "Sum")[:-1])

    @property
    def names(self) -> tuple[str, ...]:
        return (self.total, *self.parts)

    def check(self, data: Dataset) -> None:
        _check_numbers(data, self.names, str(self))

    def value(self, data: Dataset) -> Float[np.ndarray, " n"]:
        """The sum in each row."""
        return np.sum(np.stack(list(operands(data, self.parts).values())), axis=0)

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        return agrees(data, self.total, self.value(data))

    def __str__(self) -> str:
        return f"Sum({self.total!r}, {list(self.parts)!r})"


@final
@dataclass(frozen=True)
class Formula(Rule):
    """`column` is an arithmetic `expression` of other columns (see `genwright.constraints.expression`), rounded to its
    own decimals. Times count in days.

    >>> print(Formula("area", "width * height"))
    Formula('area', 'width * height')
    """

    column: str
    expression: str

    def __post_init__(self) -> None:
        if self.column in self.parsed.columns:
            raise ArgumentError(f"{self.column!r} is computed from itself", where=str(self), hint="solve it first")

    @cached_property
    def parsed(self) -> Expression:
        """The expression, read."""
        return Expression(self.expression)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column, *self.parsed.columns)

    def check(self, data: Dataset) -> None:
        _check_numbers(data, (self.column,), str(self))
        for name in self.parsed.columns:
            ordinal(data, name, rule=str(self))

    def value(self, data: Dataset) -> Float[np.ndarray, " n"]:
        """The value of the expression in each row."""
        return self.parsed(operands(data, self.parsed.columns))

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        return agrees(data, self.column, self.value(data))

    def __str__(self) -> str:
        return f"Formula({self.column!r}, {self.expression!r})"


@final
@dataclass(frozen=True)
class Unique(Rule):
    """No two rows agree in all `columns`; rows with a missing value among them do not count.

    >>> print(Unique(["patient", "day"]))
    Unique(['patient', 'day'])
    """

    columns: tuple[str, ...]

    def __init__(self, columns: list[str] | tuple[str, ...]) -> None:
        object.__setattr__(self, "columns", tuple(columns) if not isinstance(columns, str) else (columns,))
        if not self.columns:
            raise ArgumentError("no column is named", where="Unique", hint='for example Unique(["id"])')

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    def check(self, data: Dataset) -> None:
        for name in self.columns:
            if isinstance(data.field(name), Constant):
                raise ArgumentError(f"{name!r} has one value throughout", where=str(self), hint="leave it out")

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        """All rows but those that repeat an earlier one."""
        absent = np.any([pd.isna(data.columns[name]) for name in self.columns], axis=0)
        repeats = pd.Series(self.keys(data)).duplicated().to_numpy()
        return absent | ~repeats

    def keys(self, data: Dataset) -> np.ndarray:
        """One value per row, equal in rows that agree in all columns."""
        columns = {name: data.columns[name] for name in self.columns}
        plain = {n: c if c.dtype.kind != "f" else c + 0.0 for n, c in columns.items()}  # 0.0 and -0.0 are one value
        return row_keys(plain) if len(data) else np.empty(0, dtype="S16")

    def __str__(self) -> str:
        return f"Unique({list(self.columns)!r})"


@final
@dataclass(frozen=True)
class Pattern(Rule):
    r"""Text that matches a regular expression whole; generated anew, never copied. See `genwright.data.regex`.

    >>> print(Pattern("plate", r"[A-Z]{2}-\d{4}"))
    Pattern('plate', '[A-Z]{2}-\\d{4}')
    """

    column: str
    regex: str

    def __post_init__(self) -> None:
        parse(self.regex)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,)

    def check(self, data: Dataset) -> None:
        if not isinstance(data.field(self.column), Identifier | Category):
            hint = f'read it as one with schema={{{self.column!r}: "identifier"}}'
            raise ArgumentError(f"{self.column!r} is not a column of texts", where=str(self), hint=hint)

    def holds(self, data: Dataset) -> Bool[np.ndarray, " n"]:
        codes, texts = pd.factorize(data.columns[self.column])
        good = np.append(matches(self.regex, texts.tolist()), True)
        return good[codes]  # -1, missing, is the last

    def __str__(self) -> str:
        return f"Pattern({self.column!r}, {self.regex!r})"


def is_on(column: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Where a column of zeros and ones, in numbers or words, is 1; missing is not."""
    if column.dtype != object:
        return column == 1
    codes, texts = pd.factorize(column)
    return np.array([truth(text) is True for text in texts] + [False])[codes]  # -1, missing, is the last


def is_off(column: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Where a column of zeros and ones is 0; of words, whatever is not 1."""
    return column == 0 if column.dtype != object else ~is_on(column) & ~pd.isna(column)


def agrees(data: Dataset, name: str, value: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Where a number column is `value` to its own decimals, or one of the two is missing."""
    field, column = data.field(name), data.columns[name].astype(np.float64)
    assert isinstance(field, Number)
    scale = grid_scale(field)
    slack = RELATIVE * np.maximum(1.0, np.abs(value)) + (0.0 if scale is None else 0.5 / scale)
    return ~(np.abs(column - value) > slack)


def _several(columns: list[str] | tuple[str, ...], rule: str) -> tuple[str, ...]:
    """Two or more different columns."""
    names = tuple(columns) if not isinstance(columns, str) else (columns,)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ArgumentError(f"{list(names)} are not two or more different columns", where=rule, hint="give a list")
    return names


def _check_numbers(data: Dataset, names: tuple[str, ...], rule: str) -> None:
    for name in names:
        if not isinstance(ordinal(data, name, rule=rule), Number):
            raise ArgumentError(f"{name!r} is a time, not a number", where=rule, hint="times can only be operands")
