"""How large a sequence model and its batches should be for the time there is, and how much to score at once."""

from genwright.families.family import Work

WIDTH_BY_MINUTES = ((0.75, 128, 3), (8.0, 128, 4), (40.0, 256, 6))  # up to so many minutes: width, depth
LARGEST = (384, 8)
POSITIONS_PER_BATCH = 2048  # of a training batch, as far as the rows suffice
MAX_BATCH = 256
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


def chunks(rows: int, *, length: int) -> list[slice]:
    """Slices of `rows` sequences of `length`, each of a bounded number of positions."""
    step = max(1, POSITIONS_AT_ONCE // length)
    return [slice(at, at + step) for at in range(0, rows, step)]
