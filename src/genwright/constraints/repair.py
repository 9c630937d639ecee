"""Moving rows so that rules hold, for what is left when drawing again did not help."""

import graphlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from genwright.codecs.schema import from_numbers, grid_scale, to_numbers
from genwright.constraints.grids import above, below, ceil, extent, floor, ordinal, rounded, scaled, unscaled
from genwright.constraints.reshaping import Reshaping
from genwright.constraints.rules import Order, Range, Rule, Unique
from genwright.data.dataset import Dataset, Field, Identifier, Number, Time
from genwright.data.split import row_keys
from genwright.errors import ArgumentError

PULLS = (0.25, 0.5, 0.75, 0.9, 1.0)  # shares of the way to a row that keeps the rules
FAR = 2.0**62  # the place of a missing value, beyond all others

Values = Float[np.ndarray, " n"]
Index = Int[np.ndarray, " k"]
Place = tuple[bytes, int]


def check_acyclic(rules: Sequence[Rule]) -> None:
    """Raise ArgumentError where orders lead in a circle."""
    try:
        _sorted(_edges(rules))
    except graphlib.CycleError as error:
        circle = " <= ".join(error.args[1])
        hint = "drop one of the orders; for equal columns use Formula"
        raise ArgumentError(f"orders lead in a circle: {circle}", where="constraints", hint=hint) from None


