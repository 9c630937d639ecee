"""What a fit will need, told before it begins: memory and time by rows and columns.

The constants were measured on one core with the default family (see docs/guides/databases.md for the figures).
"""

import math
import os
from collections import Counter
from collections.abc import Iterable

import numpy as np

from genwright.data.dataset import Dataset, Image, Text

MIB = 1 << 20
FEWEST_COMPARED = 10  # records, below which families cannot be held against each other
PROGRAM = 300 * MIB  # Python with torch, numpy, pandas and pyarrow loaded
TRAINING = 150 * MIB  # kernels, optimiser and the buffers of training
PER_VALUE = 65  # bytes: a table's value as text, as a number, encoded, and in the parts of the split
PER_COLUMN = 4.0 * MIB  # of the net, its optimiser and one batch's graph
MEDIA_COPIES = {Text: 5, Image: 3}  # bytes held for one character or pixel byte
# The default family's net for images works at some 20 places a side at most; larger images are folded into channels.
BATCH = 64  # images of a training step, as far as there are as many
PLACES = 20
CHANNELS = 32
VALUE_COPIES, PLACE_COPIES = 16, 31  # of float32 that a step holds for a value of an image, for a channel of a place
FOLDED_WEIGHTS = 1.5 * 9 * 2 * CHANNELS  # of the first and last convolution for a value that is folded into a place
WEIGHT_COPIES = 6  # weights, gradient, two moments, average, best
PASSES = 40  # over the rows until more hardly helps
SECONDS_PER_VALUE = 4e-6  # of one pass, on one core


def fit_memory(data: Dataset) -> int:
    """Bytes that reading `data` and fitting the default family need at their peak."""
    columns = len(data.scalars)
    total = PROGRAM + TRAINING + PER_VALUE * len(data) * len(data.fields) + PER_COLUMN * columns
    for field in data.fields:
        column = data.columns[field.name]
        if isinstance(field, Text):
            total += MEDIA_COPIES[Text] * sum(map(len, column))
        elif isinstance(field, Image):
            total += MEDIA_COPIES[Image] * sum(image.nbytes for image in column) + _image_step(column)
    return int(total)


def fit_seconds(data: Dataset) -> float:
    """Seconds after which a fit of a table hardly gets better; for images and text those of a default fit."""
    if data.media is not None:
        return 300.0
    return max(10.0, PASSES * SECONDS_PER_VALUE * len(data) * max(1, len(data.scalars)))


def obstacles(data: Dataset) -> list[str]:
    """What stands in the way of a fit, or of a comparison of families, and what to do about it."""
    found = []
    running = isinstance(data.media, Text) and data.media.running
    records = "image" if isinstance(data.media, Image) else "passage" if running else "row"
    counted = f"1 {records} is" if len(data) == 1 else f"{len(data)} {records}s are"
    if len(data.split.train) < 2:
        found.append(f"{counted} too few to fit: at least 10 are needed, better some hundred")
    elif len(data) < FEWEST_COMPARED and not running:
        found.append(f"{counted} too few to compare families by: at least {FEWEST_COMPARED} are needed")
    shapes = Counter(i.shape[:2] for i in data.columns[data.media.name]) if isinstance(data.media, Image) else Counter()
    if len(shapes) > 1:
        (height, width), n = shapes.most_common(1)[0]
        told = f"a fit takes one: read them with size=({height}, {width}), which {n:,} have"
        found.append(f"images of {len(shapes):,} sizes: {told}")
    needed, here = fit_memory(data), machine_memory()
    if needed > here:
        smaller = "images with size=(64, 64)" if isinstance(data.media, Image) else "fewer rows with max_rows=100000"
        found.append(f"a fit needs about {needed / MIB:,.0f} MiB of the {here / MIB:,.0f} MiB here: read {smaller}")
    return found


def machine_memory() -> float:
    """Bytes of memory that this machine has; infinity where it does not tell."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return math.inf
    return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")


def _image_step(images: Iterable[np.ndarray]) -> float:
    """Bytes of one training step on the largest of the images, and of the weights that grow with their size."""
    each = list(images)
    largest = max(each, key=lambda image: image.size)
    height, width = largest.shape[:2]
    fold = 1
    while max(height, width) > fold * PLACES:
        fold *= 2
    places = -(-height // fold) * -(-width // fold)
    batch = min(BATCH, max(1, round(0.8 * len(each))))
    held = batch * (VALUE_COPIES * largest.size + PLACE_COPIES * CHANNELS * places)
    return 4.0 * (held + WEIGHT_COPIES * FOLDED_WEIGHTS * fold**2 * largest.size / (height * width))
