"""How families of a comparison are ranked, and which of them is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from genwright.errors import TrainingError
from genwright.families.family import Density, Family
from genwright.generator import Generator
from genwright.metrics.score import Score
from genwright.report.report import Entry, clock


@dataclass(frozen=True)
class Contestant:
    """A family in the comparison: its line on the leaderboard, and what it became (None if it failed)."""

    entry: Entry
    family: Family
    generator: Generator | None


def choose(contestants: Sequence[Contestant]) -> Contestant:
    """The best by the headline score.

    Among those that the score cannot tell from the best (each value lies in the other's interval), a family with an
    exact likelihood goes before one with a bound, and that before one with none; then the better value decides.
    """
    order = ranked(contestants)
    best = order[0]
    if best.entry.headline is None:
        reasons = "; ".join(f"{c.entry.family}: {c.entry.failure}" for c in contestants)
        raise TrainingError(f"no family could be trained ({reasons})", hint="look at the data with `genwright inspect`")
    equals = [c for c in order if c.entry.headline is not None and tied(c.entry.headline, best.entry.headline)]
    densities = [Density.EXACT, Density.BOUND, Density.ABSENT]
    return min(equals, key=lambda c: densities.index(c.family.density))  # the first, hence the best, of equals


def ranked(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Best headline score first, failures last."""

    def badness(contestant: Contestant) -> tuple[bool, float]:
        score = contestant.entry.headline
        if score is None:
            return True, 0.0
        return False, {"lower": score.value, "higher": -score.value, "target": _distance(score)}[score.direction]

    return sorted(contestants, key=badness)


def tied(a: Score, b: Score) -> bool:
    """Whether each value lies in the other's interval."""
    return all(x.interval is not None and x.interval[0] <= y.value <= x.interval[1] for x, y in ((a, b), (b, a)))


def better(a: Score, b: Score) -> bool:
    """Whether `a` is a better value than `b` of the same metric."""
    match a.direction:
        case "lower":
            return a.value < b.value
        case "higher":
            return a.value > b.value
    return _distance(a) < _distance(b)


def _distance(score: Score) -> float:
    """How far a score with a target is from it."""
    return abs(score.value - (score.floor or 0.0))


def rule(best: Entry, *, minutes: float, records: int) -> str:
    """How the family was picked, in words: `minutes` for each, `records` drawn by each."""
    assert best.headline is not None
    return (
        f"Each family trained for up to {clock(60 * minutes)} on the training part and drew {records:,} "
        f"records, which were compared with the validation part. The best {best.headline.name} wins. Among families "
        "that it cannot tell apart (each value lies within the other’s 95 % interval), an exact likelihood goes before "
        "a bound and a bound before none; then the better value decides."
    )
