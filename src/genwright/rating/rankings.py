"""What one question of a study says of the systems: measures with intervals, and who cannot be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit
from scipy.stats import t as student

from genwright.rating.bradley_terry import ELO, Bootstrapped, Comparisons, bootstrap, leave_one_rater_out
from genwright.rating.records import REAL, Question
from genwright.scores.intervals import Z95, Replicates, jackknife_error, share_interval
from genwright.scores.multiple import Difference, differences, groups, student_test, with_adjusted
from genwright.scores.score import Direction, Score, signature

Measures = dict[str, dict[str, Score]]  # by name of the measure, then by system, best first


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The systems by one question, best first by the first of `measures`; `common` are scores of no one system.

    `groups` are the systems that cannot be told apart, by `differences` (Holm over all pairs). `wins` tells how often
    one beats another: for preferences by the fitted strengths, for scales the probability that a rater rates it higher
    plus half that of an equal rating (Vargha and Delaney 2000), which uses the order of the points only.
    """

    question: Question
    measures: Measures
    common: dict[str, Score]
    differences: tuple[Difference, ...]
    groups: tuple[tuple[str, ...], ...]
    wins: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """The systems, best first."""
        return tuple(next(iter(self.measures.values())))

    @property
    def scores(self) -> tuple[Score, ...]:
        """All scores, those of a system named with it."""
        named = (
            replace(score, name=f"{score.name}: {system}")
            for by_system in self.measures.values()
            for system, score in by_system.items()
        )
        return (*named, *self.common.values())

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "question": self.question,
            "measures": {
                name: {system: score.to_json() for system, score in by_system.items()}
                for name, by_system in self.measures.items()
            },
            "common": {name: score.to_json() for name, score in self.common.items()},
            "differences": [vars(each) for each in self.differences],
            "groups": [list(group) for group in self.groups],
            "wins": [vars(each) for each in self.wins],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Answers:
    """n answers about single stimuli: the value, whose stimulus, and which rater."""

    systems: tuple[str, ...]
    system: Int[np.ndarray, "n"]
    rater: Int[np.ndarray, "n"]
    value: Float[np.ndarray, "n"]

    @property
    def cluster(self) -> Int[np.ndarray, "n"]:
        """What is left out at a time for the error: a rater, or an answer where there is one rater."""
        return np.unique(self.rater, return_inverse=True)[1] if np.ptp(self.rater) else np.arange(len(self.rater))

    @property
    def counted(self) -> str:
        """The number of clusters, for signatures."""
        return clusters_named(self.rater)

    def means(self) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "c k"], Int[np.ndarray, "k"]]:
        """Each system's mean, its means with one cluster left out (NaN if none remains), and its answers."""
        k, cluster = len(self.systems), self.cluster
        cell, cells = cluster * k + self.system, (int(cluster.max()) + 1) * k
        counts = np.bincount(cell, minlength=cells).reshape(-1, k)
        sums = np.bincount(cell, self.value, minlength=cells).reshape(-1, k)
        with np.errstate(invalid="ignore"):
            left_out = (sums.sum(axis=0) - sums) / (counts.sum(axis=0) - counts)
        return sums.sum(axis=0) / counts.sum(axis=0), left_out, counts.sum(axis=0)


def clusters_named(rater: Int[np.ndarray, "n"]) -> str:
    """How errors allow for raters, for signatures."""
    return f"raters={len(np.unique(rater))}" if np.ptp(rater) else "raters=1, clusters are answers"


def preference_ranking(comparisons: Comparisons, *, seed: int) -> Ranking:
    """Bradley–Terry strengths with ties (Davidson) and side effect, in Elo points; raters resampled whole."""
    fitted = bootstrap(comparisons, sides="estimated", seed=seed)
    systems, n = comparisons.systems, len(comparisons.left)
    protocol = f"Davidson ties, sides estimated, {clusters_named(comparisons.rater)}, 1000 resamples"

    def score(name: str, value: float, interval: np.ndarray | tuple[float, float], **rest: Any) -> Score:
        signed = signature(name, protocol=protocol, n=(0, n), seed=seed)
        low, high = (float(bound) for bound in interval)
        return Score(name=name, value=float(value), interval=(low, high), n=n, signature=signed, group="human", **rest)

    order = [int(i) for i in np.argsort(-fitted.estimate.log_strength, kind="stable")]
    real = systems.index(REAL) if REAL in systems else None
    elo, bounds = fitted.estimate.elo, ELO * fitted.strength_intervals()
    left_out = _without_each(comparisons)
    floor = None if real is None else float(elo[real])
    measures: Measures = {
        "strength": {
            systems[i]: score("strength", elo[i], bounds[i], direction="higher", unit=" Elo",
                              floor=None if i == real else floor, replicates=_replicates(left_out[:, i]))
            for i in order
        }
    }  # fmt: skip
    if real is not None:
        rate, within = 100 * fitted.estimate.expected_score(), 100 * fitted.score_intervals()
        measures["win rate against real"] = {
            systems[i]: score("win rate against real", rate[i, real], within[i, real], direction="higher",
                              unit="%", floor=50.0)
            for i in order if i != real
        }  # fmt: skip
    side, side_bounds = 100 * expit(fitted.estimate.side), 100 * expit(np.array(fitted.side_interval()))
    tied = float((comparisons.outcome == 2).mean())
    common = {
        "left side chosen": score("left side chosen", side, side_bounds, direction="target", unit="%", floor=50.0),
        "ties": score("ties", 100 * tied, 100 * np.array(share_interval(tied, n)), direction="target", unit="%"),
    }
    found = _strength_differences(fitted, order)
    return Ranking(
        question="preference",
        measures=measures,
        common=common,
        differences=found,
        groups=groups([systems[i] for i in order], found),
        wins=_win_rates(fitted, order, found),
        notes=_notes(comparisons.rater, fitted.estimate.note),
    )


