"""Imputation: incomplete rows completed from the exact distribution of what is missing given what is there."""

import warnings
from collections.abc import Collection, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.conditions import Between
from genwright.codecs.schema import MAX_DECIMALS, from_numbers, to_numbers
from genwright.codecs.values import unknown_field
from genwright.constraints import Constraints
from genwright.data.dataset import Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.like import read_partial, read_whole
from genwright.data.read import Source
from genwright.errors import UnsupportedError
from genwright.model.column_texts import TextColumns
from genwright.model.drawing import Drawer, put
from genwright.model.part import RecordSampler
from genwright.model.sampling import check_memory_of, drawer, records
from genwright.randomness import seeded
from genwright.spaces import Given
from genwright.train.progress import silent

if TYPE_CHECKING:
    from genwright.model.generator import Generator

MAX_TRIES = 1000  # draws of a row that is not to be missing anything, by families that cannot rule that out


def completed(model: "Generator", source: Source, n: int, *, keep_missing: Collection[str], seed: int) -> Dataset:
    """n completions of each row of `source`, one after the other: see `Generator.impute`."""
    rules, texts = model.part(Constraints), model.part(TextColumns)

    def rows(of: Source, n: int) -> Dataset:
        check_memory_of(model, n * len(of) if isinstance(of, Sized) else n)
        draws = drawer(model, model.how, model.rng(seed), silent)
        if rules is not None:
            draw = records(replace(model, parts=tuple(part for part in model.parts if part is not texts)), model.how)
            return impute_ruled(draws, rules, draw, of, n=n, keep_missing=keep_missing, seed=seed)
        with seeded(seed):
            return impute(draws, of, n=n, keep_missing=keep_missing)

    whole = read_whole(source, model.fields)
    if texts is None:
        return arranged(rows(whole, n), whole, n)
    return arranged(texts.completed(rows, read_partial(whole, model.fields), n, seed=seed), whole, n)


def impute(drawer: Drawer, source: Source, *, n: int, keep_missing: Collection[str]) -> Dataset:
    """n completed rows for each row of `source`, one after the other; every value that is there stays as it is.

    Missing values are drawn jointly, given all values of the row; those of fields in `keep_missing` stay missing.
    Values that the model cannot hold are conditioned on as the nearest that it can, with a warning. Raises
    UnsupportedError for families that do not draw from exact conditional distributions.
    """
    codec = _codec(drawer)
    data = read_partial(source, codec.fields)
    _check(keep_missing, [f.name for f, coder in zip(codec.fields, codec.coders, strict=True) if coder is not None])
    gaps = {name: np.asarray(pd.isna(data.columns[name])) for name in data.columns}
    partial, replaced = codec.partial(data, keep_missing=keep_missing)
    if replaced:
        what = f"{data.name}: values unlike the rows the model was fitted to are conditioned on as the nearest known"
        warnings.warn(f"{what}, and kept as they are ({'; '.join(replaced[:5])})", stacklevel=3)
    rows = torch.arange(len(data)).repeat_interleave(n)
    wanted = [name for name in codec.sometimes_missing if name not in keep_missing]
    drawn = _drawn(drawer, partial.rows(rows), len(rows), wanted)
    fields, columns = [], {}
    for field in codec.fields:
        own, gap = data.columns[field.name][rows.numpy()], gaps[field.name][rows.numpy()]
        columns[field.name] = own if field.name in keep_missing else _filled(own, drawn.columns[field.name], gap)
        fields.append(_widened(data.field(field.name), data.columns[field.name]))
    return Dataset(tuple(fields), columns, name=data.name, label=codec.label)


def _drawn(drawer: Drawer, partial: Given, n: int, wanted: Sequence[str]) -> Dataset:
    """n decoded rows, none of them missing a field in `wanted`: families that cannot rule that out draw again."""
    given = partial if drawer.restricts else replace(partial, allowed=None)
    data = drawer.codec.decode(drawer.draw(given, n), rng=drawer.rng)
    for _ in range(MAX_TRIES):
        gaps = [pd.isna(data.columns[name]) for name in wanted]
        lacking = np.flatnonzero(np.any(gaps, axis=0)) if wanted else np.arange(0)
        if not len(lacking):
            return data
        fresh = drawer.draw(given.rows(torch.from_numpy(lacking)), len(lacking))
        data = put(data, lacking, drawer.codec.decode(fresh, rng=drawer.rng))
    what = f"{drawer.family} drew {len(lacking)} rows without {' or '.join(wanted)} {MAX_TRIES:,} times"
    raise UnsupportedError(what, where="impute", hint="fit a TreeMixture, Mixture or Autoregressive")


