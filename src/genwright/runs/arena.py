"""Where families meet: each trained for its share, then judged on as many records that it has not seen."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genwright.constraints import Rule
from genwright.data.dataset import Dataset
from genwright.errors import GenwrightError, ResourceError, TrainingError
from genwright.families.family import Family
from genwright.folders import InUseError, OtherWorkError
from genwright.metrics.evaluate import HEADLINES, Evaluation, evaluate, headline
from genwright.metrics.kinds import KINDS, baselines
from genwright.model.fit import fit
from genwright.model.generator import Generator
from genwright.model.saving import holds_generator, load
from genwright.report.pages import clock
from genwright.report.report import Entry
from genwright.runs.budget import JUDGED_BY, Budget, Stopwatch
from genwright.runs.parts import (
    COMPARED_CHARACTERS,
    FOLDS,
    TESTED_CHARACTERS,
    drawn,
    folds,
    joined,
    judged,
    part,
    some,
    thinned,
)
from genwright.runs.ranking import Contestant, better, told_apart
from genwright.scores.score import Score
from genwright.train.progress import Listener, Progress
from genwright.train.record import TOLD, checked, circumstances

DECIDING = ("C2ST", "C2ST cross-entropy", "bits per byte")  # the judge, and likelihood where there is one
MIN_STEPS = 10  # in which anything is learned
EVERY_SCORE = 12  # times as long as the judge alone take all scores, about
SCORED_BY = 0.8  # of the time that is left then, the winner is scored
PROBE = 8  # records drawn to see how long one takes


@dataclass(frozen=True)
class Trial:
    """Generated and real records that all scores are of, what was fitted to and by what, and what to say of it."""

    fake: Dataset
    real: Dataset
    train: Dataset | None
    generator: Generator | None
    notes: tuple[str, ...] = ()


@dataclass
class Arena:
    """Where families meet: the same data, time, seed and number of records for all.

    `floors` are the scores of real records against real ones, which are the same for all families that are judged on
    equally many.
    """

    data: Dataset
    budget: Budget
    seed: int
    folder: Path
    watch: Stopwatch
    listener: Listener
    rules: tuple[Rule, ...] = ()
    floors: dict[str, Sequence[Score]] = field(default_factory=dict)
    records: int = 0  # that each family is judged by
    seconds_judged: float = 0.0  # that judging a family took

    def __post_init__(self) -> None:
        self.unseen, self.train = part(self.data.valid, COMPARED_CHARACTERS), self.data.train
        self.rows = thinned(self.data.without_texts(), minutes=self.budget.share, seed=self.seed)

    def compare(self, families: Sequence[Family]) -> list[Contestant]:
        """All families trained, then all judged; a failure becomes its reason."""
        places = zip(families, self._folders(families), strict=True)
        entered = [self._guarded(family, partial(self._enter, family, folder)) for family, folder in places]
        running = [c for c in entered if c.generator is not None]
        if not running:
            return entered
        rest = iter([self._settle(running), *(self._guarded(c.family, partial(self._judge, c)) for c in running[1:])])
        return [c if c.generator is None else next(rest) for c in entered]

    def cross_fit(self, families: Sequence[Family]) -> list[Contestant]:
        """Families judged by records of fits to four fifths of the data each, beside the fifths these have not seen."""
        places = zip(families, self._folders(families), strict=True)
        return [self._guarded(family, partial(self._cross_fit, family, folder)) for family, folder in places]

    def baselines(self) -> list[Entry]:
        """What learns next to nothing, judged as the families are."""
        beside, entries = self.unseen if self.records else self.rows, []
        for name, draw in baselines(self.train).items():
            if self.budget.left < 2 * self.seconds_judged:
                break
            fake = draw(self.train, self.records or len(self.rows), np.random.default_rng(self.seed))
            with self.watch("scoring on the validation part"):
                found = self._deciding(fake, beside, None)
            if found.scores:
                score = headline(found)
                entry = Entry(
                    family=name, seconds=0.0, headline=score, scores=found.scores, preview=fake, baseline=True
                )
                entries.append(entry)
        return entries

    def train_on(self, best: Contestant, minutes: float, out: Path) -> tuple[Generator, tuple[str, ...]]:
        """The winner trained anew for `minutes`; the shorter training is kept if the validation part says so.

        Free-text columns of a table take no part in the comparison, and are written by the longer training alone.
        """
        assert best.entry.headline is not None
        minutes = max(minutes, self.budget.share)
        data = self.data if self.data.texts else thinned(self.data, minutes=minutes, seed=self.seed)
        notes = () if len(data) == len(self.data) else (_thinned(len(data.train), len(self.train), minutes),)
        stage = "training the winner on"
        if best.generator is None or self.data.texts:
            return self._fitted(data, best.family, minutes, out, stage), notes
        try:
            longer = self._fitted(data, best.family, minutes, out, stage, most=self.budget.left - self.seconds_judged)
            if self.budget.left < 2 * (best.pace * self.records + self.seconds_judged):
                return longer, (*notes, "There was no time to hold the longer training against the shorter one.")
            found, decides = self._deciding(self._drawn(longer), self.unseen, longer), best.entry.headline.name
            after = found[decides] if decides in found else headline(found)
        except TrainingError as error:
            reason = str(error).splitlines()[0]
        else:
            before = best.entry.headline
            if not better(before, after) or not told_apart([before, after]):
                return longer, notes
            reason = f"training on made the {after.name} on the validation part worse ({before} to {after})"
        best.generator.save(out)
        (out / "log.jsonl").unlink(missing_ok=True)  # it tells of the model that was given up
        return best.generator, (f"The model of the comparison was kept: {reason}.",)

    def trial(self, generator: Generator, best: Contestant) -> Trial:
        """What the winner is scored by: as many records as every score can look at in the time that is left."""
        if best.generator is None:
            assert best.entry.preview is not None
            note = f"{len(self.data)} records are too few to set some aside: scores are those of {FOLDS} fits to four "
            note += "fifths each, beside the fifths that they had not seen; copies are not looked for."
            return Trial(best.entry.preview, self.rows, None, None, (note,))
        unseen = part(self.data.test, TESTED_CHARACTERS)
        low, n = judged(unseen)[0], drawn(unseen)
        each = best.pace + EVERY_SCORE * self.seconds_judged / self.records
        whole = KINDS[unseen.kind].size is not None  # all of the unseen text is scored, however few passages are drawn
        each = max(2 * best.pace, 1e-9) if whole else each
        fitting = max(low, min(n, int(SCORED_BY * self.budget.left / each)))
        notes: tuple[str, ...] = ()
        if fitting < n and whole:
            notes = (f"{fitting} passages were drawn instead of {n}, to be done within {clock(self.budget.limit)}.",)
        elif fitting < n:
            of = min(n, len(unseen))
            notes = (f"Scored on {fitting:,} records of {of:,}, to be done within {clock(self.budget.limit)}.",)
            unseen = some(unseen, fitting, seed=self.seed)
        with self.watch("drawing samples"):
            self.listener(Progress("drawing samples"))
            fake = generator.sample(fitting, seed=self.seed)
        return Trial(fake, unseen, self.train, generator, notes)

    def scores(self, trial: Trial) -> Evaluation:
        """Every score of the winner that there is time for."""
        with self.watch("scoring on the test part"):
            self.listener(Progress("scoring on the test part"))
            sides: dict[str, Any] = {"real": trial.real, "train": trial.train, "generator": trial.generator}
            return evaluate(trial.fake, **sides, seconds=SCORED_BY * self.budget.left, seed=self.seed)

    def _guarded(self, family: Family, attempt: Callable[[], Contestant]) -> Contestant:
        """What `attempt` returns, or the family with the reason why it took no part."""
        began = time.monotonic()
        try:
            return attempt()
        except (ResourceError, OtherWorkError, InUseError):  # no other family would fare better there
            raise
        # A family that runs out of memory or numbers must not take the others with it.
        except (GenwrightError, ArithmeticError, MemoryError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            seconds = time.monotonic() - began
            return Contestant(Entry(family=family.name, seconds=seconds, failure=reason), family, None)

    def _folders(self, families: Sequence[Family]) -> list[Path]:
        """A folder for each, whatever their names."""
        names = [family.name.replace(" ", "-") for family in families]
        earlier = [names[:i].count(name) for i, name in enumerate(names)]
        return [self.folder / (f"{name}-{k + 1}" if k else name) for name, k in zip(names, earlier, strict=True)]

    def _enter(self, family: Family, folder: Path) -> Contestant:
        """A family trained for its share, and how fast it draws."""
        generator = self._fitted(
            self.rows, family, self.budget.share, folder, "comparing families", most=self.budget.most_training
        )
        with self.watch("scoring on the validation part"):
            began = time.monotonic()
            generator.sample(PROBE, seed=self.seed)
            pace = (time.monotonic() - began) / PROBE
        return Contestant(_entry(generator), family, generator, pace)

    def _settle(self, running: Sequence[Contestant]) -> Contestant:
        """Fix how many records all are judged by: as many as all can draw, and the judge look at, in the time left.

        Returns the first of `running`, judged by them.
        """
        low, high = judged(self.unseen)
        seconds = max(self.budget.limit * JUDGED_BY - self.budget.elapsed, 0.1 * self.budget.limit) / len(running)
        slowest = max(c.pace for c in running)
        self.records = max(low, min(high, int(seconds / 2 / max(slowest, 1e-9))))
        while True:
            began = time.monotonic()
            first = self._guarded(running[0].family, partial(self._judge, running[0]))
            self.seconds_judged = time.monotonic() - began
            if self.seconds_judged <= seconds or self.records == low:
                return first
            self.records = max(low, min(self.records // 2, int(self.records * seconds / self.seconds_judged)))
            self.floors.clear()

    def _judge(self, contestant: Contestant) -> Contestant:
        """The contestant with its scores on the validation part."""
        generator = contestant.generator
        assert generator is not None
        with self.watch("scoring on the validation part"):
            self.listener(Progress(f"{contestant.family.name}: scoring on the validation part"))
            fake = self._drawn(generator)
            found = self._deciding(fake, self.unseen, generator)
        entry = replace(contestant.entry, headline=headline(found), scores=found.scores, preview=fake)
        return replace(contestant, entry=entry)

    def _cross_fit(self, family: Family, folder: Path) -> Contestant:
        """A family's records from fits to all folds but one, judged beside all rows."""
        minutes, most, began = self.budget.share / FOLDS, self.budget.most_training / FOLDS, time.monotonic()
        parts = []
        for k, fold in enumerate(folds(self.rows)):
            at = folder / f"without-{k + 1}"
            generator = self._fitted(fold, family, minutes, at, "comparing families", most=most)
            parts.append(generator.sample(len(fold.test), seed=self.seed + k))
        fake = joined(parts)
        with self.watch("scoring on the validation part"):
            found = self._deciding(fake, self.rows, None)
        entry = replace(_entry(generator), seconds=time.monotonic() - began, preview=fake)
        return Contestant(replace(entry, headline=headline(found), scores=found.scores), family, None)

    def _drawn(self, generator: Generator) -> Dataset:
        return generator.sample(self.records, seed=self.seed)

    def _deciding(self, fake: Dataset, unseen: Dataset, generator: Generator | None) -> Evaluation:
        """What decides of `fake`, beside as many unseen records; whatever there is where the judge sees too few."""
        whole = KINDS[unseen.kind].size is not None
        sides: dict[str, Any] = {
            "real": unseen if whole else some(unseen, len(fake), seed=self.seed),
            "train": None if generator is None else self.train,
            "generator": generator,
            "floors": None if whole else self.floors,  # texts differ in length
            "seed": self.seed,
        }
        found = evaluate(fake, only=DECIDING, **sides)
        return found if found.scores else evaluate(fake, only=HEADLINES, **sides)

    def _fitted(
        self, data: Dataset, family: Family, minutes: float, folder: Path, stage: str, *, most: float = np.inf
    ) -> Generator:
        """A family trained in `folder` and saved there; if it is there already, that one.

        Cut off after `most` seconds, or where its share is too short for MIN_STEPS.
        """
        if holds_generator(folder):
            generator = load(folder)
            checked(generator.record, where=str(folder), needed=TOLD)
            return generator
        began = time.monotonic()

        def tell(progress: Progress) -> None:
            self.listener(replace(progress, stage=f"{family.name}: {progress.stage}"))
            took, told = time.monotonic() - began, clock(60 * minutes)
            if np.isfinite(most) and progress.stage == "training" and 0 < progress.steps < MIN_STEPS:
                enough = self.budget.minutes * MIN_STEPS / progress.steps
                steps = "1 step" if progress.steps == 1 else f"{progress.steps} steps"
                what = f"its share of {told} is too short: {steps}; from {enough:.2g} minutes in all it takes part"
                raise TrainingError(what)
            if took > most and progress.stage != "done":
                raise TrainingError(f"cut off after {clock(took)}: its share was {told}")

        with self.watch(stage):
            generator = fit(
                data,
                family=family,
                minutes=minutes,
                seed=self.seed,
                constraints=self.rules,
                folder=folder,
                listener=tell,
            )
        if len(data) < len(self.data):  # `evaluate` recognises the data by its name and size
            whole = circumstances(self.data, started=began)["data"]
            record = generator.record | {"data": whole | {"fitted_rows": len(data.train)}}
            generator = replace(generator, record=record)
        generator.save(folder)
        return generator


def _entry(generator: Generator) -> Entry:
    """The line of a trained family on the leaderboard, before it is judged."""
    return Entry(
        family=generator.family.name,
        seconds=generator.record["seconds"],
        parameters=generator.record["parameters"],
        density=generator.can.density.value,
        history=tuple(generator.record["history"]),
    )


def _thinned(rows: int, of: int, minutes: float) -> str:
    return f"Fitted to {rows:,} of the {of:,} training rows: reading all would take too much of {clock(60 * minutes)}."
