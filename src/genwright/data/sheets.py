"""Many images on one sheet, to be looked at."""

import io
import math

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from genwright.data.dataset import Dataset, Image
from genwright.data.images import scale_levels
from genwright.errors import ArgumentError

LARGEST = 8192  # pixels of the longer side of a sheet
SEEN = 48  # pixels that the longer side of a small image is enlarged to, by a whole number
GAP, PAPER = 2, 128  # pixels between images, and their grey
MOST = 10_000  # images


def sheet(data: Dataset) -> tuple[bytes, tuple[str, ...]]:
    """A PNG with the images of a Dataset in rows, as many as there are in a row, in their order; and a note on what
    else the records hold. Small images are enlarged by a whole number.

    Raises ArgumentError for more than would fit on one sheet.
    """
    field = data.medium(Image)
    tiles = [_tile(pixels, field) for pixels in data.columns[field.name]]
    if not tiles:
        raise ArgumentError("a sheet of no images", hint="draw at least one")
    height, width = (max(tile.shape[side] for tile in tiles) for side in (0, 1))
    across = math.ceil(math.sqrt(len(tiles)))
    rows = -(-len(tiles) // across)
    step_down, step = height + GAP, width + GAP
    if len(tiles) > MOST or max(rows * step_down, across * step) > LARGEST:
        what = f"{len(tiles):,} images do not fit on one sheet of {LARGEST:,} pixels a side"
        raise ArgumentError(what, hint="give a folder, or draw fewer")
    page = np.full((rows * step_down + GAP, across * step + GAP, tiles[0].shape[2]), PAPER, dtype=np.uint8)
    page[..., 3:] = 255
    for place, tile in enumerate(tiles):
        top, left = (GAP + each * size for each, size in zip(divmod(place, across), (step_down, step), strict=True))
        page[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    beside = [f.name for f in data.fields if f is not field]
    lost = (f"a sheet shows images alone, without {', '.join(beside)}: a folder keeps them",) if beside else ()
    return _png(page), lost


def _tile(pixels: UInt8[np.ndarray, "h w c"], field: Image) -> UInt8[np.ndarray, "a b d"]:
    """One image with 256 levels, large enough to be seen; grey with alpha as colours with it."""
    full = scale_levels(pixels, field.levels, 256) if field.levels != 256 else pixels
    if full.shape[2] == 2:
        full = np.concatenate([np.repeat(full[:, :, :1], 3, axis=2), full[:, :, 1:]], axis=2)
    times = max(1, SEEN // max(full.shape[:2]))
    return full.repeat(times, axis=0).repeat(times, axis=1)


def _png(page: UInt8[np.ndarray, "h w c"]) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(page[:, :, 0] if page.shape[2] == 1 else page).save(stream, "PNG", optimize=True)
    return stream.getvalue()
