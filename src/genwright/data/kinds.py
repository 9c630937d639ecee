"""Columns of text as fields of one kind each, and as values of a field that is known."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np

from genwright.data.checks import check_of
from genwright.data.dataset import Category, Constant, Field, Identifier, Number, Text, Time
from genwright.data.keys import as_numbered, codes_of, new_keys
from genwright.data.numerals import NUMBER, Reading, Unclear, is_numeral, plain_text, plain_texts, read_numerals
from genwright.data.spellings import are_truths, level_finder, truth
from genwright.data.table import MISSING, RawColumn
from genwright.data.times import OTHERWISE, far_times, fitting_formats, format_times, parse_as, parse_times, split_zone
from genwright.errors import ArgumentError, DataError

POWER = re.compile("[0-9]+[eE][0-9]+")
PADDED = re.compile(r"0[0-9]+\.[0-9]+")
FEW_CODES = 20  # with valid check digits, below which numbers may have them by chance
EXACT_DIGITS = 15  # decimal digits that a float64 always keeps
MAX_DIGITS = 17  # decimal digits that a float64 keeps at all
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
WHOLE = re.compile(r"-?[0-9]{1,18}")  # fits 64 bits
CODE = re.compile(r"[+-]?0[0-9]+")  # leading zeros: a code such as a postcode, not an amount
MARKS = {"comma": ",", "point": "."}  # the decimal marks that a schema can say
MOSTLY_TIMES = 0.5  # a column of words with more times than this share is meant to hold times


class Typed(NamedTuple):
    """A field, its column, and notes on how it came about."""

    field: Field
    column: np.ndarray
    notes: tuple[str, ...] = ()


def as_number(raw: RawColumn, *, mark: str = "", likely: str = "", found: Reading | Unclear | None = None) -> Typed:
    """Integers or decimals, also as people write them; raises DataError naming a value that is neither.

    `mark` is the decimal mark where it is known, `likely` the one of other columns, `found` what was read already.
    """
    infinite = np.array([is_infinite(t) for t in raw.texts], dtype=bool)
    texts = [t for t, inf in zip(raw.texts, infinite) if not inf]
    plain, form, notes, otherwise = _numerals(raw, texts, mark=mark, likely=likely, found=found)
    if otherwise:
        notes = (f'{notes[0]}; schema={{{raw.name!r}: "{otherwise}"}} says otherwise', *notes[1:])
    values = np.full(len(infinite), np.nan)
    values[~infinite] = list(map(float, plain))
    infinite |= np.isinf(values)
    values[infinite] = np.nan
    column = raw.spread(values, np.nan)
    lost = int(raw.counts[infinite].sum())
    notes += (f"{lost} infinite values are read as missing",) if lost else ()
    if np.isnan(column).all():
        return as_constant(raw.renamed([None] * len(raw.texts)))._replace(notes=notes)
    low, high = float(np.nanmin(column)), float(np.nanmax(column))
    decimals = max(map(_decimals, plain))
    digits = len(f"{max(abs(low), abs(high)):.0f}") + decimals
    exact = decimals if digits <= EXACT_DIGITS and "[" not in form else None  # multiples have significant digits
    longest = max((_significant(t) for t in plain if len(t) > MAX_DIGITS), default=0)
    if longest > MAX_DIGITS:
        notes += (f"has up to {longest} digits, of which numbers keep {MAX_DIGITS}",)
    return Typed(Number(raw.name, exact, low, high, _min_decimals(plain, exact), form), column, notes)


def _numerals(
    raw: RawColumn, texts: Sequence[str], *, mark: str, likely: str, found: Reading | Unclear | None
) -> Reading:
    """Texts that are not infinite as programs write them."""
    plain = all(map(NUMBER.fullmatch, texts))
    if plain and "," not in (mark, likely):
        return Reading(list(texts), "")
    found = found or read_numerals(texts, mark=mark, likely=likely)
    if isinstance(found, Unclear):
        what = f"row {raw.row_of(found.text)} holds {found.text!r}: is that {found.pointed} or {found.comma}?"
        ways = ((found.pointed, "number,point"), (found.comma, "number,comma"))
        hint = "; ".join(f'schema={{{raw.name!r}: "{way}"}} reads {number}' for number, way in ways)
        raise DataError(what, hint=hint)
    if isinstance(found, Reading) or plain:
        return found or Reading(list(texts), "")
    wrong = [t for t in texts if not NUMBER.fullmatch(t) and not is_numeral(t)]
    if wrong:
        raise DataError(f"not a number: {shown(wrong)}", hint="if it means missing, say missing=[...]")
    raise DataError(f"numbers of several units or decimal marks: {shown(texts)}", hint="write all alike")


def is_infinite(text: str) -> bool:
    return ("n" in text or "N" in text) and INFINITE.fullmatch(text) is not None


def _significant(text: str) -> int:
    """Digits from the first that is not zero on."""
    return len(re.split("[eE]", text)[0].replace(".", "").lstrip("+-0"))


def _min_decimals(texts: Sequence[str], decimals: int | None) -> int:
    """Digits that every value has after its point; beyond one, only if all values are padded to the same width."""
    plain = [len(t.partition(".")[2]) for t in texts if t.replace(".", "", 1).lstrip("+-").isdigit()]
    least = min(plain, default=0)
    padded = least == max(plain, default=0) and decimals is not None and least >= decimals
    return least if padded and least <= EXACT_DIGITS else min(least, 1)


def _decimals(text: str) -> int:
    """Digits after the decimal point that say something: 2 for 1.25, 0 for 3.0, 4 for 1.5e-3."""
    if "e" not in text and "E" not in text:
        return len(text.partition(".")[2].rstrip("0"))
    match = NUMBER.fullmatch(text)
    assert match is not None
    mantissa = re.split("[eE]", text)[0]
    if not mantissa.strip("+-0."):
        return 0
    fraction = (match[2] or match[3] or "").rstrip("0")
    spare = 0 if fraction else len(mantissa.split(".")[0]) - len(mantissa.split(".")[0].rstrip("0"))
    return max(0, len(fraction) - spare - int(match[5] or 0))


def are_codes(raw: RawColumn) -> bool:
    """Whether what looks like numbers are codes: zeros in front, of decimals such as 01.13 only if few differ; 12E3,
    which no program writes for 12000; check digits at the end of all.
    """
    if any(map(CODE.fullmatch, raw.texts)):
        return True
    powers = [t for t in raw.texts if POWER.fullmatch(t)]
    if powers:
        return any(t[1].isdigit() for t in powers) and not any(re.search(r"\.|[eE][+-]", t) for t in raw.texts)
    padded = any(map(PADDED.fullmatch, raw.texts)) and 2 * len(raw.texts) <= raw.present
    return padded or (len(raw.texts) >= FEW_CODES and len(set(map(len, raw.texts))) == 1 and check_of(raw.texts) != "")


def as_category(raw: RawColumn) -> Typed:
    """Levels in the order of their values, each kept as its text."""
    dtype: Literal["str", "int", "float", "bool"] = "str"
    levels = sorted(raw.texts)
    if are_truths(raw.texts):
        dtype = "bool"
    elif levels and not raw.words and all(map(NUMBER.fullmatch, levels)) and not are_codes(raw):
        plain = all(WHOLE.fullmatch(t) for t in levels)
        dtype, levels = ("int" if plain else "float"), sorted(levels, key=lambda t: (Decimal(t), t))
    marks = [level for level in levels if level in MISSING]
    notes = (f"{shown(marks)} is a level here, not a missing value; missing=[...] says otherwise",) if marks else ()
    return Typed(Category(raw.name, tuple(levels), dtype), raw.spread(np.array(raw.texts, dtype=object), None), notes)


def as_time(raw: RawColumn, form: str | None = None, *, day_first: bool | None = None) -> Typed:
    """Dates or moments in `form`, or the one that fits; raises DataError if none fits all of them.

    `day_first`: whether other columns have the day before the month.
    """
    parsed = parse_times(raw.texts, day_first=day_first) if form is None else _told_times(raw, form)
    if parsed is None:
        raise _no_times(raw, fitting_formats(raw.texts))
    form, values, note = parsed
    note = OTHERWISE.sub(lambda other: f'schema={{{raw.name!r}: "time,{other[1]}"}} says otherwise', note)
    low, high = format_times(np.array([values.min(), values.max()]), form)
    column = raw.spread(values, np.datetime64("NaT"))
    return Typed(Time(raw.name, form, low, high), column, (*filter(None, (note,)), *_far_times(raw, values)))


def _told_times(raw: RawColumn, form: str) -> tuple[str, np.ndarray, str]:
    """Values in the format that the user said."""
    values = parse_as(raw.texts, form)
    if values is None or not len(values):
        odd = next((t for t in raw.texts if parse_as([t], form) is None), None)
        what = "there are no values" if odd is None else f"row {raw.row_of(odd)} holds {odd[:40]!r}"
        raise DataError(f"{what}: not written as {form}", hint=f"schema says {form}; leave it out to have it found")
    alike = format_times(values, form) == list(raw.texts)
    return form, values, "" if alike else f"times are not written alike; they will be as {form}"


def _far_times(raw: RawColumn, values: np.ndarray) -> tuple[str, ...]:
    """A note that names times far away from nearly all others: typing errors, or marks for "no time"."""
    notes = []
    for text, count in [(raw.texts[i], int(raw.counts[i])) for i in np.flatnonzero(far_times(values))][:3]:
        where = f"row {raw.row_of(text)} holds" if count == 1 else f"{count:,} rows hold"
        notes.append(f'{where} {text!r}, far from other times; missing=["{text}"] if it means that there is none')
    return tuple(notes)


def refuse_odd_times(raw: RawColumn) -> None:
    """Raise where most values are times but some are none, or are written otherwise: read as words, all would lose
    their order.
    """
    if sum(map(bool, fitting_formats(raw.texts[:50]))) <= MOSTLY_TIMES * len(raw.texts[:50]):
        return
    formats = fitting_formats(raw.texts)
    ways = set(zip(formats, [split_zone(text)[1:] for text in raw.texts], strict=True))
    if len(ways) > 1 and raw.counts[[bool(form) for form in formats]].sum() > MOSTLY_TIMES * raw.present:
        raise _no_times(raw, formats)


def _no_times(raw: RawColumn, formats: list[str]) -> DataError:
    """Which value, in which row, is not written as most others are."""
    named = [form for form in formats if form]
    if not named:
        example = f"row {raw.row_of(raw.texts[0])} holds {raw.texts[0][:40]!r}" if raw.texts else "there are none"
        hint = 'write them like 2024-12-31 or 2024-12-31 23:59:59, or say how: "time,%d. %m. %Y"'
        return DataError(f"no date format fits the values: {example}", hint=hint)
    usual = max(dict.fromkeys(named), key=named.count)
    zones = [split_zone(text)[1:] for text in raw.texts]
    usual_zone = max(dict.fromkeys(zones), key=zones.count)
    odd = next((t for t, form in zip(raw.texts, formats) if form != usual), None)
    what = f"not a time written as the others ({usual})"
    if odd is None:
        odd = next((t for t, zone in zip(raw.texts, zones) if zone != usual_zone), raw.texts[0])
        what = "times with and without a zone, or of several zones"
        if len(set(zones)) == 1:
            what = "a time of an unknown zone"
    hint = f'correct it, say missing=["{odd[:40]}"] if there is none, or schema={{{raw.name!r}: "category"}}'
    return DataError(f"row {raw.row_of(odd)} holds {odd[:40]!r}: {what}", hint=hint)


def as_identifier(raw: RawColumn) -> Typed:
    """Keys: never modelled, made anew when rows are generated, by number or by the pattern of their codes."""
    column = raw.spread(np.array(raw.texts, dtype=object), None)
    codes = None
    if raw.texts and not check_of(raw.texts) and (numbered := as_numbered(raw.name, raw.texts)):
        return Typed(numbered, column)
    if raw.texts and (codes := codes_of(raw.texts)):
        field = Identifier(raw.name, codes=codes.patterns, counts=codes.counts, check=codes.check)
        made = f"codes such as {new_keys(field, 1)[0]!r}" + (" with valid check digits" if codes.check else "")
    else:
        field, made = Identifier(raw.name, re.sub(r"[{}]", "", raw.name) + "-{}", 0, 1), "ones"
    note = (
        f"different in {len(raw.texts)} of {len(raw.codes)} rows, so taken for an identifier: not modelled, and new "
        f'{made} are made up; schema={{{raw.name!r}: "category"}} or "text" models it'
    )
    return Typed(field, column, (note,))


def as_text(raw: RawColumn) -> Typed:
    """Free text; missing values become empty."""
    lost = len(raw.codes) - raw.present
    notes = (f"{lost} missing texts are read as empty",) if lost else ()
    return Typed(Text(raw.name), raw.spread(np.array(raw.texts, dtype=object), ""), notes)


def as_constant(raw: RawColumn) -> Typed:
    """A column with one value, or none."""
    column = raw.spread(np.array(raw.texts, dtype=object), None)
    return Typed(Constant(raw.name, raw.texts[0] if raw.texts else None), column)


KINDS: Mapping[str, Callable[[RawColumn], Typed]] = {
    "number": as_number,
    "category": as_category,
    "time": as_time,
    "identifier": as_identifier,
    "text": as_text,
}


def as_told(raw: RawColumn, told: str) -> Typed:
    """The kind that the user said, after a comma how it is written: `time,%d/%m/%Y`."""
    kind, _, form = told.partition(",")
    raw = without_marks(raw) if kind in ("number", "time") else raw
    if not form:
        return KINDS[kind](raw)
    if kind == "time" and "%" in form:
        return as_time(raw, form)
    if kind == "number" and form in MARKS:
        return as_number(raw, mark=MARKS[form])
    hint = 'as in "time,%d/%m/%Y", or "number,comma" and "number,point" for the decimal mark'
    raise ArgumentError(f"{told!r} is no kind", where=f"schema[{raw.name!r}]", hint=hint)


def without_marks(raw: RawColumn) -> RawColumn:
    """Without the texts that mean "no value" among numbers and times, whatever source they come from."""
    return raw.renamed([None if t in MISSING else t for t in raw.texts]) if MISSING & set(raw.texts) else raw


def conform(raw: RawColumn, field: Field) -> Typed:
    """The column as values of a known `field`, which comes back as it is but for levels it had not met."""
    raw = without_marks(raw) if isinstance(field, Number | Time) else raw
    match field:
        case Number():
            return Typed(field, _conform_number(_truths_as_numbers(raw) if field.binary else raw, field))
        case Category():
            return _conform_category(raw, field)
        case Time():
            values = parse_as(raw.texts, field.format)
            column = as_time(raw).column if values is None else raw.spread(values, np.datetime64("NaT"))
            return Typed(field, column)
        case Text():
            return Typed(field, as_text(raw).column)
        case Constant(value=str(value)) if are_truths([value]):
            raw = raw.renamed(list(map(level_finder([value], "bool"), raw.texts)))
    return Typed(field, raw.spread(np.array(raw.texts, dtype=object), None))


def _conform_number(raw: RawColumn, field: Number) -> np.ndarray:
    """Values in the form of the field, or as programs write them; infinite ones are missing."""
    texts = ["nan" if is_infinite(t) else t for t in raw.texts]
    plain = plain_texts([t for t in texts if t != "nan"], field.form, whole=not field.decimals)
    if None in plain:
        wrong = [t for t in texts if t != "nan" and plain_text(t, field.form) is None]
        raise DataError(f"not a number: {shown(wrong)}", hint="if it means missing, say missing=[...]")
    numbers = iter(plain)
    values = np.array([np.nan if t == "nan" else float(next(numbers) or t) for t in texts], dtype=np.float64)
    return raw.spread(np.where(np.isinf(values), np.nan, values), np.nan)


def _conform_category(raw: RawColumn, field: Category) -> Typed:
    """Texts matched to levels by value where levels are numbers (1.0 is 1) or truth values (True is yes is 1)."""
    texts = list(map(level_finder(field.levels, field.dtype), raw.texts))
    column = raw.spread(np.array(texts, dtype=object), None)
    new = tuple(sorted(set(texts) - set(field.levels)))
    notes = (f"{len(new)} levels were not known: {shown(new)}",) if new else ()
    dtype = _common(field, new) if new else field.dtype
    return Typed(replace(field, levels=field.levels + new, dtype=dtype), column, notes)


def _common(field: Category, new: Sequence[str]) -> Literal["str", "int", "float", "bool"]:
    """The type that holds the known levels and the new ones."""
    if field.dtype in ("int", "float") and all(NUMBER.fullmatch(t) for t in new):
        return field.dtype if all(WHOLE.fullmatch(t) for t in new) else "float"
    return "str"


def _truths_as_numbers(raw: RawColumn) -> RawColumn:
    """With 1 and 0 in place of true and false, yes and no."""
    return raw.renamed([t if (said := truth(t)) is None else str(int(said)) for t in raw.texts])


def shown(texts: Sequence[str]) -> str:
    """A few texts for a message."""
    few = ", ".join(repr(t[:40]) for t in list(texts)[:3])
    return few + (", ..." if len(texts) > 3 else "")
