"""Dates and times as text: finding the one format that a column is written in, and writing in it again.

A format is strftime's, with `%q` for the quarter, `%3f` for milliseconds, `%-d` and its like for numbers without
padding, `%24H` for hours of which midnight is 24:00 of the day that ends, and an optional zone at its end: an offset
(`+01:00`, `Z`, ` UTC`), a named zone after a blank (` Europe/Berlin`), or `%:z[Europe/Berlin]` where each moment has
its offset before the name. Values of a format with a zone are moments in UTC; those of a month, a quarter or a week
are its first day. Years go from 1 to 9999.
"""

import datetime
import functools
import itertools
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
    "%d/%b/%Y", "%a, %d %b %Y", "%A, %d %B %Y", "%A, %B %d, %Y", "%Y%m%d",
)  # fmt: skip
PERIODS = (
    "%b %Y", "%B %Y", "%Y-%m", "%Y/%m", "%b-%Y", "%b-%y", "%m/%Y", "%Y-Q%q", "%YQ%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y",
    "Q%q/%Y", "%G-W%V", "%GW%V",
)  # fmt: skip
CLOCKS = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S,%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p", "%I %p",
)  # fmt: skip
GAPS = (" ", "T", ":", ", ")
MOMENTS = tuple(f"{day}{gap}{clock}" for day in DATES for gap in GAPS for clock in CLOCKS)
BASIC = ("%Y%m%d", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M", "%Y%m%dT%H%M%S.%f", "%Y%m%d%H%M%S", "%Y%m%d%H%M")  # ISO 8601's
FORMATS = (*DATES, *BASIC[1:], *PERIODS, *MOMENTS, *CLOCKS)
SWAPPED = {"%m/%d/%Y": "%d/%m/%Y", "%d-%m-%Y": "%m-%d-%Y", "%m/%d/%y": "%d/%m/%y"}  # readings that one can confuse
DAY_MONTH = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4}|\d\d)(?!\d)")
LATE = re.compile(r"(?<![\d:.,])24(?=:00(:00([.,]0+)?)?(?![\d:])|(?<=T24)00(00)?$)")  # the hour after the last

OFFSET = r"Z| ?UTC| ?GMT| ?[+-]\d\d:?\d\d"
NAME = r"[A-Z][A-Za-z_]+(?:/[A-Za-z0-9_+\-]+)+"
ZONE = re.compile(rf"(?P<offset>{OFFSET})?(?P<name>\[{NAME}\]| {NAME})$|(?P<alone>{OFFSET})$")
SHAPE = re.compile(r"(?=.*\d)[0-9A-Za-z:/.,+\- _\[\]]{4,64}")
PADDED_DAY, PADDED_HOUR = re.compile("%([dm])"), re.compile("%([HI])")
OWN = re.compile("%(-[dmHI]|:z|3f|24H|Y|q)")  # directives that strftime has on no system or not on all
PERIOD = {"%Y": r"(?P<year>\d{4})", "%q": "(?P<quarter>[1-4])", "%G": r"(?P<year>\d{4})", "%V": r"(?P<week>\d\d)"}
FAR_DAYS, FAR_RANGES = 50 * 365.25, 5.0  # a time is far beyond others by so many days and lengths of their range
MAX_FORMAT = 200  # characters
OTHERWISE = re.compile("otherwise: ([^;]+)")  # in a note, the format that fits as well
EACH_OFFSET = "%:z"  # each moment's own offset, as +01:00


