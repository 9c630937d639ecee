"""Perplexity of held-out text per token, word or byte, from the log-probabilities that a model gives it.

Bits per byte (`genwright.metrics.text.bits_per_byte`) is the one to compare models by: perplexity per token depends on
how the model cuts text into tokens, so a token is not the same thing for two models.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Real

from genwright.errors import DataError
from genwright.scores.intervals import Replicates, jackknife_groups
from genwright.scores.score import Score, signature

Unit = Literal["token", "word", "byte"]
DRAWS = 1000  # of the bootstrap
SPACES = re.compile(r"\s+")


def perplexity(
    log_probs: Float[np.ndarray, "n"],
    counts: Real[np.ndarray, "_"],
    *,
    unit: Unit,
    window: str,
    bound: str = "",
    seed: int = 0,
) -> Score:
    """exp(-sum(log p) / sum(counts)), from each record's log-probability in nats and number of units.

    Per word and byte all log-probability of the record counts, whatever its tokens: word perplexity is that of
    lm-evaluation-harness, with `word_counts`. `window` says how the model was given its context; `bound` is "upper
    bound" where log p is a lower one. Interval: records left out, in the logarithm, so that it stays positive.

    >>> score = perplexity(np.log([0.25, 0.0625]), np.array([1, 2]), unit="token", window="whole records")
    >>> round(score.value, 9)
    4.0
    """
    name = f"perplexity per {unit}"
    nats, sizes = -np.asarray(log_probs, np.float64), np.asarray(counts, np.float64)
    check_lengths(nats, sizes, where=name)
    replicates = rate_replicates(nats, sizes, seed=seed)
    rate = float(nats.sum() / sizes.sum())
    interval = replicates.interval(rate, low=0.0) if replicates else None
    return Score(
        name=name,
        value=float(np.exp(rate)),
        direction="lower",
        n=len(nats),
        signature=signature(name, protocol=f"{window}, {int(sizes.sum())} {unit}s", n=(len(nats), 0), seed=seed),
        interval=(float(np.exp(interval[0])), float(np.exp(interval[1]))) if interval else None,
        group="likelihood",
        note=bound,
        replicates=Replicates(tuple(np.exp(replicates.real).tolist()), ()) if replicates else None,
    )


def word_counts(texts: Sequence[str]) -> Real[np.ndarray, "n"]:
    """Pieces between white space of each text, the unit of word perplexity: lm-evaluation-harness's convention.

    >>> word_counts(["to be or not", ""]).tolist()
    [4, 1]
    """
    return np.array([len(SPACES.split(text)) for text in texts], dtype=np.int64)


def byte_counts(texts: Sequence[str]) -> Real[np.ndarray, "n"]:
    """UTF-8 bytes of each text.

    >>> byte_counts(["né"]).tolist()
    [3]
    """
    return np.array([len(text.encode("utf-8", "replace")) for text in texts], dtype=np.int64)


def check_lengths(nats: Float[np.ndarray, "n"], sizes: Float[np.ndarray, "_"], *, where: str) -> None:
    """A DataError where code lengths and sizes of records do not fit together."""
    if nats.shape != sizes.shape or not len(nats) or sizes.sum() <= 0 or (sizes < 0).any():
        what = f"{len(nats)} log-probabilities and {len(sizes)} counts do not fit together"
        raise DataError(what, where=where, hint="one of each per record, counts at least 0 and not all 0")
    if not np.isfinite(nats).all():
        raise DataError(f"{(~np.isfinite(nats)).sum()} log-probabilities are not finite", where=where)


def rate_replicates(nats: Float[np.ndarray, "n"], sizes: Float[np.ndarray, "n"], *, seed: int) -> Replicates | None:
    """A ratio of sums with groups of records left out; they are real records, so they stand on the real side."""
    group = jackknife_groups(len(nats), seed)
    top, below = (each.sum() - np.bincount(group, weights=each) for each in (nats, sizes))
    return Replicates(tuple((top / below).tolist()), ()) if len(top) > 1 and (below > 0).all() else None


def rate_interval(
    nats: Float[np.ndarray, "n"], sizes: Float[np.ndarray, "n"], *, block: int, seed: int
) -> tuple[float, float] | None:
    """95 % interval of a ratio of sums: the percentiles of DRAWS draws of records, `block` neighbours at a time.

    Neighbours in a text are alike, and drawn one by one they would seem to know more than they do: the circular block
    bootstrap of Politis & Romano 1992. None where there are fewer than two blocks.

    >>> rate_interval(np.array([1.0, 1.0]), np.array([2.0, 2.0]), block=1, seed=0)
    (0.5, 0.5)
    """
    n = len(nats)
    if n < 2 * block:
        return None
    around = np.arange(n)[:, None] + np.arange(block)
    top, below = (each[around % n].sum(axis=1) for each in (nats, sizes))
    drawn = np.random.default_rng(seed).integers(0, n, (DRAWS, -(-n // block)))
    low, high = np.quantile(top[drawn].sum(axis=1) / below[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)
