"""Where families meet: each trained for its share and scored on records that it has not seen."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genwright.constraints import Rule
from genwright.data.dataset import Dataset, Image, Text
from genwright.errors import GenwrightError, ResourceError
from genwright.families import FAMILIES
from genwright.families.family import Family
from genwright.fitting import fit
from genwright.folders import InUseError, OtherWorkError
from genwright.generator import Generator, holds_generator, load
from genwright.metrics.evaluate import Evaluation, evaluate, headline
from genwright.report.report import Entry
from genwright.runs.budget import Stopwatch
from genwright.runs.ranking import Contestant, better, tied
from genwright.spaces import Columns, Reals, Tokens
from genwright.train.progress import Listener, Progress

# Records drawn to be scored: as many as there are real ones, within these bounds. Rows of a table cost next to nothing
# and more of them steady the scores; passages of text are slow to draw.
ROWS_DRAWN, IMAGES_DRAWN, TEXTS_DRAWN = (1000, 20_000), (50, 2000), (16, 32)
# Characters of unseen text that are scored: likelihoods of text cost as much as training on it.
COMPARED_CHARACTERS, TESTED_CHARACTERS = 50_000, 200_000


@dataclass(frozen=True)
class Arena:
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
        except (ResourceError, OtherWorkError, InUseError):  # no other family would fare better there
            raise
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
        if better(before, after) and not tied(before, after) and not self.data.texts:
            note = f"Training on made the {after.name} on the validation part worse ({before} to {after}), "
            best.generator.save(out)
            (out / "log.jsonl").unlink(missing_ok=True)  # it tells of the model that was given up
            return best.generator, (note + "so the model of the comparison was kept.",)
        return longer, ()

    def _fitted(self, family: Family, minutes: float, folder: Path, stage: str) -> Generator:
        """A family trained in `folder` and saved there; if it is there already, that one."""
        if holds_generator(folder):
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
