"""Where samples came from: the draw that they are of, told so that the same records can be drawn again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Int

from genwright.typed import made, require, typed, wrong

SCHEMA = 1
MAX_ROWS = 10**8  # that a file may tell of, whose numbers take 8 bytes each
Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Draw:
    """One call of `sample`: the SHA-256 of the model's weights and codec as they are saved, and what it was asked for.

    `given` is the SHA-256 of what was given, which may be personal itself; None where nothing was. `how` are the
    settings of `Sampling`, `mark` is the watermark; None without one.
    """

    weights: str
    codec: str
    n: int
    seed: int
    how: Mapping[str, Any]
    given: str | None = None
    mark: str | None = None

    def __post_init__(self) -> None:
        require(self.n >= 0 and self.seed >= 0, "no such draw")


@dataclass(frozen=True, eq=False)
class Origin:
    """The draw of records, and which of those drawn each of them is.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read("wine"), family=gw.Mixture(components=4), steps=20)
    >>> some = model.sample(100, seed=7).take(slice(3, 6))
    >>> some.origin.draw.seed, some.origin.rows.tolist()
    (7, [3, 4, 5])
    >>> gw.reproduce(some.origin, model).frame.equals(some.frame)
    True
    """

    draw: Draw
    rows: Int[np.ndarray, " m"]

    def take(self, index: Any) -> "Origin":
        """That of some of the records."""
        return replace(self, rows=self.rows[index])

    def to_json(self) -> dict[str, Any]:
        """As JSON; rows that follow each other are told by the first and the one after the last."""
        starts = np.flatnonzero(np.diff(self.rows, prepend=self.rows[:1] - 2) != 1)
        ranges = [[int(run[0]), int(run[-1]) + 1] for run in np.split(self.rows, starts[1:]) if len(run)]
        return {"schema": SCHEMA, **vars(self.draw), "rows": ranges}

    @classmethod
    def from_json(cls, told: Any, *, where: str) -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = dict(typed(told, dict, where=where))
        told.pop("schema", None)
        ranges = typed(told.pop("rows", []), Ranges, where=f"{where}, rows")
        draw = made(Draw, told, where=where)
        whole = [bounded(each, draw.n, where) for each in ranges]
        if sum(stop - start for start, stop in whole) > MAX_ROWS:
            raise wrong(f"more than {MAX_ROWS:,} rows", f"{where}, rows")
        rows = np.concatenate([np.empty(0, dtype=int), *(np.arange(*each) for each in whole)])
        return cls(draw, rows)


def bounded(rows: tuple[int, int], n: int, where: str) -> tuple[int, int]:
    """A range of rows that lies within a draw of n."""
    if not 0 <= rows[0] < rows[1] <= n:
        raise wrong(f"{rows} are no rows of {n:,}", f"{where}, rows")
    return rows
