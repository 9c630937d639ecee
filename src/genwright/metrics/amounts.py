"""Equal amounts of what several systems generated, for most scores depend on how much there is."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from genwright.data.align import aligned, shared
from genwright.data.dataset import Dataset, Text
from genwright.errors import DataError
from genwright.metrics.kind import MIN_ROWS
from genwright.metrics.kinds import KINDS
from genwright.metrics.text_scores import text_bytes

MIN_BYTES = 1000  # of running text, below which a system is not compared


def equal_amounts(
    systems: Mapping[str, Dataset], *, real: Dataset, seed: int = 0
) -> tuple[dict[str, Dataset], dict[str, str]]:
    """As many records of each system, drawn at random, or as many bytes from the start of running text; with the
    systems that cannot be compared and why.

    All are read as what `real` holds: lines as running text, or the other way round.
    """
    usable: dict[str, Dataset] = {}
    unusable: dict[str, str] = {}
    for name, data in systems.items():
        try:
            usable[name] = _enough(data, real)
        except DataError as error:
            unusable[name] = error.what
    if not usable:
        return {}, unusable
    if real.running:
        size = min(map(text_bytes, usable.values()))
        return {name: _cut(data, size) for name, data in usable.items()}, unusable
    n = min(map(len, usable.values()))
    return {name: _some(data, n, seed) for name, data in usable.items()}, unusable


def fewest_bytes(systems: Mapping[str, Dataset], *, real: Dataset) -> int | None:
    """The bytes of text of the system that has fewest; None for other data."""
    size = KINDS[real.kind].size
    return None if size is None else min(map(size, systems.values()), default=None)


def _enough(data: Dataset, real: Dataset) -> Dataset:
    """`data` as what `real` holds; DataError where that cannot be, or is too little."""
    read = aligned(data, shared(real, data)[0])
    if real.running:
        if text_bytes(read) < MIN_BYTES:
            raise DataError(f"{text_bytes(read):,} bytes of text are too few to compare", where=data.name)
    elif len(data) < MIN_ROWS:
        raise DataError(f"{len(data)} records are too few to compare", where=data.name)
    return data if KINDS[real.kind].size is None else read


def _cut(data: Dataset, size: int) -> Dataset:
    """The first `size` bytes of a text."""
    name = data.medium(Text).name
    kept: list[str] = []
    for text in data.columns[name]:
        raw = (text or "").encode("utf-8", "replace")[:size]
        kept += [raw.decode("utf-8", "ignore")] if raw else []
        size -= len(raw)
    columns = {each: column[: len(kept)] for each, column in data.columns.items()}
    return replace(data, columns=columns | {name: np.array(kept, dtype=object)}, fixed_split=None, origin=None)


def _some(data: Dataset, n: int, seed: int) -> Dataset:
    """n records drawn at random, in their order."""
    return data if len(data) == n else data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:n]))
