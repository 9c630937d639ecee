"""What a fit will need, told before it begins: memory and time by rows and columns.

The constants were measured on one core with the default family (see docs/guides/databases.md for the figures).
"""

import math
import os

from genwright.data.dataset import MEDIA, Dataset
from genwright.data.media import KINDS

MIB = 1 << 20
MIN_COMPARED = 10  # records, below which families cannot be held against each other
PROGRAM = 300 * MIB  # Python with torch, numpy, pandas and pyarrow loaded
TRAINING = 150 * MIB  # kernels, optimiser and the buffers of training
PER_VALUE = 65  # bytes: a table's value as text, as a number, encoded, and in the parts of the split
PER_COLUMN = 4.0 * MIB  # of the net, its optimiser and one batch's graph
PASSES = 40  # over the rows until more hardly helps
SECONDS_PER_VALUE = 4e-6  # of one pass, on one core


def fit_memory(data: Dataset) -> int:
    """Bytes that reading `data` and fitting the default family need at their peak."""
    columns = len(data.scalars)
    total = PROGRAM + TRAINING + PER_VALUE * len(data) * len(data.fields) + PER_COLUMN * columns
    media = [field for field in data.fields if isinstance(field, MEDIA)]
    return int(total + sum(KINDS[type(field)].memory(data.columns[field.name]) for field in media))


def fit_seconds(data: Dataset) -> float:
    """Seconds after which a fit of a table hardly gets better; for images and text those of a default fit."""
    if data.media is not None:
        return 300.0
    return max(10.0, PASSES * SECONDS_PER_VALUE * len(data) * max(1, len(data.scalars)))


def obstacles(data: Dataset) -> list[str]:
    """What stands in the way of a fit, or of a comparison of families, and what to do about it."""
    found, kind = [], KINDS[data.kind]
    records = "passage" if data.running else kind.one
    counted = f"1 {records} is" if len(data) == 1 else f"{len(data)} {records}s are"
    if len(data.split.train) < 2:
        found.append(f"{counted} too few to fit: at least 10 are needed, better some hundred")
    elif len(data) < MIN_COMPARED and not data.running:
        found.append(f"{counted} too few to compare families by: at least {MIN_COMPARED} are needed")
    found += [] if data.media is None else kind.obstacles(data.columns[data.media.name])
    needed, here = fit_memory(data), machine_memory()
    if needed > here:
        found.append(
            f"a fit needs about {needed / MIB:,.0f} MiB of the {here / MIB:,.0f} MiB here: read {kind.smaller}"
        )
    return found


def machine_memory() -> float:
    """Bytes of memory that this machine has; infinity where it does not tell."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return math.inf
    return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
