"""What is known of series that are to be completed: their past, their ends, or all but their gaps."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from genwright.data.cells import cells
from genwright.data.dataset import Dataset, Number, Series
from genwright.data.kinds import conform
from genwright.data.read import read_known
from genwright.data.series import numbers_of, on_grid, times_of
from genwright.data.table import RawColumn
from genwright.errors import ArgumentError, DataError

HINT = "give a table with its columns, such as a DataFrame or a file"


@dataclass(frozen=True)
class Known:
    """A record of `length` readings of which these are known, NaN where one is not; `timed` says whether it is known
    when they were.
    """

    rows: Float[np.ndarray, "t c"]
    length: int
    timed: bool = True


def known_records(field: Series, told: Mapping[str, Any], longest: int) -> list[Known]:
    """What is known of each record, out of `{field.name: readings, "until": time, "horizon": steps}`.

    Readings are a table with the columns of the field, a Dataset of series, an array (readings, features) with NaN
    where free, or a list of these. With `until`, what comes after that time is drawn: `horizon` readings (half of a
    record), after as many of the last known ones as a record has room for. Raises ArgumentError for anything else.
    """
    if field.name not in told:
        hint = f"give its past too: given={{{field.name!r}: table, 'until': time}}"
        raise ArgumentError("what came before is not known", where="until", hint=hint)
    records, timed = _records(field, told[field.name]), _timed(told[field.name])
    if "until" not in told and "horizon" not in told:
        return [Known(_fitting(on_grid(rows, field.step), longest, field), len(rows), timed) for rows in records]
    until = _time(field, told["until"]) if told.get("until") is not None else None
    horizon = _horizon(told.get("horizon"), longest)
    return [replace(_past(field, rows, until, horizon, longest), timed=timed) for rows in records]


def _fitting(rows: Float[np.ndarray, "t c"], longest: int, field: Series) -> Float[np.ndarray, "t c"]:
    if len(rows) > longest:
        what = f"{len(rows)} readings are known, but a record has at most {longest}"
        raise ArgumentError(what, where=field.name, hint="give so many, or until=TIME to go on from the last of them")
    return rows


def _past(field: Series, rows: Float[np.ndarray, "t c"], until: float | None, horizon: int, longest: int) -> Known:
    rows = rows if until is None else rows[rows[:, 0] <= until]
    if not len(rows):
        what = f"no reading is at or before {_shown(field, until)}"
        raise ArgumentError(what, where="until", hint="give a time within the readings")
    rows = on_grid(rows, field.step)
    if until is not None and field.step is not None:
        late = np.full((int((until - rows[-1, 0]) // field.step), rows.shape[1]), np.nan)  # nothing was measured since
        rows = np.concatenate([rows, late])
        rows[:, 0] = rows[0, 0] + field.step * np.arange(len(rows))
    rows = rows[max(0, len(rows) - (longest - horizon)) :]
    if field.step is not None:
        ahead = np.full((horizon, rows.shape[1]), np.nan)
        ahead[:, 0] = rows[-1, 0] + field.step * np.arange(1, 1 + horizon)
        return Known(np.concatenate([rows, ahead]), len(rows) + horizon)
    return Known(rows, len(rows) + horizon)


def _horizon(told: Any, longest: int) -> int:
    horizon = max(1, longest // 2) if told is None else told
    if isinstance(horizon, str) and horizon.isdecimal():
        horizon = int(horizon)
    if not isinstance(horizon, int) or not 1 <= horizon < longest:
        what, hint = f"{told!r} is no number of readings", f"1 to {longest - 1}: a record has {longest}"
        raise ArgumentError(what, where="horizon", hint=hint)
    return horizon


def _time(field: Series, told: Any) -> float:
    if isinstance(told, int | float) and isinstance(field.time, Number):
        return float(told)
    try:
        text = told if isinstance(told, str) else cells(field.time, np.array([told], dtype="datetime64[us]"))[0]
        return float(numbers_of(field.time, conform(RawColumn.of("until", [text]), field.time).column)[0])
    except (DataError, TypeError, ValueError):
        example = cells(field.time, times_of(field.time, np.array([0.0])))[0]
        raise ArgumentError(f"{told!r} is no time", where="until", hint=f"write it as in {example}") from None


def _shown(field: Series, until: float | None) -> str:
    return "any time" if until is None else str(cells(field.time, times_of(field.time, np.array([until])))[0])


def _records(field: Series, value: Any) -> list[Float[np.ndarray, "t c"]]:
    """Readings as arrays, times first."""
    if isinstance(value, list | tuple) and value and not isinstance(value[0], int | float):
        return [rows for each in value for rows in _records(field, each)]
    if isinstance(value, np.ndarray):
        return _arrays(field, value)
    if isinstance(value, Dataset) and isinstance(value.media, Series):
        return list(value.columns[value.media.name])
    if not isinstance(value, str | os.PathLike | pd.DataFrame | Dataset):
        raise ArgumentError(f"{type(value).__name__} holds no readings", where=field.name, hint=HINT)
    # a record of its own for each entity, or the one long series that stands there
    data = read_known(value, (), series=_unwindowed(field))
    return list(data.columns[field.name])


def _timed(value: Any) -> bool:
    """Whether readings come with their times."""
    first = value[0] if isinstance(value, list | tuple) and value else value
    return not isinstance(first, np.ndarray | list | tuple | int | float)


def _unwindowed(field: Series) -> Series:
    return replace(field, window=None)


def _arrays(field: Series, value: np.ndarray) -> list[Float[np.ndarray, "t c"]]:
    width = len(field.features)
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("an array that holds no numbers", where=field.name, hint=HINT) from None
    if numbers.ndim not in (2, 3) or numbers.shape[-1] != width or field.step is None:
        what = f"an array of shape {value.shape}"
        raise ArgumentError(what, where=field.name, hint=f"(readings, {width}), or {HINT.removeprefix('give ')}")
    several: Sequence[np.ndarray] = list(numbers) if numbers.ndim == 3 else [numbers]
    return [np.concatenate([field.step * np.arange(len(v))[:, None], v], axis=1) for v in several]
