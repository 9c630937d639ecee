"""Keys that nobody declared: found where a column's name and its values both speak for it."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from genwright.data.dataset import Dataset
from genwright.relational.database import ForeignKey, key_texts

KEY_NAME = re.compile(r"(?i:(^|_)(id|key|uuid|guid|code|nr|no)$)|[a-z]I[Dd]$")
KEY_END = re.compile(r"(?i:_?(id|key|uuid|guid|code|nr|no))$")


def suggest_keys(tables: Mapping[str, Dataset]) -> tuple[dict[str, str], tuple[ForeignKey, ...]]:
    """Primary keys: columns named so that differ in every row. Foreign keys: columns named after a table or its key
    whose values are all keys of it.
    """
    texts = {
        name: {f.name: np.array(key_texts(data, f.name), dtype=object) for f in data.fields}
        for name, data in tables.items()
    }
    keys = {name: key for name in tables if (key := _primary(name, texts[name])) is not None}
    foreign = [
        ForeignKey(table, column, parent)
        for table, columns in texts.items()
        for column, values in columns.items()
        for parent in _parents(table, column, keys)
        if _within(values, texts[parent][keys[parent]])
    ]
    return keys, tuple({(f.table, f.column): f for f in reversed(foreign)}.values())[::-1]


def _primary(table: str, columns: Mapping[str, np.ndarray]) -> str | None:
    """The best named column whose values all differ; one named after another table would be a foreign key."""
    unique = [c for c, v in columns.items() if not pd.isna(v).any() and len(set(v)) == len(v)]
    named = [c for c in unique if c.lower() == "id" or _stem(c) in _names(table)]
    first = [c for c in unique if KEY_NAME.search(c) and c == next(iter(columns))]
    return next(iter([*named, *first]), None)


def _parents(table: str, column: str, keys: Mapping[str, str]) -> list[str]:
    """Tables that a column may refer to by its name: customer_id or billing_customer_id for customers."""
    stem = _stem(column)
    found = []
    for parent, key in keys.items():
        if parent == table and column == key:
            continue
        same = column == key and key.lower() != "id" and parent != table
        named = KEY_NAME.search(column) and any(stem == n or stem.endswith("_" + n) for n in _names(parent))
        if same or named:
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
