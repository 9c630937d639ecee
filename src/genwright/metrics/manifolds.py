"""Whether generated points lie where real ones do (alpha-precision), reach all (beta-recall), or hug some (DCR).

Points are rows of any feature matrix; tables become points by `encoding.row_points`.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import erf

from genwright.errors import DataError
from genwright.scores.intervals import Replicates, cross_excess, jackknife_groups, pair_excess
from genwright.scores.kinks import replicate_error, share_of_one_interval, smoothed_absolute, split_replicates
from genwright.scores.score import Group, Score, signature

ALPHAS = np.linspace(0, 1, 31)[1:-1]  # levels at which supports are compared; 0 and 1 are the same for all
CHUNK_CELLS = 4_000_000  # distances held at once: 32 MB
MIN_POINTS = 50  # of each set: a level is then one or two points wide


class RecallSupport(enum.StrEnum):
    """Which generated points make up the typical share beta that recall asks real points to be near."""

    ALL = "all generated points"  # Alaa et al. 2022: the ball holding beta of the generated points
    MATCHED = "matched generated points"  # the authors' code: quantiles over the points nearest to a real one


def alpha_precision(
    real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m _"], *, features: str, seed: int = 0
) -> Score:
    """Integrated alpha-precision: 1 - 2 mean |P_alpha - alpha| over 29 even levels alpha in (0, 1); 1 is ideal.

    P_alpha is the share of generated points within the radius around the mean of the real points that holds the share
    alpha of these (boundary included). Lowered by points outside the real ones and by points too near their centre.
    Alaa et al. 2022, arXiv:2102.08921, sec. 3; the sphere is fitted in the given space itself, not in one
    learned to be spherical.
    """
    _check(real, fake)
    group_a, group_b = jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)
    shares = np.stack(
        [
            _typical(real, fake),
            *(_typical(real[group_a != g], fake) for g in range(int(group_a.max()) + 1)),
            *(_typical(real, fake[group_b != g]) for g in range(int(group_b.max()) + 1)),
        ]
    )
    real_groups, protocol = int(group_a.max()) + 1, f"mean centre, 29 levels, {features}"
    return _score("alpha-precision", shares, real_groups, real, fake, protocol=protocol, group="fidelity", seed=seed)


def beta_recall(
    real: Float[np.ndarray, "n d"],
    fake: Float[np.ndarray, "m _"],
    *,
    features: str,
    support: RecallSupport = RecallSupport.ALL,
    seed: int = 0,
) -> Score:
    """Integrated beta-recall: 1 - 2 mean |R_beta - beta| over 29 even levels beta in (0, 1); 1 is ideal.

    R_beta is the share of real points whose nearest generated point is no farther than their nearest other real point
    and lies within the radius, around the mean of the generated points, that holds the share beta of these. Even
    perfect samples do not reach 1, since a generated point is nearer than all real ones about half the time: read it
    beside its floor, with equally many points. Alaa et al. 2022, arXiv:2102.08921, sec. 3.
    """
    _check(real, fake)
    group_a, group_b = jackknife_groups(len(real), seed), jackknife_groups(len(fake), seed + 1)
    to_real, _ = _grouped_nearest(real, real, group_a, same=True)
    to_fake, which = _grouped_nearest(real, fake, group_b, same=False)

    def reached(fake_out: Sequence[int]) -> _Reached:
        return _Reached.by(fake, ~np.isin(group_b, fake_out), _without(to_fake, fake_out), which)

    def spaced(real_out: Sequence[int]) -> _Spaced:
        return _Spaced(~np.isin(group_a, real_out), _without(to_real, real_out).min(axis=1))

    g, h = range(to_real.shape[1]), range(to_fake.shape[1])
    real_points, fake_points = [spaced([]), *(spaced([i]) for i in g)], [reached([]), *(reached([j]) for j in h)]
    table = np.array([[_covered(a, b, support) for b in fake_points] for a in real_points])
    pairs = [[_covered(spaced([i, j]), fake_points[0], support) if i < j else table[0, 0] for j in g] for i in g]
    shares, together = np.concatenate([table[:, 0], table[0, 1:]]), _Together(table[1:, 1:], np.array(pairs))
    protocol = f"{support.value}, 29 levels, {features}"
    return _score(
        "beta-recall", shares, len(g), real, fake, protocol=protocol, group="diversity", seed=seed, together=together
    )


def distance_to_closest_record(
    train: Float[np.ndarray, "n d"],
    fake: Float[np.ndarray, "m _"],
    *,
    held_out: Float[np.ndarray, "h _"],
    features: str,
    seed: int = 0,
) -> Score:
    """Median distance of generated points to their nearest training point; the floor is that of unseen real points.

    Describes, and proves nothing about privacy: data sets that pass tests of this distance give members away
    ("The DCR Delusion", arXiv:2505.01524). The note has the 5th percentiles of both.
    """
    _check(train, fake)
    _check(train, held_out)
    group_a, group_b = jackknife_groups(len(train), seed), jackknife_groups(len(fake), seed + 1)
    by_group, _ = _grouped_nearest(fake, train, group_a, same=False)
    nearest = by_group.min(axis=1)
    usual = _grouped_nearest(held_out, train, group_a, same=False)[0].min(axis=1)
    replicates = Replicates(
        tuple(float(np.median(_without(by_group, [g]).min(axis=1))) for g in range(by_group.shape[1])),
        tuple(float(np.median(nearest[group_b != g])) for g in range(int(group_b.max()) + 1)),
    )
    value = float(np.median(nearest))
    low, usual_low = (float(np.quantile(d, 0.05)) for d in (nearest, usual))
    name = "distance to closest record"
    return Score(
        name=name,
        value=value,
        direction="target",
        n=len(fake),
        signature=signature(name, protocol=f"euclidean, {features}", n=(len(train), len(fake)), seed=seed),
        interval=replicates.interval(value, low=0.0),
        floor=float(np.median(usual)),
        group="novelty",
        note=f"descriptive only, no evidence of privacy; 5th percentile {low:.3g}, unseen real records {usual_low:.3g}",
        replicates=replicates,
    )


def _check(real: np.ndarray, fake: np.ndarray) -> None:
    if real.shape[1] != fake.shape[1]:
        raise DataError(f"points of {real.shape[1]} and {fake.shape[1]} dimensions", where="points")
    for points in (real, fake):
        if len(points) < MIN_POINTS:
            raise DataError(f"{len(points)} points, {MIN_POINTS} of each are needed", where="points")
        if not np.isfinite(points).all():
            raise DataError(f"{(~np.isfinite(points).all(axis=1)).sum()} points are not finite", where="points")


def _from_centre(points: Float[np.ndarray, "n d"], centre: Float[np.ndarray, "d"]) -> Float[np.ndarray, "n"]:
    return np.sqrt(np.square(points - centre).sum(axis=1))


def _typical(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "alphas"]:
    """P_alpha at each level."""
    centre = real.mean(axis=0)
    radii = np.quantile(_from_centre(real, centre), ALPHAS)
    return np.mean(_from_centre(fake, centre)[:, None] <= radii, axis=0)


@dataclass(frozen=True)
class _Spaced:
    """Which real points are kept, and how far each is from its nearest other."""

    kept: Bool[np.ndarray, "n"]
    distance: Float[np.ndarray, "n"]


@dataclass(frozen=True)
class _Reached:
    """How far each real point is from its nearest generated one, how far that is from their centre, and all radii."""

    distance: Float[np.ndarray, "n"]
    from_centre: Float[np.ndarray, "n"]
    radii: Float[np.ndarray, "betas"]

    @classmethod
    def by(cls, fake: np.ndarray, kept: np.ndarray, by_group: np.ndarray, which: np.ndarray) -> "_Reached":
        rows, best = np.arange(len(by_group)), by_group.argmin(axis=1)
        from_centre = _from_centre(fake, fake[kept].mean(axis=0))
        radii = np.quantile(from_centre[kept], ALPHAS)
        return cls(by_group[rows, best], from_centre[which[rows, best]], radii)


def _covered(real: _Spaced, fake: _Reached, support: RecallSupport) -> Float[np.ndarray, "betas"]:
    """R_beta at each level."""
    near = (fake.distance <= real.distance)[real.kept]
    matched = fake.from_centre[real.kept]
    radii = fake.radii if support is RecallSupport.ALL else np.quantile(matched, ALPHAS)
    return np.searchsorted(np.sort(matched[near]), radii, side="right") / len(near)


def _grouped_nearest(
    points: Float[np.ndarray, "n d"], others: Float[np.ndarray, "m d"], group: Int[np.ndarray, "m"], *, same: bool
) -> tuple[Float[np.ndarray, "n g"], Int[np.ndarray, "n g"]]:
    """Distance of each point to the nearest of `others` in each group, and which that is; `same`: not to itself."""
    groups = int(group.max()) + 1
    members = [np.flatnonzero(group == g) for g in range(groups)]
    distance, which = np.empty((len(points), groups)), np.empty((len(points), groups), dtype=np.int64)
    squares = np.square(others).sum(axis=1)
    step = max(1, CHUNK_CELLS // len(others))
    for start in range(0, len(points), step):
        chunk = points[start : start + step]
        apart = squares - 2 * chunk @ others.T + np.square(chunk).sum(axis=1)[:, None]
        if same:
            apart[np.arange(len(chunk)), np.arange(start, start + len(chunk))] = np.inf
        for g, rows in enumerate(members):
            best = rows[apart[:, rows].argmin(axis=1)]
            which[start : start + step, g] = best
            exact = np.sqrt(np.square(chunk - others[best]).sum(axis=1))  # afresh: no cancellation, copies give 0
            alone = same & (apart[np.arange(len(chunk)), best] == np.inf)
            distance[start : start + step, g] = np.where(alone, np.inf, exact)
    return distance, which


def _without(by_group: Float[np.ndarray, "n g"], left_out: Sequence[int]) -> Float[np.ndarray, "n g"]:
    """Distances with some groups out of reach."""
    return np.where(np.isin(np.arange(by_group.shape[1]), left_out), np.inf, by_group)


@dataclass(frozen=True)
class _Together:
    """Shares with two groups left out: a real and a generated one, or two real ones (above the diagonal)."""

    both: Float[np.ndarray, "g h alphas"]
    pairs: Float[np.ndarray, "g g alphas"]

    def excess(self, value: float, slopes: Float[np.ndarray, "alphas"], shares: Float[np.ndarray, "r alphas"]) -> float:
        """The variance of value + slopes . (share - shares[0]) that a jackknife counts twice.

        Whether a real point has a near generated one is decided by points of both sets together.
        """
        g = len(self.pairs)
        both, pairs, single = (value + (x - shares[0]) @ slopes for x in (self.both, self.pairs, shares))
        real, fake = single[1 : 1 + g], single[1 + g :]
        return cross_excess(value, real, fake, both) + pair_excess(value, real, pairs)


def _score(
    name: str,
    shares: Float[np.ndarray, "r alphas"],
    real_groups: int,
    real: np.ndarray,
    fake: np.ndarray,
    *,
    protocol: str,
    group: Group,
    seed: int,
    together: "_Together | None" = None,
) -> Score:
    """1 - 2 mean |share - level|, from the replicates of the shares."""
    # The shares of all levels err together, so the mean of their gaps is as skewed as one: less smoothing suits it.
    error = replicate_error(shares, real_groups) / 2
    gaps = 2 * smoothed_absolute(shares - ALPHAS, error).mean(axis=1)  # from 0 to 1: no share is outside 0 to 1
    slopes = 2 * erf((shares[0] - ALPHAS) / np.maximum(error, 1e-300)) / len(ALPHAS)
    excess = together.excess(float(gaps[0]), slopes, shares) if together else 0.0
    gaps = np.minimum(gaps, 1.0)  # rounding
    low, high = share_of_one_interval(float(gaps[0]), split_replicates(gaps, real_groups, excess=excess))
    return Score(
        name=name,
        value=1 - float(gaps[0]),
        direction="higher",
        n=len(fake),
        signature=signature(name, protocol=protocol, n=(len(real), len(fake)), seed=seed),
        interval=(max(1 - high, 0.0), 1 - low),
        group=group,
        replicates=split_replicates(1 - gaps, real_groups, excess=excess),
    )
