"""Readings of generated series one after the other, of several devices at once, for as long as they are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genwright.data.cells import cells
from genwright.data.dataset import Dataset, Number, Series, Time
from genwright.data.series import times_of
from genwright.data.times import time_unit
from genwright.errors import DataError
from genwright.families.family import Partial
from genwright.model.generator import Generator

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "D": 86400.0, "M": 2_629_746.0, "Y": 31_556_952.0}


@dataclass(frozen=True)
class Reading:
    """What a device measured: `after` so many seconds of its time since the first reading of all."""

    device: str
    after: float
    values: Mapping[str, Any]


def readings(
    generator: Generator, *, devices: int = 1, given: Mapping[str, Any] | None = None, seed: int = 0
) -> Iterator[Reading]:
    """Readings of so many devices in the order of time, without end.

    Devices of a model of windows go on from what they measured last, where its family can be given the past; others
    begin a new record when one is over. Raises DataError for models of anything but series.
    """
    field = generator.codec.field
    if not isinstance(field, Series):
        raise DataError("no model of series", where="publish", hint="give one that was fitted with --series time=COL")
    goes_on = field.window is not None and field.step is not None and generator.can.given is Partial.ANY
    drawn = generator.sample(devices, given=given, seed=seed)
    names = _names(drawn, field)
    began = np.zeros(devices)
    while True:
        yield from _merged(drawn, field, names, began, skip=0)
        seed += 1
        while goes_on:
            horizon = max(1, field.lengths[1] // 2)
            beside = {f.name: drawn.columns[f.name].tolist() for f in drawn.scalars}
            past = drawn.select([field.name])
            began = began + [_seconds(field, rows[-horizon, 0] - rows[0, 0]) for rows in drawn.columns[field.name]]
            told = {**(given or {}), **beside, field.name: past, "horizon": horizon}
            drawn = replace(generator.sample(devices, given=told, seed=seed), origin=None)
            kept = field.lengths[1] - horizon
            yield from _merged(drawn, field, names, began, skip=kept)
            seed += 1
        ends = [_seconds(field, rows[-1, 0] - rows[0, 0]) for rows in drawn.columns[field.name]]
        began = began + np.array(ends) + _seconds(field, field.step or 1.0)
        drawn = generator.sample(devices, given=given, seed=seed)
        names = _names(drawn, field) if field.window is None else names


def _names(drawn: Dataset, field: Series) -> list[str]:
    known = field.entity if field.window is None and field.entity in drawn.columns else ""
    return [str(drawn.columns[known][i]) if known else f"{field.name}-{i + 1}" for i in range(len(drawn))]


def _seconds(field: Series, span: float) -> float:
    return float(span) * (SECONDS.get(time_unit(field.time.format), 1.0) if isinstance(field.time, Time) else 1.0)


def _merged(drawn: Dataset, field: Series, names: list[str], began: np.ndarray, *, skip: int) -> Iterator[Reading]:
    """The readings of all records in the order of time, without the first of each."""
    found: list[tuple[float, int, Reading]] = []
    beside = {f.name: cells(f, drawn.columns[f.name]) for f in drawn.scalars}
    for i, rows in enumerate(drawn.columns[field.name]):
        times = cells(field.time, times_of(field.time, rows[:, 0]))
        for k in range(skip, len(rows)):
            after = began[i] + _seconds(field, rows[k, 0] - rows[0, 0])
            values = {f.name: _value(f, rows[k, j]) for j, f in enumerate(field.features, start=1)}
            told = {name: column[i] for name, column in beside.items()}
            when = float(rows[k, 0]) if isinstance(field.time, Number) else times[k]
            found.append((after, i, Reading(names[i], after, {field.time.name: when, **told, **values})))
    for _, _, reading in sorted(found, key=lambda each: each[:2]):
        yield reading


def _value(field: Any, number: float) -> Any:
    """A value as JSON has it; None where nothing was measured."""
    if number != number:
        return None
    if isinstance(field, Number):
        return int(number) if field.decimals == 0 else float(number)
    return field.levels[int(number)]
