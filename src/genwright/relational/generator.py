"""DatabaseGenerator: one model per table, drawn parents first, so that whole databases come out with their keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from genwright.codecs.columns import restored
from genwright.codecs.schema import field_to_json
from genwright.data.cells import cells
from genwright.data.dataset import Constant, Dataset, Field, Identifier
from genwright.data.kinds import conform
from genwright.data.table import RawColumn
from genwright.errors import ArgumentError, StorageError
from genwright.folders import placed, replacing, steadily
from genwright.model.generator import Generator
from genwright.model.saving import load
from genwright.relational.children import draw_children
from genwright.relational.database import Database, ForeignKey, Unique
from genwright.relational.distinct import Columns, Rows, left_out, settled
from genwright.relational.layout import NO, Clock, Layout, count_name, fields_from_json, link_name, taken
from genwright.relational.matching import features, match, rooms
from genwright.relational.soundness import check_sound
from genwright.storage import read_json, sha256, write_json
from genwright.train.devices import check_memory
from genwright.train.progress import Listener, Progress, silent
from genwright.typed import entry, sound, typed, wrong

SCHEMA = 1  # of the saved folder
DATABASE = "database.json"


@dataclass(frozen=True, eq=False, kw_only=True)
class DatabaseGenerator:
    """A fitted generative model of a Database: `layouts` of its tables, parents first, and the `models` of their rows.

    `sizes` are the rows of the tables fitted to, `orphans` the rows that had no parent, `starts` the earliest times,
    `kept` the tables that samples have as they are, `unique` columns that must differ together, `numbered` those of
    them that count rows, and from where.
    """

    name: str
    layouts: tuple[Layout, ...]
    models: Mapping[str, Generator | None]
    keys: Mapping[str, str]
    foreign: tuple[ForeignKey, ...]
    tables: tuple[str, ...]
    sizes: Mapping[str, int]
    orphans: Mapping[str, int]
    starts: Mapping[str, float]
    record: Mapping[str, Any]
    kept: Mapping[str, Dataset] = field(default_factory=dict)
    unique: tuple[Unique, ...] = ()
    numbered: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def sample(self, scale: float = 1.0, *, seed: int = 0, listener: Listener = silent) -> Database:
        """A database: tables without parents have `scale` times as many rows, each row as many children as befits it.

        Keys are new, and every foreign key refers to a row that is there. The same seed gives the same database.
        """
        if not 0 < scale < 1e6:
            raise ArgumentError(f"scale={scale}", where="sample", hint="1.0 is the size of the database fitted to")
        columns: Columns = {}
        rows: Rows = {}
        sizes: dict[str, int] = {}
        for number, layout in enumerate(self.layouts):
            listener(Progress("sampling", number, len(self.layouts), message=layout.table))
            self._check_memory(layout, columns, scale)
            if layout.table in self.kept:
                sizes[layout.table], columns[layout.table] = len(self.kept[layout.table]), {}
            elif layout.parent is None:
                sizes[layout.table] = max(1, round(scale * self.sizes[layout.table]))
                columns[layout.table] = self._roots(layout, sizes[layout.table], seed + number)
            else:
                columns[layout.table], owner = self._children(layout, columns, sizes, scale, seed + number)
                rows[layout.parent] = owner
                sizes[layout.table] = len(owner)
        for layout in self.layouts:
            rows |= {link[0]: _matched(link, columns, sizes, seed) for link in layout.links}
        notes = self._told_apart(columns, rows, sizes, seed)
        return self._joined(columns, rows, sizes, notes)

    def _check_memory(self, layout: Layout, columns: Columns, scale: float) -> None:
        """Raise for a table of more rows than there is memory for."""
        rows = scale * (self.sizes[layout.table] if layout.parent is None else self.orphans[layout.table])
        if layout.parent is not None:
            rows += float(_counts(columns[layout.parent.parent], layout.parent).sum())
        size = int(16 * rows) * (1 + len(layout.fields))
        check_memory(size, what=f"{rows:,.0f} rows of {layout.table}", hint="ask for a smaller scale")

    def _told_apart(self, columns: Columns, rows: Rows, sizes: dict[str, int], seed: int) -> tuple[str, ...]:
        """Have rows differ where they must; what cannot is left out, with all that refers to it, and told."""
        notes = []
        for unique in self.unique:
            if unique.table in self.kept:
                continue
            numbered, n = self.numbered.get(unique.table, {}), sizes[unique.table]
            layout = next(each for each in self.layouts if each.table == unique.table)
            single = {f.name for f in layout.fields if isinstance(f, Constant)}
            within = replace(unique, columns=tuple(c for c in unique.columns if c not in single))
            if not within.columns:
                continue
            fits = settled(within, columns[unique.table], rows, n=n, parent=layout.parent, numbered=numbered, seed=seed)
            if not fits.all():
                names, before = ", ".join(unique.columns), dict(sizes)
                left_out(columns, rows, sizes, {unique.table: ~fits})
                fewer = ", ".join(f"{before[t] - n} rows of {t}" for t, n in sizes.items() if n < before[t])
                notes.append(f"{fewer} are left out: no two rows of {unique.table} may have the same {names}")
        return tuple(notes)

    def _roots(self, layout: Layout, n: int, seed: int) -> dict[str, np.ndarray]:
        model = self.models[layout.table]
        return {} if model is None else dict(model.sample(n, seed=seed).columns)

    def _children(
        self,
        layout: Layout,
        columns: Mapping[str, Mapping[str, np.ndarray]],
        sizes: Mapping[str, int],
        scale: float,
        seed: int,
    ) -> tuple[dict[str, np.ndarray], Int[np.ndarray, " n"]]:
        """Columns of all children, and the parent's row of each: -1 for orphans, which come last."""
        assert layout.parent is not None
        above, n = columns[layout.parent.parent], sizes[layout.parent.parent]
        orphans = round(scale * self.orphans[layout.table])
        many = np.rint(_counts(above, layout.parent)).astype(np.int64)
        of = np.concatenate([np.arange(n), np.full(orphans, -1)])
        parents = {f.name: taken(above[f.name], of) for f in layout.beside}
        many = np.concatenate([many, np.ones(orphans, dtype=np.int64)])
        clock = Clock(layout, self.starts[layout.table])
        drawn, owner = draw_children(self.models[layout.table], layout, clock, parents, many, seed=seed)
        return drawn, of[owner]

    def _joined(
        self,
        columns: Mapping[str, Mapping[str, np.ndarray]],
        rows: Mapping[ForeignKey, np.ndarray],
        sizes: Mapping[str, int],
        notes: tuple[str, ...],
    ) -> Database:
        """Tables as users know them, with new keys."""
        keys: dict[str, np.ndarray] = {}
        for layout in self.layouts:
            if layout.table in self.kept and layout.table in self.keys:
                keys[layout.table] = self.kept[layout.table].columns[self.keys[layout.table]]
            elif layout.table in self.keys:
                name = self.keys[layout.table]
                drawn = columns[layout.table].get(name)  # a key of a kept table
                keys[layout.table] = self._new_keys(layout, sizes[layout.table], keys, rows) if drawn is None else drawn
        tables = {}
        for layout in self.layouts:
            table, n = layout.table, sizes[layout.table]
            if table in self.kept:
                tables[table] = self.kept[table]
                continue
            made = {f.name: restored(f, n) for f in layout.fields if isinstance(f, (Identifier, Constant))}
            made |= {f.name: columns[table][f.name] for f in layout.scalars}
            made |= {f.column: taken(keys[f.parent], rows[f]) for f in self.foreign if f in rows and f.table == table}
            made |= {self.keys[table]: keys[table]} if table in self.keys else {}
            tables[table] = Dataset(layout.fields, {f.name: made[f.name] for f in layout.fields}, table)
        ordered = {t: tables[t] for t in self.tables}
        return Database(ordered, dict(self.keys), self.foreign, self.name, notes, tuple(self.kept), self.unique)

    def _new_keys(
        self,
        layout: Layout,
        n: int,
        keys: Mapping[str, np.ndarray],
        rows: Mapping[ForeignKey, np.ndarray],
    ) -> np.ndarray:
        """Running keys; those of the parents where the key is the foreign key too."""
        name = self.keys[layout.table]
        if layout.parent is not None and layout.parent.column == name:
            return taken(keys[layout.parent.parent], rows[layout.parent])
        return restored(next(f for f in layout.fields if f.name == name), n)

    def save(self, folder: str | Path) -> None:
        """Write database.json, with hashes, and a folder for each model, all or none, as `Generator.save` does."""
        with replacing(Path(folder)) as new:
            hashes = {}
            for number, layout in enumerate(self.layouts):
                model = self.models[layout.table]
                if model is not None:
                    model.save(new / f"table{number}")
                    hashes[f"table{number}"] = sha256(new / f"table{number}" / "recipe.json")
            described = {
                "schema": SCHEMA,
                "name": self.name,
                "layouts": [layout.to_json() for layout in self.layouts],
                "keys": dict(self.keys),
                "foreign": [vars(f) for f in self.foreign],
                "tables": list(self.tables),
                "sizes": dict(self.sizes),
                "orphans": dict(self.orphans),
                "starts": dict(self.starts),
                "sha256": hashes,
                "record": dict(self.record),
                "kept": {table: _kept_to_json(data) for table, data in self.kept.items()},
                "unique": [vars(u) for u in self.unique],
                "numbered": {table: dict(each) for table, each in self.numbered.items()},
            }
            write_json(new / DATABASE, described)


