"""How large a sequence model and its batches should be for the time there is, and how much to score at once."""

import math

from genwright.families.family import Work

WIDTH_BY_MINUTES = ((0.75, 128, 3), (8.0, 128, 4), (40.0, 256, 6))  # up to so many minutes: width, depth
LARGEST = (384, 8)
POSITIONS_PER_BATCH = 2048  # of a training batch, as far as the rows suffice
MAX_BATCH = 256
POSITIONS_PER_SECOND = 10_000  # that a net of width 128 and depth 4 learns from on one core, others by their size
FEW_PASSES = 2.0  # over the training tokens, up to which nothing has to be forgotten
LARGEST_DROPOUT = 0.3
POSITIONS_AT_ONCE = 2**14  # scored together, which bounds the memory of the logits


def sequence_size(length: int, work: Work, *, mean: float | None = None) -> tuple[int, int, int]:
    """Width, depth and batch of a transformer over sequences of `length`, measured on a text of a megabyte.

    Records of `mean` length on average are packed, several to a row, see `genwright.nets.packing`.

    >>> sequence_size(256, Work(rows=3500, minutes=5.0))
    (128, 4, 8)
    """
    minutes = work.minutes or 5.0
    width, depth = next(((w, d) for limit, w, d in WIDTH_BY_MINUTES if minutes <= limit), LARGEST)
    batch = max(4, min(MAX_BATCH, round(POSITIONS_PER_BATCH / (mean or length))))
    return width, depth, min(batch, work.rows)


def dropout_for(length: int, work: Work, *, width: int, depth: int, batch: int) -> float | None:
    """The share to forget while learning from windows of a text that is read many times; None where it is a few times.

    A tenth for each doubling of the passes beyond `FEW_PASSES`. Windows begin at each token of the text.

    >>> net = {"width": 128, "depth": 4, "batch": 8}
    >>> [dropout_for(256, Work(rows=rows, steps=1500), **net) for rows in (2_000_000, 800_000, 400_000, 20_000)]
    [None, 0.09, 0.19, 0.3]
    """
    speed = POSITIONS_PER_SECOND * (4 * 128**2) / (depth * width**2)
    seen = 60 * work.minutes * speed if work.minutes else (work.steps or 1) * batch * length
    passes = min(work.steps or math.inf, seen / (work.rows + length))
    share = min(LARGEST_DROPOUT, 0.1 * math.log2(max(passes, FEW_PASSES) / FEW_PASSES))
    return round(share, 2) or None


def chunks(rows: int, *, length: int) -> list[slice]:
    """Slices of `rows` sequences of `length`, each of a bounded number of positions."""
    step = max(1, POSITIONS_AT_ONCE // length)
    return [slice(at, at + step) for at in range(0, rows, step)]
