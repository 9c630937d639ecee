"""Tables: number, category and time fields to `Columns` and back; the condition fields beside media likewise."""

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from genwright.codecs.codec import Codec
from genwright.codecs.scalars import Levels, ScalarCoder, coder_from_json, fit_number
from genwright.codecs.schema import field_from_json, field_to_json, from_numbers, grid_scale, show, to_numbers
from genwright.data.dataset import SCALARS, Category, Constant, Dataset, Field, Identifier, Number, Time
from genwright.data.times import parse_as
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Columns, Continuous, Discrete, Encoded, Given

LARGEST = 1e100  # beyond that sums and slopes overflow


@final
@dataclass(frozen=True)
class ColumnsCodec(Codec):
    """Scalar fields <-> `Columns`; `coders` has one entry per field, None for those that are not modelled.

    Identifiers get new running keys on decode and constants their value; other fields are left out. See
    `genwright.codecs.scalars` for how single fields are encoded.
    """

    fields: tuple[Field, ...]
    coders: tuple[ScalarCoder | None, ...]
    name: str = "data"
    label: str | None = None

    @classmethod
    def fit(cls, data: Dataset, *, rng: torch.Generator) -> Self:
        """Fit to all rows of `data`; `rng` draws the dequantisation noise. Raises DataError if there are none."""
        if len(data) == 0:
            raise DataError("no rows to fit to", where=data.name, hint="give at least one row")
        fields = tuple(f for f in data.fields if isinstance(f, (*SCALARS, Identifier, Constant)))
        coders = tuple(_fit_coder(f, data.columns[f.name], rng) for f in fields)
        label = data.label if any(f.name == data.label for f in fields) else None
        return cls(fields, coders, data.name, label)

    @cached_property
    def space(self) -> Columns:  # type: ignore[override]
        columns: list[Discrete | Continuous] = []
        for field, coder in self._modelled:
            columns.extend(coder.columns(field.name, len(columns)))
        return Columns(tuple(columns))

    @property
    def context(self) -> None:  # type: ignore[override]
        return None

    @property
    def _modelled(self) -> list[tuple[Field, ScalarCoder]]:
        return [(f, coder) for f, coder in zip(self.fields, self.coders, strict=True) if coder is not None]

    @cached_property
    def _places(self) -> dict[str, slice]:
        """Where each modelled field's columns lie."""
        places, first = {}, 0
        for field, coder in self._modelled:
            width = len(coder.columns(field.name, first))
            places[field.name] = slice(first, first + width)
            first += width
        return places

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """All rows; values unlike anything fitted are replaced by the nearest known one, with a warning."""
        x = np.empty((len(data), len(self.space.columns)), dtype=np.float32)
        replaced = []
        for field, coder in self._modelled:
            values = _values(field, data.columns[field.name])
            known = coder.snap(values)
            replaced += _replaced(field, values, known)
            x[:, self._places[field.name]] = coder.encode(known, rng)
        if replaced:
            shown = "; ".join(replaced[:5]) + ("; ..." if len(replaced) > 5 else "")
            what = f"{data.name}: values unlike the rows the codec was fitted to become the nearest known ones"
            warnings.warn(f"{what} ({shown})", stacklevel=2)
        return Encoded(torch.from_numpy(x))

    def decode(self, encoded: Encoded, *, rng: torch.Generator) -> Dataset:
        """Rows of the fitted fields, in their order, with their precision, range and format."""
        columns = self.decode_columns(encoded.x, rng=rng)
        return Dataset(self.fields, columns, name=self.name, label=self.label)

    def decode_columns(self, x: Float[Tensor, "n c"], *, rng: torch.Generator) -> dict[str, np.ndarray]:
        """The columns of the decoded Dataset, which may be none at all beside media."""
        rows = x.cpu().numpy()
        columns = {}
        for field, coder in zip(self.fields, self.coders, strict=True):
            if coder is None:
                columns[field.name] = _restore(field, len(rows))
            else:
                columns[field.name] = _column(field, coder.decode(rows[:, self._places[field.name]], rng))
        return columns

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """`{field: value}` as n partial rows, NaN where free; None (or NaN) fixes a field to be missing.

        Raises ArgumentError for unknown fields and for values that decoding could not give back exactly.
        """
        x = np.full((n, len(self.space.columns)), np.nan, dtype=np.float32)
        for name, value in fixed.items():
            field, coder = self._known(name)
            x[:, self._places[name]] = coder.encode(_fixed_values(field, coder, value, n), None)
        return Given(x=torch.from_numpy(x) if fixed else None)

    def rows_given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Float[Tensor, "n c"] | None:
        """`given` as context beside media: always rows, all NaN where nothing is fixed; None without any column."""
        if not self.space.columns and not fixed:
            return None
        partial = self.given(fixed, n, rng=rng).x
        return torch.full((n, len(self.space.columns)), torch.nan) if partial is None else partial

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "columns",
            "name": self.name,
            "label": self.label,
            "fields": [field_to_json(f) for f in self.fields],
            "coders": [None if coder is None else coder.to_json() for coder in self.coders],
        }

    @classmethod
    def from_json(cls, mapping: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            tuple(field_from_json(f) for f in mapping["fields"]),
            tuple(None if coder is None else coder_from_json(coder) for coder in mapping["coders"]),
            mapping["name"],
            mapping["label"],
        )

    def _known(self, name: str) -> tuple[Field, ScalarCoder]:
        for field, coder in self._modelled:
            if field.name == name:
                return field, coder
        raise unknown_field(name, self._places, where=self.name)


