"""`run`: compare the suitable families under an equal budget, keep the best, train it on, measure it, report."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from genwright.card import expression, model_card
from genwright.constraints import Rule, check_rules, rule_to_json
from genwright.data.dataset import Category, Dataset, Image, Text
from genwright.data.split import row_keys
from genwright.data.write import write
from genwright.errors import ArgumentError, GenwrightError, TrainingError
from genwright.families import FAMILIES
from genwright.families.family import Density, Family, HasLatent
from genwright.fitting import fit
from genwright.generator import Generator, load
from genwright.metrics.evaluate import Evaluation, evaluate, headline
from genwright.metrics.score import Score
from genwright.report.report import Entry, Report, Walk, clock
from genwright.spaces import Columns, Reals, Tokens
from genwright.storage import read_json, write_json, write_text
from genwright.train.progress import Listener, Progress, silent

COMPARISON_SHARE = 0.5  # of the training time is shared equally by all families; the winner gets the rest
# Records drawn to be scored: as many as there are real ones, within these bounds. Rows of a table cost next to nothing
# and more of them steady the scores; passages of text are slow to draw.
ROWS_DRAWN, IMAGES_DRAWN, TEXTS_DRAWN = (1000, 20_000), (50, 2000), (16, 32)
# Characters of unseen text that are scored: likelihoods of text cost as much as training on it.
COMPARED_CHARACTERS, TESTED_CHARACTERS = 50_000, 200_000
WALK_STEPS = 9


@dataclass(frozen=True, kw_only=True)
class Run:
    """What `run` leaves behind: the folder, and everything in it as objects."""

    folder: Path
    generator: Generator
    evaluation: Evaluation
    report: Report


@dataclass(frozen=True)
class Contestant:
    """A family in the comparison: its line on the leaderboard, and what it became (None if it failed)."""

    entry: Entry
    family: Family
    generator: Generator | None


@dataclass
class Stopwatch:
    """Wall seconds by stage, in the order that stages began."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time that the body takes to `stage`."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began


def run(
    data: Dataset,
    *,
    out: str | Path,
    minutes: float = 5.0,
    seed: int = 0,
    families: Sequence[Family] | None = None,
    constraints: Sequence[Rule] = (),
    command: str | None = None,
    listener: Listener = silent,
) -> Run:
    """Compare `families` (default: all that suit the data), keep the best, and write the run folder `out`.

    `minutes` is the training time in all: half is shared equally by the families, the rest trains the winner anew on
    a plan made for the longer time. Drawing, scoring and the report come on top. An interrupted run goes on where it
    stopped when called again with the same data and arguments; a folder with another run is an ArgumentError. All
    families keep the `constraints`. `command` is how the report says to repeat the run; by default this call.
    """
    out, watch, candidates = Path(out), Stopwatch(), list(suitable(data) if families is None else families)
    rules = check_rules(data, constraints)
    claim(out, data, minutes=minutes, seed=seed, families=candidates, rules=rules)
    arena = _Arena(data, COMPARISON_SHARE * minutes / len(candidates), seed, out / "comparison", watch, listener, rules)
    contestants = [replace(arena, data=data.without_texts()).contest(family) for family in candidates]
    best = choose(contestants)
    left = max(minutes - sum(c.entry.seconds for c in contestants) / 60, arena.minutes)
    (generator, notes), unseen = arena.train_on(best, left, out), part(data.test, TESTED_CHARACTERS)
    listener(Progress("drawing samples"))
    with watch("drawing samples"):
        fake, walks = generator.sample(drawn(unseen), seed=seed), _walks(generator, data, seed)
    with watch("scoring on the test part"):
        listener(Progress("scoring on the test part"))
        evaluation = evaluate(fake, real=unseen, train=data.train, generator=generator, seed=seed)
    report = Report(
        data=data,
        fake=fake,
        family=generator.family.name,
        recipe=expression(generator.family),
        record=generator.record,
        scores=evaluation.scores,
        notes=(*notes, *evaluation.notes),
        leaderboard=tuple(replace(c.entry, chosen=c is best) for c in ranked(contestants)),
        rule=_rule(data, arena.minutes, best.entry),
        walks=walks,
        seconds=watch.seconds,
        commands=_commands(data, out, command or _call(data, out, minutes, seed)),
    )
    listener(Progress("writing the report"))
    _write(out, generator, evaluation, report)
    listener(Progress("done", 1, 1))
    return Run(folder=out, generator=generator, evaluation=evaluation, report=report)