def origin_ranking(answers: Answers, *, seed: int) -> Ranking:
    """How often each system's stimuli are called real, and how well each is told from the real ones.

    `answers.value` is 1 for "real". Accuracy is the mean of the shares of real and of generated told rightly: one half
    is guessing, whatever a rater's leaning to one answer.
    """
    systems, (mean, left_out, counts) = answers.systems, answers.means()
    real = systems.index(REAL) if REAL in systems else None
    order = [int(i) for i in np.argsort(-mean, kind="stable")]
    floor = None if real is None else 100 * float(mean[real])
    called = {
        systems[i]: _share_score(
            "called real", mean[i], left_out[:, i], n=int(counts[i]), floor=None if i == real else floor,
            protocol=f"share, {answers.counted}, Wilson at the effective n", seed=seed,
        )
        for i in order
    }  # fmt: skip
    measures: Measures = {"called real": called}
    common = {}
    if real is not None:
        made = [i for i in order if i != real]
        measures["told from real"] = {
            systems[i]: _accuracy(mean[[real, i]], left_out[:, [real, i]], int(counts[i]), answers, seed) for i in made
        }
        if made:
            pooled = Answers(
                systems=(REAL, "generated"), system=(answers.system != real).astype(np.int64), rater=answers.rater,
                value=answers.value,
            )  # fmt: skip
            pair, without, n = pooled.means()
            common["told from real"] = _accuracy(pair, without, int(n[1]), answers, seed)
    found = differences([(system, score) for system, score in called.items() if score.replicates])
    return Ranking(
        question="real or generated",
        measures=measures,
        common=common,
        differences=found,
        groups=groups(list(called), found),
        notes=_notes(answers.rater),
    )


def scale_ranking(answers: Answers, *, question: Question, seed: int) -> Ranking:
    """Means on a scale from 1 to 7, and how often one system is rated above another by the same rater."""
    systems, (mean, left_out, counts) = answers.systems, answers.means()
    order = [int(i) for i in np.argsort(-mean, kind="stable")]
    floor = float(mean[systems.index(REAL)]) if REAL in systems else None
    rated = {
        systems[i]: _mean_score(
            question, mean[i], left_out[:, i], n=int(counts[i]), floor=None if systems[i] == REAL else floor,
            protocol=f"mean of 1 to 7, {answers.counted}", seed=seed, low=1.0, high=7.0, unit="",
        )
        for i in order
    }  # fmt: skip
    found = differences([(system, score) for system, score in rated.items() if score.replicates])
    return Ranking(
        question=question,
        measures={question: rated},
        common={},
        differences=found,
        groups=groups(list(rated), found),
        wins=_rated_above(answers, order),
        notes=_notes(answers.rater),
    )


def _without_each(comparisons: Comparisons) -> Float[np.ndarray, "r k"]:
    """Elo strengths with each rater left out; no rows with a single rater."""
    if not np.ptp(comparisons.rater):
        return np.zeros((0, len(comparisons.systems)))
    return ELO * leave_one_rater_out(comparisons, sides="estimated")


def _strength_differences(fitted: Bootstrapped, order: Sequence[int]) -> tuple[Difference, ...]:
    """All pairs in Elo points, the stronger first."""
    systems, (gap, error) = fitted.estimate.systems, fitted.gaps()
    degrees = max(fitted.clusters - 1, 1)
    pairs = [
        (systems[i], systems[j], *student_test(float(ELO * gap[i, j]), error=float(ELO * error[i, j]), degrees=degrees))
        for place, i in enumerate(order)
        for j in order[place + 1 :]
    ]
    return with_adjusted(pairs)


