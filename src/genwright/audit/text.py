"""How much of generated text stands word for word in the training text, beside the same of unseen real text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.stats import hypergeom

from genwright.audit.copies import ALARM
from genwright.audit.suffixes import LONGEST, matches
from genwright.errors import DataError
from genwright.scores.intervals import Replicates, jackknife_groups, mean_replicates, share_interval
from genwright.scores.score import Score, signature

RUN_BYTES, RUN_WORDS = 32, 8  # of a run that is looked for: a line, about
SEARCHED = 4_000_000  # bytes of training text that are searched, evenly spread over all: some ten seconds
BLOCK = 2**16  # bytes of a piece of training text that is longer
MORE = 4  # unseen texts for each generated one, where there are so many
QUOTED = 100  # characters of the longest copy
WORDS = re.compile(rb"\S+")

Counted = tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"]]  # of each text runs found, and all runs


@dataclass(frozen=True)
class Found:
    """Texts as bytes, and for each byte of them how long a run begins there that stands in the training text."""

    texts: tuple[bytes, ...]
    lengths: tuple[Int[np.ndarray, "_"], ...]

    def byte_runs(self, n: int) -> Counted:
        """How many runs of n bytes stand in the training text."""
        inside = [each[: max(len(each) - n + 1, 0)] for each in self.lengths]
        return np.array([(each >= n).sum() for each in inside]), np.array([len(each) for each in inside])

    def word_runs(self, n: int) -> Counted:
        """How many runs of n words, with what is between them, stand in the training text."""
        found, all_ = [], []
        for raw, lengths in zip(self.texts, self.lengths, strict=True):
            spans = np.array([word.span() for word in WORDS.finditer(raw)], dtype=np.int64).reshape(-1, 2)
            starts, stops = spans[: max(len(spans) - n + 1, 0), 0], spans[n - 1 :, 1]
            found.append(int((lengths[starts] >= stops - starts).sum()))
            all_.append(len(starts))
        return np.array(found), np.array(all_)

    @property
    def longest_each(self) -> Int[np.ndarray, "n"]:
        """The longest run of each text in bytes."""
        return np.array([each.max(initial=0) for each in self.lengths])

    @property
    def longest(self) -> tuple[int, str]:
        """The longest run of all in bytes, and the first characters of it."""
        best = max(range(len(self.texts)), key=lambda i: int(self.lengths[i].max(initial=0)))
        start = int(self.lengths[best].argmax()) if len(self.lengths[best]) else 0
        length = int(self.lengths[best].max(initial=0))
        return length, self.texts[best][start : start + length].decode("utf-8", "ignore")[:QUOTED]


def copied_text(
    train: Sequence[str], fake: Sequence[str], *, held_out: Sequence[str], running: bool, seed: int = 0
) -> list[Score]:
    """Of the runs of 32 bytes, and of 8 words, in generated texts the shares that the training text holds verbatim.

    The floors are those of unseen real text, of running text in pieces as long as the generated texts: common phrases
    repeat. And the share of texts that hold a longer run than any unseen text does: "copies" where more do than chance
    would let, were generated and unseen texts alike (hypergeometric, 1 %); its note quotes the longest run.
    Of more than 4 MB of training text, blocks or texts evenly spread over it are searched: copies of others do not
    show. DataError where no text holds such a run.
    """
    rng = np.random.default_rng(seed)
    corpus, whole = _searched(_raw(train, running), running)
    ours = _raw(fake, running=False)
    unseen = _raw(held_out, running)
    theirs = (
        _pieces(unseen, ours, rng) if running else [unseen[i] for i in rng.permutation(len(unseen))[: MORE * len(ours)]]
    )
    if not ours or not theirs or not corpus:
        raise DataError("no text to look for copied runs in", where="text")
    lengths = matches([*ours, *theirs], corpus)
    each = np.split(lengths, np.cumsum([len(raw) for raw in (*ours, *theirs)])[:-1])
    sides = Found(tuple(ours), tuple(each[: len(ours)])), Found(tuple(theirs), tuple(each[len(ours) :]))
    about = f"searched {sum(map(len, corpus))} bytes of {whole}"
    units: list[tuple[str, Callable[[Found], Counted]]] = [
        (f"copied {RUN_BYTES}-byte runs", lambda found: found.byte_runs(RUN_BYTES)),
        (f"copied {RUN_WORDS}-word runs", lambda found: found.word_runs(RUN_WORDS)),
    ]
    scores = []
    for name, count in units:
        a, b = (count(side) for side in sides)
        if a[1].sum() and b[1].sum():
            scores.append(_share(name, a, b, about=about, seed=seed))
    if not scores:
        raise DataError(f"no text is {RUN_BYTES} bytes or {RUN_WORDS} words long", where="copied runs")
    return [_passages(*sides, about=about, seed=seed), *scores]


def _passages(ours: Found, theirs: Found, *, about: str, seed: int) -> Score:
    """Texts whose longest run is longer than that of any unseen text."""
    copied = ours.longest_each > theirs.longest_each.max()
    n, m, k = len(copied), len(theirs.texts), int(copied.sum())
    p = float(hypergeom.cdf(0, n + m, m, k)) if k else 1.0  # that none of the k longest is an unseen one
    low, high = share_interval(k / n, n)
    length, quote = ours.longest
    told = f"{length} bytes" if length < LONGEST else f"{LONGEST} bytes or more"
    note = f"longest run {told}, in unseen real text {theirs.longest[0]}: {quote!r}"
    return Score(
        name="copied passages",
        value=100 * k / n,
        direction="lower",
        n=n,
        signature=signature("copied passages", protocol=about, n=(m, n), seed=seed),
        interval=(100 * low if p < ALARM else 0.0, 100 * high),
        floor=0.0,
        floor_error=0.0,
        unit="%",
        group="novelty",
        note=f"copies: {k} texts, p = {p:.2g}; {note}" if p < ALARM else note,
        replicates=Replicates((), tuple(100 * v for v in mean_replicates(copied, seed=seed + 1))) if n > 1 else None,
    )


def _share(name: str, ours: Counted, theirs: Counted, *, about: str, seed: int) -> Score:
    value, floor = (100 * found.sum() / all_.sum() for found, all_ in (ours, theirs))
    own, real = (_left_out(*side, seed=seed + i) for i, side in enumerate((ours, theirs)))
    replicates = Replicates((), own) if own else None
    return Score(
        name=name,
        value=float(value),
        direction="lower",
        n=len(ours[0]),
        signature=signature(name, protocol=about, n=(len(theirs[0]), len(ours[0])), seed=seed),
        interval=replicates.interval(float(value), low=0.0, high=100.0) if replicates else None,
        floor=float(floor),
        floor_error=Replicates((), real).error if real else None,
        unit="%",
        group="novelty",
        replicates=replicates,
    )


def _left_out(found: Int[np.ndarray, "n"], all_: Int[np.ndarray, "_"], *, seed: int) -> tuple[float, ...]:
    """The share in percent with groups of texts left out; nothing where some group holds all runs."""
    group = jackknife_groups(len(found), seed)
    top, below = (each.sum() - np.bincount(group, weights=each) for each in (found, all_))
    return tuple((100 * top / below).tolist()) if len(top) > 1 and (below > 0).all() else ()


def _raw(texts: Sequence[str], running: bool) -> list[bytes]:
    raws = [text.encode("utf-8", "replace") for text in texts if text]
    return [b"".join(raws)] if running and raws else raws


def _searched(raws: list[bytes], running: bool) -> tuple[list[bytes], int]:
    """The training text, of a long one blocks or texts that are evenly spread over it; and the size of all."""
    size = sum(map(len, raws))
    if size <= SEARCHED:
        return raws, size
    blocks = [raw[i : i + BLOCK] for raw in raws for i in range(0, len(raw), BLOCK)]
    most = max(1, len(blocks) * SEARCHED // size)
    return [blocks[i] for i in np.linspace(0, len(blocks) - 1, most).round().astype(int)], size


def _pieces(raws: list[bytes], like: Sequence[bytes], rng: np.random.Generator) -> list[bytes]:
    """Random pieces of one text as long as each of `like`, as many as that text is worth and at most MORE for each."""
    whole = b"".join(raws)
    several = min(MORE, max(1, len(whole) // max(1, sum(map(len, like)))))
    sizes = [len(each) for each in like] * several
    starts = [int(rng.integers(max(len(whole) - size, 0) + 1)) for size in sizes]
    return [whole[start : start + size] for start, size in zip(starts, sizes, strict=True)]