def _kept_to_json(data: Dataset) -> dict[str, Any]:
    columns = {f.name: cells(f, data.columns[f.name]) for f in data.fields}
    return {"fields": [field_to_json(f) for f in data.fields], "columns": columns}


def _kept_from_json(described: dict[str, Any], table: str, where: str) -> Dataset:
    fields = fields_from_json(entry(described, "fields", tuple, where=where), where=where)
    told = entry(described, "columns", dict[str, tuple[str | None, ...]], where=where)
    if told.keys() != {f.name for f in fields} or len(set(map(len, told.values()))) != 1:
        raise wrong("columns of unequal length, or of other fields", where)
    return Dataset(fields, {f.name: conform(RawColumn.of(f.name, told[f.name]), f).column for f in fields}, table)


def _matched(
    link: tuple[ForeignKey, tuple[Field, ...]],
    columns: Mapping[str, Mapping[str, np.ndarray]],
    sizes: Mapping[str, int],
    seed: int,
) -> Int[np.ndarray, " n"]:
    """The parent's row for each row of the table, -1 for those that refer to none."""
    foreign, fields = link
    asking, offering = columns[foreign.table], columns[foreign.parent]
    bound = asking.get(link_name(foreign))
    places = np.arange(sizes[foreign.table]) if bound is None else np.flatnonzero(bound != NO)
    wanted = {f.name: asking[link_name(foreign, f)][places] for f in fields}
    points = features(fields, wanted, offering) if fields else _nowhere(len(places), sizes[foreign.parent])
    room = rooms(_counts(offering, foreign), len(places), seed=seed)
    rows = np.full(sizes[foreign.table], -1)
    rows[places] = match(*points, room, seed=seed)
    return rows


