"""Strings that match a regular expression, by number: every pattern of a finite subset is a countable set of strings.

The subset: characters, escapes, `.`, classes with ranges and `^`, groups, `|`, and the quantifiers ? * + {m} {m,n}.
Strings are printable ASCII. Unbounded quantifiers stop at EXTRA repetitions beyond what they ask for.
"""

import abc
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from genwright.errors import ArgumentError

EXTRA = 8
MAX_REPEATS = 1000
MAX_CHARS = 10_000  # of a string
PRINTABLE = "".join(chr(c) for c in range(32, 127))
SETS = {"d": string.digits, "w": string.ascii_letters + string.digits + "_", "s": " "}
ESCAPED = re.compile(r"[^A-Za-z0-9]")  # what a backslash makes literal
HINT = r"known are characters, \d \w \s, classes [A-F0-9], groups (ab|cd) and ? * + {m} {m,n}"
QUANTIFIER = re.compile(r"\?|\*|\+|\{([0-9]+)(,([0-9]*))?\}")


class Node(abc.ABC):
    """A set of strings, numbered from 0 to `size` - 1."""

    size: int
    longest: int  # characters of the longest of them

    @abc.abstractmethod
    def strings(self, numbers: np.ndarray) -> np.ndarray:
        """The strings of those numbers (int64, or Python integers as objects), as an object array."""


@final
@dataclass(frozen=True)
class Chars(Node):
    """One character of several."""

    chars: str

    @property
    def size(self) -> int:  # type: ignore[override]
        return len(self.chars)

    @property
    def longest(self) -> int:  # type: ignore[override]
        return 1

    def strings(self, numbers: np.ndarray) -> np.ndarray:
        return np.array(list(self.chars), dtype=object)[numbers.astype(np.int64)]


@final
@dataclass(frozen=True)
class Chain(Node):
    """One part after the other; without parts, the empty string."""

    parts: tuple[Node, ...]

    @cached_property
    def size(self) -> int:  # type: ignore[override]
        size = 1
        for part in self.parts:
            size *= part.size
        return size

    @cached_property
    def longest(self) -> int:  # type: ignore[override]
        return sum(part.longest for part in self.parts)

    def strings(self, numbers: np.ndarray) -> np.ndarray:
        text = np.full(len(numbers), "", dtype=object)
        for part in reversed(self.parts):
            text = part.strings(numbers % part.size) + text
            numbers = numbers // part.size
        return text


@final
@dataclass(frozen=True)
class Choice(Node):
    """One of several alternatives."""

    options: tuple[Node, ...]

    @cached_property
    def size(self) -> int:  # type: ignore[override]
        return sum(option.size for option in self.options)

    @cached_property
    def longest(self) -> int:  # type: ignore[override]
        return max(option.longest for option in self.options)

    def strings(self, numbers: np.ndarray) -> np.ndarray:
        text = np.empty(len(numbers), dtype=object)
        first = 0
        for option in self.options:
            here = np.asarray((numbers >= first) & (numbers < first + option.size), dtype=bool)
            text[here] = option.strings(numbers[here] - first)
            first += option.size
        return text


