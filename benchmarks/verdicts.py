"""Does the verdict see what anyone would see? Constructed records, and the first words that each must get.

`python -m benchmarks.verdicts` writes docs/evidence/verdicts.md; the tests hold the same cases to the same words. Data:
scikit-learn's digits at 16 x 16 pixels in 256 grey levels, the text of Python's standard library, a mixed table of
known dependence.
"""

import json
import random
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from sklearn.datasets import load_digits

import genwright as gw
from genwright.data.dataset import Category, Dataset, Image, Number, Text
from genwright.metrics.baselines import INDEPENDENT, LETTERS, MEANS, PIXELS, TRIGRAMS
from genwright.metrics.evaluate import Evaluation, evaluate
from genwright.metrics.kinds import baselines
from genwright.report.reading import read_all, verdict
from genwright.scores.score import Score

PAGE = Path(__file__).parents[1] / "docs" / "evidence" / "verdicts.md"
SCORES = ("C2ST", "C2ST cross-entropy", "Frechet distance", "largest dependence error", "bits per byte")
GOOD, USABLE, FAR, UNUSABLE = "Not to be told", "Usable", "Far", "Unusable"
WORST_OF = (UNUSABLE, FAR, USABLE, GOOD)
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass
class Subject:
    """Real records to compare with and to draw from, and real ones to spoil; floors are remembered."""

    real: Dataset
    train: Dataset
    spare: Dataset
    floors: dict[str, Sequence[Score]] = field(default_factory=dict)

    def judged(self, fake: Dataset, generator: gw.Generator | None = None) -> tuple[str, Evaluation]:
        """The first sentence of the verdict, and the scores."""
        about = {"generator": generator, "only": SCORES, "floors": self.floors, "seed": 0}
        found = evaluate(fake, real=self.real, train=self.train, **about)
        return verdict(read_all(found.scores), unseen=1000).summary, found


def digits(n: int = 200) -> Subject:
    """Digits as photographs would show them: smooth, 256 grey levels."""
    source = load_digits()
    order = np.random.default_rng(0).permutation(len(source.images))
    large = np.clip(zoom(source.images[order], (1, 2, 2), order=1) * (255 / 16), 0, 255).round().astype(np.uint8)
    names = tuple(map(str, range(10)))
    columns = {"image": large[..., None], "class": source.target[order].astype(str).astype(object)}
    data = Dataset((Image("image", (16, 16, 1)), Category("class", names)), columns, name="digits", label="class")
    return Subject(data.take(slice(0, n)), data.take(slice(2 * n, None)), data.take(slice(n, 2 * n)))


def _painted(spoil: Spoil) -> Callable[[Subject], Dataset]:
    def made(of: Subject) -> Dataset:
        pixels = spoil(of.spare.columns["image"][..., 0].astype(float), np.random.default_rng(0))
        spoilt = np.clip(pixels, 0, 255).round().astype(np.uint8)[..., None]
        return replace(of.spare, columns={**of.spare.columns, "image": spoilt})

    return made


def _half_of_the_classes(of: Subject) -> Dataset:
    rows = np.flatnonzero(np.isin(of.spare.columns["class"], list("01234")))
    return of.spare.take(np.resize(rows, len(of.spare)))


def _baseline(name: str) -> Callable[[Subject], Dataset]:
    return lambda of: baselines(of.train)[name](of.train, len(of.spare), np.random.default_rng(0))


IMAGES: Mapping[str, tuple[Callable[[Subject], Dataset], str]] = {
    "unseen real images": (_painted(lambda x, rng: x), GOOD),
    "noise of 2 %": (_painted(lambda x, rng: x + rng.normal(0, 5, x.shape)), FAR),
    "slight blur (0.5 pixels)": (_painted(lambda x, rng: gaussian_filter(x, (0, 0.5, 0.5))), FAR),
    "heavy blur (2 pixels)": (_painted(lambda x, rng: gaussian_filter(x, (0, 2, 2))), FAR),
    "speckle, 3 % of pixels": (_painted(lambda x, rng: np.where(rng.random(x.shape) < 0.03, 255 - x, x)), FAR),
    "grey levels 5 % darker": (_painted(lambda x, rng: 0.95 * x), FAR),
    "half of the classes": (_half_of_the_classes, USABLE),
    MEANS: (_baseline(MEANS), FAR),
    PIXELS: (_baseline(PIXELS), UNUSABLE),
    "noise and nothing else": (_painted(lambda x, rng: rng.uniform(0, 255, x.shape)), UNUSABLE),
}


def library(characters: int = 400_000) -> Subject:
    """Docstring-laden source of the standard library as running text, in blocks that take turns."""
    folder = Path(textwrap.__file__).parent
    names = ("argparse", "statistics", "shutil", "tempfile", "difflib", "configparser", "inspect", "doctest", "pdb")
    whole = "".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in names)[:characters]
    rows = [whole[i : i + 512] for i in range(0, len(whole) - 511, 512)]
    random.Random(0).shuffle(rows)
    third = len(rows) // 4
    texts = [np.array(part, dtype=object) for part in (rows[:third], rows[third : 2 * third], rows[2 * third :])]
    real, spare, train = (Dataset((Text("text", running=True),), {"text": each}, name="library") for each in texts)
    return Subject(real, train, spare)


