"""Deterministic splits: copies stay together, levels keep their shares in each part, running text is cut in order."""

import hashlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Int8, UInt8, UInt64

from genwright.data.ondisk import blocks

SHARES = (0.8, 0.1, 0.1)
SMALL = 10  # labels, levels and contents with fewer rows than this cannot fill three parts
LABEL_BINS = 10  # numeric labels are stratified by these many quantile bins
LARGEST_COPY = 0.02  # of all rows; a content with more (and more than 3) is shared out, whatever it is
WHOLE = (SMALL - 1, 3, 1, 1, 1, 1)  # rows of the largest content kept whole, in one attempt after the other
DESIGN_EFFECT = 1.1  # factor on variances up to which contents kept whole need no check
STRAIN = 3.0  # standard errors by which a share may deviate, or more where many are looked at
MAX_CELLS = 40_000_000  # contents times pairs of columns that are looked at


@dataclass(frozen=True)
class Split:
    """Row numbers of the train, valid and test parts, each sorted."""

    train: Int[np.ndarray, "train"]
    valid: Int[np.ndarray, "valid"]
    test: Int[np.ndarray, "test"]


def split_rows(
    columns: Mapping[str, Any],
    *,
    label: str | None = None,
    media: Collection[str] = (),
    keys: Mapping[str, np.ndarray] | None = None,
    running: bool = False,
    seed: int = 0,
) -> Split:
    """Split rows 80 : 10 : 10, so that each part has its share of every label, level and pair of levels.

    Rows of the same content (equal in all `columns`; texts and images are named as `media`) are either kept whole,
    all in one part, or shared out in proportion, as what they have in common decides:

    - copies of a text or image, and rows that have two rare things in common (values, or all their levels together),
      each of fewer than ten rows, are copies of one record: kept whole;
    - contents of ten rows or more are states of the data, such as the classes of a survey: shared out;
    - other repeated contents are kept whole while no level, and no pair of levels of two columns, deviates from its
      share in any part by more than sampling error (3 standard errors, more where more than 90 are looked at).

    Within each label, contents are ordered by a hash (keyed with `seed`) and cut at the shares, so the result depends
    on contents alone, not on the order of rows. Which rows of a shared content go where depends on `keys`, columns
    that tell rows apart but are no content. `running` text is cut in order, the last tenth being the test part.
    """
    n = len(next(iter(columns.values())))
    if running:
        a, b = round(n * SHARES[0]), round(n * (SHARES[0] + SHARES[1]))
        return Split(np.arange(a), np.arange(a, b), np.arange(b, n))
    contents = _Contents.of(columns, keys or {}, seed)
    strata = np.zeros(n, dtype=np.int64) if label is None else _strata(columns[label])
    counts, largest = contents.counts, max(3, int(LARGEST_COPY * n))
    if counts.max(initial=0) <= min(largest, SMALL - 1) and (counts**2).sum() <= DESIGN_EFFECT * n:
        part = _cut(contents, np.ones(len(counts), dtype=bool), strata)
    else:
        levels, rare = _levels({name: c[contents.first] for name, c in columns.items() if name not in media}, contents)
        known = largest if media else np.where(rare >= 2, min(largest, SMALL - 1), 1)  # to be copies of one record
        wholes = [counts <= np.maximum(known, min(largest, most)) for most in WHOLE]
        part = _least_strained(contents, wholes, strata, levels)
    _fill_empty_parts(part, contents.of_row)
    return Split(*(np.flatnonzero(part == k) for k in range(3)))


