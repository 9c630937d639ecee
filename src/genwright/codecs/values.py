"""Values that users give for scalar fields, in the terms of the fields' coders; and what is wrong with them."""

import datetime
import difflib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from genwright.codecs.grouped import Grouped
from genwright.codecs.scalars import Levels, ScalarCoder
from genwright.codecs.schema import from_numbers, show, to_numbers
from genwright.data.dataset import Category, Field, Number, Time
from genwright.data.numerals import plain_text, spell
from genwright.data.spellings import level_finder, truth
from genwright.data.times import has_clock, has_day, parse_as, zone_of
from genwright.errors import ArgumentError

LISTS = (Sequence, np.ndarray, pd.Series, pd.Index, pd.api.extensions.ExtensionArray, Tensor)
DAY_OF_CLOCKS = datetime.date(1900, 1, 1)  # that times of day are held on
MAX_COMPARED = 10_000  # names that a misspelt one is held against


def unknown_field(name: str, known: Iterable[str], *, where: str) -> ArgumentError:
    """The error for a field in `given` that cannot be fixed."""
    known = list(known)
    return ArgumentError(f"no field called {name!r} can be given", where=where, hint=did_you_mean(name, known))


def did_you_mean(text: str, known: Sequence[str]) -> str:
    """A hint with the closest of `known`, or the first of them."""
    close = difflib.get_close_matches(text, known[:MAX_COMPARED], n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, known[:20])) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"there are: {shown}" if known else "there are none"


def is_single(value: Any) -> bool:
    """Whether a given value stands for all records, rather than being one for each."""
    return isinstance(value, (str, bytes)) or not isinstance(value, LISTS)


def entries(value: Any, n: int, *, where: str) -> list[Any]:
    """One value for all, or a sequence of n, as a list of n."""
    if is_single(value):
        return [value] * n
    if len(value) != n:
        raise ArgumentError(f"{len(value)} values given for {n} records", where=where, hint=f"give one value, or {n}")
    return list(value)


def values_of(field: Field, column: np.ndarray) -> np.ndarray:
    """A column as its coder takes it."""
    return to_numbers(field, column) if isinstance(field, (Number, Time)) else column


def column_of(field: Field, values: np.ndarray) -> np.ndarray:
    """The inverse of `values_of`."""
    return from_numbers(field, values) if isinstance(field, (Number, Time)) else values


def differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two columns differ; missing equals missing."""
    return (a != b) & ~(pd.isna(a) & pd.isna(b))


def fixed_values(field: Field, coder: ScalarCoder, value: Any, n: int) -> np.ndarray:
    """A given value (or n) as the coder takes it; raises where decoding would not give it back."""
    single = is_single(value)
    column = _parse(field, coder, [value] if single else entries(value, n, where=field.name))
    values = values_of(field, column)
    known = coder.snap(values)
    wrong = np.flatnonzero(differ(column_of(field, known), column))
    if len(wrong):
        raise _unknown_value(field, coder, column[wrong[0]], column_of(field, known)[wrong[0]])
    return np.repeat(values, n) if single else values


def _unknown_value(field: Field, coder: ScalarCoder, value: Any, nearest: Any) -> ArgumentError:
    if pd.isna(value):
        return ArgumentError("is never missing in this data", where=field.name, hint="give a value")
    if isinstance(coder, (Levels, Grouped)):
        what = f"no level {value!r}"
        return ArgumentError(what, where=field.name, hint=did_you_mean(value, coder.known))
    what = f"{show(field, value) if not isinstance(field, Number) else f'{value:g}'} is not a value this data takes"
    return ArgumentError(what, where=field.name, hint=f"the nearest is {show(field, nearest)}")


def _parse(field: Field, coder: ScalarCoder, values: list[Any]) -> np.ndarray:
    """Given values of outside types as a Dataset column."""
    match field:
        case Number():
            return np.array([parse_number(field, v) for v in values], dtype=np.float64)
        case Time():
            return np.array([parse_time(field, v) for v in values], dtype="datetime64[us]")
    assert isinstance(field, Category) and isinstance(coder, (Levels, Grouped))
    meant = lru_cache(maxsize=None, typed=True)(level_finder(coder.known, field.dtype))
    column = np.empty(len(values), dtype=object)
    column[:] = [None if pd.isna(v) else meant(v) for v in values]
    return column


def parse_number(field: Field, value: Any) -> float:
    """A given number, or the text of one as in the data; NaN for a missing one. Durations where the data holds such."""
    if isinstance(value, datetime.timedelta | np.timedelta64) and field.storage and "duration" in field.storage.type:
        return np.nan if pd.isna(value) else float(pd.Timedelta(value) / pd.Timedelta(1, "s"))
    form, binary = (field.form, field.binary) if isinstance(field, Number) else ("", False)
    said = truth(value) if binary else None
    text = plain_text(value.strip(), form) if isinstance(value, str) else None
    try:
        return np.nan if value is None or value is pd.NA else float(text or value if said is None else said)
    except (TypeError, ValueError):
        like = f", one like {spell('1234.5', form)}" if form else ""
        raise ArgumentError(
            f"{value!r} is not a number", where=field.name, hint=f"give a number{like}, or None"
        ) from None


def parse_time(field: Time, value: Any) -> np.datetime64:
    """A given time, in the field's format or any that pandas reads.

    Without a zone it is what a clock of the field's zone shows; NumPy's moments are UTC, as in a Dataset. Times of day
    are of the day that the format's have.
    """
    if value is None or value is pd.NaT:
        return np.datetime64("NaT")
    written = parse_as([value], field.format) if isinstance(value, str) else None
    if written is not None:
        return written[0]
    try:
        if has_clock(field.format) and not has_day(field.format) and zone_of(field.format) is None:
            clock = datetime.time.fromisoformat(value) if isinstance(value, str) else value
            if isinstance(clock, datetime.time) and clock.tzinfo is None:
                return np.datetime64(datetime.datetime.combine(DAY_OF_CLOCKS, clock))
        moment, zone = pd.Timestamp(value), zone_of(field.format)
        if zone is not None:
            local = "UTC" if isinstance(value, np.datetime64) else zone
            moment = (moment.tz_localize(local) if moment.tzinfo is None else moment).tz_convert("UTC")
        return moment.tz_localize(None).to_datetime64()
    except (TypeError, ValueError):
        hint = f"write it like {field.low or field.format}"
        raise ArgumentError(f"{value!r} is not a time", where=field.name, hint=hint) from None
