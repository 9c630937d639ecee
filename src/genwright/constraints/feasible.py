"""Whether rules can hold together at all: mixed-integer feasibility of their linear part on the grids of the columns,
and a smallest set of rules that cannot (deletion filter; Chinneck & Dravnieks 1991).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from genwright.codecs.schema import time_unit
from genwright.constraints.grids import DAY, bound, ordinal, step
from genwright.constraints.rules import Formula, Order, Range, Rule, Sum
from genwright.data.dataset import Dataset, Number, Time
from genwright.errors import ArgumentError

SECONDS = 5.0  # for one search at most; one that takes longer counts as feasible
INFEASIBLE = 2  # scipy's status
TINY = 1e-6  # what "below" means between columns without a grid, relative to the bounds


@dataclass
class _System:
    """Rows `low <= A x <= high` over the columns' values in units of their step, from their reference on."""

    data: Dataset
    columns: list[str]
    entries: list[dict[str, float]] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fields = {name: ordinal(self.data, name, rule=name) for name in self.columns}
        self.units = {name: step(f) or 1.0 for name, f in self.fields.items()}
        # Times start at the first one known, so that the solver works with small numbers.
        self.origins = {name: _origin(self.data, name) for name in self.columns}

    def add(self, coefficients: Mapping[str, float], low: float, high: float) -> None:
        """One row in the scale of `grids.scaled`."""
        shift = sum(c * self.origins[name] for name, c in coefficients.items())
        self.entries.append({name: c * self.units[name] for name, c in coefficients.items()})
        self.limits.append((low - shift, high - shift))

    def solve(self) -> np.ndarray | None:
        """A point that fits, in the scale of `grids.scaled`, or None where there is none."""
        places = {name: i for i, name in enumerate(self.columns)}
        rows, columns, values = [], [], []
        for i, entry in enumerate(self.entries):
            size = max(map(abs, entry.values()), default=1.0) or 1.0
            self.limits[i] = (self.limits[i][0] / size, self.limits[i][1] / size)
            rows += [i] * len(entry)
            columns += [places[name] for name in entry]
            values += [c / size for c in entry.values()]
        matrix = csr_array((values, (rows, columns)), shape=(len(self.entries), len(self.columns)))
        lows, highs = np.array(self.limits).T
        whole = np.array([_is_even(f) for f in self.fields.values()], dtype=int)
        found = milp(
            np.zeros(len(self.columns)),
            integrality=whole,
            bounds=Bounds(-np.inf, np.inf),
            constraints=LinearConstraint(matrix, lows, highs),
            options={"time_limit": SECONDS},
        )
        if found.x is None:
            return None if found.status == INFEASIBLE else np.full(len(self.columns), np.nan)
        x = np.where(whole == 1, np.rint(found.x), found.x)
        return x * np.array(list(self.units.values())) + np.array(list(self.origins.values()))


def point(data: Dataset, rules: Sequence[Rule]) -> dict[str, float] | None:
    """Values, in the scale of `grids.scaled`, with which all ranges, orders, sums and linear formulas hold; None if
    there are none. Only the fields of `data` are used, not its rows. NaN where the search took too long.
    """
    linear = [r for r in rules if isinstance(r, Range | Order | Sum) or _is_linear(r)]
    columns = list(dict.fromkeys(name for rule in linear for name in rule.names))
    if not columns:
        return {}
    system = _System(data, columns)
    for rule in linear:
        _add(system, rule)
    found = system.solve()
    return None if found is None else dict(zip(columns, found.tolist(), strict=True))


def check_feasible(data: Dataset, rules: Sequence[Rule]) -> None:
    """Raise ArgumentError naming a smallest set of rules that no row can keep, if there is one."""
    if point(data, rules) is not None:
        return
    needed = list(rules)
    for rule in rules:
        without = [r for r in needed if r is not rule]
        if point(data, without) is None:
            needed = without
    what = f"{'this rule' if len(needed) == 1 else f'these {len(needed)} rules'} cannot hold in any row"
    raise ArgumentError(
        f"{what}: {', '.join(map(str, needed))}", where="constraints", hint="drop or change one of them"
    )


def _is_even(field: Number | Time) -> bool:
    """Whether all neighbouring values are equally far apart, as they are not in months and years."""
    return step(field) > 0 and not (isinstance(field, Time) and time_unit(field.format) in "MY")


def _is_linear(rule: Rule) -> bool:
    return isinstance(rule, Formula) and rule.parsed.linear is not None


def _add(system: _System, rule: Rule) -> None:
    match rule:
        case Range(column=column):
            low, high = rule.bounds(system.data)
            system.add({column: 1.0}, low, high)
        case Order(columns=columns, strict=strict):
            for a, b in itertools.pairwise(columns):
                system.add({b: 1.0, a: -1.0}, _gap(system, a, b) if strict else 0.0, np.inf)
        case Sum(total=total, parts=parts):
            _add_equality(system, total, dict.fromkeys(parts, 1.0), 0.0)
        case Formula(column=column):
            form = rule.parsed.linear
            assert form is not None
            _add_equality(system, column, form[0], form[1])


def _add_equality(system: _System, column: str, coefficients: Mapping[str, float], constant: float) -> None:
    """column = the linear form, to half a step of the column."""
    days = {n: c / DAY if isinstance(system.fields[n], Time) else c for n, c in coefficients.items()}
    half = step(system.fields[column]) / 2
    system.add({column: 1.0} | {name: -c for name, c in days.items()}, constant - half, constant + half)


def _gap(system: _System, a: str, b: str) -> float:
    """The least distance of different values in two columns; the steps of decimals and times are nested."""
    steps = [s for s in (step(system.fields[a]), step(system.fields[b])) if s]
    if len(steps) == 2:
        return min(steps)
    sizes = [abs(x) for low, high in system.limits for x in (low, high) if np.isfinite(x)]
    return TINY * max([1.0, *sizes])


def _origin(data: Dataset, name: str) -> float:
    """The first moment of a time column on its own grid; 0 for numbers."""
    field = data.field(name)
    if not isinstance(field, Time) or not field.low:
        return 0.0
    return bound(field, field.low, rule=name)
