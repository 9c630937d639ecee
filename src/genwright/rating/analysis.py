"""The analysis of a rating study: a pure function of its records, with and without what the rules leave out."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from genwright.errors import DataError
from genwright.rating.agreement import Level, agreement, self_consistency
from genwright.rating.bradley_terry import Comparisons
from genwright.rating.exclusions import Exclusions, chosen, exclusions, kept, repeats
from genwright.rating.export import canonical, checked, digest
from genwright.rating.rankings import Answers, Ranking, origin_ranking, preference_ranking, scale_ranking
from genwright.rating.records import REAL, Kind, Question, Study, Trial
from genwright.scores.score import Score

LEVELS: dict[Kind, Level] = {"pair": "interval", "origin": "nominal", "scale": "ordinal"}  # of measurement, for alpha
Answered = list[tuple[Trial, str]]  # trials of one question with their answers


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a set of ratings says: a ranking and the agreement per question, self-consistency and times per kind.

    `ratings` counts answers to ratings proper, without repeats and attention checks; `seconds` has quartiles.
    """

    ratings: int
    raters: int
    rankings: dict[Question, Ranking]
    agreement: dict[Question, Score]
    consistency: dict[Kind, Score]
    seconds: dict[Kind, dict[str, float]]
    notes: tuple[str, ...]

    @property
    def scores(self) -> tuple[Score, ...]:
        """All scores, in the order of the questions."""
        ranked = (score for ranking in self.rankings.values() for score in ranking.scores)
        return (*ranked, *self.agreement.values(), *self.consistency.values())

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "ratings": self.ratings,
            "raters": self.raters,
            "rankings": {question: ranking.to_json() for question, ranking in self.rankings.items()},
            "agreement": {question: score.to_json() for question, score in self.agreement.items()},
            "self-consistency": {kind: score.to_json() for kind, score in self.consistency.items()},
            "seconds": {kind: dict(times) for kind, times in self.seconds.items()},
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What a study found: `kept` after the exclusions that its protocol fixed, `everything` without any.

    `sha256` names the content of the study that was analysed; `changed` says which rankings the exclusions changed.
    """

    kept: Findings
    everything: Findings
    exclusions: Exclusions
    withdrawn: int
    sha256: str
    seed: int

    @property
    def scores(self) -> tuple[Score, ...]:
        """The scores after exclusions, of group "human"."""
        return self.kept.scores

    @property
    def changed(self) -> tuple[Question, ...]:
        """The questions whose order of systems, or whose groups that cannot be told apart, the exclusions changed."""
        return tuple(
            question
            for question, ranking in self.everything.rankings.items()
            if question not in self.kept.rankings
            or (ranking.order, ranking.groups)
            != (self.kept.rankings[question].order, self.kept.rankings[question].groups)
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "study": {"sha256": self.sha256, "withdrawn": self.withdrawn, "seed": self.seed},
            "exclusions": self.exclusions.to_json(),
            "after exclusions": self.kept.to_json(),
            "without exclusions": self.everything.to_json(),
            "changed by exclusions": list(self.changed),
        }


def analyse(study: Study, *, seed: int = 0) -> Analysis:
    """Leaderboards, agreement, self-consistency, times and exclusions of a study.

    Depends on the records and the seed alone, not on the order of the records: an export analyses bit for bit as the
    study it was made of. Raises DataError if nobody has answered yet.
    """
    study = checked(canonical(study))
    if not study.ratings:
        raise DataError("nobody has rated anything yet", hint="send out the links, then analyse")
    left_out = exclusions(study)
    everything = _findings(study, seed)
    unchanged = not left_out.raters and not left_out.answers
    return Analysis(
        kept=everything if unchanged else _findings(kept(study, left_out), seed),
        everything=everything,
        exclusions=left_out,
        withdrawn=study.withdrawn,
        sha256=digest(study),
        seed=seed,
    )


def _findings(study: Study, seed: int) -> Findings:
    answers = {rating.trial: rating.answer for rating in study.ratings}
    by_question: dict[Question, Answered] = defaultdict(list)
    for trial in study.trials:
        if trial.role == "rating" and trial.id in answers:
            by_question[trial.question].append((trial, answers[trial.id]))
    system = {stimulus.id: stimulus.system for stimulus in study.stimuli}
    rankings: dict[Question, Ranking] = {}
    agreeing: dict[Question, Score] = {}
    notes = []
    for question, answered in by_question.items():
        try:
            rankings[question] = _ranking(question, answered, system, seed)
        except DataError as error:
            notes.append(f"{question}: no ranking, {error.what}")
        try:
            agreeing[question] = _agreement(question, answered, seed)
        except DataError as error:
            notes.append(f"{question}: no agreement, {error.what}")
    return Findings(
        ratings=sum(map(len, by_question.values())),
        raters=len({trial.rater for answered in by_question.values() for trial, _ in answered}),
        rankings=rankings,
        agreement=agreeing,
        consistency=_consistency(study),
        seconds=_seconds(study),
        notes=tuple(notes),
    )


def _ranking(question: Question, answered: Answered, system: dict[str, str], seed: int) -> Ranking:
    rater = _codes([trial.rater for trial, _ in answered])
    if answered[0][0].kind == "pair":
        return preference_ranking(_comparisons(answered, system), seed=seed)
    shown = [system[trial.left] for trial, _ in answered]
    systems = tuple(sorted(set(shown)))
    place = np.array([systems.index(name) for name in shown], dtype=np.int64)
    if answered[0][0].kind == "origin":
        value = np.array([answer == "real" for _, answer in answered], dtype=np.float64)
        return origin_ranking(Answers(systems=systems, system=place, rater=rater, value=value), seed=seed)
    value = np.array([int(answer) for _, answer in answered], dtype=np.float64)
    found = Answers(systems=systems, system=place, rater=rater, value=value)
    return scale_ranking(found, question=question, seed=seed)


def _comparisons(answered: Answered, system: dict[str, str]) -> Comparisons:
    """Pairs of different systems; two stimuli of one system say nothing of strengths."""
    between = [(trial, answer) for trial, answer in answered if system[trial.left] != system[trial.right]]
    if not between:
        raise DataError("no comparison of two different systems")
    systems = tuple(sorted({system[side] for trial, _ in between for side in (trial.left, trial.right)}))
    outcomes = ("left", "right", "tie")

    def column(values: list[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    return Comparisons(
        systems=systems,
        left=column([systems.index(system[trial.left]) for trial, _ in between]),
        right=column([systems.index(system[trial.right]) for trial, _ in between]),
        outcome=column([outcomes.index(answer) for _, answer in between]),
        rater=_codes([trial.rater for trial, _ in between]),
    )


def _agreement(question: Question, answered: Answered, seed: int) -> Score:
    """Alpha over what was judged by several: a stimulus, or a pair of them (0 the one, 1/2 a tie, 1 the other).

    Which of a pair is "the one" goes by their random ids, so that chance agreement is even.
    """
    kind = answered[0][0].kind
    items = [(min(trial.left, trial.right), max(trial.left, trial.right)) for trial, _ in answered]
    rater, item = _codes([trial.rater for trial, _ in answered]), _codes(items)
    values = np.full((int(rater.max()) + 1, int(item.max()) + 1), np.nan)
    for row, column, (trial, answer) in zip(rater, item, answered):
        values[row, column] = _number(trial, answer)
    return agreement(values, level=LEVELS[kind], name=f"agreement: {question}", seed=seed)


def _number(trial: Trial, answer: str) -> float:
    if trial.kind == "scale":
        return float(answer)
    if trial.kind == "origin":
        return float(answer == REAL)
    return {"tie": 0.5, min(trial.left, trial.right): 0.0}.get(chosen(trial, answer), 1.0)


def _consistency(study: Study) -> dict[Kind, Score]:
    same: dict[Kind, list[bool]] = defaultdict(list)
    for trial, agrees in repeats(study):
        same[trial.kind].append(agrees)
    return {kind: self_consistency(np.array(each), name=f"self-consistency: {kind}") for kind, each in same.items()}


def _seconds(study: Study) -> dict[Kind, dict[str, float]]:
    """Quartiles of the time an answer took."""
    kinds = {trial.id: trial.kind for trial in study.trials if trial.role != "attention"}
    times: dict[Kind, list[float]] = defaultdict(list)
    for rating in study.ratings:
        if rating.trial in kinds:
            times[kinds[rating.trial]].append(rating.seconds)
    names = ("lower quartile", "median", "upper quartile")
    return {
        kind: dict(zip(names, np.quantile(times[kind], [0.25, 0.5, 0.75]).tolist())) | {"n": float(len(times[kind]))}
        for kind in LEVELS
        if kind in times
    }


def _codes(values: list[Any]) -> np.ndarray:
    """The place of each value among the sorted distinct ones."""
    place = {value: i for i, value in enumerate(sorted(set(values)))}
    return np.array([place[value] for value in values], dtype=np.int64)
