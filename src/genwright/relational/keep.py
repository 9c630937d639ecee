"""Tables kept as they are, such as lists of countries: which ones, and how rows that refer to them are modelled."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from genwright.data.dataset import SCALARS, Dataset
from genwright.data.kinds import as_category
from genwright.data.personal import personal_data
from genwright.data.table import RawColumn
from genwright.errors import ArgumentError
from genwright.relational.database import Keys, key_texts

DAY = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]([ T].*)?")
FEW_ROWS = 10  # below which a table is kept
MANY_TIMES = 10  # as many rows as a table of mere keys and names has must refer to it


def kept_tables(
    tables: Mapping[str, Dataset], keys: Keys, *, keep: Collection[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tables to keep, in order, and notes on them; `keep` None: small ones, calendars and lists of names.

    A table that refers to one whose rows are made anew cannot be kept. Raises ArgumentError where one was asked for.
    """
    if isinstance(keep, str):
        raise ArgumentError(f"keep={keep!r}", hint=f"names of tables are a list: keep=[{keep!r}]")
    wanted = [t for t in tables if _is_lookup(t, tables, keys)] if keep is None else list(keep)
    unknown = [t for t in wanted if t not in tables]
    if unknown:
        hint = f"there are: {', '.join(tables)}"
        raise ArgumentError(f"no table {unknown[0]!r} to keep", where="keep", hint=hint)
    kept = set(wanted)
    while lost := [f for f in keys.foreign if f.table in kept and f.parent not in kept]:
        if keep is not None:
            what = f"{lost[0].table} cannot be kept as it is: it refers to {lost[0].parent}, whose rows are made anew"
            raise ArgumentError(what, where="keep", hint=f"keep {lost[0].parent} too, or neither")
        kept -= {f.table for f in lost}
    told = [_told(tables[t], t) for t in tables if t in kept] if keep is None else []
    if keep is None:
        told += [_suggested(t, tables[t]) for t in tables if t not in kept and _only_referenced(t, tables, keys)]
    return tuple(t for t in tables if t in kept), tuple(told)


def _is_lookup(table: str, tables: Mapping[str, Dataset], keys: Keys) -> bool:
    if len(tables[table]) < FEW_ROWS or _is_calendar(tables[table], keys.primary.get(table)):
        return True
    return _only_referenced(table, tables, keys) and not personal_data(tables[table])


def _is_calendar(data: Dataset, key: str | None) -> bool:
    """Whether the keys are days, of which no new ones can be made up."""
    return key is not None and all(DAY.fullmatch(text or "") for text in key_texts(data, key))


def _only_referenced(table: str, tables: Mapping[str, Dataset], keys: Keys) -> bool:
    """Whether a table holds nothing but keys and names for many rows of others."""
    data, own = tables[table], keys.of(table)
    referring = sum(len(tables[f.table]) for f in keys.foreign if f.parent == table)
    empty = not any(isinstance(f, SCALARS) and f.name not in own for f in data.fields)
    return empty and not any(f.table == table for f in keys.foreign) and referring >= MANY_TIMES * len(data)


def _told(data: Dataset, table: str) -> str:
    found = sorted({finding.what for finding in personal_data(data)})
    personal = f", although it may hold personal data ({', '.join(found)})" if found else ""
    return f"{table}: its {len(data)} rows are kept as they are{personal}; keep= says otherwise"


def _suggested(table: str, data: Dataset) -> str:
    found = ", ".join(sorted({finding.what for finding in personal_data(data)}))
    return f"{table}: nothing but keys, made anew since it may hold personal data ({found}); keep=[{table!r}] keeps it"


def with_categories(tables: Mapping[str, Dataset], keys: Keys, kept: Collection[str]) -> dict[str, Dataset]:
    """Tables in which keys of kept tables are categories, drawn like any other column."""
    result = dict(tables)
    for foreign in keys.foreign:
        if foreign.parent in kept and foreign.table not in kept:
            data = result[foreign.table]
            typed = as_category(RawColumn.of(foreign.column, key_texts(data, foreign.column)))
            fields = tuple(typed.field if f.name == foreign.column else f for f in data.fields)
            columns = {**data.columns, foreign.column: typed.column}
            result[foreign.table] = replace(data, fields=fields, columns=columns)
    return result
