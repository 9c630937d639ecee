"""Deterministic splits: duplicates stay together, labels keep their shares, running text is cut in order."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class Split:
    """Row numbers of the train, valid and test parts, each sorted."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def split_rows(
    columns: Mapping[str, np.ndarray], *, label: str | None = None, running: bool = False, seed: int = 0
) -> Split:
    """Split rows 80 : 10 : 10.

    Rows with the same content get the same key and so the same part. Within each label, distinct contents are ordered
    by their hash (keyed with `seed`) and cut at the shares, so the result depends on contents alone, not on row order.
    `running` text is cut in order instead, the last tenth being the test part.
    """
    n = len(next(iter(columns.values())))
    if running:
        a, b = round(n * SHARES[0]), round(n * (SHARES[0] + SHARES[1]))
        return Split(np.arange(a), np.arange(a, b), np.arange(b, n))
    keys = row_keys(columns, seed=seed)
    strata = np.zeros(n, dtype=np.int64) if label is None else _codes(columns[label])
    part = np.zeros(n, dtype=np.int8)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        distinct, inverse, counts = np.unique(keys[rows], return_inverse=True, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / len(rows)  # where each content's block lies in the stratum
        part[rows] = np.searchsorted(np.cumsum(SHARES[:2]), middle, side="right")[inverse]
    return Split(*(np.flatnonzero(part == k) for k in range(3)))


def row_keys(columns: Mapping[str, np.ndarray], *, seed: int = 0) -> np.ndarray:
    """A 128-bit content hash of each row, as bytes; equal rows have equal keys."""
    n = len(next(iter(columns.values())))
    salt = seed.to_bytes(16, "little", signed=True)
    digests = [hashlib.blake2b(digest_size=16, key=salt) for _ in range(n)]
    for name in sorted(columns):
        column = columns[name]
        if column.dtype == object:
            for digest, value in zip(digests, column, strict=True):
                raw = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
                digest.update(len(raw).to_bytes(8, "little") + raw)
        else:
            flat = np.ascontiguousarray(column).reshape(n, -1)
            for digest, row in zip(digests, flat, strict=True):
                digest.update(row.tobytes())
    return np.array([d.digest() for d in digests], dtype="S16")


def _codes(column: np.ndarray) -> np.ndarray:
    """Category numbers of a label column, missing values as their own level."""
    return np.unique(np.array([repr(v) for v in column]), return_inverse=True)[1]
