"""Images from array files: IDX pairs (LeCun's MNIST format) and npz archives."""

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Shaped, UInt8

from genwright.data.dataset import Category, Dataset, Image
from genwright.data.files import read_bytes
from genwright.data.kinds import as_category
from genwright.data.ondisk import images_on_disk
from genwright.data.table import RawColumn
from genwright.errors import DataError

IDX_IMAGES = re.compile(r"images[-.]idx3[-.]ubyte(\.gz)?$|\.idx3-ubyte(\.gz)?$|[-.]idx3(\.gz)?$")
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IMAGE_KEYS = ("images", "image", "x_train", "train_images", "x", "data", "arr_0")
LABEL_KEYS = ("labels", "label", "y_train", "train_labels", "y", "target", "arr_1")
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def is_idx(name: str) -> bool:
    """Whether a file name is that of IDX images or labels."""
    return re.search(r"idx[13]", name) is not None


def idx_images_in(folder: Path) -> list[Path]:
    """IDX image files directly in a folder, training ones first."""
    found = [p for p in folder.iterdir() if IDX_IMAGES.search(p.name) and p.is_file()]
    return sorted(found, key=lambda p: (not p.name.startswith("train"), p.name))


def read_idx(path: Path) -> Dataset:
    """IDX images, and the labels in the file named alike beside them, if there is one."""
    if "idx1" in path.name:
        raise DataError("these are labels", where=str(path), hint="give the file with the images, named ...idx3...")
    images = parse_idx(read_bytes(path), where=str(path))
    partner = _labels_beside(path)
    labels = None if partner is None else parse_idx(read_bytes(partner), where=str(partner))
    notes = () if partner else ("no file of labels lies beside the images",)
    return image_dataset(images, labels, where=str(path), notes=notes)


def _labels_beside(path: Path) -> Path | None:
    stem = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    found = [path.with_name(stem + end) for end in (".gz", "") if path.with_name(stem + end).is_file()]
    return found[0] if found and found[0] != path else None


def parse_idx(raw: bytes, *, where: str) -> Shaped[np.ndarray, "n *s"]:
    """The array in an IDX file; raises DataError if the header makes no sense or values are missing."""
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES or not 1 <= raw[3] <= 4:
        raise DataError("not an IDX file", where=where, hint="its first bytes must be 00 00, a type and 1 to 4")
    dtype, rank = np.dtype(IDX_TYPES[raw[2]]), raw[3]
    start = 4 + 4 * rank
    if len(raw) < start:
        raise DataError("cut off inside the header", where=where)
    shape = struct.unpack(f">{rank}I", raw[4:start])
    size = math.prod(shape)
    if len(raw) - start != size * dtype.itemsize:
        raise DataError(
            f"the header promises {size * dtype.itemsize:,} bytes, the file has {len(raw) - start:,}",
            where=where,
            hint="the file may be cut short; fetch it again",
        )
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_npz(path: Path) -> Dataset:
    """The images in an npy file, or the images and labels in an npz archive."""
    if (images := images_on_disk(path)) is not None:
        field = Image("image", images.whole[1:], MODES[images.whole[3]], 256)
        notes = ("images stay on the disk and are read in batches",)
        return Dataset((field,), {"image": images}, path.name, None, notes)
    raw = read_bytes(path)
    try:
        loaded = np.load(io.BytesIO(raw), allow_pickle=False)
        names = [IMAGE_KEYS[0]] if isinstance(loaded, np.ndarray) else loaded.files
        members = {key: loaded if isinstance(loaded, np.ndarray) else loaded[key] for key in names}
        arrays = {key: array for key, array in members.items() if isinstance(array, np.ndarray)}  # not bytes
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        hint = "save plain number arrays; arrays of objects are refused, as loading them could run code"
        raise DataError(f"cannot read the arrays: {error}", where=str(path), hint=hint) from None
    except (MemoryError, OverflowError, RuntimeError, SyntaxError, TypeError, struct.error) as error:
        raise DataError(f"damaged array: {error}", where=str(path)) from None
    return image_arrays(arrays, where=str(path))


