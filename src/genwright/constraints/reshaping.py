"""Rules that hold by construction: columns that follow from others are left out of the model and put back afterwards.

Columns of fixed combinations, one-hot groups included, become one category; sums and formulas are computed; patterns
are generated. What the model sees is the *inner* Dataset, what the user sees the *outer* one.
"""

import graphlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from genwright.codecs.schema import from_numbers, grid_scale, to_numbers
from genwright.constraints.rules import FixedCombinations, Formula, OneHot, Pattern, Rule, Sum, Unique
from genwright.data.dataset import Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.regex import draw, parse
from genwright.errors import ArgumentError

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Joint:
    """Columns that are one category inside: each level is the JSON list of a combination of values."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the category inside."""
        return " + ".join(self.columns)

    def combined(self, data: Dataset) -> np.ndarray:
        """The level of each row."""
        codes, tables = [], []
        for name in self.columns:
            code, values = pd.factorize(_texts(data.field(name), data.columns[name]))
            codes.append(code)
            tables.append([*values.tolist(), None])
        pairs, inverse = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
        levels = np.empty(len(pairs), dtype=object)
        levels[:] = [json.dumps([t[i] for t, i in zip(tables, pair, strict=True)]) for pair in pairs.tolist()]
        return levels[inverse.reshape(-1)]

    def parted(self, column: np.ndarray, fields: Mapping[str, Field]) -> dict[str, np.ndarray]:
        """The columns of a category inside."""
        codes, levels = pd.factorize(column)
        members = [json.loads(level) for level in levels]
        return {
            name: _values(fields[name], [member[i] for member in members])[codes] for i, name in enumerate(self.columns)
        }


