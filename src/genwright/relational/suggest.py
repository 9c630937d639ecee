"""Keys that nobody declared: found where a column's name and its values both speak for it."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from genwright.data.dataset import Dataset
from genwright.relational.database import ForeignKey, Keys, Unique, key_texts

KEYS = "keys.json"
ODDLY_FEW = 0.05  # of the rows with the same foreign keys as another may be a mistake, and are told

KEY_NAME = re.compile(r"(?i:(^|_)(id|key|uuid|guid|code|nr|no)$)|[a-z]I[Dd]$")
KEY_END = re.compile(r"(?i:_?(id|key|uuid|guid|code|nr|no))$")

ABOVE = re.compile(
    "parent|manager|boss|supervisor|superior|leader|head|chief|mentor|mother|father|spouse|partner|sponsor|referrer"
    "|predecessor|previous|prior|successor|next|root|ancestor|original|source|duplicate|reports_to|reply_to"
)  # what rows of the same table are called, before _id ...
BESIDE = re.compile("parent|reports_to|managed_by|referred_by|(in_)?reply_to|duplicate_of")  # ... and without it


def suggest_keys(tables: Mapping[str, Dataset], declared: Keys) -> tuple[Keys, tuple[str, ...]]:
    """Keys beyond those `declared`, and notes on them. Primary: columns named so that differ in every row. Foreign:
    columns named after a table or its key whose values are all keys of it. Unique: the foreign keys of a table without
    a key of its own that differ together.
    """
    texts = {
        name: {f.name: np.array(key_texts(data, f.name), dtype=object) for f in data.fields}
        for name, data in tables.items()
    }
    keys = {name: key for name in tables if (key := _primary(name, texts[name])) is not None} | dict(declared.primary)
    keys = {name: key for name, key in keys.items() if name in tables}
    all_found = [
        ForeignKey(table, column, parent)
        for table, columns in texts.items()
        for column, values in columns.items()
        for parent in _parents(table, column, keys)
        if _within(values, texts[parent][keys[parent]])
    ]
    foreign = tuple({(f.table, f.column): f for f in reversed(all_found)}.values())[::-1]
    several = {u.table for u in declared.unique if u.primary}
    pairs = {t: _pair(t, texts[t], foreign) for t in tables if t not in keys and t not in several}
    repeats = {t: _repeats(texts[t], columns) for t, columns in pairs.items() if len(columns) > 1}
    unique = tuple(Unique(t, pairs[t]) for t, again in repeats.items() if not again)
    told = [f"{t}.{k}" for t, k in keys.items() if t not in declared.primary]
    told += [f"{f.table}.{f.column} -> {f.parent}" for f in foreign]
    told += [f"{u.table}.({', '.join(u.columns)})" for u in unique]
    notes = [f"keys by name and values: {', '.join(told) or 'none'}; {KEYS} or keys= says otherwise"]
    notes += [
        f"{t}: {again} of {len(tables[t])} rows have the same {', '.join(pairs[t])} as one before: no key"
        for t, again in repeats.items()
        if 0 < again <= ODDLY_FEW * len(tables[t])
    ]
    return Keys(keys, foreign, (*declared.unique, *unique)), tuple(notes)


def _pair(table: str, columns: Mapping[str, np.ndarray], foreign: Sequence[ForeignKey]) -> tuple[str, ...]:
    """The foreign keys of a table that are never missing."""
    return tuple(f.column for f in foreign if f.table == table and not pd.isna(columns[f.column]).any())


def _repeats(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> int:
    return int(pd.DataFrame({name: columns[name] for name in names}).duplicated().sum())


def _primary(table: str, columns: Mapping[str, np.ndarray]) -> str | None:
    """The best named column whose values all differ; one named after another table would be a foreign key."""
    unique = [c for c, v in columns.items() if not pd.isna(v).any() and len(set(v)) == len(v)]
    named = [c for c in unique if c.lower() == "id" or _stem(c) in _names(table)]
    first = [c for c in unique if KEY_NAME.search(c) and c == next(iter(columns))]
    return next(iter([*named, *first]), None)


def _parents(table: str, column: str, keys: Mapping[str, str]) -> list[str]:
    """Tables that a column may refer to by its name: customer_id or billing_customer_id for customers, and manager_id
    for the table that it is in.
    """
    stem = _stem(column)
    found = []
    for parent, key in keys.items():
        if parent == table and column == key:
            continue
        above = (KEY_NAME.search(column) and ABOVE.fullmatch(stem)) or BESIDE.fullmatch(column.lower())
        same = column == key and key.lower() != "id" and parent != table
        named = KEY_NAME.search(column) and any(stem == n or stem.endswith("_" + n) for n in _names(parent))
        if same or named or (above and parent == table):
            found.append(parent)
    return found


def _stem(column: str) -> str:
    """customer_id, customerId and CustomerKey as customer."""
    return KEY_END.sub("", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)).lower()


def _names(table: str) -> set[str]:
    """A table's name in the plural and the singular."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", table).lower().rpartition(".")[2]
    ends = (("ies", "y"), ("ses", "s"), ("xes", "x"), ("s", ""), ("people", "person"), ("children", "child"))
    return {name} | {name.removesuffix(end) + new for end, new in ends if name.endswith(end)}


def _within(values: np.ndarray, keys: np.ndarray) -> bool:
    present = {v for v in values if v is not None}
    return bool(present) and present <= set(keys)
