"""The sanity battery: does each metric see the mistakes that it claims to see, and stay still where it should?

Unseen real records are damaged by known amounts (`benchmarks.sanity.corruptions`) and measured as if they had been
generated. A metric passes where its mean over several draws follows the amount: Spearman's coefficient at least 0.95.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.stats import rankdata

from benchmarks.sanity import corruptions as spoil
from benchmarks.sanity.designations import BELOW, FALLS, IDENTICAL, STAYS, Expected, Mistake
from genwright.data.dataset import Dataset
from genwright.errors import DataError
from genwright.scores.score import Score

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MONOTONE = 0.95  # the least Spearman coefficient
DRAWS = 3  # of unseen records and of their corruption, over which values are averaged


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What a metric showed as one mistake grew; `values` are means over draws, and so is the `half_width` at amount 0.

    The value at amount 0 is the real-vs-real floor. `spearman` is 1 where the metric moved as expected at every step.
    `seen_from` is the least strength whose value lies outside the floor's 95 % interval. `problem` says why a metric
    could not be measured.
    """

    kind: str
    data: str
    n: int
    corruption: str
    metric: str
    expected: Expected
    strengths: tuple[float, ...]
    values: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    half_width: float | None = None
    spearman: float | None = None
    seen_from: float | None = None
    passed: bool = False
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Stillness:
    """A metric of a set against itself, and how far it moves when the generated records stand in another order."""

    kind: str
    data: str
    metric: str
    identical: float
    wanted: float | None
    reordered: float
    half_width: float | None
    passed: bool

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)


@dataclass(frozen=True)
class Battery:
    """Everything that was found on one set of records."""

    curves: tuple[Curve, ...]
    still: tuple[Stillness, ...]

    @property
    def failed(self) -> tuple[Curve | Stillness, ...]:
        """What did not do as expected, leaving out what could not be measured."""
        return tuple(c for c in self.curves if not c.passed and not c.problem) + tuple(
            s for s in self.still if not s.passed
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"curves": [c.to_json() for c in self.curves], "still": [s.to_json() for s in self.still]}


Records = Any  # a Dataset, an array of series, or a list of texts
Measured = Score | tuple[Score, ...]


@dataclass(frozen=True)
class Subject:
    """Records under test: unseen real ones to spoil, ways to spoil them, and ways to measure them.

    `pool` holds more than the `n` that are measured, and `modes` numbers the mode that each of them belongs to.
    `measures` go by the names of the scores that each gives.
    """

    kind: str
    data: str
    n: int
    real: Records
    pool: Records
    modes: Int[np.ndarray, "_"]
    mistakes: tuple[Mistake, ...]
    spoils: Mapping[str, Callable[..., Records]]
    measures: Mapping[tuple[str, ...], Callable[..., Measured]]

    def drawn(self, seed: int) -> Records:
        """n unseen records."""
        rows = np.random.default_rng(seed).permutation(len(self.modes))[: self.n]
        return taken(self.pool, rows)

    def spoilt(self, mistake: Mistake, amount: float, seed: int) -> Records:
        """n unseen records with a mistake; the same ones and the same mistakes, only more of them, as amounts grow."""
        if amount == 0:
            return self.drawn(seed)
        rng = np.random.default_rng((seed, 1))
        if mistake.name == "modes dropped":
            return taken(self.pool, spoil.without_modes(self.modes, amount * mistake.most, n=self.n, rng=rng))
        return self.spoils[mistake.name](self.drawn(seed), amount * mistake.most, rng=rng)


def battery(subject: Subject, *, draws: int = DRAWS) -> Battery:
    """Every mistake at six amounts, seen by every metric designated to it; equal sets; other orders of records."""
    clean: dict[tuple[str, ...], list[list[Score]]] = {}
    curves = [curve for mistake in subject.mistakes for curve in _curves(subject, mistake, draws, clean)]
    return Battery(tuple(curves), tuple(_still(subject, clean)))


def monotone(values: Sequence[float], *, expected: Expected) -> float:
    """Spearman's coefficient of values with their place, negated where they should fall; 0 if all are equal.

    >>> monotone([3.0, 2.0, 1.0], expected="falls"), monotone([1.0, 1.0], expected="rises")
    (1.0, 0.0)
    """
    ranks = rankdata(values)
    if np.ptp(ranks) == 0:
        return 0.0
    found = float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])
    return round(-found if expected == FALLS else found, 6)


