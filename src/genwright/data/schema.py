"""From columns of text to typed fields: what each column is, found from its values or told by the user."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from genwright.data.dataset import Category, Constant, Field, Identifier, Number, Text, Time
from genwright.data.table import RawColumn, RawTable
from genwright.data.times import fitting_formats, format_times, parse_as, parse_times, split_zone
from genwright.errors import ArgumentError, DataError

NUMBER = re.compile(r"[+-]?([0-9]+\.?([0-9]*)|\.([0-9]+))([eE]([+-]?[0-9]{1,4}))?")
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
CODE = re.compile(r"[+-]?0[0-9]+")  # leading zeros: a code such as a postcode, not an amount
EXACT_DIGITS = 15  # decimal digits that a float64 always keeps
MOST_DIGITS = 17  # decimal digits that a float64 keeps at all
TRUTHS = tuple(frozenset(pair) for pair in (("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n")))
KEY_NAME = re.compile(r"(?i:(^|[_\W])(id|key|uuid|guid|index|idx|rowid|row|nr|no)($|[_\W]))|[a-z]I[Dd]$")
FULL_NAME = re.compile(r"[^\W\d_][\w'’.\-]+(,? [^\W\d_][\w'’.\-]*){1,3}")
MOSTLY_NAMES = 0.8  # a column of which at least this share of values looks like names is taken to hold such
KEY_TEXT = re.compile(r"([^0-9{}]*)([0-9]+)([^0-9{}]*)")
DASHES = frozenset({"-", "--", "\N{EN DASH}", "\N{EM DASH}", "."})
MOSTLY_TIMES = 0.5  # a column of words with more times than this share is meant to hold times
FEW_ROWS = 20  # below this, being different in every row says little
UNIQUE_SHARE = 0.9  # strings different in at least this share of rows describe rows one by one
FREE_SHARE = 0.5  # strings of several words are free text when at least this share of them differs from all others
FREE_WORDS = 3  # words that most free texts have at least
FULL_RUN = 100  # so many consecutive whole numbers in any order are row numbers, wherever they start
MAX_LABEL_LEVELS = 50  # a whole-number label with at most so many values is a class, not an amount


class Typed(NamedTuple):
    """A field, its column, and notes on how it came about."""

    field: Field
    column: np.ndarray
    notes: tuple[str, ...] = ()


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

    `schema` maps names to a kind of `KINDS`, "drop", or a ready field to conform to. `free` types strings that are
    different in nearly every row: `as_identifier` in tables, `as_text` beside images. A whole-number `label` with
    few values becomes a category.
    """
    for name, told in schema.items():
        if name not in table.names:
            raise ArgumentError(
                f"no column called {name!r}", where="schema", hint=f"there are: {', '.join(table.names)}"
            )
        if isinstance(told, str) and told not in (*KINDS, "drop"):
            raise ArgumentError(
                f"unknown kind {told!r}", where=f"schema[{name!r}]", hint=f"one of: {', '.join(KINDS)}, drop"
            )
    typed: dict[str, Typed] = {}
    notes: list[str] = []
    for raw in table.columns:
        kind = schema.get(raw.name)
        if kind == "drop":
            notes.append(f"{raw.name!r} was dropped, as told")
            continue
        try:
            result = _type(raw, kind, free=free, is_label=raw.name == label)
        except DataError as error:
            raise DataError(error.what, where=f"{table.where}, column {raw.name!r}", hint=error.hint) from None
        typed[raw.name] = result
        notes += [f"{raw.name!r}: {note}" for note in result.notes]
    if not typed and table.columns:
        raise DataError("every column was dropped", where=table.where)
    fields = tuple(t.field for t in typed.values())
    return TypedTable(fields, {name: t.column for name, t in typed.items()}, tuple(notes))


