"""How many raters and ratings a study needs, and what a study of given size can tell: to be asked before it begins."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr
from scipy.stats import chi2
from scipy.stats import t as student

from genwright.errors import ArgumentError
from genwright.scores.intervals import Z95

MAX_RATERS = 1_000_000
LARGEST_GAP = 2.4  # of log-strengths: the easiest to find
QUANTILES = 1000  # of the estimated error, to integrate power over


@dataclass(frozen=True, kw_only=True)
class Design:
    """A study of `systems`, each of `raters` giving `per_rater` answers to one question, spread evenly.

    `ties` is the share of comparisons that end in a tie. `correlation` is how alike two answers of one rater on the
    same systems are beyond what all raters share (intraclass correlation): 0 if raters only differ by chance, 0.1 if
    tastes differ noticeably. `level` is the probability of a false "differs", over all pairs of systems together.
    """

    raters: int
    per_rater: int
    systems: int = 2
    ties: float = 0.0
    correlation: float = 0.0
    level: float = 0.05

    def __post_init__(self) -> None:
        for name, low, high in (("ties", 0, 0.99), ("correlation", 0, 1), ("level", 1e-6, 0.5)):
            if not low <= getattr(self, name) <= high:
                raise ArgumentError(f"must lie from {low} to {high}, got {getattr(self, name)}", where=name)
        for name, least in (("raters", 2), ("per_rater", 1), ("systems", 2)):
            if getattr(self, name) < least:
                raise ArgumentError(f"must be at least {least}, got {getattr(self, name)}", where=name)

    @property
    def pairs(self) -> int:
        """Pairs of systems; each is tested at `level` over this (the first and hardest step of Holm's)."""
        return self.systems * (self.systems - 1) // 2

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        names = ("raters", "per_rater", "systems", "ties", "correlation", "level")
        return {name: getattr(self, name) for name in names}


def half_width(n: int, *, share: float = 0.5, ties: float = 0.0) -> float:
    """Half of the 95 % interval of a win rate (ties count half) from n independent comparisons.

    >>> [round(100 * half_width(n), 1) for n in (100, 400, 1000)]
    [9.8, 4.9, 3.1]
    """
    return Z95 * math.sqrt(_variance(share, ties) / n)


def win_rate_power(design: Design, win_rate: float) -> float:
    """Probability that a system with this win rate (ties count half) is told from its rival.

    The test is the one the analysis makes: of a difference in strength, raters resampled as a whole, Student's
    distribution with raters - 1 degrees of freedom.
    """
    distance = _strength_distance(win_rate, design.ties)
    error = math.sqrt(_clustered(design, design.per_rater / (design.systems - 1)))
    return _power(distance / error, design, tests=design.pairs)


def accuracy_power(design: Design, accuracy: float) -> float:
    """Probability that telling real from generated with this accuracy is told from guessing.

    `systems` counts the real one, which is shown as often as all generated ones together; each generated one is held
    against it, by the mean of the shares of both that are told rightly.
    """
    answers = 2 * design.per_rater / design.systems
    error = math.sqrt(accuracy * (1 - accuracy) * _clustered(design, answers))
    return _power(abs(accuracy - 0.5) / error, design, tests=design.systems - 1)


def scale_power(design: Design, difference: float, *, deviation: float = 1.5) -> float:
    """Probability that two systems' means on a scale, `difference` points apart, are told apart.

    `deviation` is the standard deviation of a rater's answers for one system, in points. How high a rater answers in
    general does not matter, as each rates all systems.
    """
    error = deviation * math.sqrt(2 * _clustered(design, design.per_rater / design.systems))
    return _power(abs(difference) / error, design, tests=design.pairs)


def raters_for_win_rate(win_rate: float, *, design: Design, power: float = 0.8) -> Design:
    """The design with the fewest raters that tells this win rate from one half with this probability.

    >>> plan = raters_for_win_rate(0.6, design=Design(raters=2, per_rater=20), power=0.8)
    >>> plan.raters * plan.per_rater
    260
    """
    return _fewest(lambda d: win_rate_power(d, win_rate), design, power, "win rate", win_rate != 0.5)


def raters_for_accuracy(accuracy: float, *, design: Design, power: float = 0.8) -> Design:
    """The design with the fewest raters that tells this accuracy from guessing with this probability."""
    return _fewest(lambda d: accuracy_power(d, accuracy), design, power, "accuracy", accuracy != 0.5)


def raters_for_scale(difference: float, *, design: Design, deviation: float = 1.5, power: float = 0.8) -> Design:
    """The design with the fewest raters that tells means this many points apart with this probability."""
    found = difference != 0
    return _fewest(lambda d: scale_power(d, difference, deviation=deviation), design, power, "difference", found)


def detectable_win_rate(design: Design, *, power: float = 0.8) -> float:
    """The smallest win rate above one half that the design tells from it with this probability; 1 if none."""
    top = 1 - design.ties / 2
    return _smallest(lambda rate: win_rate_power(design, rate), 0.5, top - 1e-9, power, otherwise=1.0)


def detectable_accuracy(design: Design, *, power: float = 0.8) -> float:
    """The smallest accuracy above one half that the design tells from guessing with this probability."""
    return _smallest(lambda share: accuracy_power(design, share), 0.5, 1 - 1e-9, power, otherwise=1.0)


def detectable_difference(design: Design, *, deviation: float = 1.5, power: float = 0.8) -> float:
    """The smallest difference of means, in points, that the design tells from none; infinite above 6 points."""
    return _smallest(lambda d: scale_power(design, d, deviation=deviation), 0.0, 6.0, power, otherwise=math.inf)


def _variance(win_rate: float, ties: float) -> float:
    """Variance of one comparison's score: 1, 1/2 or 0."""
    wins = win_rate - ties / 2
    if not 0 <= wins <= 1 - ties:
        raise ArgumentError(f"a win rate of {win_rate:g} cannot be with {ties:.0%} ties", where="win rate")
    return wins + ties / 4 - win_rate**2


def _strength_distance(win_rate: float, ties: float) -> float:
    """Difference of log-strengths over the standard error that one comparison gives it.

    In Davidson's model the information of a comparison on the difference is the variance of its score. The ratio has
    its largest value at odds of about 11 to 1 (Hauck and Donner 1977); larger odds are held to be found no less often.
    """
    _variance(win_rate, ties)  # refuses what cannot be
    wins = max(win_rate, 1 - win_rate) - ties / 2
    gap = min(float(logit(wins / (1 - ties))), LARGEST_GAP)
    return gap * math.sqrt(_variance((1 - ties) * float(expit(gap)) + ties / 2, ties))


def _clustered(design: Design, answers: float) -> float:
    """Variance of a mean over that of one answer, each rater giving so many; Kish's 1965 design effect included.

    For win rates of k systems, `answers` is per_rater / (k - 1): in a round robin each pair also compares through
    others, which divides the variance left by its own comparisons by k / 2.
    """
    return (1 + max(answers - 1, 0) * design.correlation) / (design.raters * answers)


def _power(distance: float, design: Design, *, tests: int) -> float:
    """Power of a two-sided t-test at `distance` standard errors, raters being the clusters, at level / tests.

    The error that Student's distribution divides by is integrated out over its quantiles: no distance is too far for
    that.
    """
    degrees = design.raters - 1
    critical = float(student.ppf(1 - design.level / tests / 2, degrees))
    error = np.sqrt(chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, degrees) / degrees)
    return float(np.mean(ndtr(distance - critical * error) + ndtr(-distance - critical * error)))


def _fewest(power: Callable[[Design], float], design: Design, wanted: float, what: str, possible: bool) -> Design:
    """Smallest number of raters with the wanted power, by doubling and halving."""
    if not possible:
        raise ArgumentError("no study can find a difference that is not there", where=what)
    if not 0 < wanted < 1:
        raise ArgumentError(f"must lie between 0 and 1, got {wanted}", where="power")
    low, high = 1, 2
    while power(replace(design, raters=high)) < wanted:
        low, high = high, 2 * high
        if high > MAX_RATERS:
            hint = "look for a larger difference, or ask each rater more"
            raise ArgumentError(f"more than {MAX_RATERS:,} raters would be needed", where=what, hint=hint)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(replace(design, raters=middle)) >= wanted else (middle, high)
    return replace(design, raters=high)


def _smallest(power: Callable[[float], float], low: float, high: float, wanted: float, *, otherwise: float) -> float:
    if power(high) < wanted:
        return otherwise
    return float(brentq(lambda x: power(x) - wanted, low, high, xtol=1e-6))
