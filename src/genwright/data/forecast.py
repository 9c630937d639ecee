"""What a fit will need, told before it begins: memory and time by rows and columns.

The constants were measured on one core with the default family (see docs/guides/databases.md for the figures).
"""

from genwright.data.dataset import Dataset, Image, Text

MIB = 1 << 20
PROGRAM = 300 * MIB  # Python with torch, numpy, pandas and pyarrow loaded
TRAINING = 150 * MIB  # kernels, optimiser and the buffers of training
PER_VALUE = 65  # bytes: a table's value as text, as a number, encoded, and in the parts of the split
PER_COLUMN = 4.0 * MIB  # of the net, its optimiser and one batch's graph
MEDIA_COPIES = {Text: 5, Image: 3}  # bytes held for one character or pixel byte
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
            total += MEDIA_COPIES[Image] * sum(image.nbytes for image in column)
    return int(total)


def fit_seconds(data: Dataset) -> float:
    """Seconds after which a fit of a table hardly gets better; for images and text those of a default fit."""
    if data.media is not None:
        return 300.0
    return max(10.0, PASSES * SECONDS_PER_VALUE * len(data) * max(1, len(data.scalars)))
