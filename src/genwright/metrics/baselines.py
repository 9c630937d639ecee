"""Generators that learn next to nothing: what every model has to beat to be worth its training.

Tables: columns drawn independently of each other. Images: the mean of each class, and pixels drawn independently of
each other given the class. Text: letters by their frequencies, and by the two letters before them.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from genwright.data.dataset import Dataset, Image, Text
from genwright.metrics.kind import Baseline
from genwright.scores.score import Score

INDEPENDENT = "columns drawn independently"
MEANS, PIXELS = "mean images", "pixels drawn independently"
LETTERS, TRIGRAMS = "letter frequencies", "letters given the two before"
LENGTH = 512  # characters of a text that continues without end
SOURCE = 2_000_000  # characters of training text that are counted
END = "\0"  # after a record that ends
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


def _written(train: Dataset, n: int, rng: np.random.Generator, order: int, name: str) -> Dataset:
    """n texts, each letter drawn as it follows the `order` letters before it; records end as real ones do."""
    media = train.medium(Text)
    texts = [text for text in train.columns[media.name] if text]
    end = "" if media.running else END * max(order, 1)
    source = end + end.join(texts)[:SOURCE] + end
    following: dict[str, list[str]] = defaultdict(list)
    for i in range(order, len(source)):
        following[source[i - order : i]].append(source[i])
    written = []
    for _ in range(n):
        place = 0 if end else int(rng.integers(max(len(source) - order, 1)))
        text = source[place : place + order]
        while len(text) < LENGTH + order and not (len(text) > order and text[-1] == END):
            choices = following.get(text[len(text) - order :]) or following[source[:order]]
            text += choices[rng.integers(len(choices))]
        written.append(text.replace(END, "") if end else text[order:])
    columns = {media.name: np.array(written, dtype=object)}
    return replace(train, fields=(media,), columns=columns, label=None, name=name, fixed_split=None, notes=())


def bits_per_byte(train: bytes, text: bytes, *, order: int) -> float:
    """What a byte of `text` costs under the counts of bytes of `train` given the `order` bytes before it.

    Counts of long contexts are filled up from those of shorter ones, by Witten and Bell 1991 (method C); a byte that
    was never seen costs 8 bits and more. Order 0 counts bytes alone.

    >>> bits_per_byte(b"abab" * 1000, b"abab", order=1) < 1 < bits_per_byte(b"abab" * 1000, b"abab", order=0)
    True
    """
    assert len(text) > order, "no byte to be counted"
    return float(byte_costs(train, text, order=order)[order, order:].mean())


def byte_costs(train: bytes, text: bytes, *, order: int) -> Float[np.ndarray, "k n"]:
    """Bits that each byte of `text` costs given 0 to `order` bytes before it, as in `bits_per_byte`; the first bytes
    follow on zeros.
    """
    known = np.frombuffer(train, dtype=np.uint8).astype(np.int64)
    asked = np.frombuffer(bytes(order) + text, dtype=np.uint8).astype(np.int64)
    share, costs = np.full(len(text), 1 / 256), []
    for size in range(order + 1):
        share = _refined(known, asked[order - size :], size, share)
        costs.append(-np.log2(share))
    return np.stack(costs)


def _refined(
    known: Int[np.ndarray, "n"], asked: Int[np.ndarray, "m"], size: int, share: Float[np.ndarray, "k"]
) -> np.ndarray:
    """Probabilities of bytes given `size` bytes before, from those given fewer."""
    runs, whole = (_codes(raw, size + 1) for raw in (known, asked))
    grams, counts = np.unique(runs, return_counts=True)
    contexts, first = np.unique(grams // 256, return_index=True)
    kinds = np.diff([*first, len(grams)])
    totals = np.add.reduceat(counts, first)
    hit, seen = _found(grams, whole), _found(contexts, whole // 256)
    count = np.where(hit >= 0, counts[hit], 0)
    total, kind = np.where(seen >= 0, totals[seen], 0), np.where(seen >= 0, kinds[seen], 1)
    return (count + kind * share) / (total + kind)


def _codes(raw: Int[np.ndarray, "n"], size: int) -> Int[np.ndarray, "k"]:
    """Each run of `size` bytes as one number."""
    codes = np.zeros(len(raw) - size + 1, dtype=np.int64)
    for i in range(size):
        codes = codes * 256 + raw[i : i + len(codes)]
    return codes


def _found(among: Int[np.ndarray, "n"], wanted: Int[np.ndarray, "m"]) -> Int[np.ndarray, "m"]:
    """Where each number stands in a sorted list, -1 if nowhere."""
    place = np.minimum(np.searchsorted(among, wanted), len(among) - 1)
    return np.where(among[place] == wanted, place, -1)
