"""Features as rows of a space: numbers in units of their spread, or a table of mixed types through its codec."""

import abc
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genwright.codecs.coders import fit_coders
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.grouped import Grouped
from genwright.codecs.scalars import Atoms, Levels, ScalarCoder
from genwright.codecs.smooth import Smooth
from genwright.codecs.values import unknown_field, values_of
from genwright.data.dataset import SCALARS, Category, Dataset, Field
from genwright.data.like import read_partial
from genwright.data.read import read
from genwright.data.spellings import truth
from genwright.errors import DataError
from genwright.estimators.line import Line
from genwright.estimators.validation import is_number_column, numbers_of, read_amounts
from genwright.spaces import Columns, Encoded, Reals


class Coded(NamedTuple):
    """Encoded rows, NaN where unknown, and how many entries of each are unlike any that were fitted to.

    The log-density of a row in units of X is that of the encoded one, plus `log_volume`.
    """

    rows: Float[Tensor, "n w"]
    strange: Int[np.ndarray, " n"]
    log_volume: Float[np.ndarray, " n"]


class Features(abc.ABC):
    """A fitted map of the feature columns of a DataFrame to rows of `space`."""

    space: Reals | Columns

    @abc.abstractmethod
    def encode(self, frame: pd.DataFrame, rng: torch.Generator | None) -> Coded:
        """Rows to encoded ones; `rng` spreads values that are rounded over their cell, None takes its centre."""

    @abc.abstractmethod
    def decode(self, rows: Float[Tensor, "n w"], rng: torch.Generator) -> pd.DataFrame:
        """Encoded rows without unknown entries back to a DataFrame."""


@final
@dataclass(frozen=True, eq=False)
class Standardised(Features):
    """Numbers in units of their spread (see `Line`). Nothing is strange: densities say how far off.

    Columns of zeros and ones (`binary`) also take other truth values.
    """

    names: tuple[str, ...]
    binary: tuple[str, ...]
    lines: tuple[Line, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame) -> Self:
        x = numbers_of(frame)
        binary = tuple(frame.columns[((x == 0) | (x == 1)).all(axis=0)])
        return cls(tuple(frame.columns), binary, tuple(Line.fit(column) for column in x.T))

    @property
    def space(self) -> Reals:  # type: ignore[override]
        return Reals((len(self.names),))

    def encode(self, frame: pd.DataFrame, rng: torch.Generator | None) -> Coded:
        words = [name for name in self.names if not is_number_column(frame[name])]
        frame = frame.assign(**{name: self._numbers(frame[name], name) for name in words})
        columns = list(zip(self.lines, numbers_of(frame).T, strict=True))
        z = np.stack([line.encode(x) for line, x in columns], axis=1)
        log_volume = np.sum([line.log_slope(x) for line, x in columns], axis=0)
        return Coded(torch.tensor(z, dtype=torch.float32), np.zeros(len(frame), dtype=np.int64), log_volume)

    def _numbers(self, column: pd.Series, name: str) -> pd.Series:
        """Words in a column of numbers as such."""
        column = column.astype(object).map(_as_number) if name in self.binary else column.astype(object)
        present = column.dropna()
        hint = "give numbers, as the model was fitted to"
        numbers = read_amounts(present.to_numpy(dtype=object), where=name, hint=hint)
        return pd.Series(numbers, index=present.index).reindex(column.index)

    def decode(self, rows: Float[Tensor, "n w"], rng: torch.Generator) -> pd.DataFrame:
        columns = zip(self.names, self.lines, rows.double().numpy().T, strict=True)
        return pd.DataFrame({name: line.decode(z) for name, line, z in columns})


