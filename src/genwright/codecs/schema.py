"""Fields as JSON, and their columns as plain numbers: what every codec needs to know of a Dataset's schema."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jaxtyping import Float

from genwright.data.dataset import ARRAYS, Category, Constant, Field, Identifier, Image, Number, Series, Text, Time
from genwright.data.keys import key_fault
from genwright.data.numerals import is_form, spell
from genwright.data.spellings import truth
from genwright.data.stored import is_storage
from genwright.data.times import format_times, is_format, time_unit
from genwright.errors import StorageError
from genwright.typed import DAMAGED, made, typed, wrong

KINDS: dict[str, type[Field]] = {
    "number": Number,
    "category": Category,
    "time": Time,
    "identifier": Identifier,
    "constant": Constant,
    "text": Text,
    "image": Image,
    "series": Series,
}
F = TypeVar("F", bound=Field)
NAMES = {kind: name for name, kind in KINDS.items()}
READS: dict[str, Callable[[str], float]] = {"int": int, "float": float}
CHANNELS = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4}  # of Pillow's modes
MAX_PIXELS = 2**14  # of a side of an image
MAX_READINGS = 2**20  # in one record
MAX_WRITTEN = 400  # decimals of a number; float64 has no more
MAX_DECIMALS = 15  # beyond that a float64 has no exact decimal grid: full precision is kept instead


def field_to_json(field: Field) -> dict[str, Any]:
    """A field as plain JSON; an unbounded `low` or `high` becomes null."""
    values = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in dataclasses.asdict(field).items()
    }
    return {"kind": NAMES[type(field)], **values}


def field_from_json(told: Any, *, where: str = "fields") -> Field:
    """The inverse of `field_to_json`; StorageError for anything that is no field."""
    values = dict(typed(told, dict, where=where))
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise StorageError(f"a field of unknown kind {kind!r:.60}", where=where, hint=DAMAGED)
    if kind == "number":  # null stands for "no bound"; Number's own defaults are the infinities
        values = {k: v for k, v in values.items() if not (k in ("low", "high") and v is None)}
    build: Callable[..., Field] = KINDS[kind]
    field = made(build, values, where=where)
    if fault := _fault(field):
        raise StorageError(fault, where=f"{where}, {field.name}", hint=DAMAGED)
    return field


def field_of(told: Any, kind: type[F], *, where: str) -> F:
    """`field_from_json` of a field that has to be of a kind."""
    field = field_from_json(told, where=where)
    if not isinstance(field, kind):
        raise wrong(f"not a field of the kind {kind.__name__.lower()!r}", where)
    return field


def _fault(field: Field) -> str:
    """What makes a field impossible that was read from a file; "" if nothing does."""
    if not isinstance(field, ARRAYS) and field.storage is not None and not is_storage(field.storage):
        return "held as no type that there is"
    match field:
        case Number(decimals=decimals, min_decimals=least):
            possible = 0 <= (decimals or 0) <= MAX_WRITTEN and 0 <= least <= MAX_WRITTEN and field.low <= field.high
            return "" if possible and is_form(field.form) else "no such number of decimals, range or form"
        case Category(levels=levels, dtype=dtype):
            return "" if all(is_of(dtype, level) for level in levels) else f"levels that are not {dtype}"
        case Time(format=form):
            return "" if is_format(form) else f"no format of times: {form!r:.60}"
        case Identifier():
            return key_fault(field)
        case Image(shape=shape, mode=mode, levels=levels):
            sized = shape is None or (all(0 < n <= MAX_PIXELS for n in shape) and shape[2] == CHANNELS.get(mode))
            return "" if sized and mode in CHANNELS and 2 <= levels <= 256 else "no such images"
        case Series():
            return _series_fault(field)
    return ""


def _series_fault(field: Series) -> str:
    low, high = field.lengths
    sized = (field.window is None or field.window == high) and 2 <= low <= high <= MAX_READINGS
    if not field.features or not sized or not (field.step is None or field.step > 0):
        return "no such series"
    return next(filter(None, map(_fault, (field.time, *field.features))), "")


def is_of(dtype: str, level: str) -> bool:
    """Whether a level can be written as a value of that type."""
    try:
        return dtype == "str" or (truth(level) is not None if dtype == "bool" else math.isfinite(READS[dtype](level)))
    except (ValueError, OverflowError):
        return False


def is_moment(field: Time, number: float) -> bool:
    """Whether a whole number of units of a time's format lies in the years 1 to 9999."""
    if not abs(number) < 2**62:
        return False
    moment = np.array(int(number)).astype(f"datetime64[{time_unit(field.format)}]")
    return bool(np.datetime64("0001", "Y") <= moment.astype("datetime64[Y]") <= np.datetime64("9999", "Y"))


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
    return None if field.decimals is None or field.decimals > MAX_DECIMALS else 10.0**field.decimals


def show(field: Field, value: Any) -> str:
    """One entry of a column as the user would write it."""
    if pd.isna(value):
        return "missing"
    if isinstance(field, Time):
        return format_times(np.array([value]), field.format)[0]
    if isinstance(field, Number):
        return spell(repr(float(value)) if grid_scale(field) is None else f"{value:.{field.decimals}f}", field.form)
    return repr(value)
