"""Precision, recall, density and coverage: which records of one set lie within reach of those of another.

The reach of a record is the distance to its k-th nearest of its own set. Every metric comes with its value when a
group of records is left out, reaches and all, at little more than the cost of one pass over the distances.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from genwright.maths.distances import Features, Screen, nearest
from genwright.scores.feature_sets import checked, feature_score
from genwright.scores.intervals import Replicates, cross_excess, jackknife_error, jackknife_groups
from genwright.scores.score import Group, Score

SEARCHED = 5  # neighbours looked at beyond the k-th, to stand in for those of a group that is left out
PAIRS = 500_000  # of records within reach of each other, handled at once


class Boundary(StrEnum):
    """Whether a record exactly at the reach of another lies within it; copies of records are where this matters."""

    INCLUDED = "<="  # as in torch-fidelity
    EXCLUDED = "<"  # as in prdc

    def holds(self, squares: Float[np.ndarray, "..."], reach: Float[np.ndarray, "..."]) -> np.ndarray:
        """Whether squared distances lie within squared reaches."""
        return np.less_equal(squares, reach) if self is Boundary.INCLUDED else np.less(squares, reach)


def precision_recall(
    real: Features, fake: Features, *, features: str, k: int = 3, boundary: Boundary = Boundary.INCLUDED, seed: int = 0
) -> tuple[Score, Score]:
    """Precision: share of generated records within reach of a real one; recall: the same the other way round.

    Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1-2. Give sets of equal size: precision grows with more real
    records, recall with more generated ones. Intervals: delete-a-group jackknife over both sets.
    """
    found = _scores(real, fake, features=features, ks=(k, None), boundary=boundary, seed=seed)
    return found[0], found[1]


def density_coverage(
    real: Features, fake: Features, *, features: str, k: int = 5, boundary: Boundary = Boundary.INCLUDED, seed: int = 0
) -> tuple[Score, Score]:
    """Density: how many real records' reaches a generated record lies in, over k; coverage: share of real records
    with a generated one within reach.

    Naeem et al. 2020, arXiv:2002.09797, eq. 3-4; unlike precision and recall robust to outliers. Density is about 1
    for equal distributions and may exceed it. Intervals: delete-a-group jackknife over both sets.
    """
    found = _scores(real, fake, features=features, ks=(None, k), boundary=boundary, seed=seed)
    return found[0], found[1]


def neighbour_scores(
    real: Features,
    fake: Features,
    *,
    features: str,
    ks: tuple[int, int] = (3, 5),
    boundary: Boundary = Boundary.INCLUDED,
    seed: int = 0,
) -> tuple[Score, Score, Score, Score]:
    """Precision and recall, density and coverage, each pair with its k, from one pass over the distances."""
    found = _scores(real, fake, features=features, ks=ks, boundary=boundary, seed=seed)
    return found[0], found[1], found[2], found[3]


def _scores(
    real: Features, fake: Features, *, features: str, ks: tuple[int | None, int | None], boundary: Boundary, seed: int
) -> list[Score]:
    """The two pairs of metrics, each if it has a k."""
    narrow, wide = ks
    most = max(k for k in ks if k)
    real, fake = checked(real, fake, fewest=most + 2)
    a, b = _Neighbours.of(real, most, seed), _Neighbours.of(fake, narrow or 0, seed + 1)
    precise, recalled, dense = (
        _Tally(centres.reaches(k), points.group) if k else None
        for centres, points, k in ((a, b, narrow), (b, a, narrow), (a, b, wide))
    )
    _fill(real, fake, [t for t in (precise, dense) if t], [t for t in (recalled,) if t], boundary)

    def score(name: str, found: tuple[float, Replicates], k: int | None, group: Group, **changed: Any) -> Score:
        protocol, (value, replicates) = f"{features}, k={k}, {boundary}", found
        about: dict[str, Any] = {"direction": "higher", "low": 0.0, "high": 1.0, "seed": seed} | changed
        return feature_score(
            name, value, sets=(real, fake), protocol=protocol, group=group, replicates=replicates, **about
        )

    scores = []
    if precise and recalled:
        found = precise.mean_over_points(precise.whole > 0, precise.without > 0, points_are_fake=True)
        scores.append(score("precision", found, narrow, "fidelity"))
        found = recalled.mean_over_points(recalled.whole > 0, recalled.without > 0, points_are_fake=False)
        scores.append(score("recall", found, narrow, "diversity"))
    if dense and wide:
        found = dense.mean_over_points(dense.whole / wide, dense.without / wide, points_are_fake=True)
        scores.append(score("density", found, wide, "fidelity", direction="target", high=np.inf))
        scores.append(score("coverage", dense.covered(boundary), wide, "diversity"))
    return scores


@dataclass(frozen=True)
class _Neighbours:
    """Records, their jackknife groups, and the squared distances and groups of their nearest others."""

    x: Features
    group: Int[np.ndarray, "n"]
    squares: Float[np.ndarray, "n l"]
    owner: Int[np.ndarray, "n l"]

    @classmethod
    def of(cls, x: Features, k: int, seed: int) -> "_Neighbours":
        """With enough neighbours for reaches of up to k; k = 0 for a set whose reaches are not needed."""
        group = jackknife_groups(len(x), seed)
        if k == 0:
            return cls(x, group, np.zeros((len(x), 0)), np.zeros((len(x), 0), np.int64))
        squares, others = nearest(x, x, min(len(x) - 1, k + SEARCHED), own=np.arange(len(x)))
        return cls(x, group, squares, group[others])

    def reaches(self, k: int) -> "_Reaches":
        """Distances to the k-th nearest, with further neighbours looked for where a whole group's are gone."""
        groups, later = _reaches_without(self.squares, self.owner, k)
        looked = self.squares.shape[1]
        while looked < len(self.x) - 1:
            rows = np.flatnonzero((np.isinf(later) & (groups >= 0)).any(1))
            if not len(rows):
                break
            looked = min(len(self.x) - 1, 4 * looked)
            squares, others = nearest(self.x[rows], self.x, looked, own=rows)
            groups[rows], later[rows] = _reaches_without(squares, self.group[others], k)
        return _Reaches(self.group, self.squares[:, k - 1], groups, later)


