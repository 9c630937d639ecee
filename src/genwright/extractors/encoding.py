"""Rows of tables as numbers: for distances and linear models (points), and for trees (columns)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from genwright.data.dataset import Category, Dataset, Field, Time
from genwright.errors import DataError

MAX_LEVELS = 250  # of a category for trees (they take 255 bins); rarer ones share one
MAX_ONE_HOT = 50  # levels of a category with a coordinate of their own; rarer and unseen ones share one


def row_points(reference: Dataset, tables: Sequence[Dataset]) -> list[Float[np.ndarray, "_ d"]]:
    """The rows of each table as points in one space, whose scale is that of `reference`.

    A number or time is its normal score: the standard normal quantile of its mid-rank among the known values of
    `reference`, interpolated between them, at most that of 1 - 1/(2n); so tails and units do not matter. A missing
    one is 0 and marked by 1 in a coordinate of its own, if any table has one. A category is one-hot over its levels
    in `reference` (the 50 most frequent), missing and all others being two more, times 1/sqrt(2): two rows that differ
    in one level are at distance 1. All tables have the fields of `reference` (`align.aligned`).
    """
    if not reference.scalars:
        raise DataError("no number, category or time column to compare", where=reference.name)
    parts: list[list[np.ndarray]] = [[] for _ in tables]
    for field in reference.scalars:
        columns = [t.columns[field.name] for t in tables]
        encode = _one_hot if isinstance(field, Category) else _normal_scores
        for part, points in zip(parts, encode(field, reference.columns[field.name], columns), strict=True):
            part.append(points)
    return [np.concatenate(part, axis=1) for part in parts]


def _normal_scores(field: Field, reference: np.ndarray, columns: list[np.ndarray]) -> list[Float[np.ndarray, "_ d"]]:
    known = _as_float(field, reference)
    known = known[~np.isnan(known)]
    values, counts = np.unique(known, return_counts=True)
    marks = any(np.isnan(_as_float(field, c)).any() for c in columns)
    found = []
    for column in columns:
        x = _as_float(field, column)
        missing = np.isnan(x)
        z = np.zeros(len(x))
        if len(values):
            ranks = (np.cumsum(counts) - counts / 2) / len(known)
            edge = 1 / (2 * len(known))
            share = np.interp(x, values, ranks, left=edge, right=1 - edge)
            z = np.where(missing, 0.0, ndtri(np.clip(share, edge, 1 - edge))) if len(known) > 1 else z
        found.append(np.stack([z, missing.astype(np.float64)] if marks else [z], axis=1))
    return found


def _one_hot(field: Field, reference: np.ndarray, columns: list[np.ndarray]) -> list[Float[np.ndarray, "_ d"]]:
    levels = pd.Series(reference, dtype=object).value_counts().index[:MAX_ONE_HOT]
    place = {level: i for i, level in enumerate(sorted(levels, key=str))}
    found = []
    for column in columns:
        code = np.array([len(place) if v is None else place.get(v, len(place) + 1) for v in column], dtype=np.int64)
        found.append(np.eye(len(place) + 2)[code] / np.sqrt(2))
    return found


def tree_columns(a: Dataset, b: Dataset) -> tuple[Float[np.ndarray, "n c"], list[bool]]:
    """Rows of both tables as one matrix for trees, and which of its columns are categories; NaN is missing."""
    parts = [_tree_column(f, np.concatenate([a.columns[f.name], b.columns[f.name]])) for f in a.scalars]
    return np.stack(parts, axis=1), [isinstance(f, Category) for f in a.scalars]


def _tree_column(field: Field, column: np.ndarray) -> Float[np.ndarray, "n"]:
    return _level_numbers(column) if isinstance(field, Category) else _as_float(field, column)


def _as_float(field: Field, column: np.ndarray) -> Float[np.ndarray, "n"]:
    """A number or time as floats, NaN where missing; times in seconds."""
    if isinstance(field, Time):
        return np.where(np.isnat(column), np.nan, column.astype("datetime64[s]").astype(np.float64))
    return column.astype(np.float64)


def _level_numbers(column: np.ndarray) -> Float[np.ndarray, "n"]:
    """Levels numbered by falling frequency, the rare ones together; ties by text, so row order does not matter."""
    codes, levels = pd.factorize(column, use_na_sentinel=True, sort=True)
    known: Bool[np.ndarray, "n"] = codes >= 0
    counts = np.bincount(codes[known], minlength=max(len(levels), 1))
    order: Int[np.ndarray, "l"] = np.empty(len(counts), dtype=np.int64)
    order[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(known, np.minimum(order[np.maximum(codes, 0)], MAX_LEVELS), np.nan)
