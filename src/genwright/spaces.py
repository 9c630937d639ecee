"""Spaces: the shape of encoded data. They join codecs to families, so that the work is N + M files, not N x M.

A codec stores a whole data set as one compact tensor (`uint8` pixels, `uint8` bytes, `float32` rows); `unpack` turns a
batch of it into what the family computes with.
"""

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from genwright.errors import ArgumentError

DEFAULT_AXES: dict[int, tuple[str, ...]] = {1: ("feature",), 3: ("channel", "height", "width")}
CHANNELS = ("channel", "feature")  # axes whose entries have no order or neighbours; all others are sides of a grid


@dataclass(frozen=True)
class Reals:
    """Arrays of real numbers in [-1, 1], for example images as (channels, height, width).

    `axes` name the directions of the array, and choose the nets that it gets, see `genwright.nets.default`; one
    direction is a vector of features and three are those of an image unless said otherwise.
    Records may differ in length along `time`, or else the last axis: `lengths` are then those of training records, or
    quantiles of them, from which samples draw theirs; unpacked numbers beyond the length of a record are NaN.
    With `gaps`, numbers within a record may be unknown too, which are NaN as well.
    `levels` is the number of equally spaced values that the data can take (256 for 8-bit pixels, 17 for
    scikit-learn's digits), or None where values are continuous. Stored as `uint8` level numbers if `levels` <= 256,
    else as `float32`.
    """

    shape: tuple[int, ...]
    levels: int | None = None
    axes: tuple[str, ...] = ()
    lengths: tuple[int, ...] = field(default=(), repr=False)
    gaps: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        axes = self.axes or DEFAULT_AXES.get(len(self.shape), ())
        if len(axes) != len(self.shape) or len(set(axes)) < len(axes) or sum(a in CHANNELS for a in axes) > 1:
            what = f"the axes {axes} do not name each direction of the shape {self.shape} once"
            hint = 'name every one, at most one of them "channel" or "feature": axes=("channel", "time")'
            raise ArgumentError(what, where="Reals", hint=hint)
        object.__setattr__(self, "axes", axes)

    @property
    def size(self) -> int:
        """Numbers in one record."""
        return int(torch.Size(self.shape).numel())

    @property
    def sides(self) -> tuple[int, ...]:
        """The lengths of the grid that records lie on: those of all axes but that of channels; none of a vector."""
        return tuple(size for size, axis in zip(self.shape, self.axes, strict=True) if axis not in CHANNELS)

    @property
    def channels(self) -> int:
        """Numbers at each place of the grid."""
        return self.size // int(torch.Size(self.sides).numel())

    def as_grid(self, x: Shaped[Tensor, "n *s"]) -> Shaped[Tensor, "n c *g"]:
        """Records with their channels first; with a single one where they have none."""
        at = self._channel
        return x[:, None] if at is None else x.movedim(1 + at, 1)

    def from_grid(self, x: Shaped[Tensor, "n c *g"]) -> Shaped[Tensor, "n *s"]:
        """The inverse of `as_grid`."""
        at = self._channel
        return x[:, 0] if at is None else x.movedim(1, 1 + at)

    def beyond(self, lengths: Int[Tensor, "n"]) -> Bool[Tensor, "n *s"]:
        """Which numbers lie beyond the length of their record."""
        place = torch.arange(self.shape[self._long], device=lengths.device) >= lengths[:, None]
        return place.view(len(lengths), *[-1 if i == self._long else 1 for i in range(len(self.shape))]).expand(
            -1, *self.shape
        )

    def drawn_beyond(self, n: int, given: "Given", rng: torch.Generator) -> Bool[Tensor, "n *s"] | None:
        """The same for n new records, of the lengths that are given or else drawn; None where all are full."""
        if not self.lengths:
            return None
        own = torch.tensor(self.lengths, device=rng.device)
        drawn = own[torch.randint(len(own), (n,), generator=rng, device=rng.device)]
        return self.beyond(drawn if given.lengths is None else given.lengths)

    def lengths_of(self, x: Float[Tensor, "n *s"]) -> Int[Tensor, "n"] | None:
        """The lengths of unpacked records; None where all are full."""
        return (~x.movedim(1 + self._long, 1).flatten(2).isnan()).any(2).sum(1) if self.lengths else None

    @property
    def _long(self) -> int:
        return self.axes.index("time") if "time" in self.axes else len(self.axes) - 1

    @property
    def _channel(self) -> int | None:
        return next((i for i, axis in enumerate(self.axes) if axis in CHANNELS), None)

    def unpack(self, stored: Tensor) -> Float[Tensor, "b *s"]:
        """Stored batch to floats in [-1, 1]."""
        if self.levels is None:
            return stored.float()
        return stored.float() * (2.0 / (self.levels - 1)) - 1.0

    def pack(self, x: Float[Tensor, "b *s"]) -> Tensor:
        """Floats to the nearest storable value; the inverse of `unpack` on the grid of levels."""
        if self.levels is None:
            return x.float()
        top = self.levels - 1
        return ((x.float() + 1.0) * (top / 2.0)).round_().clamp_(0, top).to(torch.uint8)


