"""Whether a generator of databases that was read fits itself: its layouts each other, and its models their layouts."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from genwright.codecs.conditioned import conditioned
from genwright.data.dataset import Category, Constant, Field, Identifier, Number, Time
from genwright.model.generator import Generator
from genwright.relational.children import context_fields
from genwright.relational.distinct import is_whole
from genwright.relational.layout import Clock, Layout, count_name, link_name
from genwright.typed import require

if TYPE_CHECKING:
    from genwright.relational.generator import DatabaseGenerator

LATEST = 2**62  # of starts, in units of their time's format
Kinds = dict[str, type[Field]]


def check_sound(made: "DatabaseGenerator") -> None:
    """Raise ArgumentError unless samples can be drawn from what was read."""
    layouts = {layout.table: layout for layout in made.layouts}
    require(len(layouts) == len(made.layouts), "two layouts of one table")
    told = (set(made.tables), set(made.sizes), set(made.starts))
    require(all(tables == set(layouts) for tables in told) and len(made.tables) == len(layouts), "other tables")
    require(min(made.sizes.values(), default=0) >= 0, "tables of less than no rows")
    require(all(abs(start) < LATEST for start in made.starts.values()), "no such time")
    require(made.kept.keys() <= layouts.keys() and made.keys.keys() <= layouts.keys(), "tables that are not there")
    for table, key in made.keys.items():
        known = set(made.kept[table].columns if table in made.kept else _kinds(layouts[table].fields))
        require(key in known, f"{table} has no column {key!r:.60}")
    for foreign in made.foreign:
        there = foreign.table in layouts and foreign.column in _kinds(layouts[foreign.table].fields)
        require(there and foreign.parent in made.keys, "a foreign key of nothing")
    seen: dict[str, Layout] = {}
    for layout in made.layouts:
        if layout.table not in made.kept:
            _check_layout(made, layout, seen, layouts)
            _check_model(made.models[layout.table], layout)
        else:
            drawn = layout.parent or layout.links or layout.counted or layout.scalars
            require(not drawn and made.models[layout.table] is None, f"{layout.table} is kept and made anew")
        seen[layout.table] = layout
    _check_unique(made, layouts)


def _check_layout(
    made: "DatabaseGenerator", layout: Layout, before: dict[str, Layout], layouts: dict[str, Layout]
) -> None:
    """What one layout says of its table and those that it refers to."""
    drawn = [*(f for f, _ in layout.links), *([layout.parent] if layout.parent else [])]
    for foreign in drawn:
        above = layouts.get(foreign.parent)
        require(foreign in made.foreign and foreign.table == layout.table, f"{layout.table} refers otherwise")
        require(above is not None and foreign in above.counted and above.table not in made.kept, "none counted")
    require(all(f in made.foreign and f.parent == layout.table for f in layout.counted), "counts of others")
    for foreign, wanted in layout.links:
        require(_kinds(wanted).items() <= _kinds(layouts[foreign.parent].scalars).items(), "other fields are asked for")
    fields, scalars, beside = map(_kinds, (layout.fields, layout.scalars, layout.beside))
    require(len(fields) == len(layout.fields) and scalars.items() <= fields.items(), "a field is there twice, or not")
    alone = {f.name for f in layout.fields if isinstance(f, Identifier | Constant)} | set(scalars)
    alone |= {f.column for f in drawn} | {made.keys.get(layout.table, "")}
    require(fields.keys() <= alone, "a field that nothing makes")
    key = made.keys.get(layout.table)
    own = key is None or key in scalars or fields[key] is Identifier
    require(own or (layout.parent is not None and layout.parent.column == key), "a key that nothing makes")
    require(layout.clock is None or scalars.get(layout.clock) is Time, "a clock that is no time")
    require(layout.origin is None or beside.get(layout.origin) is Time, "an origin that is no time")
    if layout.parent is not None:
        above = before.get(layout.parent.parent)
        require(above is not None and beside.items() <= _kinds(above.scalars).items(), "the parent is not as told")
        require(made.orphans.get(layout.table, -1) >= 0, "no number of orphans")


def _check_model(model: Generator | None, layout: Layout) -> None:
    """Raise unless a model makes what the layout asks for."""
    wanted = _kinds(layout.scalars) | {count_name(f): Number for f in layout.counted}
    wanted |= {link_name(f, each): type(each) for f, fields in layout.links for each in fields}
    if model is None:
        require(not wanted, f"{layout.table} has no model")
        return
    made = _kinds(model.fields)
    if layout.parent is not None:
        codec = conditioned(model.codec)
        made = _kinds(codec.rows.fields)
        wanted |= dict.fromkeys(Clock(layout, 0.0).times, Number)
        context = _kinds(context_fields(layout, codec.rows.fields))
        require(context == _kinds(codec.beside.fields), f"the model of {layout.table} is given other columns")
    bound: Kinds = {link_name(f): Category for f, _ in layout.links}
    require(wanted.items() <= made.items() <= (wanted | bound).items(), f"the model of {layout.table} is of others")


def _check_unique(made: "DatabaseGenerator", layouts: dict[str, Layout]) -> None:
    for unique in made.unique:
        names = _kinds(layouts[unique.table].fields) if unique.table in layouts else {}
        require(bool(unique.columns) and set(unique.columns) <= names.keys(), "columns that must differ, of nothing")
    for table, numbered in made.numbered.items():
        whole = {f.name for f in layouts[table].scalars if is_whole(f)} if table in layouts else set()
        require(numbered.keys() <= whole, "running numbers that are none")


def _kinds(fields: Iterable[Field]) -> Kinds:
    return {field.name: type(field) for field in fields}
