"""Pictures of text: how often words occur, how varied they are, how long copied runs are, how well a model codes."""

import bz2
import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np

from genwright.data.dataset import Dataset, Text
from genwright.metrics.text import copied_runs
from genwright.report import charts, passages, plots
from genwright.report.plots import Picture
from genwright.scores.score import Score

_CHARACTERS = 1_000_000  # of each side whose words are counted
_WORDS = 300  # most frequent words on the map
_RUNS = 100  # texts in which copied runs are looked for
_LETTERS = 512  # characters of each of them
_CORPUS = 3_000_000  # characters of training text that are searched for a picture
_TOKEN = re.compile(rf"\w+|[{re.escape(string.punctuation)}]")


def frequencies(real: Dataset, fake: Dataset) -> Picture | None:
    """Words by how often they occur in real and in generated text."""
    counts = [Counter(_TOKEN.findall(_joined(data))) for data in (real, fake)]
    totals = [sum(count.values()) for count in counts]
    if min(totals) < 50:
        return None
    both = {word: sum(count[word] / total for count, total in zip(counts, totals)) for word in counts[0] | counts[1]}
    shown = sorted(both, key=lambda word: (-both[word], word))[:_WORDS]
    # Half an occurrence more, so that a word that one side lacks has a place on a logarithmic axis.
    per_thousand = [
        np.array([1000 * (count[word] + 0.5) / total for word in shown])
        for count, total in zip(counts, totals, strict=True)
    ]
    caption = (
        f"The {len(shown)} most frequent words and marks. On the line: as often as in real text; "
        "above it: too often. The farthest off are named. Order of words does not show here."
    )
    return Picture(plots.word_map(shown, *per_thousand, title="Frequencies of words"), caption, coloured=False)


def variety(scores: Sequence[Score]) -> Picture | None:
    """Shares of different runs of words, real beside generated."""
    found = [score for score in scores if score.name.startswith("distinct-") and score.floor is not None]
    if not found:
        return None
    sizes = {"1": "single words", "2": "pairs of words", "3": "triples of words"}
    names = [sizes.get(score.name.removeprefix("distinct-"), score.name) for score in found]
    real, fake = (np.array(v, dtype=float) for v in ([s.floor for s in found], [s.value for s in found]))
    chart = charts.bars(names, real, fake, title="different runs of words", width=plots.WIDTH)
    return Picture(chart, "How many of the words, pairs and triples within 200 words are different ones.")


def copied(fake: Dataset, unseen: Dataset, train: Dataset | None) -> Picture | None:
    """How long the longest runs are that texts share with the training text, generated beside unseen real ones."""
    if train is None:
        return None
    source = passages.corpus(train, train.medium(Text))[:_CORPUS]
    ours, theirs = _passages(fake), _passages(unseen)
    if min(len(ours), len(theirs)) < 5 or not source:
        return None
    length = min(int(np.median([len(text) for text in texts])) for texts in (ours, theirs))
    runs = [copied_runs([text[:length] for text in texts], source)[:, 1].astype(float) for texts in (theirs, ours)]
    caption = (
        f"The longest run that a text shares with the training text, for passages of {length} characters; dashes "
        "mark the medians. Common phrases repeat in real text too; runs far longer than any real one are copied."
    )
    chart = plots.distances(*runs, label="bytes in common", title="Lengths of copied runs", whole=True)
    return Picture(chart, caption)


def code_lengths(unseen: Dataset, scores: Sequence[Score]) -> Picture | None:
    """Bits per byte of the model beside what needs no model."""
    found = [score for score in scores if score.name == "bits per byte"]
    raw = _joined(unseen).encode("utf-8", "replace")
    if not found or len(raw) < 100:
        return None
    shares = np.bincount(np.frombuffer(raw, dtype=np.uint8), minlength=256) / len(raw)
    shares = shares[shares > 0]
    lengths = {
        "any byte alike": 8.0,
        "frequencies of bytes": float(-(shares * np.log2(shares)).sum()),
        "bzip2": 8 * len(bz2.compress(raw, 9)) / len(raw),
        **({} if found[0].baseline is None else {"to be beaten": found[0].baseline}),
        "this model": found[0].value,
    }
    chart = plots.single_bars(
        list(lengths),
        list(lengths.values()),
        marked=len(lengths) - 1,
        label="bits per byte of unseen text",
        title="Bits per byte",
    )
    caption = (
        "What the model needs for a byte of unseen text, beside codes that know nothing of the training data, and what "
        "it has to beat to be of use: counts of n-grams, or where it is made of these, of single bytes."
    )
    return Picture(chart, caption, coloured=False)


def _joined(data: Dataset) -> str:
    """All texts in one, as far as they are counted."""
    assert data.media is not None
    text = "\n".join(value for value in data.columns[data.media.name] if value)[:_CHARACTERS]
    return text.encode("utf-8", "replace").decode("utf-8")


def _passages(data: Dataset) -> list[str]:
    """Some passages of at most 512 characters, evenly spread."""
    assert data.media is not None
    texts = [value for value in data.columns[data.media.name] if value]
    rows = np.unique(np.linspace(0, len(texts) - 1, min(_RUNS, len(texts))).round().astype(int))
    return [texts[row][:_LETTERS] for row in rows]
