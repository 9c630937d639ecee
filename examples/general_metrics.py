"""Four questions for any generator: quality, diversity, novelty, and coherence of what is long enough to have it.

                table                    texts                        images
    quality     C2ST, TSTR               byte 4-gram divergence       Frechet distance
    diversity   Vendi score, coverage    self-BLEU                    Vendi score, coverage
    novelty     nearest training row     longest copied run           near copies
    coherence                            lexical coherence

Each is asked of five sets of each kind: other real records; those of a simple model; real ones with their structure
broken (columns, sentences or pixels shuffled); the training records handed out again; and ten records over and over. No
question finds all that is wrong: only together they do.

    python examples/general_metrics.py

You should see copies of the training data do as well as real records in quality and diversity, and novelty alone tell
them; ten records over and over found by diversity; shuffled columns and pixels by quality, and shuffled sentences by
coherence alone. Disorder is not diversity: shuffled columns get a higher Vendi score than real rows.
"""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
from sklearn.datasets import load_breast_cancer

import genwright as gw
import show
from genwright.audit.copies import nearest_training_row
from genwright.audit.copying import near_copies
from genwright.data.dataset import Dataset
from genwright.extractors.features import fit_extractor
from genwright.metrics.coherence import lexical_coherence, split_sentences
from genwright.metrics.diversity import vendi_score
from genwright.metrics.frechet import frechet_distance
from genwright.metrics.judges import c2st, tstr_gap
from genwright.metrics.neighbours import density_coverage
from genwright.metrics.repetition import self_bleu
from genwright.metrics.text import longest_copied_run, ngram_divergence
from genwright.scores.score import Score

TEXTS = 50  # of each set
SETS = ("real", "model", "broken", "copies", "ten records")
Found = dict[str, dict[str, Score]]  # by set, by question

