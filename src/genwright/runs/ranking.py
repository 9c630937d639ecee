"""How families of a comparison are ranked, and which of them is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from genwright.errors import TrainingError
from genwright.families.family import Density, Family
from genwright.metrics.baselines import SATURATED, unusable
from genwright.metrics.two_sample import CROSS_ENTROPY
from genwright.model.generator import Generator
from genwright.report.report import Entry, clock
from genwright.scores.multiple import LEVEL, differences
from genwright.scores.score import Score


@dataclass(frozen=True)
class Contestant:
    """A family in the comparison: its line on the leaderboard, and what it became (None if it failed, or was fitted to
    several parts of the data). `pace`: seconds that it takes to draw a record.
    """

    entry: Entry
    family: Family
    generator: Generator | None
    pace: float = 0.0


def settled(entries: Sequence[Entry]) -> list[Entry]:
    """Entries with the score that decides as their headline: C2ST, or the judge's cross-entropy.

    Where the judge tells the records of all families nearly always from real ones, C2ST no longer says who is better;
    the cross-entropy does.
    """
    families = [entry.headline for entry in entries if entry.headline is not None and not entry.baseline]
    if not families or any(score.name != "C2ST" or score.value >= SATURATED for score in families):
        return list(entries)
    return [replace(entry, headline=_named(CROSS_ENTROPY, entry) or entry.headline) for entry in entries]


def choose(contestants: Sequence[Contestant]) -> Contestant:
    """The best by the headline score.

    Among those that the score cannot tell from the best, by the rule of `compare`, a family with an exact likelihood
    goes before one with a bound, and that before one with none; then the better value decides. A family that a
    baseline equals is kept only where there is no other.
    """
    order = ranked(contestants)
    best = order[0]
    if best.entry.headline is None:
        reasons = "; ".join(f"{c.entry.family}: {c.entry.failure}" for c in contestants)
        hint = "give more minutes, or look at the data with `genwright inspect`"
        raise TrainingError(f"no family could be trained ({reasons})", hint=hint)
    apart = told_apart([c.entry.headline for c in order if c.entry.headline is not None])
    equals = [
        c
        for place, c in enumerate(order)
        if c.entry.headline is not None
        and place not in apart
        and bool(unusable(c.entry.scores)) == bool(unusable(best.entry.scores))
    ]
    rank = {density.value: place for place, density in enumerate(Density)}
    return min(equals, key=lambda c: rank.get(c.entry.density, len(rank)))  # the first, hence the best, of equals


def ranked(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Best headline score first, then those that a baseline equals, failures last."""
    return sorted(contestants, key=lambda contestant: _badness(contestant.entry))


def leaderboard(contestants: Sequence[Contestant], best: Contestant, baselines: Sequence[Entry]) -> tuple[Entry, ...]:
    """All families, and among them the baselines, best first."""
    entries = [replace(c.entry, chosen=c is best) for c in contestants]
    return tuple(sorted([*entries, *baselines], key=_badness))


def _badness(entry: Entry) -> tuple[bool, bool, float]:
    """What to sort by, smallest first."""
    score = entry.headline
    if score is None:
        return True, True, 0.0
    value = {"lower": score.value, "higher": -score.value, "target": _distance(score)}[score.direction]
    return False, bool(unusable(entry.scores)) and not entry.baseline, value


def _named(name: str, entry: Entry) -> Score | None:
    return next((score for score in entry.scores if score.name == name), None)


def told_apart(scores: Sequence[Score]) -> set[int]:
    """Places of the scores that differ from the first: paired differences on shared real records, corrected for many
    comparisons; where a score has no replicates, those whose intervals do not hold each other's values.
    """
    named = [(str(place), score) for place, score in enumerate(scores)]
    if all(score.replicates is not None for _, score in named) and len({score.name for _, score in named}) == 1:
        pairs = differences(named)
        return {int(pair.second) for pair in pairs if pair.first == "0" and pair.adjusted_p < LEVEL}
    first = named[0][1]
    return {int(place) for place, score in named[1:] if not (_holds(first, score) and _holds(score, first))}


def _holds(one: Score, other: Score) -> bool:
    """Whether a score's interval holds the value of the other."""
    return one.interval is not None and one.interval[0] <= other.value <= one.interval[1]


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


def rule(contestants: Sequence[Contestant], best: Contestant, *, seconds: float, records: int, fits: int = 1) -> str:
    """How the family was picked, in words: `seconds` for each, `records` drawn by each, from so many `fits`."""
    assert best.entry.headline is not None
    took = sorted(c.entry.seconds for c in contestants if not c.entry.failure)
    within = f"to train, and took {clock(took[0])} to {clock(took[-1])}" if took[-1] > 1.1 * seconds else "to train"
    against = "the validation part"
    if fits > 1:
        against = f"all real ones; each was drawn by one of {fits} fits that had not seen the part it stands for"
    name = best.entry.headline.name
    why = " (the judge tells the records of all families nearly always from real ones)" if name == CROSS_ENTROPY else ""
    return (
        f"Each family had {clock(seconds)} {within}. It drew {records:,} records, which were compared with {against}. "
        f"The best {name} wins{why}. Among families that it cannot tell from the best (paired differences on the same "
        "real records, corrected for many comparisons), an exact likelihood goes before a bound and a bound before "
        "none; then the better value decides. "
        "Baselines learn next to nothing: a family that is no better than they are is of no use."
    )
