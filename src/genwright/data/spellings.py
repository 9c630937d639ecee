"""One value however it is spelled: True, 1, 1.0, "true" and "yes" say the same, and so do 7 and 7.0."""

from collections.abc import Callable, Collection, Hashable
from decimal import Decimal
from typing import Any

WORDS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("off", "on"))
TRUTHS = {word: bool(k) for pair in WORDS for k, word in enumerate(pair)}


def truth(value: Any) -> bool | None:
    """What a value says as a truth value; None where it says neither yes nor no.

    >>> truth("Yes"), truth(0.0), truth("1.0"), truth("maybe"), truth(2)
    (True, False, True, None, None)
    """
    word = str(value).strip().lower()
    number = _number(word)
    return TRUTHS.get(word, bool(number) if number in (0, 1) else None)


def are_truths(texts: Collection[str]) -> bool:
    """Whether texts are the words of one pair, such as yes and no, in whatever case."""
    words = {text.lower() for text in texts}
    return bool(words) and any(words <= set(pair) for pair in WORDS)


def level_finder(levels: Collection[str], dtype: str) -> Callable[[Any], str]:
    """A function from a value to the one of `levels` that it means, else to its own text.

    Levels are matched by their text first; those of numbers and truth values (see `Category.dtype`) by value too.

    >>> find = level_finder(("no", "yes"), "bool")
    >>> find(True), find("YES"), find(0.0), find("perhaps")
    ('yes', 'yes', 'no', 'perhaps')
    """
    known = set(levels)
    binary = dtype == "bool" or all(truth(level) is not None for level in levels)
    meant: dict[Hashable, str] = {}
    for level in levels:
        for meaning in _meanings(level, dtype, binary):
            meant.setdefault(meaning, level)

    def find(value: Any) -> str:
        text = str(value)
        return text if text in known else next((meant[m] for m in _meanings(value, dtype, binary) if m in meant), text)

    return find


def _meanings(value: Any, dtype: str, binary: bool) -> list[Hashable]:
    """What a value stands for among levels of a type, the closest first."""
    if dtype == "str":
        return []
    said = truth(value) if binary else None
    if dtype == "bool":
        return [str(value).lower(), *([] if said is None else [said])]
    number = _number(value if said is None else said)
    return [] if number is None else [number]


def _number(value: Any) -> Decimal | None:
    """The number that is meant, exactly: floats do not tell whole numbers beyond 2**53 apart."""
    try:
        number = Decimal(value if isinstance(value, int) else str(value))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None
