"""Rows that must differ in some columns together: numbered anew, exchanged with others, or else left out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from genwright.data.dataset import Category, Field, Number
from genwright.relational.database import Database, ForeignKey, Unique

MOSTLY = 0.95  # of rows count 1, 2, 3, ... within the rest of their key, where that column is a running number
PARTNERS = 40  # rows that a repeated one may exchange values with, before it takes a value that is free

Rows = dict[ForeignKey, np.ndarray]
Columns = dict[str, dict[str, np.ndarray]]


def running_numbers(database: Database) -> dict[str, dict[str, int]]:
    """For each table the columns that count the rows with the same rest of a key, such as lines of an order, and where
    they begin.
    """
    found: dict[str, dict[str, int]] = {}
    for unique in database.unique:
        linked = {f.column for f in database.foreign_of(unique.table)}
        for name in unique.columns:
            rest = [each for each in unique.columns if each != name]
            field = database.tables[unique.table].field(name)
            if unique.table in database.kept or name in linked or not rest or not is_whole(field):
                continue
            frame = pd.DataFrame({each: database.column(unique.table, each) for each in unique.columns}).dropna()
            frame[name] = frame[name].astype(float)
            start = frame.groupby(rest)[name].min().mode()
            if len(start) and (frame.groupby(rest)[name].rank("first") - 1 + start[0] == frame[name]).mean() >= MOSTLY:
                found.setdefault(unique.table, {})[name] = int(start[0])
                break
    return found


def is_whole(field: Field) -> bool:
    """Whether a field holds whole numbers that are modelled."""
    return (isinstance(field, Number) and field.decimals == 0) or (isinstance(field, Category) and field.dtype == "int")


def settled(
    unique: Unique,
    columns: dict[str, np.ndarray],
    rows: Mapping[ForeignKey, np.ndarray],
    *,
    n: int,
    parent: ForeignKey | None,
    numbered: Mapping[str, int],
    seed: int,
) -> Bool[np.ndarray, " n"]:
    """Have the n rows of a table differ as `unique` says; `columns` and `rows` are changed. Returns which rows do.

    Columns of foreign keys are known by the rows they refer to in `rows`; columns that are in neither are new keys, all
    different.
    """
    links = {f.column: f for f in rows if f.table == unique.table}
    known = columns | {name: rows[foreign] for name, foreign in links.items()}
    if not set(unique.columns) <= set(known):
        return np.ones(n, dtype=bool)
    values = {name: known[name] for name in unique.columns}
    codes = {name: pd.factorize(column)[0] for name, column in values.items()}
    codes |= {name: column for name, column in values.items() if name in links}
    running = next((name for name in unique.columns if name in numbered and name not in links), None)
    if running is not None:
        rest = _together([code for name, code in codes.items() if name != running])
        columns[running] = _numbers(rest, columns[running], numbered[running])
        return np.ones(n, dtype=bool)
    linked = [name for name in unique.columns if name in links and links[name] != parent]
    free = next(iter([*linked[::-1], *(name for name in unique.columns[::-1] if name not in links)]), None)
    places = np.flatnonzero(np.all([code >= 0 for code in codes.values()], axis=0))
    group = _together([np.zeros(len(places)), *(code[places] for name, code in codes.items() if name != free)])
    if free is None:
        fits = ~pd.Series(group).duplicated().to_numpy()
    else:
        wanted, fits = exchanged(group, values[free][places], seed=seed)
        (rows[links[free]] if free in links else columns[free])[places] = wanted
    told_apart = np.ones(n, dtype=bool)
    told_apart[places] = fits
    return told_apart


def _together(codes: list[np.ndarray]) -> Int[np.ndarray, " n"]:
    """One number for each combination."""
    if not len(codes[0]):
        return np.zeros(0, dtype=np.int64)
    return pd.DataFrame(dict(enumerate(codes))).groupby(list(range(len(codes)))).ngroup().to_numpy()


def _numbers(group: Int[np.ndarray, " n"], column: np.ndarray, start: int) -> np.ndarray:
    """`start`, `start` + 1, ... within each group, in the order of the values that stand there."""
    drawn = column.astype(float)
    frame = pd.DataFrame({"group": group, "drawn": np.where(np.isnan(drawn), np.inf, drawn)})
    numbers = frame.groupby("group")["drawn"].rank("first").to_numpy() - 1 + start
    return numbers if column.dtype.kind == "f" else np.array([str(int(k)) for k in numbers], dtype=object)


def exchanged(
    group: Int[np.ndarray, " n"], values: np.ndarray, *, seed: int
) -> tuple[np.ndarray, Bool[np.ndarray, " n"]]:
    """`values` such that no group has one twice, and which rows could be helped.

    A row whose value its group has already exchanges it with a random row, so that every value stays as frequent as it
    was; where no exchange is found, it takes a value that the group lacks.

    >>> values, fits = exchanged(np.array([0, 0, 1]), np.array([5, 5, 6]), seed=0)
    >>> values.tolist(), fits.tolist()
    ([5, 6, 5], [True, True, True])
    """
    rng = np.random.default_rng(seed)
    code, distinct = pd.factorize(values)
    taken: dict[tuple[int, int], int] = {}
    pairs = list(zip(group.tolist(), code.tolist(), strict=True))
    for pair in pairs:
        taken[pair] = taken.get(pair, 0) + 1
    fits = np.ones(len(pairs), dtype=bool)
    for row in np.flatnonzero(pd.Series(pairs).duplicated()).tolist():
        if taken[pairs[row]] == 1:
            continue
        mine, old = pairs[row]
        for other in rng.integers(len(pairs), size=PARTNERS).tolist():
            theirs, new = pairs[other]
            if (mine, new) not in taken and (theirs, old) not in taken:
                _move(pairs, taken, row, (mine, new))
                _move(pairs, taken, other, (theirs, old))
                break
        else:
            free = next((k for k in rng.permutation(len(distinct)).tolist() if (mine, k) not in taken), None)
            if free is None:
                fits[row] = False
                taken[pairs[row]] -= 1
            else:
                _move(pairs, taken, row, (mine, free))
    return np.asarray(distinct)[[new for _, new in pairs]], fits


def _move(pairs: list[tuple[int, int]], taken: dict[tuple[int, int], int], row: int, to: tuple[int, int]) -> None:
    """Give a row another pair."""
    taken[pairs[row]] -= 1
    if not taken[pairs[row]]:
        del taken[pairs[row]]
    pairs[row] = to
    taken[to] = taken.get(to, 0) + 1


def left_out(columns: Columns, rows: Rows, sizes: dict[str, int], lost: Mapping[str, np.ndarray]) -> None:
    """Take the rows in `lost` out, and those that refer to them; everything is changed in place."""
    keep = {table: ~lost.get(table, np.zeros(n, dtype=bool)) for table, n in sizes.items()}
    changed = True
    while changed:
        changed = False
        for foreign, at in rows.items():
            gone = (at >= 0) & ~np.append(keep[foreign.parent], True)[at] & keep[foreign.table]
            keep[foreign.table] &= ~gone
            changed |= bool(gone.any())
    for foreign, at in rows.items():
        new = np.append(np.cumsum(keep[foreign.parent]) - 1, -1)
        rows[foreign] = new[at][keep[foreign.table]]
    for table, kept in keep.items():
        columns[table] = {name: column[kept] for name, column in columns[table].items()}
        sizes[table] = int(kept.sum())
