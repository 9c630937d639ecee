"""Precision, recall, density and coverage: which records of one set lie within reach of those of another.

The reach of a record is the distance to its k-th nearest of its own set. Every metric comes with its value when a
group of records is left out, reaches and all, at little more than the cost of one pass over the distances.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from genwright.metrics.feature_sets import CHUNK_CELLS, Features, checked, feature_score
from genwright.metrics.intervals import Replicates, cross_excess, jackknife_groups
from genwright.metrics.score import Group, Score


class Boundary(StrEnum):
    """Whether a record exactly at the reach of another lies within it; copies of records are where this matters."""

    INCLUDED = "<="  # as in torch-fidelity
    EXCLUDED = "<"  # as in prdc


def precision_recall(
    real: Features, fake: Features, *, features: str, k: int = 3, boundary: Boundary = Boundary.INCLUDED, seed: int = 0
) -> tuple[Score, Score]:
    """Precision: share of generated records within reach of a real one; recall: the same the other way round.

    Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1-2. Give sets of equal size: precision grows with more real
    records, recall with more generated ones. Intervals: delete-a-group jackknife over both sets.
    """
    real, fake = checked(real, fake, fewest=k + 2)
    a, b = _Set.of(real, k, seed), _Set.of(fake, k, seed + 1)
    precise, recalled = _within(b, a, boundary), _within(a, b, boundary)
    about: dict[str, Any] = {
        "sets": (real, fake),
        "protocol": f"{features}, k={k}, {boundary}",
        "direction": "higher",
        "seed": seed,
    }

    def share(name: str, found: _Within, group: Group, *, points_are_fake: bool) -> Score:
        value, replicates = _mean_over_points(found.whole > 0, found.without > 0, found.points, points_are_fake)
        return feature_score(name, value, group=group, replicates=replicates, low=0.0, high=1.0, **about)

    return (
        share("precision", precise, "fidelity", points_are_fake=True),
        share("recall", recalled, "diversity", points_are_fake=False),
    )


def density_coverage(
    real: Features, fake: Features, *, features: str, k: int = 5, boundary: Boundary = Boundary.INCLUDED, seed: int = 0
) -> tuple[Score, Score]:
    """Density: how many real records' reaches a generated record lies in, over k; coverage: share of real records
    with a generated one within reach.

    Naeem et al. 2020, arXiv:2002.09797, eq. 3-4; unlike precision and recall robust to outliers. Density is about 1
    for equal laws and may exceed it. Intervals: delete-a-group jackknife over both sets.
    """
    real, fake = checked(real, fake, fewest=k + 2)
    a, b = _Set.of(real, k, seed), _Set.of(fake, 0, seed + 1)
    found = _within(b, a, boundary)
    about: dict[str, Any] = {"sets": (real, fake), "protocol": f"{features}, k={k}, {boundary}", "seed": seed}
    dense = _mean_over_points(found.whole / k, found.without / k, b, points_are_fake=True)
    covered = _covered(a, _nearest_of_groups(b, a), boundary)
    return (
        feature_score(
            "density",
            dense[0],
            group="fidelity",
            direction="target",
            replicates=dense[1],
            low=0.0,
            **about,
        ),
        feature_score(
            "coverage",
            covered[0],
            group="diversity",
            direction="higher",
            replicates=covered[1],
            low=0.0,
            high=1.0,
            **about,
        ),
    )


def nearest_of(points: Features, among: Features) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Distance of each point to the nearest of `among`, and which that is; exactly 0 for a copy."""
    which = torch.cat([apart.argmin(1) for _, apart in _distances(points, among)]).numpy()
    return np.linalg.norm(points - among[which], axis=1), which  # afresh: differences of squares lose digits


def nearest_others(x: Features, k: int = 1) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """Distances to the k nearest other records of the same set, ascending, and which they are."""
    squares, indices = _nearest_squares(x, k)
    return np.sqrt(squares), indices


def _nearest_squares(x: Features, k: int) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, "n k"]]:
    """The same, squared: a root squared again is no longer the number that distances are compared with at a tie."""
    squares, indices = [], []
    for rows, apart in _distances(x, x):
        apart[torch.arange(len(apart)), torch.arange(rows.start, rows.stop)] = torch.inf
        nearest = apart.topk(k, dim=1, largest=False)
        squares.append(nearest.values)
        indices.append(nearest.indices)
    return torch.cat(squares).numpy(), torch.cat(indices).numpy()


@dataclass(frozen=True)
class _Set:
    """Records with their jackknife groups and squared reaches.

    `later` holds, for each of up to k groups that a record's k nearest belong to (`groups`, -1 for none), its reach
    when that group is left out; leaving out any other group does not change it.
    """

    x: Features
    group: Int[np.ndarray, "n"]
    reach: Float[np.ndarray, "n"]
    groups: Int[np.ndarray, "n k"]
    later: Float[np.ndarray, "n k"]

    @classmethod
    def of(cls, x: Features, k: int, seed: int) -> "_Set":
        """With the distances to the k-th nearest others; k = 0 for a set whose reaches are not needed."""
        group = jackknife_groups(len(x), seed)
        if k == 0:
            return cls(x, group, np.zeros(len(x)), np.zeros((len(x), 0), np.int64), np.zeros((len(x), 0)))
        looked = min(len(x) - 1, 2 * k + 8)  # further ones are hardly ever needed to fill up for a group left out
        while True:
            apart, others = _nearest_squares(x, looked)
            groups, later = _reaches_without(apart, group[others], k)
            missing = np.isinf(later) & (groups >= 0)
            if not missing.any() or looked == len(x) - 1:
                return cls(x, group, apart[:, k - 1], groups, later)
            looked = min(len(x) - 1, 4 * looked)

    def without(self) -> Float[np.ndarray, "n g"]:
        """Squared reach of every record with each group left out."""
        reach = np.repeat(self.reach[:, None], int(self.group.max()) + 1, axis=1)
        row, slot = np.nonzero(self.groups >= 0)
        reach[row, self.groups[row, slot]] = self.later[row, slot]
        return reach


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
class _Within:
    """For each point, how many centres reach it: of all, and with each group of centres left out."""

    whole: Int[np.ndarray, "n"]
    without: Float[np.ndarray, "n g"]
    points: _Set


