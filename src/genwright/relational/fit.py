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
from genwright.spaces import Encoded
from genwright.train.devices import choose_device
from genwright.train.fit import Fitted, fit_family
from genwright.train.progress import Listener, Progress, silent

LEAST_SHARE = 0.1  # of an equal share of the time that each table has, however small it is
FEW_ROWS, MANY_ROWS = 20_000, 100_000  # of a child table, between which its net grows
DEFAULT_BATCH = 512  # of the autoregressive family for large tables
PASSES = 30  # over the rows of a child table, after which it begins to be learned by heart, ...
LEAST_STEPS = 300  # ... and at least so many steps
PILOT_STEPS = 10  # taken to see how long one takes
SAFETY = 0.8  # of the time is planned for
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
    parts: dict[str, np.ndarray] = {}
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
    shares = np.maximum(sizes / sizes.sum(), LEAST_SHARE / len(layouts))
    return {x.table: float(share) for x, share in zip(layouts, shares / shares.sum(), strict=True)}


def _parts(database: Database, layout: Layout, parts: Mapping[str, np.ndarray]) -> Int8[np.ndarray, " n"]:
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
    parts: Mapping[str, np.ndarray],
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
    codec, rows, held_out = _encoded(database, layout, parts, seed)
    family = _sized(len(rows))
    target = choose_device(device)

    def train_for(steps: int, listener: Listener) -> Fitted:
        return fit_family(
            family,
            codec.space,
            codec.context,
            rows,
            held_out,
            work=Work(rows=len(rows), steps=steps),
            seed=seed,
            started=time.monotonic(),
            device=target,
            listener=listener,
        )

    if steps is None:
        assert minutes is not None
        began = time.monotonic()
        train_for(PILOT_STEPS, silent)
        affordable = PILOT_STEPS * (60 * minutes * SAFETY - (began - started)) / (time.monotonic() - began)
        wanted = max(LEAST_STEPS, PASSES * len(rows) // (family.batch or DEFAULT_BATCH))
        steps = max(PILOT_STEPS, min(wanted, int(affordable)))
    fitted = train_for(steps, listener)
    record = {"minutes": minutes, "steps": steps, "seed": seed} | fitted.record
    return Generator(codec=codec, family=fitted.family, net=fitted.net, prior=None, record=record)


def _encoded(
    database: Database, layout: Layout, parts: Mapping[str, np.ndarray], seed: int
) -> tuple[ConditionedCodec, Encoded, Encoded]:
    """The codec of a child table, and its rows for training and for validation."""
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
    return codec, rows, held_out
