"""Data that is in memory already: arrays, lists and mappings, as the images, texts or tables that they hold."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from genwright.data.arrays import image_arrays, image_dataset
from genwright.data.dataset import Dataset, Text
from genwright.data.encodings import without_halves
from genwright.data.text import TEXT_NAME
from genwright.errors import ArgumentError, DataError

HINT = (
    "give a path, a DataFrame, an array of images (n, height, width) or of rows (n, columns), a list of texts, images "
    "or rows, or a mapping of columns"
)


def gathered(source: Any) -> Dataset | pd.DataFrame:
    """What an object in memory holds: a DataFrame where it is a table, else a Dataset of images or texts.

    Raises DataError or ArgumentError, with what can be given instead.
    """
    try:
        return _gathered(source)
    except UnicodeEncodeError as error:  # from pandas, whose strings do not hold these
        half = ascii(error.object[error.start : error.end])
        hint = 'replace it: text.encode("utf-8", "replace").decode()'
        raise DataError(f"a text or a name holds half a character, {half}", where="source", hint=hint) from None


def _gathered(source: Any) -> Dataset | pd.DataFrame:
    if isinstance(source, Dataset | pd.DataFrame):
        return source
    if isinstance(source, pd.Series):
        return source.to_frame(source.name or "column_1")
    if isinstance(source, Mapping):
        return _of_mapping(source)
    if hasattr(source, "to_arrow"):  # Polars and its like
        source = source.to_arrow()
    if isinstance(source, pa.Table):
        return source.to_pandas(types_mapper=pd.ArrowDtype)  # NumPy's types have no integers beside missing values
    if hasattr(source, "__array__"):
        return _of_array(np.asarray(source))
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _of_list(source)
    raise ArgumentError(f"cannot read an object of type {type(source).__name__}", where="source", hint=HINT)


def _of_array(array: np.ndarray) -> Dataset | pd.DataFrame:
    if array.size == 0:
        raise DataError(f"an array of shape {array.shape} holds nothing", where="array")
    if array.dtype.names:
        return pd.DataFrame.from_records(array.reshape(-1))
    if array.ndim in (3, 4):
        return image_dataset(array, None, where="array")
    if array.ndim == 2:
        return pd.DataFrame(array, columns=[f"column_{i}" for i in range(1, array.shape[1] + 1)])
    if array.ndim == 1:
        return _of_list(array.tolist())
    raise ArgumentError(f"cannot read an array of shape {array.shape}", where="source", hint=HINT)


def _of_list(items: Sequence[Any]) -> Dataset | pd.DataFrame:
    if not len(items):
        raise DataError("an empty list holds nothing", where="list", hint=HINT)
    if all(isinstance(item, str) for item in items):
        if all(os.path.exists(item) for item in items[:100]):
            hint = "read each by its own path, or put images or texts into one folder and give that"
            raise ArgumentError(f"a list of {len(items)} paths", where="source", hint=hint)
        texts, notes = without_halves(items, [1] * len(items))
        return Dataset((Text(TEXT_NAME),), {TEXT_NAME: _objects(texts)}, "list", notes=notes)
    if all(isinstance(item, Mapping) for item in items):
        names = dict.fromkeys(str(key) for item in items for key in item)
        return pd.DataFrame({name: _objects([item.get(name) for item in items]) for name in names})
    if all(map(_is_picture, items)):
        return _of_images([np.asarray(item) for item in items])
    if all(isinstance(item, list | tuple | np.ndarray) for item in items):
        if all(len(item) == 2 and _is_picture(item[0]) for item in items):
            pictures, labels = zip(*items, strict=True)
            return pd.DataFrame({"image": _objects(pictures), "label": _objects(labels)})
        width = max(len(item) for item in items)
        return pd.DataFrame([list(item) for item in items], columns=[f"column_{i}" for i in range(1, width + 1)])
    if all(isinstance(item, str | bool | int | float | np.generic | None) for item in items):
        return pd.DataFrame({"column_1": _objects(items)})
    kinds = ", ".join(sorted({type(item).__name__ for item in items}))
    raise ArgumentError(f"cannot read a list of {kinds}", where="source", hint=HINT)


def images_apart(frame: pd.DataFrame) -> tuple[Dataset | None, pd.DataFrame]:
    """The first column of pictures as a Dataset of images, None if there is none; and the other columns."""
    for at in range(frame.shape[1]):
        column = frame.iloc[:, at]
        if len(frame) and column.dtype == object and all(map(_is_picture, column)):
            others = [other for other in range(frame.shape[1]) if other != at]
            return _of_images([np.asarray(item) for item in column]), frame.iloc[:, others]
    return None, frame


def _is_picture(item: Any) -> bool:
    """Whether an object is an image of Pillow, or an array or tensor of two or three dimensions."""
    if hasattr(item, "__array__"):
        return getattr(item, "ndim", 0) in (2, 3)
    return hasattr(item, "__array_interface__")


def _of_images(arrays: list[np.ndarray]) -> Dataset:
    shapes = {a.shape for a in arrays}
    if len(shapes) > 1:
        hint = (
            "bring them to one size and number of channels, or save them in a folder and read that with size=(32, 32)"
        )
        raise DataError(
            f"images of {len(shapes)} shapes, such as {min(shapes)} and {max(shapes)}", where="list", hint=hint
        )
    return image_dataset(np.stack(arrays), None, where="list")


def _of_mapping(source: Mapping[Any, Any]) -> Dataset | pd.DataFrame:
    """Images and labels under names as in an npz, else the columns of a table."""
    arrays = {str(key): np.asarray(value) for key, value in source.items() if hasattr(value, "__array__")}
    if any(a.ndim > 2 for a in arrays.values()):
        lists = {str(key): _objects(value) for key, value in source.items() if isinstance(value, list | tuple)}
        return image_arrays(arrays | lists, where="mapping")
    sizes = {
        key: len(value) for key, value in source.items() if hasattr(value, "__len__") and not isinstance(value, str)
    }
    if not source or len(sizes) < len(source):
        raise ArgumentError("a mapping that holds no columns", where="source", hint=f"{HINT} to lists of equal length")
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{key!r} {size}" for key, size in list(sizes.items())[:8])
        raise DataError(f"columns of different lengths: {shown}", where="mapping", hint="give one value for each row")
    return pd.DataFrame({key: v if hasattr(v, "__array__") else _objects(v) for key, v in source.items()})


def _objects(items: Sequence[Any]) -> np.ndarray:
    """Items as they are; as numbers, integers beside a missing value would lose digits."""
    column = np.empty(len(items), dtype=object)
    column[:] = list(items)
    return column