def _type(raw: RawColumn, kind: str | Field | None, *, free: Callable[[RawColumn], Typed], is_label: bool) -> Typed:
    if isinstance(kind, str):
        return KINDS[kind](raw)
    if kind is not None:
        return conform(raw, kind)
    inferred = infer(raw, free=as_category if is_label else free)
    if is_label and isinstance(inferred.field, Number | Identifier) and _few_whole_numbers(raw):
        return as_category(raw)
    return inferred


def _few_whole_numbers(raw: RawColumn) -> bool:
    return len(raw.texts) <= MAX_LABEL_LEVELS and all(re.fullmatch(r"[+-]?[0-9]+", t) for t in raw.texts)


def infer(raw: RawColumn, *, free: Callable[[RawColumn], Typed]) -> Typed:
    """The type that the values speak for; in doubt the one that keeps most: number, time, category.

    A dash or a point among nothing but numbers or times means that there is no value.
    """
    dashes = DASHES & set(raw.texts)
    if dashes and len(raw.texts) > len(dashes) and not raw.words:
        bare = infer(raw.renamed([None if t in dashes else t for t in raw.texts]), free=free)
        if isinstance(bare.field, Number | Time):
            return bare._replace(notes=(f"{_shown(sorted(dashes))} is read as missing", *bare.notes))
    if len(raw.texts) == 0 or (len(raw.texts) == 1 and raw.present == len(raw.codes)):
        return as_constant(raw)
    if any(t <= truth for truth in TRUTHS for t in [frozenset(map(str.lower, raw.texts))]):
        return as_category(raw)
    numeric = [bool(NUMBER.fullmatch(t)) or _is_infinite(t) for t in raw.texts]
    if raw.words:
        return as_time(raw) if not any(numeric) and parse_times(raw.texts) is not None else _words(raw, free)
    if all(numeric) and not any(CODE.fullmatch(t) for t in raw.texts):
        compact = len(raw.texts) >= 10 and all(len(t) == 8 for t in raw.texts) and parse_times(raw.texts)
        if compact:
            return as_time(raw)
        if any(_beyond_float(t) for t in raw.texts):
            found = _words(raw, free)
            return found._replace(notes=("holds whole numbers beyond 2**53, kept as text", *found.notes))
        return as_identifier(raw) if _runs(raw) else as_number(raw)
    if not any(numeric) and parse_times(raw.texts) is not None:
        return as_time(raw)
    if not any(numeric):
        _refuse_mixed_times(raw)
    found = _words(raw, free)
    share = raw.counts[np.array(numeric)].sum() / raw.present
    if share > 0.5 and not any(CODE.fullmatch(t) for t in raw.texts):
        others = [t for t, is_number in zip(raw.texts, numeric) if not is_number]
        note = f"{share:.1%} of values are numbers, but not {_shown(others)}; if that means missing, say missing=[...]"
        return found._replace(notes=(note, *found.notes))
    return found


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


def as_number(raw: RawColumn) -> Typed:
    """Integers or decimals; raises DataError naming a value that is neither."""
    infinite = np.array([_is_infinite(t) for t in raw.texts], dtype=bool)
    wrong = [t for t, inf in zip(raw.texts, infinite) if not inf and not NUMBER.fullmatch(t)]
    if wrong:
        raise DataError(f"not a number: {_shown(wrong)}", hint="if it means missing, say missing=[...]")
    values = np.array([np.nan if inf else float(t) for t, inf in zip(raw.texts, infinite)], dtype=np.float64)
    infinite |= np.isinf(values)
    values[infinite] = np.nan
    column = raw.spread(values, np.nan)
    lost = int(raw.counts[infinite].sum())
    notes: tuple[str, ...] = (f"{lost} infinite values are read as missing",) if lost else ()
    if np.isnan(column).all():
        return as_constant(raw.renamed([None] * len(raw.texts)))._replace(notes=notes)
    low, high = float(np.nanmin(column)), float(np.nanmax(column))
    decimals = max((_decimals(t) for t, inf in zip(raw.texts, infinite) if not inf), default=0)
    digits = len(f"{max(abs(low), abs(high)):.0f}") + decimals
    exact = decimals if digits <= EXACT_DIGITS else None
    longest = max((_significant(t) for t in raw.texts if len(t) > MOST_DIGITS), default=0)
    if longest > MOST_DIGITS:
        notes += (f"has up to {longest} digits, of which numbers keep {MOST_DIGITS}",)
    return Typed(Number(raw.name, exact, low, high, _min_decimals(raw.texts, exact)), column, notes)


