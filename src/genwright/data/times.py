"""Dates and times as text: finding the one format that a column is written in, and writing in it again."""

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

# Order decides between readings that fit equally well: ISO first, then day-first with dots and dashes; with slashes
# month-first comes first, as in the files that spreadsheets write, and the reader is told that it was a guess.
DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y",
    "%b %Y", "%B %Y", "%Y-%m", "%Y%m%d",
)  # fmt: skip
CLOCKS = ("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
FORMATS = (*DATES, *(f"{d}{gap}{c}" for d in DATES[:15] for gap in (" ", "T") for c in CLOCKS), *CLOCKS)
SWAPPED = {"%m/%d/%Y": "%d/%m/%Y", "%m-%d-%Y": "%d-%m-%Y", "%m/%d/%y": "%d/%m/%y"}  # readings that one can confuse

ZONE = re.compile(r"(Z| ?UTC|[+-]\d\d:?\d\d)$")
SHAPE = re.compile(r"(?=.*\d)[0-9A-Za-z:/.,+\- ]{4,40}")
PADDED = re.compile(r"%([dmHI])")


def parse_times(texts: Sequence[str]) -> tuple[str, np.ndarray, str] | None:
    """The format of all `texts`, their values as datetime64[ns], and a note (or ""); None if they are not times.

    A zone that all share stays a part of the format; a mixture is turned into UTC and noted.
    """
    if not texts or not all(SHAPE.fullmatch(t) for t in texts):
        return None
    zones = {m.group(1) if (m := ZONE.search(t)) and ":" in t else "" for t in texts}
    if len(zones) == 1:
        zone = zones.pop()
        found = _parse([t.removesuffix(zone) for t in texts])
        return None if found is None else (found[0] + zone.replace("%", "%%"), *found[1:])
    utc = pd.to_datetime(pd.Series(texts), utc=True, errors="coerce", format="ISO8601")
    if "" in zones or utc.isna().any():
        return None
    form = "%Y-%m-%dT%H:%M:%SZ" if (utc.dt.floor("s") == utc).all() else "%Y-%m-%dT%H:%M:%S.%fZ"
    return form, _nanoseconds(utc.dt.tz_localize(None)), "times in several zones were turned into UTC"


def _parse(texts: Sequence[str]) -> tuple[str, np.ndarray, str] | None:
    """`parse_times` without zones: the first format that every text fits."""
    sample = texts[:: max(1, len(texts) // 50)]
    for form in FORMATS:
        if not _fits(texts[0], form) or _values(sample, form) is None or (values := _values(texts, form)) is None:
            continue
        other = next((form.replace(a, b) for a, b in SWAPPED.items() if a in form), None)
        guess = other is not None and _values(texts, other) is not None
        note = f"day and month cannot be told apart; read as {form}" if guess else ""
        for exact in (form, PADDED.sub(r"%-\1", form)):
            if format_times(values, exact) == list(texts):
                return exact, values, note
        return form, values, "; ".join(filter(None, (note, f"times are not written alike; they will be as {form}")))
    return None


def _fits(text: str, form: str) -> bool:
    """Whether one text is in a format: a hundred times faster than asking pandas, and nearly always "no"."""
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def parse_as(texts: Sequence[str], form: str) -> np.ndarray | None:
    """Values of `texts` written in `form` (as `parse_times` gave it), or None if some are not."""
    return _values(texts, form.replace("%-", "%"))


def _values(texts: Sequence[str], form: str) -> np.ndarray | None:
    if form.startswith("%Y%m%d") and not all(len(t) >= 8 and t[:8].isdigit() for t in texts):
        return None
    parsed = pd.to_datetime(pd.Series(texts, dtype=object), format=form, errors="coerce", exact=True)
    return None if parsed.isna().any() or not _in_range(parsed) else _nanoseconds(parsed)


def _in_range(parsed: pd.Series) -> bool:
    """Whether every moment fits into 64-bit nanoseconds (the years 1678 to 2261)."""
    return bool(parsed.dt.year.between(1678, 2261).all())


def _nanoseconds(parsed: pd.Series) -> np.ndarray:
    return parsed.to_numpy().astype("datetime64[ns]")


def format_times(values: np.ndarray, form: str) -> list[str]:
    """Moments (none missing) as text; `%-d` and its like, numbers without padding, work on every system."""
    times = pd.DatetimeIndex(values)
    parts = re.split(r"%-([dmHI])", form)
    columns = [
        times.strftime(part).tolist() if i % 2 == 0 else [t.lstrip("0") or "0" for t in times.strftime(f"%{part}")]
        for i, part in enumerate(parts)
        if part
    ]
    return ["".join(pieces) for pieces in zip(*columns)]
