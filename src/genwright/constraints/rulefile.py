"""Rules as JSON: a list of objects such as {"rule": "order", "columns": ["start", "end"]}."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genwright.constraints.rules import FixedCombinations, Formula, OneHot, Order, Pattern, Range, Rule, Sum, Unique
from genwright.errors import ArgumentError
from genwright.storage import read_json
from genwright.typed import by_hand, entry, made, typed

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
    with by_hand(ArgumentError, hint=f"write it like {EXAMPLE}"):
        name = entry(typed(told, dict, where=where), "rule", str, where=where)
    if name not in KINDS:
        raise ArgumentError(f"no rule called {name!r:.60}", where=where, hint=_close(name, tuple(KINDS)))
    build: Callable[..., Rule] = KINDS[name]
    fields = ", ".join(field.name for field in dataclasses.fields(KINDS[name]))  # type: ignore[arg-type]
    with by_hand(ArgumentError, hint=f"{name} has: {fields}"):
        return made(build, {key: value for key, value in told.items() if key != "rule"}, where=f"{where}, {name}")


def rules_from_json(told: Any, *, where: str = "constraints") -> tuple[Rule, ...]:
    """A list of rules; errors say which one is wrong, counted from 1."""
    with by_hand(ArgumentError, hint=f"write it like {EXAMPLE}"):
        rules = typed(told, tuple, where=where)
    return tuple(rule_from_json(each, where=f"{where}, rule {i}") for i, each in enumerate(rules, start=1))


def read_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules in a JSON file, as `genwright inspect --json` suggests them."""
    with by_hand(ArgumentError, hint=f"a JSON file such as {EXAMPLE}"):
        told = read_json(Path(path))
    return rules_from_json(told, where=str(path))


def _close(text: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
