"""Canaries: sentences with random digits planted in training text, and how well a model has learned them by heart."""

import math
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from genwright.errors import ArgumentError
from genwright.model.generator import Generator
from genwright.model.scoring import score_beginnings
from genwright.scores.intervals import Replicates, mean_replicates
from genwright.scores.score import Score, signature

DIGIT = "#"  # in a pattern: any digit
ALTERNATIVES = 10_000  # that a canary is ranked among; all where there are no more
BY_CHANCE = 1 / math.log(2)  # bits of exposure, and their spread, of a canary that was never seen


def canaries(pattern: str, n: int, *, seed: int) -> list[str]:
    """n different sentences of `pattern`, each `#` a random digit; plant some in the training text, keep others out.

    >>> canaries("the code is ####", 2, seed=0)
    ['the code is 3577', 'the code is 8925']
    """
    size = _size(pattern)
    if not 1 <= n <= size:
        raise ArgumentError(f"{n} canaries of {size:,} that there are", where=pattern, hint="write more # in it")
    return _written(pattern, _numbers(size, n, np.random.default_rng(seed)))


def exposures(
    model: Generator, told: Sequence[str], *, pattern: str, alternatives: int = ALTERNATIVES, seed: int = 0
) -> Float[np.ndarray, "n"]:
    """log2 of how many sentences of `pattern` there are for each that the model finds as likely as a canary, in bits.

    Carlini et al. 2019, arXiv:1802.08232, definition 2: log2 |R| - log2 rank, ties counted half. Where there are more
    than so many `alternatives`, the rank among as many random ones stands for it, and exposure ends at their logarithm.
    A canary that was never seen has a random rank: 1 / ln 2 = 1.44 bits on average.
    """
    size = _size(pattern)
    shape = re.compile("[0-9]".join(map(re.escape, pattern.split(DIGIT))))
    for canary in told:
        if not shape.fullmatch(canary):
            raise ArgumentError(f"{canary!r} is no sentence of {pattern!r}", where="canaries", hint="give its pattern")
    rng = np.random.default_rng(seed)
    numbers = np.arange(size) if size <= alternatives else _numbers(size, alternatives, rng)
    sentences = _written(pattern, numbers)
    others, own, known = score_beginnings(model, sentences), score_beginnings(model, told), set(sentences)
    apart = np.array([canary not in known for canary in told])
    above = (others > own[:, None]).sum(1) + ((others == own[:, None]).sum(1) - ~apart) / 2
    return np.log2(len(others) + apart) - np.log2(1 + above)


def canary_exposure(
    model: Generator, told: Sequence[str], *, pattern: str, alternatives: int = ALTERNATIVES, seed: int = 0
) -> Score:
    """Mean exposure of canaries, see `exposures`, beside that of sentences that were never seen."""
    found = exposures(model, told, pattern=pattern, alternatives=alternatives, seed=seed)
    replicates = Replicates((), mean_replicates(found, seed=seed)) if len(found) > 1 else None
    value, most = float(found.mean()), min(_size(pattern), alternatives)
    return Score(
        name="canary exposure",
        value=value,
        direction="lower",
        n=len(found),
        signature=signature(
            "canary exposure", protocol=f"{pattern!r}, {most} alternatives", n=(0, len(found)), seed=seed
        ),
        interval=replicates.interval(value, low=0.0) if replicates else None,
        floor=BY_CHANCE,
        floor_error=BY_CHANCE / math.sqrt(len(found)),
        unit=" bits",
        group="novelty",
        note=f"most {found.max():.1f} of {math.log2(most):.1f} bits: {told[int(found.argmax())]!r}",
        replicates=replicates,
    )


def _size(pattern: str) -> int:
    digits = pattern.count(DIGIT)
    if not 1 <= digits <= 15:
        raise ArgumentError(f"{digits} digits in {pattern!r}", where="canaries", hint="write # for 1 to 15 of them")
    return 10**digits


def _numbers(size: int, n: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """n different numbers below `size`."""
    if size <= 10**6:
        return rng.permutation(size)[:n]
    found = np.unique(rng.integers(0, size, 2 * n))
    return rng.permutation(found)[:n]


def _written(pattern: str, numbers: Int[np.ndarray, "n"]) -> list[str]:
    """The pattern with the digits of each number."""
    places, pieces = pattern.count(DIGIT), pattern.split(DIGIT)
    out = []
    for number in numbers.tolist():
        digits = f"{number:0{places}d}"
        out.append("".join(a + b for a, b in zip(pieces, [*digits, ""], strict=True)))
    return out
