"""Of many records drawn the better ones: the best of every few, or those that reach a bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from genwright.codecs.conditions import Shares
from genwright.codecs.edits import Inpaint, Variation
from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.family import Density
from genwright.model.drawing import entries_at, joined
from genwright.train.limits import checked_count

if TYPE_CHECKING:
    from genwright.model.generator import Generator

MAX_TRIES = 50  # draws for each record, on average, before a bound counts as out of reach
Rating = Callable[[Dataset], Float[np.ndarray, "n"]]  # how good each record is, higher is better


@dataclass(frozen=True)
class Choice:
    """Which of many records are kept: the best of every `best_of` by a rating, or each that is rated `at_least` so."""

    best_of: int = 1
    at_least: float | None = None
    by: Rating | None = None

    def __post_init__(self) -> None:
        checked_count(self.best_of, "best_of", "sample")
        if self.at_least is not None and (self.best_of != 1 or not isinstance(self.at_least, int | float)):
            what = "best_of and at_least" if self.best_of != 1 else f"at_least={self.at_least!r:.60}"
            raise ArgumentError(f"{what} are no choice", where="sample", hint="give one of them, a number")
        if self.by is not None and not callable(self.by):
            hint = "give a function from a Dataset to a number for each record, such as gw.rater(data, by='judge')"
            raise ArgumentError(f"by={self.by!r:.60} rates nothing", where="sample", hint=hint)

    @property
    def told(self) -> bool:
        """Whether there is anything to choose."""
        return self.best_of > 1 or self.at_least is not None


def chosen(
    model: "Generator", n: int, choice: Choice, *, given: Mapping[str, Any], seed: int, draw: Callable[..., Dataset]
) -> Dataset:
    """n records of those that `draw(n, given=, seed=)` gives, with a note on how many were drawn and how they rate.

    Records that are given something each are chosen each among draws given the same.
    """
    if choice.by is None:
        model.require("density", lambda can: can.density is not Density.ABSENT, where="by")
    by: Rating = choice.by or model.log_prob
    order = np.random.default_rng(seed)
    given = {name: v.entries(n, order) if isinstance(v, Shares) else v for name, v in given.items()}
    name = getattr(by, "name", "density" if choice.by is None else getattr(by, "__name__", "rating"))
    if choice.at_least is None:
        return _best(n, choice.best_of, by, name, given=given, seed=seed, draw=draw)
    return _reaching(n, choice.at_least, by, name, given=given, seed=seed, draw=draw)


def _best(
    n: int, k: int, by: Rating, name: str, *, given: Mapping[str, Any], seed: int, draw: Callable[..., Dataset]
) -> Dataset:
    """The best of every k records that follow each other in one draw, whose origin they keep."""
    each = np.arange(n).repeat(k)
    drawn = draw(n * k, given={field: entries_of(value, each, n) for field, value in given.items()}, seed=seed)
    rates = rated(by, drawn)
    rows = rates.reshape(n, k).argmax(axis=1) + k * np.arange(n)
    kept, share = drawn.take(rows), f"kept {n:,} of {n * k:,} drawn, the best of every {k} by {name}"
    return replace(kept, notes=(*kept.notes, f"{share}: {rates.mean():.4g} on average, then {rates[rows].mean():.4g}"))


def _reaching(
    n: int, bound: float, by: Rating, name: str, *, given: Mapping[str, Any], seed: int, draw: Callable[..., Dataset]
) -> Dataset:
    """Records drawn again until they are rated at least so."""
    open_rows, tried = np.arange(n), 0
    parts: list[Dataset] = []
    places: list[Int[np.ndarray, " m"]] = []
    while len(open_rows):
        if tried and tried + len(open_rows) > MAX_TRIES * n:
            what = f"{n - len(open_rows):,} of {tried:,} draws are rated {bound:g} or more by {name}"
            raise UnsupportedError(what, where="at_least", hint="give a lower bound, or best_of instead")
        own = {field: entries_of(value, open_rows, n) for field, value in given.items()}
        drawn = draw(len(open_rows), given=own, seed=seed + tried)
        good = rated(by, drawn) >= bound
        parts.append(drawn.take(good))
        places.append(open_rows[good])
        tried += len(open_rows)
        open_rows = open_rows[~good]
    kept = parts[0] if len(parts) == 1 else joined(parts, np.concatenate(places))
    note = f"kept {n:,} of {tried:,} drawn ({n / max(tried, 1):.0%}), rated {bound:g} or more by {name}"
    return replace(kept, notes=(*kept.notes, note))


def rated(by: Rating, data: Dataset) -> Float[np.ndarray, "n"]:
    """The rates of all records; ArgumentError for anything but a number each."""
    rates = np.asarray(by(data), dtype=np.float64)
    if rates.shape != (len(data),) or np.isnan(rates).any():
        what = f"it rates {len(data)} records by an array of shape {rates.shape}"
        what = f"{what} with gaps" if np.isnan(rates).any() else what
        raise ArgumentError(what, where="by", hint="return a number for each record, the higher the better")
    return rates


def entries_of(value: Any, rows: Int[np.ndarray, " m"], n: int) -> Any:
    """What is given for some rows, where one value, or one for each of n, is given for all.

    >>> entries_of([1, 2], np.array([0, 0, 1]), 2), entries_of("a", np.array([0, 0, 1]), 2)
    ([1, 1, 2], 'a')
    """
    if isinstance(value, Inpaint | Variation):
        return replace(value, image=_of_rows(value.image, rows, n, (4,)), mask=_of_rows(value.mask, rows, n, (3, 4)))
    return _of_rows(value, rows, n, (4,)) if np.ndim(value) == 4 else entries_at(value, rows, n)


def _of_rows(value: Any, rows: Int[np.ndarray, " m"], n: int, several: tuple[int, ...]) -> Any:
    """The rows of an array of n entries; one that is a single entry, of other dimensions, as it is."""
    array = None if value is None else np.asarray(value)
    if array is None or array.ndim not in several or len(array) != n or (array.ndim == 3 and array.shape[2] == 1):
        return value
    return array[rows]
