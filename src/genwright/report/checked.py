"""Cards that can be checked: numbers of README.md stand in scores.json, and come out again from model and data."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from genwright.data.dataset import Dataset
from genwright.metrics.evaluate import Evaluation, evaluate
from genwright.model.generator import Generator
from genwright.model.saving import load
from genwright.report.card import model_card
from genwright.report.reading import read_all, verdict
from genwright.scores.score import Score
from genwright.storage import read_file, read_json, write_json, write_text
from genwright.typed import entry, typed

SAME = 1e-3  # relative difference that another processor may make
SECTION = "## How good it is"


@dataclass(frozen=True, kw_only=True)
class CardCheck:
    """What is wrong with a card, if anything; how many lines were compared, and how many scores computed again."""

    wrong: tuple[str, ...]
    lines: int
    recomputed: int
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def write_card(
    model: Generator, data: Dataset, folder: Path, *, samples: int | None = None, seed: int = 0
) -> Evaluation:
    """Measure a saved model on the test part and write scores.json and README.md, so that `verify_card` can check them.

    `samples`: how many are drawn, as many as the test part has if not given.
    """
    n = len(data.test) if samples is None else samples
    found = _measured(model, data, n, seed)
    summary = verdict(read_all(found.scores), unseen=len(data.test)).summary
    write_json(folder / "scores.json", found.to_json() | {"samples": n, "seed": seed, "verdict": summary})
    write_text(folder / "README.md", model_card(model, scores=found.scores, notes=found.notes, verdict=summary))
    return found


def verify_card(folder: Path, data: Dataset | None = None, *, only: Collection[str] | None = None) -> CardCheck:
    """Check the card of a folder: weights by hash, every line by scores.json, and with `data` every score again.

    `only`: names of scores to compute again, to leave out the others.
    Raises StorageError where files are missing, damaged or do not fit their hashes.
    """
    model, where = load(folder), str(folder / "scores.json")
    told = typed(read_json(folder / "scores.json"), dict, where=where)
    scores = entry(told, "scores", tuple[Score, ...], where=where)  # without replicates
    card = read_file(folder / "README.md").decode("utf-8", "replace").splitlines()
    summary = typed(told.get("verdict", ""), str, where=where)
    notes = entry(told, "notes", tuple[str, ...], where=where)
    wanted = model_card(model, scores=scores, notes=notes, verdict=summary).splitlines()
    lines = [line for line in wanted if line.strip()]
    wrong = [f"the card lacks what was measured: {line}" for line in lines if line not in card]
    wrong += [f"the card says what was not measured: {line}" for line in _table(card) if line not in wanted]
    if data is None:
        return CardCheck(
            wrong=tuple(wrong), lines=len(lines), recomputed=0, notes=("scores were not computed again: give the data",)
        )
    if "samples" not in told:
        note = "scores were not computed again: scores.json does not say how many samples of which seed they rest on"
        return CardCheck(wrong=tuple(wrong), lines=len(lines), recomputed=0, notes=(note,))
    n, seed = (entry(told, name, int, where=where) for name in ("samples", "seed"))
    again = {score.name: score for score in _measured(model, data, n, seed, only).scores}
    asked = [score for score in scores if only is None or score.name in only]
    for score in asked:
        value = again[score.name].value if score.name in again else math.nan
        if not math.isclose(value, score.value, rel_tol=SAME, abs_tol=SAME * 0.01):
            wrong.append(f"{score.name} is {value:.6g}, not {score.value:.6g}")
    return CardCheck(wrong=tuple(wrong), lines=len(lines), recomputed=len(asked))


def _measured(model: Generator, data: Dataset, n: int, seed: int, only: Collection[str] | None = None) -> Evaluation:
    fake = model.sample(n, seed=seed)
    return evaluate(fake, real=data.test, train=data.train, generator=model, only=only, seed=seed)


def _table(card: list[str]) -> list[str]:
    """The rows of scores in a card."""
    if SECTION not in card:
        return []
    inside = card[card.index(SECTION) + 1 :]
    end = next((i for i, line in enumerate(inside) if line.startswith("## ")), len(inside))
    return [line for line in inside[:end] if line.startswith("|")]
