"""95 % confidence intervals: delete-a-group jackknife, Wilson's for shares, influence functions for AUC."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata
from scipy.stats import t as student

Z95 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution
WIDEST = 50.0  # of a logarithm's interval to either side: beyond, nothing is known
Skipped = tuple[int, ...]  # numbers of the groups that are left out
GROUPS = 20  # of the delete-a-group jackknife: enough for a standard error, few enough to be cheap


@dataclass(frozen=True)
class Replicates:
    """A statistic of a real and a generated set, with one group of records left out at a time.

    Each side holds one value per group, or is empty where the statistic does not depend on that set. `excess` is the
    variance that the jackknife counts twice: what comes from records acting together, see `cross_excess` and
    `pair_excess`; `least` is what taking it off must leave, such as the variance of a plain mean over generated
    records. Replicates of two statistics that share the real set and its groups may be subtracted: the error of
    the difference follows, with what both owe to the real set cancelled.

    >>> each = Replicates(real=(), fake=(1.0, 2.0, 3.0))
    >>> round(each.error, 3), [round(bound, 2) for bound in each.interval(2.0)]
    (1.155, [-2.97, 6.97])
    """

    real: tuple[float, ...]
    fake: tuple[float, ...]
    excess: float = 0.0
    other: tuple[float, ...] = ()  # of a difference: the side of the second generated set
    least: float = 0.0

    @property
    def error(self) -> float:
        """Standard error of the statistic."""
        return float(np.sqrt(self._variance))

    @property
    def raw_variance(self) -> float:
        """The squared error without taking off `excess`."""
        return sum(variance for variance, _ in self._sides)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the error: each side has one less than groups, joined as Satterthwaite 1946 does."""
        below = sum(variance**2 / free for variance, free in self._sides if free)
        return float(self.raw_variance**2 / below) if below > 0 else 1.0

    def interval(
        self, value: float, *, low: float = -np.inf, high: float = np.inf, looks: int = 1
    ) -> tuple[float, float]:
        """95 % confidence interval around `value` by Student's distribution, kept within what the quantity can be.

        `looks`: how many such intervals are to hold at once (Bonferroni).
        """
        half = float(student.ppf(1 - 0.025 / looks, self.degrees)) * self.error
        return float(max(value - half, low)), float(min(value + half, high))

    def ratio_interval(self, value: float, *, offset: float = 0.0) -> tuple[float, float]:
        """The same on the scale of log(value + offset), for positive quantities with a longer tail to the right."""
        above = value + offset
        if above <= 0 or not self.error:
            return self.interval(value)
        factor = float(np.exp(min(student.ppf(0.975, self.degrees) * self.error / above, WIDEST)))
        return float(above / factor - offset), float(above * factor - offset)

    def minus(self, other: "Replicates") -> "Replicates":
        """Replicates of the difference of two statistics of the same real records and of different generated ones."""
        assert len(self.real) == len(other.real), "the two do not share their real records"
        real = tuple(a - b for a, b in zip(self.real, other.real, strict=True))
        return Replicates(real, self.fake, self.excess + other.excess, other.fake, self.least + other.least)

    @property
    def _variance(self) -> float:
        """What is left after taking off `excess`, itself an estimate that may come out too large: 3/8 or `least`.

        The share was chosen by simulation, see `benchmarks/coverage.py`; interactions alone would leave a half.
        """
        return max(self.raw_variance - self.excess, 0.375 * self.raw_variance, self.least)

    @property
    def _sides(self) -> list[tuple[float, int]]:
        """Variance and degrees of freedom of each side."""
        sides = (self.real, self.fake, self.other)
        return [(jackknife_error(np.array(side)) ** 2, len(side) - 1) for side in sides if side]


def cross_excess(
    value: float,
    real: Float[np.ndarray, "g"],
    fake: Float[np.ndarray, "h"],
    both: Float[np.ndarray, "g h"],
) -> float:
    """Variance of the interaction between the two sets, which both sides of a jackknife count.

    `both` is the statistic with a group of each set left out. What is left of it after taking off the effects of either
    group alone is the interaction of the two groups, as in the ANOVA decomposition of Efron and Stein 1981; unbiased
    where no more than two records act together.
    """
    leaked = (1 - 1 / max(len(real), 1)) * (1 - 1 / max(len(fake), 1))  # other groups' interactions leak into each
    return float(((value - real[:, None] - fake[None, :] + both) ** 2).sum() * leaked)