def suitable(data: Dataset) -> list[Family]:
    """Every family that models this kind of data, with its default settings."""
    media = data.media
    if isinstance(media, Image) and media.shape is not None:
        space = Reals((media.shape[2], *media.shape[:2]), media.levels)
        return [cls() for cls in FAMILIES.values() if Reals in cls.spaces and cls.refusal(space) is None]
    kind = Reals if isinstance(media, Image) else Tokens if isinstance(media, Text) else Columns
    return [cls() for cls in FAMILIES.values() if kind in cls.spaces]


def drawn(real: Dataset) -> int:
    """How many records are drawn to be compared with `real`."""
    low, high = {Image: IMAGES_DRAWN, Text: TEXTS_DRAWN}.get(type(real.media), ROWS_DRAWN)
    return min(max(len(real), low), high)


def part(data: Dataset, characters: int) -> Dataset:
    """The first rows of a text that hold about so many characters, at least 10 rows; any other data whole."""
    if not isinstance(data.media, Text):
        return data
    ends = np.cumsum([len(text) for text in data.columns[data.media.name]])
    return data.take(slice(max(10, int(np.searchsorted(ends, characters)) + 1)))


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
    tied = [c for c in order if c.entry.headline is not None and _tied(c.entry.headline, best.entry.headline)]
    densities = [Density.EXACT, Density.BOUND, Density.ABSENT]
    return min(tied, key=lambda c: densities.index(c.family.density))  # the first, hence the best, of equals