def row_keys(columns: Mapping[str, Any], *, seed: int = 0) -> np.ndarray:
    """A 128-bit content hash of each row, as bytes; equal rows have equal keys.

    Not cryptographic: collisions are as rare as chance allows (about n^2 / 2^129), but can be built on purpose.
    """
    n = len(next(iter(columns.values())))
    lanes = np.zeros((n, 2), dtype=np.uint64)
    for name in sorted(columns):
        for rows, column in blocks(columns[name]):
            raw = _object_digests(column) if column.dtype == object else _row_bytes(column)
            for lane in range(2):
                salt = int.from_bytes(_digest(f"{seed}/{lane}/{name}".encode())[:8], "little")
                lanes[rows, lane] = _mix(lanes[rows, lane] + _hash_words(raw, salt))
    return lanes.astype(">u8").view("S16").reshape(n)  # big-endian, so that keys sort alike everywhere


def content_hash(columns: Mapping[str, Any]) -> str:
    """What tells the content of a table from that of others, its order included."""
    return hashlib.sha256(b"".join(map(bytes, row_keys(columns)))).hexdigest()


def _hash_words(raw: UInt8[np.ndarray, "n b"], salt: int) -> UInt64[np.ndarray, "n"]:
    """One 64-bit hash per row: the sum over 8-byte words of a mix of the word and a key for its position."""
    n, width = len(raw), raw.shape[1] // 8
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
    """16-byte digests of strings and missing values, each distinct one hashed once, or of arrays."""
    if len(column) and isinstance(column[0], np.ndarray):
        digests = [_digest(repr(value.shape).encode() + value.tobytes()) for value in column]
        return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(column), 16)
    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    raw = [b"s" + v.encode("utf-8", "surrogatepass") if isinstance(v, str) else repr(v).encode() for v in distinct]
    raw = [b"None" if missing else each for each, missing in zip(raw, pd.isna(distinct), strict=True)]
    return np.frombuffer(b"".join(map(_digest, raw)), dtype=np.uint8).reshape(len(distinct), 16)[codes]


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=16).digest()


def _mix(z: UInt64[np.ndarray, "*s"]) -> UInt64[np.ndarray, "*s"]:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014): every input bit moves every output bit."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class _Contents(NamedTuple):
    """Distinct contents in the order of their hashes."""

    of_row: Int[np.ndarray, "n"]
    rank: Int[np.ndarray, "n"]  # of each row among those of its content
    first: Int[np.ndarray, "contents"]  # a row of each content
    counts: Int[np.ndarray, "contents"]
    hashes: UInt64[np.ndarray, "contents"]

    @classmethod
    def of(cls, columns: Mapping[str, Any], keys: Mapping[str, np.ndarray], seed: int) -> "_Contents":
        digests, first, of_row, counts = np.unique(
            row_keys(columns, seed=seed), return_index=True, return_inverse=True, return_counts=True
        )
        n = len(of_row)
        rank = np.zeros(n, dtype=np.int64)
        if len(counts) < n:
            tie = _words(row_keys(keys, seed=seed)) if keys else _mix(np.arange(n, dtype=np.uint64))
            order = np.lexsort((tie, of_row))
            rank[order] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        return cls(of_row, rank, first, counts, _words(digests))


def _words(keys: np.ndarray) -> UInt64[np.ndarray, "n"]:
    """The first 64 bits of keys; they sort alike."""
    return np.frombuffer(keys.tobytes(), dtype=">u8")[::2].astype(np.uint64)


def _least_strained(
    contents: _Contents,
    wholes: Sequence[Bool[np.ndarray, "contents"]],
    strata: Int[np.ndarray, "n"],
    levels: Sequence[Int[np.ndarray, "contents"]],
) -> Int8[np.ndarray, "n"]:
    """The first cut whose shares are within sampling error, or the one that comes closest to that."""
    best, least = np.empty(0, dtype=np.int8), np.inf
    for attempt, whole in enumerate(wholes):
        part = _cut(contents, whole, strata, attempt=attempt)
        strain = _strain(part, contents, levels)
        if strain < least:
            best, least = part, strain
        if strain <= 1:
            break
    return best


