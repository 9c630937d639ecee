"""Children: the rows that belong to a row of another table, drawn in order, each given the parent and those before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int

from genwright.codecs.conditioned import conditioned
from genwright.data.dataset import Dataset, Field, Number
from genwright.model.generator import Generator
from genwright.randomness import seeded
from genwright.relational.database import Database
from genwright.relational.layout import Clock, Layout, own_rows, sibling_order, taken
from genwright.spaces import Encoded

SIBLINGS, POSITION, NOW = "@siblings", "@position", "@now"  # context: how many, which one, what the clock says
PARENT, PREVIOUS, MEAN = "@parent: ", "@previous: ", "@mean: "  # context: columns of the parent and of earlier siblings


def history(layout: Layout, fields: Sequence[Field]) -> list[Field]:
    """What a row knows of its earlier siblings: the last one, and the means of the numbers of all of them.

    Only of the table's own fields: every column more costs precision of those that matter, where rows are few.
    """
    own = {f.name for f in layout.scalars}
    known = [f for f in fields if f.name in own]
    return [
        *(replace(f, name=PREVIOUS + f.name) for f in known),
        *(Number(MEAN + f.name) for f in known if isinstance(f, Number)),
    ]


def context_fields(layout: Layout, fields: Sequence[Field]) -> tuple[Field, ...]:
    """The columns beside each row: its parent, its place among its siblings, the time so far, earlier siblings."""
    parent = [replace(f, name=PARENT + f.name) for f in layout.beside]
    now = [Number(NOW, 0)] if layout.clock is not None else []
    return (*parent, Number(SIBLINGS, 0), Number(POSITION, 0), *now, *history(layout, fields))


def training_rows(database: Database, layout: Layout, clock: Clock) -> tuple[Dataset, Int[np.ndarray, " n"]]:
    """Rows with their context, in order, and which row of the table each is."""
    assert layout.parent is not None
    parents = database.parent_rows(layout.parent)
    order, group, place = sibling_order(database, layout, parents)
    parents, first = parents[order], np.flatnonzero(place == 0)
    own = own_rows(database, layout)
    columns = {name: column[order] for name, column in own.columns.items()}
    origins = {f.name: taken(_parent_column(database, layout, f), parents) for f in layout.beside}
    now = _readings(layout, clock, columns, origins, place)
    columns |= clock.passed(columns, now)
    fields = clock.fields(own.fields)
    before = np.where(place > 0, np.arange(len(place)) - 1, -1)
    siblings = np.bincount(group)[group].astype(np.float64)
    beside = {PARENT + name: column for name, column in origins.items()}
    beside |= {SIBLINGS: siblings, POSITION: place.astype(np.float64), NOW: now}
    for field in history(layout, fields):
        if field.name.startswith(MEAN):
            beside[field.name] = _means(columns[field.name.removeprefix(MEAN)], first[group])
        else:
            beside[field.name] = taken(columns[field.name.removeprefix(PREVIOUS)], before)
    return Dataset((*fields, *context_fields(layout, fields)), {**columns, **beside}, layout.table), order


def _parent_column(database: Database, layout: Layout, field: Field) -> np.ndarray:
    assert layout.parent is not None
    return database.tables[layout.parent.parent].columns[field.name]


def _readings(
    layout: Layout,
    clock: Clock,
    columns: Mapping[str, np.ndarray],
    origins: Mapping[str, np.ndarray],
    place: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """What the clock says before each row: the last known time of an earlier sibling, else where it started."""
    before = clock.origins(origins, len(place))
    if layout.clock is None:
        return before
    gaps = clock.passed(columns, np.zeros(len(place)))[layout.clock]  # since zero: the times themselves
    last = np.where(np.isnan(gaps), -1, np.arange(len(place)))
    last = np.maximum.accumulate(np.concatenate([[-1], last[:-1]]))  # the last row before this one with a time
    same = last >= np.arange(len(place)) - place
    return np.where(same & (last >= 0), gaps[last], before)


def _means(column: Float[np.ndarray, " n"], first: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The mean of the present values from row `first` up to the row before; missing where there are none."""
    known = ~np.isnan(column)
    shift = np.nanmean(column) if known.any() else 0.0  # keeps the sums small, and so their differences exact
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, column - shift, 0.0))])
    many = np.concatenate([[0], np.cumsum(known)])
    rows = np.arange(len(column))
    with np.errstate(invalid="ignore"):
        return (sums[rows] - sums[first]) / (many[rows] - many[first]) + shift


