"""Features remembered by the content of the images and the extractor, in memory and, if asked for, in a folder."""

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from genwright.data.dataset import Dataset
from genwright.errors import StorageError
from genwright.storage import read_tensors, write_tensors

MEMORY_BYTES = 512 * 1024 * 1024  # of features remembered within one process


@runtime_checkable
class FeatureMap(Protocol):
    """What turns images into features: an `Extractor` fitted to the data, or a `Network` with the user's weights."""

    @property
    def signature(self) -> str:
        """Which features these are."""

    def __call__(self, data: Dataset) -> Float[np.ndarray, "n d"]:
        """Features of the images of `data`."""


class FeatureCache:
    """Features of images; those of the same content by the same extractor are computed once.

    `folder`: where to keep them across processes, as `<hash>.safetensors`; None keeps them in memory only. Features
    may tell about private images, so nothing is written unasked.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._known: OrderedDict[str, np.ndarray] = OrderedDict()

    def __call__(self, extractor: FeatureMap, data: Dataset) -> Float[np.ndarray, "n d"]:
        """`extractor(data)`, computed or remembered."""
        key = content_key(extractor, data)
        if key not in self._known:
            self._known[key] = self._read(key)
            if not len(self._known[key]):
                self._known[key] = extractor(data)
                self._write(key)
            while sum(x.nbytes for x in self._known.values()) > MEMORY_BYTES and len(self._known) > 1:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _read(self, key: str) -> np.ndarray:
        """Features from the folder; none if they are not there, or damaged: they can be had again."""
        if self.folder is None or not (self.folder / f"{key}.safetensors").is_file():
            return np.empty((0, 0))
        try:
            return read_tensors(self.folder / f"{key}.safetensors")[0]["features"].numpy()
        except (StorageError, KeyError):
            return np.empty((0, 0))

    def _write(self, key: str) -> None:
        if self.folder is not None:
            write_tensors(self.folder / f"{key}.safetensors", {"features": torch.tensor(self._known[key])})


def content_key(extractor: FeatureMap, data: Dataset) -> str:
    """SHA-256 of the extractor's signature and of every image with its shape, in order."""
    assert data.media is not None
    digest = hashlib.sha256(extractor.signature.encode())
    column = data.columns[data.media.name]
    whole = column if column.dtype != object else None
    if whole is not None:
        digest.update(repr(whole.shape).encode() + np.ascontiguousarray(whole).tobytes())
    else:
        for image in column:
            digest.update(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
