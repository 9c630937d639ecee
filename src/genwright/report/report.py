"""One Report: everything a run found out, turned into one HTML file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from genwright.data.dataset import Category, Dataset, Identifier, Image, Number, Text, Time
from genwright.data.write import cells
from genwright.metrics.score import Score
from genwright.report import charts, columns, images, passages
from genwright.report.reading import Reading, Strip, Verdict, read_all, shown, strips, verdict

_MISSING = "—"
_PAGE = Path(__file__).parent / "page"
_MANY = 1000  # test rows from which on charts show the test part; below, all real rows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One family's line on the leaderboard: how it did on the validation part, or why it could not take part.

    `headline` is the score that decides, `history` its losses, `preview` a few records it drew, `chosen` whether it
    won; `seconds` is the time its training took.
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
    failure: str = ""

    def to_json(self) -> dict[str, Any]:
        """All but the records drawn."""
        plain = {
            name: getattr(self, name) for name in ("family", "chosen", "failure", "seconds", "parameters", "density")
        }
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
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters |= {"shown": shown, "clock": clock}
        style = Markup((_PAGE / "style.css").read_text(encoding="utf-8"))  # our own file, not the user's
        kind = {Image: "images", Text: "text"}.get(type(self.data.media), "table")
        page = environment.get_template("page.html")
        return page.render(report=self, style=style, kind=kind, part=self._part(), losses=self._losses())

    @property
    def real(self) -> Dataset:
        """The real rows that charts and samples show: the test part if it is large enough, else all."""
        return self.data.test if len(self.data.split.test) >= _MANY else self.data

    @property
    def size(self) -> str:
        """How much data there is, in words."""
        n = f"{len(self.data):,}"
        match self.data.media:
            case Image(shape=(height, width, channels)):
                return f"{n} images of {width} × {height} pixels{', colour' if channels >= 3 else ''}"
            case Image():
                return f"{n} images of different sizes"
            case Text(running=True, name=name):
                return f"running text of {sum(map(len, self.data.columns[name])):,} characters"
            case Text():
                return f"{n} texts"
        kinds = [(Number, "number"), (Category, "category"), (Time, "time"), (Identifier, "identifier")]
        counts = [(sum(isinstance(f, kind) for f in self.data.fields), word) for kind, word in kinds]
        return f"{n} rows with " + ", ".join(_counted(count, word) for count, word in counts if count)

    @property
    def parting(self) -> str:
        """How the data was divided, in words."""
        match self.data.media:
            case Text(running=True):
                return "The parts follow each other: the text is tested on its end."
        alike = f"; the parts have about the same shares of {self.data.label}" if self.data.label else ""
        return f"Equal rows are in the same part{alike}."

    def _part(self) -> dict[str, Any]:
        """What the section for this kind of data shows."""
        match self.data.media:
            case Image():
                return self._images()
            case Text() as text:
                return self._text(text)
        return self._table()

    def _table(self) -> dict[str, Any]:
        names = [f.name for f in self.data.fields if not isinstance(f, Text)][:12]
        fake, train = self.fake.take(slice(6)), self.data.train
        nearest = train.take(columns.nearest_rows(fake, train.take(slice(20_000))))
        rows = [list(zip(*pair, strict=True)) for pair in zip(_cells(fake, names), _cells(nearest, names), strict=True)]
        enough = len(self.data.scalars) >= 2
        maps = columns.maps(self.real, self.fake) if enough else None
        return {"panels": columns.panels(self.real, self.fake), "maps": maps, "names": names, "rows": rows}

    def _images(self) -> dict[str, Any]:
        of = images.image_field(self.data)
        smooth = of.shape is None or max(of.shape[:2]) > 64
        walks = [(walk.name, images.tiles(walk.records, of)) for walk in self.walks]
        previews = [(family, images.tiles(preview.take(slice(10)), of)) for family, preview in self._previewed()]
        return {
            "rows": images.rows(self.real, self.fake),
            "twins": images.twins(self.fake, self.data.train, unseen=self.data.test),
            "walks": walks,
            "previews": previews,
            "smooth": smooth,
        }

    def _text(self, of: Text) -> dict[str, Any]:
        source = passages.corpus(self.data.train, of)
        fakes = passages.marked(self.fake.columns[of.name][:6], source)
        previews = [(family, passages.shortened(p.columns[of.name][:1])) for family, p in self._previewed()]
        return {
            "fakes": fakes,
            "reals": passages.shortened(self.data.test.columns[of.name][:2]),
            "previews": previews,
        }

    def _previewed(self) -> list[tuple[str, Dataset]]:
        """Families with some of their records, where there are any."""
        return [(entry.family, entry.preview) for entry in self.leaderboard if entry.preview is not None]

    def _losses(self) -> list[tuple[str, Markup]]:
        """Loss curves by name: of the kept model, then of every family on the leaderboard."""
        of_all = [(self.family, self.record.get("history", ()))]
        of_all += [(f"{e.family} (comparison)", e.history) for e in self.leaderboard]
        return [(name, _curve(name, history)) for name, history in of_all if len(history) >= 2]


def clock(seconds: float | int) -> str:
    """A duration in words.

    >>> clock(0.4), clock(42.3), clock(200.0)
    ('0.4 s', '42 s', '3 min 20 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _curve(family: str, history: Any) -> Markup:
    """Training and held-out loss of one family."""
    steps = [line["step"] for line in history]
    series = {
        name: (steps, [line[key] for line in history]) for name, key in (("training", "loss"), ("held out", "held_out"))
    }
    return charts.curves(series, title=f"Loss of {family} by step")


def _cells(data: Dataset, names: list[str]) -> list[tuple[str, ...]]:
    """The table as text, row by row, as it would be written to a file; a dash for missing values."""
    columns = [cells(data.field(name), data.columns[name]) for name in names]
    return list(zip(*([_MISSING if text is None else text for text in column] for column in columns), strict=True))


def _counted(count: int, word: str) -> str:
    plural = {"category": "categories"}.get(word, word + "s")
    return f"{count} {word if count == 1 else plural}"
