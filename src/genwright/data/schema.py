"""From columns of text to typed fields: what each column is, found from its values or told by the user."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from genwright.data.cells import cells
from genwright.data.dataset import Category, Field, Identifier, Number, Storage, Text, Time
from genwright.data.encodings import without_halves
from genwright.data.keys import codes_of
from genwright.data.kinds import (
    CODE,
    EXACT_DIGITS,
    KINDS,
    Typed,
    are_codes,
    as_category,
    as_constant,
    as_identifier,
    as_number,
    as_text,
    as_time,
    as_told,
    conform,
    is_infinite,
    refuse_odd_times,
    shown,
)
from genwright.data.numerals import NUMBER, decimal_mark, is_nothing, is_numeral, read_numerals
from genwright.data.spellings import are_truths
from genwright.data.table import MISSING, RawColumn, RawTable
from genwright.data.times import is_day_first, parse_times
from genwright.errors import ArgumentError, DataError

KEY_NAME = re.compile(r"(?i:(^|[_\W])(id|key|uuid|guid|index|idx|rowid|row|nr|no)($|[_\W]))|[a-z]I[Dd]$")
DATE_NAME = re.compile(r"(?i:date|datum|fecha|time|stamp|(^|[_\W])(day|dt|ts|dob|ymd|tag|jour|data|at|on)($|[_\W]))")
MANY_DATES = 10  # different ones, from which whole numbers that are all dates are no accident
FULL_NAME = re.compile(r"[^\W\d_][\w'’.\-]+(,? [^\W\d_][\w'’.\-]*){1,3}")
MOSTLY_NAMES = 0.8  # a column of which at least this share of values looks like names is taken to hold such
NO_DATE = re.compile(r"0+([-/.]0+){2}([ T]0+(:0+)+(\.0+)?)?")
LIKELY_YEARS = (1, *range(1000, 3000), 9999)  # codes that look like dates are of any year
MARK_TEXTS = 20  # of a column that are looked at for its decimal mark
FEW_ROWS = 20  # below this, being different in every row says little
UNIQUE_SHARE = 0.9  # strings different in at least this share of rows describe rows one by one
FREE_SHARE = 0.5  # strings of several words are free text when at least this share of them differs from all others
FREE_WORDS = 3  # words that most free texts have at least
FULL_RUN = 100  # so many consecutive whole numbers in any order are row numbers, wherever they start
MAX_LABEL_LEVELS = 50  # a whole-number label with at most so many values is a class, not an amount


class TypedTable(NamedTuple):
    """Fields, their columns by name, and notes on how they came about."""

    fields: tuple[Field, ...]
    columns: dict[str, np.ndarray]
    notes: tuple[str, ...]


def type_columns(
    table: RawTable,
    *,
    schema: Mapping[str, str | Field],
    label: str | None,
    free: Callable[[RawColumn], Typed],
) -> TypedTable:
    """Types for all columns: `schema` where it names one, else inferred.

    `schema` maps names to a kind of `KINDS`, "drop", or a ready field to conform to if it is there. `free` types
    strings that are different in nearly every row: `as_identifier` in tables, `as_text` beside images. A whole-number
    `label` with few values becomes a category.
    """
    for name, told in schema.items():
        if name not in table.names and isinstance(told, str):
            raise no_column(name, table.names)
        if isinstance(told, str) and told.partition(",")[0] not in (*KINDS, "drop"):
            raise ArgumentError(
                f"unknown kind {told!r}", where=f"schema[{name!r}]", hint=f"one of: {', '.join(KINDS)}, drop"
            )
    marks = {decimal_mark(raw.texts[:MARK_TEXTS]) for raw in table.columns} - {""}
    likely = marks.pop() if len(marks) == 1 else ""
    orders = {is_day_first(raw.texts) for raw in table.columns} - {None}
    day_first = orders.pop() if len(orders) == 1 else None
    typed: dict[str, Typed] = {}
    notes: list[str] = []
    for raw in table.columns:
        kind = schema.get(raw.name)
        if kind == "drop":
            notes.append(f"{raw.name!r} was dropped, as told")
            continue
        raw, halves = _without_halves(raw)
        try:
            result = _type(raw, kind, free=free, is_label=raw.name == label, likely=likely, day_first=day_first)
        except DataError as error:
            raise DataError(error.what, where=f"{table.where}, column {raw.name!r}", hint=error.hint) from None
        typed[raw.name] = result._replace(field=_held(result.field, raw.storage, kind))
        notes += [f"{raw.name!r}: {note}" for note in halves + result.notes]
    if not typed and table.columns:
        raise DataError("every column was dropped", where=table.where)
    fields = tuple(t.field for t in typed.values())
    return TypedTable(fields, {name: t.column for name, t in typed.items()}, tuple(notes))


def no_column(name: str, names: Iterable[str]) -> ArgumentError:
    """The error for a schema that names what is not there."""
    return ArgumentError(f"no column called {name!r}", where="schema", hint=f"there are: {', '.join(names)}")


def _held(field: Field, storage: Storage | None, kind: str | Field | None) -> Field:
    """The field with how the source held it; of fields that are told, as they hold it themselves."""
    if storage is None or (kind is not None and not isinstance(kind, str)):
        return field
    return replace(field, storage=storage if isinstance(field, Category) else replace(storage, levels=None))


def _without_halves(raw: RawColumn) -> tuple[RawColumn, tuple[str, ...]]:
    """A column whose texts can be written as UTF-8."""
    whole, notes = without_halves(raw.texts, raw.counts.tolist())
    return (raw.renamed(whole) if notes else raw), notes


def _type(
    raw: RawColumn,
    kind: str | Field | None,
    *,
    free: Callable[[RawColumn], Typed],
    is_label: bool,
    likely: str,
    day_first: bool | None,
) -> Typed:
    if isinstance(kind, str):
        return as_told(raw, kind)
    if kind is not None:
        return conform(raw, kind)
    inferred = infer(raw, free=as_category if is_label else free, likely=likely, day_first=day_first)
    if isinstance(inferred.field, Number) and not _spelled_alike(raw, inferred):
        note = (
            f'words that look like numbers become such, written alike; schema={{{raw.name!r}: "category"}} keeps each'
        )
        inferred = inferred._replace(notes=(note, *inferred.notes))
    if raw.storage is not None and raw.storage.levels is not None and isinstance(inferred.field, Number | Time):
        return as_category(raw)
    if is_label and isinstance(inferred.field, Number | Identifier) and _few_whole_numbers(raw):
        return as_category(raw)
    return inferred


def _spelled_alike(raw: RawColumn, number: Typed) -> bool:
    """Whether words that look like numbers, such as 1.10 and 1.9, would all be written again as they are."""
    if raw.storage is None or "string" not in raw.storage.type:
        return True
    written = cells(number.field, number.column)
    known = zip(raw.codes.tolist(), written, strict=True)
    return all(text is None or raw.texts[code] == text for code, text in known)


def _few_whole_numbers(raw: RawColumn) -> bool:
    return len(raw.texts) <= MAX_LABEL_LEVELS and all(re.fullmatch(r"[+-]?[0-9]+(\.0*)?", t) for t in raw.texts)


def infer(
    raw: RawColumn, *, free: Callable[[RawColumn], Typed], likely: str = "", day_first: bool | None = None
) -> Typed:
    """The type that the values speak for; in doubt the one that keeps most: number, time, category.

    A dash, a point or a date of zeros among nothing but numbers or times means that there is no value.
    """
    dashes = {t for t in raw.texts if is_nothing(t) or t in MISSING or NO_DATE.fullmatch(t)}
    if dashes and len(raw.texts) > len(dashes) and not raw.words:
        known = raw.renamed([None if t in dashes else t for t in raw.texts])
        bare = infer(known, free=free, likely=likely, day_first=day_first)
        if isinstance(bare.field, Number | Time):
            return bare._replace(notes=(f"{shown(sorted(dashes))} is read as missing", *bare.notes))
    if len(raw.texts) == 0 or (len(raw.texts) == 1 and raw.present == len(raw.codes)):
        return as_constant(raw)
    if are_truths(raw.texts):
        return as_category(raw)
    numeric = [bool(NUMBER.fullmatch(t)) or is_infinite(t) for t in raw.texts]
    if not any(numeric) and _are_times(raw):
        return as_time(raw, day_first=day_first)
    if not all(numeric):
        amounts = read_numerals([t for t in raw.texts if not is_infinite(t)], likely=likely)
        if amounts is not None:
            return as_number(raw, found=amounts)
        refuse_odd_times(raw)
    if raw.words:
        return _words(raw, free)
    codes = are_codes(raw)
    if all(numeric) and not codes:
        if {len(t) for t in raw.texts} in ({8}, {12}, {14}) and _are_times(raw):
            return _digits_of_times(raw)
        if any(_beyond_float(t) for t in raw.texts):
            found = _words(raw, free)
            return found._replace(notes=("holds whole numbers beyond 2**53, kept as text", *found.notes))
        return as_identifier(raw) if _runs(raw) else as_number(raw, likely=likely)
    found = _words(raw, free)
    if all(numeric) and not any(map(CODE.fullmatch, raw.texts)):
        note = f'{shown(raw.texts)} are kept as codes, not numbers; schema={{{raw.name!r}: "number"}} says otherwise'
        return found._replace(notes=(note, *found.notes))
    numeric = [known or is_numeral(t) for t, known in zip(raw.texts, numeric)]
    share = raw.counts[np.array(numeric)].sum() / raw.present
    if share > 0.5 and not codes:
        others = [t for t, is_number in zip(raw.texts, numeric) if not is_number]
        note = f"{share:.1%} of values are numbers, but not {shown(others)}; if that means missing, say missing=[...]"
        unlike = f"looks like numbers, but not of one form: {shown(raw.texts)}"
        if others or not isinstance(found.field, Category):
            return found._replace(notes=(note if others else unlike, *found.notes))
    return found


def _digits_of_times(raw: RawColumn) -> Typed:
    """Whole numbers that could be dates, such as 20240131: dates by their name, or where they are many; never keys."""
    time = as_time(raw)
    assert isinstance(time.field, Time)
    dates = len(raw.texts) >= MANY_DATES or DATE_NAME.search(raw.name) is not None
    if dates and KEY_NAME.search(raw.name) is None:
        typed, meant, other = time, "one", "number"
    else:
        typed = as_identifier(raw) if _runs(raw) else as_number(raw)
        meant, other = "a number", f"time,{time.field.format}"
    note = (
        f'{raw.texts[0]!r} looks like a date and is read as {meant}; schema={{{raw.name!r}: "{other}"}} says otherwise'
    )
    return typed._replace(notes=(note, *typed.notes))


def _are_times(raw: RawColumn) -> bool:
    """Whether all values are times of one format, most of them of years that times are likely to be of."""
    parsed = parse_times(raw.texts)
    if parsed is None:
        return False
    years = parsed[1].astype("datetime64[Y]").astype(np.int64) + 1970
    return bool(np.isin(years, LIKELY_YEARS).mean() >= 0.5)


def _words(raw: RawColumn, free: Callable[[RawColumn], Typed]) -> Typed:
    """Strings: `free` if they tell rows apart, free text of several words included, else categories."""
    if raw.present >= FEW_ROWS and is_free_text(raw):
        return free(raw)
    unique = len(raw.texts) >= UNIQUE_SHARE * raw.present and raw.present >= FEW_ROWS
    keys = len(raw.texts) == len(raw.codes) >= 10 and KEY_NAME.search(raw.name) is not None
    return free(raw) if unique or keys else as_category(raw)


def _runs(raw: RawColumn) -> bool:
    """Whether whole numbers are keys: all different, and named so or counting up without a gap."""
    n = len(raw.codes)
    if len(raw.texts) != n or n < 10 or not all(re.fullmatch("[0-9]+", t) for t in raw.texts):
        return False
    values = np.sort(np.array(raw.texts, dtype=np.float64))
    gapless = values[-1] - values[0] == n - 1
    return bool(KEY_NAME.search(raw.name) or (gapless and (values[0] in (0, 1) or n >= FULL_RUN)))


def _beyond_float(text: str) -> bool:
    return len(text) > EXACT_DIGITS and text.lstrip("+-").isdigit() and abs(int(text[:40])) > 2**53


def is_wordy(raw: RawColumn) -> bool:
    """Whether a column holds many different strings, most of several words: descriptions rather than classes."""
    several = sum(len(t.split()) > 1 for t in raw.texts)
    return len(raw.texts) > MAX_LABEL_LEVELS and several > len(raw.texts) / 2


def is_free_text(raw: RawColumn) -> bool:
    """Whether a column holds sentences, not names or codes: most values differ, and most have several words."""
    wordy = sum(len(t.split()) >= FREE_WORDS for t in raw.texts)
    differ = len(raw.texts) >= FREE_SHARE * raw.present
    return differ and wordy > len(raw.texts) / 2 and codes_of(raw.texts) is None


def as_key_or_text(raw: RawColumn) -> Typed:
    """Strings that tell rows apart in a table: free text where they are sentences, else keys."""
    if not is_free_text(raw) or are_names(raw.texts):
        return as_identifier(raw)
    typed = as_text(raw)
    note = (
        f"different in {len(raw.texts)} of {len(raw.codes)} rows and of several words, so taken for free text, which "
        f'a model of its own writes anew; schema={{{raw.name!r}: "category"}}, "identifier" or "drop" says otherwise'
    )
    return typed._replace(field=Text(raw.name, column=True), notes=(note, *typed.notes))


def are_names(texts: Sequence[str]) -> bool:
    """Whether most texts look like names of persons, which are never learned unasked."""
    capital = (t for t in texts if all(word[0].isupper() for word in t.split()))
    return sum(bool(FULL_NAME.fullmatch(t)) for t in capital) >= MOSTLY_NAMES * len(texts)