def impute_ruled(
    drawer: Drawer,
    rules: Constraints,
    sample: RecordSampler,
    source: Source,
    *,
    n: int,
    keep_missing: Collection[str],
    seed: int,
) -> Dataset:
    """`impute` where every rule is to hold: rows that lack the same columns are drawn together, given all the others.

    Raises ArgumentError for values that the model cannot hold, and for rows that break a rule whatever is filled in.
    """
    codec = _codec(drawer)
    data = read_partial(source, rules.fields)
    _check(keep_missing, data.columns)
    made = {f.name for f in rules.fields if isinstance(f, (Identifier, Constant))} | {
        p.column for p in rules.shape.patterns
    }
    names = [name for name in data.columns if name not in made]
    gaps = {name: np.asarray(pd.isna(column)) for name, column in data.columns.items()}
    patterns, which = np.unique(np.stack([gaps[name] for name in names], axis=1), axis=0, return_inverse=True)
    columns = {name: np.repeat(column, n) for name, column in data.columns.items()}
    for number, lacking in enumerate(patterns):
        rows = np.flatnonzero(np.repeat(which.reshape(-1), n) == number)
        given: dict[str, Any] = {
            name: list(columns[name][rows]) for name, gap in zip(names, lacking, strict=True) if not gap
        }
        given |= {name: Between() for name in codec.sometimes_missing if name in names and name not in given}
        drawn = sample(len(rows), given=given, seed=seed + number, listener=silent)
        for name, column in columns.items():
            if name not in keep_missing:
                column[rows] = _filled(column[rows], drawn.columns[name], np.repeat(gaps[name], n)[rows])
    return Dataset(data.fields, columns, name=data.name, label=rules.label)


def arranged(complete: Dataset, whole: Dataset, n: int) -> Dataset:
    """Completed rows with all that `whole`, of which there are n for each row, has beside them, in its order."""
    extra = {name: np.repeat(column, n) for name, column in whole.columns.items() if name not in complete.columns}
    known = {f.name: f for f in complete.fields}
    fields = tuple(known.get(f.name, f) for f in whole.fields)
    index = None if whole.index is None else whole.index.repeat(n)
    columns = {**complete.columns, **extra}
    return replace(complete, fields=fields, columns=columns, notes=whole.notes, index=index)


def _check(keep_missing: Collection[str], known: Collection[str]) -> None:
    for name in keep_missing:
        if name not in known:
            raise unknown_field(name, known, where="keep_missing")


def _codec(drawer: Drawer) -> ColumnsCodec:
    if not isinstance(drawer.codec, ColumnsCodec):
        hint = "prompts and parts of images are completed by sample(given=...)"
        raise UnsupportedError("only rows of tables are imputed", where="impute", hint=hint)
    if not drawer.conditions:
        hint = "fit a TreeMixture, Mixture, Copula or Autoregressive"
        raise UnsupportedError(f"{drawer.family} has no exact conditional distributions", where="impute", hint=hint)
    return drawer.codec


def _filled(own: np.ndarray, drawn: np.ndarray, gap: np.ndarray) -> np.ndarray:
    column = own.copy()
    column[gap] = drawn[gap]
    return column


def _widened(field: Field, column: np.ndarray) -> Field:
    """The field with as much precision as the column's values need to be written as they are."""
    if isinstance(field, Number) and field.decimals is not None:
        for decimals in range(field.decimals, MAX_DECIMALS + 1):
            wider = replace(field, decimals=decimals)
            if np.array_equal(from_numbers(wider, to_numbers(wider, column)), column, equal_nan=True):
                return wider
        return replace(field, decimals=None)
    if isinstance(field, Time) and (from_numbers(field, to_numbers(field, column)) != column)[~np.isnat(column)].any():
        return replace(field, format="%Y-%m-%dT%H:%M:%S.%f")
    return field