def _counts(columns: Mapping[str, np.ndarray], foreign: ForeignKey) -> Float[np.ndarray, " n"]:
    """How many rows are to refer to each row of a table with these columns."""
    return np.nan_to_num(columns[count_name(foreign)].astype(np.float64)).clip(0)


def _nowhere(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((n, 0)), np.zeros((m, 0))


def load_database(folder: str | Path, *, device: str = "auto") -> DatabaseGenerator:
    """Read what `DatabaseGenerator.save` wrote, after checking every hash; raises StorageError on anything amiss."""
    folder = Path(folder)
    return steadily(folder, DATABASE, lambda: _read(folder, device))


def _read(folder: Path, device: str) -> DatabaseGenerator:
    where = str(folder / DATABASE)
    described = typed(read_json(placed(folder, DATABASE)), dict, where=where)
    if described.get("schema") != SCHEMA:
        raise StorageError("not a generator of databases that this version reads", where=where)
    of = partial(entry, {"kept": {}, "unique": (), "numbered": {}} | described, where=where)
    told, hashes = of("layouts", tuple), of("sha256", dict[str, str])
    layouts = tuple(Layout.from_json(each, where=f"{where}, layouts, {i}") for i, each in enumerate(told, start=1))
    names = {layout.table: f"table{number}" for number, layout in enumerate(layouts)}
    made = DatabaseGenerator(
        name=of("name", str),
        layouts=layouts,
        models={
            table: _checked(placed(folder, name), hashes[name], device) if name in hashes else None
            for table, name in names.items()
        },
        keys=of("keys", dict[str, str]),
        foreign=of("foreign", tuple[ForeignKey, ...]),
        tables=of("tables", tuple[str, ...]),
        sizes=of("sizes", dict[str, int]),
        orphans=of("orphans", dict[str, int]),
        starts=of("starts", dict[str, float]),
        record=of("record", dict),
        kept={t: _kept_from_json(each, t, f"{where}, kept, {t}") for t, each in of("kept", dict[str, dict]).items()},
        unique=of("unique", tuple[Unique, ...]),
        numbered=of("numbered", dict[str, dict[str, int]]),
    )
    sound(check_sound, {"made": made}, where)
    return made


def _checked(folder: Path, digest: str, device: str) -> Generator:
    """The generator of a table; its recipe is checked after it was read, since another may take its place meanwhile."""
    model, path = load(folder, device=device), placed(folder, "recipe.json")
    if not path.is_file() or sha256(path) != digest:
        raise StorageError("its SHA-256 is not the recorded one", where=str(path), hint="the file was changed")
    return model
