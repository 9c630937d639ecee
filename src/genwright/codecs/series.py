"""Series to `Reals` over time and features, the scalar fields beside them to context columns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genwright.codecs.calendar import Calendar
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.medium import MediumCodec, beside_from_json, left_out, order_of
from genwright.codecs.others import ALONE, Others
from genwright.codecs.schema import field_of, field_to_json
from genwright.codecs.series_given import Known, known_records
from genwright.data.dataset import Category, Dataset, Number, Series, Time
from genwright.data.series import held
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Encoded, Given, Reals
from genwright.typed import entry, require, typed, wrong

FAR = 3.0  # standard deviations beyond which values are drawn together
SIZE = 0.5  # of a standard deviation, as encoded
TAIL = 1e-3  # share of values at each end that the scale is not told by
MAX_LENGTHS = 1000  # lengths of training records that are kept
MANY_LEVELS = 64  # of a category that varies along series
AXES = ("time", "feature")


@dataclass(frozen=True)
class Scale:
    """How numbers become about N(0, 1/4): less `centre`, by `spread`, and slowly growing where they are far out."""

    centre: float = 0.0
    spread: float = 1.0

    def __post_init__(self) -> None:
        require(np.isfinite(self.centre) and 0 < self.spread < np.inf, "no such scale")

    @classmethod
    def of(cls, values: Float[np.ndarray, " n"]) -> Self:
        """That of values, whose farthest thousandths are not looked at; NaN takes no part."""
        there = values[np.isfinite(values)]
        if not len(there):
            return cls()
        low, high = np.quantile(there, [TAIL, 1 - TAIL])
        inside = there[(there >= low) & (there <= high)]
        spread = float(inside.std())
        return cls(float(inside.mean()), spread if spread > 0 else 1.0)

    def encode(self, values: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """As the net sees them."""
        z = (values - self.centre) / self.spread
        return SIZE * np.where(np.abs(z) > FAR, np.sign(z) * (FAR + np.log1p(np.abs(np.abs(z) - FAR))), z)

    def decode(self, x: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """The inverse of `encode`."""
        z = x / SIZE
        far = np.expm1(np.clip(np.abs(z) - FAR, 0, 30.0))
        return np.where(np.abs(z) > FAR, np.sign(z) * (FAR + far), z) * self.spread + self.centre


@final
@dataclass(frozen=True)
class SeriesCodec(MediumCodec):
    """One series field <-> `Reals((time, feature))`, stored as `float32` with NaN where nothing was measured.

    A number that varies is a channel, a category one for each level. Features in `masked` have a channel beside them
    that says where they were measured, irregular times one of their `gaps`, and the `calendar` some of its own: so
    samples lack values where records do, and start when records do. Samples are as long as training records, `lengths`.
    """

    series: Series
    scales: tuple[Scale, ...]
    masked: tuple[int, ...]
    calendar: Calendar
    gaps: Scale | None
    lengths: tuple[int, ...]
    beside: ColumnsCodec
    order: tuple[str, ...]
    notes: tuple[str, ...] = ()
    others: Others = ALONE

    @classmethod
    def fit(cls, data: Dataset, *, rng: torch.Generator, field: Series | None = None, others: Others = ALONE) -> Self:
        """Fit to `field`, or the series of `data`. Raises DataError for no rows, or categories of many levels."""
        series = field or data.medium(Series)
        for each in series.features:
            if isinstance(each, Category) and len(each.levels) > MANY_LEVELS:
                what = f"{len(each.levels)} levels vary along the series, at most {MANY_LEVELS} can"
                raise DataError(what, where=each.name, hint=f'say schema={{{each.name!r}: "drop"}}')
        items = data.columns[series.name]
        if not len(items):
            raise DataError("no series", where=data.name)
        whole = np.concatenate(list(items))
        lengths = sorted(len(rows) for rows in items)
        if len(lengths) > MAX_LENGTHS:
            lengths = [lengths[i] for i in np.linspace(0, len(lengths) - 1, MAX_LENGTHS).astype(int)]
        gaps = None
        if series.step is None:
            gaps = Scale.of(np.log(np.concatenate([np.diff(rows[:, 0]) for rows in items])))
        return cls(
            series,
            tuple(Scale.of(column) for column in whole[:, 1:].T),
            tuple(int(i) for i in np.flatnonzero(np.isnan(whole[:, 1:]).any(0))),
            Calendar.of(series, np.array([rows[0, 0] for rows in items])),
            gaps,
            () if lengths[0] == lengths[-1] else tuple(lengths),
            ColumnsCodec.fit(data, rng=rng),
            order_of(data, series, others),
            left_out(data, series, others),
            others,
        )

    @property
    def field(self) -> Series:  # type: ignore[override]
        """The target."""
        return self.series

    @property
    def length(self) -> int:
        """Readings of the longest record."""
        return self.series.lengths[1]

    @property
    def space(self) -> Reals:  # type: ignore[override]
        return Reals((self.length, self._channels), axes=AXES, lengths=self.lengths, gaps=bool(self.masked))

    @property
    def _channels(self) -> int:
        return channels(self.series) + len(self.masked) + self.calendar.channels + (self.gaps is not None)

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """All rows. Raises DataError for a record that is longer than those fitted to."""
        items = data.columns[self.series.name]
        x, lengths = self._rows(items)
        context = self.others.encode(self.beside, data, rng=rng)
        return Encoded(torch.from_numpy(x), context, torch.from_numpy(lengths) if self.lengths else None)

    def _rows(self, items: np.ndarray) -> tuple[Float[np.ndarray, "n t c"], Int[np.ndarray, " n"]]:
        lengths = np.array([len(rows) for rows in items], dtype=np.int64)
        if len(lengths) and lengths.max() > self.length:
            what = f"a record of {lengths.max()} readings, but the longest that was fitted to has {self.length}"
            raise DataError(what, where=self.series.name, hint="cut it, or fit to longer ones")
        x = np.zeros((len(items), self.length, self._channels), dtype=np.float32)
        if len(items):
            record = np.repeat(np.arange(len(items)), lengths)
            place = np.arange(len(record)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            x[record, place] = self._seen(np.concatenate(list(items)), first=place == 0)
        return x, lengths

    def _seen(self, rows: Float[np.ndarray, "t c"], first: Bool[np.ndarray, " t"]) -> Float[np.ndarray, "t k"]:
        """Readings as the net sees them, of records one after the other."""
        parts = []
        for field, scale, values in zip(self.series.features, self.scales, rows[:, 1:].T, strict=True):
            if isinstance(field, Number):
                parts.append(scale.encode(values)[:, None])
            else:
                level = np.where(np.isnan(values), -1, values)[:, None] == np.arange(len(field.levels))
                parts.append(np.where(np.isnan(values)[:, None], np.nan, 2.0 * level - 1.0))
        parts.append(np.where(np.isnan(rows[:, [1 + i for i in self.masked]]), -1.0, 1.0))
        parts.append(self.calendar.encode(rows[:, 0]))
        if self.gaps is not None:
            steps = np.maximum(np.diff(rows[:, 0], prepend=0.0), 1e-9)
            parts.append(np.where(first, 0.0, self.gaps.encode(np.log(steps)))[:, None])
        return np.concatenate(parts, axis=1)

    def decode_field(self, x: Tensor, lengths: Int[Tensor, "n"] | None = None) -> np.ndarray:
        """The column of the target: values within the range that was seen, on its grid."""
        found = x.double().cpu().numpy()
        sizes = np.full(len(found), self.length) if lengths is None else lengths.cpu().numpy()
        return held([self._record(rows[: max(2, int(size))]) for rows, size in zip(found, sizes, strict=True)])

    def _record(self, x: Float[np.ndarray, "t k"]) -> Float[np.ndarray, "t c"]:
        columns, at = [], 0
        for field, scale in zip(self.series.features, self.scales, strict=True):
            if isinstance(field, Number):
                values = np.clip(scale.decode(x[:, at]), field.low, field.high)
                columns.append(values if field.decimals is None else np.round(values, field.decimals) + 0.0)
                at += 1
            else:
                columns.append(x[:, at : at + len(field.levels)].argmax(1).astype(np.float64))
                at += len(field.levels)
        for i in self.masked:
            columns[i] = np.where(x[:, at] < 0, np.nan, columns[i])
            at += 1
        calendar = x[:, at : at + self.calendar.channels]
        after = self._after(x)
        grid = self.series.step or (1.0 if isinstance(self.series.time, Time) else 10.0**-(self._decimals))
        return np.stack([self.calendar.start(calendar, after, grid) + after, *columns], axis=1)

    @property
    def _decimals(self) -> int:
        decimals = self.series.time.decimals if isinstance(self.series.time, Number) else 0
        return 6 if decimals is None else decimals

    def _after(self, x: Float[np.ndarray, "t k"]) -> Float[np.ndarray, " t"]:
        """How long after its start each reading of a record is."""
        if self.gaps is None:
            assert self.series.step is not None
            return self.series.step * np.arange(len(x))
        steps = np.exp(self.gaps.decode(x[1:, -1]))
        least = 10.0**-self._decimals
        return np.concatenate([[0.0], np.cumsum(np.maximum(np.round(steps, self._decimals), least))])

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """Conditions by field; of the series what is known of it, as `series_given` reads it: its gaps are drawn, and
        with `until` and a `horizon` what follows.
        """
        own = {name: fixed[name] for name in (self.series.name, "until", "horizon") if name in fixed}
        scalars = {name: value for name, value in fixed.items() if name not in own}
        if not own:
            return self.others.given(self.beside, None, scalars, n, rng=rng)
        known = known_records(self.series, own, self.length)
        if len(known) not in (1, n):
            what = f"{len(known)} series were given for {n} records"
            raise ArgumentError(what, where=self.series.name, hint=f"give one, or draw -n {len(known)}")
        x = np.stack([self._partial(each) for each in known]).repeat(n if len(known) == 1 else 1, axis=0)
        given = self.others.given(self.beside, torch.from_numpy(x).float(), scalars, n, rng=rng)
        if not self.lengths:
            return given
        sizes = np.array([each.length for each in known]).repeat(n if len(known) == 1 else 1)
        return replace(given, lengths=torch.from_numpy(sizes))

    def _partial(self, known: Known) -> Float[np.ndarray, "t k"]:
        """What is known of a record: NaN where it is not; nothing of it is to be left unmeasured."""
        full = np.full((self.length, self._channels), np.nan)
        x = self._seen(known.rows, first=np.arange(len(known.rows)) == 0)
        at = channels(self.series)
        x[:, at : at + len(self.masked)] = 1.0  # what is drawn is shown
        if not known.timed:
            x[:, at + len(self.masked) : at + len(self.masked) + self.calendar.channels] = np.nan
        full[: len(x)] = x
        return full

    def whole(self, value: Any, n: int) -> Float[Tensor, "n *s"]:
        if value is None:
            return torch.full((n, self.length, self._channels), torch.nan)
        given = self.given({self.series.name: value}, n, rng=torch.Generator())
        assert given.x is not None
        return given.x

    def to_json(self) -> dict[str, Any]:
        scale = None if self.gaps is None else vars(self.gaps)
        return {
            "kind": "series",
            "series": field_to_json(self.series),
            "scales": [vars(each) for each in self.scales],
            "masked": list(self.masked),
            "calendar": vars(self.calendar),
            "gaps": scale,
            "lengths": list(self.lengths),
            **self.beside_to_json(),
        }

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        series = field_of(told.get("series"), Series, where=f"{where}, series")
        scales = entry(told, "scales", tuple[Scale, ...], where=where)
        masked, lengths = (entry(told, name, tuple[int, ...], where=where) for name in ("masked", "lengths"))
        gaps = entry(told, "gaps", Scale | None, where=where)
        counts = all(0 <= i < len(series.features) for i in masked) and all(
            2 <= n <= series.lengths[1] for n in lengths
        )
        if len(scales) != len(series.features) or not counts or (gaps is None) is not (series.step is not None):
            raise wrong("not the parts of a codec of series", where)
        calendar = entry(told, "calendar", Calendar, where=where)
        return cls(series, scales, masked, calendar, gaps, lengths, **beside_from_json(told, series, where=where))


def channels(field: Series) -> int:
    """Numbers that the features of a series take at each time."""
    return sum(1 if isinstance(each, Number) else len(each.levels) for each in field.features)


def expected_series(field: Series) -> Reals:
    """About the space that the codec of a field will have."""
    low, high = field.lengths
    return Reals((high, channels(field)), axes=AXES, lengths=() if low == high else (low, high), gaps=field.gaps)
