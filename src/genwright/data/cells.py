"""cells: a column as the text that stands for it in a CSV, in messages and in reports."""

import numpy as np

from genwright.data.dataset import Field, Number, Time
from genwright.data.numerals import spell
from genwright.data.times import format_times


def cells(field: Field, column: np.ndarray) -> list[str | None]:
    """A column as text, exactly as `write` puts it into a CSV; None where missing."""
    match field:
        case Number():
            rounded = column if field.decimals is None else np.round(column, field.decimals) + 0.0  # no negative zero
            return [None if v != v else spell(_number_text(v, field), field.form) for v in rounded.tolist()]
        case Time():
            present = ~np.isnat(column)
            result = np.full(len(column), None, dtype=object)
            result[present] = format_times(column[present], field.format)
            return result.tolist()
    return column.tolist()


def _number_text(value: float, field: Number) -> str:
    """The shortest text of a value with at least `min_decimals` digits after its point."""
    text = repr(value) if field.decimals is None else f"{value:.{field.decimals}f}"
    if "e" in text:
        return text
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(field.min_decimals, "0")
    return f"{whole}.{fraction}" if fraction else whole
