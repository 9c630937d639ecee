"""Deterministic splits: duplicates stay together, labels keep their shares, running text is cut in order."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int, UInt64

SHARES = (0.8, 0.1, 0.1)
SMALL_STRATUM = 10  # labels with fewer rows than this cannot fill three parts; they are split together
LABEL_BINS = 10  # numeric labels are stratified by these many quantile bins
COMMON_SHARE, COMMON_ROWS = 0.05, 50  # a content above both is a state of the data, not a copied record


@dataclass(frozen=True)
class Split:
    """Row numbers of the train, valid and test parts, each sorted."""

    train: Int[np.ndarray, "train"]
    valid: Int[np.ndarray, "valid"]
    test: Int[np.ndarray, "test"]


def split_rows(
    columns: Mapping[str, np.ndarray], *, label: str | None = None, running: bool = False, seed: int = 0
) -> Split:
    """Split rows 80 : 10 : 10.

    Rows with the same content get the same key and so the same part. Within each label, distinct contents are ordered
    by their hash (keyed with `seed`) and cut at the shares, so the result depends on contents alone, not on row order.
    `running` text is cut in order instead, the last tenth being the test part.

    One exception: a content that fills more than a twentieth of all rows (and more than 50) cannot be an accidental
    copy, and would tear a hole into the part that misses it; its rows are shared out like any others.
    """
    n = len(next(iter(columns.values())))
    if running:
        a, b = round(n * SHARES[0]), round(n * (SHARES[0] + SHARES[1]))
        return Split(np.arange(a), np.arange(a, b), np.arange(b, n))
    content = np.unique(row_keys(columns, seed=seed), return_inverse=True)[1]
    content = _free_common(content)
    strata = np.zeros(n, dtype=np.int64) if label is None else _strata(columns[label])
    part = np.zeros(n, dtype=np.int8)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        _, inverse, counts = np.unique(content[rows], return_inverse=True, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / len(rows)  # where each content's block lies in the stratum
        part[rows] = np.searchsorted(np.cumsum(SHARES[:2]), middle, side="right")[inverse]
    _fill_empty_parts(part, content)
    return Split(*(np.flatnonzero(part == k) for k in range(3)))


def row_keys(columns: Mapping[str, np.ndarray], *, seed: int = 0) -> np.ndarray:
    """A 128-bit content hash of each row, as bytes; equal rows have equal keys.

    Not cryptographic: collisions are as rare as chance allows (about n^2 / 2^129), but can be built on purpose.
    """
    n = len(next(iter(columns.values())))
    lanes = np.zeros((n, 2), dtype=np.uint64)
    for name in sorted(columns):
        for lane in range(2):
            salt = int.from_bytes(_digest(f"{seed}/{lane}/{name}".encode())[:8], "little")
            lanes[:, lane] = _mix(lanes[:, lane] + _hash_words(columns[name], salt))
    return lanes.astype(">u8").view("S16").reshape(n)  # big-endian, so that keys sort alike everywhere


def _hash_words(column: np.ndarray, salt: int) -> UInt64[np.ndarray, "n"]:
    """One 64-bit hash per row: the sum over 8-byte words of a mix of the word and a key for its position."""
    n = len(column)
    raw = _object_digests(column) if column.dtype == object else _row_bytes(column)
    width = raw.shape[1] // 8
    key = _mix(np.arange(1, width + 1, dtype=np.uint64) + np.uint64(salt))
    total = np.empty(n, dtype=np.uint64)
    step = max(1, 2**20 // max(width, 1))  # rows at a time, so that temporaries stay near 8 MiB
    for start in range(0, n, step):
        words = np.ascontiguousarray(raw[start : start + step]).view(np.uint64)
        total[start : start + step] = _mix(words + key).sum(axis=1, dtype=np.uint64)
    return total


def _row_bytes(column: np.ndarray) -> np.ndarray:
    """A numeric column as rows of bytes, padded to whole words; equal numbers have equal bytes."""
    n = len(column)
    if column.dtype.kind == "f":
        column = np.where(np.isnan(column), np.nan, column) + 0.0  # one NaN, and no negative zero
    flat = np.ascontiguousarray(column).reshape(n, -1)
    raw = flat.view(np.uint8).reshape(n, flat.shape[1] * flat.itemsize)
    spare = -raw.shape[1] % 8
    return np.pad(raw, ((0, 0), (0, spare))) if spare else raw


def _object_digests(column: np.ndarray) -> np.ndarray:
    """16-byte digests of strings, missing values or arrays; each distinct string is hashed once."""
    known: dict[Any, bytes] = {}
    parts = []
    for value in column:
        if isinstance(value, np.ndarray):
            parts.append(_digest(repr(value.shape).encode() + value.tobytes()))
            continue
        digest = known.get(value)
        if digest is None:
            raw = b"s" + value.encode("utf-8", "surrogatepass") if isinstance(value, str) else repr(value).encode()
            digest = known[value] = _digest(raw)
        parts.append(digest)
    return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(len(column), 16)


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def _mix(z: UInt64[np.ndarray, "*s"]) -> UInt64[np.ndarray, "*s"]:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014): every input bit moves every output bit."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _free_common(content: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Content numbers in which each row of a common content counts as a content of its own."""
    counts = np.bincount(content)
    common = (counts > max(COMMON_ROWS, COMMON_SHARE * len(content)))[content]
    # Their blocks keep their place in the order of hashes: content k becomes k, k + 1/m, k + 2/m, ...
    order = np.argsort(content, kind="stable")
    first = np.cumsum(counts) - counts
    rank = np.empty(len(content), dtype=np.int64)
    rank[order] = np.arange(len(content)) - first[content[order]]
    place = content + np.where(common, rank / counts[content], 0.0)
    return np.unique(place, return_inverse=True)[1]


def _strata(column: np.ndarray) -> Int[np.ndarray, "n"]:
    """Stratum of each row: its label, or its quantile bin for numbers and times; small ones are pooled as -1."""
    if column.dtype.kind in "fiuM":
        values = column.astype(np.int64 if column.dtype.kind == "M" else np.float64).astype(np.float64)
        values = np.where(np.isnat(column), np.nan, values) if column.dtype.kind == "M" else values
        present = values[~np.isnan(values)]
        shares = np.arange(1, LABEL_BINS) / LABEL_BINS
        edges = np.unique(np.quantile(present, shares)) if len(present) else np.empty(0)
        codes = np.where(np.isnan(values), LABEL_BINS, np.searchsorted(edges, values, side="right"))
    else:
        codes = np.unique(np.array([repr(v) for v in column]), return_inverse=True)[1]
    return np.where(np.bincount(codes)[codes] < SMALL_STRATUM, -1, codes)


def _fill_empty_parts(part: np.ndarray, content: Int[np.ndarray, "n"]) -> None:
    """Give valid and test one content each where rounding left them none and train can spare it."""
    for empty in (2, 1):
        spare = np.unique(content[part == 0])
        if not np.any(part == empty) and len(spare) > 1:
            part[content == spare[-1]] = empty
