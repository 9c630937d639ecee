"""Repetition in generated text: within windows, between windows, and as a compressor sees it.

Repetition grows with length, so each score counts over windows of one length, and as many of them, on both sides. The
target is what real text shows, given as the floor: more is a generator that repeats itself, less is disorder.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from genwright.errors import DataError
from genwright.metrics.text import WORD
from genwright.scores.intervals import Replicates, jackknife_groups
from genwright.scores.score import Score, signature

WINDOW_WORDS = 30  # of self-BLEU: about a sentence, which the metric was made for
LONG_WINDOW_WORDS = 200  # of repetition within windows
RATE_WINDOW_WORDS = 1000  # of the repetition rate, as in its paper
MAX_WINDOWS = 1000
ORDER = 4  # the longest n-grams of self-BLEU and repetition rate

Window = tuple[str, ...]
Statistic = Callable[[Bool[np.ndarray, "w"]], float]  # of the windows that are kept


def self_bleu(
    real: Sequence[str], fake: Sequence[str], *, words: int = WINDOW_WORDS, windows: int = MAX_WINDOWS, seed: int = 0
) -> Score:
    """Mean BLEU-4 of each window of words against all others, 0 to 100; the floor is that of as many real windows.

    Zhu et al. 2018, arXiv:1802.01886, section 3, over windows of equal length, since it grows with length and number.
    BLEU by sacrebleu's conventions for sentences, words and punctuation as tokens. Interval: leaving out texts.
    """

    def prepare(cut: Sequence[Window]) -> Statistic:
        tallies, lengths = _tallies(cut), np.array([len(window) for window in cut])
        return lambda keep: float(_self_bleus(tallies, lengths, keep).mean())

    return _beside_real("self-BLEU", prepare, real, fake, words=words, windows=windows, seed=seed, high=100.0, fewest=2)


def seq_rep(
    real: Sequence[str], fake: Sequence[str], *, n: int = 4, words: int = LONG_WINDOW_WORDS, seed: int = 0
) -> Score:
    """seq-rep-n: the share of n-grams in a window that repeat an earlier one there, averaged; floor: real windows.

    Welleck et al. 2020, arXiv:1908.04319, eq. 12, over windows of equal length. 1 - distinct-n of the same windows.
    """

    def prepare(cut: Sequence[Window]) -> Statistic:
        grams = [[window[i : i + n] for i in range(len(window) - n + 1)] for window in cut]
        repeated = np.array([1 - len(set(each)) / len(each) for each in grams])
        return lambda keep: float(repeated[keep].mean())

    if words < n + 1:
        raise DataError(f"windows of {words} words are too short for seq-rep-{n}", where="text")
    return _beside_real(f"seq-rep-{n}", prepare, real, fake, words=words, windows=MAX_WINDOWS, seed=seed)


def repetition_rate(
    real: Sequence[str], fake: Sequence[str], *, words: int = RATE_WINDOW_WORDS, seed: int = 0
) -> Score:
    """Share of different n-grams that occur more than once in a window, geometric mean over n = 1 to 4; floor: real.

    Bertoldi et al. 2013 (Machine Translation Summit XIV), eq. 1: sums over windows of 1,000 words before the mean.
    """

    def prepare(cut: Sequence[Window]) -> Statistic:
        kinds, repeated = _kinds(cut)
        return lambda keep: _rate(kinds[keep], repeated[keep])

    return _beside_real("repetition rate", prepare, real, fake, words=words, windows=MAX_WINDOWS, seed=seed)


def compression_ratio(real: Sequence[str], fake: Sequence[str], *, seed: int = 0) -> Score:
    """Bytes of text over bytes of it compressed by zlib (level 9); the floor is that of as many bytes of real text.

    Shaib et al. 2024, arXiv:2403.00553. Texts are joined by line feeds. DEFLATE looks 32 KiB back: repetition further
    apart than that is not seen.
    """
    sides = [[text.encode("utf-8", "replace") for text in texts] for texts in (real, fake)]
    size = min(sum(len(raw) + 1 for raw in side) for side in sides)
    if size < 1000:
        raise DataError(f"{size} bytes are too few for a compression ratio", where="text", hint="at least 1,000 bytes")
    ours, theirs = (_first_bytes(side, size) for side in (sides[1], sides[0]))
    value, group = zlib_ratio(ours), jackknife_groups(len(ours), seed + 1)
    left_out = tuple(
        zlib_ratio([raw for raw, g in zip(ours, group, strict=True) if g != leave]) for leave in range(max(group) + 1)
    )
    replicates = Replicates((), left_out) if len(ours) > 1 else None
    protocol = f"zlib {zlib.ZLIB_RUNTIME_VERSION} level 9, {size} bytes"
    return Score(
        name="compression ratio",
        value=value,
        direction="target",
        n=len(ours),
        signature=signature("compression ratio", protocol=protocol, n=(len(theirs), len(ours)), seed=seed),
        interval=replicates.interval(value, low=0.0) if replicates else None,
        floor=zlib_ratio(theirs),
        group="diversity",
        replicates=replicates,
    )


def zlib_ratio(texts: Sequence[bytes]) -> float:
    """Size of the texts joined by line feeds over their size compressed.

    >>> zlib_ratio([b"a" * 1000]) > 50
    True
    """
    whole = b"\n".join(texts)
    return len(whole) / len(zlib.compress(whole, 9))


def rate_of_repetition(windows: Sequence[Window]) -> float:
    """The repetition rate of windows; 0 where no n-gram of some length repeats.

    >>> rate_of_repetition([("a", "b") * 4])
    1.0
    """
    return _rate(*_kinds(windows))


def _kinds(windows: Sequence[Window]) -> tuple[Int[np.ndarray, "w 4"], Int[np.ndarray, "w 4"]]:
    """Different n-grams of each window, and those that occur in it more than once."""
    counts = [[Counter(zip(*(window[i:] for i in range(n)))) for n in range(1, ORDER + 1)] for window in windows]
    repeated = [[sum(c > 1 for c in each.values()) for each in row] for row in counts]
    return np.array([[len(each) for each in row] for row in counts]), np.array(repeated)


def _rate(kinds: Int[np.ndarray, "w 4"], repeated: Int[np.ndarray, "w 4"]) -> float:
    shares = repeated.sum(0) / np.maximum(kinds.sum(0), 1)
    return float(np.prod(shares) ** (1 / ORDER))


def self_bleus(segments: Sequence[Window]) -> Float[np.ndarray, "n"]:
    """BLEU-4 of each segment (a tuple of words) with all others as its references, 0 to 100, in linear time.

    Equal to sacrebleu's sentence BLEU: exponential smoothing, effective order, the closest reference length, of two
    equally close the shorter. A clipped count asks for the largest count of an n-gram among the *others*: the largest
    of all, or the second largest for the one segment that holds the largest.

    >>> self_bleus([tuple("abcd"), tuple("abcd")]).tolist()
    [100.0, 100.0]
    """
    if len(segments) < 2:
        raise DataError(f"{len(segments)} segments have no others to compare with", where="self-BLEU")
    lengths = np.array([len(segment) for segment in segments])
    return _self_bleus(_tallies(segments), lengths, np.ones(len(segments), dtype=bool))


Tally = tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"], Int[np.ndarray, "_"]]  # n-gram, segment, how often there


def _tallies(segments: Sequence[Window]) -> list[Tally]:
    """For each order what n-grams the segments hold, by n-gram and from often to seldom."""
    out = []
    for n in range(1, ORDER + 1):
        numbers: dict[Window, int] = {}
        rows = [
            (numbers.setdefault(gram, len(numbers)), i, count)
            for i, segment in enumerate(segments)
            for gram, count in Counter(zip(*(segment[i:] for i in range(n)))).items()
        ]
        gram, segment, count = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        order = np.lexsort((-count, gram))
        out.append((gram[order], segment[order], count[order]))
    return out


def _self_bleus(
    tallies: Sequence[Tally], lengths: Int[np.ndarray, "n"], keep: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "_"]:
    """BLEU of each kept segment against the other kept ones."""
    matches = np.stack([_matches(tally, keep) for tally in tallies], axis=1)[keep]
    totals = np.maximum(lengths[keep, None] - np.arange(ORDER), 0)
    return _sentence_bleus(matches, totals) * _brevity(lengths[keep])


def _matches(tally: Tally, keep: Bool[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """For each segment, how many of its n-grams the other kept ones match, clipped."""
    gram, segment, count = (column[keep[tally[1]]] for column in tally)
    if not len(gram):
        return np.zeros(len(keep), dtype=np.int64)
    first = np.flatnonzero(np.diff(gram, prepend=-1))  # where each n-gram's largest count stands, the second after it
    which = np.searchsorted(first, np.arange(len(gram)), side="right") - 1
    shared = np.append(gram, -1)[first + 1] == gram[first]
    second = np.where(shared, np.append(count, 0)[first + 1], 0)
    limit = count[first][which]
    limit[first] = second
    return np.bincount(segment, np.minimum(count, limit), minlength=len(keep)).astype(np.int64)


def _sentence_bleus(matches: Int[np.ndarray, "s 4"], totals: Int[np.ndarray, "s 4"]) -> Float[np.ndarray, "s"]:
    """100 times the geometric mean of precisions over the orders that a segment has; the k-th 0 counts as 1 / 2^k."""
    present, missed = totals > 0, (matches == 0) & (totals > 0)
    hits = np.where(missed, 0.5 ** missed.cumsum(1), matches)
    logs = np.log(np.where(present, hits, 1) / np.where(present, totals, 1))
    return np.where(matches.any(1), 100 * np.exp(logs.sum(1) / np.maximum(present.sum(1), 1)), 0.0)


def _brevity(lengths: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Brevity penalty of each segment against the closest length among the others, of two as close the shorter."""
    order = np.concatenate([[-np.inf], np.sort(lengths), [np.inf]])
    at = np.searchsorted(order, lengths)  # the place of the first of its length; its neighbours are the closest
    below, above = order[at - 1], order[at + 1]
    closest = np.where(lengths - below <= above - lengths, below, above)
    return np.where(lengths >= closest, 1.0, np.exp(np.minimum(1 - closest / np.maximum(lengths, 1), 0)))


