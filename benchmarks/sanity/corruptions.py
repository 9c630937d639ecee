"""Graded corruptions: known mistakes in known amounts, made on purpose, to see whether a metric sees them.

Each takes records and an amount from 0 (left as they are) to 1, and gives as many records of the same kind back. With a
generator in the same state, the mistakes of a smaller amount are part of those of a larger one.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter

from genwright.data.dataset import Category, Dataset, Field, Image, Number, Time
from genwright.errors import ArgumentError, DataError
from genwright.metrics.coherence import split_sentences

GRID = 4  # patches along each side of an image
NARROWED = 0.2  # of a number's distance from its mean that is left
PHRASE = 4  # words of a phrase that is said over and over
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
BLANK = re.compile(r"(\s+)")

Series = Float[np.ndarray, "n t c"]


# ---- any records ----------------------------------------------------------------------------------------------------


def chosen(n: int, amount: float, *, rng: np.random.Generator) -> Int[np.ndarray, "k"]:
    """Random places of a share `amount` of n records.

    >>> len(chosen(10, 0.3, rng=np.random.default_rng(0)))
    3
    """
    if not 0 <= amount <= 1:
        raise ArgumentError(f"an amount of {amount:g}", where="amount", hint="between 0 and 1")
    return rng.permutation(n)[: round(amount * n)]


def without_modes(
    modes: Int[np.ndarray, "n"], amount: float, *, n: int, rng: np.random.Generator
) -> Int[np.ndarray, "_"]:
    """Rows of n records from a larger set after a share `amount` of its modes is gone; `modes` numbers each record's.

    One mode stays at least. Rows are drawn without replacement as long as there are enough.
    """
    order = np.unique(modes)
    gone = order[chosen(len(order), amount, rng=rng)[: len(order) - 1]]
    shuffled = rng.permutation(len(modes))
    rows = shuffled[~np.isin(modes[shuffled], gone)]
    return rows[:n] if len(rows) >= n else np.concatenate([rows, rng.choice(rows, n - len(rows))])


def records_copied(data: Dataset, amount: float, *, source: Dataset, rng: np.random.Generator) -> Dataset:
    """A share of the records is replaced by records of `source`, the training set say; none of them twice."""
    rows = chosen(len(data), amount, rng=rng)
    if len(rows) > len(source):
        raise DataError(f"{len(rows)} records cannot be copied from {len(source)}", where=source.name)
    taken = rng.permutation(len(source))[: len(rows)]
    columns = {f.name: _replaced(data.columns[f.name], rows, source.columns[f.name][taken]) for f in data.fields}
    return _with(data, columns)


# ---- images ---------------------------------------------------------------------------------------------------------


def image_noise(images: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """Gaussian noise whose standard deviation is `amount` times the grey range, clipped to that range."""
    top = _image(images).levels - 1
    x = _pixels(images)
    return _with_pixels(images, np.clip(x + amount * top * rng.normal(size=x.shape), 0, top))


def image_blur(images: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """Gaussian blur with a standard deviation of `amount` times an eighth of the height; draws nothing."""
    x = _pixels(images)
    sigma = amount * x.shape[1] / 8
    return _with_pixels(images, gaussian_filter(x, (0, sigma, sigma, 0), mode="nearest"))


def patches_shuffled(images: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """A share of the 4 x 4 patches of each image change places with each other."""
    x = _pixels(images)
    high, wide = x.shape[1] // GRID, x.shape[2] // GRID
    if not high or not wide:
        raise DataError(f"images of {x.shape[1]} x {x.shape[2]} pixels hold no 4 x 4 patches", where=images.name)
    corners = [(i * high, j * wide) for i in range(GRID) for j in range(GRID)]
    out = x.copy()
    for i in range(len(x)):
        places = chosen(len(corners), amount, rng=rng)
        for to, whence in zip(places, np.roll(places, 1), strict=True):
            (a, b), (c, d) = corners[to], corners[whence]
            out[i, a : a + high, b : b + wide] = x[i, c : c + high, d : d + wide]
    return _with_pixels(images, out)


def images_mixed(images: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """A share of the images become mosaics, each quarter from another image: modes that were never there."""
    x = _pixels(images)
    rows, (high, wide) = chosen(len(x), amount, rng=rng), (x.shape[1] // 2, x.shape[2] // 2)
    out = x.copy()
    for top in (slice(0, high), slice(high, None)):
        for left in (slice(0, wide), slice(wide, None)):
            out[rows, top, left] = x[rng.permutation(len(x))[: len(rows)], top, left]
    return _with_pixels(images, out)


def labels_shuffled(data: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """A share of the records exchange their labels with each other."""
    if data.label is None:
        raise DataError("no label to shuffle", where=data.name)
    rows, column = chosen(len(data), amount, rng=rng), data.columns[data.label]
    return _with(data, {data.label: _replaced(column, rows, column[np.roll(rows, 1)])})


# ---- tables ---------------------------------------------------------------------------------------------------------


def numbers_noised(table: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """In a share of the rows, Gaussian noise of one standard deviation on every number.

    Graded by rows, not by strength: a column of few values gives the slightest noise away in every row.
    """
    rows = chosen(len(table), amount, rng=rng)
    columns = {}
    for f in _numbers(table):
        x = table.columns[f.name]
        moved = x[rows] + np.nanstd(x) * rng.normal(size=len(x))[: len(rows)]
        columns[f.name] = _replaced(x, rows, _written(f, moved))
    return _with(table, columns)


def numbers_narrowed(table: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """In a share of the rows, every number is drawn to its mean by four fifths of the way."""
    rows = chosen(len(table), amount, rng=rng)
    columns = {}
    for f in _numbers(table):
        x = table.columns[f.name]
        moved = np.nanmean(x) + NARROWED * (x[rows] - np.nanmean(x))
        columns[f.name] = _replaced(x, rows, _written(f, moved))
    return _with(table, columns)


def rows_shuffled(table: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """In a share of the rows every column is permuted by itself: single columns stay, dependence is broken."""
    rows = chosen(len(table), amount, rng=rng)
    columns = {}
    for f in table.scalars:
        column = table.columns[f.name]
        columns[f.name] = _replaced(column, rows, column[rng.permutation(rows)])
    return _with(table, columns)


def rows_invented(table: Dataset, amount: float, *, rng: np.random.Generator) -> Dataset:
    """A share of the rows is drawn uniformly: numbers and times between their extremes, categories among levels."""
    rows = chosen(len(table), amount, rng=rng)
    columns = {}
    for f in table.scalars:
        column = table.columns[f.name]
        columns[f.name] = _replaced(column, rows, _uniform(f, column, len(rows), rng))
    return _with(table, columns)


# ---- text -----------------------------------------------------------------------------------------------------------


def words_shuffled(texts: Sequence[str], amount: float, *, rng: np.random.Generator) -> list[str]:
    """In each text a share of the words change places with each other."""
    out = []
    for text in texts:
        parts = BLANK.split(text)
        words = np.array(parts[::2], dtype=object)
        places = chosen(len(words), amount, rng=rng)
        words[places] = words[rng.permutation(places)]
        out.append("".join(a + b for a, b in zip(words, [*parts[1::2], ""], strict=True)))
    return out


def sentences_shuffled(texts: Sequence[str], amount: float, *, rng: np.random.Generator) -> list[str]:
    """In a share of the texts the sentences stand in random order; in all, they are joined by one space."""
    shuffled = set(chosen(len(texts), amount, rng=rng).tolist())
    out = []
    for i, text in enumerate(texts):
        sentences = split_sentences(text)
        order = rng.permutation(len(sentences)) if i in shuffled else np.arange(len(sentences))
        out.append(" ".join(sentences[j] for j in order))
    return out


def characters_randomised(texts: Sequence[str], amount: float, *, rng: np.random.Generator) -> list[str]:
    """A share of the characters of each text, blanks aside, become random letters."""
    out = []
    for text in texts:
        characters = np.array(list(text))
        written = np.flatnonzero([not c.isspace() for c in text])
        places = written[chosen(len(written), amount, rng=rng)]
        characters[places] = rng.choice(LETTERS, len(places))
        out.append("".join(characters))
    return out


def phrases_repeated(texts: Sequence[str], amount: float, *, rng: np.random.Generator) -> list[str]:
    """The last share of the words of each text says the four words before it over and over; draws nothing."""
    out = []
    for text in texts:
        words = text.split()
        kept = max(len(words) - round(amount * len(words)), min(PHRASE, len(words)))
        phrase = words[max(kept - PHRASE, 0) : kept]
        out.append(" ".join(words[:kept] + [phrase[i % PHRASE] for i in range(len(words) - kept)]))
    return out


def texts_copied(texts: Sequence[str], amount: float, *, source: Sequence[str], rng: np.random.Generator) -> list[str]:
    """A share of the texts is replaced by texts of `source`, none of them twice."""
    rows = chosen(len(texts), amount, rng=rng)
    if len(rows) > len(source):
        raise DataError(f"{len(rows)} texts cannot be copied from {len(source)}", where="text")
    out = list(texts)
    for i, j in zip(rows, rng.permutation(len(source)), strict=False):
        out[i] = source[j]
    return out


# ---- series ---------------------------------------------------------------------------------------------------------


def series_noised(series: Series, amount: float, *, rng: np.random.Generator) -> Series:
    """Gaussian noise of `amount` times each channel's standard deviation, independent at every step."""
    return series + amount * series.std(axis=(0, 1)) * rng.normal(size=series.shape)


