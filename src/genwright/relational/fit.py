"""fit_database: a model for the rows of every table, in the time there is for all of them."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int8

from genwright.codecs.conditioned import ConditionedCodec
from genwright.data.split import Split
from genwright.errors import ArgumentError, DataError
from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Family, Work
from genwright.generator import Generator, fit
from genwright.relational.children import training_rows
from genwright.relational.database import Database
from genwright.relational.generator import DatabaseGenerator
from genwright.relational.layout import Clock, Layout, is_modelled, own_rows
from genwright.train.devices import choose_device
from genwright.train.fit import fit_family
from genwright.train.progress import Listener, Progress, silent

LEAST_SHARE = 0.1  # of an equal share of the time that each table has, however small it is
TRAIN, VALID, TEST = 0, 1, 2


def fit_database(
    database: Database,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    family: Family | None = None,
    seed: int = 0,
    device: str = "auto",
    listener: Listener = silent,
) -> DatabaseGenerator:
    """Fit a generator of whole databases.

    Tables without parents are modelled as `fit` does it, by `family` (None: the default for tables), together with how
    many children each row has. Rows of other tables come one after the other, each given its parent's columns, its
    siblings before it and its place among them, by the autoregressive family with the context beside. Rows that refer
    to further tables model what they refer to, and are matched to the rows most like it that have room.

    `minutes` (5 if neither is given) is for all tables together, `steps` for each. Children belong to the part of the
    split that their parent is in.
    """
    if minutes is None and steps is None:
        minutes = 5.0
    if minutes is not None and (steps is not None or not 0 < minutes < 1e6):
        raise ArgumentError(f"minutes={minutes}, steps={steps}", where="fit_database", hint="for example minutes=5")
    started = time.monotonic()
    layouts = tuple(Layout.of(database, role) for role in database.roles())
    shares = _shares(database, layouts)
    parts: dict[str, Int8[np.ndarray, " n"]] = {}
    models: dict[str, Generator | None] = {}
    for layout in layouts:
        parts[layout.table] = _parts(database, layout, parts)
        listener(Progress("fitting", message=f"{layout.table}: {len(database.tables[layout.table]):,} rows"))
        budget = None if minutes is None else minutes * shares[layout.table]
        if not is_modelled(database, layout):
            models[layout.table] = None
        elif layout.parent is None:
            data = replace(own_rows(database, layout), fixed_split=_split(parts[layout.table]))
            models[layout.table] = fit(
                data, family=family, minutes=budget, steps=steps, seed=seed, device=device, listener=listener
            )
        else:
            models[layout.table] = _fit_children(
                database, layout, parts, minutes=budget, steps=steps, seed=seed, device=device, listener=listener
            )
    parents = {layout.table: layout.parent for layout in layouts if layout.parent is not None}
    record = {"minutes": minutes, "steps": steps, "seed": seed, "seconds": round(time.monotonic() - started, 2)}
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
    )


def _shares(database: Database, layouts: tuple[Layout, ...]) -> dict[str, float]:
    """The share of the time of each table, by the square root of its size: large ones need more."""
    sizes = np.array([float(len(database.tables[x.table]) * len(x.fields)) for x in layouts]) ** 0.5
    shares = np.maximum(sizes / sizes.sum(), LEAST_SHARE / len(layouts))
    return {x.table: float(share) for x, share in zip(layouts, shares / shares.sum(), strict=True)}


def _parts(database: Database, layout: Layout, parts: Mapping[str, Int8[np.ndarray, " n"]]) -> Int8[np.ndarray, " n"]:
    """The part of the split that each row belongs to: its parent's, or its own where it has none."""
    split = database.tables[layout.table].split
    own = np.full(len(database.tables[layout.table]), TRAIN, dtype=np.int8)
    own[split.valid], own[split.test] = VALID, TEST
    if layout.parent is None:
        return own
    rows = database.parent_rows(layout.parent)
    return np.where(rows < 0, own, parts[layout.parent.parent][rows])


def _split(part: Int8[np.ndarray, " n"]) -> Split:
    return Split(*(np.flatnonzero(part == k) for k in (TRAIN, VALID, TEST)))


def _fit_children(
    database: Database,
    layout: Layout,
    parts: Mapping[str, Int8[np.ndarray, " n"]],
    *,
    minutes: float | None,
    steps: int | None,
    seed: int,
    device: str,
    listener: Listener,
) -> Generator:
    """The law of one row given its parent and its earlier siblings."""
    started = time.monotonic()
    assert layout.parent is not None
    clock = Clock.of(layout, database.tables[layout.table])
    data, parents = training_rows(database, layout, clock)
    part = np.where(parents < 0, TRAIN, parts[layout.parent.parent][parents])
    train = data.take(part == TRAIN)
    valid = data.take(part == VALID) if (part == VALID).any() else train
    if len(train) < 2:
        what = f"{len(data)} rows are too few to fit"
        raise DataError(what, where=f"{database.name}, {layout.table}", hint="give more rows, or leave the table out")
    rng = torch.Generator().manual_seed(seed)
    own = len(own_rows(database, layout).fields)
    codec = ConditionedCodec.fit(train, beside=[f.name for f in data.fields[own:]], rng=rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # children of other parents may well have values that were not seen
        rows, held_out = codec.encode(train, rng=rng), codec.encode(valid, rng=rng)
    fitted = fit_family(
        Autoregressive(label_dropout=0.0),
        codec.space,
        codec.context,
        rows,
        held_out,
        work=Work(rows=len(train), minutes=minutes, steps=steps),
        seed=seed,
        started=started,
        device=choose_device(device),
        listener=listener,
    )
    record = {"minutes": minutes, "steps": steps, "seed": seed} | fitted.record
    return Generator(codec=codec, family=fitted.family, net=fitted.net, prior=None, record=record)