def parse_times(texts: Sequence[str], *, day_first: bool | None = None) -> tuple[str, np.ndarray, str] | None:
    """The format of all `texts`, their values as datetime64[ns], and a note (or ""); None if they are not times.

    Values with a zone are in UTC, and a zone that all share stays a part of the format; a mixture becomes UTC, noted.
    `day_first`: whether other columns have the day before the month, which decides where either is possible.
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
        return _in_one_zone(texts, bare, "".join(ends.pop()), day_first)
    found = _parse(bare, day_first)
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


def _in_one_zone(
    texts: Sequence[str], bare: Sequence[str], end: str, day_first: bool | None
) -> tuple[str, np.ndarray, str] | None:
    found = _parse(bare, day_first)
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
    if match is None or not re.search(r"\d:\d\d|\dT\d{4}", text[: match.start()]):
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


def far_times(moments: np.ndarray) -> np.ndarray:
    """Which of some different moments are far away from nearly all others: typing errors, or marks for "no time".

    >>> far_times(np.array([*range(18000, 18100), 2932896]).astype("datetime64[D]")).nonzero()[0].tolist()
    [100]
    """
    days = moments.astype("datetime64[D]").astype(np.float64)
    low, high = np.quantile(days, [0.05, 0.95], method="nearest")
    return np.maximum(low - days, days - high) > max(FAR_DAYS, FAR_RANGES * (high - low))


def has_clock(form: str) -> bool:
    """Whether a format says the hour."""
    return re.search("%(-|24)?[HI]", form) is not None


def has_day(form: str) -> bool:
    """Whether a format says the day."""
    return re.search("%-?d", form) is not None


def is_day_first(texts: Sequence[str]) -> bool | None:
    """Whether the day of all dates stands before the month, as 31/12/2024 shows; None where nothing does."""
    found = [DAY_MONTH.match(text) for text in texts] if texts and DAY_MONTH.match(texts[0]) else [None]
    days, months = (any(m is not None and int(m[i]) > 12 for m in found) for i in (1, 3))
    return None if None in found or days == months else days


def _parse(texts: Sequence[str], day_first: bool | None) -> tuple[str, np.ndarray, str] | None:
    """`parse_times` without zones: the first format that every text fits."""
    sample = texts[:: max(1, len(texts) // 50)]
    for form in _formats_like(texts[0]):
        if not _fits(texts[0], form) or _values(sample, form) is None or (values := _values(texts, form)) is None:
            continue
        notes = []
        other = next((form.replace(a, b) for a, b in SWAPPED.items() if a in form), None)
        swapped = None if other is None else _values(texts, other)
        if other is not None and swapped is not None:
            if day_first not in (None, form.index("%d") < form.index("%m")):
                form, other, values = other, form, swapped
            as_others = "" if day_first is None else " as other dates are"
            notes += [
                f"{texts[0]!r} looks like day and month in either order; read as {form}{as_others}; otherwise: {other}"
            ]
        if "%y" in form:
            notes += ["years of two digits are read as 1969 to 2068"]
        exact = _exact(texts, values, form)
        notes += [] if exact else [f"times are not written alike; they will be as {form}"]
        return exact or form, values, "; ".join(notes)
    return None


def _exact(texts: Sequence[str], values: np.ndarray, form: str) -> str | None:
    """The format that writes `values` exactly as `texts`, with or without padding and microseconds; None if none."""
    few = slice(None, None, max(1, len(texts) // 50))
    days = dict.fromkeys((form, PADDED_DAY.sub(r"%-\1", form)))
    days |= {day.replace("%H", "%24H"): None for day in days} if any(map(LATE.search, texts)) else {}
    padded = dict.fromkeys(each for day in days for each in (day, PADDED_HOUR.sub(r"%-\1", day)))
    for exact in dict.fromkeys(each for way in padded for each in (way, way.replace("%f", "%3f"))):
        if all(format_times(values[part], exact) == list(texts[part]) for part in (few, slice(None))):
            return exact
    return None


def fitting_formats(texts: Sequence[str]) -> list[str]:
    """The format of each text by itself, "" for those that are no times: shows where a column mixes formats."""
    forms: list[str] = []
    for text in texts:
        bare = split_zone(text)[0]
        known = next((form for form in dict.fromkeys(forms) if form and _fits(bare, form)), None)
        forms.append(known or next((form for form in _formats_like(bare) if _fits(bare, form)), ""))
    return forms


def _formats_like(text: str) -> Sequence[str]:
    """The formats whose marks between numbers and words are those of `text`: few, as each costs some microseconds."""
    return _formats_by_marks().get(_marks(text), ()) if SHAPE.fullmatch(text) else ()


@functools.cache
def _formats_by_marks() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form in FORMATS:
        found.setdefault(_marks(re.sub("%[aAbBp]", "a", re.sub("%[^aAbBp]", "0", form))), []).append(form)
    return found


def _marks(text: str) -> str:
    """`text` with 0 for each number, a for each word and one blank for several."""
    return re.sub(r"\s+", " ", re.sub("[A-Za-z]+", "a", re.sub("[0-9]+", "0", text)))


def _fits(text: str, form: str) -> bool:
    """Whether one text is in a format: a hundred times faster than asking pandas, and nearly always "no"."""
    return not np.isnat(_value(text, form))


def _value(text: str, form: str) -> np.datetime64:
    """One text in a format; NaT if it is not."""
    try:
        late = LATE.search(text) if "%H" in form else None
        if late is not None:
            return _value(LATE.sub("00", text), form) + np.timedelta64(1, "D")
        if form in BASIC and not _basic(form).fullmatch(text):
            return np.datetime64("NaT")
        if "%q" not in form and "%V" not in form:
            return np.datetime64(datetime.datetime.strptime(text, form), "us")
        said = re.fullmatch(re.sub("%[YqGV]", lambda part: PERIOD[part[0]], form), text)
        if said is None:
            return np.datetime64("NaT")
        if "%V" in form:
            return np.datetime64(datetime.date.fromisocalendar(int(said["year"]), int(said["week"]), 1), "us")
        return np.datetime64(datetime.date(int(said["year"]), 3 * int(said["quarter"]) - 2, 1), "us")
    except (ValueError, OverflowError):
        return np.datetime64("NaT")


@functools.cache
def _basic(form: str) -> re.Pattern[str]:
    """Digits of a basic format, whose numbers nothing but their width tells apart."""
    return re.compile(re.sub("%[mdHMS]", r"\\d\\d", form.replace("%Y", r"\d{4}").replace(".%f", r"\.\d{1,6}")))


def parse_as(texts: Sequence[str], form: str) -> np.ndarray | None:
    """Values of `texts` written in `form` (as `parse_times` gave it), or None if some are not."""
    if zone_of(form) is None:
        return _values(texts, _read_as(form))
    zones = [split_zone(t) for t in texts]
    values = _values([rest for rest, _, _ in zones], _read_as(without_zone(form)))
    if values is None or any((offset == name == "") for _, offset, name in zones):
        return None
    if all(offset for _, offset, _ in zones) and has_day(form):
        return values - _offsets([offset for _, offset, _ in zones])
    return _to_utc(values, form)


def _read_as(form: str) -> str:
    """The format without what only writing heeds: reading takes numbers with and without padding."""
    return form.replace("%-", "%").replace("%3f", "%f").replace("%24H", "%H")


def _values(texts: Sequence[str], form: str) -> np.ndarray | None:
    """All texts in one format; None if some are not."""
    if form.startswith("%Y%m%d") and not all(len(t) >= 8 and t[:8].isdigit() for t in texts):
        return None
    if form in BASIC and not all(map(_basic(form).fullmatch, texts)):
        return None
    values = np.full(len(texts), "NaT", dtype="datetime64[us]")
    if "%q" not in form and "%V" not in form:
        parsed = pd.to_datetime(pd.Series(texts, dtype=object), format=form, errors="coerce", exact=True)
        values = parsed.to_numpy().astype("datetime64[us]")
    for lost in np.flatnonzero(np.isnat(values)).tolist():  # pandas 2 knows no years beyond 2261
        values[lost] = _value(texts[lost], form)
        if np.isnat(values[lost]):
            return None
    return values


def is_format(form: str) -> bool:
    """Whether `format_times` knows a format; others could be of any length."""
    return len(form) <= MAX_FORMAT and not re.search("%(?!-?[A-Za-z%]|:z|3f|24H)", form) and form.isprintable()


def format_times(values: np.ndarray, form: str) -> list[str]:
    """Moments (none missing) as text, on every system alike."""
    times = pd.DatetimeIndex(values)
    zone = zone_of(form)
    if zone is not None and has_day(form):
        times = times.tz_localize("UTC").tz_convert(zone)
    if "%24H" in form:  # midnight belongs to the day that ends
        times = times.where(times != times.normalize(), times - pd.DateOffset(days=1))
    parts = OWN.split(form)
    columns = [times.strftime(p).tolist() if i % 2 == 0 else _part(times, p) for i, p in enumerate(parts) if p]
    return ["".join(pieces) for pieces in zip(*columns)]


def _part(times: pd.DatetimeIndex, part: str) -> list[str]:
    """A directive of OWN."""
    match part:
        case ":z":
            return [f"{text[:3]}:{text[3:]}" for text in times.strftime("%z")]
        case "3f":
            return [f"{number // 1000:03d}" for number in times.microsecond]
        case "24H":
            return [str(text) for text in np.where(times == times.normalize(), "24", times.strftime("%H"))]
        case "Y":
            return [f"{number:04d}" for number in times.year]
        case "q":
            return list(map(str, times.quarter))
    return [text.lstrip("0") or "0" for text in times.strftime(f"%{part[1:]}")]


def time_unit(format: str) -> str:
    """NumPy's name of the finest unit that the strftime `format` writes.

    >>> time_unit("%Y-%m-%d"), time_unit("%-d.%-m.%Y %H:%M"), time_unit("%b %Y")
    ('D', 'm', 'M')
    """
    directives = {letter for mark, letter in itertools.pairwise(format.replace("%-", "%")) if mark == "%"}
    finest_first = (
        ("us", "f"),
        ("ms", "3"),
        ("s", "SXcTs"),
        ("m", "MR"),
        ("h", "HI"),
        ("D", "djxDFuwaAUWV"),
        ("M", "mbBhq"),
    )
    for unit, letters in finest_first:
        if directives & set(letters):
            return unit
    return "Y" if directives & set("yYG") else "us"