def _significant(text: str) -> int:
    """Digits from the first that is not zero on."""
    return len(re.split("[eE]", text)[0].replace(".", "").lstrip("+-0"))


def _is_infinite(text: str) -> bool:
    return ("n" in text or "N" in text) and INFINITE.fullmatch(text) is not None


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


def is_wordy(raw: RawColumn) -> bool:
    """Whether a column holds many different strings, most of several words: descriptions rather than classes."""
    several = sum(len(t.split()) > 1 for t in raw.texts)
    return len(raw.texts) > MAX_LABEL_LEVELS and several > len(raw.texts) / 2


def is_free_text(raw: RawColumn) -> bool:
    """Whether a column holds sentences rather than names: most values differ, and most have several words."""
    wordy = sum(len(t.split()) >= FREE_WORDS for t in raw.texts)
    return len(raw.texts) >= FREE_SHARE * raw.present and wordy > len(raw.texts) / 2


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


def as_category(raw: RawColumn) -> Typed:
    """Levels in the order of their values, each kept as its text."""
    dtype: Literal["str", "int", "float", "bool"] = "str"
    levels = sorted(raw.texts)
    if any(frozenset(map(str.lower, raw.texts)) <= truth for truth in TRUTHS) and raw.texts:
        dtype = "bool"
    elif levels and not raw.words and all(NUMBER.fullmatch(t) and not CODE.fullmatch(t) for t in levels):
        plain = all(re.fullmatch("-?[0-9]{1,15}", t) for t in levels)
        dtype, levels = ("int" if plain else "float"), sorted(levels, key=lambda t: (float(t), t))
    return Typed(Category(raw.name, tuple(levels), dtype), raw.spread(np.array(raw.texts, dtype=object), None))


def as_time(raw: RawColumn) -> Typed:
    """Dates or moments; raises DataError if no known format fits all of them."""
    parsed = parse_times(raw.texts)
    if parsed is None:
        raise _no_times(raw, fitting_formats(raw.texts))
    form, values, note = parsed
    low, high = format_times(np.array([values.min(), values.max()]), form)
    return Typed(Time(raw.name, form, low, high), raw.spread(values, np.datetime64("NaT")), (note,) if note else ())


def _refuse_mixed_times(raw: RawColumn) -> None:
    """Raise where all values are times, but written in several formats: read as words they would lose their order."""
    sample = raw.texts[:50]
    if raw.texts and sum(map(bool, fitting_formats(sample))) > MOSTLY_TIMES * len(sample):
        formats = fitting_formats(raw.texts)
        zones = {split_zone(text)[1:] for text in raw.texts}
        if all(formats) and (len(set(formats)) > 1 or len(zones) > 1):
            raise _no_times(raw, formats)


def _no_times(raw: RawColumn, formats: list[str]) -> DataError:
    """Which value, in which row, is not written as most others are."""
    named = [form for form in formats if form]
    if not named:
        example = f"row {raw.row_of(raw.texts[0])} holds {raw.texts[0][:40]!r}" if raw.texts else "there are none"
        hint = "write them like 2024-12-31 or 2024-12-31 23:59:59, between the years 1678 and 2261"
        return DataError(f"no date format fits the values: {example}", hint=hint)
    usual = max(dict.fromkeys(named), key=named.count)
    odd = next((t for t, form in zip(raw.texts, formats) if form != usual), None)
    if odd is None:
        zones = [split_zone(t)[1:] for t in raw.texts]
        usual_zone = max(dict.fromkeys(zones), key=zones.count)
        odd = next((t for t, zone in zip(raw.texts, zones) if zone != usual_zone), raw.texts[0])
        what = "times with and without a zone, or of several zones"
    else:
        what = f"not written as the other times ({usual})"
    hint = 'write all alike, or name the mark with missing=[...], or say schema: "category"'
    return DataError(f"row {raw.row_of(odd)} holds {odd[:40]!r}: {what}", hint=hint)


