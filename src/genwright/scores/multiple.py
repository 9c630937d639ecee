"""Many comparisons at once: adjusted p-values, differences of scores, and which systems cannot be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import t as student

from genwright.errors import DataError
from genwright.scores.score import Score, real_records

Adjustment = Literal["holm", "benjamini-hochberg"]
LEVEL = 0.05  # adjusted p-values below it tell two systems apart


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two systems held against each other: the estimated difference, its 95 % interval and p-values.

    `p` is that of no difference, `adjusted_p` the same after control over all pairs that were looked at together.
    """

    first: str
    second: str
    value: float
    interval: tuple[float, float]
    p: float
    adjusted_p: float


def adjusted(p: Float[np.ndarray, "n"], *, by: Adjustment = "holm") -> Float[np.ndarray, "n"]:
    """Adjusted p-values: one below 0.05 may be believed although n were looked at.

    "holm" (Holm 1979) holds the probability of any false finding at the level, whatever the dependence;
    "benjamini-hochberg" (Benjamini and Hochberg 1995) the expected share of false findings among all findings.

    >>> adjusted(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    >>> adjusted(np.array([0.01, 0.04, 0.03]), by="benjamini-hochberg").tolist()
    [0.03, 0.04, 0.04]
    """
    if np.isnan(p).any() or (p < 0).any() or (p > 1).any():
        raise DataError("p-values lie between 0 and 1")
    n, order = len(p), np.argsort(p, kind="stable")
    if by == "holm":
        ranked = np.maximum.accumulate(p[order] * np.arange(n, 0, -1))
    else:
        ranked = np.minimum.accumulate((p[order] * n / np.arange(1, n + 1))[::-1])[::-1]
    result = np.empty(n)
    result[order] = np.minimum(ranked, 1.0)
    return result


def difference(first: Score, second: Score) -> tuple[float, tuple[float, float], float]:
    """`first` - `second`, its 95 % interval, and the p-value of no difference, from the scores' replicates.

    The real records (or raters) that both scores share cancel; the generated ones are independent, and where scores
    rest on different numbers of real records, these are taken for independent too, which claims less. Degrees of
    freedom after Satterthwaite 1946. Raises DataError if the scores carry no replicates.

    >>> from genwright.scores.intervals import Replicates
    >>> a, b = (
    ...     Score(name="x", value=v, direction="higher", n=3, signature="", replicates=Replicates((v, v + 0.1), ()))
    ...     for v in (2.0, 1.0)
    ... )
    >>> difference(a, b)
    (1.0, (1.0, 1.0), 0.0)
    """
    a, b = first.replicates, second.replicates
    if a is None or b is None:
        raise DataError(f"two scores of {first.name!r} cannot be compared", hint="both need replicates")
    apart = first.value - second.value
    if len(a.real) == len(b.real) and real_records(first) == real_records(second):
        error, degrees = (both := a.minus(b)).error, both.degrees
    else:
        error = float(np.hypot(a.error, b.error))
        below = sum(each.error**4 / each.degrees for each in (a, b))
        degrees = error**4 / below if below > 0 else 1.0
    if error < 1e-12 * max(abs(first.value), abs(second.value), 1e-300):  # rounding only: known exactly
        return apart, (apart, apart), float(apart == 0)
    return student_test(apart, error=error, degrees=degrees)


def student_test(value: float, *, error: float, degrees: float) -> tuple[float, tuple[float, float], float]:
    """`value`, its 95 % interval and the p-value of zero, by Student's distribution."""
    half = float(student.ppf(0.975, degrees)) * error
    p = float(2 * student.sf(abs(value) / error, degrees)) if error > 0 else float(value == 0)
    return value, (value - half, value + half), p


def differences(scores: Sequence[tuple[str, Score]], *, by: Adjustment = "holm") -> tuple[Difference, ...]:
    """All pairs of named scores of one metric, with p-values adjusted over all of them."""
    pairs = [(i, j) for i in range(len(scores)) for j in range(i + 1, len(scores))]
    found = [difference(scores[i][1], scores[j][1]) for i, j in pairs]
    return with_adjusted([(scores[i][0], scores[j][0], *each) for (i, j), each in zip(pairs, found)], by=by)


def with_adjusted(
    pairs: Sequence[tuple[str, str, float, tuple[float, float], float]], *, by: Adjustment = "holm"
) -> tuple[Difference, ...]:
    """Pairs as (first, second, difference, interval, p), with p-values adjusted over all of them."""
    p = adjusted(np.array([pair[4] for pair in pairs], dtype=np.float64), by=by)
    return tuple(
        Difference(first=first, second=second, value=value, interval=interval, p=each, adjusted_p=float(after))
        for (first, second, value, interval, each), after in zip(pairs, p)
    )


def groups(order: Sequence[str], pairs: Sequence[Difference], *, level: float = LEVEL) -> tuple[tuple[str, ...], ...]:
    """Groups of systems that cannot be told apart, in the given order, best first; systems may be in several.

    >>> apart = Difference(first="a", second="c", value=2.0, interval=(1.0, 3.0), p=0.001, adjusted_p=0.003)
    >>> groups(["a", "b", "c"], [apart])
    (('a', 'b'), ('b', 'c'))
    """
    place = {name: i for i, name in enumerate(order)}
    matrix = np.zeros((len(place), len(place)), dtype=bool)
    for pair in pairs:
        i, j = place[pair.first], place[pair.second]
        matrix[i, j] = matrix[j, i] = pair.adjusted_p < level
    return tuple(tuple(order[i] for i in group) for group in inseparable(matrix))


def inseparable(apart: Bool[np.ndarray, "k k"]) -> tuple[tuple[int, ...], ...]:
    """The largest sets without two members that are `apart`, by first member: a compact letter display.

    Insert-and-absorb of Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons":
    begin with one set of all; split every set that holds both of a pair that is apart; drop sets within others.
    """
    sets = [frozenset(range(len(apart)))]
    for i, j in zip(*np.nonzero(np.triu(apart))):
        split = [part for s in sets for part in ((s - {i}, s - {j}) if {i, j} <= s else (s,))]
        unique = list(dict.fromkeys(split))
        sets = [s for s in unique if not any(s < other for other in unique)]
    return tuple(sorted(tuple(int(i) for i in sorted(s)) for s in sets if s))
