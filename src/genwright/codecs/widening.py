"""Scalar fields that learn new values, and forget them again: labels that come with an adapter."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.scalars import MAX_LEVELS, Atoms, Levels, ScalarCoder
from genwright.codecs.schema import show
from genwright.codecs.values import values_of
from genwright.data.dataset import Category, Dataset, Field, Number
from genwright.errors import DataError

Labels = dict[str, tuple[str | float, ...]]


def new_labels(codec: ColumnsCodec, data: Dataset) -> Labels:
    """The values of `data` that the codec has no level for, by field; of numbers and times that go without, none."""
    found: Labels = {}
    for field, coder in zip(codec.fields, codec.coders, strict=True):
        if not isinstance(coder, Levels | Atoms):
            continue
        values = pd.unique(pd.Series(values_of(field, data.columns[field.name])).dropna())
        known = set(coder.known if isinstance(coder, Levels) else coder.values)
        if fresh := tuple(sorted(set(values.tolist()) - known)):
            if (isinstance(coder, Levels) and coder.rare) or len(known) + len(fresh) > MAX_LEVELS - coder.missing:
                what = f"{show(field, fresh[0])} is new, and {len(known):,} levels leave no room for more"
                raise DataError(what, where=field.name, hint="fit anew, with all levels")
            found[field.name] = fresh
    return found


def widened(codec: ColumnsCodec, labels: Mapping[str, Sequence[str | float]]) -> ColumnsCodec:
    """The codec with further levels, which stand behind those that it has unless they are numbers."""

    def more(field: Field, coder: ScalarCoder | None) -> tuple[Field, ScalarCoder | None]:
        fresh = labels.get(field.name)
        if not fresh:
            return field, coder
        if isinstance(coder, Levels):
            coder = replace(coder, frequent=(*coder.frequent, *map(str, fresh)))
        else:
            assert isinstance(coder, Atoms)
            coder = replace(coder, values=tuple(sorted({*coder.values, *map(float, fresh)})))
        return _field_of(field, fresh), coder

    return _changed(codec, more)


def narrowed(codec: ColumnsCodec, labels: Mapping[str, Collection[str | float]]) -> ColumnsCodec:
    """The inverse of `widened`; fields keep their range."""

    def less(field: Field, coder: ScalarCoder | None) -> tuple[Field, ScalarCoder | None]:
        gone = set(labels.get(field.name, ()))
        if gone and isinstance(coder, Levels):
            coder = replace(coder, frequent=tuple(level for level in coder.frequent if level not in gone))
        elif gone and isinstance(coder, Atoms):
            coder = replace(coder, values=tuple(value for value in coder.values if value not in gone))
        if gone and isinstance(field, Category):
            field = replace(field, levels=tuple(level for level in field.levels if level not in gone))
        return field, coder

    return _changed(codec, less)


def sources(old: ColumnsCodec, new: ColumnsCodec) -> list[list[int | None]]:
    """For each discrete column of `new` and each of its states, the state of `old` that means the same; None if none
    does.
    """
    found: list[list[int | None]] = []
    for (_, before), (_, after) in zip(_modelled(old), _modelled(new), strict=True):
        for i, column in enumerate(after.columns("", 0)):
            if not hasattr(column, "levels"):
                continue
            if not isinstance(after, Levels | Atoms) or i:
                found.append([*range(column.levels)])
                continue
            place = {meaning: state for state, meaning in enumerate(_meanings(before))}
            found.append([place.get(meaning) for meaning in _meanings(after)])
    return found


def _meanings(coder: Any) -> list[Any]:
    """What each state of a column stands for."""
    if isinstance(coder, Levels):
        return [*coder.frequent, *([("rare",)] if coder.rare else []), *([None] if coder.missing else [])]
    return [*coder.values, *([None] if coder.missing else [])]


def _modelled(codec: ColumnsCodec) -> list[tuple[Field, ScalarCoder]]:
    return [(f, coder) for f, coder in zip(codec.fields, codec.coders, strict=True) if coder is not None]


def _changed(codec: ColumnsCodec, change: Any) -> ColumnsCodec:
    pairs = [change(field, coder) for field, coder in zip(codec.fields, codec.coders, strict=True)]
    return replace(codec, fields=tuple(f for f, _ in pairs), coders=tuple(coder for _, coder in pairs))


def _field_of(field: Field, fresh: Sequence[Any]) -> Field:
    """A field whose values include further ones."""
    if isinstance(field, Category):
        levels = {*field.levels, *fresh}
        ordered = all(a <= b for a, b in pairwise(field.levels))
        return replace(field, levels=tuple(sorted(levels)) if ordered else (*field.levels, *map(str, fresh)))
    if isinstance(field, Number):
        numbers = np.array(fresh, dtype=float)
        return replace(field, low=min(field.low, float(numbers.min())), high=max(field.high, float(numbers.max())))
    return field