def image_arrays(arrays: Mapping[str, np.ndarray], *, where: str) -> Dataset:
    """Images and labels among named arrays, found by their names (images, x, ...; labels, y, ...) or shapes."""
    key = _pick(arrays, IMAGE_KEYS, lambda a: a.ndim in (3, 4) and a.dtype.kind in "buif")
    if key is None:
        shapes = ", ".join(f"{k} {a.shape}" for k, a in arrays.items()) or "nothing"
        hint = f"it holds {shapes}; images are (n, height, width) or (n, height, width, channels)"
        raise DataError("no array of images", where=where, hint=hint)
    images = arrays[key]
    other = _pick(arrays, LABEL_KEYS, lambda a: a.size == a.shape[0] == len(images) if a.ndim else False)
    unused = [k for k in arrays if k not in (key, other)]
    notes = (f"arrays left aside: {', '.join(unused)}",) if unused else ()
    return image_dataset(images, arrays[other].reshape(-1) if other else None, where=where, notes=notes)


def _pick(arrays: Mapping[str, np.ndarray], names: tuple[str, ...], fits: Callable[[np.ndarray], bool]) -> str | None:
    """The first array with one of `names` that fits, else the only one that fits."""
    fitting = [key for key, array in arrays.items() if fits(array)]
    named = [key for name in names for key in fitting if key.lower() == name]
    return named[0] if named else fitting[0] if len(fitting) == 1 else None


def image_dataset(
    images: Shaped[np.ndarray, "n *s"],
    labels: Shaped[np.ndarray, "n"] | None,
    *,
    where: str,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A Dataset with the field `image` and, where there are labels, the category `label`."""
    pixels, mode, levels, more = _pixels(images, where)
    field = Image("image", pixels.shape[1:], mode, levels)
    name = Path(where).name
    if labels is None:
        return Dataset((field,), {"image": pixels}, name, None, notes + more)
    if labels.ndim != 1 or len(labels) != len(pixels):
        raise DataError(f"{len(pixels)} images but labels of shape {labels.shape}", where=where)
    label = as_category(RawColumn.of("label", [_text(v) for v in labels.tolist()]))
    assert isinstance(label.field, Category)
    columns = {"image": pixels, "label": label.column}
    return Dataset((field, label.field), columns, name, "label", notes + more)


def _text(value: object) -> str | None:
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _pixels(images: np.ndarray, where: str) -> tuple[UInt8[np.ndarray, "n h w c"], str, int, tuple[str, ...]]:
    """Arrays as pixels with their mode, levels and notes; numbers outside 0 .. 255 are an error, never clipped."""
    if images.ndim not in (3, 4) or images.size == 0:
        raise DataError(f"an array of shape {images.shape} holds no images", where=where)
    if images.ndim == 3:
        images = images[..., None]
    notes: tuple[str, ...] = ()
    if images.shape[3] > 4 and images.shape[1] <= 4:
        images, notes = np.moveaxis(images, 1, 3), ("channels came first; they are moved last",)
    if images.shape[3] not in MODES:
        raise DataError(f"images with {images.shape[3]} channels", where=where, hint="1 to 4 channels, last")
    if images.dtype == bool:
        mode = "1" if images.shape[3] == 1 else MODES[images.shape[3]]
        return (
            np.ascontiguousarray(images, dtype=np.uint8) * (1 if mode == "1" else 255),
            mode,
            2 if mode == "1" else 256,
            notes,
        )
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind == "f" and low >= 0 and high <= 1:
        return (
            np.rint(images * 255).astype(np.uint8),
            MODES[images.shape[3]],
            256,
            (*notes, "0 .. 1 is scaled to 0 .. 255"),
        )
    if not (low >= 0 and high <= 255 and (images.dtype.kind in "ui" or np.array_equal(images, np.rint(images)))):
        hint = "give whole numbers 0 .. 255, or decimals 0 .. 1"
        raise DataError(f"pixels from {low:g} to {high:g}", where=where, hint=hint)
    return np.ascontiguousarray(images, dtype=np.uint8), MODES[images.shape[3]], 256, notes