def _written(spoil: Callable[[str, random.Random], str]) -> Callable[[Subject], Dataset]:
    def made(of: Subject) -> Dataset:
        rng = random.Random(0)
        return replace(of.spare, columns={"text": np.array([spoil(t, rng) for t in of.spare.columns["text"]], object)})

    return made


def _scrambled(text: str, rng: random.Random) -> str:
    """Words in another order within each line."""
    lines = [line.split(" ") for line in text.split("\n")]
    for words in lines:
        rng.shuffle(words)
    return "\n".join(" ".join(words) for words in lines)


def _broken(text: str, rng: random.Random) -> str:
    return "".join("�" if rng.random() < 0.03 else letter for letter in text)


TEXTS: Mapping[str, tuple[Callable[[Subject], Dataset], str]] = {
    "unseen real text": (_written(lambda text, rng: text), GOOD),
    "words scrambled within lines": (_written(_scrambled), FAR),
    "3 % of letters unreadable": (_written(_broken), FAR),
    TRIGRAMS: (_baseline(TRIGRAMS), FAR),
    LETTERS: (_baseline(LETTERS), FAR),
}


def rows(n: int = 500) -> Subject:
    """A table of five columns, one pair of which hangs together closely and no other."""

    def drawn(seed: int, count: int) -> Dataset:
        rng = np.random.default_rng(seed)
        country = rng.integers(0, 6, count)
        race = np.where(rng.random(count) < 0.8, country % 3, rng.integers(0, 3, count))
        age = rng.normal(40, 12, count).round()
        columns = {
            "country": np.array(["A", "B", "C", "D", "E", "F"], dtype=object)[country],
            "race": np.array(["x", "y", "z"], dtype=object)[race],
            "age": age,
            "hours": rng.normal(38, 8, count).round(),
            "income": (rng.lognormal(3, 0.5, count) * (1 + age / 80)).round(1),
        }
        fields = (
            *(Category(name, tuple(sorted(set(columns[name])))) for name in ("country", "race")),
            *(Number(name) for name in ("age", "hours", "income")),
        )
        return Dataset(fields, columns, name="people")

    return Subject(drawn(0, n), drawn(1, 4 * n), drawn(2, n))


def _columns(**spoil: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[[Subject], Dataset]:
    def made(of: Subject) -> Dataset:
        rng = np.random.default_rng(0)
        changed = {name: change(of.spare.columns[name], rng) for name, change in spoil.items()}
        return replace(of.spare, columns={**of.spare.columns, **changed})

    return made


TABLES: Mapping[str, tuple[Callable[[Subject], Dataset], str]] = {
    "unseen real rows": (_columns(), GOOD),
    "one dependence lost": (_columns(race=lambda column, rng: rng.permutation(column)), UNUSABLE),
    "one column 20 % too wide": (_columns(hours=lambda column, rng: (38 + 1.2 * (column - 38)).round()), USABLE),
    "one column shifted by its spread": (_columns(age=lambda column, rng: column + 12), FAR),
    INDEPENDENT: (_baseline(INDEPENDENT), UNUSABLE),
}

KINDS = {"images": (digits, IMAGES), "text": (library, TEXTS), "tables": (rows, TABLES)}


def allowed(expected: str) -> tuple[str, ...]:
    """The first words that a case may get: those expected, or worse ones; real data is held to its own."""
    return (GOOD,) if expected == GOOD else WORST_OF[: WORST_OF.index(expected) + 1]


def main() -> None:
    """Write the page."""
    lines = [
        "# Does the verdict see what anyone would see?",
        "",
        "Made by `python -m benchmarks.verdicts`. Constructed records, each held against unseen real",
        "ones, with the first words of the verdict that they must get (or worse) and those that they get.",
        "`tests/metrics/test_verdicts.py` holds all of it.",
    ]
    for kind, (subject, cases) in KINDS.items():
        of = subject()
        lines += ["", f"## {kind.capitalize()}, {len(of.real)} against {len(of.real)}", ""]
        lines += ["| records | must be | C2ST | floor | baseline | verdict |", "|---|---|---|---|---|---|"]
        for name, (make, must) in cases.items():
            summary, found = of.judged(make(of))
            score = found["C2ST"]
            told = [f"{v:.2f}" for v in (score.value, score.floor, score.baseline) if v is not None]
            assert summary.startswith(allowed(must)), (name, summary)
            lines.append(f"| {name} | {must} | {' | '.join(told)} | {summary} |")
            print(json.dumps({"kind": kind, "case": name, "verdict": summary, "note": score.note}), flush=True)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
