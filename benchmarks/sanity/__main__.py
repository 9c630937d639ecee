"""Runs the sanity battery on real data, and writes down what was found.

    python -m benchmarks.sanity run --out battery.jsonl                  # data that ships with scikit-learn and Python
    python -m benchmarks.sanity run --data DIR --out battery.jsonl
    python -m benchmarks.sanity write battery.jsonl copies.jsonl type_one.jsonl      # docs/evidence/sanity.{md,jsonl}

DIR holds images_fashion_mnist, table_adult, text_tinyshakespeare and series_etth1. The last two files are written by
`python -m benchmarks.sanity.studies`.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import genwright as gw
from benchmarks.common import ROOT
from benchmarks.coverage_tables import _autoregressive
from benchmarks.sanity import subjects
from benchmarks.sanity.battery import DRAWS, MONOTONE, Curve, Stillness, Subject, battery
from genwright.data.dataset import Dataset
from genwright.errors import MissingDependencyError
from genwright.extractors.embedding import TextEncoder
from genwright.metrics.coherence import PASSAGE, split_sentences

EVIDENCE = ROOT / "docs" / "evidence"
DAY = 24  # hours of a window of ETTh1
COLUMNS = ("HUFL", "MUFL", "OT")  # of ETTh1: two loads and the oil temperature
SLOWED = (
    "A window of one day holds one daily cycle; slower, it holds a part of it, whose correlations and spectrum do not "
    "move away from those of the whole steadily. All strengths are seen; their order is not."
)
EXPLAINED = {  # (metric, corruption): why it fails, where that is known
    ("precision", "patches shuffled"): (
        "Saturates: from two fifths on images are as far off as they get, and many keep lying within reach of some "
        "real one in so few features. The Fréchet and kernel distances go on rising."
    ),
    ("density", "patches shuffled"): "Saturates as precision does.",
    (
        "discriminative score",
        "noise",
    ): "Saturates: smooth series are told from noisy ones nearly always from a fifth on.",
    ("PACF error", "time shuffled"): "Saturates: nothing is left of the order from three fifths on.",
    ("MAUVE", "characters at random"): "Saturates: at 120 texts a tenth of the characters takes it to its least value.",
    ("MAUVE", "modes dropped"): "One draw of 120 texts, at the least n it takes: the first mode is within its noise.",
    ("lexical coherence", "sentences shuffled"): "One step in its noise: compare the values with the interval.",
    **dict.fromkeys((("ACF error", "slowed"), ("PACF error", "slowed")), SLOWED),
    ("spectral distance", "slowed"): SLOWED,
}
EQUAL = {  # metric: why it fails on equal or reordered sets
    "self-BLEU": (
        "At most 1,000 windows of each side are drawn, and not the same ones, so equal sets differ by the draw: by "
        "0.04 of 53.9, where half an interval is 6.2."
    ),
    "density": (
        "Of equal sets the k-th nearest lies exactly at the reach; whether it counts is left to the rounding of "
        "distances, which differ in the last digit between (a, b) and (b, a)."
    ),
}


def some(path: Path, rows: int, *, name: str) -> Dataset:
    """A random part of a data set under a readable name."""
    data = gw.read(path)
    return replace(data.take(np.random.default_rng(0).permutation(len(data))[:rows]), name=name)


def passages(texts: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Runs of 9 sentences of each (topic, text), one more than coherence looks at, and the topic of each."""
    found, topics = [], []
    for topic, text in texts:
        sentences = [" ".join(s.split()) for s in split_sentences(text)]
        for start in range(0, len(sentences) - PASSAGE, PASSAGE + 1):
            found.append(" ".join(sentences[start : start + PASSAGE + 1]))
            topics.append(topic)
    return found, topics