@dataclass
class Siblings:
    """What is known of the children drawn so far, one entry per parent; changed as they are drawn."""

    now: Float[np.ndarray, " parents"]
    last: dict[str, np.ndarray]
    sums: dict[str, np.ndarray]
    many: dict[str, np.ndarray]

    @classmethod
    def none(cls, layout: Layout, fields: Sequence[Field], now: Float[np.ndarray, " parents"]) -> "Siblings":
        """Before the first child."""
        n = len(now)
        known = history(layout, fields)
        averaged = [f.name.removeprefix(MEAN) for f in known if f.name.startswith(MEAN)]
        empty = {"Number": np.full(n, np.nan), "Time": np.full(n, np.datetime64("NaT", "us"))}
        own = [f for f in fields if any(f.name == each.name for each in layout.scalars)]
        last = {f.name: empty.get(type(f).__name__, np.full(n, None)).copy() for f in own}
        return cls(now, last, {k: np.zeros(n) for k in averaged}, {k: np.zeros(n) for k in averaged})

    def context(self, rows: Int[np.ndarray, " n"]) -> dict[str, np.ndarray]:
        """History columns of the parents at `rows`."""
        found = {PREVIOUS + name: column[rows] for name, column in self.last.items()}
        with np.errstate(invalid="ignore"):
            found |= {MEAN + name: total[rows] / self.many[name][rows] for name, total in self.sums.items()}
        return {NOW: self.now[rows], **found}

    def add(self, rows: Int[np.ndarray, " n"], drawn: Mapping[str, np.ndarray]) -> None:
        """Take in one child of each of the parents at `rows`."""
        for name, column in self.last.items():
            column[rows] = drawn[name]
        for name in self.sums:
            self.sums[name][rows] += np.nan_to_num(drawn[name])
            self.many[name][rows] += ~np.isnan(drawn[name])


def draw_children(
    model: Generator | None,
    layout: Layout,
    clock: Clock,
    parents: Mapping[str, np.ndarray],
    many: Int[np.ndarray, " parents"],
    *,
    seed: int,
) -> tuple[dict[str, np.ndarray], Int[np.ndarray, " n"]]:
    """`many` children for each row of `parents`: their columns, and the row of the parent of each, siblings together.

    All first children are drawn at once, then all second ones, and so on.
    """
    owner = np.repeat(np.arange(len(many)), many)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(many) - many, many)
    if model is None or not len(owner):
        return {}, owner
    codec = conditioned(model.codec)
    fields = codec.rows.fields
    siblings = Siblings.none(layout, fields, clock.origins(parents, len(many)))
    rng = torch.Generator().manual_seed(seed)
    parts: list[dict[str, np.ndarray]] = []
    rows_of: list[np.ndarray] = []
    for position in range(int(many.max())):
        rows = np.flatnonzero(many > position)
        beside = {PARENT + f.name: parents[f.name][rows] for f in layout.beside}
        beside |= {SIBLINGS: many[rows].astype(np.float64), POSITION: np.full(len(rows), float(position))}
        drawn = _draw(model, Dataset(codec.beside.fields, beside | siblings.context(rows)), rng)
        times, now = clock.told(drawn, siblings.now[rows])
        siblings.add(rows, drawn)
        siblings.now[rows] = now
        parts.append(drawn | times)
        rows_of.append(rows)
    at = np.argsort(np.concatenate(rows_of), kind="stable")  # by parent; positions are in order already
    assert (place == np.concatenate([np.full(len(r), p) for p, r in enumerate(rows_of)])[at]).all()
    return {name: np.concatenate([part[name] for part in parts])[at] for name in parts[0]}, owner


def _draw(model: Generator, beside: Dataset, rng: torch.Generator) -> dict[str, np.ndarray]:
    """One row for each row of context."""
    codec = conditioned(model.codec)
    given = codec.encode_context(beside, rng=rng)
    with seeded(int(torch.randint(2**31, (1,), generator=rng))):
        x = model.family.sample(model.net, len(beside), given=given, rng=rng)
    return dict(codec.decode(Encoded(codec.space.pack(x)), rng=rng).columns)
