"""Scores of the free-text columns of a table: statistics, copies, and whether texts agree with their row."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.sparse import spmatrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB

from genwright.audit.copies import copied_share
from genwright.data.dataset import Category, Dataset, Field, Time
from genwright.errors import DataError
from genwright.metrics.collect import Found, second_real
from genwright.metrics.text import ngram_divergence
from genwright.scores.intervals import share_interval
from genwright.scores.score import Score, signature

MAX_TEXTS = 10_000  # of each table that are compared
CLASSES = 4  # that a number or time is cut into, as many rows in each
MAX_CLASSES = 50  # levels of a column that texts are held against
HASHED = 2**15  # features of a text: its words and pairs of words


def score_text_columns(found: Found, fake: Dataset, real: Dataset, train: Dataset | None, seed: int) -> None:
    """Each free-text column: 4-grams; with `train`, copied texts and agreement with the other columns too."""
    against, other = second_real(real, train, len(fake), seed)
    for field in real.texts:
        sides = [_some(data, field.name, seed) for data in (real, fake, against, other)]
        divergence = partial(_divergence, field.name, seed)
        found.add_beside(
            f"byte 4-gram divergence: {field.name}", divergence, (sides[0], sides[1]), (sides[2], sides[3])
        )
        if train is not None:
            found.add(
                f"copied texts: {field.name}", partial(copied_texts, train, fake, held_out=real, column=field.name)
            )
            found.add(
                f"text agreement: {field.name}", partial(text_agreement, train, fake, held_out=real, column=field.name)
            )


def copied_texts(train: Dataset, fake: Dataset, *, held_out: Dataset, column: str) -> Score:
    """Share of generated texts that equal the text of exactly one training row, in percent; empty ones do not count.

    Texts that several training rows share are common ones, which may come up. The floor is that of unseen real texts.
    """
    counts = pd.Series(train.columns[column], dtype=object).value_counts()
    single = set(counts.index[counts == 1]) - {""}
    copied, repeated = (np.array([t in single for t in data.columns[column]]) for data in (fake, held_out))
    return copied_share(f"copied texts: {column}", copied, repeated, train=len(train))


def text_agreement(train: Dataset, fake: Dataset, *, held_out: Dataset, column: str) -> Score:
    """How often the text tells another column of its generated row, in percent; the target is what real rows show.

    A multinomial naive Bayes model of words and pairs of words, fitted to training rows, predicts each other column
    (numbers and times cut at quartiles) from the text; the column is taken of which texts of unseen rows tell most
    beyond its commonest value.
    """
    features = [_features(data.columns[column]) for data in (train, held_out, fake)]
    best: tuple[float, str, float, float] | None = None
    for field in train.scalars:
        classes = _classes(field, train, held_out, fake)
        if classes is None:
            continue
        model = MultinomialNB(alpha=0.1).fit(features[0], classes[0])
        real, made = (float((model.predict(x) == y).mean()) for x, y in zip(features[1:], classes[1:], strict=True))
        gain = real - float(np.bincount(classes[1]).max() / len(classes[1]))
        best = max(best, (gain, field.name, real, made)) if best else (gain, field.name, real, made)
    if best is None:
        raise DataError("no other column of few values", where=column)
    _, target, real, made = best
    low, high = share_interval(made, len(fake))
    return Score(
        name=f"text agreement: {column}",
        value=100 * made,
        direction="target",
        n=len(fake),
        signature=signature("text agreement", protocol=f"naive Bayes of {target}", n=(len(held_out), len(fake))),
        interval=(100 * low, 100 * high),
        floor=100 * real,
        unit="%",
        group="fidelity",
        note=f"how often the text tells {target}",
    )


def _classes(field: Field, *tables: Dataset) -> list[Int[np.ndarray, " n"]] | None:
    """A column of each table as class numbers; None where it has one class, or too many."""
    columns = [data.columns[field.name] for data in tables]
    if not isinstance(field, Category):
        columns = [_plain(field, column) for column in columns]
        if len(np.unique(columns[0])) > CLASSES:
            cuts = np.nanquantile(columns[0], np.linspace(0, 1, CLASSES + 1)[1:-1])
            columns = [np.where(np.isnan(c), -1, np.searchsorted(cuts, c, side="right")) for c in columns]
    codes, levels = pd.factorize(np.concatenate(columns), use_na_sentinel=False)
    if not 2 <= len(levels) <= MAX_CLASSES:
        return None
    return np.split(codes, np.cumsum([len(c) for c in columns])[:-1])


def _plain(field: Field, column: np.ndarray) -> np.ndarray:
    if isinstance(field, Time):
        return np.where(np.isnat(column), np.nan, column.astype("datetime64[s]").astype(np.float64))
    return column


def _features(texts: np.ndarray) -> spmatrix:
    vectorizer = HashingVectorizer(n_features=HASHED, ngram_range=(1, 2), alternate_sign=False, norm=None)
    return vectorizer.transform(list(texts))


def _divergence(column: str, seed: int, real: list[str], fake: list[str]) -> Score:
    score = ngram_divergence(real, fake, seed=seed)
    return replace(score, name=f"{score.name}: {column}")


def _some(data: Dataset, column: str, seed: int) -> list[str]:
    rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:MAX_TEXTS])
    return [text for text in data.columns[column][rows] if text]
