"""What a user declares to be public of columns, in the terms of their coders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genwright.codecs.conditions import Between, OneOf
from genwright.codecs.values import did_you_mean, parse_number, parse_time, values_of
from genwright.data.dataset import Category, Field, Number, Time
from genwright.errors import ArgumentError, DataError
from genwright.storage import read_json
from genwright.typed import by_hand, made, typed

Value = str | bool | int | float | None


class Known(NamedTuple):
    """Values that a column may take, or its range; and whether values may be missing."""

    values: tuple = ()
    range: tuple[float, float] | None = None
    missing: bool = False


def known_of(public: Mapping[str, Between | OneOf], fields: Sequence[Field]) -> dict[str, Known]:
    """What is declared of each field; raises ArgumentError for what does not suit it."""
    by_name = {field.name: field for field in fields}
    known = {}
    for name, told in public.items():
        where = f"Privacy(public={{{name!r}: ...}})"
        if name not in by_name:
            raise ArgumentError(f"no column called {name!r}", where=where, hint=did_you_mean(name, list(by_name)))
        field = by_name[name]
        if isinstance(told, Between) and isinstance(field, (Number, Time)):
            known[name] = Known(range=_range(field, told, where))
        elif isinstance(told, OneOf) and isinstance(field, (Number, Time, Category)) and set(told.values) - {None}:
            known[name] = Known(_values(field, told), missing=None in told.values)
        else:
            hint = "gw.Between(low, high) for numbers and times, gw.OneOf(...) for categories and single values"
            raise ArgumentError(f"{told!r} does not describe a {type(field).__name__.lower()}", where=where, hint=hint)
    return known


def read_public(path: str | Path) -> dict[str, Between | OneOf]:
    """What a JSON file declares: `{"age": {"low": 17, "high": 90}, "sex": ["Female", "Male", null]}`."""
    kinds = dict[str, dict[str, Value] | tuple[Value, ...]]
    with by_hand(DataError, hint='{"age": {"low": 17, "high": 90}, "sex": ["Female", "Male", null]}'):
        told = typed(read_json(Path(path)), kinds, where=str(path))
        return {
            name: OneOf(*each) if isinstance(each, tuple) else made(Between, each, where=f"{path}, {name}")
            for name, each in told.items()
        }


def _range(field: Number | Time, told: Between, where: str) -> tuple[float, float]:
    low, high = _numbers(field, [told.low, told.high])
    if not -np.inf < low < high < np.inf:  # also where an end is open
        raise ArgumentError("a public range needs two ends, in order", where=where, hint="gw.Between(low, high)")
    return low, high


def _values(field: Field, told: OneOf) -> tuple:
    values = [value for value in told.values if value is not None]
    if isinstance(field, Category):
        return tuple(str(value) for value in values)
    assert isinstance(field, (Number, Time))
    return tuple(_numbers(field, values))


def _numbers(field: Number | Time, values: Sequence) -> list[float]:
    if isinstance(field, Time):
        column = np.array([parse_time(field, value) for value in values], dtype="datetime64[us]")
    else:
        column = np.array([parse_number(field, value) for value in values], dtype=np.float64)
    return values_of(field, column).tolist()
