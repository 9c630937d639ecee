"""Pages from the templates beside this file: one file each, with no external parts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from genwright.data.cells import cells
from genwright.data.dataset import Dataset
from genwright.report.reading import shown

_PAGE = Path(__file__).parent / "page"
_MISSING = "—"


def render(template: str, **values: Any) -> str:
    """The template filled in; text from the data is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"shown": shown, "clock": clock, "p_value": p_value}
    style = Markup((_PAGE / "style.css").read_text(encoding="utf-8"))  # our own file, not the user's
    return environment.get_template(template).render(style=style, **values)


def clock(seconds: float | int) -> str:
    """A duration in words.

    >>> clock(0.4), clock(42.3), clock(200.0)
    ('0.4 s', '42 s', '3 min 20 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def p_value(p: float) -> str:
    """A p-value as it is reported.

    >>> p_value(0.2345), p_value(0.0123), p_value(1e-9)
    ('0.23', '0.012', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def table_cells(data: Dataset, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The table as text, row by row, as it would be written to a file; a dash for missing values."""
    columns = [cells(data.field(name), data.columns[name]) for name in names]
    return list(zip(*([_MISSING if text is None else text for text in column] for column in columns), strict=True))