def _reaches_without(
    apart: Float[np.ndarray, "n l"], owner: Int[np.ndarray, "n l"], k: int
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """The distinct groups among the k nearest, and the distance to the k-th nearest outside each (inf if not seen)."""
    groups, later = owner[:, :k].copy(), np.full((len(apart), k), np.inf)
    for slot in range(k):
        again = (groups[:, :slot] == groups[:, [slot]]).any(1)
        groups[again, slot] = -1
        outside = owner != groups[:, [slot]]
        kth = outside.cumsum(1) >= k
        seen = kth.any(1)
        later[seen, slot] = apart[np.arange(len(apart)), kth.argmax(1)][seen]
    return groups, later


@dataclass(frozen=True)
class _Reaches:
    """Jackknife groups and squared reaches of records.

    `later` holds, for each of up to k groups that a record's k nearest belong to (`groups`, -1 for none), its reach
    when that group is left out; leaving out any other group does not change it.
    """

    group: Int[np.ndarray, "n"]
    reach: Float[np.ndarray, "n"]
    groups: Int[np.ndarray, "n k"]
    later: Float[np.ndarray, "n k"]

    @property
    def all(self) -> Float[np.ndarray, "n t"]:
        """Every reach that a record can have: with all records first, then with groups left out."""
        return np.column_stack([self.reach, self.later])

    def without(self) -> Float[np.ndarray, "n g"]:
        """Squared reach of every record with each group left out."""
        reach = np.repeat(self.reach[:, None], int(self.group.max()) + 1, axis=1)
        row, slot = np.nonzero(self.groups >= 0)
        reach[row, self.groups[row, slot]] = self.later[row, slot]
        return reach


class _Tally:
    """Which centres reach which points, from the pairs of them as they are found.

    `whole` has how many centres reach each point, `without` the same with each group of centres left out, and `closest`
    the squared distance of each centre to the nearest point of each group of points, as far as one is within reach.
    """

    def __init__(self, centres: _Reaches, point_group: Int[np.ndarray, "n"]) -> None:
        self.centres, self.point_group = centres, point_group
        self.reaches = centres.all
        self.whole = np.zeros(len(point_group))
        self.without = np.zeros((len(point_group), int(centres.group.max()) + 1))
        self.closest = np.full((len(centres.group), int(point_group.max()) + 1), np.inf)

    def add(
        self,
        points: Int[np.ndarray, "p"],
        centres: Int[np.ndarray, "p"],
        squares: Float[np.ndarray, "p"],
        boundary: Boundary,
    ) -> None:
        """Count pairs, each of which is given once."""
        within = boundary.holds(squares[:, None], self.reaches[centres])
        inside, groups = within[:, 0], self.centres.groups[centres]
        own = self.centres.group[centres]
        n, g = self.without.shape
        counts = np.bincount(points[inside] * g + own[inside], minlength=n * g).reshape(n, g)
        total = counts.sum(1)
        # Centres that reach further once a neighbour's group is gone; a centre goes with its own group.
        pair, slot = np.nonzero(within[:, 1:] & ~inside[:, None] & (groups >= 0) & (groups != own[:, None]))
        further = np.bincount(points[pair] * g + groups[pair, slot], minlength=n * g).reshape(n, g)
        self.whole += total
        self.without += total[:, None] - counts + further
        np.minimum.at(self.closest, (centres, self.point_group[points]), squares)

    def mean_over_points(
        self, whole: Shaped[np.ndarray, "n"], without: Shaped[np.ndarray, "n g"], *, points_are_fake: bool
    ) -> tuple[float, Replicates]:
        """The mean over points, and its replicates, of terms with all centres and with each group of centres gone."""
        counts = np.bincount(self.point_group)
        belongs = np.eye(len(counts))[self.point_group]
        left = len(whole) - counts
        of_points = (whole.sum() - belongs.T @ whole) / left
        of_centres = without.mean(0)
        both = (without.sum(0)[:, None] - without.T @ belongs) / left
        value = float(whole.mean())
        excess = cross_excess(value, of_centres, of_points, both)
        sides = (of_centres, of_points) if points_are_fake else (of_points, of_centres)
        least = jackknife_error(of_points) ** 2 if points_are_fake else 0.0  # a mean over them, given the real ones
        return value, Replicates(tuple(sides[0].tolist()), tuple(sides[1].tolist()), excess, least=least)

    def covered(self, boundary: Boundary) -> tuple[float, Replicates]:
        """Share of real centres with a generated point in reach, and its replicates over groups of both."""
        nearest_two = np.partition(self.closest, 1, axis=1)
        closest, second = nearest_two[:, :1], nearest_two[:, 1:2]  # the second once the group of the closest is gone
        closest_without = np.where(self.closest == closest, second, closest)
        reach, reach_without = self.centres.reach, self.centres.without()
        kept = self.centres.group[:, None] != np.arange(reach_without.shape[1])
        left = kept.sum(0)

        def of_centres(near: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, "g"]:
            return (boundary.holds(near, reach_without) & kept).sum(0) / left

        value = float(boundary.holds(closest[:, 0], reach).mean())
        without_points = boundary.holds(closest_without, reach[:, None]).mean(0)
        both = np.stack([of_centres(each[:, None]) for each in closest_without.T], axis=1)
        whole = of_centres(closest)
        excess = cross_excess(value, whole, without_points, both)
        return value, Replicates(tuple(whole.tolist()), tuple(without_points.tolist()), excess)


def _fill(
    real: Features, fake: Features, around_real: list[_Tally], around_fake: list[_Tally], boundary: Boundary
) -> None:
    """Give each tally all pairs within the farthest of its centres' reaches, from one pass over the distances."""
    tallies = around_real + around_fake
    screen = Screen.suited(fake, real, tallies[0].centres.reach)
    farthest = [screen.bound(tally.reaches.max(1)) for tally in tallies]
    for start, low in screen.chunks():
        rows = slice(start, start + len(low))
        for tally, bound in zip(tallies, farthest, strict=True):
            real_centres = tally in around_real
            near = low <= (bound[None, :] if real_centres else bound[rows, None])
            for pairs in near.nonzero().split(PAIRS):
                of_fake, of_real = pairs[:, 0].numpy() + start, pairs[:, 1].numpy()
                centres, points = (of_real, of_fake) if real_centres else (of_fake, of_real)
                bounds = low[pairs[:, 0], pairs[:, 1]].numpy()
                squares = screen.settled(of_fake, of_real, bounds, tally.reaches[centres])
                tally.add(points, centres, squares, boundary)