def unknown_field(name: str, known: Iterable[str], *, where: str) -> ArgumentError:
    """The error for a field in `given` that cannot be fixed."""
    known = list(known)
    return ArgumentError(f"no field called {name!r} can be given", where=where, hint=did_you_mean(name, known))


def did_you_mean(text: str, known: Sequence[str]) -> str:
    """A hint with the closest of `known`, or the first of them."""
    close = difflib.get_close_matches(text, known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    shown = ", ".join(map(repr, known[:20])) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return f"there are: {shown}" if known else "there are none"


def entries(value: Any, n: int, *, where: str) -> list[Any]:
    """One value for all, or a sequence of n, as a list of n."""
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray, pd.Series, Tensor)):
        return [value] * n
    if len(value) != n:
        raise ArgumentError(f"{len(value)} values given for {n} records", where=where, hint=f"give one value, or {n}")
    return list(value)


def _fit_coder(field: Field, column: np.ndarray, rng: torch.Generator) -> ScalarCoder | None:
    if isinstance(field, (Identifier, Constant)):
        return None
    if isinstance(field, Category):
        return Levels.fit(column)
    assert isinstance(field, (Number, Time))
    if isinstance(field, Number) and (np.abs(column) > LARGEST).any():
        what = f"infinite numbers, or beyond {LARGEST:g}, cannot be modelled"
        raise DataError(what, where=field.name, hint="replace or drop them, or take their logarithm")
    values = to_numbers(field, column)
    return fit_number(values, grid=grid_scale(field) is not None, rng=rng)


def _values(field: Field, column: np.ndarray) -> np.ndarray:
    """A column as its coder takes it."""
    return to_numbers(field, column) if isinstance(field, (Number, Time)) else column


def _column(field: Field, values: np.ndarray) -> np.ndarray:
    """The inverse of `_values`."""
    return from_numbers(field, values) if isinstance(field, (Number, Time)) else values


def _restore(field: Field, n: int) -> np.ndarray:
    """n entries of a field that is not modelled."""
    column = np.empty(n, dtype=object)
    if isinstance(field, Identifier):
        keys = range(field.start, field.start + n)
        column[:] = [field.pattern.replace("{}", str(key).zfill(field.digits), 1) for key in keys]
    else:
        assert isinstance(field, Constant)
        column[:] = field.value
    return column


