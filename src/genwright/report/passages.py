"""The text part of a report: generated passages with the longest run that also stands in the training text marked."""

from collections.abc import Iterable
from dataclasses import dataclass

from genwright.data.dataset import Dataset, Text
from genwright.metrics.text import copied_runs

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


def marked(texts: Iterable[str], source: str) -> list[Passage]:
    """Each text, shortened to what is shown, cut at its longest run that also stands in `source`."""
    raw = [text[:_SHOWN].encode("utf-8", "replace") for text in texts]
    runs = copied_runs([each.decode("utf-8") for each in raw], source)
    return [_cut(each, int(start), int(length)) for each, (start, length) in zip(raw, runs, strict=True)]


def shortened(texts: Iterable[str]) -> list[str]:
    """Texts as they are shown."""
    return [text[:_SHOWN].encode("utf-8", "replace").decode("utf-8") for text in texts]


def _cut(raw: bytes, start: int, length: int) -> Passage:
    """A passage from UTF-8 bytes; a run that begins or ends within a character loses that character's part."""
    parts = raw[:start], raw[start : start + length], raw[start + length :]
    return Passage(*(part.decode("utf-8", "ignore") for part in parts))


def amount(data: Dataset) -> str:
    """How much text there is, in words."""
    characters = sum(map(len, data.columns[data.medium(Text).name]))
    return f"running text of {characters:,} characters" if data.running else f"{len(data):,} texts"
