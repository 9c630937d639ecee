"""Counts of n-grams, and the distribution of what follows by them: interpolated, modified Kneser-Ney.

A context is the number of the context that lacks its farthest symbol, and that symbol; so all contexts, and all n-grams
as a context and what follows it, are two sorted arrays of whole numbers, and nothing is dense in the vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

AT_ONCE = 2**19  # symbols that are scored together
RAW, NEW = 0, 1  # how often an n-gram was seen, and how many different symbols it was seen after


@dataclass(frozen=True)
class Stretch:
    """Symbols to be predicted: where they stand in `symbols`, and how many of those before them they may be told from.

    `beside`: further symbols, from beyond the vocabulary, that each is told from.
    """

    symbols: Int[np.ndarray, "t"]
    at: Int[np.ndarray, "n"]
    reach: Int[np.ndarray, "n"]
    beside: Int[np.ndarray, "n m"]

    @property
    def asked(self) -> Int[np.ndarray, "n"]:
        """The symbols to be predicted."""
        return self.symbols[self.at]

    @property
    def known(self) -> Int[np.ndarray, "n"]:
        """How many symbols each can be told from."""
        return self.reach + self.beside.shape[1]

    def before(self, k: int, some: Int[np.ndarray, "k"], depth: int) -> Int[np.ndarray, "_"]:
        """The k-th symbol of the contexts of `some`, the nearest first; `beside` comes after `depth` of them."""
        at, m = self.at[some], self.beside.shape[1]
        if not m:
            return self.symbols[at - k]
        nearest = np.minimum(depth, self.reach[some])
        place = k - nearest - 1
        inside = (place >= 0) & (place < m)
        token = self.symbols[at - np.where(k <= nearest, k, k - m).clip(min=0)]
        return np.where(inside, self.beside[some, place.clip(0, m - 1)], token)

    def rows(self, some: slice) -> "Stretch":
        """A part of those to be predicted."""
        return replace(self, at=self.at[some], reach=self.reach[some], beside=self.beside[some])


def stretched(
    x: Int[np.ndarray, "n t"], *, end: int, framed: bool, documents: bool = False, beside: np.ndarray | None = None
) -> Stretch:
    """The symbols of records up to their first `end`, each told from those before it and after the last `end`.

    `framed` records begin after an `end`; others are windows, which begin anywhere. In windows of `documents` all
    but the first symbol, and ends that follow on an end, are to be predicted. `beside`: (n, m) symbols of each record.

    >>> found = stretched(np.array([[5, 6, 9, 9]]), end=9, framed=True)
    >>> found.asked.tolist(), found.reach.tolist()
    ([5, 6, 9], [1, 2, 3])
    """
    x = np.pad(x, ((0, 0), (int(framed), 0)), constant_values=end)
    n, length = x.shape
    place, ends = np.arange(length), x == end
    last = np.maximum.accumulate(np.where(ends, place, 0), axis=1)
    reach = place - np.pad(last, ((0, 0), (1, 0)))[:, :-1]
    if documents:
        asked = (place > 0) & ~(ends & np.pad(ends, ((0, 0), (1, 0)))[:, :-1])
    else:
        asked = (place >= framed) & (ends.cumsum(axis=1) - ends == framed)
    at = np.flatnonzero(asked)
    own = np.zeros((n, 0), dtype=np.int64) if beside is None else beside
    return Stretch(x.ravel(), at, reach.ravel()[at], own[at // length])


def joined(parts: Sequence[Stretch]) -> Stretch:
    """Several stretches as one, without the symbols that nothing is told from.

    >>> end = stretched(np.array([[5, 9, 9, 9]]), end=9, framed=True)
    >>> joined([end, end]).symbols.tolist(), joined([end, end]).at.tolist()
    ([9, 5, 9, 9, 5, 9], [1, 2, 4, 5])
    """
    symbols, at, first = [], [], 0
    for part in parts:
        edges = np.zeros(len(part.symbols) + 1, dtype=np.int64)
        np.add.at(edges, part.at - part.reach, 1)
        np.add.at(edges, part.at + 1, -1)
        used = edges.cumsum()[:-1] > 0
        symbols.append(part.symbols[used])
        at.append((used.cumsum() - 1)[part.at] + first)
        first += len(symbols[-1])
    reach, beside = (np.concatenate([getattr(part, name) for part in parts]) for name in ("reach", "beside"))
    return Stretch(np.concatenate(symbols), np.concatenate(at), reach, beside)


@dataclass(frozen=True)
class Counts:
    """How often what was seen after what.

    `contexts`: sorted, each its shorter context times `alphabet` plus its farthest symbol, after the empty one, -1;
    `ends`: how many of them have at most 0, 1, ... symbols. `grams`: sorted, each a context's place times `vocabulary`
    plus what follows. `tallies`: of each n-gram how often it was seen, and how many symbols it was seen after.
    """

    vocabulary: int
    alphabet: int
    contexts: Int[np.ndarray, "c"]
    ends: Int[np.ndarray, "k"]
    grams: Int[np.ndarray, "g"]
    tallies: Int[np.ndarray, "2 g"]

    @property
    def order(self) -> int:
        """Symbols in the longest n-grams."""
        return len(self.ends)

    def level(self, length: int) -> tuple[slice, slice]:
        """The contexts of `length` symbols, and the n-grams of these."""
        low, high = int(self.ends[length - 1]) if length else 0, int(self.ends[length])
        first, last = np.searchsorted(self.grams, np.array([low, high]) * self.vocabulary)
        return slice(low, high), slice(int(first), int(last))

    def cut(self, order: int) -> "Counts":
        """The same without n-grams of more than `order` symbols."""
        contexts, grams = self.level(order - 1)
        ends = self.ends[:order]
        return replace(
            self,
            contexts=self.contexts[: contexts.stop],
            ends=ends,
            grams=self.grams[: grams.stop],
            tallies=self.tallies[:, : grams.stop],
        )


def counted(seen: Stretch, *, vocabulary: int, alphabet: int, order: int, depth: int = 0) -> Counts:
    """All n-grams of up to `order` symbols. Takes some 100 bytes for each symbol seen while it counts."""
    asked, known = seen.asked, seen.known
    some, context, gram = np.arange(len(asked)), np.zeros(len(asked), np.int64), np.zeros(len(asked), np.int64)
    contexts, ends = [np.array([-1])], [1]
    grams: list[np.ndarray] = []
    raw: list[np.ndarray] = []
    new: list[np.ndarray] = []
    for length in range(order):
        if length:
            some = some[known[some] >= length]
            if not len(some):
                break
            keys = context[some] * alphabet + seen.before(length, some, depth)
            found, place = np.unique(keys, return_inverse=True)
            context[some] = place + ends[-1]
            contexts.append(found)
            ends.append(ends[-1] + len(found))
        keys = context[some] * vocabulary + asked[some]
        found, first, place, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        if length:
            new.append(np.maximum(np.bincount(gram[some[first]], minlength=len(raw[-1])), 1))
        gram[some] = place
        grams.append(found)
        raw.append(count)
    tallies = np.stack([np.concatenate(raw), np.concatenate([*new, raw[-1]])]).astype(np.int32)
    return Counts(vocabulary, alphabet, np.concatenate(contexts), np.array(ends), np.concatenate(grams), tallies)


@dataclass(frozen=True)
class Smoothed:
    """p(w | c) = (count - discount + mass p(w | shorter c)) / total, from counts with their `discounts` (k, 2, 4).

    The longest context of a symbol counts occurrences, shorter ones the different symbols before an n-gram: Kneser &
    Ney 1995, ICASSP, eq. 5, interpolated as by Chen & Goodman 1999, eq. 4.
    """

    counts: Counts
    discounts: Float[np.ndarray, "k 2 4"]
    depth: int = 0  # symbols of a context that stand before those beside
    sides: Float[np.ndarray, "2 2 c"] = field(init=False, repr=False)  # of each role the totals, and the masses

    def __post_init__(self) -> None:
        counts, sides = self.counts, np.empty((2, 2, len(self.counts.contexts)))
        for length in range(counts.order):
            at, _ = counts.level(length)
            for role in (RAW, NEW):
                total, kinds = seen_after(counts, length, role)
                extra = self.discounts[length, role, 3] * kinds.sum(0)
                sides[role, :, at] = np.stack([total + extra, self.discounts[length, role, :3] @ kinds + extra])
        object.__setattr__(self, "sides", sides)


def seen_after(counts: Counts, length: int, role: int) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "3 c"]]:
    """Of each context of `length` symbols the sum of what follows, and how many kinds do once, twice and more often."""
    contexts, grams = counts.level(length)
    own, tally = counts.grams[grams] // counts.vocabulary - contexts.start, counts.tallies[role, grams]
    n = contexts.stop - contexts.start
    kinds = [np.bincount(own[np.minimum(tally, 3) == k], minlength=n) for k in (1, 2, 3)]
    return np.bincount(own, tally, minlength=n).astype(np.float64), np.array(kinds, dtype=np.float64)


def located(counts: Counts, asked: Stretch, *, depth: int) -> Iterator[Int[np.ndarray, "n"]]:
    """The context of each symbol of 0, 1, ... symbols, -1 where it was not seen or reaches too far back."""
    context = np.zeros(len(asked.at), dtype=np.int64)
    for length in range(counts.order):
        if length:
            some = np.flatnonzero((context >= 0) & (asked.known >= length))
            keys = context[some] * counts.alphabet + asked.before(length, some, depth)
            context = np.full(len(context), -1)
            context[some] = found_in(counts.contexts, keys)
        yield context


def found_in(among: Int[np.ndarray, "n"], wanted: Int[np.ndarray, "m"]) -> Int[np.ndarray, "m"]:
    """Where each number stands in a sorted list, -1 if nowhere.

    >>> found_in(np.array([2, 5]), np.array([5, 7])).tolist()
    [1, -1]
    """
    place = np.minimum(np.searchsorted(among, wanted), len(among) - 1)
    return np.where(among[place] == wanted, place, -1)


def probabilities(model: Smoothed, asked: Stretch) -> Float[np.ndarray, "k n"]:
    """The probability of each symbol asked for, by n-grams of up to 1, 2, ... symbols."""
    starts = range(0, max(1, len(asked.at)), AT_ONCE)
    return np.concatenate([_probabilities(model, asked.rows(slice(i, i + AT_ONCE))) for i in starts], axis=1)


def _probabilities(model: Smoothed, asked: Stretch) -> Float[np.ndarray, "k n"]:
    counts, symbols = model.counts, asked.asked
    share = np.full(len(symbols), 1 / counts.vocabulary)
    best: list[np.ndarray] = []
    for length, context in enumerate(located(counts, asked, depth=model.depth)):
        some = np.flatnonzero(context >= 0)
        own = context[some]
        gram = found_in(counts.grams, own * counts.vocabulary + symbols[some])
        by_role = np.stack([share, share])
        for role in (RAW, NEW):
            count = np.where(gram >= 0, counts.tallies[role, gram], 0)
            taken = np.append(0.0, model.discounts[length, role, :3])[np.minimum(count, 3)]
            total, mass = model.sides[role][:, own]
            by_role[role, some] = (count - taken + mass * share[some]) / total
        best.append(np.where(asked.known >= length, by_role[RAW], best[-1] if best else share))
        share = by_role[NEW]
    return np.stack(best)


def following(model: Smoothed, asked: Stretch) -> Float[np.ndarray, "n v"]:
    """The distribution of what stands where `asked` says."""
    counts = model.counts
    share = np.full((len(asked.at), counts.vocabulary), 1 / counts.vocabulary)
    top = np.minimum(asked.known, counts.order - 1)
    for length, context in enumerate(located(counts, asked, depth=model.depth)):
        rows = np.flatnonzero(context >= 0)
        own, role = context[rows], np.where(top[rows] == length, RAW, NEW)
        low, high = (np.searchsorted(counts.grams, (own + i) * counts.vocabulary) for i in (0, 1))
        total, mass = model.sides[role, 0, own], model.sides[role, 1, own]
        share[rows] *= (mass / total)[:, None]
        sizes = high - low
        owner = np.repeat(np.arange(len(rows)), sizes)
        gram = np.arange(sizes.sum()) + (low - np.cumsum(sizes) + sizes)[owner]
        count = counts.tallies[role[owner], gram]
        taken = model.discounts[length, role[owner], np.minimum(count, 3) - 1]
        share[rows[owner], counts.grams[gram] % counts.vocabulary] += (count - taken) / total[owner]
    return share