def parse(pattern: str) -> Node:
    """The strings that match `pattern` whole. Raises ArgumentError where it is no regular expression, or not one of
    the subset.

    >>> node = parse(r"[AB]-\\d{2}")
    >>> node.size, node.strings(np.array([0, 123])).tolist()
    (200, ['A-00', 'B-23'])
    """
    try:
        re.compile(pattern)
        return _parsed(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ArgumentError(f"{pattern!r} is no regular expression: {error}", where="Pattern", hint=HINT) from None


def matches(pattern: str, texts: Sequence[str]) -> np.ndarray:
    """Which texts match a pattern whole, in time linear in their length whatever the pattern (Arrow's RE2); those
    with lone surrogates do not.

    >>> matches("(a+)+b", ["aab", "a" * 50]).tolist()
    [True, False]
    """
    found = [None if t.encode("utf-8", "replace") != t.encode("utf-8", "surrogatepass") else t for t in texts]
    try:
        held = pa.compute.match_substring_regex(pa.array(found, pa.large_string()), rf"\A(?:{pattern})\z")
    except pa.ArrowException as error:
        what = f"{pattern!r} cannot be held against texts: {error}"
        raise ArgumentError(what, where="Pattern", hint=HINT) from None
    return held.fill_null(False).to_numpy(zero_copy_only=False)


def _parsed(pattern: str) -> Node:
    reader = _Reader(pattern.removeprefix("^").removesuffix("$") if not pattern.endswith(r"\$") else pattern)
    node = reader.choice()
    if reader.place < len(reader.text):
        raise reader.unknown(reader.text[reader.place])
    return node


def draw(node: Node, n: int, *, distinct: bool, rng: np.random.Generator) -> np.ndarray | None:
    """n random strings as objects; with `distinct` all different, or None where there are too few of them."""
    if not distinct:
        return node.strings(_numbers(node.size, n, rng))
    if node.size < n:
        return None
    if node.size <= 4 * n:  # nearly all are needed: put them in random order
        found = np.unique(node.strings(np.arange(node.size)).astype(str)).astype(object)
        return rng.permutation(found)[:n] if len(found) >= n else None
    kept: dict[str, None] = {}
    while len(kept) < n:  # at most a quarter collides in each turn, but for patterns that say one string many ways
        before = len(kept)
        kept |= dict.fromkeys(node.strings(_numbers(node.size, n, rng)).tolist())
        if len(kept) < before + (n - before) // 100 + 1 and len(kept) < n:
            return None
    found = np.empty(n, dtype=object)
    found[:] = list(kept)[:n]
    return found


def _numbers(size: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """n whole numbers below `size`, uniformly."""
    if size < 2**62:
        return rng.integers(size, size=n)
    width = (size.bit_length() + 64 + 7) // 8  # 64 bits more than needed, so that the remainder is uniform
    raw = rng.bytes(width * n)
    numbers = np.empty(n, dtype=object)
    numbers[:] = [int.from_bytes(raw[width * i : width * (i + 1)], "little") % size for i in range(n)]
    return numbers


@dataclass
class _Reader:
    """Recursive descent over a pattern; `place` is the next character."""

    text: str
    place: int = 0

    def choice(self) -> Node:
        options = [self.chain()]
        while self.accept("|"):
            options.append(self.chain())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def chain(self) -> Node:
        parts = []
        while self.place < len(self.text) and self.text[self.place] not in "|)":
            parts.append(self.repeated(self.atom()))
        return Chain(tuple(parts))

    def atom(self) -> Node:
        char = self.next()
        match char:
            case "(":
                if self.accept("?") and not self.accept(":"):
                    raise self.unknown("(?")
                inner = self.choice()
                self.place += 1  # the closing bracket: `re` compiled the pattern
                return inner
            case "[":
                return Chars(self.members())
            case ".":
                return Chars(PRINTABLE)
            case "\\":
                return Chars(self.escape())
            case "^" | "$":
                raise self.unknown(char)
        if char not in PRINTABLE:
            raise self.unknown(char)
        return Chars(char)

    def repeated(self, node: Node) -> Node:
        match = QUANTIFIER.match(self.text, self.place)
        if match is None:
            return node
        self.place = match.end()
        if self.place < len(self.text) and self.text[self.place] in "?+*":
            raise self.unknown(match[0] + self.text[self.place])
        least, most = _times(match)
        if most > MAX_REPEATS or most * node.longest > MAX_CHARS:
            raise self.unknown(match[0])
        options = tuple(Chain((node,) * count) for count in range(least, most + 1))
        return options[0] if len(options) == 1 else Choice(options)

    def members(self) -> str:
        """The characters of a class whose opening bracket was read."""
        negated, found = self.accept("^"), list[str]()
        while not (found and self.accept("]")):
            char = self.escape() if (c := self.next()) == "\\" else c
            ranged = len(char) == 1 and self.text[self.place : self.place + 1] == "-"
            if ranged and self.text[self.place + 1 : self.place + 2] not in ("]", ""):
                self.place += 1
                last = self.escape() if (c := self.next()) == "\\" else c
                found += [chr(code) for code in range(ord(char), ord(last) + 1)]
            else:
                found += char
        kept = [c for c in PRINTABLE if (c in found) != negated]
        if not kept:
            raise self.unknown("[...]")
        return "".join(kept)

    def escape(self) -> str:
        """The characters that an escape stands for, its backslash having been read."""
        char = self.next()
        if char in SETS:
            return SETS[char]
        if not ESCAPED.fullmatch(char):
            raise self.unknown("\\" + char)
        return char

    def next(self) -> str:
        self.place += 1
        return self.text[self.place - 1]

    def accept(self, char: str) -> bool:
        """Read `char` if it comes next."""
        found = self.text[self.place : self.place + 1] == char
        self.place += found
        return found

    def unknown(self, part: str) -> ArgumentError:
        return ArgumentError(f"{self.text!r}: {part!r} cannot be generated", where="Pattern", hint=HINT)


def _times(match: re.Match[str]) -> Sequence[int]:
    """The least and the most repetitions that a quantifier allows."""
    match match[0]:
        case "?":
            return 0, 1
        case "*":
            return 0, EXTRA
        case "+":
            return 1, 1 + EXTRA
    least = int(match[1])
    return least, least if match[2] is None else int(match[3]) if match[3] else least + EXTRA
