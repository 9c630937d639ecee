"""Data that needs no file: scikit-learn's small sets, and the standard library's own source as text."""

import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from genwright.data.arrays import image_dataset
from genwright.data.dataset import Dataset, Field, Image
from genwright.data.frames import from_frame
from genwright.data.kinds import as_category, as_identifier
from genwright.data.schema import type_columns
from genwright.data.table import RawColumn, missing_marks
from genwright.data.text import running_text

STDLIB_BYTES = 2_000_000
STDLIB_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "encodings", "pydoc_data"}
)


def digits() -> Dataset:
    """1797 images of handwritten digits, 8 x 8 with 17 grey levels, and their labels."""
    from sklearn.datasets import load_digits  # here, not above: importing scikit-learn takes most of a second

    bunch = load_digits()
    data = image_dataset(bunch.images, bunch.target, where="digits")
    return Dataset((Image("image", (8, 8, 1), "L", 17), data.field("label")), data.columns, "digits", "label")


def wine() -> Dataset:
    """Chemical analyses of 178 wines from three growers: 13 numbers and the category `class`."""
    from sklearn.datasets import load_wine

    bunch = load_wine()
    frame = pd.DataFrame(bunch.data, columns=bunch.feature_names)
    table = from_frame(_with_integers(frame), where="wine", missing=missing_marks(()))
    typed = type_columns(table, schema={}, label=None, free=as_identifier)
    label = as_category(RawColumn.of("class", [str(bunch.target_names[k]) for k in bunch.target]))
    fields: tuple[Field, ...] = (*typed.fields, label.field)
    return Dataset(fields, {**typed.columns, "class": label.column}, "wine", "class")


def _with_integers(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns whose amounts are all whole as integers; scikit-learn keeps everything as floats."""
    whole = [name for name in frame if (frame[name] == frame[name].round()).all()]
    return frame.astype(dict.fromkeys(whole, "int64"))


def diabetes() -> Dataset:
    """442 patients: age, sex, body mass, blood pressure, six serum values, and the disease's progression in a year."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    frame = pd.DataFrame(np.column_stack([bunch.data, bunch.target]), columns=[*bunch.feature_names, "progression"])
    table = from_frame(_with_integers(frame), where="diabetes", missing=missing_marks(()))
    typed = type_columns(table, schema={"sex": "category"}, label=None, free=as_identifier)
    return Dataset(typed.fields, typed.columns, "diabetes")


def python_stdlib() -> Dataset:
    """About 2 MB of the standard library's own Python source as one running text, modules in order of their names."""
    root = Path(sysconfig.get_paths()["stdlib"])
    parts, size = [], 0
    for path in _modules(root):
        raw = path.read_bytes()
        if size + len(raw) > STDLIB_BYTES:
            break
        size += len(raw)
        parts.append(raw.decode("utf-8", "surrogateescape").rstrip("\n") + "\n\n\n")
    return running_text("".join(parts), name="python-stdlib")


def _modules(folder: Path) -> Iterator[Path]:
    """Python files below a folder in order of their names, found as they are needed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in STDLIB_LEFT_OUT:
            yield from _modules(path)
        elif path.suffix == ".py":
            yield path


BUILTIN: Mapping[str, Callable[[], Dataset]] = {
    "digits": digits,
    "wine": wine,
    "diabetes": diabetes,
    "python-stdlib": python_stdlib,
}