def pair_excess(value: float, single: Float[np.ndarray, "g"], pairs: Float[np.ndarray, "g g"]) -> float:
    """Variance of the interaction between records of one set, which a jackknife counts twice.

    `pairs` is the statistic with two groups left out (its diagonal is not looked at). Efron and Stein 1981, sec. 5.
    """
    g = len(single)
    together = g * value - (g - 1) * (single[:, None] + single[None, :]) + (g - 2) * pairs
    return float((together[np.triu_indices(g, 1)] ** 2).sum() / g**2)


def grouped_replicates(
    statistic: Callable[[Skipped, Skipped], float], groups: tuple[int, int], *, interactions: bool = True
) -> tuple[float, Replicates]:
    """A statistic and its replicates, from a function of the groups of real and of generated records to leave out.

    `interactions`: also with two groups left out at a time, of either set or of both, for `excess`; hundreds of calls.
    """
    value = statistic((), ())
    real = np.array([statistic((g,), ()) for g in range(groups[0])])
    fake = np.array([statistic((), (h,)) for h in range(groups[1])])
    excess = 0.0
    if interactions:
        both = [[statistic((g,), (h,)) for h in range(groups[1])] for g in range(groups[0])]
        excess = cross_excess(value, real, fake, np.array(both).reshape(groups))
        for single, side in ((real, 0), (fake, 1)):
            pairs = np.zeros((len(single), len(single)))
            for i, j in zip(*np.triu_indices(len(single), 1), strict=True):
                out = (int(i), int(j))
                pairs[i, j] = statistic(out, ()) if side == 0 else statistic((), out)
            excess += pair_excess(value, single, pairs) if len(single) else 0.0
    return value, Replicates(tuple(real.tolist()), tuple(fake.tolist()), excess)


def replicate(statistic: Callable[[np.ndarray, np.ndarray], float], n: int, m: int, *, seed: int) -> Replicates:
    """Replicates of `statistic`, a function of the masks of real and of generated records that are kept.

    For n real and m generated records; statistics that can be had cheaper with a group left out build theirs directly.
    """
    a, b = jackknife_groups(n, seed), jackknife_groups(m, seed + 1)
    all_real, all_fake = np.ones(n, dtype=bool), np.ones(m, dtype=bool)
    real = tuple(float(statistic(a != g, all_fake)) for g in range(int(a.max(initial=-1)) + 1))
    fake = tuple(float(statistic(all_real, b != g)) for g in range(int(b.max(initial=-1)) + 1))
    return Replicates(real, fake)


def mean_replicates(values: Float[np.ndarray, "n"] | Bool[np.ndarray, "n"], *, seed: int) -> tuple[float, ...]:
    """The mean of `values` with each jackknife group left out: one side of `Replicates`."""
    group = jackknife_groups(len(values), seed)
    counts, sums = np.bincount(group), np.bincount(group, weights=values)
    return tuple(((sums.sum() - sums) / (counts.sum() - counts)).tolist())


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share seen among n records (Wilson 1927); honest at 0, at 1 and at small n."""
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return float(min(low, share)), float(max(high, share))


def jackknife_groups(n: int, seed: int) -> Int[np.ndarray, "n"]:
    """A random group number for each of n records, groups as equal in size as can be."""
    return np.random.default_rng(seed).permutation(n) % min(GROUPS, n)


def jackknife_error(left_out: Float[np.ndarray, "g"]) -> float:
    """Standard error from the statistic's values with one group left out at a time.

    Delete-a-group jackknife: Shao and Wu 1989, "A general theory for jackknife variance estimation". Leaving out
    groups rather than single records keeps it valid for statistics with kinks, such as total variation.
    """
    g = len(left_out)
    return float(np.sqrt((g - 1) / g * np.sum((left_out - left_out.mean()) ** 2)))


def auc_influence(
    score: Float[np.ndarray, "n"], positive: Bool[np.ndarray, "n"]
) -> tuple[float, Float[np.ndarray, "n"]]:
    """Area under the ROC curve and each record's influence on it; var(AUC) is mean(influence**2) / n.

    The influence values are the centred structural components of DeLong et al. 1988; influences of several AUCs on
    the same records may be added and subtracted, which gives intervals for their means and differences.
    Both classes must be present.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    assert n_positive and n_negative, "AUC needs both classes"
    ranks = rankdata(score)
    within = np.empty(len(score))
    within[positive] = rankdata(score[positive])
    within[~positive] = rankdata(score[~positive])
    beaten = ranks - within  # for a positive: negatives below it; for a negative: positives below it (ties half)
    auc = float(beaten[positive].sum() / (n_positive * n_negative))
    component = np.where(positive, beaten / n_negative - auc, 1 - beaten / n_positive - auc)
    return auc, component * np.where(positive, len(score) / n_positive, len(score) / n_negative)
