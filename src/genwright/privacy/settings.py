"""What a user asks of a private fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from genwright.codecs.conditions import Between, OneOf
from genwright.errors import ArgumentError, DataError

DELTA_POWER = 1.1  # the default delta is n to minus this
MIN_ROWS = 100  # below which no noise that hides a row leaves anything to learn


@final
@dataclass(frozen=True, kw_only=True)
class Privacy:
    """(epsilon, delta)-differential privacy for the rows of a table: Dwork & Roth 2014, definition 2.4.

    Neighbouring tables differ in one row, which is there in one and blank in the other; the number of rows is public.
    `delta` is n^-1.1 for n rows if not given. `public` names what everyone may know of columns and so costs nothing:
    `Between(low, high)` for the range of a number or time, `OneOf(...)` for the levels of a category or the values of
    a number (None among them: values may be missing). What is not public is found privately.

    `noise_seed` is for tests: whoever knows it can take the noise away. None draws the noise from the operating
    system's entropy, and nothing can draw it again.

    >>> import genwright as gw
    >>> gw.Privacy(epsilon=3.0, public={"age": gw.Between(17, 90), "sex": gw.OneOf("Female", "Male")}).epsilon
    3.0
    """

    epsilon: float
    delta: float | None = None
    public: Mapping[str, Between | OneOf] = field(default_factory=dict)
    noise_seed: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1000:
            what = f"epsilon must be above 0 and at most 1000, not {self.epsilon}"
            raise ArgumentError(what, where="Privacy", hint="1 is strong, 3 usual, and above 10 little is promised")
        if self.delta is not None and not 0 < self.delta < 1:
            what = f"delta must lie between 0 and 1, not {self.delta}"
            raise ArgumentError(what, where="Privacy", hint="take well below 1 / rows, or leave it out")

    def delta_for(self, rows: int) -> float:
        """`delta`, or its default for so many rows; raises DataError where there are too few to hide one among them."""
        if rows < MIN_ROWS:
            what = f"{rows} rows are too few for a private fit"
            raise DataError(what, where="privacy", hint=f"give at least {MIN_ROWS}; below some thousand expect noise")
        delta = rows**-DELTA_POWER if self.delta is None else self.delta
        if delta >= 1 / rows:
            what = f"delta={delta:g} allows a row out of {rows:,} to be published"
            raise ArgumentError(
                what, where="Privacy", hint=f"take well below 1 / rows = {1 / rows:.1g}, or leave it out"
            )
        return delta
