"""Small data sets that the metric tests share."""

import numpy as np

from genwright.data.dataset import Category, Dataset, Image, Number, Text, Time


def table(n: int, *, seed: int = 0, dependence: float = 0.9) -> Dataset:
    """A mixed table: x and y correlated, size follows x, a rare missing y, a date, and a label that follows both."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = dependence * x + np.sqrt(1 - dependence**2) * rng.normal(size=n)
    follow = rng.random(n) < dependence
    size = np.where(follow, x > 0, rng.random(n) > 0.5)
    label = np.where(follow, x + y > 0.3, rng.random(n) > 0.5)
    day = (np.datetime64("2020-01-01", "us") + rng.integers(0, 1000, n) * np.timedelta64(86_400_000_000, "us")).astype(
        "datetime64[us]"
    )
    columns = {
        "x": x,
        "y": np.where(rng.random(n) < 0.1, np.nan, y),
        "size": np.where(size, "large", "small").astype(object),
        "day": day,
        "label": np.where(label, "yes", "no").astype(object),
    }
    fields = (
        Number("x"),
        Number("y"),
        Category("size", ("large", "small")),
        Time("day"),
        Category("label", ("no", "yes")),
    )
    return Dataset(fields, columns, name="table", label="label")


def independent(of: Dataset, n: int, *, seed: int = 0) -> Dataset:
    """Columns of `of` drawn independently of each other."""
    rng = np.random.default_rng(seed)
    return Dataset(of.fields, {k: v[rng.integers(0, len(v), n)] for k, v in of.columns.items()}, label=of.label)


def images(pixels: np.ndarray, labels: np.ndarray, *, levels: int = 17) -> Dataset:
    """Labelled grey images."""
    names = tuple(sorted({str(v) for v in labels}))
    fields = (Image("image", pixels.shape[1:], "L", levels), Category("class", names))
    named = np.array([str(v) for v in labels], dtype=object)
    return Dataset(fields, {"image": pixels, "class": named}, name="images", label="class")


def texts(values: list[str]) -> Dataset:
    """Records of text."""
    return Dataset((Text("text"),), {"text": np.array(values, dtype=object)}, name="texts")