@dataclass(frozen=True)
class Computed:
    """A number column that follows from others: by `rule`, or by solving a Sum for one of its parts."""

    column: str
    rule: Sum | Formula

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that it follows from."""
        return tuple(name for name in self.rule.names if name != self.column)

    def value(self, outer: Dataset) -> np.ndarray:
        """The column, rounded to its own decimals; missing where an input is, or where there is no finite value."""
        if isinstance(self.rule, Formula) or self.rule.total == self.column:
            value = self.rule.value(outer)
        else:
            others = [outer.columns[part] for part in self.rule.parts if part != self.column]
            value = outer.columns[self.rule.total] - np.sum(np.stack(others), axis=0)
        field = outer.field(self.column)
        assert isinstance(field, Number)
        scale = grid_scale(field)
        return value if scale is None else np.rint(value * scale) / scale + 0.0  # no negative zero


@dataclass(frozen=True)
class Reshaping:
    """The outer `fields`, and how the inner ones come from them. `computed` is in the order of computation."""

    fields: tuple[Field, ...]
    label: str | None
    joints: tuple[Joint, ...]
    computed: tuple[Computed, ...]
    patterns: tuple[Pattern, ...]
    distinct: frozenset[str]  # of the columns with patterns, those whose values are never repeated

    @property
    def by_name(self) -> dict[str, Field]:
        """The outer fields."""
        return {field.name: field for field in self.fields}

    @property
    def absent(self) -> frozenset[str]:
        """The outer columns that the model does not see as such."""
        joined = [name for joint in self.joints for name in joint.columns]
        return frozenset([*joined, *(c.column for c in self.computed), *(p.column for p in self.patterns)])

    def inner(self, data: Dataset) -> Dataset:
        """What the model sees of outer rows; the parts of the split stay as they are."""
        fields, columns = list[Field](), dict[str, np.ndarray]()
        firsts = {joint.columns[0]: joint for joint in self.joints}
        for field in data.fields:
            if field.name in firsts:
                joint = firsts[field.name]
                column = joint.combined(data)
                columns[joint.name] = column
                fields.append(Category(joint.name, tuple(sorted(set(column)))))
            elif field.name not in self.absent:
                fields.append(field)
                columns[field.name] = data.columns[field.name]
        label = data.label if data.label in columns else None
        return replace(data, fields=tuple(fields), columns=columns, label=label, fixed_split=None)

    def outer(self, inner: Dataset) -> Dataset:
        """Rows as the user sees them: combinations taken apart, dependent columns computed, patterns still missing."""
        fields, columns = self.by_name, dict(inner.columns)
        for joint in self.joints:
            columns |= joint.parted(columns.pop(joint.name), fields)
        for pattern in self.patterns:
            columns[pattern.column] = np.full(len(inner), None, dtype=object)
        for computed in self.computed:
            columns[computed.column] = np.full(len(inner), np.nan)
        outer = Dataset(self.fields, {name: columns[name] for name in fields}, name=inner.name, label=self.label)
        return self.computed_anew(outer)

    def computed_anew(self, outer: Dataset) -> Dataset:
        """Outer rows with their dependent columns computed from the others."""
        columns = dict(outer.columns)
        for computed in self.computed:
            columns[computed.column] = computed.value(replace(outer, columns=columns))
        return replace(outer, columns=columns)

    def with_patterns(self, outer: Dataset, *, rng: np.random.Generator) -> Dataset:
        """Outer rows with new texts in the columns that have a pattern."""
        columns = dict(outer.columns)
        for pattern in self.patterns:
            node = parse(pattern.regex)
            found = draw(node, len(outer), distinct=pattern.column in self.distinct, rng=rng)
            if found is None:
                what = f"{len(outer):,} different values are asked for, but there are {node.size:,} at most"
                raise ArgumentError(what, where=str(pattern), hint="ask for fewer rows, or allow longer texts")
            columns[pattern.column] = found
        return replace(outer, columns=columns)


def reshaping(data: Dataset, rules: Sequence[Rule]) -> Reshaping:
    """How `rules` reshape `data`, of which only the fields are used. Raises ArgumentError for rules that fix one
    column twice, or in a circle.
    """
    joints = _joints(rules)
    patterns = tuple(rule for rule in rules if isinstance(rule, Pattern))
    unique = {name for rule in rules if isinstance(rule, Unique) for name in rule.columns}
    ids = {p.column for p in patterns if p.column in unique or isinstance(data.field(p.column), Identifier)}
    taken = {name: joint for joint in joints for name in joint.columns}
    for pattern in patterns:
        others = [r for r in rules if r is not pattern and pattern.column in r.names and not isinstance(r, Unique)]
        if others:
            raise _conflict(pattern.column, (pattern, others[0]))
    computed = _computed(data, [r for r in rules if isinstance(r, Sum | Formula)], taken)
    return Reshaping(data.fields, data.label, joints, computed, patterns, frozenset(ids))


def _joints(rules: Sequence[Rule]) -> tuple[Joint, ...]:
    """Combinations, those that share a column as one: what was seen of the whole was seen of its parts."""
    groups: list[list[str]] = []
    for rule in rules:
        if isinstance(rule, FixedCombinations | OneHot):
            touching = [g for g in groups if not set(g).isdisjoint(rule.columns)]
            merged = list(dict.fromkeys(name for g in [*touching, list(rule.columns)] for name in g))
            groups = [g for g in groups if g not in touching] + [merged]
    return tuple(Joint(tuple(group)) for group in groups)


def _computed(data: Dataset, rules: Sequence[Sum | Formula], taken: Mapping[str, Joint]) -> tuple[Computed, ...]:
    """A column for each rule to compute, so that none is computed twice or from itself, in order of computation."""
    chosen: dict[str, Computed] = {}
    for rule in rules:
        joint = taken.get(rule.names[0])
        if joint is not None and set(rule.names) <= set(joint.columns):
            continue  # combinations that were seen keep the rule already
        found = next((c for c in _candidates(data, rule) if _fits(c, chosen, taken)), None)
        if found is None:
            rival = chosen.get(rule.names[0])
            raise _conflict(rule.names[0], (rule, rival.rule) if rival else (rule,))
        chosen[found.column] = found
    return tuple(chosen[name] for name in _order(chosen) if name in chosen)


def _candidates(data: Dataset, rule: Sum | Formula) -> list[Computed]:
    """What a rule can compute: the total or column; of a sum also any part with all the decimals that it needs."""
    if isinstance(rule, Formula):
        return [Computed(rule.column, rule)]
    scales = {name: _scale(data.field(name)) for name in rule.names}
    parts = [p for p in reversed(rule.parts) if scales[p] >= max(scales.values())]
    return [Computed(name, rule) for name in (rule.total, *parts)]


def _scale(field: Field) -> float:
    assert isinstance(field, Number | Time)
    return grid_scale(field) or np.inf


def _fits(new: Computed, chosen: Mapping[str, Computed], taken: Mapping[str, Joint]) -> bool:
    """Whether a column is free to be computed, and no circle arises."""
    if new.column in chosen or new.column in taken:
        return False
    try:
        _order({**chosen, new.column: new})
    except graphlib.CycleError:
        return False
    return True


def _order(chosen: Mapping[str, Computed]) -> list[str]:
    return list(graphlib.TopologicalSorter({c.column: c.inputs for c in chosen.values()}).static_order())


def _conflict(column: str, rules: Sequence[Rule]) -> ArgumentError:
    what = f"{column!r} would be fixed by more than one rule: {', '.join(map(str, rules))}"
    return ArgumentError(what, where="constraints", hint="drop one of the rules that determine it")


def _texts(field: Field, column: np.ndarray) -> np.ndarray:
    """Values as JSON has them: texts, numbers in whole steps, None where missing."""
    if isinstance(field, Number | Time):
        numbers = to_numbers(field, column) + 0.0
        texts = numbers.astype(object)
        texts[np.isnan(numbers)] = None
        return texts
    return column


def _values(field: Field, members: list) -> np.ndarray:
    """The inverse of `_texts`."""
    if isinstance(field, Number | Time):
        return from_numbers(field, np.array([np.nan if m is None else m for m in members], dtype=np.float64))
    assert isinstance(field, Category | Constant)
    values = np.empty(len(members), dtype=object)
    values[:] = members
    return values