EXPECTED = {
    "table: C2ST, real": (0.75, 1),  # 1.0
    "table: C2ST, copies": (0.75, 1),  # 0.94
    "table: C2ST, broken": (0.0, 0.35),  # 0.16
    "table: TSTR gap, model": (-3, 12),  # 2.0
    "table: TSTR gap, broken": (12, 45),  # 24
    "table: Vendi score, real": (3.7, 4.7),  # 4.2
    "table: Vendi score, ten records": (2, 3.7),  # 3.5
    "table: nearest training row, real": (0.4, 0.6),  # 0.51
    "table: nearest training row, copies": (0.99, 1),
    "texts: byte 4-gram divergence, real": (0.15, 0.27),  # 0.20
    "texts: byte 4-gram divergence, ten records": (0.27, 0.4),  # 0.32
    "texts: self-BLEU, real": (35, 60),  # 44
    "texts: self-BLEU, ten records": (95, 100),  # 99.9
    "texts: lexical coherence, real": (0.015, 0.08),  # 0.034
    "texts: lexical coherence, copies": (0.015, 0.08),  # 0.052
    "texts: lexical coherence, broken": (-0.03, 0.015),  # -0.012
    "texts: longest copied run, real": (20, 150),  # 66
    "texts: longest copied run, copies": (1100, 1300),  # 1203
    "images: Frechet distance, real": (0, 0.25),  # 0.06
    "images: Frechet distance, broken": (0.7, 3),  # 1.3
    "images: coverage, real": (0.88, 1),  # 0.97
    "images: coverage, copies": (0.88, 1),  # 0.97
    "images: coverage, ten records": (0.03, 0.25),  # 0.13
    "images: near copies, real": (0, 3),  # 0
    "images: near copies, model": (0, 5),  # 0
    "images: near copies, copies": (95, 100),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Ask all questions of all sets."""
    found = {"table": of_tables(), "texts": of_texts(), "images": of_images()}
    for kind, sets in found.items():
        print(f"  {kind:14}" + "".join(f"{name:>26}" for name in sets["real"]))
        for name, scores in sets.items():
            print(f"    {name:12}" + "".join(f"{score.value:26.3f}" for score in scores.values()))
    draw(out, found)
    picked = {
        "table": {"C2ST": ("real", "copies", "broken"), "TSTR gap": ("model", "broken"),
                  "Vendi score": ("real", "ten records"), "nearest training row": ("real", "copies")},
        "texts": {"byte 4-gram divergence": ("real", "ten records"), "self-BLEU": ("real", "ten records"),
                  "lexical coherence": ("real", "copies", "broken"), "longest copied run": ("real", "copies")},
        "images": {"Frechet distance": ("real", "broken"), "coverage": ("real", "copies", "ten records"),
                   "near copies": ("real", "model", "copies")},
    }  # fmt: skip
    numbers = {
        f"{kind}: {metric}, {name}": found[kind][name][metric].value
        for kind, metrics in picked.items()
        for metric, names in metrics.items()
        for name in names
    }
    return show.numbers(numbers, EXPECTED)


def five(train: Dataset, other: Dataset, model: Dataset, broken: Dataset) -> dict[str, Dataset]:
    """The sets, as many records of each."""
    rng, n = np.random.default_rng(1), len(other)
    ten = train.take(rng.choice(10, n))
    return dict(zip(SETS, (other, model, broken, train.take(rng.permutation(len(train))[:n]), ten), strict=True))


def of_tables() -> Found:
    """Measurements of cells, and whether a tumour is malignant."""
    frame = load_breast_cancer(as_frame=True).frame.iloc[:, [0, 1, 4, 6, 9, 20, 24, 30]]
    rows = np.random.default_rng(0).permutation(len(frame))
    data = gw.read(frame.iloc[rows].reset_index(drop=True).astype({"target": str}), label="target")
    train, real, other = (data.take(slice(*part)) for part in ((0, 269), (269, 419), (419, 569)))
    model = gw.fit(train, family=gw.Mixture(components=8)).sample(150, seed=0)
    rng = np.random.default_rng(2)
    broken = replace(other, columns={name: rng.permutation(column) for name, column in other.columns.items()})
    names = [name for name, column in train.columns.items() if column.dtype.kind == "f"]
    centre, spread = (getattr(matrix(train, names), what)(0) for what in ("mean", "std"))
    found: Found = {}
    for name, fake in five(train, other, model, broken).items():
        sets = [(matrix(each, names) - centre) / spread for each in (real, fake)]
        scores = [
            c2st(real, fake),
            tstr_gap(train, fake, test=real, refits=0),
            vendi_score(*sets, features="standardised columns"),
            density_coverage(*sets, features="standardised columns")[1],
            nearest_training_row(train, fake, held_out=real),
        ]
        found[name] = {score.name: score for score in scores}
    return found


def matrix(data: Dataset, names: list[str]) -> np.ndarray:
    """Number columns side by side."""
    return np.stack([data.columns[name] for name in names], axis=1)


def of_texts() -> Found:
    """Passages of the Python reference."""
    texts = [" ".join(topic.split())[i : i + 1200] for topic in topics.values() for i in range(0, 9600, 1200)]
    texts = [text for text in texts if len(text) == 1200]
    rows = np.random.default_rng(0).permutation(len(texts))[: 3 * TEXTS].reshape(3, TEXTS)
    train, real, other = ([texts[i] for i in part] for part in rows)
    rng = np.random.default_rng(1)
    ten = [train[i % 10] for i in range(TEXTS)]
    sets = dict(
        zip(SETS, (other, chained(train, rng), [shuffled(text, rng) for text in other], train, ten), strict=True)
    )
    whole, unseen = "\n".join(train), "\n".join(real)
    found: Found = {}
    for name, fake in sets.items():
        scores = [
            ngram_divergence(real, fake),
            self_bleu(real, fake),
            longest_copied_run(whole, fake, held_out=unseen, seed=0),
            lexical_coherence(real, fake),
        ]
        found[name] = {score.name: score for score in scores}
    return found


def chained(train: list[str], rng: np.random.Generator) -> list[str]:
    """Texts in which each word is drawn from those that followed the word before it."""
    words = " ".join(train).split()
    followers: dict[str, list[str]] = defaultdict(list)
    for word, after in pairwise(words):
        followers[word].append(after)
    made = []
    for start in rng.integers(len(words) - 1, size=TEXTS):
        text = [words[start]]
        while len(text) < 180:
            after = followers.get(text[-1]) or words
            text.append(after[rng.integers(len(after))])
        made.append(" ".join(text))
    return made


def shuffled(text: str, rng: np.random.Generator) -> str:
    """The same sentences in random order."""
    return " ".join(rng.permutation(split_sentences(text)))


def of_images() -> Found:
    """Handwritten digits."""
    digits = gw.read("digits").select(["image", "label"])
    rows = np.random.default_rng(0).permutation(len(digits))
    fit, train, real, other = (
        digits.take(rows[slice(*p)]) for p in ((0, 240), (600, 1000), (1000, 1390), (1390, 1780))
    )
    extractor = fit_extractor(fit, dimension=8)
    model = gw.fit(train, family=gw.Mixture(components=20)).sample(390, seed=0)
    rng = np.random.default_rng(2)
    pixels = other.columns["image"].reshape(390, 64)
    moved = pixels[:, np.where(rng.random(64) < 0.3, rng.permutation(64), np.arange(64))].reshape(390, 8, 8, 1)
    broken = replace(other, columns={**other.columns, "image": moved})
    seen, unseen, name_of = extractor(train), extractor(real), extractor.signature
    found: Found = {}
    for name, fake in five(train, other, model, broken).items():
        features = extractor(fake)
        scores = [
            frechet_distance(unseen, features, features=name_of),
            vendi_score(unseen, features, features=name_of),
            density_coverage(unseen, features, features=name_of)[1],
            near_copies(seen, features, held_out=unseen, features=name_of),
        ]
        found[name] = {score.name: score for score in scores}
    return found


def draw(out: Path | None, found: dict[str, Found]) -> None:
    """One row for each kind of data; the dashed line is what other real records get."""
    page, axes = show.figure(3, 5, width=2.5, height=1.7)
    for line, (kind, sets) in zip(axes, found.items(), strict=True):
        for axis in line[len(sets["real"]) :]:
            axis.set_axis_off()
        for axis, metric in zip(line, sets["real"], strict=False):
            each = [sets[name][metric] for name in SETS]
            colours = [show.COLOURS[k] for k in (2, 0, 1, 4, 3)]
            axis.barh(range(5), [score.value for score in each], color=colours)
            axis.axvline(each[0].value, color="k", lw=0.8, ls="--")
            axis.set_yticks(range(5), SETS if axis is line[0] else [], fontsize=8)
            axis.invert_yaxis()
            axis.tick_params(axis="x", labelsize=7)
            arrow = {"lower": "↓", "higher": "↑", "target": "→"}[each[0].direction]
            axis.set_title(f"{metric} {arrow}", fontsize=9)
        line[0].set_ylabel(kind, fontsize=10, fontweight="bold")
    show.save(page, out, "general_metrics")


if __name__ == "__main__":
    show.command(main)