def _beside_real(
    name: str,
    prepare: Callable[[Sequence[Window]], Statistic],
    real: Sequence[str],
    fake: Sequence[str],
    *,
    words: int,
    windows: int,
    seed: int,
    high: float = 1.0,
    fewest: int = 1,
) -> Score:
    """A statistic of equally many windows of both sides, the real one as floor; texts are what is left out."""
    (theirs, _), (ours, owners) = (_windows(texts, words) for texts in (real, fake))
    count = min(len(theirs), len(ours), windows)
    if count < fewest:
        what = f"{count} windows of {words} words are too few"
        raise DataError(what, where=name, hint="give more text, or shorter windows with words=")
    rng = np.random.default_rng(seed)
    real_kept, kept = (np.sort(rng.permutation(len(each))[:count]) for each in (theirs, ours))
    everything = np.ones(count, dtype=bool)
    statistic = prepare([ours[i] for i in kept])
    value, floor = statistic(everything), prepare([theirs[i] for i in real_kept])(everything)
    owner = np.unique(owners[kept], return_inverse=True)[1]
    unit = owner if owner.max() else np.arange(count)  # one long text owns all: then it is windows that are left out
    group = jackknife_groups(int(unit.max()) + 1, seed + 1)[unit]
    masks = [group != g for g in range(int(group.max()) + 1)]
    enough = len(masks) > 1 and min(int(mask.sum()) for mask in masks) >= fewest
    replicates = Replicates((), tuple(map(statistic, masks))) if enough else None
    return Score(
        name=name,
        value=value,
        direction="target",
        n=len(fake),
        signature=signature(name, protocol=f"{count} windows of {words} words", n=(len(real), len(fake)), seed=seed),
        interval=replicates.interval(value, low=0.0, high=high) if replicates else None,
        floor=floor,
        group="diversity",
        replicates=replicates,
    )


def _windows(texts: Sequence[str], words: int) -> tuple[list[Window], Int[np.ndarray, "w"]]:
    """Consecutive windows of the joined texts, and the text that each begins in."""
    found = [WORD.findall(text) for text in texts]
    flat = [word for each in found for word in each]
    owner = np.repeat(np.arange(len(found)), [len(each) for each in found])
    starts = range(0, len(flat) - words + 1, words)
    return [tuple(flat[start : start + words]) for start in starts], owner[: len(flat) - words + 1 : words].astype(
        np.int64
    )


def _first_bytes(texts: Sequence[bytes], size: int) -> list[bytes]:
    """Texts, the last of them cut, until `size` bytes (a line feed after each counted)."""
    out = []
    for raw in texts:
        if size <= 0:
            break
        out.append(raw[:size])
        size -= len(raw) + 1
    return out
