"""fit_database: a model for the rows of every table, in the time there is for all of them."""

import time
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Int8

from genwright.codecs.conditioned import ConditionedCodec
from genwright.data.split import Split, content_hash
from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Family, Work
from genwright.families.recipe import check_family
from genwright.folders import locked
from genwright.model.fit import fingerprint, fit
from genwright.model.generator import Generator
from genwright.model.saving import holds_generator, load
from genwright.randomness import checked_seed
from genwright.relational.children import training_rows
from genwright.relational.database import Database
from genwright.relational.distinct import running_numbers
from genwright.relational.generator import DatabaseGenerator
from genwright.relational.layout import Clock, Layout, is_modelled, own_rows
from genwright.spaces import Encoded
from genwright.storage import claim, read_json, write_json
from genwright.train.devices import choose_device
from genwright.train.fit import Fitted, fit_family
from genwright.train.limits import MINUTES, checked_budget
from genwright.train.progress import Listener, Progress, silent
from genwright.train.stages import NOWHERE, Kept, Stages
from genwright.typed import typed

MIN_SHARE = 0.1  # of an equal share of the time that each table has, however small it is
FEW_ROWS, MANY_ROWS = 20_000, 100_000  # of a child table, between which its net grows
DEFAULT_BATCH = 512  # of the autoregressive family for large tables
PASSES = 30  # over the rows of a child table, after which it begins to be learned by heart, ...
MIN_STEPS = 300  # ... and at least so many steps
PILOT_STEPS = 10  # taken to see how long one takes
SAFETY = 0.5  # of the time may be planned for that; otherwise the fit goes by the clock, and ends on time
MIN_MINUTES = 0.02  # for a table where the time is up
TRAIN, VALID, TEST = 0, 1, 2
FEW_PARENTS = 100  # of which a tenth is too few for their children to be like the others


@dataclass(frozen=True)
class Effort:
    """How long to fit one table, and where; as `fit` takes it."""

    minutes: float | None
    steps: int | None
    seed: int
    device: str
    folder: Path | None
    listener: Listener


def fit_database(
    database: Database,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    family: Family | None = None,
    seed: int = 0,
    device: str = "auto",
    folder: str | Path | None = None,
    listener: Listener = silent,
) -> DatabaseGenerator:
    """Fit a generator of whole databases.

    Tables without parents are modelled as `fit` does it, by `family` (None: the default for tables), together with how
    many children each row has. Rows of other tables come one after the other, each given its parent's columns, its
    siblings before it and its place among them, by the autoregressive family with the context beside. Rows that refer
    to further tables model what they refer to, and are matched to the rows most like it that have room.

    `minutes` (5 if neither is given) is for all tables together, `steps` for each. Children belong to the part of the
    split that their parent is in, unless there are fewer than 100 parents, as in a table of countries. With a `folder`,
    finished tables and the one that is being fitted are kept there, and an interrupted fit of the same database goes on
    where it stopped.
    """
    minutes, steps = checked_budget(minutes, steps, where="fit_database")
    seed = checked_seed(seed, where="fit_database")
    if family is not None:
        check_family(family, where="fit_database")
    minutes = MINUTES if minutes is None and steps is None else minutes
    place = None if folder is None else Path(folder)
    with nullcontext() if place is None else locked(place):
        if place is not None:
            claim(place, _asked(database) | {"minutes": minutes, "steps": steps, "seed": seed, "family": repr(family)})
        how = Effort(minutes, steps, seed, device, place, listener)
        return _fit_tables(database, family, how)


def _asked(database: Database) -> dict[str, Any]:
    """What tells a database from others."""
    tables = {name: content_hash(data.columns) for name, data in database.tables.items()}
    kept = {"kept": list(database.kept)} if database.kept else {}
    return {"database": database.name, "keys": database.keys_to_json(), "content": tables} | kept


def _fit_tables(database: Database, family: Family | None, how: Effort) -> DatabaseGenerator:
    """All tables one after the other; those that an earlier process finished are not fitted again."""
    started = time.monotonic()
    layouts = tuple(Layout.of(database, role) for role in database.roles())
    shares = _shares(database, layouts)
    parts: dict[str, np.ndarray] = {}
    models: dict[str, Generator | None] = {}
    for number, layout in enumerate(layouts):
        table, folder = layout.table, how.folder and how.folder / f"table{number}"
        parts[table] = _parts(database, layout, parts)
        if folder is not None and holds_generator(folder):
            done = models[table] = load(folder, device=how.device)
            started -= done.record["seconds"]
            continue
        how.listener(Progress("fitting", message=f"{table}: {len(database.tables[table]):,} rows"))
        left = None if how.minutes is None else how.minutes - (time.monotonic() - started) / 60
        share = shares[table] / sum(shares[x.table] for x in layouts[len(models) :])
        minutes = None if left is None else max(MIN_MINUTES, left * share)
        mine = replace(how, minutes=_as_begun(folder, minutes), folder=folder)
        made = models[table] = _fit_table(database, layout, parts, family, mine)
        if made is not None and folder is not None:
            made.save(folder)
    record = {"minutes": how.minutes, "steps": how.steps, "seed": how.seed}
    return _complete(database, layouts, models, record | {"seconds": round(time.monotonic() - started, 2)})


def _as_begun(folder: Path | None, minutes: float | None) -> float | None:
    """The minutes for a table as they were when its fit began, since only a fit of as many can be taken up."""
    if folder is None or minutes is None:
        return minutes
    path = folder / "minutes.json"
    if not path.exists():
        write_json(path, minutes)
    return cast(float, typed(read_json(path), float, where=str(path)))


