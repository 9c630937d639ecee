"""Scores put into plain words: what each one measures, and how far it is from what real data would score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from genwright.metrics.baselines import unusable
from genwright.metrics.meanings import Grade, Meaning, meaning_of
from genwright.scores.intervals import Z95
from genwright.scores.score import Group, Score

ALARMED = 2.5758  # standard errors that hold in 99 of 100 cases
FEW = 100  # real records below which a good score says little
WORDS: dict[Grade, str] = {"good": "Good", "fair": "Fair", "poor": "Weak", "fact": "Note"}


@dataclass(frozen=True)
class Strip:
    """Where value, interval and floor lie on a line from 0 to 100."""

    value: float
    low: float
    width: float
    floor: float | None


@dataclass(frozen=True)
class Reading:
    """A score with its grade, what it measures, what follows from value and floor, and its place on a line."""

    score: Score
    grade: Grade
    question: str
    remark: str
    strip: Strip

    @property
    def word(self) -> str:
        """The grade as a word."""
        return WORDS[self.grade]

    @property
    def sentence(self) -> str:
        """One sentence: the value, the floor and what follows."""
        value = shown(self.score.value, self.score.unit)
        if self.score.floor is None:
            return f"{value}."
        floor = shown(self.score.floor, self.score.unit)
        return f"{value}, where real data scores {floor}: {self.remark[0].lower()}{self.remark[1:]}"


@dataclass(frozen=True)
class Verdict:
    """What the scores say together: a summary, and the readings behind it, the weakest first."""

    summary: str
    findings: tuple[Reading, ...]


_AT_THE_FLOOR: dict[Group, str] = {
    "fidelity": "No difference from real data can be measured.",
    "diversity": "Nothing is found missing.",
    "novelty": "No sign of copying is found, which is no proof of privacy.",
    "utility": "Nothing is lost that can be measured.",
    "likelihood": "No model can be expected to do better.",
    "human": "Raters are not found to see a difference.",
}
_DRIFTED = "Real data of one part is told from that of another as well."
_CAPPED = "No difference here, but a classifier sees one."
PLAIN = {"bits per byte": "an n-gram model"}  # baselines that have a name of their own
JUDGE = "C2ST"  # what a classifier can tell apart is not good, whatever other scores say
DRIFTED = 0.8  # and below: of real data told from other real data, as one season from another (AUC .6)
_JUDGED: tuple[Group, ...] = ("fidelity", "diversity", "utility")


def read(score: Score, *, judge: Grade = "good") -> Reading:
    """`score` judged against what real data and a baseline score; `judge` is the grade of the classifier's."""
    meaning = meaning_of(score.name) or Meaning("")
    judged = replace(score, direction=meaning.graded or score.direction)
    place, allowed = _place(judged, meaning), judge if score.group in _JUDGED else "good"
    grade = "fact" if meaning.reported else _grade(place, meaning, "fair" if _drifted(score) else allowed)
    return Reading(score, grade, meaning.question, _remark(judged, place, grade, meaning), strips([score])[0])


def read_all(scores: Sequence[Score]) -> list[Reading]:
    """All scores judged, in the order given, none better than the classifier allows that tells real from generated."""
    judges: list[Grade] = [read(score).grade for score in scores if score.name == JUDGE]
    judge = judges[0] if judges else "good"
    return [read(score, judge=judge) for score in scores]


def verdict(readings: Sequence[Reading], *, unseen: int) -> Verdict:
    """The summary and the findings, the weakest first; `unseen` is the number of real records compared with."""
    judged = [reading for reading in readings if reading.grade != "fact"]
    by_grade = {grade: [r for r in judged if r.grade == grade] for grade in ("poor", "fair", "good")}
    findings = [*by_grade["poor"], *by_grade["fair"], *by_grade["good"]]
    sentences = [_headline(readings), _rest(by_grade)] if judged else ["Nothing could be compared with real data."]
    if unseen < FEW:
        sentences.append(f"Only {unseen} real records were there to compare with: smaller differences cannot be seen.")
    elif looked := [r.score.n for r in readings if r.score.name == JUDGE and r.score.n < FEW]:
        sentences.append(f"The classifier had time for {looked[0]} real records only: it may miss smaller differences.")
    return Verdict(" ".join(filter(None, sentences)), tuple(findings))


def _headline(readings: Sequence[Reading]) -> str:
    """What decides: a model that its baseline equals is of no use; else how far a classifier sees a difference."""
    beaten = unusable([reading.score for reading in readings])
    if beaten:
        reasons = " and ".join(
            f"{score.name} ({shown(score.value, score.unit)}, {PLAIN.get(score.name, 'the baseline')} "
            f"{shown(score.baseline or 0.0, score.unit)})"
            for score in beaten
        )
        return f"Unusable: no better than a baseline that learns next to nothing, by {reasons}."
    judge = next((reading for reading in readings if reading.score.name == JUDGE), None)
    if judge is None:
        return ""
    if judge.grade == "fair" and _drifted(judge.score):
        real = _rightly(replace(judge.score, value=judge.score.floor or 0.0))
        return (
            f"Told from real data in {_rightly(judge.score)} by a classifier that looks for the difference, but real "
            f"data of one part from that of another too, in {real}: these parts cannot show how good the samples are."
        )
    told = f"a classifier that looks for the difference is right in {_rightly(judge.score)} (50 % is guessing)"
    return {
        "good": "Not to be told from real data by a classifier that looks for the difference.",
        "fair": f"Usable, with a measurable distance from real data: {told}.",
    }.get(judge.grade, f"Far from real data: {told}.")


def _drifted(judge: Score) -> bool:
    """Whether even real records of one part are told from those of another, so that the floor says little."""
    if judge.name != JUDGE or judge.floor is None:
        return False
    return judge.floor + Z95 * (judge.floor_error or 0.0) < DRIFTED


