"""What bounds a fit, checked before anything is done."""

from typing import Any

from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, DataError

MINUTES = 5.0  # where nothing else is said


def check_limits(data: Dataset, minutes: float | None, steps: int | None) -> float | None:
    """The minutes (5 if neither is given); raises where there is nothing to fit to, or no sensible limit."""
    minutes, steps = checked_budget(minutes, steps, where="fit")
    if len(data.train) < 2:
        if data.running:
            raise DataError("the text is too short to fit to", where=data.name, hint="give ten times as much of it")
        raise DataError(f"{len(data)} rows are too few to fit", where=data.name, hint="give at least 10 rows")
    return MINUTES if minutes is None and steps is None else minutes


def checked_budget(minutes: Any, steps: Any, *, where: str) -> tuple[float | None, int | None]:
    """Minutes or steps, or neither; raises ArgumentError for both, and for what is no time or no count."""
    if minutes is not None and steps is not None:
        raise ArgumentError("both minutes and steps are given", where=where, hint="give one of them")
    is_time = hasattr(minutes, "__float__") and not isinstance(minutes, bool) and 0 < float(minutes) < 1e6
    if minutes is not None and not is_time:
        raise ArgumentError(f"minutes={minutes!r} is not a time", where=where, hint="for example minutes=5")
    return (None if minutes is None else float(minutes)), (
        None if steps is None else checked_count(steps, "steps", where)
    )


def checked_count(count: Any, name: str, where: str) -> int:
    """A whole number from 1 up; raises ArgumentError where `count` is anything else."""
    if not hasattr(count, "__index__") or isinstance(count, bool) or int(count) < 1:
        raise ArgumentError(f"{name}={count!r} is not a count", where=where, hint="give a whole number from 1 up")
    return int(count)
