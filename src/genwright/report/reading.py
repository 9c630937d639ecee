"""Scores put into plain words: what each one measures, and how far it is from what real data would score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from genwright.metrics.score import Group, Score
from genwright.report.meanings import Grade, Meaning, meaning_of

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
        return f"{value}, where the floor is {floor}: {self.remark[0].lower()}{self.remark[1:]}"


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
_DISTANCES: dict[Grade, str] = {"good": "Close to", "fair": "Some way from", "poor": "Far from"}


def read(score: Score) -> Reading:
    """`score` judged against its floor."""
    meaning = meaning_of(score.name) or Meaning("", 0.25 * abs(score.floor or 0.0), abs(score.floor or 0.0))
    judged = replace(score, direction=meaning.graded or score.direction)
    grade = _grade(judged, meaning)
    return Reading(score, grade, meaning.question, _remark(judged, grade), strips([score])[0])


def read_all(scores: Sequence[Score]) -> list[Reading]:
    """All scores judged, in the order given."""
    return [read(score) for score in scores]


def verdict(readings: Sequence[Reading], *, unseen: int) -> Verdict:
    """The summary and the findings, the weakest first; `unseen` is the number of real records compared with."""
    judged = [reading for reading in readings if reading.grade != "fact"]
    by_grade = {grade: [r for r in judged if r.grade == grade] for grade in ("poor", "fair", "good")}
    poor, fair = (", ".join(r.score.name for r in by_grade[grade]) for grade in ("poor", "fair"))
    if not judged:
        summary = "Nothing could be compared with a floor; read the scores as they are."
    elif poor:
        summary = f"Use with care: weak in {poor}."
        if by_grade["good"]:
            summary += f" {len(by_grade['good'])} of {len(judged)} scores are as good as, or close to, real data."
    elif fair:
        summary = f"Good overall, with a measurable distance from real data in {fair}."
    else:
        summary = "On every score measured here the generated data is as good as, or close to, real data."
    if unseen < FEW:
        summary += f" Only {unseen} real records were there to compare with, so smaller differences cannot be seen."
    findings = [*by_grade["poor"], *by_grade["fair"], *by_grade["good"]]
    return Verdict(summary, tuple(findings))


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


def _gap(score: Score) -> float:
    """How much worse than the floor, in the metric's unit; negative when better."""
    assert score.floor is not None
    match score.direction:
        case "lower":
            return score.value - score.floor
        case "higher":
            return score.floor - score.value
        case "target":
            return abs(score.value - score.floor)


def _reaches_floor(score: Score) -> bool:
    """Whether real data would score within this score's interval, or worse."""
    assert score.floor is not None
    if score.interval is None:
        return _gap(score) <= 0
    low, high = score.interval
    return {"lower": low <= score.floor, "higher": high >= score.floor, "target": low <= score.floor <= high}[
        score.direction
    ]


def _grade(score: Score, meaning: Meaning) -> Grade:
    """Good where real data would score no better; else by the distance to the floor."""
    if score.floor is None:
        return "fact"
    if _reaches_floor(score) or _gap(score) <= meaning.near:
        return meaning.best
    return "fair" if _gap(score) <= meaning.far else "poor"


def _remark(score: Score, grade: Grade) -> str:
    """What follows from the value and the floor."""
    if score.floor is None:
        return ""
    if grade == "fact":
        return "Reported, not graded: no proof of privacy." if score.group == "novelty" else "Reported, not graded."
    if _reaches_floor(score):
        return _AT_THE_FLOOR[score.group]
    return f"{_DISTANCES[grade]} what two sets of real records score."


def _marks(score: Score) -> list[float]:
    """Everything of a score that lies on its line."""
    return [score.value, *(score.interval or ()), *([] if score.floor is None else [score.floor])]