def _differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two columns differ; missing equals missing."""
    return (a != b) & ~(pd.isna(a) & pd.isna(b))


def _replaced(field: Field, values: np.ndarray, known: np.ndarray) -> list[str]:
    """How many values had to be replaced, with an example; nothing if none had to be."""
    changed = np.flatnonzero(_differ(values, known))
    if not len(changed):
        return []
    example, instead = (show(field, _column(field, v[changed[:1]])[0]) for v in (values, known))
    return [f"{field.name}: {len(changed)} of {len(values)}, such as {example} to {instead}"]


def _fixed_values(field: Field, coder: ScalarCoder, value: Any, n: int) -> np.ndarray:
    """A given value (or n) as the coder takes it; raises where decoding would not give it back."""
    column = _parse(field, coder, entries(value, n, where=field.name))
    values = _values(field, column)
    known = coder.snap(values)
    wrong = np.flatnonzero(_differ(_column(field, known), column))
    if len(wrong):
        raise _unknown_value(field, coder, column[wrong[0]], _column(field, known)[wrong[0]])
    if isinstance(coder, Levels) and not set(values).isdisjoint(coder.rare):
        rare = next(v for v in values if v in coder.rare)
        what = f"{rare!r} is one of {len(coder.rare)} rare values that are modelled as one"
        raise ArgumentError(what, where=field.name, hint=f"the common ones are {', '.join(coder.frequent[:20])} ...")
    return values


def _unknown_value(field: Field, coder: ScalarCoder, value: Any, nearest: Any) -> ArgumentError:
    if pd.isna(value):
        return ArgumentError("is never missing in this data", where=field.name, hint="give a value")
    if isinstance(coder, Levels):
        what = f"no level {value!r}"
        return ArgumentError(what, where=field.name, hint=did_you_mean(value, coder.frequent))
    what = f"{show(field, value) if not isinstance(field, Number) else f'{value:g}'} is not a value this data takes"
    return ArgumentError(what, where=field.name, hint=f"the nearest is {show(field, nearest)}")


def _parse(field: Field, coder: ScalarCoder, values: list[Any]) -> np.ndarray:
    """Given values of outside types as a Dataset column."""
    match field:
        case Number():
            return np.array([_parse_number(field, v) for v in values], dtype=np.float64)
        case Time():
            return np.array([_parse_time(field, v) for v in values], dtype="datetime64[ns]")
    assert isinstance(field, Category) and isinstance(coder, Levels)
    levels = coder.frequent + coder.rare
    parsed = {v: _parse_level(field, levels, v) for v in {None if pd.isna(v) else v for v in values}}
    column = np.empty(len(values), dtype=object)
    column[:] = [parsed[None if pd.isna(v) else v] for v in values]
    return column


def _parse_number(field: Number, value: Any) -> float:
    try:
        return np.nan if value is None or value is pd.NA else float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{value!r} is not a number", where=field.name, hint="give a number, or None") from None


def _parse_time(field: Time, value: Any) -> np.datetime64:
    if value is None or value is pd.NaT:
        return np.datetime64("NaT")
    written = parse_as([value], field.format) if isinstance(value, str) else None
    if written is not None:
        return written[0]
    try:
        return pd.Timestamp(value).tz_localize(None).to_datetime64()
    except (TypeError, ValueError):
        hint = f"write it like {field.low or field.format}"
        raise ArgumentError(f"{value!r} is not a time", where=field.name, hint=hint) from None


def _parse_level(field: Category, levels: Sequence[str], value: Any) -> str | None:
    """The level that `value` means: by its text, else as the number or truth value that the level stands for."""
    if value is None or str(value) in levels:
        return None if value is None else str(value)
    truths = ("true", "yes", "t", "y", "1")
    for level in levels:
        if field.dtype == "bool" and str(value).lower() in ("true", "false"):
            if (level.lower() in truths) == (str(value).lower() == "true"):
                return level
        elif field.dtype in ("int", "float"):
            try:
                if float(level) == float(value):
                    return level
            except (TypeError, ValueError):
                continue
    return str(value)