def into_bounds(data: Dataset, rules: Sequence[Rule], *, fixed: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Columns moved so that all ranges and orders hold, wherever that is possible with the `fixed` columns as they are.

    Values out of order are sorted first. Then every value goes to the nearest one between the tightest bounds that
    the ranges and orders leave it: with bounds made consistent backwards along the orders, and values set forwards,
    that never fails where the rules are feasible (difference constraints; Dechter, Meiri & Pearl 1991, thm 3.2).
    """
    edges = _edges(rules)
    names = list(dict.fromkeys(n for r in rules if isinstance(r, Range | Order) for n in r.names))
    fields = {name: ordinal(data, name, rule=name) for name in names}
    values = {name: scaled(fields[name], data.columns[name]) for name in names}
    _sort(values, rules, fields, fixed)
    lows, highs = _ranges(data, rules, fields, values, fixed)
    chain = [n for n in _sorted(edges) if n in fields] + [n for n in names if not any(n in e[:2] for e in edges)]
    for b in reversed(chain):
        for a in [a for a, to, _ in edges if to == b]:
            strict = any(s for x, y, s in edges if (x, y) == (a, b))
            limit = below(fields[a], highs[b]) if strict else floor(fields[a], highs[b])
            highs[a] = np.where(np.isnan(values[b]), highs[a], np.minimum(highs[a], limit))
    for b in chain:
        for a, to, strict in edges:
            if to == b:
                limit = above(fields[b], values[a]) if strict else ceil(fields[b], values[a])
                lows[b] = np.fmax(lows[b], limit)
        values[b] = np.where(np.isnan(values[b]), np.nan, np.minimum(np.maximum(values[b], lows[b]), highs[b]))
    return {name: unscaled(fields[name], values[name]) for name in names if name not in fixed}


def _edges(rules: Sequence[Rule]) -> list[tuple[str, str, bool]]:
    """(a, b, strict) for every two columns in order; not only neighbours, since one between may be missing."""
    orders = [r for r in rules if isinstance(r, Order)]
    return [(a, b, rule.strict) for rule in orders for a, b in itertools.combinations(rule.columns, 2)]


def _sorted(edges: Sequence[tuple[str, str, bool]]) -> list[str]:
    graph = graphlib.TopologicalSorter[str]()
    for a, b, _ in edges:
        graph.add(b, a)
    return list(graph.static_order())


def _sort(
    values: dict[str, Values], rules: Sequence[Rule], fields: Mapping[str, Field], fixed: Collection[str]
) -> None:
    """Exchange values that are out of order, where all columns of a rule are free, filled and on one grid."""
    for rule in rules:
        if not isinstance(rule, Order) or not set(rule.columns).isdisjoint(fixed):
            continue
        grids = {_grid(fields[name]) for name in rule.columns}
        stacked = np.stack([values[name] for name in rule.columns])
        if len(grids) == 1:
            whole = ~np.isnan(stacked).any(axis=0)
            stacked[:, whole] = np.sort(stacked[:, whole], axis=0)
            values.update(zip(rule.columns, stacked, strict=True))


def _grid(field: Field) -> object:
    return field.decimals if isinstance(field, Number) else getattr(field, "format", None)


def _ranges(
    data: Dataset,
    rules: Sequence[Rule],
    fields: Mapping[str, Number | Time],
    values: Mapping[str, Values],
    fixed: Collection[str],
) -> tuple[dict[str, Values], dict[str, Values]]:
    """Lower and upper bounds of every value, on its grid: its ranges, or itself where it is fixed."""
    n = len(data)
    lows, highs = ({name: np.full(n, end) for name in fields} for end in (-np.inf, np.inf))
    for rule in rules:
        if isinstance(rule, Range):
            low, high = (np.full(n, end) for end in rule.bounds(data))
            field = fields[rule.column]
            lows[rule.column] = np.maximum(lows[rule.column], ceil(field, low))
            highs[rule.column] = np.minimum(highs[rule.column], floor(field, high))
    for name in fields.keys() & set(fixed):
        lows[name], highs[name] = (np.where(np.isnan(values[name]), end[name], values[name]) for end in (lows, highs))
    return lows, highs


def pulled(
    rows: Dataset,
    anchors: Dataset,
    *,
    pinned: Collection[str],
    kept: Collection[str],
    shape: Reshaping,
    holds: Callable[[Dataset, Index], Bool[np.ndarray, " n"]],
) -> Dataset:
    """Each row moved towards its anchor, which keeps the rules, by the least of PULLS with which it keeps them too.

    Numbers and times that are not `pinned` move; in the last step all columns that are not `kept` become the anchor's.
    """
    done = np.zeros(len(rows), dtype=bool)
    for pull in PULLS:
        todo = np.flatnonzero(~done)
        names = [f.name for f in rows.fields if f.name not in (kept if pull == 1 else pinned)]
        moved = shape.computed_anew(_between(rows.take(todo), anchors.take(todo), names, pull))
        fine = np.flatnonzero(holds(moved, todo))
        columns = {name: column.copy() for name, column in rows.columns.items()}
        for name, column in columns.items():
            column[todo[fine]] = moved.columns[name][fine]
        rows = replace(rows, columns=columns)
        done[todo[fine]] = True
        if done.all():
            break
    return rows


def _between(rows: Dataset, anchors: Dataset, names: Sequence[str], share: float) -> Dataset:
    """The rows with named columns a share of the way to the anchors; texts only at the end of it."""
    columns = dict(rows.columns)
    for name in names:
        field = rows.field(name)
        if share == 1:
            columns[name] = columns[name] if isinstance(field, Identifier) else anchors.columns[name]
        elif isinstance(field, Number | Time):
            x, a = (scaled(field, d.columns[name]) for d in (rows, anchors))
            columns[name] = unscaled(field, rounded(field, np.where(np.isnan(a), x, x + share * (a - x))))
    return replace(rows, columns=columns)


def apart(rows: Dataset, rule: Unique, bounds: Sequence[Rule], *, pinned: Collection[str]) -> Dataset:
    """Rows that repeat an earlier one moved to the nearest free value of the rule's last number or time column.

    Free values are looked for within the column's range in the training data and its ranges among the rules; where
    there are none, the row stays as it is.
    """
    free = [n for n in rule.columns if n not in pinned and isinstance(rows.field(n), Number | Time)]
    repeats = np.flatnonzero(~rule.holds(rows))
    if not free or not len(repeats):
        return rows
    name = free[-1]
    field = ordinal(rows, name, rule=str(rule))
    values = _places(field, rows.columns[name])
    others = {n: rows.columns[n] for n in rule.columns if n != name}
    groups = row_keys(others).tolist() if others else [b""] * len(rows)
    low, high = (_places(field, _ends(rows, field, bounds)[[side]])[0] for side in (0, 1))
    used = set(zip(groups, values.tolist(), strict=True))
    paths: tuple[dict[Place, int], dict[Place, int]] = ({}, {})
    for i in repeats.tolist():
        value = int(values[i])
        nearest = [_next(used, path, groups[i], value, step) for path, step in zip(paths, (1, -1), strict=True)]
        fits = [(abs(v - value), v) for v in nearest if low <= v <= high]
        if fits:
            values[i] = min(fits)[1]
            used.add((groups[i], min(fits)[1]))
    return replace(rows, columns={**rows.columns, name: _from_places(field, values)})


def _next(used: set[Place], path: dict[Place, int], group: bytes, value: int, step: int) -> int:
    """The first value from `value` on that is not used in a group; `path` shortens later searches."""
    passed = []
    while (group, value) in used:
        passed.append((group, value))
        value = path.get((group, value), value + step)
    path.update(dict.fromkeys(passed, value))
    return value


def _places(field: Number | Time, column: np.ndarray) -> np.ndarray:
    """Values as whole numbers, neighbours differing by 1: steps of the grid, or of floating point where there is none.
    Missing values are far away from all others."""
    if grid_scale(field) is not None:
        return np.nan_to_num(to_numbers(field, column), nan=FAR, posinf=FAR / 2, neginf=-FAR / 2).astype(np.int64)
    bits = (column.astype(np.float64) + 0.0).view(np.int64)
    return np.where(np.isnan(column), int(FAR), np.where(bits < 0, np.iinfo(np.int64).min - bits, bits))


def _from_places(field: Number | Time, places: np.ndarray) -> np.ndarray:
    """The inverse of `_places`."""
    if grid_scale(field) is not None:
        return from_numbers(field, np.where(places == FAR, np.nan, places.astype(np.float64)))
    bits = np.where(places < 0, np.iinfo(np.int64).min - places, places)
    return np.where(places == FAR, np.nan, bits.view(np.float64))


def _ends(rows: Dataset, field: Number | Time, bounds: Sequence[Rule]) -> np.ndarray:
    """The least and the greatest value that a column may take, as a column of two."""
    low, high = (float(scaled(field, end)[0]) for end in extent(field))
    for rule in bounds:
        if isinstance(rule, Range) and rule.column == field.name:
            least, most = rule.bounds(rows)
            low, high = max(low, least), min(high, most)
    return unscaled(field, np.array([float(ceil(field, np.array([low]))[0]), float(floor(field, np.array([high]))[0])]))