@dataclass(frozen=True)
class Tokens:
    """Sequences of `length` token numbers below `vocabulary`; records shorter than `length` end in `end` tokens.

    `end` is the number of the end-of-record token, and stands first too: a record is generated after one `end`.
    Where rows are windows of `documents`, an `end` stands before each document, and the first token of a row is given.
    `mean` is how many tokens training records have on average, their `end` included, where it is known. `start` is the
    number that stands first where that is not `end`, as in checkpoints of others.
    """

    length: int
    vocabulary: int
    end: int
    documents: bool = False
    mean: float | None = None
    start: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def first(self) -> int:
        """The number that stands before every record."""
        return self.end if self.start is None else self.start

    def unpack(self, stored: Tensor) -> Int[Tensor, "b length"]:
        """Stored batch to token numbers as `int64`."""
        return stored.long()

    def pack(self, x: Int[Tensor, "b length"]) -> Tensor:
        """Token numbers to the smallest integer type that holds the vocabulary."""
        return x.to(torch.uint8 if self.vocabulary <= 256 else torch.int16 if self.vocabulary < 2**15 else torch.int32)


@dataclass(frozen=True)
class Discrete:
    """A column with one of `levels` states, stored as its number 0, 1, ... (as a float: exact below 2**24).

    `ordered` says that neighbouring numbers are neighbouring values, as for ages or counts.
    """

    name: str
    levels: int
    ordered: bool = False


@dataclass(frozen=True)
class Continuous:
    """A real-valued column, about standard normal after encoding.

    `state` is the index of the `Discrete` column that governs it: the value means something only in rows where that
    column is 0 ("an ordinary value"); other states are missing marks and spikes. There the value is stored as 0 and
    takes no part in any likelihood. None: the value is always there.
    """

    name: str
    state: int | None = None


