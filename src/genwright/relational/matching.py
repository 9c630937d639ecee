"""Matching rows to rows of another table: each to one much like what it asks for, none more often than it should be."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from genwright.data.dataset import Category, Field

CANDIDATES = 16  # nearest rows that each row may choose among in one round
ROUNDS = 12  # of choosing among rows that have room left, before the rest is matched at random
MAX_LEVELS = 32  # of a category, beyond which levels count as other
JITTER = 1e-3  # told-apart distance between rows that are alike, so that not all choose the same of them


def match(
    wanted: Float[np.ndarray, "n d"], offered: Float[np.ndarray, "m d"], room: Int[np.ndarray, "m"], *, seed: int
) -> Int[np.ndarray, "n"]:
    """For each wanted row the number of an offered one near it; row j is taken `room[j]` times. n = sum of room.

    Greedy: in each round every row without a match asks for its nearest offered rows that have room, in random order.

    >>> match(np.array([[0.0], [1.0], [0.9]]), np.array([[1.0], [0.0]]), np.array([2, 1]), seed=0).tolist()
    [1, 0, 0]
    """
    assert room.sum() == len(wanted)
    rng = np.random.default_rng(seed)
    found, room = np.full(len(wanted), -1), room.copy()
    offered = offered + JITTER * rng.standard_normal(offered.shape)
    wanted = wanted + JITTER * rng.standard_normal(wanted.shape)
    for _ in range(ROUNDS if wanted.shape[1] else 0):
        free, asking = np.flatnonzero(room > 0), rng.permutation(np.flatnonzero(found < 0))
        if not len(asking):
            return found
        near = cKDTree(offered[free]).query(wanted[asking], k=range(1, 1 + min(CANDIDATES, len(free))))[1]
        _serve(asking, free[near], room, found)
    rest = np.flatnonzero(found < 0)
    found[rest] = rng.permutation(np.repeat(np.arange(len(room)), room))
    return found


def _serve(asking: np.ndarray, near: np.ndarray, room: np.ndarray, found: np.ndarray) -> None:
    """One after the other takes the nearest row with room; `room` and `found` are changed."""
    for row, candidates in zip(asking.tolist(), near.tolist(), strict=True):
        for candidate in candidates:
            if room[candidate] > 0:
                room[candidate] -= 1
                found[row] = candidate
                break


def rooms(counts: Float[np.ndarray, "m"], total: int, *, seed: int) -> Int[np.ndarray, "m"]:
    """Whole numbers near `counts` in proportion that add up to `total`: the integer parts of what each one should get,
    and one more for as many as it takes, at random by their remainders (systematic sampling).

    >>> rooms(np.array([2.0, 0.0, 2.0]), 6, seed=0).tolist()
    [3, 0, 3]
    """
    shares = counts if counts.sum() > 0 else np.ones(len(counts))
    steps = np.cumsum(shares) * (total / shares.sum())
    steps[-1] = total
    offset = np.random.default_rng(seed).random()
    marks = np.floor(steps + offset - 1e-9)
    marks[-1] = total + np.floor(offset)
    return np.diff(np.concatenate([[0.0], marks])).astype(np.int64)


def features(
    fields: Sequence[Field], wanted: Mapping[str, np.ndarray], offered: Mapping[str, np.ndarray]
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]:
    """Both tables' fields as points: numbers and times by ranks among the offered, categories as indicators."""
    parts = [_feature(f, wanted[f.name], offered[f.name]) for f in fields]
    n, m = (len(next(iter(t.values()))) if t else 0 for t in (wanted, offered))
    both = np.concatenate([np.zeros((n + m, 0)), *parts], axis=1)
    return both[:n], both[n:]


def _feature(field: Field, wanted: np.ndarray, offered: np.ndarray) -> Float[np.ndarray, "n d"]:
    column = np.concatenate([wanted, offered])
    absent = pd.isna(column)
    if isinstance(field, Category):
        codes, levels = pd.factorize(column)
        counts = np.bincount(codes[~absent], minlength=len(levels))
        common = np.argsort(-counts, kind="stable")[:MAX_LEVELS]
        return (codes[:, None] == common).astype(np.float64)
    known = np.sort(offered[~pd.isna(offered)])
    ranks = (np.searchsorted(known, column, side="left") + np.searchsorted(known, column, side="right")) / 2
    ranks = np.where(absent, 0.5, ranks / max(1, len(known)))
    return np.stack([2 * ranks, absent.astype(np.float64)], axis=1)