def _cut(
    contents: _Contents, whole: Bool[np.ndarray, "contents"], strata: Int[np.ndarray, "n"], *, attempt: int = 0
) -> Int8[np.ndarray, "n"]:
    """The part of each row: contents lie in an order, whole ones at one place and others spread evenly, and are cut."""
    hashes = contents.hashes if attempt == 0 else _mix(contents.hashes + np.uint64(attempt))
    place = (hashes / 2.0**64)[contents.of_row]
    kept = whole[contents.of_row]
    place = np.where(kept, place, (contents.rank + place) / contents.counts[contents.of_row])
    order = np.lexsort((contents.of_row, place, strata))
    block, stratum = np.where(kept, contents.of_row, -1)[order], strata[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (block[1:] != block[:-1]) | (block[1:] < 0) | (stratum[1:] != stratum[:-1])
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, len(order)))
    offset = np.searchsorted(stratum, stratum[starts])
    total = np.searchsorted(stratum, stratum[starts], side="right") - offset
    middle = (starts + sizes / 2 - offset) / total  # where each block lies in its stratum
    part = np.empty(len(order), dtype=np.int8)
    part[order] = np.repeat(np.searchsorted(np.cumsum(SHARES[:2]), middle, side="right"), sizes)
    return part


def _levels(
    columns: Mapping[str, Any], contents: _Contents
) -> tuple[list[Int[np.ndarray, "contents"]], Int[np.ndarray, "contents"]]:
    """Of columns with levels, the number of each content's level; and how much about each content is rare.

    A level is a value, or its absence, with at least ten rows; 0 stands for all others, which are rare, as may be what
    levels a content has together.
    """
    levels, rare = [], np.zeros(len(contents.counts), dtype=np.int64)
    together = np.zeros(len(contents.counts), dtype=np.int64)
    for column in columns.values():
        values = pd.factorize(column)[0] + 1
        common = np.bincount(values, weights=contents.counts) >= SMALL
        codes = (np.cumsum(common) * common)[values]
        rare += codes == 0
        if codes.any() and (codes != codes[0]).any():
            levels.append(codes)
            together = pd.factorize(together * (codes.max() + 1) + codes)[0]
    return levels, rare + (np.bincount(together, weights=contents.counts)[together] < SMALL)


def _strain(part: Int8[np.ndarray, "n"], contents: _Contents, levels: Sequence[Int[np.ndarray, "contents"]]) -> float:
    """The largest deviation of a level, or pair of levels, from its share in a part: 1 is as far as is allowed."""
    n, worst, looked_at = len(part), 0.0, 1
    rows = np.bincount(contents.of_row * 3 + part, minlength=3 * len(contents.counts)).reshape(-1, 3)
    share = np.bincount(part, minlength=3) / n
    pairs = list(itertools.combinations(levels, 2))
    step = 1 + len(pairs) * len(rows) // MAX_CELLS
    for cells in itertools.chain(levels, (pd.factorize(a * (b.max() + 1) + b)[0] for a, b in pairs[::step])):
        found = np.stack([np.bincount(cells, weights=rows[:, k]) for k in range(3)], axis=1)
        total = found.sum(axis=1, keepdims=True)
        found, total = found[total[:, 0] >= SMALL], total[total[:, 0] >= SMALL]
        error = np.sqrt(total * share * (1 - share) * (1 - total / n))
        apart = np.maximum(abs(found - total * share) - 1, 0)  # a row more or less is rounding
        worst = max(worst, float(np.max(apart / np.maximum(error, 1e-9), initial=0.0)))
        looked_at += found.size
    return worst / max(STRAIN, float(np.sqrt(2 * np.log(looked_at))))


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
    return np.where(np.bincount(codes)[codes] < SMALL, -1, codes)


def _fill_empty_parts(part: np.ndarray, content: Int[np.ndarray, "n"]) -> None:
    """Give valid and test one content each where rounding left them none and train can spare it."""
    for empty in (2, 1):
        if not np.any(part == empty) and len(spare := np.unique(content[part == 0])) > 1:
            part[content == spare[-1]] = empty
