"""Equality of Datasets, for tests."""

from dataclasses import replace

import numpy as np

from genwright.data.dataset import Dataset, Number


def assert_same(a: Dataset, b: Dataset, *, layout: bool = True) -> None:
    """Equal fields, columns and label; `layout` False ignores how many zeros a number is padded with."""
    assert [_plain(f, layout) for f in a.fields] == [_plain(f, layout) for f in b.fields]
    assert a.label == b.label
    for field in a.fields:
        left, right = a.columns[field.name], b.columns[field.name]
        assert left.dtype == right.dtype, field.name
        if left.dtype == object and isinstance(left[0], np.ndarray):
            assert all(np.array_equal(x, y) for x, y in zip(left, right, strict=True))
        elif left.dtype == object:
            assert left.tolist() == right.tolist(), field.name
        else:
            np.testing.assert_array_equal(left, right, err_msg=field.name)


def _plain(field, layout):
    return field if layout or not isinstance(field, Number) else replace(field, min_decimals=0)