def _rightly(judge: Score) -> str:
    """AUC: in how many pairs of a real and a generated record the classifier sees which is which."""
    share = 100 * (1 - judge.value / 2)
    return f"{share:.0f} % of pairs" if share < 99.5 else "all pairs" if share >= 99.95 else "nearly all pairs"


def _rest(by_grade: Mapping[str, Sequence[Reading]]) -> str:
    """What the other scores add."""
    seen = {grade: [r.score.name for r in each if r.remark != _CAPPED] for grade, each in by_grade.items()}
    poor, fair = (", ".join(name for name in seen[grade] if name != JUDGE) for grade in ("poor", "fair"))
    if poor:
        return f"Weak in {poor}."
    if fair:
        return f"A difference can be measured in {fair}."
    return "No other score finds a difference." if by_grade["good"] else ""


def strips(scores: Sequence[Score]) -> list[Strip]:
    """The places of several scores of one metric on one common line.

    The line starts at 0 unless that would leave no room for the differences, and shares run to 1.
    """
    marks = [mark for score in scores for mark in _marks(score)]
    start, end = min(marks), max(marks)
    start = min(0.0, start) if start < 0.7 * end else start
    if start >= 0.0 and end <= 1.0 and scores[0].direction == "higher" and not scores[0].unit:
        end = 1.0
    span = (end - start) * 1.08 or 1.0
    left = start - 0.04 * span

    def at(mark: float) -> float:
        return round(100 * (mark - left) / span, 2)

    def place(score: Score) -> Strip:
        low, high = score.interval or (score.value, score.value)
        floor = None if score.floor is None else at(score.floor)
        return Strip(at(score.value), at(low), round(at(high) - at(low), 2), floor)

    return [place(score) for score in scores]


def shown(value: float | int, unit: str = "") -> str:
    """A number with as many digits as mean something, and its unit.

    >>> shown(0.98765), shown(1234.5), shown(0.00012), shown(2.5, " %")
    ('0.988', '1,234', '0.00012', '2.5 %')
    """
    size = abs(value)
    if size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:.0f}"
    elif size >= 0.001 or size == 0:
        text = f"{value:.3g}"
    else:
        text = f"{value:.2g}"
    return text + unit


_Place = Literal["unknown", "at the floor", "apart", "near", "far", "beyond"]


def _gap(score: Score, mark: float) -> float:
    """How much worse `mark` is than the floor, in the metric's unit; negative when better."""
    assert score.floor is not None
    match score.direction:
        case "lower":
            return mark - score.floor
        case "higher":
            return score.floor - mark
        case "target":
            return abs(mark - score.floor)


def _place(score: Score, meaning: Meaning) -> _Place:
    """Where a score stands between the floor and the baseline (or the worst end of its scale).

    At the floor: worse by no more than both may vary by chance, 1.96 standard errors (2.58, for one alarm in a hundred,
    where copies are looked for). Near: nearer to the floor than to the baseline; far: the other way round; apart:
    measurably worse than the floor, and no baseline is there to say how much.
    """
    if score.floor is None:
        return "beyond" if unusable([score]) else "unknown"
    sureness = ALARMED if score.group == "novelty" else Z95
    gap = _gap(score, score.value)
    if gap <= sureness * _spread(score):
        return "at the floor"
    for anchor in (score.baseline, meaning.worst):
        if anchor is not None and _gap(score, anchor) > sureness * _spread(score):
            share = gap / _gap(score, anchor)
            return "near" if share < 0.5 else "far" if share < 1 else "beyond"
    return "apart"


def _spread(score: Score) -> float:
    """Standard error of the difference between a score and its floor."""
    assert score.floor is not None
    low, high = score.interval or (score.value, score.value)
    own = (high - score.value if score.floor > score.value else score.value - low) / Z95
    return float(np.hypot(own, own if score.floor_error is None else score.floor_error))


def _grade(place: _Place, meaning: Meaning, judge: Grade) -> Grade:
    """Good where real data would score no better, if the judge sees no difference either."""
    match place:
        case "unknown":
            return "fact"
        case "at the floor":
            return "fair" if meaning.best == "good" and judge in ("fair", "poor") else meaning.best
        case "near":
            return "poor" if meaning.alarm else "fair"
        case "apart":
            return "poor" if meaning.alarm or judge == "poor" else "fair"
    return "poor"


def _remark(score: Score, place: _Place, grade: Grade, meaning: Meaning) -> str:
    """What follows from where the score stands."""
    if place == "at the floor" and grade != "fact":
        if _drifted(score):
            return _DRIFTED
        capped = grade == "fair" and meaning.best == "good"
        return _CAPPED if capped else _AT_THE_FLOOR[score.group]
    if grade == "fact":
        novelty = score.group == "novelty" and score.floor is not None
        return ("Reported, not graded" + ": no proof of privacy" * novelty + ".") if score.floor is not None else ""
    if meaning.alarm:
        return "More than real records that were not trained on: part of them may be copied."
    if score.baseline is None or score.floor is None:
        known = {"far": "Far from what real data scores.", "beyond": "No better than a model that learns nothing."}
        return known.get(place, "A difference from real data can be measured.")
    baseline = shown(score.baseline, score.unit)
    return {
        "near": f"Nearer to real data than to a model that learns next to nothing ({baseline}).",
        "far": f"Nearer to a model that learns next to nothing ({baseline}) than to real data.",
    }.get(place, f"No better than a model that learns next to nothing ({baseline}).")


def _marks(score: Score) -> list[float]:
    """Everything of a score that lies on its line."""
    return [score.value, *(score.interval or ()), *([] if score.floor is None else [score.floor])]
