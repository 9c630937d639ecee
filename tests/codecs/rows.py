"""Small hand-made Datasets, and codecs fitted to them."""

import json
from typing import Any

import numpy as np
import torch

from genwright.codecs import Codec, codec_from_json, fit_codec
from genwright.data.dataset import Category, Dataset, Field, Image, Number, Text, Time
from genwright.spaces import Encoded


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def objects(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def number(values: Any, *, decimals: int | None = 0, name: str = "x") -> Dataset:
    """A table of one number column."""
    return table((Number(name, decimals), np.asarray(values, dtype=np.float64)))


def table(*pairs: tuple[Field, Any], label: str | None = None) -> Dataset:
    """A Dataset of fields and their columns."""
    columns = {}
    for field, values in pairs:
        kept = isinstance(values, np.ndarray)
        columns[field.name] = values if kept else objects(list(values))
    return Dataset(tuple(field for field, _ in pairs), columns, name="hand-made", label=label)


def mixed(n: int = 400, seed: int = 0) -> Dataset:
    """Ages, incomes with missing values and a spike of zeros, a category with missing values, and days."""
    draw = np.random.default_rng(seed)
    income = np.round(draw.lognormal(8, 0.5, n), 2)
    income[draw.random(n) < 0.2] = 0.0
    income[draw.random(n) < 0.1] = np.nan
    days = np.datetime64("2020-01-01") + draw.integers(0, 900, n).astype("timedelta64[D]")
    colours = [None if u < 0.1 else "red" if u < 0.6 else "blue" for u in draw.random(n)]
    return table(
        (Category("colour", ("blue", "red")), colours),
        (Number("age", 0, 18, 70), draw.integers(18, 71, n).astype(np.float64)),
        (Number("income", 2), income),
        (Time("day"), days.astype("datetime64[us]")),
        label="colour",
    )


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal columns; missing equals missing."""
    if a.dtype == object:
        return a.tolist() == b.tolist()
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


def assert_round_trip(data: Dataset, codec: Codec | None = None) -> Codec:
    """Encode and decode give the same Dataset; so does the codec after a detour through JSON text."""
    codec = codec or fit_codec(data, rng=rng())
    back = codec.decode(codec.encode(data, rng=rng(1)), rng=rng(2))
    assert back.fields == tuple(f for f in data.fields if f.name in back.columns) or isinstance(
        data.media, Image | Text
    )
    assert [f.name for f in back.fields] == [f.name for f in data.fields]
    for name, column in data.columns.items():
        assert same(column, back.columns[name]), name
    assert codec_from_json(json.loads(json.dumps(codec.to_json(), allow_nan=False))) == codec
    return codec


def independent(codec: Codec, x: torch.Tensor, n: int) -> Encoded:
    """Columns drawn one by one: states by their frequency, continuous ones from N(0, 1)."""
    z = torch.randn(n, x.shape[1], generator=rng(5))
    for i in codec.space.discrete:
        z[:, i] = x[torch.randint(len(x), (n,), generator=rng(i)), i]
    return Encoded(z)
