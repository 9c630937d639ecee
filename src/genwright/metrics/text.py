"""Scores of generated text: compression, n-gram statistics, variety, and runs copied from the training text."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Real

from genwright.errors import DataError
from genwright.metrics.perplexity import check_lengths, rate_interval, rate_replicates
from genwright.metrics.runs import copied_runs
from genwright.scores.intervals import Replicates, jackknife_groups, mean_replicates
from genwright.scores.score import Score, signature

WINDOW_WORDS = 200  # over which distinct n-grams are counted, so that texts of any length compare
WORD = re.compile(r"\w+|[^\w\s]")


def bits_per_byte(
    log_probs: Float[np.ndarray, "n"],
    byte_counts: Real[np.ndarray, "_"],
    *,
    window: str,
    bound: str = "",
    block: int = 1,
    seed: int = 0,
) -> Score:
    """Code length of held-out text under a model, from each record's log-probability in nats and size in bytes.

    -sum(log p) / (ln 2 * sum(bytes)). `window` says how the model was given its context, for the signature; `bound`
    is "upper bound" where log p is a lower bound. Interval: bootstrap of records, `block` neighbours at a time; for
    differences groups of records are left out of both sums.
    """
    bits, sizes = -np.asarray(log_probs, np.float64) / np.log(2), np.asarray(byte_counts, np.float64)
    check_lengths(bits, sizes, where="bits per byte")
    n, value = len(bits), float(bits.sum() / sizes.sum())
    replicates = rate_replicates(bits, sizes, seed=seed)
    return Score(
        name="bits per byte",
        value=value,
        direction="lower",
        n=n,
        signature=signature("bits per byte", protocol=f"{window}, {int(sizes.sum())} bytes", n=(n, 0), seed=seed),
        interval=rate_interval(bits, sizes, block=block, seed=seed),
        group="likelihood",
        note=bound,
        replicates=replicates,
    )


def distinct_n(real: Sequence[str], fake: Sequence[str], *, n: int = 2, seed: int = 0) -> Score:
    """Share of word n-grams that are different from each other, within windows of 200 words, averaged.

    Li et al. 2016, arXiv:1510.03055 (distinct-n), here over windows of one length, since the share falls with length.
    The target is what real text shows, given as the floor: less is repetition, more is disorder.
    """
    shares, real_shares = (_distinct(texts, n) for texts in (fake, real))
    value, target = float(shares.mean()), float(real_shares.mean())
    replicates = Replicates((), mean_replicates(shares, seed=seed + 1)) if len(shares) > 1 else None
    name = f"distinct-{n}"
    return Score(
        name=name,
        value=value,
        direction="target",
        n=len(fake),
        signature=signature(name, protocol=f"windows of {WINDOW_WORDS} words", n=(len(real), len(fake)), seed=seed),
        interval=replicates.interval(value, low=0.0, high=1.0) if replicates else None,
        floor=target,
        group="diversity",
        replicates=replicates,
    )


def _distinct(texts: Sequence[str], n: int) -> Float[np.ndarray, "windows"]:
    words = [word for text in texts for word in WORD.findall(text)]
    size = WINDOW_WORDS if len(words) >= WINDOW_WORDS else len(words)
    if size < n + 1:
        raise DataError(f"{len(words)} words are too few for distinct-{n}", where="text")
    starts = range(0, len(words) - size + 1, size)
    grams = ([tuple(words[i : i + n]) for i in range(start, start + size - n + 1)] for start in starts)
    return np.array([len(set(each)) / len(each) for each in grams])


def ngram_divergence(real: Sequence[str], fake: Sequence[str], *, n: int = 4, seed: int = 0) -> Score:
    """Jensen-Shannon divergence in bits between the distributions of byte n-grams, 0 (equal) to 1 (disjoint).

    n-grams stay within records. Biased upwards for short texts: read it beside a floor with texts of the same sizes;
    `evaluate` gives both sides equally many bytes. Interval: delete-a-group jackknife over records. Lin 1991, eq. 4.1.
    """
    (a, owner_a), (b, owner_b) = (_byte_ngrams(texts, n) for texts in (real, fake))
    _, cell = np.unique(np.concatenate([a, b]), return_inverse=True)
    cells = int(cell.max()) + 1
    p, q = cell[: len(a)], cell[len(a) :]
    group_p = jackknife_groups(len(real), seed)[owner_a]
    group_q = jackknife_groups(len(fake), seed + 1)[owner_b]
    counts_p, counts_q = _grouped(p, group_p, cells), _grouped(q, group_q, cells)
    all_p, all_q = counts_p.sum(0), counts_q.sum(0)
    value = jensen_shannon(all_p, all_q)
    replicates = Replicates(
        tuple(jensen_shannon(all_p - c, all_q) for c in counts_p) if len(counts_p) > 1 else (),
        tuple(jensen_shannon(all_p, all_q - c) for c in counts_q) if len(counts_q) > 1 else (),
    )
    name = f"byte {n}-gram divergence"
    return Score(
        name=name,
        value=value,
        direction="lower",
        n=len(fake),
        signature=signature(name, protocol=f"{len(a)}+{len(b)} n-grams", n=(len(real), len(fake)), seed=seed),
        interval=replicates.interval(value, low=0.0, high=1.0) if replicates.real or replicates.fake else None,
        unit=" bits",
        replicates=replicates,
    )


def jensen_shannon(p: Real[np.ndarray, "c"], q: Real[np.ndarray, "c"]) -> float:
    """Jensen-Shannon divergence in bits between two distributions given as counts.

    >>> jensen_shannon(np.array([1, 0]), np.array([0, 3]))
    1.0
    """
    p, q = p / p.sum(), q / q.sum()
    return max(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2, 0.0)


def _entropy(law: np.ndarray) -> float:
    """Entropy in bits."""
    law = law[law > 0]
    return float(-(law * np.log2(law)).sum())


def _byte_ngrams(texts: Sequence[str], n: int) -> tuple[Int[np.ndarray, "t"], Int[np.ndarray, "t"]]:
    """All byte n-grams as numbers, and the record that each comes from."""
    assert 1 <= n <= 7, "n-grams are packed into 64 bits"
    raw = [text.encode("utf-8", "replace") for text in texts]
    flat = np.frombuffer(b"".join(raw), dtype=np.uint8).astype(np.int64)
    owner = np.repeat(np.arange(len(raw)), [len(r) for r in raw])
    if len(flat) < n:
        raise DataError(f"{len(flat)} bytes of text are too few for {n}-grams", where="text")
    stop = len(flat) - n + 1
    codes = np.zeros(stop, dtype=np.int64)
    for i in range(n):
        codes = codes * 256 + flat[i : i + stop]
    inside = owner[:stop] == owner[n - 1 :]
    if not inside.any():
        raise DataError(f"no record is {n} bytes long", where="text")
    return codes[inside], owner[:stop][inside]


def _grouped(cell: np.ndarray, group: np.ndarray, cells: int) -> Float[np.ndarray, "g c"]:
    """Counts of each cell in each group that has any."""
    group = np.unique(group, return_inverse=True)[1]
    groups = int(group.max()) + 1
    return np.bincount(group * cells + cell, minlength=groups * cells).reshape(groups, cells).astype(np.float64)


def longest_copied_run(train: str, fake: Sequence[str], *, held_out: str, seed: int = 0) -> Score:
    """Mean over generated texts of the longest run, in bytes, that the training text holds verbatim.

    The floor is the same for pieces of unseen real text of the same lengths, cut at random: common phrases repeat.
    """
    if not fake or not train or not held_out:
        raise DataError("no text to look for copied runs in", where="text")
    runs = copied_runs(fake, train)[:, 1]
    pieces = _pieces(held_out, fake, np.random.default_rng(seed))
    usual = copied_runs(pieces, train)[:, 1]
    value, floor = float(runs.mean()), float(usual.mean())
    replicates = Replicates((), mean_replicates(runs.astype(np.float64), seed=seed + 1)) if len(runs) > 1 else None
    note = f"longest {runs.max()} bytes, {usual.max()} in unseen real text"
    return Score(
        name="longest copied run",
        value=value,
        direction="lower",
        n=len(fake),
        signature=signature(
            "longest copied run", protocol=f"bytes, train={len(train)}", n=(len(pieces), len(fake)), seed=seed
        ),
        interval=replicates.interval(value, low=0.0) if replicates else None,
        floor=floor,
        unit=" bytes",
        group="novelty",
        note=note + ("; more than twice as long: a passage is copied" if runs.max() > 2 * usual.max() else ""),
        replicates=replicates,
    )


def _pieces(text: str, like: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Random pieces of `text`, each as long as its counterpart (or all of `text`)."""
    starts = [int(rng.integers(max(len(text) - len(each), 0) + 1)) for each in like]
    return [text[start : start + len(each)] for start, each in zip(starts, like, strict=True)]