def taken(records: Records, rows: Int[np.ndarray, "_"]) -> Records:
    """The records at `rows`, whatever holds them."""
    if isinstance(records, Dataset):
        return records.take(rows)
    return [records[i] for i in rows] if isinstance(records, list) else records[rows]


def _curves(
    subject: Subject, mistake: Mistake, draws: int, clean: dict[tuple[str, ...], list[list[Score]]]
) -> list[Curve]:
    """One curve per metric; `clean` remembers what was measured at amount 0."""
    found = []
    for names, measure in subject.measures.items():
        wanted = [name for name in names if name in mistake.metrics]
        if not wanted:
            continue
        try:
            if names not in clean:
                clean[names] = [_scores(measure, subject.drawn(seed), seed) for seed in range(draws)]
            levels = [clean[names]]
            for level in LEVELS[1:]:
                levels.append([_scores(measure, subject.spoilt(mistake, level, s), s) for s in range(draws)])
        except DataError as error:
            found += [_curve(subject, mistake, name, [], problem=str(error)) for name in wanted]
            continue
        for name in wanted:
            scores = [[next(s for s in each if s.name == name) for each in level] for level in levels]
            found.append(_curve(subject, mistake, name, scores))
    return found


def _scores(measure: Callable[..., Measured], fake: Records, seed: int) -> list[Score]:
    found = measure(fake, seed=seed)
    return list(found) if isinstance(found, tuple) else [found]


def _curve(subject: Subject, mistake: Mistake, name: str, levels: list[list[Score]], *, problem: str = "") -> Curve:
    expected = mistake.metrics[name]
    about: dict[str, Any] = {
        "kind": subject.kind,
        "data": subject.data,
        "n": subject.n,
        "corruption": mistake.name,
        "metric": name,
        "expected": expected,
        "strengths": tuple(round(level * mistake.most, 6) for level in LEVELS),
    }
    if problem:
        return Curve(**about, problem=problem)
    each = np.array([[score.value for score in level] for level in levels])
    values, half = each.mean(axis=1), _half_width(levels[0])
    beyond = np.abs(values - values[0]) > (half or 0.0)
    rho = monotone(values.tolist(), expected=expected)
    return Curve(
        **about,
        values=tuple(values.tolist()),
        spread=tuple(each.std(axis=1).tolist()),
        half_width=half,
        spearman=rho,
        seen_from=about["strengths"][int(beyond.argmax())] if beyond.any() else None,
        passed=not bool(beyond.any()) if expected == STAYS else rho >= MONOTONE,
    )


def _half_width(scores: Sequence[Score]) -> float | None:
    """Mean half-width of the 95 % intervals."""
    widths = [s.interval[1] - s.interval[0] for s in scores if s.interval is not None]
    return float(np.mean(widths)) / 2 if widths else None


def _still(subject: Subject, clean: Mapping[tuple[str, ...], list[list[Score]]]) -> list[Stillness]:
    """Equal sets, and rows in another order, for every metric that could be measured and has a value to expect."""
    found = []
    fake = subject.drawn(0)
    order = np.random.default_rng(1).permutation(subject.n)
    for names, scores in clean.items():
        measure = subject.measures[names]
        equal, moved = (_scores(measure, x, 0) for x in (subject.real, taken(fake, order)))
        for at, (same, other) in enumerate(zip(equal, moved, strict=True)):
            before = scores[0][at]
            shift, half = abs(other.value - before.value), _half_width([before])
            still = shift <= max(1e-9 * max(abs(before.value), 1.0), half or 0.0)
            wanted = same.floor if same.direction == "target" else IDENTICAL.get(same.name)
            wanted = (
                None if same.group == "novelty" else IDENTICAL.get(same.name, wanted)
            )  # those look at training data
            fits = wanted is None or _fits(same.value, wanted)
            found.append(
                Stillness(
                    kind=subject.kind,
                    data=subject.data,
                    metric=same.name,
                    identical=same.value,
                    wanted=wanted,
                    reordered=shift,
                    half_width=half,
                    passed=still and fits,
                )
            )
    return found


def _fits(value: float, wanted: float) -> bool:
    """Whether a set against itself scores as it must, but for rounding."""
    return value <= 1e-9 if wanted == BELOW else abs(value - wanted) <= 1e-6 * max(abs(wanted), 1.0)
