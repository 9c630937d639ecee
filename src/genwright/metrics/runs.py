"""Longest runs of bytes that texts share with a training text, exact and fast."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # m of the rolling hash modulo 2**64; odd, so that it has an inverse
INVERSE = np.uint64(pow(int(MULTIPLIER), -1, 2**64))
TABLE_BITS = 22  # of the bit table that sifts hashes: 4 MB
SHORTEST = 4  # bytes of the windows that the whole training text is swept for


def copied_runs(texts: Sequence[str], train: str) -> Int[np.ndarray, "n 2"]:
    """For each text the start and the length, in bytes of its UTF-8, of its longest substring found in `train`.

    Windows of 4, 8, 16 ... bytes are looked up by rolling hash (Karp and Rabin 1987), each only where its first half
    was found, then the length between two powers by binary search. Hits are compared byte by byte, so that no hash
    collision can lengthen a run.
    """
    source = _Hashed(np.frombuffer(train.encode("utf-8", "replace"), dtype=np.uint8))
    parts = [_Hashed(np.frombuffer(t.encode("utf-8", "replace"), dtype=np.uint8)) for t in texts]
    most = np.array([min(len(p.text), len(source.text)) for p in parts], dtype=np.int64)
    inverse = _powers(INVERSE, max([len(source.text), *(len(p.text) for p in parts)], default=0))
    found = np.zeros((len(parts), 2), dtype=np.int64)
    places, length = np.arange(len(source.text)), SHORTEST
    high = np.minimum(most, SHORTEST - 1)
    alive = np.flatnonzero(most >= length)
    _refine(found, high, source, parts, places, inverse, np.flatnonzero(most < length))
    while alive.size:
        starts, shared = _lookup(source, [parts[i] for i in alive], places, length, inverse)
        hit = starts >= 0
        _refine(found, high, source, parts, places, inverse, alive[~hit])
        found[alive[hit]] = np.stack([starts[hit], np.full(hit.sum(), length)], axis=1)
        places, alive = shared, alive[hit]
        high[alive] = np.minimum(most[alive], 2 * length - 1)
        _refine(found, high, source, parts, places, inverse, alive[most[alive] < 2 * length])
        length, alive = 2 * length, alive[most[alive] >= 2 * length]
    return found


def _refine(
    found: Int[np.ndarray, "n 2"],
    high: Int[np.ndarray, "n"],
    source: "_Hashed",
    parts: "Sequence[_Hashed]",
    places: Int[np.ndarray, "k"],
    inverse: np.ndarray,
    which: Int[np.ndarray, "w"],
) -> None:
    """Binary search of the texts `which` between the run found and the longest possible, in place."""
    while (open_ := which[found[which, 1] < high[which]]).size:
        middle = (found[open_, 1] + high[open_] + 1) // 2
        for length in np.unique(middle):
            batch = open_[middle == length]
            starts, _ = _lookup(source, [parts[i] for i in batch], places, int(length), inverse)
            hit = starts >= 0
            found[batch[hit]] = np.stack([starts[hit], np.full(hit.sum(), length)], axis=1)
            high[batch[~hit]] = length - 1


def _powers(base: np.uint64, n: int) -> np.ndarray:
    """base**0 to base**(n - 1), modulo 2**64."""
    powers = np.full(max(n, 1), base, dtype=np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


class _Hashed:
    """A byte string with the hashes sum(t_i m**i) of its prefixes; those of windows are differences over m**start."""

    def __init__(self, text: np.ndarray) -> None:
        self.text = text
        self.sums = np.zeros(len(text) + 1, dtype=np.uint64)
        np.cumsum(
            (text.astype(np.uint64) + np.uint64(1)) * _powers(MULTIPLIER, len(text))[: len(text)], out=self.sums[1:]
        )

    def windows(self, starts: np.ndarray | slice, length: int, inverse: np.ndarray) -> np.ndarray:
        """Hashes of the windows of `length` bytes at `starts`; `inverse` holds the powers of 1/m."""
        return (self.sums[length:][starts] - self.sums[:-length][starts]) * inverse[: len(self.text) - length + 1][
            starts
        ]


def _lookup(
    source: _Hashed, texts: Sequence[_Hashed], places: Int[np.ndarray, "k"], length: int, inverse: np.ndarray
) -> tuple[Int[np.ndarray, "t"], Int[np.ndarray, "j"]]:
    """For each text the start of a window of `length` bytes found at `places`, or -1; and the places hit."""
    windows = [text.windows(slice(None), length, inverse) for text in texts]
    owner = np.repeat(np.arange(len(texts)), [len(w) for w in windows])
    offset = np.concatenate([np.arange(len(w)) for w in windows])
    wanted = np.concatenate(windows)
    shift = np.uint64(64 - TABLE_BITS)
    table = np.zeros(2**TABLE_BITS, dtype=bool)
    table[wanted >> shift] = True
    places = places[: np.searchsorted(places, len(source.text) - length + 1)]
    have = source.windows(places, length, inverse)
    sifted = table[have >> shift]
    have, places = have[sifted], places[sifted]
    known = np.unique(wanted)
    shared = np.isin(have, known)
    have, places = have[shared], places[shared]
    starts = np.full(len(texts), -1, dtype=np.int64)
    if not len(places):
        return starts, places
    distinct, first = np.unique(have, return_index=True)
    at = np.searchsorted(distinct, wanted).clip(max=len(distinct) - 1)
    matched = np.flatnonzero(distinct[at] == wanted)
    for i in matched[np.unique(owner[matched], return_index=True)[1]]:  # the first match of each text
        place = places[first[at[i]]]
        same = np.array_equal(texts[owner[i]].text[offset[i] :][:length], source.text[place:][:length])
        if same:  # else two windows have one hash, which does not happen by chance (1 in 2**64)
            starts[owner[i]] = offset[i]
    return starts, places
