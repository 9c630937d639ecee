"""Rules as JSON: a list of objects such as {"rule": "order", "columns": ["start", "end"]}."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genwright.constraints.rules import FixedCombinations, Formula, OneHot, Order, Pattern, Range, Rule, Sum, Unique
from genwright.errors import ArgumentError
from genwright.storage import read_json

KINDS: Mapping[str, type[Rule]] = {
    "range": Range,
    "order": Order,
    "fixed_combinations": FixedCombinations,
    "one_hot": OneHot,
    "sum": Sum,
    "formula": Formula,
    "unique": Unique,
    "pattern": Pattern,
}
NAMES = {kind: name for name, kind in KINDS.items()}
EXAMPLE = '[{"rule": "order", "columns": ["start", "end"]}]'


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """A rule as plain JSON; what was left at its default is left out.

    >>> rule_to_json(Order(["start", "end"]))
    {'rule': 'order', 'columns': ['start', 'end']}
    """
    told: dict[str, Any] = {"rule": NAMES[type(rule)]}
    for field in dataclasses.fields(rule):  # type: ignore[arg-type]
        value = getattr(rule, field.name)
        if value != field.default:
            told[field.name] = list(value) if isinstance(value, tuple) else value
    return told


def rule_from_json(told: Any, *, where: str = "constraints") -> Rule:
    """The inverse of `rule_to_json`; ArgumentError naming what is unknown or absent."""
    if not isinstance(told, dict) or not isinstance(told.get("rule"), str):
        raise ArgumentError('not an object with a "rule"', where=where, hint=f"write it like {EXAMPLE}")
    kind = KINDS.get(told["rule"])
    if kind is None:
        raise ArgumentError(f"no rule called {told['rule']!r}", where=where, hint=_close(told["rule"], tuple(KINDS)))
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    values = {name: value for name, value in told.items() if name != "rule"}
    for name in values.keys() - fields.keys():
        what = f"{told['rule']} has no {name!r}"
        raise ArgumentError(what, where=where, hint=f"it has: {', '.join(fields)}")
    for name in [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in values]:
        raise ArgumentError(f"{told['rule']} lacks {name!r}", where=where, hint=f"it has: {', '.join(fields)}")
    for name, value in values.items():
        _check(name, value, where=f"{where}, {told['rule']}")
    build: Callable[..., Rule] = kind
    return build(**values)


def rules_from_json(told: Any, *, where: str = "constraints") -> tuple[Rule, ...]:
    """A list of rules; errors say which one is wrong, counted from 1."""
    if not isinstance(told, list):
        raise ArgumentError("not a list of rules", where=where, hint=f"write it like {EXAMPLE}")
    return tuple(rule_from_json(each, where=f"{where}, rule {i}") for i, each in enumerate(told, start=1))


def read_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules in a JSON file, as `genwright inspect --json` suggests them."""
    if not Path(path).is_file():
        raise ArgumentError("no such file", where=str(path), hint=f"a JSON file such as {EXAMPLE}")
    return rules_from_json(read_json(Path(path)), where=str(path))


def _check(name: str, value: Any, *, where: str) -> None:
    """Raise unless a value has the type that all rules give to that name."""
    match name:
        case "columns" | "parts":
            good = isinstance(value, list) and all(isinstance(v, str) for v in value)
            kind = "a list of column names"
        case "low" | "high":
            good, kind = value is None or type(value) in (int, float, str), "a number, a time as text, or null"
        case "strict":
            good, kind = isinstance(value, bool), "true or false"
        case _:
            good, kind = isinstance(value, str), "text"
    if not good:
        raise ArgumentError(f"{name} is {value!r}", where=where, hint=f"{name} must be {kind}")


def _close(text: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
