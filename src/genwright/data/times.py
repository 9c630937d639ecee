"""Dates and times as text: finding the one format that a column is written in, and writing in it again.

A format is strftime's, with an optional zone at its end: an offset (`+01:00`, `Z`, ` UTC`), a named zone after a blank
(` Europe/Berlin`), or `%:z[Europe/Berlin]` where each moment has its offset before the name. Values of a format with a
zone are moments in UTC.
"""

import datetime
import re
import zoneinfo
from collections.abc import Sequence

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

OFFSET = r"Z| ?UTC| ?GMT| ?[+-]\d\d:?\d\d"
NAME = r"[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+\-]+)+"
ZONE = re.compile(rf"(?P<offset>{OFFSET})?(?P<name>\[{NAME}\]| {NAME})$|(?P<alone>{OFFSET})$")
SHAPE = re.compile(r"(?=.*\d)[0-9A-Za-z:/.,+\- _\[\]]{4,64}")
PADDED = re.compile(r"%([dmHI])")
EACH_OFFSET = "%:z"  # each moment's own offset, as +01:00


def parse_times(texts: Sequence[str]) -> tuple[str, np.ndarray, str] | None:
    """The format of all `texts`, their values as datetime64[ns], and a note (or ""); None if they are not times.

    Values with a zone are in UTC, and a zone that all share stays a part of the format; a mixture becomes UTC, noted.
    """
    if not texts or not all(SHAPE.fullmatch(t) for t in texts):
        return None
    zones = [split_zone(t) for t in texts]
    ends = {(offset, name) for _, offset, name in zones}
    names = {name for _, name in ends}
    if len(names) > 1 or ({""} < {offset for offset, _ in ends}):
        return None
    bare = [rest for rest, _, _ in zones]
    if len(ends) == 1 and not ends & {("", "")}:
        return _in_one_zone(texts, bare, "".join(ends.pop()))
    found = _parse(bare)
    if found is None or ends == {("", "")}:
        return found
    form, values, note = found
    values = values - _offsets([offset for _, offset, _ in zones])
    name = names.pop()
    if name:
        return form + EACH_OFFSET + name, values, note
    if "%d" not in form.replace("%-", "%"):
        return None
    return form + "Z", values, "; ".join(filter(None, (note, "times in several zones were turned into UTC")))


def _in_one_zone(texts: Sequence[str], bare: Sequence[str], end: str) -> tuple[str, np.ndarray, str] | None:
    found = _parse(bare)
    if found is None:
        return None
    form = found[0] + end
    if end.startswith((" ", "[")) and zone_of(form) is None:
        return None  # a word that is no zone
    if not has_day(found[0]):
        return form, found[1], found[2]  # times of day have no date on which a zone could be looked up
    if "[" in end and end[0] != "[":
        offsets = _offsets([split_zone(t)[1] for t in texts])
        return found[0] + EACH_OFFSET + end[end.index("[") :], found[1] - offsets, found[2]
    return form, _to_utc(found[1], form), found[2]


def split_zone(text: str) -> tuple[str, str, str]:
    """The time without its zone, its offset and its zone's name with the mark before it ("" where there is none).

    >>> split_zone("2024-05-01T12:00+02:00[Europe/Berlin]")
    ('2024-05-01T12:00', '+02:00', '[Europe/Berlin]')
    """
    match = ZONE.search(text)
    if match is None or not re.search(r"\d:\d\d", text[: match.start()]):
        return text, "", ""
    return text[: match.start()], match["alone"] or match["offset"] or "", match["name"] or ""


def zone_of(form: str) -> datetime.tzinfo | None:
    """The zone that times in this format are in; None for times without one.

    >>> print(zone_of("%Y-%m-%d %H:%M+01:00"), zone_of("%Y-%m-%d %H:%M Europe/Berlin"), zone_of("%Y-%m-%d"))
    UTC+01:00 Europe/Berlin None
    """
    match = ZONE.search(form)
    if match is None or "%" in match[0].replace("%%", ""):
        return None
    if match["name"]:
        try:
            return zoneinfo.ZoneInfo(match["name"].strip(" []"))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            return None
    return datetime.timezone(datetime.timedelta(minutes=_minutes(match["alone"])))


def without_zone(form: str) -> str:
    """The format of the wall clock alone."""
    match = ZONE.search(form) if zone_of(form) is not None else None
    return form if match is None else form[: match.start()].removesuffix(EACH_OFFSET)


def _minutes(offset: str) -> int:
    """`+01:30`, `+0130` or `Z` as minutes east of UTC."""
    digits = re.fullmatch(r" ?([+-])(\d\d):?(\d\d)", offset)
    return 0 if digits is None else int(digits[1] + "1") * (60 * int(digits[2]) + int(digits[3]))


def _offsets(offsets: Sequence[str]) -> np.ndarray:
    return np.array([_minutes(offset) for offset in offsets]).astype("timedelta64[m]")


def _to_utc(values: np.ndarray, form: str) -> np.ndarray:
    """Readings of a wall clock as moments in UTC; an hour that comes twice is the first, one left out is moved on."""
    zone = zone_of(form)
    if zone is None or not has_day(form):
        return values
    local = pd.DatetimeIndex(values)
    first = np.ones(len(values), dtype=bool)
    return local.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").tz_convert(None).to_numpy()


def has_clock(form: str) -> bool:
    """Whether a format says the hour."""
    return re.search("%-?[HI]", form) is not None


def has_day(form: str) -> bool:
    """Whether a format says the day."""
    return re.search("%-?d", form) is not None


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


def fitting_formats(texts: Sequence[str]) -> list[str]:
    """The format of each text by itself, "" for those that are no times: shows where a column mixes formats."""
    forms: list[str] = []
    for text in texts:
        bare = split_zone(text)[0]
        known = next((form for form in dict.fromkeys(forms) if form and _fits(bare, form)), None)
        forms.append(known or next((form for form in FORMATS if SHAPE.fullmatch(bare) and _fits(bare, form)), ""))
    return forms


def _fits(text: str, form: str) -> bool:
    """Whether one text is in a format: a hundred times faster than asking pandas, and nearly always "no"."""
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def parse_as(texts: Sequence[str], form: str) -> np.ndarray | None:
    """Values of `texts` written in `form` (as `parse_times` gave it), or None if some are not."""
    if zone_of(form) is None:
        return _values(texts, form.replace("%-", "%"))
    zones = [split_zone(t) for t in texts]
    values = _values([rest for rest, _, _ in zones], without_zone(form).replace("%-", "%"))
    if values is None or any((offset == name == "") for _, offset, name in zones):
        return None
    if all(offset for _, offset, _ in zones) and has_day(form):
        return values - _offsets([offset for _, offset, _ in zones])
    return _to_utc(values, form)


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
    zone = zone_of(form)
    if zone is not None and has_day(form):
        times = times.tz_localize("UTC").tz_convert(zone)
    parts = re.split(r"%(-[dmHI]|:z)", form)
    columns = [times.strftime(p).tolist() if i % 2 == 0 else _part(times, p) for i, p in enumerate(parts) if p]
    return ["".join(pieces) for pieces in zip(*columns)]


def _part(times: pd.DatetimeIndex, part: str) -> list[str]:
    """A directive that strftime lacks on some systems."""
    if part == ":z":
        return [f"{text[:3]}:{text[3:]}" for text in times.strftime("%z")]
    return [text.lstrip("0") or "0" for text in times.strftime(f"%{part[1:]}")]
