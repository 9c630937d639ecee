"""Which raters and answers are left out, by rules fixed before the study: the same for all, and all reported."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from genwright.rating.records import Rating, Study, Trial
from genwright.typed import made, typed

Answered = list[tuple[Trial, Rating]]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When a rater's answers are left out. These are the standing rules; a protocol's `exclusions` may set others.

    An answer is too fast below `seconds`; it is left out, and so is a rater with more than `max_fast_share` of them.
    A rater is also left out who fails more than `max_failed_attention` attention checks; who of at least
    `least_choices` choices between two made more than `max_one_side_share` for one side; or who gave less than
    `min_repeat_agreement` of at least `least_repeats` repeated trials the same answer (scales: within one point).
    Honest raters often contradict themselves on systems that are alike, so the standing rule takes the extreme.
    """

    seconds: float = 0.5
    max_fast_share: float = 0.1
    max_failed_attention: int = 1
    max_one_side_share: float = 0.95
    least_choices: int = 12
    min_repeat_agreement: float = 0.2
    least_repeats: int = 10

    @classmethod
    def of(cls, protocol: Mapping[str, Any]) -> "Rules":
        """The rules of a protocol: its `exclusions`, or the standing ones with its `minimum_seconds`; or StorageError.

        >>> Rules.of({"minimum_seconds": 1.0, "exclusions": {"max_failed_attention": 0}}).max_failed_attention
        0
        """
        given = typed(protocol.get("exclusions") or {}, dict, where="the protocol's exclusions")
        seconds = protocol.get("minimum_seconds") or cls.seconds
        return made(cls, {"seconds": seconds} | given, where="the protocol's exclusions")

    def to_json(self) -> dict[str, Any]:
        """The rules as plain values, to stand in a protocol."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Exclusions:
    """Who is left out and why, and which other answers: all of them too fast."""

    rules: Rules
    raters: dict[str, tuple[str, ...]]
    answers: tuple[str, ...]

    def counts(self) -> dict[str, int]:
        """How many raters each rule left out, and how many more answers."""
        counted = Counter(reason for reasons in self.raters.values() for reason in reasons)
        return {**{name: counted[name] for name in RULES}, "answers too fast": len(self.answers)}

    def to_json(self) -> dict[str, Any]:
        """As plain values; raters by their random ids."""
        raters = {rater: list(reasons) for rater, reasons in self.raters.items()}
        return {"rules": self.rules.to_json(), "raters": raters, "answers": list(self.answers), "counts": self.counts()}


def exclusions(study: Study) -> Exclusions:
    """Apply the rules that the study's protocol fixed."""
    rules = Rules.of(study.protocol)
    trials = {trial.id: trial for trial in study.trials}
    answered: dict[str, Answered] = defaultdict(list)
    for rating in study.ratings:
        answered[trials[rating.trial].rater].append((trials[rating.trial], rating))
    raters = {
        rater: reasons
        for rater in sorted(answered)
        if (reasons := tuple(name for name, broken in RULES.items() if broken(answered[rater], rules)))
    }
    fast = (r.trial for r in study.ratings if r.seconds < rules.seconds and trials[r.trial].rater not in raters)
    return Exclusions(rules=rules, raters=raters, answers=tuple(sorted(fast)))


def kept(study: Study, found: Exclusions) -> Study:
    """The study without what the rules leave out."""
    trials = tuple(trial for trial in study.trials if trial.rater not in found.raters)
    left = {trial.id for trial in trials} - set(found.answers)
    return replace(
        study,
        raters=tuple(rater for rater in study.raters if rater.id not in found.raters),
        trials=trials,
        ratings=tuple(rating for rating in study.ratings if rating.trial in left),
    )


def repeats(study: Study) -> list[tuple[Trial, bool]]:
    """Each answered repeat of an answered trial, and whether it got the same answer (scales: within one point)."""
    answers = {rating.trial: rating.answer for rating in study.ratings}
    trials = {trial.id: trial for trial in study.trials}
    return [
        (trial, alike(trials[trial.repeats], answers[trial.repeats], trial, answers[trial.id]))
        for trial in study.trials
        if trial.role == "repeat" and trial.id in answers and trial.repeats in answers
    ]


def alike(first: Trial, answer: str, second: Trial, again: str) -> bool:
    """Whether two answers to the same question say the same, whichever side things stood on."""
    if first.kind == "scale":
        return abs(int(answer) - int(again)) <= 1
    return chosen(first, answer) == chosen(second, again)


def chosen(trial: Trial, answer: str) -> str:
    """The stimulus preferred in a pair, "tie", or the answer itself in other trials."""
    return {"left": trial.left, "right": trial.right}.get(answer, answer) if trial.kind == "pair" else answer


def _failed_attention(answered: Answered, rules: Rules) -> bool:
    failed = sum(trial.role == "attention" and rating.answer != trial.expected for trial, rating in answered)
    return failed > rules.max_failed_attention


def _too_fast(answered: Answered, rules: Rules) -> bool:
    return sum(rating.seconds < rules.seconds for _, rating in answered) > rules.max_fast_share * len(answered)


def _one_side(answered: Answered, rules: Rules) -> bool:
    sides = Counter(
        rating.answer
        for trial, rating in answered
        if trial.kind == "pair" and trial.role != "attention" and rating.answer != "tie"
    )
    most = max(sides.values(), default=0)
    return sides.total() >= rules.least_choices and most > rules.max_one_side_share * sides.total()


def _inconsistent(answered: Answered, rules: Rules) -> bool:
    first = {trial.id: (trial, rating.answer) for trial, rating in answered}
    same = [
        alike(*first[trial.repeats], trial, rating.answer)
        for trial, rating in answered
        if trial.role == "repeat" and trial.repeats in first
    ]
    return len(same) >= rules.least_repeats and sum(same) < rules.min_repeat_agreement * len(same)


RULES: dict[str, Callable[[Answered, Rules], bool]] = {
    "failed attention checks": _failed_attention,
    "too many answers too fast": _too_fast,
    "always one side": _one_side,
    "inconsistent on repeats": _inconsistent,
}
