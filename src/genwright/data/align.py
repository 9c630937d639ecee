"""Bring generated data to the fields and types of the real data, so that like is compared with like.

Files read on their own may be typed differently: a column of a collapsed generator is constant, a small one of whole
numbers may be taken for categories. The real data's fields are the authority.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from genwright.data.dataset import ARRAYS, SCALARS, Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.media import KINDS
from genwright.data.numerals import plain_texts
from genwright.data.spellings import level_finder, truth
from genwright.data.split import row_keys
from genwright.errors import DataError


def shared(real: Dataset, *others: Dataset | None) -> tuple[Dataset, tuple[str, ...]]:
    """Of images and texts, `real` without the fields that one of `others` lacks, and a note on those.

    Generated pictures without labels can be compared with labelled ones as pictures; a table that lacks a column is not
    the same table.
    """
    if real.media is None:
        return real, ()
    held = [set(other.columns) | {real.media.name} for other in others if other is not None]
    beside = [f.name for f in real.fields if not isinstance(f, Identifier | Constant)]
    lost = [name for name in beside if any(name not in names for names in held)]
    if not lost:
        return real, ()
    note = f"not compared, since only the real data has it: {_listed(lost)}"
    return real.select(f.name for f in real.fields if f.name not in lost), (note,)


def aligned(fake: Dataset, real: Dataset) -> Dataset:
    """`fake` with exactly the scalar and media fields of `real`, in its order and types.

    Raises DataError naming fields that are missing or cannot be read as what the real field holds.
    """
    fake = _media_as(fake, real)
    wanted = [f for f in real.fields if not isinstance(f, Identifier | Constant)]
    have = {f.name: f for f in fake.fields}
    missing = [f.name for f in wanted if f.name not in have]
    if missing:
        raise DataError(
            f"the generated data lacks {_listed(missing)}",
            where=fake.name,
            hint=f"it has {_listed(list(have))}; compare with the data it was fitted to",
        )
    columns = {f.name: _converted(fake.columns[f.name], have[f.name], f, fake.name) for f in wanted}
    label = real.label if real.label in columns else None
    return replace(fake, fields=tuple(wanted), columns=columns, label=label, fixed_split=None)


def _media_as(fake: Dataset, real: Dataset) -> Dataset:
    """`fake` with its images or texts called, coloured and cut into records as those of `real`."""
    wanted, own = real.media, fake.media
    if wanted is None or own is None or type(own) is not type(wanted):
        return fake
    fake = KINDS[real.kind].recast(fake, wanted)
    own = fake.media
    assert own is not None
    if own.name == wanted.name:
        return fake
    fields = tuple(replace(f, name=wanted.name) if f is own else f for f in fake.fields if f.name != wanted.name)
    columns = {wanted.name if f is own else f.name: fake.columns[f.name] for f in fake.fields if f.name != wanted.name}
    return replace(fake, fields=fields, columns=columns)


def same_records(a: Dataset, b: Dataset) -> bool:
    """Whether two sets of one kind hold equal records as often, in whatever order: scalars of tables, else the media.

    >>> from genwright.data.read import read
    >>> wine = read("wine")
    >>> same_records(wine, wine.take(slice(None, None, -1))), same_records(wine.train, wine.test)
    (True, False)
    """
    one, other = (np.sort(row_keys(_content(data))) for data in (a, b))
    return np.array_equal(one, other)


def _content(data: Dataset) -> dict[str, np.ndarray]:
    """The columns that hold what is measured; the field of the media may be called differently in another set."""
    if data.media is not None:
        return {"media": data.columns[data.media.name]}
    return {f.name: data.columns[f.name] for f in data.scalars}


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _converted(column: np.ndarray, source: Field, target: Field, where: str) -> np.ndarray:
    """One column as what `target` holds."""
    if not isinstance(target, SCALARS):
        if type(source) is not type(target):
            raise _mismatch(source, target, where)
        return column
    if isinstance(source, ARRAYS):
        raise _mismatch(source, target, where)
    match target:
        case Number():
            return column if isinstance(source, Number) else _to_numbers(column, source, target, where)
        case Time():
            return column if isinstance(source, Time) else _to_times(column, source, target, where)
        case Category():
            return _to_levels(_to_text(column), target)
    raise AssertionError(f"unexpected field {target}")


def _mismatch(source: Field, target: Field, where: str) -> DataError:
    kinds = f"{type(source).__name__.lower()}, the real one {type(target).__name__.lower()}"
    return DataError(
        f"field {target.name!r} holds {kinds}", where=where, hint="give both the same kind of data in this field"
    )


def _to_numbers(column: np.ndarray, source: Field, target: Field, where: str) -> np.ndarray:
    assert isinstance(target, Number)
    text = pd.Series(_to_text(column), dtype=object)
    if target.binary:
        text = text.map(lambda v: v if (said := truth(v)) is None else str(int(said)))
    codes, texts = pd.factorize(text)
    plain = plain_texts(texts.tolist(), target.form, whole=not target.decimals)
    if None in plain:
        raise _mismatch(source, target, where)
    return np.array([*map(float, filter(None, plain)), np.nan])[codes]


def _to_times(column: np.ndarray, source: Field, target: Field, where: str) -> np.ndarray:
    text = pd.Series(_to_text(column), dtype=object)
    times = pd.to_datetime(text, errors="coerce", format="mixed").to_numpy("datetime64[us]")
    if (np.isnat(times) & text.notna().to_numpy()).any():
        raise _mismatch(source, target, where)
    return times


def _to_text(column: np.ndarray) -> np.ndarray:
    """Any scalar column as text, None where missing; whole floats without a trailing '.0'."""
    if column.dtype == object:
        return column
    if column.dtype.kind == "M":
        return np.array([None if np.isnat(v) else str(v) for v in column], dtype=object)
    return np.array([None if np.isnan(v) else np.format_float_positional(v, trim="-") for v in column], dtype=object)


def _to_levels(text: np.ndarray, target: Category) -> np.ndarray:
    """Text as the real field's levels where they are the same value differently written ('1' and '1.0')."""
    codes, distinct = pd.factorize(text)
    meant = np.array([*map(level_finder(target.levels, target.dtype), distinct), None], dtype=object)
    return meant[codes]  # -1, missing, is the last
