"""DatabaseGenerator: one model per table, drawn parents first, so that whole databases come out with their keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from genwright.codecs.columns import restored
from genwright.data.dataset import Constant, Dataset, Field, Identifier
from genwright.errors import ArgumentError, StorageError
from genwright.folders import placed, replacing, steadily
from genwright.generator import Generator, load
from genwright.relational.children import draw_children
from genwright.relational.database import Database, ForeignKey
from genwright.relational.layout import NO, Clock, Layout, count_name, link_name, taken
from genwright.relational.matching import features, match, rooms
from genwright.storage import read_json, sha256, write_json
from genwright.train.progress import Listener, Progress, silent

SCHEMA = 1  # of the saved folder
DATABASE = "database.json"


@dataclass(frozen=True, eq=False, kw_only=True)
class DatabaseGenerator:
    """A fitted generative model of a Database: `layouts` of its tables, parents first, and the `models` of their rows.

    `sizes` are the rows of the tables fitted to, `orphans` the rows that had no parent, `starts` the earliest times.
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

    def sample(self, scale: float = 1.0, *, seed: int = 0, listener: Listener = silent) -> Database:
        """A database: tables without parents have `scale` times as many rows, each row as many children as befits it.

        Keys are new, and every foreign key refers to a row that is there. The same seed gives the same database.
        """
        if not 0 < scale < 1e6:
            raise ArgumentError(f"scale={scale}", where="sample", hint="1.0 is the size of the database fitted to")
        columns: dict[str, dict[str, np.ndarray]] = {}
        rows: dict[ForeignKey, np.ndarray] = {}
        sizes: dict[str, int] = {}
        for number, layout in enumerate(self.layouts):
            listener(Progress("sampling", number, len(self.layouts), message=layout.table))
            if layout.parent is None:
                sizes[layout.table] = max(1, round(scale * self.sizes[layout.table]))
                columns[layout.table] = self._roots(layout, sizes[layout.table], seed + number)
            else:
                columns[layout.table], owner = self._children(layout, columns, sizes, scale, seed + number)
                rows[layout.parent] = owner
                sizes[layout.table] = len(owner)
        for layout in self.layouts:
            rows |= {link[0]: _matched(link, columns, sizes, seed) for link in layout.links}
        return self._joined(columns, rows, sizes)

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
        many = np.rint(above[count_name(layout.parent)]).astype(np.int64)
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
    ) -> Database:
        """Tables as users know them, with new keys."""
        keys: dict[str, np.ndarray] = {}
        for layout in self.layouts:
            if layout.table in self.keys:
                keys[layout.table] = self._new_keys(layout, sizes[layout.table], keys, rows)
        tables = {}
        for layout in self.layouts:
            table, n = layout.table, sizes[layout.table]
            made = {f.name: restored(f, n) for f in layout.fields if isinstance(f, (Identifier, Constant))}
            made |= {f.name: columns[table][f.name] for f in layout.scalars}
            made |= {f.column: taken(keys[f.parent], rows[f]) for f in self.foreign if f.table == table}
            made |= {self.keys[table]: keys[table]} if table in self.keys else {}
            tables[table] = Dataset(layout.fields, {f.name: made[f.name] for f in layout.fields}, table)
        return Database({t: tables[t] for t in self.tables}, dict(self.keys), self.foreign, self.name)

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
            }
            write_json(new / DATABASE, described)


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
    room = rooms(np.asarray(offering[count_name(foreign)], dtype=np.float64), len(places), seed=seed)
    rows = np.full(sizes[foreign.table], -1)
    rows[places] = match(*points, room, seed=seed)
    return rows


def _nowhere(n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((n, 0)), np.zeros((m, 0))


def load_database(folder: str | Path, *, device: str = "auto") -> DatabaseGenerator:
    """Read what `DatabaseGenerator.save` wrote, after checking every hash; raises StorageError on anything amiss."""
    folder = Path(folder)
    return steadily(folder, DATABASE, lambda: _read(folder, device))


def _read(folder: Path, device: str) -> DatabaseGenerator:
    described = read_json(placed(folder, DATABASE))
    if not isinstance(described, dict) or described.get("schema") != SCHEMA:
        raise StorageError("not a generator of databases that this version reads", where=str(folder / DATABASE))
    try:
        layouts, hashes = tuple(map(Layout.from_json, described["layouts"])), described["sha256"]
        names = {layout.table: f"table{number}" for number, layout in enumerate(layouts)}
        return DatabaseGenerator(
            name=described["name"],
            layouts=layouts,
            models={
                table: _checked(placed(folder, name), hashes[name], device) if name in hashes else None
                for table, name in names.items()
            },
            keys=described["keys"],
            foreign=tuple(ForeignKey(**f) for f in described["foreign"]),
            tables=tuple(described["tables"]),
            sizes=described["sizes"],
            orphans=described["orphans"],
            starts=described["starts"],
            record=described["record"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"not the description of a database ({type(error).__name__}: {error})"
        raise StorageError(what, where=str(folder), hint="the file is damaged, or of a newer genwright") from None


def _checked(folder: Path, digest: str, device: str) -> Generator:
    """The generator of a table; its recipe is checked after it was read, since another may take its place meanwhile."""
    model, path = load(folder, device=device), placed(folder, "recipe.json")
    if not path.is_file() or sha256(path) != digest:
        raise StorageError("its SHA-256 is not the recorded one", where=str(path), hint="the file was changed")
    return model
