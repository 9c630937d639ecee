"""Equal amounts of what several systems generated, for most scores depend on how much there is."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from genwright.data.dataset import Dataset, Text
from genwright.errors import DataError
from genwright.metrics.align import aligned, shared
from genwright.metrics.evaluate import MIN_ROWS

LEAST_BYTES = 1000  # of running text, below which a system is not compared


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
    if isinstance(real.media, Text) and real.media.running:
        size = min(map(_bytes, usable.values()))
        return {name: _cut(data, size) for name, data in usable.items()}, unusable
    n = min(map(len, usable.values()))
    return {name: _some(data, n, seed) for name, data in usable.items()}, unusable


def fewest_bytes(systems: Mapping[str, Dataset], *, real: Dataset) -> int | None:
    """The bytes of text of the system that has fewest; None for other data."""
    return min(map(_bytes, systems.values()), default=None) if isinstance(real.media, Text) else None


def _enough(data: Dataset, real: Dataset) -> Dataset:
    """`data` as what `real` holds; DataError where that cannot be, or is too little."""
    read = aligned(data, shared(real, data)[0])
    if isinstance(real.media, Text) and real.media.running:
        if _bytes(read) < LEAST_BYTES:
            raise DataError(f"{_bytes(read):,} bytes of text are too few to compare", where=data.name)
    elif len(data) < MIN_ROWS:
        raise DataError(f"{len(data)} records are too few to compare", where=data.name)
    return read if isinstance(real.media, Text) else data


def _bytes(data: Dataset) -> int:
    assert data.media is not None
    return sum(len(text.encode("utf-8", "replace")) for text in data.columns[data.media.name] if text)


def _cut(data: Dataset, size: int) -> Dataset:
    """The first `size` bytes of a text."""
    assert data.media is not None
    kept: list[str] = []
    for text in data.columns[data.media.name]:
        raw = (text or "").encode("utf-8", "replace")[:size]
        kept += [raw.decode("utf-8", "ignore")] if raw else []
        size -= len(raw)
    columns = {name: column[: len(kept)] for name, column in data.columns.items()}
    return replace(data, columns=columns | {data.media.name: np.array(kept, dtype=object)}, fixed_split=None)


def _some(data: Dataset, n: int, seed: int) -> Dataset:
    """n records drawn at random, in their order."""
    return data if len(data) == n else data.take(np.sort(np.random.default_rng(seed).permutation(len(data))[:n]))
