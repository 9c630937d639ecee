"""What looks like personal data, or like a mark for "no value": found by names and values, for the user to confirm."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from genwright.data.cells import cells
from genwright.data.checks import is_valid, luhn
from genwright.data.dataset import MEDIA, Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.schema import FULL_NAME

MAX_VALUES = 1000  # distinct values looked at in each column
MOSTLY = 0.8  # a column of which at least this share of values has a form is taken to hold such
FEW_VALUES = 5  # distinct ones, below which a form says little
SPIKE = 0.001  # of the rows at least hold a suspicious value ...
SPIKE_ROWS = 3  # ... and at least so many
APART = 0.5  # of the range of the other values lies between them and a suspicious one

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
PHONE = re.compile(r"(\+|00)\d[\d ()/.\-]{6,18}\d|\(?0?\d{2,5}\)?[ /.\-]\d[\d /.\-]{4,12}\d")
CARD = re.compile(r"\d(?:[ \-]?\d){12,18}")
POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|[A-Z]\d[A-Z] \d[A-Z]\d|\d{5}-\d{4}")
NAMED = (
    ("e-mail address", re.compile(r"(?i)e[-_]?mail")),
    ("telephone number", re.compile(r"(?i)(^|_)(tele)?(phone|mobile|fax|tel)(_|$|number|no)")),
    (
        "name of a person",
        re.compile(r"(?i)(^|_)(first|last|sur|family|given|full|middle|patient|customer)_?name$|^name$"),
    ),
    ("postcode", re.compile(r"(?i)(^|_)(zip|postcode|postal_?code|plz|zip_?code)($|_)")),
    ("address", re.compile(r"(?i)(^|_)(street|address|addr)(_|$|\d)")),
    ("date of birth", re.compile(r"(?i)birth|(^|_)dob($|_)")),
    ("national identity number", re.compile(r"(?i)(^|_)(ssn|nhs|nino|passport|tax_?id|national_?id)(_|$|number|no)")),
)
WORDS = frozenset(
    ["unknown", "unk", "none", "missing", "nil", "n/a", "na", "not_available", "undefined", "???", "--", "-", "."]
)
NINES = re.compile(r"-?(9{2,}|8{3,})|-1|-9|-200")
ODD_TIMES = ("1899-12-30", "1900-01-01", "1970-01-01", "9999-12-31", "2099-12-31", "1753-01-01")


@dataclass(frozen=True)
class Finding:
    """Something to confirm: a field, what it seems to hold, an example or a value, and what will happen to it."""

    field: str
    what: str
    example: str
    treatment: str


def personal_data(data: Dataset) -> tuple[Finding, ...]:
    """Fields that seem to hold personal data, and what genwright does with them unless told otherwise."""
    found = []
    for field in data.cells:
        values = _distinct(field, data.columns[field.name])
        what = _by_values(field, values) or _by_name(field)
        if what and values:
            found.append(Finding(field.name, what, _masked(values[0]), _treatment(field)))
    return tuple(found)


def _distinct(field: Field, column: np.ndarray) -> list[str]:
    """Up to MAX_VALUES different values as text."""
    some = pd.unique(column[:50_000])[:MAX_VALUES]
    return [re.sub(r"\.0+$", "", t) for t in cells(field, np.asarray(some, dtype=column.dtype)) if t]


def _by_values(field: Field, values: Sequence[str]) -> str | None:
    """What the form of most values says."""
    if len(values) < FEW_VALUES or isinstance(field, Time):
        return None
    whole = isinstance(field, Number) and not field.decimals
    tests = FORMS if not isinstance(field, Number) else {"credit card number": is_card} if whole else {}
    for what, test in tests.items():
        if sum(map(test, values)) >= MOSTLY * len(values):
            return what
    unlike = isinstance(field, (Identifier, *MEDIA))
    if unlike and sum(bool(FULL_NAME.fullmatch(v)) for v in values) >= MOSTLY * len(values):
        return "name of a person"
    return None


def _by_name(field: Field) -> str | None:
    return next((what for what, name in NAMED if name.search(field.name)), None)


def is_card(text: str) -> bool:
    """Whether `text` is a card number: 13 to 19 digits with a valid check digit (Luhn, ISO/IEC 7812-1 annex B).

    >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
    (True, False)
    """
    return CARD.fullmatch(text) is not None and luhn(text) == text


def is_iban(text: str) -> bool:
    """Whether `text` is an account number with a valid check sum (ISO 13616: remainder 1 modulo 97).

    >>> is_iban("GB82 WEST 1234 5698 7654 32"), is_iban("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    return is_valid(text, "iban")


def is_ip(text: str) -> bool:
    """Whether `text` is an internet address, of version 4 or 6."""
    if text.count(".") != 3 and text.count(":") < 2:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


FORMS: dict[str, Callable[[str], bool]] = {
    "e-mail address": lambda t: EMAIL.fullmatch(t) is not None,
    "account number (IBAN)": is_iban,
    "credit card number": is_card,
    "internet address": is_ip,
    "postcode": lambda t: POSTCODE.fullmatch(t) is not None,
    "telephone number": lambda t: PHONE.fullmatch(t) is not None and sum(c.isdigit() for c in t) >= 7,
}


def _masked(text: str) -> str:
    """A value whose shape shows and whose content does not."""
    return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "0", text[:40]))