def time_shuffled(series: Series, amount: float, *, rng: np.random.Generator) -> Series:
    """In each series a share of the steps change places with each other, all channels together."""
    out = series.copy()
    for i in range(len(series)):
        places = chosen(series.shape[1], amount, rng=rng)
        out[i, places] = series[i, rng.permutation(places)]
    return out


def time_slowed(series: Series, amount: float, *, rng: np.random.Generator) -> Series:
    """Each series runs slower, at amount 1 half as fast, interpolated between steps; draws nothing."""
    t = series.shape[1]
    at = np.arange(t) * (1 - amount / 2)
    before = at.astype(int)
    part = (at - before)[None, :, None]
    return (1 - part) * series[:, before] + part * series[:, np.minimum(before + 1, t - 1)]


def channels_unlinked(series: Series, amount: float, *, rng: np.random.Generator) -> Series:
    """In a share of the series each channel but the first comes from another one of them: dependence is broken."""
    rows = chosen(len(series), amount, rng=rng)
    out = series.copy()
    for channel in range(1, series.shape[2]):
        out[rows, :, channel] = series[rng.permutation(rows), :, channel]
    return out


def series_narrowed(series: Series, amount: float, *, rng: np.random.Generator) -> Series:
    """Every value is drawn to its channel's mean by a share `amount` of the way; draws nothing."""
    centre = series.mean(axis=(0, 1))
    return centre + (1 - amount) * (series - centre)


