"""What `evaluate` and `compare` found: scores.html is a page that stands alone, scores.json holds every number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from genwright.data.align import aligned
from genwright.data.dataset import Dataset
from genwright.metrics.comparison import Comparison
from genwright.metrics.evaluate import Evaluation
from genwright.metrics.meanings import meaning_of
from genwright.report.evidence import Records
from genwright.report.kinds import KINDS, samples
from genwright.report.pages import render
from genwright.report.reading import Reading, Strip, read, read_all, strips, verdict
from genwright.report.sections import LEADS, sections
from genwright.scores.multiple import LEVEL, Difference
from genwright.scores.score import Group, Score
from genwright.storage import write_json, write_text


@dataclass(frozen=True)
class Place:
    """One system on the leaderboard: from which others its score cannot be told apart, and what says that it copies;
    rank 0 is that of a baseline.
    """

    rank: int
    name: str
    score: Score
    strip: Strip
    alike: tuple[str, ...]
    copied: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One score of all systems: their readings in the order of the ranking, None where it was not measured."""

    name: str
    question: str
    first: Score
    readings: tuple[Reading | None, ...]


def write_evaluation(
    evaluation: Evaluation, *, fake: Dataset, real: Dataset, out: Path, name: str, train: Dataset | None = None
) -> None:
    """Write scores.json and scores.html to the folder `out`; `name` says what was measured.

    `train`: what the generator was fitted to, for pictures of copying and of utility.
    """
    write_json(out / "scores.json", evaluation.to_json())
    write_text(out / "scores.html", evaluation_page(evaluation, fake=fake, real=real, name=name, train=train))


def write_comparison(comparison: Comparison, *, systems: Mapping[str, Dataset], real: Dataset, out: Path) -> None:
    """Write scores.json and scores.html, with the leaderboard, to the folder `out`."""
    write_json(out / "scores.json", comparison.to_json())
    write_text(out / "scores.html", comparison_page(comparison, systems=systems, real=real))


def evaluation_page(
    evaluation: Evaluation, *, fake: Dataset, real: Dataset, name: str, train: Dataset | None = None
) -> str:
    """Scores by group, each with a picture, and samples beside real records, as one page with no external parts."""
    real = aligned(real, real)  # without identifiers and constants, which are not compared
    seen = None if train is None else aligned(train, real)
    records = Records(real=real, unseen=real, fake=aligned(fake, real), train=seen)
    readings = read_all(evaluation.scores)
    return render(
        "evaluation.html",
        name=name,
        counts=(len(fake), len(real)),
        against=real.name,
        kind=KINDS[real.kind].template,
        part=samples(records),
        readings=readings,
        verdict=verdict(readings, unseen=len(real)),
        sections=sections(readings, records=records),
        notes=evaluation.notes,
    )


def comparison_page(comparison: Comparison, *, systems: Mapping[str, Dataset], real: Dataset) -> str:
    """The leaderboard, what can be told apart, samples of each system and all scores, as one page."""
    systems = {name: systems[name] for name, _ in comparison.ranking}  # without those that were left out
    return render(
        "comparison.html",
        found=comparison,
        places=places(comparison),
        together=[group for group in comparison.together if len(group) > 1],
        level=LEVEL,
        rule=KINDS[real.kind].rule,
        against=real.name,
        counts=(min(map(len, systems.values())), len(real)),
        kind=KINDS[real.kind].template,
        part=_shelves(comparison, systems, real),
        groups=_by_group(comparison),
        readings=[read(score) for found in comparison.evaluations.values() for score in found.scores],
    )


def places(comparison: Comparison) -> list[Place]:
    """The ranking and the baseline, with places on one common line and the systems each cannot be told apart from."""
    ranks = {name: rank for rank, (name, _) in enumerate(comparison.ranking, start=1)}
    return [
        Place(ranks[name], name, score, strip, _alike(name, comparison.pairs), _copied(comparison.evaluations[name]))
        if name in ranks
        else Place(0, name, score, strip, (), ())
        for (name, score), strip in zip(comparison.board, strips([score for _, score in comparison.board]), strict=True)
    ]


def _alike(name: str, pairs: Sequence[Difference]) -> tuple[str, ...]:
    """The systems whose difference from `name` could be chance."""
    own = [pair for pair in pairs if name in (pair.first, pair.second) and pair.adjusted_p >= LEVEL]
    return tuple(pair.second if pair.first == name else pair.first for pair in own)


def _copied(evaluation: Evaluation) -> tuple[str, ...]:
    """The scores of novelty that are weak; a copy of the training data would win by most other scores."""
    novelty = [score for score in evaluation.scores if score.group == "novelty"]
    return tuple(score.name for score in novelty if read(score).grade == "poor")


def _by_group(comparison: Comparison) -> list[tuple[str, str, list[Line]]]:
    """Title, meaning and lines of each group of scores that any system has."""
    systems = [comparison.evaluations[name] for name, _ in comparison.ranking]
    names = list(dict.fromkeys(score.name for found in systems for score in found.scores))
    lines = [_line(name, systems) for name in names]
    groups: list[tuple[Group, list[Line]]] = [
        (group, [line for line in lines if line.first.group == group]) for group in get_args(Group)
    ]
    return [(group.capitalize(), LEADS[group], found) for group, found in groups if found]


def _line(name: str, systems: Sequence[Evaluation]) -> Line:
    readings = tuple(read(found[name]) if name in found else None for found in systems)
    meaning = meaning_of(name)
    first = next(reading.score for reading in readings if reading is not None)
    return Line(name, meaning.question if meaning else "", first, readings)


def _shelves(comparison: Comparison, systems: Mapping[str, Dataset], real: Dataset) -> dict[str, Any]:
    """A few records of the real data and of each system, best first."""
    kind = KINDS[real.kind]
    named = [("real", real), *((name, aligned(systems[name], real)) for name, _ in comparison.ranking)]
    return kind.shelves([(name, data.take(slice(kind.shown))) for name, data in named])
