"""Dataset: rows of typed fields, the only thing users pass in and get back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeGuard, TypeVar

import numpy as np
import pandas as pd

from genwright.data.origin import Origin
from genwright.data.split import Split, split_rows
from genwright.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Storage:
    """How a column was held where it was read, so that samples are held likewise.

    `type` names the type of its values: Arrow's (see `genwright.data.arrow`), "json" for lists, objects and mixtures,
    or one that only pandas has. `frame` is pandas' type of the column, "" if it was in no data frame; `levels` are all
    categories of a column that has such, in order; `label` is what the frame calls a column whose name is no text.
    """

    type: str
    frame: str = ""
    levels: tuple[str, ...] | None = None
    label: int | tuple[int | str, ...] | None = None


@dataclass(frozen=True)
class Number:
    """Integers (`decimals` = 0) or decimals; `decimals` None keeps full float precision. Column: float64, NaN missing.

    `low` and `high` are the smallest and largest value seen. Zeros at the end are written until `min_decimals` stand
    after the point: 2 for prices (2.50), 1 for what most programs write (2.0), 0 for none (2). `form` is how -1234567.5
    is written (`-1.234.567,5 €`), "" for how programs write it (see `genwright.data.numerals`).
    """

    name: str
    decimals: int | None = None
    low: float = -np.inf
    high: float = np.inf
    min_decimals: int = 0
    form: str = ""
    storage: Storage | None = field(default=None, compare=False, repr=False)

    @property
    def binary(self) -> bool:
        """Whether it is 0 or 1 and nothing else, so that yes and no can stand for it too."""
        return self.decimals == 0 and self.low >= 0 and self.high <= 1


@dataclass(frozen=True)
class Category:
    """One of `levels`, each kept as the text that was read. Column: object array of str, None missing.

    `dtype` is the type that values have outside: text, whole numbers, decimals or booleans.
    """

    name: str
    levels: tuple[str, ...] = ()
    dtype: Literal["str", "int", "float", "bool"] = "str"
    storage: Storage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Time:
    """A date or a moment, written in `format` (strftime). Column: datetime64[us], NaT missing; where the format ends in
    a zone (see `genwright.data.times`), in UTC. Years go from 1 to 9999.
    """

    name: str
    format: str = "%Y-%m-%d"
    low: str = ""
    high: str = ""
    storage: Storage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Identifier:
    """A key that is different in (nearly) every row. Column: object array of str. Never modelled or copied: new keys
    of the same `pattern` are made, where `{}` stands for a running number padded to `digits`, starting at `start`.

    Where `codes` has regular expressions, new keys are strings that match them, as many of each as `counts` says in
    proportion, from number `start` on, with the check digits called `check` (see `genwright.data.keys`).
    """

    name: str
    pattern: str = "{}"
    digits: int = 0
    start: int = 0
    codes: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    check: str = ""
    storage: Storage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Constant:
    """A column with a single value, kept as text (None where every value is missing)."""

    name: str
    value: str | None = None
    storage: Storage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Text:
    """Text. Column: object array of str. `running`: rows are consecutive passages of one long text, in order.

    `column`: a free-text column of a table, such as a comment; it is modelled given the rest of its row. `encoding`:
    what a .txt of it is written in, as it was read.
    """

    name: str
    running: bool = False
    column: bool = False
    encoding: str = "utf-8"
    storage: Storage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Image:
    """An image. Column: uint8 array (n, height, width, channels), or an object array of such where sizes differ.

    `mode` is Pillow's mode to save in: "1", "L", "LA", "RGB" or "RGBA". `levels` is the number of grey levels in use
    (pixels hold 0 .. levels-1): 256 as a rule, 17 for scikit-learn's digits, 2 for 1-bit images.
    """

    running: ClassVar[bool] = False
    name: str
    shape: tuple[int, int, int] | None = None
    mode: str = "L"
    levels: int = 256
    storage: Storage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Series:
    """Readings over time. Column: object array of float64 arrays (t, 1 + features), each ordered by its first column.

    That holds the times, in whole units of the format of `time` since 1970, or as they are where `time` is a number;
    the others the `features`: numbers, or the places of levels, NaN where nothing was measured. `step` is the distance
    of neighbouring times where it is the same throughout, None where it is not; `lengths` are the shortest and the
    longest record, `gaps` says whether anything was not measured. A record is an entity, which the column
    `entity` of a file names, or where `window` is given so many readings in a row of a longer series, of which the
    column called `name` tells one record of a file from the next. `columns` are those of the file, in their order.
    """

    running: ClassVar[bool] = False
    name: str
    time: Number | Time
    features: tuple[Number | Category, ...]
    entity: str = ""
    window: int | None = None
    step: float | None = None
    lengths: tuple[int, int] = (2, 2)
    gaps: bool = False
    columns: tuple[str, ...] = ()
    storage: Storage | None = field(default=None, compare=False, repr=False)


Field = Number | Category | Time | Identifier | Constant | Text | Image | Series
SCALARS = (Number, Category, Time)  # fields that a condition or a table column can be
Media = Image | Text | Series
MEDIA: tuple[type[Media], ...] = (
    Image,
    Series,
    Text,
)  # the first that there is is modelled, given the scalar fields beside it
ARRAYS: tuple[type[Field], ...] = (Image, Series)  # fields whose values no cell of a table holds


Line = TypeVar("Line")
Medium = TypeVar("Medium", bound=Media)


class ByKind(dict[type, Line]):
    """A layer's lines, one for each kind of data, by the class of its field (`NoneType`: a table).

    Raises DataError for a kind that has none.
    """

    def __missing__(self, kind: type) -> Line:
        raise DataError(f"data of the kind {kind.__name__.lower()!r} cannot be used here")


def is_column(field: Field) -> TypeGuard[Text]:
    """Whether it is a free-text column of a table."""
    return isinstance(field, Text) and field.column


def media_of(fields: Iterable[Field]) -> Media | None:
    """The field that is modelled of records with these; None for a table."""
    found = [f for f in fields if isinstance(f, MEDIA) and not is_column(f)]
    return min(found, key=lambda f: MEDIA.index(type(f)), default=None)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows of typed fields.

    `columns` maps each field's name to one array of n entries. `label` names the field that a classifier would
    predict, if any: splits are stratified by it. `notes` says what reading left out or changed. `index` is that of the
    DataFrame whose rows were completed. `origin` tells of samples which draw of which model they are of.

    >>> import genwright as gw
    >>> data = gw.read("wine")
    >>> len(data), data.label, len(data.fields)
    (178, 'class', 14)
    >>> len(data.train), len(data.valid), len(data.test)
    (142, 18, 18)
    """

    fields: tuple[Field, ...]
    columns: Mapping[str, Any]  # arrays, or what stays on the disk: `data.ondisk.OnDisk`, `data.longtext.LongText`
    name: str = "data"
    label: str | None = None
    notes: tuple[str, ...] = ()
    split_seed: int = 0
    fixed_split: Split | None = field(default=None, repr=False)
    index: pd.Index | None = field(default=None, repr=False)
    origin: Origin | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        lengths = {len(self.columns[f.name]) for f in self.fields}
        assert len(lengths) == 1, f"fields of different lengths: {lengths}"
        if self.label is not None:
            self.field(self.label)

    def __len__(self) -> int:
        return len(self.columns[self.fields[0].name])

    def field(self, name: str) -> Field:
        """The field called `name`; an error naming the fields there are, if there is none."""
        for each in self.fields:
            if each.name == name:
                return each
        known = ", ".join(f.name for f in self.fields)
        raise ArgumentError(f"no field called {name!r}", where=self.name, hint=f"the fields are: {known}")

    @property
    def media(self) -> Media | None:
        """The field that is modelled, such as images; None for a table."""
        return media_of(self.fields)

    @property
    def kind(self) -> type:
        """The class of the field that is modelled; `NoneType` for a table."""
        return type(self.media)

    @property
    def running(self) -> bool:
        """Whether rows are consecutive passages of one long record."""
        return self.media is not None and self.media.running

    def medium(self, kind: type[Medium]) -> Medium:
        """The field that is modelled, which is one of `kind`; raises DataError if it is another."""
        if not isinstance(self.media, kind):
            raise DataError(f"no {kind.__name__.lower()}s", where=self.name)
        return self.media

    @property
    def cells(self) -> tuple[Field, ...]:
        """The fields that a table can hold."""
        return tuple(f for f in self.fields if not isinstance(f, ARRAYS))

    @property
    def texts(self) -> tuple[Text, ...]:
        """The free-text columns of a table."""
        return tuple(f for f in self.fields if is_column(f))

    @property
    def scalars(self) -> tuple[Field, ...]:
        """The number, category and time fields."""
        return tuple(f for f in self.fields if isinstance(f, SCALARS))

    def take(self, index: np.ndarray | slice) -> "Dataset":
        """The rows at `index` (positions, a boolean mask, or a slice)."""
        columns = {name: column[index] for name, column in self.columns.items()}
        own = None if self.index is None else self.index[index]
        origin = None if self.origin is None else self.origin.take(index)
        return replace(self, columns=columns, fixed_split=None, index=own, origin=origin)

    def select(self, names: Iterable[str]) -> "Dataset":
        """Only the fields called `names`, in that order; the rows stay in the parts they were in."""
        fields = tuple(self.field(name) for name in names)
        label = self.label if any(f.name == self.label for f in fields) else None
        columns = {f.name: self.columns[f.name] for f in fields}
        return replace(self, fields=fields, columns=columns, label=label, fixed_split=self.split)

    def without_texts(self) -> "Dataset":
        """All but the free-text columns of a table."""
        return self.select(f.name for f in self.fields if f not in self.texts) if self.texts else self

    @cached_property
    def split(self) -> Split:
        """Row numbers of the three parts; fixed by content and `split_seed`, see `genwright.data.split`."""
        if self.fixed_split is not None:
            return self.fixed_split
        # A key makes every row different; rows that differ in nothing else are duplicates all the same.
        keys = {f.name: self.columns[f.name] for f in self.fields if isinstance(f, Identifier)}
        content = {f.name: self.columns[f.name] for f in self.fields if f.name not in keys} or keys
        media = [f.name for f in self.fields if isinstance(f, MEDIA)]
        return split_rows(content, label=self.label, media=media, keys=keys, running=self.running, seed=self.split_seed)

    @property
    def train(self) -> "Dataset":
        """The four fifths that models are fitted to."""
        return self.take(self.split.train)

    @property
    def valid(self) -> "Dataset":
        """The tenth that decides when to stop and which model is best."""
        return self.take(self.split.valid)

    @property
    def test(self) -> "Dataset":
        """The tenth that nothing looks at before evaluation."""
        return self.take(self.split.test)

    @property
    def frame(self) -> pd.DataFrame:
        """Scalar, identifier, constant and text fields as a pandas DataFrame with the types they were read with; of
        series all readings, one a row.
        """
        from genwright.data.media import KINDS
        from genwright.data.stored import to_frame

        return to_frame(KINDS[self.kind].table(self))