def _win_rates(fitted: Bootstrapped, order: Sequence[int], found: Sequence[Difference]) -> tuple[Difference, ...]:
    """Win rates (ties count half) of the stronger in each pair; the p-values are those of the strengths."""
    rates, bounds = fitted.estimate.expected_score(), fitted.score_intervals()
    pairs = [(i, j) for place, i in enumerate(order) for j in order[place + 1 :]]
    return tuple(
        replace(each, value=float(rates[i, j]), interval=(float(bounds[i, j, 0]), float(bounds[i, j, 1])))
        for (i, j), each in zip(pairs, found)
    )


def _rated_above(answers: Answers, order: Sequence[int]) -> tuple[Difference, ...]:
    """P(a rating of one is higher) + P(equal) / 2 over pairs of ratings of the same rater; jackknife over raters."""
    points = np.unique(answers.value)
    raters = int(answers.rater.max()) + 1
    cell = (answers.rater * len(answers.systems) + answers.system) * len(points)
    cell = cell + np.searchsorted(points, answers.value)
    counts = np.bincount(cell, minlength=raters * len(answers.systems) * len(points)).astype(np.float64)
    counts = counts.reshape(raters, len(answers.systems), len(points))
    below = np.cumsum(counts, axis=2) - counts / 2
    pairs = []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            above, of = (counts[:, i] * below[:, j]).sum(axis=1), counts[:, i].sum(axis=1) * counts[:, j].sum(axis=1)
            used = of > 0
            if used.sum() < 2:
                continue
            value = float(above.sum() / of.sum())
            left_out = (above.sum() - above[used]) / (of.sum() - of[used])
            error = jackknife_error(left_out)
            _, (low, high), p = student_test(value - 0.5, error=error, degrees=int(used.sum()) - 1)
            bounds = (max(low + 0.5, 0.0), min(high + 0.5, 1.0))
            pairs.append((answers.systems[i], answers.systems[j], value, bounds, p))
    return with_adjusted(pairs)


def _replicates(left_out: Float[np.ndarray, "c"]) -> Replicates | None:
    """Raters are shared by all systems, as real records are by generators: their side is the first."""
    return (
        Replicates(real=tuple(left_out.tolist()), fake=())
        if len(left_out) > 1 and np.isfinite(left_out).all()
        else None
    )


def _mean_score(
    name: str, value: float, left_out: Float[np.ndarray, "c"], *, n: int, floor: float | None, protocol: str, seed: int,
    low: float, high: float, unit: str, direction: Direction = "higher",
) -> Score:  # fmt: skip
    replicates = _replicates(left_out)
    return Score(
        name=name,
        value=float(value),
        direction=direction,
        n=n,
        signature=signature(name, protocol=protocol, n=(0, n), seed=seed),
        interval=replicates.interval(float(value), low=low, high=high) if replicates else None,
        floor=floor,
        unit=unit,
        group="human",
        note="" if replicates else "one rater or answer only: no interval",
        replicates=replicates,
    )


def _share_score(
    name: str, share: float, left_out: Float[np.ndarray, "c"], *, n: int, floor: float | None, protocol: str, seed: int
) -> Score:
    """A share in percent with Wilson's interval at the effective number of answers (Korn and Graubard 1998)."""
    score = _mean_score(
        name, 100 * share, 100 * left_out, n=n, floor=floor, protocol=protocol, seed=seed, low=0.0, high=100.0, unit="%"
    )
    if score.replicates is None:
        return score
    variance = (score.replicates.error / 100) ** 2
    wider = float(student.ppf(0.975, len(left_out) - 1)) / Z95
    effective = min(share * (1 - share) / (variance * wider**2), n) if variance > 0 else n
    low, high = share_interval(float(share), max(int(effective), 1))
    return replace(score, interval=(100 * low, 100 * high))


def _accuracy(
    called: Float[np.ndarray, "2"], left_out: Float[np.ndarray, "c 2"], n: int, answers: Answers, seed: int
) -> Score:
    """Mean of the shares of real and of generated told rightly, from the shares called real."""
    return _mean_score(
        "told from real",
        50 * (1 + called[0] - called[1]),
        50 * (1 + left_out[:, 0] - left_out[:, 1]),
        n=n,
        floor=50.0,
        protocol=f"balanced accuracy, {answers.counted}",
        seed=seed,
        low=0.0,
        high=100.0,
        unit="%",
        direction="lower",
    )


def _notes(rater: Int[np.ndarray, "n"], *others: str) -> tuple[str, ...]:
    """What limits the answers of a question."""
    count = len(np.unique(rater))
    if count == 1:
        few = "one rater: intervals say how sure this rater's judgement is, not what others would say"
    else:
        few = f"only {count} raters: intervals are wide because people differ" if count < 5 else ""
    return tuple(note for note in (few, *others) if note)
