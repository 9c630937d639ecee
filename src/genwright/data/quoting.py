"""Quotation marks of a CSV: in a file that quotes nothing without need, "NA" is a word and NA a missing value."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from genwright.data.table import DELIMITERS, MISSING

MARK = "\0"  # put before quoted cells while they are read; files with it are refused as binary
NEED = re.compile(r'["\r\n]|[' + re.escape("".join(DELIMITERS)) + r"]|^\s|\s$|^\ufeff")


def needs_quotes(text: str) -> bool:
    """Whether a cell would be read as something else without quotation marks."""
    return text in MISSING or NEED.search(text) is not None


def quoted(text: str) -> str:
    """A cell in quotation marks."""
    return '"' + text.replace('"', '""') + '"'


class Marked:
    """Lines in which each quoted cell begins with `MARK`, as long as `on`."""

    def __init__(self, lines: Iterable[str], *, delimiter: str) -> None:
        self.on = True
        self._lines, self._delimiter, self._inside = lines, delimiter, False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            yield self._marked(line) if self.on and '"' in line else line

    def _marked(self, line: str) -> str:
        pieces = line.split('"')
        parts, i = [pieces[0]], 1
        while i < len(pieces):  # a quotation mark stands before each piece
            outside = not self._inside
            if self._inside and not pieces[i] and i + 1 < len(pieces):  # a doubled one stands for itself
                parts += ['""', pieces[i + 1]]
                i += 2
                continue
            begins = outside and (parts[-1].endswith(self._delimiter) or (i == 1 and not parts[0]))
            self._inside = begins
            parts += ['"' + MARK if begins else '"', pieces[i]]
            i += 1
        return "".join(parts)


def tells_words(rows: Iterable[Sequence[str]]) -> bool:
    """Whether no cell is quoted without need, so that quotation marks say what is a word."""
    return all(needs_quotes(cell[1:]) for row in rows for cell in row if cell.startswith(MARK))


def unmarked(cells: Sequence[str]) -> list[str]:
    """Cells without their `MARK`."""
    return [cell.removeprefix(MARK) for cell in cells]


def looks_like_data(name: str) -> bool:
    """Whether a column's name is a decimal number, as in a file without a header line."""
    try:
        return math.isfinite(float(name)) and not name.strip().isdigit()
    except ValueError:
        return False