def _complete(
    database: Database, layouts: tuple[Layout, ...], models: dict[str, Generator | None], record: dict[str, Any]
) -> DatabaseGenerator:
    """The generator, with the sizes that samples are scaled from."""
    parents = {layout.table: layout.parent for layout in layouts if layout.parent is not None}
    return DatabaseGenerator(
        name=database.name,
        layouts=layouts,
        models=models,
        keys=dict(database.keys),
        foreign=database.foreign,
        tables=tuple(database.tables),
        sizes={table: len(data) for table, data in database.tables.items()},
        orphans={table: int((database.parent_rows(f) < 0).sum()) for table, f in parents.items()},
        starts={layout.table: Clock.of(layout, database.tables[layout.table]).start for layout in layouts},
        record=record,
        kept={table: database.tables[table] for table in database.kept},
        unique=database.unique,
        numbered=running_numbers(database),
    )


def _fit_table(
    database: Database, layout: Layout, parts: Mapping[str, np.ndarray], family: Family | None, how: Effort
) -> Generator | None:
    """The model of one table's rows; None for a table of nothing but keys."""
    if layout.table in database.kept or not is_modelled(database, layout):
        return None
    if layout.parent is not None:
        return _fit_children(database, layout, parts, how)
    split = Split(*(np.flatnonzero(parts[layout.table] == k) for k in (TRAIN, VALID, TEST)))
    data = replace(own_rows(database, layout), fixed_split=split)
    return fit(data, family=family, **vars(how))


def _sized(rows: int) -> Autoregressive:
    """A net that suits so many rows; with more parameters it would learn a smaller table by heart."""
    if rows < FEW_ROWS:
        return Autoregressive(width=32, depth=1, batch=128, bins=8, bumps=4, label_dropout=0.0)
    if rows < MANY_ROWS:
        return Autoregressive(width=64, depth=1, batch=256, label_dropout=0.0)
    return Autoregressive(label_dropout=0.0)


def _shares(database: Database, layouts: tuple[Layout, ...]) -> dict[str, float]:
    """The share of the time of each table, by the square root of its size: large ones need more."""
    sizes = np.array([float(len(database.tables[x.table]) * len(x.fields)) for x in layouts]) ** 0.5
    shares = np.maximum(sizes / sizes.sum(), MIN_SHARE / len(layouts))
    return {x.table: float(share) for x, share in zip(layouts, shares / shares.sum(), strict=True)}


def _parts(database: Database, layout: Layout, parts: Mapping[str, np.ndarray]) -> Int8[np.ndarray, " n"]:
    """The part of the split that each row belongs to: its parent's; its own where it has none, or parents are few."""
    split = database.tables[layout.table].split
    own = np.full(len(database.tables[layout.table]), TRAIN, dtype=np.int8)
    own[split.valid], own[split.test] = VALID, TEST
    if layout.parent is None or len(database.tables[layout.parent.parent]) < FEW_PARENTS:
        return own
    rows = database.parent_rows(layout.parent)
    return np.where(rows < 0, own, parts[layout.parent.parent][rows])


def _fit_children(database: Database, layout: Layout, parts: Mapping[str, np.ndarray], how: Effort) -> Generator:
    """The distribution of one row given its parent and its earlier siblings."""
    started = time.monotonic()
    codec, rows, held_out = _encoded(database, layout, parts, how.seed)
    family, target = _sized(len(rows)), choose_device(how.device)

    def train_for(work: Work, listener: Listener, stages: Stages) -> Fitted:
        return fit_family(
            family,
            codec.space,
            codec.conditions,
            rows,
            held_out,
            work=work,
            seed=how.seed,
            started=started if work.minutes else time.monotonic(),
            device=target,
            stages=stages,
            listener=listener,
        )

    work = Work(rows=len(rows), minutes=how.minutes, steps=how.steps)
    stages = Stages(how.folder, fingerprint(family, codec, work, how.seed))

    def planned() -> Kept:
        if how.minutes is None:
            return {}, {}
        began = time.monotonic()
        train_for(Work(rows=len(rows), steps=PILOT_STEPS), silent, NOWHERE)
        now = time.monotonic()
        wanted = max(MIN_STEPS, PASSES * len(rows) // (family.batch or DEFAULT_BATCH))
        fits = wanted * (now - began) / PILOT_STEPS < SAFETY * (60 * how.minutes - (now - started))
        return {}, {"steps": wanted} if fits else {}

    if steps := stages.done("planned", planned)[1].get("steps"):
        work = replace(work, steps=steps, minutes=None)
    fitted = train_for(work, how.listener, stages)
    record = {"minutes": how.minutes, "steps": how.steps, "seed": how.seed} | fitted.record
    return Generator(codec=codec, family=fitted.family, net=fitted.net, record=record)


def _encoded(
    database: Database, layout: Layout, parts: Mapping[str, np.ndarray], seed: int
) -> tuple[ConditionedCodec, Encoded, Encoded]:
    """The codec of a child table, and its rows for training and for validation."""
    assert layout.parent is not None
    clock = Clock.of(layout, database.tables[layout.table])
    data, order = training_rows(database, layout, clock)
    part = parts[layout.table][order]
    train = data.take(part == TRAIN)
    valid = data.take(part == VALID) if (part == VALID).any() else train
    if len(train) < 2:  # of a table of a few rows, all are needed
        train = valid = data.take(np.arange(max(2, len(data))) % len(data))
    rng = torch.Generator().manual_seed(seed)
    own = len(own_rows(database, layout).fields)
    codec = ConditionedCodec.fit(train, beside=[f.name for f in data.fields[own:]], rng=rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # children of other parents may well have values that were not seen
        rows, held_out = codec.encode(train, rng=rng), codec.encode(valid, rng=rng)
    return codec, rows, held_out
