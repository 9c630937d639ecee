"""Images as raters get them: one size, one mode, and a PNG whose length depends on nothing but these."""

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from genwright.data.dataset import Dataset, Image
from genwright.data.images import scale_levels

LARGEST = 1024  # pixels: longer sides are scaled down to it

Pixels = UInt8[np.ndarray, "_ _ _"]  # height, width, channels


def pixels_of(data: Dataset, index: Sequence[int]) -> list[Pixels]:
    """Images of a Dataset with 256 levels, grey or RGB; what is transparent becomes white."""
    field = data.medium(Image)
    return [_opaque(scale_levels(data.columns[field.name][i], field.levels, 256)) for i in index]


def _opaque(pixels: Pixels) -> Pixels:
    if pixels.shape[2] in (1, 3):
        return pixels
    alpha = pixels[:, :, -1:].astype(np.float64) / 255
    return np.rint(pixels[:, :, :-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def pngs(images: Mapping[str, Sequence[Pixels]]) -> tuple[dict[str, list[bytes]], tuple[str, ...]]:
    """All systems' images as PNGs of one size and mode, and notes on what was done to reach that.

    Images of different proportions are cut to their middle square, smaller ones enlarged to the largest, pixels kept
    square and sharp. Without metadata and uncompressed, every file has the same chunks of the same lengths.
    """
    every = [image for each in images.values() for image in each]
    shapes = {image.shape[:2] for image in every}
    square = len({height / width for height, width in shapes}) > 1
    cut = [(min(s), min(s)) if square else s for s in shapes]
    height, width = max(cut)
    shrink = min(1.0, LARGEST / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    channels = max(image.shape[2] for image in every)
    notes = ["the middle square of each image is shown, as their proportions differ"] if square else []
    if len(set(cut)) > 1 or shrink < 1:
        notes.append(f"all images are brought to {size[1]} x {size[0]} pixels")
    made = {
        system: [png(_brought(image, square=square, size=size, channels=channels)) for image in each]
        for system, each in images.items()
    }
    return made, tuple(notes)


def _brought(image: Pixels, *, square: bool, size: tuple[int, int], channels: int) -> Pixels:
    """One image cut, scaled and coloured like the others."""
    if square:
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        image = image[top : top + side, left : left + side]
    if image.shape[2] < channels:
        image = np.repeat(image, channels, axis=2)
    if image.shape[:2] == size:
        return image
    whole = max(1, -(-size[0] // image.shape[0]))  # enlarged by whole numbers first, so that pixels stay sharp
    image = image.repeat(whole, axis=0).repeat(whole, axis=1)
    picture = Pillow.fromarray(image[:, :, 0] if channels == 1 else image)
    method = Pillow.Resampling.BOX if whole > 1 else Pillow.Resampling.LANCZOS
    return np.asarray(picture.resize(size[::-1], method)).reshape(*size, channels)


def png(pixels: Pixels) -> bytes:
    """A PNG of nothing but header, pixels and end; the pixels are stored, so its length tells only their number.

    >>> flat, noisy = np.zeros((4, 4, 1), np.uint8), np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    >>> len(png(flat)) == len(png(noisy))
    True
    """
    height, width, channels = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # filter type 0
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    stored = zlib.compress(rows.tobytes(), 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", stored) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
