"""Frechet distance between two sets of features, and its extrapolation to infinitely many records."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, partial

import numpy as np
from jaxtyping import Float, Int

from genwright.extractors.features import feature_dimension
from genwright.maths.distances import Features
from genwright.scores.feature_sets import checked, feature_score
from genwright.scores.intervals import Skipped, grouped_replicates, jackknife_groups
from genwright.scores.score import Score

PARTS = (1.0, 0.5, 0.25)  # of the records, that FD-infinity is extrapolated from
FEW_FEATURES = 64  # up to which interactions are worked out; beyond, intervals are somewhat too wide
SUBSETS = 4  # of each of the smaller sizes
MIN_EXTRAPOLATED = 200  # records of each set


class Shrinking(StrEnum):
    """Which sets are made smaller to see how the distance depends on their size."""

    BOTH = "both"  # removes the bias that both sets cause
    GENERATED = "generated"  # as Chong and Forsyth do: the bias that the real set causes stays


@dataclass(frozen=True)
class Moments:
    """Sums from which the mean and covariance of a set follow; they add up over parts of the set."""

    n: int
    first: np.ndarray  # (d,): shapes of the thousands of these are not checked one by one
    second: np.ndarray  # (d, d)

    @classmethod
    def of(cls, x: Features) -> "Moments":
        """The sums over the rows of x."""
        return cls(len(x), x.sum(0), x.T @ x)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n + other.n, self.first + other.first, self.second + other.second)

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(self.n - other.n, self.first - other.first, self.second - other.second)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the set, (d,)."""
        return self.first / self.n

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance of the set, (d, d)."""
        return (self.second - np.outer(self.first, self.first) / self.n) / (self.n - 1)


def frechet_distance(real: Features, fake: Features, *, features: str, seed: int = 0) -> Score:
    """Frechet distance of Gaussians fitted to two sets of features; `features` names the extractor for the signature.

    |m1 - m2|**2 + tr(S1 + S2 - 2 (S1 S2)**(1/2)) with unbiased covariances: Heusel et al. 2017, arXiv:1706.08500.
    Biased upwards at finite n: read it beside its floor. The interval, from a delete-a-group jackknife over both sets,
    is for the value expected at this n.
    """
    real, fake = checked(real, fake, fewest=4)
    groups = _grouped_moments(real, fake, seed)
    whole = _window(groups[0], (), 0, len(groups[0])), _window(groups[1], (), 0, len(groups[1]))
    from_real = cache(lambda skip: _distance_from(_less(whole[0], groups[0], skip)))  # the root is the costly part
    value, replicates = grouped_replicates(
        lambda out_real, out_fake: from_real(out_real)(_less(whole[1], groups[1], out_fake)),
        (len(groups[0]), len(groups[1])),
        interactions=real.shape[1] <= FEW_FEATURES,
    )
    crowded = real.shape[1] > feature_dimension(min(len(real), len(fake)))
    return feature_score(
        "Frechet distance",
        value,
        sets=(real, fake),
        protocol=features,
        group="fidelity",
        direction="lower",
        replicates=replicates,
        interval=replicates.ratio_interval(value),
        note="few records for this many features: compare with the floor only" if crowded else "",
        seed=seed,
    )


def frechet(real: Features, fake: Features) -> float:
    """The Frechet distance itself.

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(frechet(x, x + 2.0), 6)
    12.0
    """
    centre = real.mean(0)  # sums of squares about a common centre lose no digits to a large mean
    return _distance_from(Moments.of(real - centre))(Moments.of(fake - centre))


def frechet_infinity(
    real: Features, fake: Features, *, features: str, shrinking: Shrinking = Shrinking.BOTH, seed: int = 0
) -> Score:
    """Frechet distance extrapolated to infinitely many records, which removes its bias to first order.

    The distance is linear in 1/n up to O(1/n**2) (Chong and Forsyth 2020, arXiv:1911.07023, eq. 8-9): the score is
    where its line over 1/n meets 0, through the distance at n, n/2 and n/4 records, the mean over four subsets each.
    May be slightly negative. Interval: delete-a-group jackknife of the whole procedure, with the same share of
    interactions as in the distance itself.
    """
    real, fake = checked(real, fake, fewest=MIN_EXTRAPOLATED)
    groups = _grouped_moments(real, fake, seed)
    counts = len(groups[0]), len(groups[1])
    near = cache(lambda skip, start, size: _distance_from(_window(groups[0], skip, start, size)))

    def at_infinity(out_real: Skipped, out_fake: Skipped) -> float:
        n, m = counts[0] - len(out_real), counts[1] - len(out_fake)
        sizes, values = [], []
        for part in PARTS:
            size = round(part * n) if shrinking is Shrinking.BOTH else n, round(part * m)
            starts = range(SUBSETS if part < 1 else 1)
            windows = [_window(groups[1], out_fake, i * m // SUBSETS, size[1]) for i in starts]
            begins = [i * n // SUBSETS if shrinking is Shrinking.BOTH else 0 for i in starts]
            values.append(np.mean([near(out_real, i, size[0])(b) for i, b in zip(begins, windows, strict=True)]))
            sizes.append(windows[0].n)
        return intercept(np.array(sizes), np.array(values))

    value, replicates = grouped_replicates(at_infinity, counts, interactions=False)
    if real.shape[1] <= FEW_FEATURES:
        whole = frechet_distance(real, fake, features=features, seed=seed).replicates
        assert whole is not None
        replicates = replace(replicates, excess=replicates.raw_variance * whole.excess / whole.raw_variance)
    return feature_score(
        "Frechet distance at infinity",
        value,
        sets=(real, fake),
        protocol=f"{features}, n, n/2 and n/4, shrinking {shrinking}",
        group="fidelity",
        direction="lower",
        replicates=replicates,
        seed=seed,
    )


def _window(groups: list[Moments], skip: Skipped, start: int, size: int) -> Moments:
    """Moments of `size` successive groups from the `start`-th on, in a circle, leaving out those to `skip`."""
    kept = [part for g, part in enumerate(groups) if g not in skip]
    total = kept[start]
    for i in range(1, size):
        total = total + kept[(start + i) % len(kept)]
    return total


def intercept(sizes: Int[np.ndarray, "s"], values: Float[np.ndarray, "s"]) -> float:
    """Where the least-squares line of `values` over 1 / `sizes` stands at infinite size.

    >>> round(intercept(np.array([10, 20, 40]), np.array([3.0, 2.0, 1.5])), 6)
    1.0
    """
    slope_and_value = np.polyfit(1.0 / sizes, values, 1)
    return float(slope_and_value[1])


def _grouped_moments(real: Features, fake: Features, seed: int) -> tuple[list[Moments], list[Moments]]:
    """Moments of each jackknife group of both sets, about a common centre."""
    centre = real.mean(0)
    sides = []
    for x, its_seed in ((real, seed), (fake, seed + 1)):
        group = jackknife_groups(len(x), its_seed)
        sides.append([Moments.of(x[group == g] - centre) for g in range(int(group.max()) + 1)])
    return sides[0], sides[1]


def _less(whole: Moments, parts: list[Moments], skip: Skipped) -> Moments:
    """Moments of the whole without the parts to `skip`."""
    for g in skip:
        whole = whole - parts[g]
    return whole


def _distance_from(a: Moments) -> Callable[[Moments], float]:
    """The Frechet distance from `a` as a function of the other set, with the root of its covariance taken once."""
    covariance = a.covariance
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return partial(_distance, a.mean, covariance, root)


def _distance(mean: np.ndarray, covariance: np.ndarray, root: np.ndarray, b: Moments) -> float:
    """The Frechet distance of `b` from the set of this mean and covariance.

    The trace of (S1 S2)**(1/2) is taken from the symmetric S1**(1/2) S2 S1**(1/2): no complex part.
    """
    theirs = b.covariance
    inner = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ theirs @ root), 0)).sum()
    apart = np.sum((mean - b.mean) ** 2) + np.trace(covariance) + np.trace(theirs) - 2 * inner
    return float(max(apart, 0.0))
