"""Generators that learn next to nothing: what every model has to beat to be worth its training.

Tables: columns drawn independently of each other. Images: the mean of each class, and pixels drawn independently of
each other given the class. Text: letters by their frequencies, and by the two letters before them; and bits per byte
by an n-gram model, which every model of text has to beat.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from genwright.data.dataset import Dataset, Image, Text
from genwright.maths.ngram_fit import costs, fitted
from genwright.maths.ngrams import Smoothed, Stretch, counted, following, stretched
from genwright.metrics.kind import Baseline
from genwright.scores.score import Score

INDEPENDENT = "columns drawn independently"
MEANS, PIXELS = "mean images", "pixels drawn independently"
LETTERS, TRIGRAMS = "letter frequencies", "letters given the two before"
LENGTH = 512  # characters of a text that continues without end
SOURCE = 2_000_000  # characters of training text that are counted
END = "\0"  # after a record that ends
FLOOR_BYTES, FLOOR_ORDER = 2_000_000, 8  # of training text that are counted, and the longest n-grams in bytes
DECISIVE = ("C2ST", "bits per byte", "Frechet distance")  # scores by which a model must beat its baseline
SATURATED = 0.05  # C2ST below which judges tell nearly all apart, and no longer the bad from the worse


def table_baselines(train: Dataset) -> Mapping[str, Baseline]:
    """Columns drawn independently of each other."""
    return {INDEPENDENT: _independent}


def image_baselines(train: Dataset) -> Mapping[str, Baseline]:
    """Pixels drawn independently, and means; none for images of different sizes."""
    return {} if train.medium(Image).shape is None else {PIXELS: _pixels, MEANS: _means}


def text_baselines(train: Dataset) -> Mapping[str, Baseline]:
    """Letters given the two before, and their frequencies."""
    return {TRIGRAMS: _trigrams, LETTERS: _letters}


def unusable(scores: Sequence[Score]) -> list[Score]:
    """The decisive scores by which a model is not measurably better than its baseline, though it might be.

    A baseline that is as good as real data itself, as where columns are independent, can be equalled. The Frechet
    distance decides only where the judge tells nearly all apart.
    """
    seen = next((score.value for score in scores if score.name == "C2ST"), 0.0)
    deciding = DECISIVE if seen < SATURATED else DECISIVE[:2]
    return [score for score in scores if score.name in deciding and _no_better(score)]


def _no_better(score: Score) -> bool:
    worst = score.baseline
    if worst is None or (score.name == "C2ST" and worst < SATURATED):
        return False
    low, high = score.interval or (score.value, score.value)
    if score.direction == "lower":
        return (score.floor is None or low > score.floor) and (score.value if score.floor is None else high) >= worst
    return score.floor is not None and high < score.floor and low <= worst


def _independent(train: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    columns = {name: column[rng.integers(0, len(column), n)] for name, column in train.columns.items()}
    return replace(train, columns=columns, name=INDEPENDENT, fixed_split=None, notes=())


def _by_class(train: Dataset, n: int, rng: np.random.Generator) -> tuple[Dataset, list[tuple[np.ndarray, np.ndarray]]]:
    """n training records with their labels, and which of them belong to which training images."""
    rows = rng.integers(0, len(train), n)
    if train.label is None or train.columns[train.label].dtype != object:
        return train.take(rows), [(np.arange(n), np.arange(len(train)))]
    of_all = train.columns[train.label].astype(str)
    return train.take(rows), [
        (np.flatnonzero(of_all[rows] == k), np.flatnonzero(of_all == k)) for k in sorted(set(of_all[rows]))
    ]


def _means(train: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    return _painted(train, n, rng, lambda images, count: np.repeat(images.mean(0, keepdims=True), count, axis=0), MEANS)


def _pixels(train: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    def draw(images: Float[np.ndarray, "m h w c"], count: int) -> Float[np.ndarray, "n h w c"]:
        return rng.normal(images.mean(0), images.std(0), (count, *images.shape[1:]))

    return _painted(train, n, rng, draw, PIXELS)


def _painted(train: Dataset, n: int, rng: np.random.Generator, draw: Callable, name: str) -> Dataset:  # type: ignore[type-arg]
    """n images made class by class, by a function of the images of a class and of how many are wanted."""
    media = train.medium(Image)
    drawn, classes = _by_class(train, n, rng)
    source = train.columns[media.name]
    made = np.zeros((n, *source.shape[1:]), dtype=source.dtype)
    for mine, theirs in classes:
        few = source[rng.permutation(theirs)[:1000]].astype(np.float32)
        made[mine] = np.clip(np.rint(draw(few, len(mine))), 0, media.levels - 1)
    return replace(drawn, columns={**drawn.columns, media.name: made}, name=name, fixed_split=None, notes=())


def _letters(train: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    return _written(train, n, rng, 0, LETTERS)


def _trigrams(train: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    return _written(train, n, rng, 2, TRIGRAMS)


def _written(train: Dataset, n: int, rng: np.random.Generator, before: int, name: str) -> Dataset:
    """n texts, each letter drawn as it follows the letters before it, so many; records end as real ones do."""
    media = train.medium(Text)
    texts = [text for text in train.columns[media.name] if text]
    source = END * (not media.running) + ("" if media.running else END).join(texts)[:SOURCE] + END
    letters, told = np.unique(np.frombuffer(source.encode("utf-32-le", "replace"), dtype="<u4"), return_inverse=True)
    end, size = int(np.searchsorted(letters, ord(END))), len(letters)
    seen = stretched(told[None].astype(np.int64), end=end, framed=False, documents=not media.running)
    counts = counted(seen, vocabulary=size, alphabet=size, order=before + 1)
    model = Smoothed(counts, np.zeros((counts.order, 2, 4)))  # nothing that was not seen
    drawn = np.full((n, LENGTH + 1), end)
    for t in range(int(not media.running), LENGTH + 1):
        reach = np.full(n, min(t, before))
        law = following(model, Stretch(drawn.ravel(), np.arange(n) * (LENGTH + 1) + t, reach, np.zeros((n, 0), int)))
        if media.running:
            law[:, end] = 0.0
        cumulative = law.cumsum(axis=1)
        place = (cumulative <= rng.random((n, 1)) * cumulative[:, -1:]).sum(axis=1)
        drawn[:, t] = np.where(drawn[:, t - 1] == end, end, place) if t > 1 and not media.running else place
    written = ["".join(map(chr, letters[row])).replace(END, "") for row in drawn]
    columns = {media.name: np.array(written, dtype=object)}
    return replace(train, fields=(media,), columns=columns, label=None, name=name, fixed_split=None, notes=())


def bits_by_counts(train: Sequence[str], texts: Sequence[str], *, running: bool) -> tuple[Float[np.ndarray, "k"], int]:
    """Bits per byte of texts by an n-gram model of bytes fitted to `train`, with bytes alone, with one before, and so
    on, and the order of the model. Records end, which counts as one byte.

    As `genwright.NGram` of bytes would: counts with modified Kneser-Ney smoothing, a tenth of `train` held out until
    order and discounts are chosen. At most FLOOR_BYTES of `train` are counted.

    >>> found, order = bits_by_counts(["abab" * 1000], ["abab" * 100], running=True)
    >>> found[:2].round(2).tolist()
    [1.0, 0.0]
    """
    model = _counted_bytes(tuple(train), running)
    asked = bytes_told([text.encode("utf-8", "replace") for text in texts], running=running)
    return costs(model, asked) / np.log(2), model.counts.order


@lru_cache(maxsize=1)
def _counted_bytes(texts: tuple[str, ...], running: bool) -> Smoothed:
    raws, size = [], 0
    for text in texts:
        raws.append(text.encode("utf-8", "replace")[: FLOOR_BYTES - size])
        size += len(raws[-1])
        if size >= FLOOR_BYTES:
            break
    seen = bytes_told(raws, running=running)
    return fitted(seen, None, vocabulary=257, alphabet=257, order=FLOOR_ORDER)[0]


def bytes_told(raws: Sequence[bytes], *, running: bool) -> Stretch:
    """Bytes to be predicted: of one text, or of records, each of them after an end and with one."""
    parts = [np.frombuffer(raw, dtype=np.uint8).astype(np.int64) for raw in raws]
    if running:
        return stretched(np.concatenate(parts)[None], end=256, framed=False)
    ended = [np.append(part, 256) for part in parts]
    return stretched(np.concatenate([[256], *ended])[None].astype(np.int64), end=256, framed=False, documents=True)
