"""Moving what a computed column follows from, so that it becomes a number that is given."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from genwright.constraints.grids import ordinal, rounded, scaled, step, unscaled
from genwright.constraints.reshaping import Computed, Reshaping
from genwright.constraints.rules import Formula, Sum, agrees
from genwright.data.dataset import Dataset, Number, Time

NEWTON_STEPS = 3  # one solves what is linear in the column, as products are

Target = Float[np.ndarray, " n"]


def solved(rows: Dataset, shape: Reshaping, pinned: Collection[str], wanted: Mapping[str, Target]) -> Dataset:
    """Rows whose totals and formulas are the numbers asked for (NaN: any), wherever columns not `pinned` allow it.

    All free parts of a total move in proportion, and the largest takes what rounding leaves over. For a formula the
    first free column that can alone makes up for the difference.
    """
    for computed in shape.computed:
        if computed.column in wanted and computed.column == computed.rule.names[0]:
            free = [name for name in computed.inputs if name not in pinned]
            solve = _split if isinstance(computed.rule, Sum) else _shifted
            rows = solve(rows, computed, free, wanted[computed.column])
    return shape.computed_anew(rows)


def _split(rows: Dataset, computed: Computed, free: list[str], target: Target) -> Dataset:
    """Free parts scaled so that they add up to what the others leave of the total."""
    if not free:
        return rows
    fields = [rows.field(name) for name in free]
    values = np.stack([rows.columns[name] for name in free])
    rest = target - np.sum([rows.columns[n] for n in computed.inputs if n not in free], axis=0)
    todo = ~np.isnan(rest + values.sum(axis=0))
    with np.errstate(all="ignore"):
        factor = np.nan_to_num(rest / values.sum(axis=0), posinf=0.0, neginf=0.0)
    for i, field in enumerate(fields):
        assert isinstance(field, Number)
        values[i] = np.where(todo, rounded(field, values[i] * factor), values[i])
    largest = np.abs(np.nan_to_num(values)).argmax(axis=0)
    values[largest, np.arange(len(rows))] += np.where(todo, rest - values.sum(axis=0), 0.0)
    moved = {f.name: rounded(f, v) for f, v in zip(fields, values, strict=True) if isinstance(f, Number)}
    return replace(rows, columns={**rows.columns, **moved})


def _shifted(rows: Dataset, computed: Computed, free: list[str], target: Target) -> Dataset:
    """Each row with the first of the free columns moved that can alone give the formula its value."""
    rule = computed.rule
    assert isinstance(rule, Formula)
    for name in free:
        moved = _newton(rows, rule, name, target)
        better = ~_met(rule, rows, target) & _met(rule, moved, target)
        column = np.where(better, moved.columns[name], rows.columns[name])
        rows = replace(rows, columns={**rows.columns, name: column})
    return rows


def _newton(rows: Dataset, rule: Formula, name: str, target: Target) -> Dataset:
    """Rows with one column where the formula is as asked, by Newton's method with differences for the slope."""
    field = ordinal(rows, name, rule=str(rule))
    values = scaled(field, rows.columns[name])
    width = max(step(field), 1e-3 * float(np.nanmax(np.abs(values), initial=1.0)))
    for _ in range(NEWTON_STEPS):
        now, beside = (rule.value(_with(rows, field, v)) for v in (values, values + width))
        with np.errstate(all="ignore"):
            shift = (target - now) * width / (beside - now)
        values = values + np.where(np.isfinite(shift), shift, 0.0)
    return _with(rows, field, rounded(field, values))


def _with(rows: Dataset, field: Number | Time, values: Target) -> Dataset:
    """`rows` with one column set, on the scale of `grids.scaled`."""
    return replace(rows, columns={**rows.columns, field.name: unscaled(field, values)})


def _met(rule: Formula, rows: Dataset, target: Target) -> np.ndarray:
    """Where the formula gives what is asked for."""
    value = rule.value(rows)
    return agrees(replace(rows, columns={**rows.columns, rule.column: target}), rule.column, value) & ~np.isnan(value)
