"""Rules against data, before any training: whether they make sense for it, contradict each other, or are broken."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from genwright.constraints.feasible import check_feasible
from genwright.constraints.repair import check_acyclic
from genwright.constraints.reshaping import reshaping
from genwright.constraints.rules import Rule
from genwright.data.dataset import Dataset
from genwright.errors import ArgumentError, DataError, UnsupportedError

SHOWN = 3  # rules in a message


def check_rules(data: Dataset, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules as they are. Raises ArgumentError for rules that do not fit the columns or each other, DataError where
    rows of the training or validation part break one.
    """
    if not rules:
        return ()
    if data.media is not None:
        what = f"rules are about tables, and this data is {type(data.media).__name__.lower()}s"
        raise UnsupportedError(what, where="constraints", hint="leave constraints out")
    for rule in rules:
        if not isinstance(rule, Rule):
            hint = "for example genwright.constraints.Order(['start', 'end'])"
            raise ArgumentError(f"{rule!r} is not a rule", where="constraints", hint=hint)
        rule.check(data)
    check_acyclic(rules)
    reshaping(data, rules)
    check_feasible(data, rules)
    _check_rows(data, rules)
    return tuple(rules)


def keep(data: Dataset, rules: Sequence[Rule]) -> Dataset:
    """Only the rows in which all rules hold, with a note on how many do not.

    >>> import genwright as gw
    >>> from genwright.constraints.rules import Range
    >>> wine = gw.read("wine")
    >>> kept = keep(wine, [Range("alcohol", low=12)])
    >>> len(kept), kept.notes
    (159, ('19 rows that break the rules are left out',))
    """
    good = _good(data, rules)
    if good.all():
        return data
    if not good.any():
        raise DataError("every row breaks a rule", where=data.name, hint="are they the right rules?")
    note = f"{int((~good).sum()):,} rows that break the rules are left out"
    return replace(data.take(good), notes=(*data.notes, note))


def _good(data: Dataset, rules: Sequence[Rule]) -> Bool[np.ndarray, " n"]:
    for rule in rules:
        rule.check(data)
    return np.all([np.ones(len(data), dtype=bool), *(rule.holds(data) for rule in rules)], axis=0)


def _check_rows(data: Dataset, rules: Sequence[Rule]) -> None:
    """Raise if rows of the training or validation part break a rule; the test part is not looked at."""
    index = np.sort(np.concatenate([data.split.train, data.split.valid]))
    rows, found = data.take(index), []
    for rule in rules:
        bad = np.flatnonzero(~rule.holds(rows))
        if len(bad):
            told = rule.broken(rows, int(bad[0]))
            found.append(f"row {index[bad[0]] + 1} breaks {rule}: {told}; {len(bad):,} of {len(rows):,} rows do")
    if found:
        more = f"\n  ... and {len(found) - SHOWN} more rules" if len(found) > SHOWN else ""
        hint = "correct these rows, drop the rule, or leave the rows out: constraints.keep(data, rules), --drop-broken"
        raise DataError("\n  ".join(found[:SHOWN]) + more, where=data.name, hint=hint)