@dataclass(frozen=True)
class Columns:
    """Rows of mixed-type columns, stored as one `float32` row; NaN in a *partial* row means "free"."""

    columns: tuple[Discrete | Continuous, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.columns),)

    @property
    def discrete(self) -> list[int]:
        """Indices of the discrete columns."""
        return [i for i, column in enumerate(self.columns) if isinstance(column, Discrete)]

    @property
    def continuous(self) -> list[int]:
        """Indices of the continuous columns."""
        return [i for i, column in enumerate(self.columns) if isinstance(column, Continuous)]

    def active(self, x: Float[Tensor, "b c"]) -> Bool[Tensor, "b c"]:
        """Which entries carry a value: all but continuous ones whose state column says otherwise."""
        mask = torch.ones_like(x, dtype=torch.bool)
        for i, column in enumerate(self.columns):
            if isinstance(column, Continuous) and column.state is not None:
                mask[:, i] = x[:, column.state] == 0
        return mask

    def with_states(self, partial: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
        """A copy of partial rows in which a known value whose state is free has its state set to 0."""
        x = partial.clone()
        for i, column in enumerate(self.columns):
            if isinstance(column, Continuous) and column.state is not None:
                x[x[:, column.state].isnan() & ~x[:, i].isnan(), column.state] = 0.0
        return x

    def unpack(self, stored: Tensor) -> Float[Tensor, "b c"]:
        return stored.float()

    def pack(self, x: Float[Tensor, "b c"]) -> Tensor:
        return x.float()


Space = Reals | Tokens | Columns
COLUMNS = "columns"  # the condition that holds all scalar fields together


@dataclass(frozen=True)
class Conditions:
    """What records are conditioned on: scalar fields together as `Columns`, any other field in a space of its own.

    The conditions of a record are one row of floats, so that families need not look inside: the columns, then the
    unpacked tokens and arrays of each `other`, one after the other; NaN where something is not known.
    """

    columns: Columns = Columns(())
    others: tuple[tuple[str, Space], ...] = ()

    @property
    def spans(self) -> dict[str, slice]:
        """Where each condition stands in a row."""
        found, start = {}, 0
        for name, space in ((COLUMNS, self.columns), *self.others):
            size = int(torch.Size(space.shape).numel())
            found[name] = slice(start, start + size)
            start += size
        return found

    @property
    def size(self) -> int:
        """Numbers in one row."""
        return max(span.stop for span in self.spans.values())

    def unknown(self, n: int, device: torch.device) -> Float[Tensor, "n k"]:
        """n rows of which nothing is known."""
        return torch.full((n, self.size), torch.nan, device=device)

    def of_columns(self, rows: Float[Tensor, "n k"] | None) -> Float[Tensor, "n c"] | None:
        """The columns alone; None where there are none."""
        return None if rows is None or not self.columns.columns else rows[:, self.spans[COLUMNS]]

    def only(self, chosen: Callable[[Space], bool]) -> "Conditions | None":
        """Those of the `others` whose spaces are chosen, without the columns; None if there are none."""
        found = tuple((name, space) for name, space in self.others if chosen(space))
        return Conditions(others=found) if found else None

    def without(self, chosen: Callable[[Space], bool]) -> "Conditions | None":
        """All but the `others` whose spaces are chosen; None if nothing is left."""
        left = tuple((name, space) for name, space in self.others if not chosen(space))
        return Conditions(self.columns, left) if left or self.columns.columns else None

    def part(self, of: "Conditions", rows: Float[Tensor, "n k"]) -> Float[Tensor, "n j"]:
        """From rows of these conditions those of some of them."""
        spans = self.spans
        names = [*([COLUMNS] if of.columns.columns else []), *(name for name, _ in of.others)]
        return torch.cat([rows[:, spans[name]] for name in names], dim=1)

    def split(self, rows: Float[Tensor, "n k"]) -> dict[str, Tensor]:
        """Each condition but the columns as records of its space, in floats."""
        spans = self.spans
        return {name: rows[:, spans[name]].unflatten(1, space.shape) for name, space in self.others}


class RowSource(abc.ABC):
    """Encoded rows, in memory or wherever else: what training takes."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def rows(self, index: Tensor | slice) -> "Encoded":
        """Those at `index`, as tensors."""

    @abc.abstractmethod
    def to(self, device: torch.device) -> "RowSource":
        """The same rows, with those that are asked for on another device."""

    @property
    @abc.abstractmethod
    def device(self) -> torch.device:
        """Where rows are that are asked for."""

    @property
    @abc.abstractmethod
    def context(self) -> Float[Tensor, "n c"] | None:
        """What all rows are conditioned on."""


@dataclass(frozen=True)
class Encoded(RowSource):
    """A data set as tensors: `x` stored compactly in its space, `context` what it is conditioned on.

    `x` has shape (n, *space.shape); `context` (n, conditions.size) with NaN for "not known", see `Conditions`, or None
    where there is none; `lengths` those of the records, or None where all are full.
    """

    x: Tensor
    context: Float[Tensor, "n c"] | None = None
    lengths: Int[Tensor, "n"] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def device(self) -> torch.device:
        return self.x.device

    def rows(self, index: Tensor | slice) -> "Encoded":
        """The rows at `index`."""
        return self._each(lambda part: part[index])

    def to(self, device: torch.device) -> "Encoded":
        """The same rows elsewhere."""
        return self._each(lambda part: part.to(device))

    def unpacked(self, space: Space) -> Tensor:
        """The records as families compute with them, NaN beyond their lengths."""
        x = space.unpack(self.x)
        if self.lengths is None:
            return x
        assert isinstance(space, Reals)
        return x.masked_fill(space.beyond(self.lengths), torch.nan)

    @staticmethod
    def packed(space: Space, x: Tensor, context: Tensor | None) -> "Encoded":
        """The inverse of `unpacked`."""
        lengths = space.lengths_of(x) if isinstance(space, Reals) else None
        return Encoded(space.pack(x if lengths is None else x.nan_to_num(0.0)), context, lengths)

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Encoded":
        beside = (None if part is None else change(part) for part in (self.context, self.lengths))
        return Encoded(change(self.x), *beside)

    @staticmethod
    def joined(parts: "Sequence[Encoded]") -> "Encoded":
        """The rows of several, one after the other."""
        contexts = [part.context for part in parts if part.context is not None]
        lengths = [part.lengths for part in parts if part.lengths is not None]
        beside = (torch.cat(each) if each else None for each in (contexts, lengths))
        return Encoded(torch.cat([part.x for part in parts]), *beside)


@dataclass(frozen=True)
class Given:
    """A partial observation to condition on, already encoded; one row per record to draw.

    `x`: unpacked values with NaN (reals, columns) or -1 (tokens) where free, or None if nothing in `x` is given.
    `context`: the conditions with NaN where unknown, see `Conditions`, or None where there are none.
    `lengths` of the records to draw, where they differ; drawn where None.
    `near`: unpacked records, without gaps, that those to draw are like: all noise up to a share `strength` of it is put
    on them and taken off again. Only families that declare `varies` are given one, and a strength above 0.
    `allowed`: sets that free entries must lie in, the same for all rows: for the index of a discrete column the levels
    it may take as booleans (levels,), for a continuous one [low, high], both ends included, which binds only where
    the column carries a value. The indices are those of columns of `x`, or of `context` where `x` has no columns.
    """

    x: Tensor | None = None
    context: Float[Tensor, "n c"] | None = None
    allowed: Mapping[int, Tensor] | None = None
    lengths: Int[Tensor, "n"] | None = None
    near: Tensor | None = None
    strength: float = 1.0

    @property
    def partly(self) -> bool:
        """Whether anything of the records themselves is given."""
        return self.near is not None or (self.x is not None and not bool(_free(self.x).all()))

    def rows(self, index: Tensor | slice) -> "Given":
        """The rows at `index`."""
        own = {name: getattr(self, name) for name in ("x", "context", "lengths", "near")}
        return replace(self, **{name: part[index] for name, part in own.items() if part is not None})


def _free(x: Tensor) -> Tensor:
    return x.isnan() if x.is_floating_point() else x < 0
