"""Fields as JSON, and their columns as plain numbers: what every codec needs to know of a Dataset's schema."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from genwright.data.dataset import Category, Constant, Field, Identifier, Image, Number, Storage, Text, Time
from genwright.data.numerals import spell
from genwright.data.times import format_times
from genwright.errors import StorageError

KINDS: dict[str, type[Field]] = {
    "number": Number,
    "category": Category,
    "time": Time,
    "identifier": Identifier,
    "constant": Constant,
    "text": Text,
    "image": Image,
}
NAMES = {kind: name for name, kind in KINDS.items()}
MOST_DECIMALS = 15  # beyond that a float64 has no exact decimal grid: full precision is kept instead


def field_to_json(field: Field) -> dict[str, Any]:
    """A field as plain JSON; an unbounded `low` or `high` becomes null."""
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in dataclasses.asdict(field).items()
    }
    return {"kind": NAMES[type(field)], **values}


def field_from_json(mapping: Mapping[str, Any]) -> Field:
    """The inverse of `field_to_json`."""
    values: dict[str, Any] = dict(mapping)
    kind = values.pop("kind")
    if kind not in KINDS:
        raise StorageError(f"a field of unknown kind {kind!r}", hint="was it written by a newer genwright?")
    if kind == "number":  # null stands for "no bound"; Number's own defaults are the infinities
        values = {k: v for k, v in values.items() if not (k in ("low", "high") and v is None)}
        values |= {k: float(values[k]) for k in ("low", "high") if k in values}
    storage = values.pop("storage", None)
    build: Callable[..., Field] = KINDS[kind]
    field = build(**_with_tuples(values))
    return (
        field
        if storage is None or isinstance(field, Image)
        else replace(field, storage=Storage(**_with_tuples(storage)))
    )


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def time_unit(format: str) -> str:
    """NumPy's name of the finest unit that the strftime `format` writes.

    >>> time_unit("%Y-%m-%d"), time_unit("%-d.%-m.%Y %H:%M"), time_unit("%b %Y")
    ('D', 'm', 'M')
    """
    directives = {letter for mark, letter in itertools.pairwise(format.replace("%-", "%")) if mark == "%"}
    finest_first = (
        ("us", "f"),
        ("ms", "3"),
        ("s", "SXcTs"),
        ("m", "MR"),
        ("h", "HI"),
        ("D", "djxDFuwaAUWV"),
        ("M", "mbBhq"),
    )
    for unit, letters in finest_first:
        if directives & set(letters):
            return unit
    return "Y" if directives & set("yYG") else "us"


def to_numbers(field: Number | Time, column: np.ndarray) -> Float[np.ndarray, " n"]:
    """A column as float64 with NaN for missing: numbers with `decimals` as whole multiples of their last decimal,
    times as whole units of their format since 1970, numbers of full precision as they are.
    """
    if isinstance(field, Time):
        moments = column.astype("datetime64[us]")
        numbers = moments.astype(f"datetime64[{time_unit(field.format)}]").astype(np.int64).astype(np.float64)
        return np.where(np.isnat(moments), np.nan, numbers)
    column = column.astype(np.float64)
    scale = grid_scale(field)
    return column if scale is None else np.rint(column * scale)


def from_numbers(field: Number | Time, numbers: Float[np.ndarray, " n"]) -> np.ndarray:
    """The inverse of `to_numbers`. Dividing whole numbers gives the same float64 as reading the decimal text."""
    if isinstance(field, Time):
        unit = time_unit(field.format)
        whole = np.where(np.isnan(numbers), 0, numbers).astype(np.int64)
        moments = whole.astype(f"datetime64[{unit}]").astype("datetime64[us]")
        moments[np.isnan(numbers)] = np.datetime64("NaT")
        return moments
    scale = grid_scale(field)
    return numbers if scale is None else numbers / scale


def grid_scale(field: Number | Time) -> float | None:
    """What makes values whole: 10 ** decimals, 1 for units of time; None where they can lie anywhere."""
    if isinstance(field, Time):
        return 1.0
    return None if field.decimals is None or field.decimals > MOST_DECIMALS else 10.0**field.decimals


def show(field: Field, value: Any) -> str:
    """One entry of a column as the user would write it."""
    if pd.isna(value):
        return "missing"
    if isinstance(field, Time):
        return format_times(np.array([value]), field.format)[0]
    if isinstance(field, Number):
        return spell(repr(float(value)) if grid_scale(field) is None else f"{value:.{field.decimals}f}", field.form)
    return repr(value)
