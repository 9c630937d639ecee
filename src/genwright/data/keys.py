"""Keys: what the codes of a column have in common, and new ones that have it too."""

import math
import re
import string
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

from genwright.data.checks import CHECKS, MAX_READ, check_of, without_check
from genwright.data.dataset import Identifier
from genwright.data.regex import Node, parse
from genwright.errors import ArgumentError

MAX_SHAPES, CODES_PER_SHAPE = 40, 5  # layouts of digits, letters and marks that the codes of one column have
MOSTLY = 0.9  # of codes have one of these layouts
WORDS = 2  # that make an address or a sentence of a text
WORD = re.compile("(?<![0-9A-Za-z])(?![a-f]+\\b)[A-Z]?[a-z]{2,}(?![0-9A-Za-z])")  # no part of a hexadecimal number
SURE = 1e-3  # probability that random codes show so few of the characters that could stand in a place
ROOM = 20  # there are at least so many times as many codes as rows, that new ones are hardly ever known ones
EXACT_DIGITS = 15  # of running numbers
MAX_NUMBER, MAX_CODES = 2**63 - 1, 10**8  # of a key made before: integer keys of databases have 64 bits
PLAIN = re.compile(r"[ -~]{1,64}")
NUMBERED = re.compile(r"([^0-9{}]*)([0-9]+)([^0-9{}]*)")
ADDRESS = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}")  # of internet protocol 4
BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
HEX = (string.digits + "abcdef", string.digits + "ABCDEF")
LETTERS = (string.ascii_uppercase, string.ascii_lowercase)
MIXED = tuple(string.digits + letters for letters in (*LETTERS, string.ascii_letters))
ALPHABETS = (string.digits, *LETTERS, *HEX, *MIXED)
GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it lie evenly between whole numbers


class Codes(NamedTuple):
    """Regular expressions that codes match, how many match each, and the check digits that they have (or "")."""

    patterns: tuple[str, ...]
    counts: tuple[int, ...]
    check: str


def as_numbered(name: str, texts: Sequence[str]) -> Identifier | None:
    """Keys with running numbers, all with the same text before and after; None if `texts`, all different, are not."""
    matches = [NUMBERED.fullmatch(t) for t in texts]
    found = [m for m in matches if m and len(m[2]) <= EXACT_DIGITS]
    if len(found) < len(texts) or len({(m[1], m[3]) for m in found}) != 1:
        return None
    written = [m[2] for m in found]
    low, high, width = min(map(int, written)), max(map(int, written)), min(map(len, written))
    fixed, padded = len(set(map(len, written))) == 1, any(t.startswith("0") and len(t) > 1 for t in written)
    if fixed and high - low > ROOM * len(texts) and width > 1:
        return None  # codes, not numbers that follow each other
    first = 0 if padded else 10 ** (width - 1)
    digits = width if padded or (fixed and low > first + 1) else 0
    above = 10**digits - 1 - high
    turned = bool(digits) and above < len(texts) and low - first > above  # no room above: begin at the other end
    return Identifier(name, f"{found[0][1]}{{}}{found[0][3]}", digits, first if turned else high + 1)


