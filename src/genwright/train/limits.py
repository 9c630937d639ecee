"""What bounds a fit, checked before anything is done."""

from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, DataError

MINUTES = 5.0  # where nothing else is said


def check_limits(data: Dataset, minutes: float | None, steps: int | None) -> float | None:
    """The minutes (5 if neither is given); raises where there is nothing to fit to, or no sensible limit."""
    if minutes is not None and steps is not None:
        raise ArgumentError("both minutes and steps are given", where="fit", hint="give one of them")
    if minutes is not None and not 0 < minutes < 1e6:
        raise ArgumentError(f"minutes={minutes} is not a time", where="fit", hint="for example minutes=5")
    if steps is not None and steps < 1:
        raise ArgumentError(f"steps={steps} is not a count", where="fit", hint="give at least 1")
    if len(data.train) < 2:
        raise DataError(f"{len(data)} rows are too few to fit", where=data.name, hint="give at least 10 rows")
    return MINUTES if minutes is None and steps is None else minutes