def _within(points: _Set, centres: _Set, boundary: Boundary) -> _Within:
    """Count, for each point, the centres whose reach it lies in."""
    owned = torch.tensor(np.eye(int(centres.group.max()) + 1, dtype=np.float32)[centres.group])
    reach, later = torch.tensor(centres.reach), torch.tensor(centres.later)
    slots = [_slot(centres, s, owned.shape[1]) for s in range(later.shape[1])]
    reached = _compare(boundary)
    whole, without = [], []
    for _, apart in _distances(points.x, centres.x):
        inside = reached(apart, reach)
        by_group = inside.float() @ owned
        total = by_group.sum(1, keepdim=True)
        left = total - by_group
        for s, weights in enumerate(slots):  # centres that reach further once a neighbour's group is gone
            left += (reached(apart, later[:, s]) & ~inside).float() @ weights
        whole.append(total[:, 0].long())
        without.append(left)
    return _Within(torch.cat(whole).numpy(), torch.cat(without).double().numpy(), points)


def _slot(centres: _Set, s: int, groups: int) -> Float[torch.Tensor, "n g"]:
    """To which left-out group the s-th later reach of each centre counts; a centre goes with its own group."""
    weights = np.zeros((len(centres.x), groups), dtype=np.float32)
    group = centres.groups[:, s]
    counts = (group >= 0) & (group != centres.group)
    weights[np.nonzero(counts)[0], group[counts]] = 1.0
    return torch.tensor(weights)


def _nearest_of_groups(points: _Set, centres: _Set) -> Float[np.ndarray, "n h"]:
    """Squared distance of each centre to the nearest point of each of the points' groups."""
    groups = int(points.group.max()) + 1
    nearest = torch.full((groups, len(centres.x)), torch.inf, dtype=torch.float64)
    for g in range(groups):
        for _, apart in _distances(points.x[points.group == g], centres.x):
            nearest[g] = torch.minimum(nearest[g], apart.amin(0))
    return nearest.T.numpy()


def _covered(centres: _Set, nearest: Float[np.ndarray, "n h"], boundary: Boundary) -> tuple[float, Replicates]:
    """Share of centres with a point in reach, and its replicates over groups of centres and of points."""
    reached = np.less_equal if boundary is Boundary.INCLUDED else np.less
    closest = nearest.min(1)
    second = np.partition(nearest, 1, axis=1)[:, 1]  # what is left when the group of the closest point is gone
    closest_without = np.where(nearest == closest[:, None], second[:, None], closest[:, None])
    reach_without = centres.without()
    kept = centres.group[:, None] != np.arange(reach_without.shape[1])
    left = kept.sum(0)
    value = float(reached(closest, centres.reach).mean())
    of_centres = (reached(closest[:, None], reach_without) & kept).sum(0) / left
    of_points = reached(closest_without, centres.reach[:, None]).mean(0)
    both = np.stack([(reached(h[:, None], reach_without) & kept).sum(0) / left for h in closest_without.T], axis=1)
    excess = cross_excess(value, of_centres, of_points, both)
    return value, Replicates(tuple(of_centres.tolist()), tuple(of_points.tolist()), excess)


def _mean_over_points(
    whole: Shaped[np.ndarray, "n"], without: Shaped[np.ndarray, "n g"], points: _Set, points_are_fake: bool
) -> tuple[float, Replicates]:
    """The mean over points, and its replicates, from its terms with all centres and with each group of centres gone."""
    counts = np.bincount(points.group)
    belongs = np.eye(len(counts))[points.group]
    left = len(whole) - counts
    of_points = (whole.sum() - belongs.T @ whole) / left
    of_centres = without.mean(0)
    both = (without.sum(0)[:, None] - without.T @ belongs) / left
    value = float(whole.mean())
    excess = cross_excess(value, of_centres, of_points, both)
    sides = (of_centres, of_points) if points_are_fake else (of_points, of_centres)
    return value, Replicates(tuple(sides[0].tolist()), tuple(sides[1].tolist()), excess)


def _compare(boundary: Boundary) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return torch.le if boundary is Boundary.INCLUDED else torch.lt


def _distances(a: Features, b: Features) -> Iterator[tuple[slice, Float[torch.Tensor, "n m"]]]:
    """Squared distances of chunks of rows of `a` to all of `b`, in float64 since they are differences of large sums."""
    x, y = torch.tensor(a), torch.tensor(b)
    squares = (y * y).sum(1)
    step = max(1, CHUNK_CELLS // len(y))
    for start in range(0, len(x), step):
        rows = x[start : start + step]
        sums = (rows * rows).sum(1)[:, None] + squares[None, :]  # first, so that d(x, y) is d(y, x) to the last bit
        yield slice(start, start + len(rows)), sums.addmm_(rows, y.T, alpha=-2.0).clamp_(min=0.0)