def ranked(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Best headline score first, failures last."""

    def badness(contestant: Contestant) -> tuple[bool, float]:
        score = contestant.entry.headline
        if score is None:
            return True, 0.0
        return False, {"lower": score.value, "higher": -score.value, "target": _distance(score)}[score.direction]

    return sorted(contestants, key=badness)


def claim(
    out: Path, data: Dataset, *, minutes: float, seed: int, families: Sequence[Family], rules: Sequence[Rule] = ()
) -> None:
    """Make `out` the folder of this run, or find that it is already; raise if it holds anything else."""
    if not families:
        raise ArgumentError("no family to compare", where="families", hint=f"for example: {', '.join(FAMILIES)}")
    content = hashlib.sha256(b"".join(map(bytes, row_keys(data.columns)))).hexdigest()
    mine: dict[str, Any] = {
        "data": data.name,
        "content": content,
        "label": data.label,
        "minutes": minutes,
        "seed": seed,
        "families": [expression(family) for family in families],
    } | ({"constraints": [rule_to_json(rule) for rule in rules]} if rules else {})
    path = out / "run.json"
    if path.is_file() and read_json(path) == mine:
        return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ArgumentError(
            "there is already something else here",
            where=str(out),
            hint="give another folder with --out, or --force to replace what is there",
        )
    write_json(path, mine)


@dataclass(frozen=True)
class _Arena:
    """Where families meet: the same data, budget and seed for all."""

    data: Dataset
    minutes: float
    seed: int
    folder: Path
    watch: Stopwatch
    listener: Listener
    rules: tuple[Rule, ...] = ()

    def contest(self, family: Family) -> Contestant:
        """Train a family for its share and score it on the validation part; a failure becomes its reason."""
        began = time.monotonic()
        try:
            generator = self._fitted(family, self.minutes, self.folder / family.name.replace(" ", "-"), "training")
            scores, preview = self._scores(generator)
        # A family that runs out of memory or numbers must not take the others with it.
        except (GenwrightError, ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            seconds = time.monotonic() - began
            return Contestant(Entry(family=family.name, seconds=seconds, failure=reason), family, None)
        entry = Entry(
            family=family.name,
            seconds=generator.record["seconds"],
            headline=headline(scores),
            scores=scores.scores,
            parameters=generator.record["parameters"],
            density=family.density.value,
            history=tuple(generator.record["history"]),
            preview=preview,
        )
        return Contestant(entry, family, generator)

    def train_on(self, best: Contestant, minutes: float, out: Path) -> tuple[Generator, tuple[str, ...]]:
        """The winner trained anew for `minutes`; the shorter training is kept if the validation part says so.

        Free-text columns of a table take no part in the comparison, and are written by the longer training alone.
        """
        assert best.generator is not None and best.entry.headline is not None
        longer = self._fitted(best.family, minutes, out, "training the winner on")
        scores, _ = self._scores(longer)
        before, after = best.entry.headline, headline(scores)
        if _better(before, after) and not _tied(before, after) and not self.data.texts:
            note = f"Training on made the {after.name} on the validation part worse ({before} to {after}), "
            best.generator.save(out)
            (out / "log.jsonl").unlink(missing_ok=True)  # it tells of the model that was given up
            return best.generator, (note + "so the model of the comparison was kept.",)
        return longer, ()

    def _fitted(self, family: Family, minutes: float, folder: Path, stage: str) -> Generator:
        """A family trained in `folder` and saved there; if it is there already, that one."""
        if (folder / "recipe.json").is_file():
            return load(folder)

        def tell(progress: Progress) -> None:
            self.listener(replace(progress, stage=f"{family.name}: {progress.stage}"))

        with self.watch("comparing families" if stage == "training" else stage):
            generator = fit(
                self.data,
                family=family,
                minutes=minutes,
                seed=self.seed,
                constraints=self.rules,
                folder=folder,
                listener=tell,
            )
        generator.save(folder)
        return generator

    def _scores(self, generator: Generator) -> tuple[Evaluation, Dataset]:
        """Scores on the validation part, and the records that were scored."""
        with self.watch("scoring on the validation part"):
            self.listener(Progress(f"{generator.family.name}: scoring on the validation part"))
            valid = part(self.data.valid, COMPARED_CHARACTERS)
            fake = generator.sample(drawn(valid), seed=self.seed)
            return evaluate(fake, real=valid, train=self.data.train, generator=generator, seed=self.seed), fake


def _tied(a: Score, b: Score) -> bool:
    """Whether each value lies in the other's interval."""
    return all(x.interval is not None and x.interval[0] <= y.value <= x.interval[1] for x, y in ((a, b), (b, a)))


def _better(a: Score, b: Score) -> bool:
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


def _walks(generator: Generator, data: Dataset, seed: int) -> tuple[Walk, ...]:
    """Interpolations between latents of images, one per class where there are classes."""
    if not isinstance(data.media, Image) or not isinstance(generator.family, HasLatent):
        return ()
    label = None if data.label is None else data.field(data.label)
    if not isinstance(label, Category):
        records = generator.interpolate(4, steps=WALK_STEPS, seed=seed)
        return tuple(Walk(name="", records=records.take(slice(k, k + WALK_STEPS))) for k in range(0, 36, WALK_STEPS))
    levels = label.levels[:12]
    records = generator.interpolate(len(levels), steps=WALK_STEPS, given={label.name: list(levels)}, seed=seed)
    starts = range(0, len(records), WALK_STEPS)
    return tuple(
        Walk(name=level, records=records.take(slice(s, s + WALK_STEPS)))
        for level, s in zip(levels, starts, strict=True)
    )


def _rule(data: Dataset, minutes: float, best: Entry) -> str:
    """How the family was picked, in words."""
    assert best.headline is not None
    return (
        f"Each family trained for up to {clock(60 * minutes)} on the training part and drew {drawn(data.valid):,} "
        f"records, which were compared with the validation part. The best {best.headline.name} wins. Among families "
        "that it cannot tell apart (each value lies within the other’s 95 % interval), an exact likelihood goes before "
        "a bound and a bound before none; then the better value decides."
    )


def _call(data: Dataset, out: Path, minutes: float, seed: int) -> str:
    """The call of `run` that this was."""
    return f'gw.run(gw.read("{data.name}"), out="{out}", minutes={minutes:g}, seed={seed})'


def _commands(data: Dataset, out: Path, command: str) -> tuple[str, ...]:
    """What to type to get this run again, and to use it."""
    suffix = {Image: "", Text: ".jsonl"}.get(type(data.media), ".csv")
    return (command, f"genwright sample {out} -n 1000 --seed 1 --out more{suffix}")


def _write(out: Path, generator: Generator, evaluation: Evaluation, report: Report) -> None:
    """Everything of the run folder that is not the model itself."""
    suffix = {Image: "", Text: ".jsonl"}.get(type(report.data.media), ".csv")
    write(report.fake, out / f"samples{suffix}")
    write_json(out / "scores.json", evaluation.to_json())
    write_json(out / "leaderboard.json", [entry.to_json() for entry in report.leaderboard])
    if not (out / "log.jsonl").is_file():  # families with their own algorithm keep no log while they fit
        write_text(out / "log.jsonl", "".join(json.dumps(line) + "\n" for line in generator.record["history"]))
    write_text(out / "README.md", model_card(generator, scores=evaluation.scores, notes=report.notes))
    write_text(out / "report.html", report.to_html())