def as_identifier(raw: RawColumn) -> Typed:
    """Keys: never modelled, made anew when rows are generated."""
    matches = [KEY_TEXT.fullmatch(t) for t in raw.texts]
    shapes = {(m[1], m[3]) if m else None for m in matches}
    column = raw.spread(np.array(raw.texts, dtype=object), None)
    if len(shapes) == 1 and None not in shapes and all(m and len(m[2]) <= EXACT_DIGITS for m in matches):
        numbers = [m[2] for m in matches if m]
        before, after = next((m[1], m[3]) for m in matches if m)
        digits = len(numbers[0]) if any(t.startswith("0") and len(t) > 1 for t in numbers) else 0
        return Typed(Identifier(raw.name, f"{before}{{}}{after}", digits, max(map(int, numbers)) + 1), column)
    pattern = re.sub(r"[{}]", "", raw.name) + "-{}"
    note = (
        f"different in {len(raw.texts)} of {len(raw.codes)} rows, so taken for an identifier: not modelled, and new "
        f'ones are made up; schema={{{raw.name!r}: "category"}} or "text" models it'
    )
    return Typed(Identifier(raw.name, pattern, 0, 1), column, (note,))


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


def conform(raw: RawColumn, field: Field) -> Typed:
    """The column as values of a known `field`, which comes back as it is but for levels it had not met."""
    match field:
        case Number():
            column = as_number(raw).column
            return Typed(field, np.full(len(column), np.nan) if column.dtype == object else column)
        case Category():
            return _conform_category(raw, field)
        case Time():
            values = parse_as(raw.texts, field.format)
            column = as_time(raw).column if values is None else raw.spread(values, np.datetime64("NaT"))
            return Typed(field, column)
        case Text():
            return Typed(field, as_text(raw).column)
    return Typed(field, raw.spread(np.array(raw.texts, dtype=object), None))


def _conform_category(raw: RawColumn, field: Category) -> Typed:
    """Texts matched to levels by value where levels are numbers (1.0 is 1) or booleans (True is true)."""
    known = {_level_value(level, field.dtype): level for level in field.levels}
    texts = [known.get(_level_value(t, field.dtype), t) for t in raw.texts]
    column = raw.spread(np.array(texts, dtype=object), None)
    new = tuple(sorted(set(texts) - set(field.levels)))
    notes = (f"{len(new)} levels were not known: {_shown(new)}",) if new else ()
    return Typed(
        Category(field.name, field.levels + new, field.dtype if not new else _common(field, new)), column, notes
    )


def _common(field: Category, new: Sequence[str]) -> Literal["str", "int", "float", "bool"]:
    """The type that holds the known levels and the new ones."""
    if field.dtype in ("int", "float") and all(NUMBER.fullmatch(t) for t in new):
        return field.dtype if all(re.fullmatch("-?[0-9]{1,15}", t) for t in new) else "float"
    return "str"


def _level_value(text: str, dtype: str) -> str | float:
    if dtype in ("int", "float") and NUMBER.fullmatch(text):
        return float(text)
    return text.lower() if dtype == "bool" else text


def _shown(texts: Sequence[str]) -> str:
    """A few texts for a message."""
    few = ", ".join(repr(t[:40]) for t in list(texts)[:3])
    return few + (", ..." if len(texts) > 3 else "")
