"""compare: rank generators, or folders of what they made, by how they stand against the same real records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genwright.data.dataset import Dataset
from genwright.data.split import row_keys
from genwright.errors import ArgumentError, DataError
from genwright.extractors.embedding import TextEncoder
from genwright.extractors.feature_cache import FeatureCache
from genwright.extractors.features import Extractor
from genwright.extractors.networks import Network
from genwright.metrics.amounts import equal_amounts, fewest_bytes
from genwright.metrics.baselines import unusable
from genwright.metrics.evaluate import HEADLINES, Evaluation, evaluate
from genwright.metrics.kind import MIN_ROWS
from genwright.metrics.kinds import baselines
from genwright.scores.multiple import LEVEL, Difference, differences, groups
from genwright.scores.score import Score


@dataclass(frozen=True)
class Comparison:
    """Systems ranked by the headline score, best first.

    `pairs` are all differences of that score, p-values adjusted by Holm's method over all of them; `together` the
    largest groups of systems that cannot be told apart at 5 %. `rule` says which score decides, and why. `baseline`:
    what a generator that learns next to nothing scores, with its name, where the score has one.
    """

    ranking: tuple[tuple[str, Score], ...]
    pairs: tuple[Difference, ...]
    together: tuple[tuple[str, ...], ...]
    evaluations: Mapping[str, Evaluation]
    rule: str
    notes: tuple[str, ...] = ()
    baseline: tuple[str, Score] | None = None

    @property
    def unusable(self) -> tuple[str, ...]:
        """Systems that are no better than a baseline."""
        return tuple(name for name, _ in self.ranking if unusable(self.evaluations[name].scores))

    @property
    def board(self) -> tuple[tuple[str, Score], ...]:
        """Systems and, among them, the baseline, best first."""
        lines = [*self.ranking, *([] if self.baseline is None else [self.baseline])]
        return tuple(sorted(lines, key=lambda line: _badness(line[1])))

    @property
    def best(self) -> tuple[str, ...]:
        """The best system and those that cannot be told apart from it."""
        first = self.ranking[0][0]
        unlike = {
            p.second if p.first == first else p.first for p in self.pairs if first in (p.first, p.second) and _told(p)
        }
        return tuple(name for name, _ in self.ranking if name not in unlike)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "rule": self.rule,
            "ranking": [{"system": name, **score.to_json()} for name, score in self.ranking],
            "baseline": None if self.baseline is None else {"name": self.baseline[0], "value": self.baseline[1].value},
            "unusable": list(self.unusable),
            "best": list(self.best),
            "cannot_tell_apart": [list(group) for group in self.together if len(group) > 1],
            "pairs": [
                {
                    "first": p.first,
                    "second": p.second,
                    "difference": p.value,
                    "interval": list(p.interval),
                    "p": p.p,
                    "adjusted_p": p.adjusted_p,
                }
                for p in self.pairs
            ],
            "scores": {name: found.to_json()["scores"] for name, found in self.evaluations.items()},
            "notes": list(self.notes),
        }


def compare(
    systems: Mapping[str, Dataset],
    *,
    real: Dataset,
    train: Dataset | None = None,
    extractor: Extractor | Network | None = None,
    cache: FeatureCache | None = None,
    encoder: TextEncoder | None = None,
    by: str | None = None,
    seed: int = 0,
) -> Comparison:
    """Rank at least two sets of generated records by one score against the same real ones.

    As many records of each are used (as many bytes of running text, and of shorter and longer records for scores of
    their statistics), for most scores depend on the number. `by` names
    the score that decides; by default C2ST, or the first of HEADLINES that at least two systems have. A system that
    cannot be compared is left out, with a note that says why. Two systems are told apart where the difference of
    their scores, in which the real records that both share cancel, differs from zero at 5 % after Holm's correction
    over all pairs.

    >>> import genwright as gw
    >>> wine = gw.read("wine")
    >>> found = gw.compare({"half": wine.train, "rest": wine.valid}, real=wine.test, by="shape error")
    >>> len(found.ranking), found.rule
    (2, 'shape error, lower is better')
    """
    if len(systems) < 2:
        raise ArgumentError(f"{len(systems)} systems", where="systems", hint="give two or more to compare")
    _check_different(systems)
    usable, failed = equal_amounts(systems, real=real, seed=seed)
    if len(usable) < 2:
        raise _too_few(failed)
    most = fewest_bytes(usable, real=real)
    found: dict[str, Evaluation] = {}
    floors: dict[tuple[str, ...], dict[str, Sequence[Score]]] = {}  # the same for all systems that have the same fields
    about: dict[str, Any] = {"extractor": extractor, "cache": cache, "encoder": encoder, "seed": seed}
    for name, data in usable.items():
        known = None if most is not None else floors.setdefault(tuple(sorted(data.columns)), {})
        try:
            found[name] = evaluate(data, real=real, train=train, floors=known, most_bytes=most, **about)
        except DataError as error:
            failed[name] = error.what
    result, names = ranked(found, by=by, unusable=failed), list(baselines(real))
    first = result.ranking[0][1]
    if first.baseline is None or not names:
        return result
    plain = replace(first, value=first.baseline, interval=None, baseline=None, replicates=None, note="")
    return replace(result, baseline=(names[0], plain))


def ranked(
    evaluations: Mapping[str, Evaluation], *, by: str | None = None, unusable: Mapping[str, str] | None = None
) -> Comparison:
    """Systems ranked by evaluations that share their real records, seed and number of records.

    `unusable`: systems that could not be evaluated, and why. Raises DataError if fewer than two are left.
    """
    unusable = dict(unusable or {})
    name = by or _common_headline(evaluations, unusable)
    comparable = {system: found for system, found in evaluations.items() if _comparable(found, name)}
    unusable |= {system: f"{name} not measured" for system in evaluations if system not in comparable}
    if len(comparable) < 2:
        for found in evaluations.values():
            found[name]  # a score that is nowhere is a mistake of its own
        raise _too_few(unusable)
    scores = [(system, found[name]) for system, found in comparable.items()]
    order = sorted(scores, key=lambda pair: (_badness(pair[1]), pair[0]))  # equals: by name
    pairs = differences(order)
    direction = {"lower": "lower is better", "higher": "higher is better", "target": "nearest to real data is better"}
    notes = [f"{system} is left out: {why}" for system, why in unusable.items()]
    notes += [note for found in evaluations.values() for note in found.notes]
    return Comparison(
        ranking=tuple(order),
        pairs=pairs,
        together=groups([system for system, _ in order], pairs),
        evaluations=dict(evaluations),
        rule=f"{name}, {direction[order[0][1].direction]}",
        notes=tuple(dict.fromkeys(notes)),
    )


def _check_different(systems: Mapping[str, Dataset]) -> None:
    """ArgumentError if two systems hold the same records in the same order: one of them was given by mistake."""
    seen: dict[bytes, str] = {}
    for name, data in systems.items():
        content = b"".join(row_keys(data.columns).tolist())
        if content in seen:
            raise ArgumentError(
                f"{seen[content]} and {name} hold the same records", where="systems", hint="give different samples"
            )
        seen[content] = name


def _told(pair: Difference) -> bool:
    return pair.adjusted_p < LEVEL


def _common_headline(evaluations: Mapping[str, Evaluation], unusable: Mapping[str, str]) -> str:
    """The first headline score that at least two systems have with replicates."""
    for name in HEADLINES:
        if sum(_comparable(found, name) for found in evaluations.values()) > 1:
            return name
    notes = {
        system: "; ".join(found.notes) or "nothing measured"
        for system, found in evaluations.items()
        if not any(_comparable(found, name) for name in HEADLINES)
    }
    raise _too_few(notes | dict(unusable))


def _comparable(found: Evaluation, name: str) -> bool:
    return name in found and found[name].replicates is not None


def _too_few(unusable: Mapping[str, str]) -> DataError:
    what = "; ".join(f"{system}: {why}" for system, why in unusable.items())
    return DataError(
        f"fewer than two systems can be compared ({what})", hint=f"give more records: at least {MIN_ROWS} of each"
    )


def _badness(score: Score) -> float:
    """What to sort by, smallest first."""
    match score.direction:
        case "lower":
            return score.value
        case "higher":
            return -score.value
        case "target":
            return abs(score.value - (score.floor or 0.0))