def codes_of(texts: Sequence[str]) -> Codes | None:
    """What `texts`, all different, have in common where they are codes: few layouts of fixed length; None if not."""
    texts = texts[:: 1 + len(texts) // MAX_READ]
    if all(ADDRESS.fullmatch(t) for t in texts):
        parts = zip(*(t.split(".") for t in texts), strict=True)
        return Codes((r"\.".join(_bytes(part) for part in parts),), (len(texts),), "")
    check = check_of(texts)
    groups = _groups(texts, check)
    patterns = Counter[str]()
    for group in groups:
        patterns[_pattern([without_check(t, check) for t in group], room=ROOM * len(texts))] += len(group)
    return Codes(tuple(patterns), tuple(patterns.values()), check) if patterns else None


def _groups(texts: Sequence[str], check: str) -> list[list[str]]:
    """Codes of the same layout, the commonest layouts first; none at all where `texts` are no codes."""
    with_digit = sum(any(c.isdigit() for c in t) for t in texts)
    wordy = 2 * sum(len(WORD.findall(t)) >= WORDS for t in texts) > len(texts)
    spelt = 2 * with_digit < len(texts) and any(t != t.upper() for t in texts)
    if wordy or spelt or not all(map(PLAIN.fullmatch, texts)):
        return []
    most = min(MAX_SHAPES, len(texts) // CODES_PER_SHAPE) or 1
    for layout in _LAYOUTS:
        groups: dict[str, list[str]] = {}
        for text in texts:
            key = text[: 2 * (check == "iban")] + layout(text)
            groups.setdefault(key, []).append(text)
        ranked = sorted(groups.values(), key=len, reverse=True)[:most]
        if sum(map(len, ranked)) >= MOSTLY * len(texts):
            return ranked
    return []


_LAYOUTS: tuple[Callable[[str], str], ...] = (
    lambda text: re.sub("[0-9]", "0", text),
    lambda text: re.sub("[0-9]", "0", re.sub("[A-Z]", "A", re.sub("[a-z]", "a", text))),
    lambda text: re.sub("[0-9A-Za-z]", "x", text),
)  # in which places texts have the same characters: all but digits; none, but of the same kind; none


def _pattern(texts: Sequence[str], *, room: int) -> str:
    """The regular expression of codes of equal length; places that vary little take more from the right, for `room`."""
    places = [_seen(set(column), len(texts)) for column in zip(*texts, strict=True)]
    for i in reversed(range(len(places))):
        if math.prod(map(len, places)) >= room:
            break
        if len(places[i]) > 1 or places[i] in string.digits:
            places[i] = _alphabet(set(places[i]))
    return "".join(_class(chars, len(list(run))) for chars, run in groupby(places))


def _seen(chars: set[str], n: int) -> str:
    """The characters of one place: those seen in n codes if more would have been, else all of their alphabet."""
    alphabet, seen = _alphabet(chars), "".join(sorted(chars))
    return seen if _few(len(seen), len(alphabet), n) else alphabet


def _few(seen: int, size: int, n: int) -> bool:
    """Whether n draws from `size` would have shown more than `seen` different ones."""
    return math.log(math.comb(size, seen)) + n * math.log(seen / size) < math.log(SURE)


def _alphabet(chars: set[str]) -> str:
    """The smallest of ALPHABETS with all of `chars`; else these alone."""
    return next((each for each in ALPHABETS if chars <= set(each)), "".join(sorted(chars)))


def _class(chars: str, repeats: int) -> str:
    """The regular expression of characters that stand in some places, one after the other."""
    if len(chars) == 1:
        return _escaped(chars) * repeats
    numbered = groupby(enumerate(sorted(chars)), key=lambda pair: ord(pair[1]) - pair[0])
    runs = [[char for _, char in run] for _, run in numbered]
    inside = "".join(f"{run[0]}-{run[-1]}" if len(run) > 3 else "".join(map(_escaped, run)) for run in runs)
    return f"[{inside}]" + (f"{{{repeats}}}" if repeats > 1 else "")


def _escaped(char: str) -> str:
    return char if char.isalnum() or char in " ,:/@#_" else "\\" + char


def _bytes(part: Sequence[str]) -> str:
    """The regular expression of one number of internet addresses."""
    seen = sorted(set(part), key=int)
    return f"({'|'.join(seen)})" if _few(len(seen), 256, len(part)) else BYTE


def key_fault(field: Identifier) -> str:
    """What makes an identifier impossible that was read from a file; "" if nothing does."""
    most = MAX_NUMBER if not field.codes else MAX_CODES
    lowest = 0 if field.codes else -most
    if not (lowest <= field.start <= most and 0 <= field.digits <= EXACT_DIGITS):
        return "no such running numbers"
    if len(field.counts) != len(field.codes):
        return "no such running numbers"
    if field.check not in ("", *CHECKS) or "{}" not in field.pattern or (field.codes and min(field.counts) < 1):
        return "no such keys"
    try:
        return "" if all(parsed(pattern).size for pattern in field.codes) else "keys of no pattern"
    except ArgumentError as error:
        return error.what


def new_keys(field: Identifier, n: int) -> list[str]:
    """n new keys, all different: they go on with the numbers of `field`, or are further codes of its patterns.

    Warns where there are more keys than the pattern has.
    """
    if not field.codes:
        last = field.start + n - 1
        if field.digits and n and last >= 10**field.digits:
            left = max(0, 10**field.digits - field.start)
            _warn(field, f"{field.digits} digits are enough for {left:,} new keys; further ones are longer")
        return [field.pattern.replace("{}", str(k).zfill(field.digits), 1) for k in range(field.start, last + 1)]
    turns = np.cumsum(field.counts) / np.sum(field.counts)
    whose = np.searchsorted(turns[:-1], np.arange(field.start + n) * GOLDEN % 1.0, side="right")
    keys = np.empty(len(whose), dtype=object)
    for number, pattern in enumerate(field.codes):
        places = np.flatnonzero(whose == number)
        keys[places] = _codes(field, pattern, len(places))
    return keys[field.start :].tolist()


def _codes(field: Identifier, pattern: str, n: int) -> list[str]:
    """The first n codes of a pattern, in an order in which they look random."""
    node = parsed(pattern)
    golden = max(1, (math.isqrt(5 * node.size**2) - node.size) // 2)  # the same of whole numbers beyond floats
    step = next(s for s in range(golden, node.size + 2) if math.gcd(s, node.size) == 1)
    first = 1 + zlib.crc32(field.name.encode())  # so that the codes of two columns differ
    most = min(node.size, n + n // 5 + 20)  # one of 11 may have no check digit
    numbers = np.arange(first, first + most, dtype=object)
    texts = node.strings((numbers * step % node.size).astype(np.int64 if node.size < 2**62 else object)).tolist()
    if field.check:
        texts = [t for t in map(CHECKS[field.check], texts) if t is not None]
    if len(texts) < n:
        _warn(field, f"there are {len(texts):,} codes like {texts[0]!r}; further ones get a number at their end")
        texts = [t if turn == 0 else f"{t}-{turn + 1}" for turn in range(-(-n // len(texts))) for t in texts]
    return texts[:n]


@cache
def parsed(pattern: str) -> Node:
    """The strings of a pattern, by number."""
    return parse(pattern)


def _warn(field: Identifier, what: str) -> None:
    warnings.warn(f"{field.name!r}: {what}", stacklevel=2)
