"""Number and time columns on one scale where rows can be compared, and the steps that a column can take on it."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
from jaxtyping import Float

from genwright.codecs.schema import grid_scale, time_unit
from genwright.data.dataset import Dataset, Number, Time
from genwright.data.numerals import plain_text
from genwright.data.times import parse_as
from genwright.errors import ArgumentError

MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9, "D": 8.64e10, "M": 2.4192e12, "Y": 3.1536e13}
DAY = MICROSECONDS["D"]
SLACK = 1e-9  # relative: what floating point makes of a value that lies on the grid

Values = Float[np.ndarray, " n"]


def scaled(field: Number | Time, column: np.ndarray) -> Values:
    """A column as float64 with NaN for missing: numbers as they are, times in microseconds since 1970 (exact)."""
    if isinstance(field, Number):
        return column.astype(np.float64)
    moments = column.astype("datetime64[us]")
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))


def unscaled(field: Number | Time, values: Values) -> np.ndarray:
    """The inverse of `scaled`."""
    return values if isinstance(field, Number) else _moments(values)


def rounded(field: Number | Time, values: Values) -> Values:
    """The nearest values that the column can take."""
    if isinstance(field, Time):
        down = floor(field, values)
        up = above(field, down)
        return np.where(up - values < values - down, up, down)
    scale = grid_scale(field)
    return values if scale is None else np.rint(values * scale) / scale


def floor(field: Number | Time, values: Values) -> Values:
    """The greatest values that the column can take, at most `values`; infinities and NaN stay."""
    if isinstance(field, Number):
        scale = grid_scale(field)
        return values if scale is None else _whole(values * scale) / scale
    unit = _moments(values).astype(f"datetime64[{time_unit(field.format)}]")
    whole = unit.astype("datetime64[us]").astype(np.int64).astype(np.float64)
    return np.where(np.isfinite(values), whole, values)


def ceil(field: Number | Time, values: Values) -> Values:
    """The smallest values that the column can take, at least `values`; infinities and NaN stay."""
    if isinstance(field, Number):
        return -floor(field, -values)
    down = floor(field, values)
    return np.where(down < values, above(field, down), down)


def above(field: Number | Time, values: Values) -> Values:
    """The smallest values that the column can take beyond `values`; infinities and NaN stay."""
    if isinstance(field, Number):
        scale = grid_scale(field)
        if scale is None:
            return np.where(np.isfinite(values), np.nextafter(values, np.inf), values)
        return (_whole(values * scale) + 1) / scale
    unit = _moments(values).astype(f"datetime64[{time_unit(field.format)}]") + 1
    return np.where(np.isfinite(values), unit.astype("datetime64[us]").astype(np.int64).astype(np.float64), values)


def below(field: Number | Time, values: Values) -> Values:
    """The greatest values that the column can take short of `values`; infinities and NaN stay."""
    if isinstance(field, Number):
        return -above(field, -values)
    down = floor(field, values)
    return np.where(down < values, down, floor(field, down - 1))


def step(field: Number | Time) -> float:
    """The distance between neighbouring values (months and years: the shortest); 0 where there is none."""
    if isinstance(field, Time):
        return MICROSECONDS[time_unit(field.format)]
    scale = grid_scale(field)
    return 0.0 if scale is None else 1 / scale


def extent(field: Number | Time) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value that the data had, as columns of one."""
    if isinstance(field, Number):
        return np.array([field.low]), np.array([field.high])
    ends = parse_as([field.low, field.high], field.format)
    assert ends is not None, "times are written as they are read"
    return ends[:1], ends[1:]


def ordinal(data: Dataset, name: str, *, rule: str) -> Number | Time:
    """The number or time field called `name`; ArgumentError where there is none, or it is of another kind."""
    field = data.field(name)
    if not isinstance(field, Number | Time):
        raise ArgumentError(
            f"{name!r} is a {type(field).__name__.lower()} column, not one of numbers or times",
            where=rule,
            hint=f'read it as one with schema={{{name!r}: "number"}}, or drop the rule',
        )
    return field


def bound(field: Number | Time, told: float | str, *, rule: str) -> float:
    """A bound as the user wrote it, on the scale of the column."""
    if isinstance(field, Number):
        text = plain_text(told, field.form) if isinstance(told, str) else told
        if text is None:
            raise ArgumentError(f"{told!r} is not a number", where=rule, hint=f"{field.name!r} holds numbers")
        return float(text)
    written = parse_as([told], field.format) if isinstance(told, str) else None
    try:
        moment = written[0] if written is not None else pd.Timestamp(told).tz_localize(None).to_datetime64()
    except (TypeError, ValueError):
        hint = f"write it like {field.low or field.format}"
        raise ArgumentError(f"{told!r} is not a time", where=rule, hint=hint) from None
    return float(scaled(field, np.array([moment], dtype="datetime64[us]"))[0])


def operands(data: Dataset, names: tuple[str, ...]) -> Mapping[str, Values]:
    """Columns as formulas take them: numbers as they are, times in days since 1970."""
    columns = {}
    for name in names:
        field = data.field(name)
        assert isinstance(field, Number | Time)
        values = scaled(field, data.columns[name])
        columns[name] = values if isinstance(field, Number) else values / DAY
    return columns


def plain(value: float | str | date | None) -> float | str | None:
    """A bound as JSON keeps it: dates as ISO text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date):  # datetimes are dates, too
        return value.isoformat()
    return float(value)


def _whole(values: Values) -> Values:
    """The greatest whole numbers at most `values`, those that floating point put just below one counted as that one."""
    nearest = np.rint(values)
    with np.errstate(invalid="ignore"):  # infinities stay what they are
        return np.where(np.abs(values - nearest) <= SLACK * np.maximum(1, np.abs(values)), nearest, np.floor(values))


def _moments(values: Values) -> np.ndarray:
    finite = np.isfinite(values)
    moments = np.floor(np.where(finite, values, 0)).astype(np.int64).astype("datetime64[us]")
    moments[np.isnan(values)] = np.datetime64("NaT")
    return moments
