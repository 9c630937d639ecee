"""Records under conditions: shares of rows divided up, ranges and sets held exactly, in bounded time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from genwright.codecs import Codec
from genwright.codecs.columns import restored
from genwright.codecs.conditions import Shares, as_condition
from genwright.codecs.value_sets import ValueSet
from genwright.data.dataset import Constant, Dataset, Identifier
from genwright.errors import ArgumentError, UnsupportedError
from genwright.spaces import Encoded, Given

MAX_ROUNDS = 30  # redraws of rows that left their sets, before values are projected
MAX_TRIES = 50  # draws per row that a family without `restricts` may take on average,
MIN_TRIES = 20_000  # or in all
CHUNK = 2048  # rows tried at once, at least

Conditions = Mapping[str, Any] | pd.DataFrame | pd.Series | Dataset
Draw = Callable[[Given, int], Encoded]  # so many records that agree with what is given


@dataclass(frozen=True)
class Drawer:
    """A fitted model as far as conditions need it: `restricts` says that `draw` follows `Given.allowed`, `conditions`
    that what is free in a row of a table is drawn from its exact distribution given all that is not.
    """

    codec: Codec
    draw: Draw
    restricts: bool
    conditions: bool
    family: str
    rng: torch.Generator


def by_field(given: Conditions | None) -> Mapping[str, Any]:
    """What is given, by field: a mapping as it is; a table as a list for each column, or one value of one row."""
    if isinstance(given, Dataset):
        given = given.frame
    if isinstance(given, pd.Series):
        given = given.to_frame().T
    if isinstance(given, pd.DataFrame):
        columns = {str(name): given[name].tolist() for name in given}
        return {name: values[0] if len(values) == 1 else values for name, values in columns.items()}
    if given is None or isinstance(given, Mapping):
        return given or {}
    what = f"conditions of type {type(given).__name__}"
    raise ArgumentError(what, where="given", hint='give a mapping such as {"age": 40}, or a DataFrame')


def draw_given(drawer: Drawer, given: Mapping[str, Any], n: int, *, seed: int) -> Dataset:
    """n records that agree with `given`: by field a value, a range or set, n of these in a list, or shares of them."""
    order = np.random.default_rng(seed)
    given = {name: v.entries(n, order) if isinstance(v, Shares) else v for name, v in given.items()}
    groups = _groups(given, n)
    parts = [_draw_alike(drawer, fixed, len(rows)) for rows, fixed in groups]
    return parts[0] if len(parts) == 1 else joined(parts, np.concatenate([rows for rows, _ in groups]))


def _groups(given: Mapping[str, Any], n: int) -> list[tuple[Int[np.ndarray, " m"], dict[str, Any]]]:
    """Rows with the same conditions, and what is given for them: single conditions, and values for each row."""
    mixed = {name: v for name, v in given.items() if isinstance(v, (list, tuple)) and any(map(_conditional, v))}
    for name, listed in mixed.items():
        if len(listed) != n:
            what = f"{len(listed)} conditions given for {n} records"
            raise ArgumentError(what, where=name, hint=f"give one condition, or {n}")
    if not mixed:
        return [(np.arange(n), dict(given))]
    found: dict[tuple[Any, ...], list[int]] = {}
    for row, entries in enumerate(zip(*mixed.values(), strict=True)):
        found.setdefault(tuple(as_condition(entry) for entry in entries), []).append(row)
    groups = []
    for conditions, members in found.items():
        rows = np.array(members)
        fixed = {name: entries_at(value, rows, n) for name, value in given.items()}
        fixed |= {name: c for name, c in zip(mixed, conditions, strict=True) if c is not None}
        groups.append((rows, fixed))
    return groups


def _conditional(value: Any) -> bool:
    return as_condition(value) is not None


def entries_at(value: Any, rows: Int[np.ndarray, " m"], n: int) -> Any:
    """What is given for some rows, where one value, or n of them, are given for all."""
    if isinstance(value, (list, tuple)):
        return [value[i] for i in rows] if len(value) == n else value
    return value[rows] if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) == n else value


def _draw_alike(drawer: Drawer, fixed: Mapping[str, Any], n: int) -> Dataset:
    """n records with the same conditions."""
    conditions = {name: v for name, v in fixed.items() if _conditional(v)}
    scalars = drawer.codec.scalars
    limits = scalars.limits(conditions)
    if not limits:
        return _records(drawer, fixed, n)
    if drawer.restricts:
        return _draw_restricted(drawer, fixed, limits, n)
    return _draw_rejecting(drawer, fixed, limits, n)


def _records(drawer: Drawer, fixed: Mapping[str, Any], n: int) -> Dataset:
    """n decoded records, values in `fixed` as they were given."""
    partial = drawer.codec.given(fixed, n, rng=drawer.rng)
    return drawer.codec.scalars.hold(_decoded(drawer, partial, n), fixed)


def _decoded(drawer: Drawer, partial: Given, n: int) -> Dataset:
    return drawer.codec.decode(drawer.draw(partial, n), rng=drawer.rng)


def _draw_restricted(drawer: Drawer, fixed: Mapping[str, Any], limits: Mapping[str, ValueSet], n: int) -> Dataset:
    """Draws from the exact distribution within sets of columns; what these cannot tell apart is drawn again, then
    projected onto them.

    That is values between those of a set of numbers, levels that share a bucket with others, and pairs of group and
    member that make up a level outside of the set: the rows that are kept have the exact distribution all the same.
    """
    scalars = drawer.codec.scalars
    partial = drawer.codec.given(fixed, n, rng=drawer.rng)
    data = scalars.project_exactly(_decoded(drawer, partial, n), limits, rng=drawer.rng)
    for _ in range(MAX_ROUNDS):
        wrong = np.flatnonzero(~scalars.meets(data, limits))
        if not len(wrong):
            break
        again = _decoded(drawer, partial.rows(torch.from_numpy(wrong)), len(wrong))
        data = put(data, wrong, scalars.project_exactly(again, limits, rng=drawer.rng))
    return scalars.hold(scalars.project(data, limits, rng=drawer.rng), fixed)


def _draw_rejecting(drawer: Drawer, fixed: Mapping[str, Any], limits: Mapping[str, ValueSet], n: int) -> Dataset:
    """Draws until rows meet the conditions, MAX_TRIES per row on average; rows still open take the restricted fields
    of rows that did, and are drawn given these.
    """
    scalars = drawer.codec.scalars
    plain = {name: v for name, v in fixed.items() if name not in limits}
    partial = drawer.codec.given(plain, n, rng=drawer.rng)
    data, tried = _decoded(drawer, partial, n), n
    open_rows = np.flatnonzero(~scalars.meets(data, limits))
    while len(open_rows) and tried < max(MIN_TRIES, MAX_TRIES * n):
        rows = np.repeat(open_rows, max(1, CHUNK // len(open_rows)))
        fresh = _decoded(drawer, partial.rows(torch.from_numpy(rows)), len(rows))
        met = np.flatnonzero(scalars.meets(fresh, limits))
        first, place = np.unique(rows[met], return_index=True)
        data = put(data, first, fresh.take(met[place]))
        open_rows = np.setdiff1d(open_rows, first)
        tried += len(rows)
    if len(open_rows):
        accepted = np.setdiff1d(np.arange(n), open_rows)
        data = put(data, open_rows, _completed(drawer, plain, limits, data.take(accepted), open_rows, n, tried))
    return scalars.hold(data, fixed)


def _completed(
    drawer: Drawer,
    plain: Mapping[str, Any],
    limits: Mapping[str, ValueSet],
    accepted: Dataset,
    rows: Int[np.ndarray, " m"],
    n: int,
    tried: int,
) -> Dataset:
    """Records for `rows`, given the restricted fields of accepted records drawn with replacement."""
    share = f"{len(accepted)} of {tried:,} draws met {', '.join(limits)}"
    hint = "TreeMixture, Mixture and Autoregressive draw within ranges and sets exactly; or give wider conditions"
    if not len(accepted):
        raise UnsupportedError(f"{drawer.family}: {share}", where="given", hint=hint)
    taken = np.random.default_rng(drawer.rng.initial_seed()).integers(len(accepted), size=len(rows))
    fixed = {name: entries_at(value, rows, n) for name, value in plain.items()}
    fixed |= {name: list(accepted.columns[name][taken]) for name in limits}
    try:
        return _records(drawer, fixed, len(rows))
    except UnsupportedError as error:
        raise UnsupportedError(f"{error.what}, and only {share}", where="given", hint=hint) from None


def put(data: Dataset, rows: Int[np.ndarray, " m"], new: Dataset) -> Dataset:
    """`data` with `rows` replaced; keys stay, since each record has its own."""
    columns = {name: column.copy() for name, column in data.columns.items()}
    for field in data.fields:
        if not isinstance(field, (Identifier, Constant)):
            columns[field.name][rows] = new.columns[field.name]
    return replace(data, columns=columns)


def joined(parts: Sequence[Dataset], rows: Int[np.ndarray, " n"]) -> Dataset:
    """Parts one after the other, then in the order of their `rows`, with running keys of their own."""
    order = np.argsort(rows)
    columns = {name: np.concatenate([p.columns[name] for p in parts])[order] for name in parts[0].columns}
    columns |= {f.name: restored(f, len(rows)) for f in parts[0].fields if isinstance(f, Identifier)}
    return replace(parts[0], columns=columns, origin=None)
