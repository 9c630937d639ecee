"""Tables: number, category and time fields to `Columns` and back; the condition fields beside media likewise."""

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genwright.codecs.codec import Codec
from genwright.codecs.coders import coder_from_json, fit_coders, suits
from genwright.codecs.conditions import as_condition, value_set
from genwright.codecs.scalars import ScalarCoder
from genwright.codecs.schema import field_from_json, field_to_json, show
from genwright.codecs.smooth import Smooth
from genwright.codecs.value_sets import Interval, ValueSet
from genwright.codecs.values import column_of, differ, fixed_values, unknown_field, values_of
from genwright.data.dataset import SCALARS, Category, Constant, Dataset, Field, Identifier
from genwright.data.keys import new_keys
from genwright.errors import DataError
from genwright.spaces import Columns, Continuous, Discrete, Encoded, Given
from genwright.typed import entry, typed, wrong


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

    @property
    def scalars(self) -> "ColumnsCodec":  # type: ignore[override]
        """Itself."""
        return self

    @classmethod
    def fit(cls, data: Dataset, *, rng: torch.Generator) -> Self:
        """Fit to all rows of `data`; `rng` draws the dequantisation noise. Raises DataError if there are none."""
        if len(data) == 0:
            raise DataError("no rows to fit to", where=data.name, hint="give at least one row")
        fields = tuple(f for f in data.fields if isinstance(f, (*SCALARS, Identifier, Constant)))
        coders = fit_coders(fields, data.columns, rng)
        label = data.label if any(f.name == data.label for f in fields) else None
        return cls(fields, coders, data.name, label)

    @cached_property
    def space(self) -> Columns:  # type: ignore[override]
        columns: list[Discrete | Continuous] = []
        for field, coder in self._modelled:
            columns.extend(coder.columns(field.name, len(columns)))
        return Columns(tuple(columns))

    @property
    def conditions(self) -> None:  # type: ignore[override]
        return None

    @property
    def _modelled(self) -> list[tuple[Field, ScalarCoder]]:
        return [(f, coder) for f, coder in zip(self.fields, self.coders, strict=True) if coder is not None]

    @property
    def sometimes_missing(self) -> list[str]:
        """The fields that may be drawn as missing."""
        return [f.name for f, coder in self._modelled if bool(pd.isna(coder.snap(_missing(f)))[0])]

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
            data.field(field.name)  # raises where it is not there
            values = values_of(field, data.columns[field.name])
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
                columns[field.name] = restored(field, len(rows))
            else:
                columns[field.name] = column_of(field, coder.decode(rows[:, self._places[field.name]], rng))
        return columns

    def decode_known(self, x: Float[Tensor, "n c"], *, rng: torch.Generator) -> dict[str, np.ndarray]:
        """`decode_columns` of rows that are not known throughout: missing where they are not."""
        columns, unknown = self.decode_columns(x.nan_to_num(0.0), rng=rng), x.isnan().cpu().numpy()
        for field, _ in self._modelled:
            absent = unknown[:, self._places[field.name]].any(axis=1)
            if absent.any():
                columns[field.name] = columns[field.name].copy()
                columns[field.name][absent] = column_of(field, _missing(field))[0]
        return columns

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """`{field: value}` as n partial rows, NaN where free; None (or NaN) fixes a field to be missing.

        A `Between`, `OneOf` or Python set restricts a field, the same for all rows: see `Given.allowed`.
        Raises ArgumentError for unknown fields and for values that decoding could not give back exactly.
        """
        x = np.full((n, len(self.space.columns)), np.nan, dtype=np.float32)
        limits = self.limits(fixed)
        for name, value in fixed.items():
            field, coder = self._known(name)
            if name not in limits:
                x[:, self._places[name]] = coder.encode(fixed_values(field, coder, value, n), None)
        plain = len(fixed) > len(limits)
        return Given(x=torch.from_numpy(x) if plain else None, allowed=self.allowed(limits) or None)

    def partial(self, data: Dataset, *, keep_missing: Collection[str]) -> tuple[Given, list[str]]:
        """Rows with their missing values free, but never drawn as missing; and what had to be replaced to encode them.

        Missing values of fields in `keep_missing` are given as missing, where the coder knows such.
        """
        x = np.full((len(data), len(self.space.columns)), np.nan, dtype=np.float32)
        filled, replaced = {}, []
        for field, coder in self._modelled:
            values = values_of(field, data.columns[field.name])
            absent, known = pd.isna(values), coder.snap(values)
            replaced += _replaced(field, values[~absent], known[~absent])
            if pd.isna(known).any() and field.name not in keep_missing:
                filled[field.name] = Interval()
            fixed = ~absent | (pd.isna(known) & (field.name in keep_missing))
            x[fixed, self._places[field.name]] = coder.encode(known[fixed], None)
        return Given(torch.from_numpy(x), allowed=self.allowed(filled) or None), replaced

    def given_beside(self, x: Tensor | None, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """`given` as the context beside media: always rows, all NaN where nothing is fixed; None without any column."""
        if not self.space.columns and not fixed:
            return Given(x)
        beside = self.given(fixed, n, rng=rng)
        free = torch.full((n, len(self.space.columns)), torch.nan)
        return Given(x, free if beside.x is None else beside.x, beside.allowed)

    def limits(self, fixed: Mapping[str, Any]) -> dict[str, ValueSet]:
        """The sets of values that conditions in `fixed` restrict fields to; raises where one has no known value."""
        conditions = {name: as_condition(value) for name, value in fixed.items()}
        return {name: value_set(*self._known(name), c) for name, c in conditions.items() if c is not None}

    def allowed(self, limits: Mapping[str, ValueSet]) -> dict[int, Tensor]:
        """The sets that keep columns to `limits`, or to little more, by column."""
        sets: dict[int, Tensor] = {}
        for name, limit in limits.items():
            each = self._known(name)[1].restrict(limit)
            assert each is not None, "a limit without any known value"
            sets |= {self._places[name].start + i: s for i, s in enumerate(each) if s is not None}
        return sets

    def meets(self, data: Dataset, limits: Mapping[str, ValueSet]) -> Bool[np.ndarray, " n"]:
        """Which decoded rows keep to `limits`."""
        kept = np.ones(len(data), dtype=bool)
        for name, limit in limits.items():
            kept &= limit.holds(values_of(self._known(name)[0], data.columns[name]))
        return kept

    def project_exactly(self, data: Dataset, limits: Mapping[str, ValueSet], *, rng: torch.Generator) -> Dataset:
        """Decoded rows with numbers moved to ends of ranges that rounding left, and to values off any grid."""
        return self.project(data, {k: s for k, s in limits.items() if _is_exact(self._known(k)[1], s)}, rng=rng)

    def project(self, data: Dataset, limits: Mapping[str, ValueSet], *, rng: torch.Generator) -> Dataset:
        """Decoded rows with values outside of `limits` replaced by the nearest inside, or levels drawn at random."""
        columns = dict(data.columns)
        for name, limit in limits.items():
            field, coder = self._known(name)
            columns[name] = column_of(field, coder.project(values_of(field, columns[name]), limit, rng))
        return replace(data, columns=columns)

    def hold(self, data: Dataset, fixed: Mapping[str, Any]) -> Dataset:
        """Decoded rows with single values in `fixed` as given: codes leave rare levels and last digits open."""
        columns = dict(data.columns)
        for name, value in fixed.items():
            if name in self._places and as_condition(value) is None:
                field, coder = self._known(name)
                columns[name] = column_of(field, fixed_values(field, coder, value, len(data)))
        return replace(data, columns=columns)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "columns",
            "name": self.name,
            "label": self.label,
            "fields": [field_to_json(f) for f in self.fields],
            "coders": [None if coder is None else coder.to_json() for coder in self.coders],
        }

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        listed = {name: entry(told, name, tuple, where=where) for name in ("fields", "coders")}
        fields = tuple(field_from_json(f, where=f"{where}, field {i}") for i, f in enumerate(listed["fields"], 1))
        coders = tuple(
            None if coder is None else coder_from_json(coder, where=f"{where}, coder {i}")
            for i, coder in enumerate(listed["coders"], 1)
        )
        if (
            len(coders) != len(fields)
            or not all(map(suits, fields, coders))
            or len({f.name for f in fields}) < len(fields)
        ):
            raise wrong("fields and coders do not belong together", where)
        label = typed(told.get("label"), str | None, where=f"{where}, label")
        return cls(fields, coders, entry(told, "name", str, where=where), label)

    def _known(self, name: str) -> tuple[Field, ScalarCoder]:
        for field, coder in self._modelled:
            if field.name == name:
                return field, coder
        raise unknown_field(name, self._places, where=self.name)


def restored(field: Field, n: int) -> np.ndarray:
    """n entries of a field that is not modelled."""
    column = np.empty(n, dtype=object)
    if isinstance(field, Identifier):
        column[:] = new_keys(field, n)
    else:
        assert isinstance(field, Constant)
        column[:] = field.value
    return column


def _missing(field: Field) -> np.ndarray:
    """One missing value as the field's coder takes it."""
    return np.array([None], dtype=object) if isinstance(field, Category) else np.array([np.nan])


def _is_exact(coder: ScalarCoder, limit: ValueSet) -> bool:
    """Whether drawing again would not do: ends of ranges, and single values among infinitely many."""
    return isinstance(coder, Smooth) and (isinstance(limit, Interval) or not coder.step)


def _replaced(field: Field, values: np.ndarray, known: np.ndarray) -> list[str]:
    """How many values had to be replaced, with an example; nothing if none had to be."""
    changed = np.flatnonzero(differ(values, known))
    if not len(changed):
        return []
    example, instead = (show(field, column_of(field, v[changed[:1]])[0]) for v in (values, known))
    return [f"{field.name}: {len(changed)} of {len(values)}, such as {example} to {instead}"]