def _treatment(field: Field) -> str:
    match field:
        case Identifier():
            return "not modelled, new ones are made up"
        case Category():
            kept = f"modelled: its {len(field.levels):,} values come up in samples"
            return f'{kept}; schema={{{field.name!r}: "identifier"}} or "drop" keeps them out'
        case _ if isinstance(field, MEDIA):
            return f'modelled: words and phrases may come up in samples, unless schema={{{field.name!r}: "drop"}}'
        case Constant():
            return f'the one value stands in every sample, unless schema={{{field.name!r}: "drop"}}'
    return "modelled: new values of the same distribution"


def suspicious_values(data: Dataset) -> tuple[Finding, ...]:
    """Values that may stand for "no value", with how many rows hold them; they are modelled as values unless named."""
    found = []
    for field in data.fields:
        column = data.columns[field.name]
        for value, rows in _suspects(field, column):
            share = f"{rows:,} rows ({rows / len(column):.1%})"
            found.append(Finding(field.name, share, value, f"kept as a value; missing=[{value!r}] if it means none"))
    return tuple(found)


def _suspects(field: Field, column: np.ndarray) -> list[tuple[str, int]]:
    match field:
        case Number():
            return _odd_ends(field, column, lambda text: NINES.fullmatch(text) is not None)
        case Time():
            return _odd_ends(field, column, lambda text: False)
        case Category():
            odd = [level for level in field.levels if level.strip().lower().replace(" ", "_") in WORDS]
            return [(level, rows) for level in odd if (rows := int((column == level).sum()))]
    return []


def _odd_ends(field: Number | Time, column: np.ndarray, is_known: Callable[[str], bool]) -> list[tuple[str, int]]:
    """The smallest or largest value where many rows hold it, and it is well apart from all others or a known mark."""
    present = column[~pd.isna(column)]
    values, counts = np.unique(present, return_counts=True)
    if len(values) < FEW_VALUES:
        return []
    places = values.astype(np.int64).astype(np.float64) if isinstance(field, Time) else values
    found = []
    for end, next_one, rest in ((0, 1, places[1:]), (-1, -2, places[:-1])):
        text = cells(field, values[[end]])[0]
        often = counts[end] >= max(SPIKE_ROWS, SPIKE * len(column))
        gap, spread = abs(places[end] - places[next_one]), rest[-1] - rest[0]
        bare = replace(field, form="") if isinstance(field, Number) else field
        known = is_known(_plain(cells(bare, values[[end]])[0])) or (
            isinstance(field, Time) and np.datetime_as_string(values[end], "D") in ODD_TIMES
        )
        if often and text is not None and (gap > APART * spread or (known and gap > APART / 10 * spread)):
            found.append((text, int(counts[end])))
    return found


def _plain(text: str | None) -> str:
    """-999.0 as -999."""
    return re.sub(r"\.0+$", "", text or "")