def python_manual() -> tuple[list[str], list[str]]:
    """The Python language reference that ships with Python; its chapters in tenths are the topics."""
    from pydoc_data.topics import topics

    chapters = [text for _, text in sorted(topics.items())]
    return passages([(str(10 * i // len(chapters)), text) for i, text in enumerate(chapters)])


def shakespeare(path: Path) -> tuple[list[str], list[str]]:
    """Plays in order; tenths of the file are the topics."""
    text = path.read_text(encoding="utf-8")
    size = len(text) // 10
    return passages([(str(i), text[i * size : (i + 1) * size]) for i in range(10)])


def transformer_hours(path: Path) -> np.ndarray:
    """ETTh1 in windows of one day, one every 12 hours."""
    table = gw.read(path).frame[list(COLUMNS)].to_numpy(np.float64)
    return np.stack([table[start : start + DAY] for start in range(0, len(table) - DAY, DAY // 2)])


def cases(folder: Path | None, encoder: TextEncoder | None) -> dict[str, tuple[Callable[[], Subject], int]]:
    """What to run the battery on, and over how many draws: more where records are few and metrics cheap."""
    own: dict[str, tuple[Callable[[], Subject], int]] = {
        "digits": (lambda: subjects.image_subject(gw.read("digits"), n=450), DRAWS),
        "wine": (lambda: subjects.table_subject(gw.read("wine"), n=59), 12),
        "Python reference": (lambda: prose(python_manual(), "Python reference", None), DRAWS),
        "autoregression": (
            lambda: subjects.series_subject(_autoregressive(800, seed=0), name="autoregression", n=200),
            DRAWS,
        ),
    }
    if encoder is not None:
        own["embedded"] = (lambda: embedded(python_manual(), "Python reference", encoder), 1)
    if folder is None:
        return own
    return own | {
        "Fashion-MNIST": (
            lambda: subjects.image_subject(
                some(folder / "images_fashion_mnist" / "train-images-idx3-ubyte.gz", 3000, name="Fashion-MNIST"), n=500
            ),
            DRAWS,
        ),
        "Adult": (
            lambda: subjects.table_subject(
                some(folder / "table_adult" / "adult_train.csv.gz", 2000, name="Adult"), n=300
            ),
            DRAWS,
        ),
        "tiny-shakespeare": (
            lambda: prose(shakespeare(folder / "text_tinyshakespeare" / "input.txt"), "tiny-shakespeare", None),
            DRAWS,
        ),
        "ETTh1": (
            lambda: subjects.series_subject(
                transformer_hours(folder / "series_etth1" / "ETTh1.csv.gz"), name="ETTh1", n=200
            ),
            DRAWS,
        ),
    }


def prose(of: tuple[list[str], list[str]], name: str, encoder: TextEncoder | None) -> Subject:
    """Passages and their topics under test."""
    texts, topics = of
    n = 120 if encoder else 200  # a passage costs a run of a network
    return subjects.text_subject(texts, topics, name=name, n=min(n, len(texts) // 3), encoder=encoder)


def embedded(of: tuple[list[str], list[str]], name: str, encoder: TextEncoder) -> Subject:
    """The same for what needs an encoder only."""
    subject = prose(of, name, encoder)
    slow = {names: subject.measures[names] for names in (("MAUVE",), ("embedding coherence",))}
    return replace(subject, measures=slow)


def number(value: float | None) -> str:
    """Three significant digits."""
    return "–" if value is None else "0" if abs(value) < 1e-9 else f"{value:.3g}"


def verdict(curve: Curve) -> str:
    """One word, or why it could not be measured."""
    if curve.problem:
        return f"not measured: {curve.problem}"
    return "as expected" if curve.passed else "**no**"


def curve_rows(curves: Sequence[Curve]) -> Iterator[str]:
    """A table of curves of one kind of data."""
    yield "| corruption (strengths) | metric | must | data | real vs real … full | Spearman | seen from | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    for c in sorted(curves, key=lambda c: (c.corruption, c.metric, c.data)):
        values = " ".join(number(v) for v in c.values)
        strengths = f"{number(c.strengths[1])}–{number(c.strengths[-1])}"
        rho = "–" if c.spearman is None or c.expected == "stays" else f"{c.spearman:.2f}"
        cells = (f"{c.corruption} ({strengths})", c.metric, c.expected, f"{c.data}, n={c.n}", values, rho)
        yield "| " + " | ".join((*cells, number(c.seen_from), verdict(c))) + " |"


def still_rows(still: Sequence[Stillness]) -> Iterator[str]:
    """A table of equal sets and other orders."""
    yield "| kind | data | metric | set against itself | must be | moved by reordering | half an interval | verdict |"
    yield "|---|---|---|---|---|---|---|---|"
    for s in still:
        wanted = "–" if s.wanted is None else "at most 0" if s.wanted == -1.0 else number(s.wanted)
        cells = (s.kind, s.data, s.metric, number(s.identical), wanted, number(s.reordered), number(s.half_width))
        yield "| " + " | ".join((*cells, "as expected" if s.passed else "**no**")) + " |"


def study_rows(studies: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Tables of both studies, as far as they were run."""
    copied = [row for row in studies if row["study"] == "copies"]
    if copied:
        yield "| data | train, unseen, generated | test | flagged with 1 % copies | with none | replications |"
        yield "|---|---|---|---|---|---|"
        flagged = {(row["data"], row["test"], row["planted"]): row for row in copied}
        for (data, test, planted), row in flagged.items():
            if planted:
                none = flagged[data, test, 0.0]["flagged"]
                sizes = ", ".join(map(str, row["train, unseen, generated"]))
                yield f"| {data} | {sizes} | {test} | {row['flagged']:.1%} | {none:.1%} | {row['replications']} |"
        yield ""
    told = [row for row in studies if row["study"] == "type-one"]
    if told:
        yield from type_one_words(told)
        yield "| metric | fault of both | told apart, p < 0.05 | standard error | replications | 5 % ± 1, up to that |"
        yield "|---|---|---|---|---|---|"
        for row in told:
            rate, error, fault = row["told_apart"], row["standard_error"], row["fault"] or "none"
            cells = (row["score"], f"{fault}", f"{rate:.1%}", f"{error:.1%}", str(row["replications"]), within(row))
            yield "| " + " | ".join(cells) + " |"


def within(row: dict[str, Any]) -> str:
    """Whether a rate of error is 5 % -+ 1, or could be for all these replications tell."""
    off = abs(row["told_apart"] - 0.05)
    return "yes" if off <= 0.01 else "within its error" if off <= 0.01 + row["standard_error"] else "**no**"


def type_one_words(told: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Which comparisons find differences too often, and which too seldom."""
    for fault in dict.fromkeys(row["fault"] for row in told):
        rows = [row for row in told if row["fault"] == fault]
        off = [row for row in rows if within(row) == "**no**"]
        often = [row["score"] for row in off if row["told_apart"] > 0.05]
        seldom = [row["score"] for row in off if row["told_apart"] < 0.05]
        both = f"Both with a fault of {fault}" if fault else "Both of the real distribution"
        yield f"- {both}: {len(rows) - len(off)} of {len(rows)} metrics tell 5 % ± 1 apart, up to the standard error."
        yield f"  Too often, so that p-values are not to be believed: {', '.join(often) or 'none'}."
        yield f"  Too seldom, so that small differences are missed rather than invented: {', '.join(seldom) or 'none'}."
    yield ""


def page(curves: Sequence[Curve], still: Sequence[Stillness], studies: Sequence[dict[str, Any]]) -> str:
    """The document."""
    measured = [c for c in curves if not c.problem]
    told = [c for c in measured if c.expected != "stays"]
    kept = [c for c in measured if c.expected == "stays"]
    lines = [
        INTRODUCTION.format(monotone=MONOTONE),
        f"- {sum(c.passed for c in told)} of {len(told)} curves of designated mistakes reach Spearman {MONOTONE};",
        f"- {sum(c.passed for c in kept)} of {len(kept)} metrics stay within the floor's interval where they must;",
        f"- {sum(s.passed for s in still)} of {len(still)} metrics of equal and of reordered sets are as they must be.",
        "",
        *(f"- Not as expected: {failure(c)}" for c in measured if not c.passed),
        *(
            f"- Not as expected: {s.metric} of equal or reordered sets, {s.data}. {EQUAL.get(s.metric, '')}"
            for s in still
            if not s.passed
        ),
        "",
    ]
    for kind in dict.fromkeys(c.kind for c in curves):
        lines += [f"## {kind.capitalize()}", "", *curve_rows([c for c in curves if c.kind == kind]), ""]
    lines += ["## Equal sets, and rows in another order", "", *still_rows(still), ""]
    if studies:
        lines += ["## Planted copies, and two honest generators", "", STUDIES, *study_rows(studies), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip()) + "\n"


def failure(curve: Curve) -> str:
    """What a curve did instead, and why where that is known."""
    rho = "" if curve.expected == "stays" else f": Spearman {curve.spearman:.2f}"
    why = EXPLAINED.get((curve.metric, curve.corruption), "")
    return f"{curve.metric}, {curve.corruption}, {curve.data}{rho}. {why}".rstrip()


INTRODUCTION = """# Does each metric measure what it says?

Made by `python -m benchmarks.sanity run --data DIR --out battery.jsonl`, `python -m benchmarks.sanity.studies` (both
studies) and `python -m benchmarks.sanity write battery.jsonl copies.jsonl type_one.jsonl`: about 8 and 15 minutes of
one core. The same numbers, with their spread over draws, are in `sanity.jsonl`.

Real records that no metric had seen were damaged by known amounts and measured as if a generator had made them. Each
row is one metric on one mistake that it is designated to see (`benchmarks.sanity.designations` is that table). The
first value is the floor, real against real; the others stand at five equal steps of strength, each a mean over several
draws. A metric that *rises* or *falls* must reach a Spearman coefficient of {monotone} with the amount. One that
*stays* must keep within the floor's 95 % interval: these are blind spots to know of, such as the logistic C2ST's for
broken dependence and every distance's for copies. "Seen from" is the least strength outside that interval: what the
metric can see at this n.
"""
STUDIES = """Planted copies: generated records are unseen real ones, of which 1 % are replaced by training records with
noise of 2 % of each feature's standard deviation (exact copies: by the records as they are). A test must flag these
and at most 1 % of honest generators. Two honest generators: both of one distribution, against shared real records,
compared as `genwright compare` does it; 5 % of such pairs may be told apart. That distribution is the real one, where
distances stand at their least value, and one with a fault (numbers shifted by .3, or three words in ten drawn at
random), as generators have them.
"""


def compact(curve: Curve) -> dict[str, Any]:
    """A curve with four digits."""
    found = curve.to_json()
    for key in ("values", "spread"):
        found[key] = [float(f"{v:.4g}") for v in found[key]]
    return found


def run(folder: Path | None, only: str, out: Path) -> None:
    """Append one line per curve and per metric of equal sets."""
    try:
        encoder: TextEncoder | None = TextEncoder()
    except MissingDependencyError as error:
        encoder = None
        print(f"without embeddings: {error}")
    for name, (subject, draws) in cases(folder, encoder).items():
        if only not in name:
            continue
        before = time.process_time()
        found = battery(subject(), draws=draws)
        rows = [{"study": "battery", **compact(c)} for c in found.curves]
        rows += [{"study": "still", **s.to_json()} for s in found.still]
        with out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        failed = [f"{f.metric} ({getattr(f, 'corruption', 'equal or reordered')})" for f in found.failed]
        print(f"{name}: {time.process_time() - before:.0f} s; failed: {failed}", flush=True)


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Both files of evidence, from the rows of all studies."""

    def of(study: str) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k != "study"} for row in rows if row["study"] == study]

    curves = [Curve(**row) for row in of("battery")]
    still = [Stillness(**row) for row in of("still")]
    studies = [row for row in rows if row["study"] in ("copies", "type-one")]
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (EVIDENCE / "sanity.jsonl").write_text(lines, encoding="utf-8")
    (EVIDENCE / "sanity.md").write_text(page(curves, still, studies), encoding="utf-8")


def main() -> None:
    """Run the battery, or write what was found."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run", help="run the battery")
    running.add_argument("--data", type=Path, help="the folder of benchmark data")
    running.add_argument("--only", default="", help="data sets whose name holds this")
    running.add_argument("--out", type=Path, required=True, help="file to append to")
    verbs.add_parser("write", help="write the evidence").add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    if options.verb == "run":
        run(options.data, options.only, options.out)
    else:
        write([json.loads(line) for path in options.files for line in path.read_text().splitlines()])


if __name__ == "__main__":
    main()
