"""Exact answers about distances between two sets of records, from fast inexact ones: the nearest, and those in reach.

A product of matrices in single precision bounds every squared distance from below, and from above a little higher.
What the bounds leave open is computed afresh, as a sum of squared differences in double precision. So a distance is
the same both ways to the last bit, and exactly 0 for copies: a tie is a tie.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int

CHUNK_CELLS = 8_000_000  # of a matrix between two sets held at once: 64 MB of float64
Features = Float[np.ndarray, "_ _"]  # (records, dimension); two sets of them differ in records
SPARE = 4  # candidates beyond the k nearest by their bounds, so that the bound of the last mostly settles the k-th
LARGEST = 400  # exponent of a scale: its square is still a number
BLUR = 0.1  # of the typical squared reach: more than that must not be left open
PAIR_CELLS = 1_000_000  # differences held at once: 8 MB, within reach of a processor's cache


@dataclass(frozen=True)
class Screen:
    """Lower bounds of the squared distances between two sets, and what it takes to settle what they leave open."""

    x: Features
    y: Features
    dtype: torch.dtype = torch.float32

    @classmethod
    def suited(cls, x: Features, y: Features, reach: Float[np.ndarray, "r"]) -> "Screen":
        """In double precision if single would leave too much open around the given squared distances."""
        screen = cls(x, y)
        sizes = sum(float(norms.median()) for _, norms in screen._rounded) / screen.scale
        blurred = 2 * screen._slack * sizes > BLUR * float(np.median(reach))
        return cls(x, y, torch.float64) if blurred else screen

    def chunks(self) -> Iterator[tuple[int, Float[torch.Tensor, "c m"]]]:
        """First row and bounds of chunks of rows of `x` against all of `y`, in units of `scale`.

        With u the unit roundoff, |x - y|^2 computed as |x|^2 + |y|^2 - 2 x.y errs by less than (d + 16) u times
        |x|^2 + |y|^2: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., eq. 3.5, and rounding of x, y.
        """
        (x, of_x), (y, of_y) = self._rounded
        step = max(1, CHUNK_CELLS // max(len(y), 1))
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            low = (of_x[rows, None] + of_y[None, :]).mul_(1 - self._slack)
            yield start, low.addmm_(x[rows], y.T, alpha=-2.0)

    def settled(
        self,
        rows: Int[np.ndarray, "p"],
        columns: Int[np.ndarray, "p"],
        low: Float[np.ndarray, "p"],
        thresholds: Float[np.ndarray, "p t"],
    ) -> Float[np.ndarray, "p"]:
        """Numbers on the same side of each pair's thresholds as its squared distance: itself where that is open."""
        (_, of_x), (_, of_y) = self._rounded
        sizes = of_x.numpy()[rows].astype(np.float64) + of_y.numpy()[columns]
        low = low.astype(np.float64) / self.scale
        high = low + 2 * self._slack * sizes / self.scale
        open_ = ((low[:, None] <= thresholds) & (thresholds <= high[:, None])).any(1)
        high[open_] = squared(self.x, self.y, rows[open_], columns[open_])
        return high

    def bound(self, squares: Float[np.ndarray, "n"]) -> torch.Tensor:
        """Squared distances in units of `scale`, rounded up: nothing nearer has a higher lower bound."""
        return torch.nextafter(
            torch.tensor(squares * self.scale).to(self.dtype), torch.tensor(torch.inf).to(self.dtype)
        )

    @property
    def scale(self) -> float:
        """Of squared distances: a power of four, so that nothing overflows in single precision or is rounded."""
        return self._centre_scale[1] ** 2

    @cached_property
    def _centre_scale(self) -> tuple[np.ndarray, float]:
        centre = np.median(self.y, axis=0)  # an outlier would carry the mean away
        largest = max(float(np.abs(each - centre).max(initial=0.0)) for each in (self.x, self.y))
        return centre, float(2.0 ** -np.clip(np.frexp(largest)[1], -LARGEST, LARGEST))

    @cached_property
    def _rounded(self) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
        """Both sets around the centre of `y`, where squares are small, and their squared norms."""
        centre, scale = self._centre_scale
        sets = [torch.tensor((each - centre) * scale).to(self.dtype) for each in (self.x, self.y)]
        return tuple((each, each.square().sum(1)) for each in sets)

    @property
    def _slack(self) -> float:
        return (self.x.shape[1] + 16) * torch.finfo(self.dtype).eps / 2


def squared(x: Features, y: Features, rows: np.ndarray, columns: np.ndarray) -> Float[np.ndarray, "p"]:
    """Squared distances of pairs of records, computed as sums of squared differences."""
    step = max(1, PAIR_CELLS // max(x.shape[1], 1))
    parts = [slice(start, start + step) for start in range(0, len(rows), step)]
    return np.concatenate([np.zeros(0), *(np.square(x[rows[p]] - y[columns[p]]).sum(1) for p in parts)])


def nearest(
    x: Features, y: Features, k: int, *, own: Int[np.ndarray, "n"] | None = None
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Squared distances from each of `x` to its k nearest of `y`, ascending, and which they are.

    own: which of `y` each of `x` is, where one set is part of the other; no record is its own neighbour. Of records at
    the same distance any may be named.
    """
    squares, which, sure = _nearest(Screen(x, y), k, own)
    if not sure.all():  # crowds of near copies: single precision cannot tell them apart
        again = np.flatnonzero(~sure)
        finer = Screen(x[again], y, torch.float64)
        squares[again], which[again], _ = _nearest(finer, k, None if own is None else own[again])
    return squares, which


def nearest_of(points: Features, among: Features) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Distance of each point to the nearest of `among`, and which that is; exactly 0 for a copy."""
    squares, which = nearest(points, among, 1)
    return np.sqrt(squares[:, 0]), which[:, 0]


def nearest_others(x: Features, k: int = 1) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Distances to the k nearest other records of the same set, ascending, and which they are."""
    squares, which = nearest(x, x, k, own=np.arange(len(x)))
    return np.sqrt(squares), which


def _nearest(screen: Screen, k: int, own: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, and for which rows no other record of `y` can be nearer than the k-th found."""
    squares, which, sure = [], [], []
    others = len(screen.y) - (own is not None)
    taken = min(k + SPARE, others)
    for start, low in screen.chunks():
        rows = np.arange(start, start + len(low))
        if own is not None:
            low[torch.arange(len(low)), torch.tensor(own[rows])] = torch.inf
        bounds, columns = (each.numpy() for each in low.topk(taken, dim=1, largest=False))
        exact = squared(screen.x, screen.y, rows.repeat(taken), columns.ravel()).reshape(columns.shape)
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        squares.append(np.take_along_axis(exact, order, 1))
        which.append(np.take_along_axis(columns, order, 1))
        kth = squares[-1][:, -1]
        sure.append((kth <= bounds.max(1).astype(np.float64) / screen.scale) | (kth == 0) | (taken == others))
    return np.concatenate(squares), np.concatenate(which), np.concatenate(sure)
