"""One Report: everything a run found out, turned into one HTML file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from markupsafe import Markup

from genwright.data.dataset import Dataset
from genwright.report import charts
from genwright.report.evidence import Records
from genwright.report.kinds import KINDS, samples
from genwright.report.pages import clock, render
from genwright.report.reading import Reading, Strip, Verdict, read_all, strips, verdict
from genwright.report.sections import sections
from genwright.report.training import watched
from genwright.scores.score import Score

__all__ = ["Entry", "Report", "Walk", "clock"]

_MANY = 1000  # test rows from which on charts show the test part; below, all real rows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One family's line on the leaderboard: how it did on the validation part, or why it could not take part.

    `headline` is the score that decides, `history` its losses, `preview` a few records it drew, `chosen` whether it
    won; `seconds` is the time its training took. `baseline`: no family, but something that learns next to nothing and
    that every family has to beat.
    """

    family: str
    seconds: float
    headline: Score | None = None
    scores: tuple[Score, ...] = ()
    parameters: int | None = None
    density: str = ""
    history: tuple[Mapping[str, Any], ...] = ()
    preview: Dataset | None = None
    chosen: bool = False
    baseline: bool = False
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """All but the records drawn."""
        names = ("family", "chosen", "baseline", "failure", "seconds", "parameters", "density")
        plain = {name: getattr(self, name) for name in names}
        return plain | {
            "headline": None if self.headline is None else self.headline.to_json(),
            "scores": [score.to_json() for score in self.scores],
            "history": list(self.history),
        }


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Records on the way between two latents, and the class they were drawn for."""

    name: str
    records: Dataset


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run found out. `record` is the generator's; `seconds` the wall time of each stage; `rule` says how the
    family was picked; `commands` reproduce the run.
    """

    data: Dataset
    fake: Dataset
    family: str
    recipe: str
    record: Mapping[str, Any]
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()
    leaderboard: tuple[Entry, ...] = ()
    rule: str = ""
    walks: tuple[Walk, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    @cached_property
    def readings(self) -> list[Reading]:
        """Every score judged."""
        return read_all(self.scores)

    @property
    def verdict(self) -> Verdict:
        """The plain-language summary of the scores."""
        return verdict(self.readings, unseen=len(self.data.split.test))

    @property
    def ranked(self) -> list[tuple[Entry, Strip | None]]:
        """The leaderboard, best first and failures last, with places on a common line."""
        placed = [entry for entry in self.leaderboard if entry.headline is not None]
        headlines = [entry.headline for entry in placed if entry.headline is not None]
        lines: list[Strip | None] = [*strips(headlines)] if headlines else []
        failed = [(entry, None) for entry in self.leaderboard if entry.headline is None]
        return [*zip(placed, lines, strict=True), *failed]

    def to_html(self) -> str:
        """The whole report as one page with no external parts."""
        records = Records(real=self.real, unseen=self.data.test, fake=self.fake, train=self.data.train)
        walks = [(walk.name, walk.records) for walk in self.walks]
        return render(
            "page.html",
            report=self,
            kind=KINDS[self.data.kind].template,
            part=samples(records, previews=self._previewed(), walks=walks),
            losses=self._losses(),
            watched=watched(self.record),
            sections=sections(self.readings, records=records),
        )

    @property
    def real(self) -> Dataset:
        """The real rows that charts and samples show: the test part if it is large enough, else all."""
        return self.data.test if len(self.data.split.test) >= _MANY else self.data

    @property
    def size(self) -> str:
        """How much data there is, in words."""
        return KINDS[self.data.kind].amount(self.data)

    @property
    def parting(self) -> str:
        """How the data was divided, in words."""
        if self.data.running:
            return "The parts follow each other: the text is tested on its end."
        alike = f"; the parts have about the same shares of {self.data.label}" if self.data.label else ""
        return f"Equal rows are in the same part{alike}."

    def _previewed(self) -> list[tuple[str, Dataset]]:
        """Families with some of their records, where there are any."""
        return [(entry.family, entry.preview) for entry in self.leaderboard if entry.preview is not None]

    def _losses(self) -> list[tuple[str, Markup]]:
        """Loss curves by name: of the kept model, then of every family on the leaderboard."""
        of_all = [(self.family, self.record.get("history", ()))]
        of_all += [(f"{e.family} (comparison)", e.history) for e in self.leaderboard]
        return [(name, _curve(name, history)) for name, history in of_all if len(history) >= 2]


def _curve(family: str, history: Any) -> Markup:
    """Training and held-out loss of one family."""
    steps = [line["step"] for line in history]
    series = {
        name: (steps, [line[key] for line in history]) for name, key in (("training", "loss"), ("held out", "held_out"))
    }
    return charts.curves(series, title=f"Loss of {family} by step")