@final
@dataclass(frozen=True, eq=False)
class Table(Features):
    """Columns of mixed types through the codec of tables; densities are in the units of encoded rows.

    A missing entry is unknown, except in `keep_missing` columns, where it is a value of its own. Strange are levels
    that were never seen, which are taken as unknown, and numbers beyond all that were, which become the nearest.
    """

    codec: ColumnsCodec
    keep_missing: frozenset[str]
    ends: dict[str, tuple[float, float]]

    @classmethod
    def fit(cls, frame: pd.DataFrame, *, keep_missing: Collection[str], rng: torch.Generator) -> Self:
        """Columns of keys, and of a single value, say nothing of the others and are left out."""
        for name in keep_missing:
            if name not in frame:
                raise unknown_field(name, frame.columns, where="keep_missing")
        try:
            data = read(frame, schema={str(name): kind for name in frame if (kind := _kind(frame[name]))})
        except DataError as error:
            raise _without_options(error) from None
        scalars = tuple(f for f in data.fields if isinstance(f, SCALARS))
        coders = fit_coders(scalars, data.columns, rng)
        kept = tuple(c if f.name in keep_missing else _complete(c) for f, c in zip(scalars, coders, strict=True))
        ends = {f.name: _ends(f, data) for f in scalars if not isinstance(f, Category)}
        return cls(ColumnsCodec(scalars, kept, "X"), frozenset(keep_missing), ends)

    @property
    def space(self) -> Columns:  # type: ignore[override]
        return self.codec.space

    def encode(self, frame: pd.DataFrame, rng: torch.Generator | None) -> Coded:
        n = len(frame)
        parts, strange = [np.empty((n, 0), dtype=np.float32)], np.zeros(n, dtype=np.int64)
        try:
            data = read_partial(frame, self.codec.fields) if self.codec.fields else None
        except DataError as error:
            raise _without_options(error) from None
        for field, coder in zip(self.codec.fields, self.codec.coders, strict=True):
            assert data is not None and coder is not None
            values = values_of(field, data.columns[field.name])
            odd = self._odd(field, coder, values)
            unknown = np.asarray(pd.isna(values), dtype=bool)
            if isinstance(field, Category):
                values = values.copy()
                values[odd] = None
                unknown = unknown | odd
            if field.name in self.keep_missing and getattr(coder, "missing", False):
                unknown[:] = False
            part = np.full((n, len(coder.columns(field.name, 0))), np.nan, dtype=np.float32)
            part[~unknown] = coder.encode(coder.snap(values[~unknown]), rng)
            parts.append(part)
            strange += odd
        return Coded(torch.from_numpy(np.concatenate(parts, axis=1)), strange, np.zeros(n))

    def decode(self, rows: Float[Tensor, "n w"], rng: torch.Generator) -> pd.DataFrame:
        return self.codec.decode(Encoded(rows), rng=rng).frame

    def _odd(self, field: Field, coder: ScalarCoder, values: np.ndarray) -> Bool[np.ndarray, " n"]:
        """Which values are levels never seen, or beyond all numbers that were."""
        if isinstance(coder, (Levels, Grouped)):
            return ~(pd.isna(values) | np.isin(values.astype(str), list(coder.known)))
        low, high = self.ends[field.name]
        return (values < low) | (values > high)


def _without_options(error: DataError) -> DataError:
    """The error without a hint at options of `read`, which estimators do not take."""
    hint = "convert the column, for example with pandas.to_numeric or pandas.to_datetime; NaN where unknown"
    told = "schema=" in error.hint or "missing=" in error.hint
    return DataError(error.what, where=error.where, hint=hint if told else error.hint)


def _kind(column: pd.Series) -> str | None:
    """What a column's type says of it; None leaves it to its values."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    return "number" if is_number_column(column) else None


def _as_number(value: Any) -> Any:
    """1 or 0 for a truth value."""
    said = truth(value)
    return value if said is None else float(said)


def _complete(coder: ScalarCoder | None) -> ScalarCoder:
    """A coder that knows no missing value."""
    assert isinstance(coder, (Atoms, Levels, Smooth, Grouped))
    return replace(coder, missing=False)


def _ends(field: Field, data: Dataset) -> tuple[float, float]:
    values = values_of(field, data.columns[field.name])
    return float(np.nanmin(values)), float(np.nanmax(values))