# ---- parts ----------------------------------------------------------------------------------------------------------


def _image(data: Dataset) -> Image:
    if not isinstance(data.media, Image) or data.columns[data.media.name].dtype == object:
        raise DataError("images of one size are needed", where=data.name)
    return data.media


def _pixels(images: Dataset) -> Float[np.ndarray, "n h w c"]:
    return images.columns[_image(images).name].astype(np.float64)


def _with_pixels(images: Dataset, x: Float[np.ndarray, "n h w c"]) -> Dataset:
    return _with(images, {_image(images).name: np.round(x).astype(np.uint8)})


def _with(data: Dataset, columns: dict[str, np.ndarray]) -> Dataset:
    return replace(data, columns={**data.columns, **columns}, fixed_split=None)


def _replaced(column: np.ndarray, rows: Int[np.ndarray, "k"], values: np.ndarray) -> np.ndarray:
    out = column.copy()
    out[rows] = values
    return out


def _numbers(table: Dataset) -> list[Number]:
    found = [f for f in table.scalars if isinstance(f, Number)]
    if not found:
        raise DataError("no number column", where=table.name)
    return found


def _written(field: Number, x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """With as many decimals as the column has: else every changed number would show by its digits alone."""
    return x if field.decimals is None else np.round(x, field.decimals)


def _uniform(field: Field, column: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    if isinstance(field, Category):
        levels = sorted({v for v in column if v is not None})
        return np.array([levels[i] for i in rng.integers(0, max(len(levels), 1), n)], dtype=object)
    if isinstance(field, Time):
        known = column[~np.isnat(column)].astype(np.int64)
        return rng.integers(known.min(), known.max() + 1, n).astype(column.dtype)
    assert isinstance(field, Number)
    return _written(field, rng.uniform(np.nanmin(column), np.nanmax(column), n))
