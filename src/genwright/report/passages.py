"""The text part of a report: generated passages with the longest run that also stands in the training text marked."""

from dataclasses import dataclass

import numpy as np

from genwright.data.dataset import Dataset, Text

_SHOWN = 700  # characters of a passage that are shown
_CORPUS = 20_000_000  # characters of training text that are searched


@dataclass(frozen=True)
class Passage:
    """A generated passage cut at its longest copied run: `before + copied + after` is the text."""

    before: str
    copied: str
    after: str


def corpus(train: Dataset, field: Text) -> str:
    """The training text in one piece; records that are not consecutive are kept apart by a NUL."""
    return ("" if field.running else "\0").join(map(str, train.columns[field.name]))[:_CORPUS]


def marked(text: str, source: str) -> Passage:
    """`text`, shortened to what is shown, cut at the longest run of characters that also stands in `source`."""
    text = text[:_SHOWN]
    start, length = _longest_copied_run(text, source)
    return Passage(text[:start], text[start : start + length], text[start + length :])


def shortened(column: np.ndarray, n: int) -> list[str]:
    """The first n texts of a column as they are shown."""
    return [str(text)[:_SHOWN] for text in column[:n]]


def _longest_copied_run(text: str, source: str) -> tuple[int, int]:
    """Start and length of the longest substring of `text` that occurs in `source`."""
    best = (0, 0)
    for start in range(len(text)):
        # Only runs longer than the best so far are worth asking for, so the total number of searches is <= 2 len(text).
        while start + best[1] < len(text) and text[start : start + best[1] + 1] in source:
            best = (start, best[1] + 1)
    return best
