"""Images from files: folders and zips, any mode and size, with labels and captions beside them."""

import io
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from genwright.data.beside import beside_images
from genwright.data.dataset import Dataset, Field, Image
from genwright.data.files import Files, readable, shown, unread
from genwright.data.paths import existing, meant
from genwright.data.table import MissingMarks
from genwright.errors import DataError

SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif"),
)
FORMATS = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    "WEBP",
    "TIFF",
    "PPM",
    "DIB",
    "AVIF",
)  # that hostile files may reach
FOREIGN = (b"ftyphei", b"ftyphev", b"ftypmif1", b"ftypmsf1", b"ftypavi")  # HEIC, and AVIF where Pillow lacks it
FOREIGN_WHY = "HEIC images and the like cannot be read here; convert them to JPEG or PNG"
MAX_PIXELS = 100_000_000  # of one image; a few kB of PNG can claim more than any memory holds
CHANNELS = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
OBJECT = re.compile(
    r"\s*<[^<>]* at 0x[0-9a-f]+>"
)  # how Python prints an object: an address in memory tells nobody anything
LEVELS_KEY = "levels"  # PNG text chunk that says how many grey levels an image has, if not 2 or 256
COPIES = 3  # bytes held for one byte of a pixel
# The default family's net for images works at some 20 places a side at most; larger images are folded into channels.
BATCH = 64  # images of a training step, as far as there are as many
PLACES = 20
NET_CHANNELS = 32
VALUE_COPIES, PLACE_COPIES = 16, 31  # of float32 that a step holds for a value of an image, for a channel of a place
FOLDED_WEIGHTS = 1.5 * 9 * 2 * NET_CHANNELS  # of the first and last convolution for a value that is folded into a place
WEIGHT_COPIES = 6  # weights, gradient, two moments, average, best


@dataclass(frozen=True)
class Header:
    """What a file says about its image before the pixels are decoded."""

    name: str
    mode: str
    size: tuple[int, int]  # height, width
    levels: int
    remarks: frozenset[str] = frozenset()


def read_images(
    files: Files,
    *,
    schema: Mapping[str, str | Field],
    label: str | None,
    missing: MissingMarks,
    size: tuple[int, int] | None,
) -> Dataset:
    """A Dataset with the field `image`, a category `label` from sub-folders, and the fields of tables beside them.

    `size` is (height, width) to resize to. Raises DataError for unreadable images, unless they are few (see `unread`):
    those are left out and named in the notes, as are HEIC images, which Pillow does not read.
    """
    names = files.with_suffix(*SUFFIXES)
    bad: dict[str, str] = {}
    headers = [h for name in names if (h := _try(partial(_header, files, name), name, bad)) is not None]
    foreign = [name for name, why in bad.items() if why == FOREIGN_WHY]
    if len(foreign) == len(names):
        raise DataError(f"{FOREIGN_WHY}: {shown(foreign)}", where=files.where)
    bad = {name: why for name, why in bad.items() if why != FOREIGN_WHY}
    unread(bad, len(names), files.where)
    mode = _common_mode([h.mode for h in headers])
    levels = {h.levels for h in headers}
    count = 2 if mode == "1" else levels.pop() if len(levels) == 1 and size is None else 256
    if size is not None and mode == "1":
        mode, count = "L", 256  # resizing makes greys
    pixels, kept = _decode_all(files, headers, mode=mode, levels=count, size=size, bad=bad)
    notes = unread(bad, len(names), files.where) + _image_notes(headers, mode, size)
    if foreign:
        notes.append(f"{len(foreign)} of {len(names)} images are left out ({shown(foreign)}): {FOREIGN_WHY}")
    field = Image("image", _shape(pixels), mode, count)
    beside = beside_images(files, [h.name for h in kept], schema=schema, label=label, missing=missing)
    notes += (*beside.notes, *files.left_out({*names, *beside.used}))
    fields, columns = (field, *beside.fields), {"image": pixels, **beside.columns}
    return Dataset(fields, columns, readable(os.path.basename(files.where.rstrip("/"))), beside.label, tuple(notes))


def _shape(pixels: np.ndarray) -> tuple[int, int, int] | None:
    return None if pixels.dtype == object else (pixels.shape[1], pixels.shape[2], pixels.shape[3])


def _try(job: Callable[[], Any], name: str, bad: dict[str, str]) -> Any:
    """The job's result; None, with the reason put into `bad`, if the image is unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is refused or repaired here
            return job()
    except DataError as error:
        bad[name] = error.what
    except Exception as error:  # Pillow's decoders raise nearly every type there is on damaged files
        bad[name] = "cannot be decoded: " + OBJECT.sub("", str(error))
    return None


def _header(files: Files, name: str) -> Header:
    image = _open(files.read(name))
    remarks = set()
    if getattr(image, "n_frames", 1) > 1:
        remarks.add("only the first frame of animations is read")
    if image.mode not in CHANNELS and image.mode != "P" and image.mode != "PA":
        remarks.add(f"{image.mode} images are converted to {_plain_mode(image)}")
    # Asking a PNG without EXIF data for it decodes the whole image, which is to come later and only once.
    has_exif = image.format != "PNG" or "exif" in image.info
    turned = has_exif and image.getexif().get(0x0112, 1) >= 5  # this orientation swaps height and width
    width, height = image.size[::-1] if turned else image.size
    levels = image.info.get(LEVELS_KEY, "")
    count = int(levels) if isinstance(levels, str) and levels.isdigit() and 2 <= int(levels[:4]) <= 256 else 256
    return Header(name, _plain_mode(image), (height, width), count, frozenset(remarks))


def _open(raw: bytes) -> Pillow.Image:
    try:
        image = Pillow.open(io.BytesIO(raw), formats=FORMATS)
    except UnidentifiedImageError:
        raise DataError(FOREIGN_WHY if raw[4:16].startswith(FOREIGN) else "not an image, or a damaged one") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{width} x {height} pixels are more than {MAX_PIXELS:,}", hint="scale it down first")
    return image


def _plain_mode(image: Pillow.Image) -> str:
    """The mode of `CHANNELS` that holds an image's colours."""
    if image.mode in ("P", "PA"):
        clear = image.mode == "PA" or "transparency" in image.info
        return "RGBA" if clear else "RGB"
    if image.mode in CHANNELS:
        clear = "transparency" in image.info
        return {"1": "LA", "L": "LA", "RGB": "RGBA"}.get(image.mode, image.mode) if clear else image.mode
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise DataError(f"{image.mode}-mode pixels have no fixed range", hint="save it as an 8- or 16-bit PNG")
    return "L" if image.mode.startswith("I") else "RGBA" if image.mode in ("RGBa", "La") else "RGB"


def _common_mode(modes: list[str]) -> str:
    """The smallest mode that holds all of `modes`."""
    if set(modes) == {"1"}:
        return "1"
    colour, alpha = any("RGB" in m for m in modes), any(m.endswith("A") for m in modes)
    return ("RGB" if colour else "L") + ("A" if alpha else "")


def _decode_all(
    files: Files, headers: list[Header], *, mode: str, levels: int, size: tuple[int, int] | None, bad: dict[str, str]
) -> tuple[np.ndarray, list[Header]]:
    """Pixels of all readable images, as one array where sizes agree, and the headers of those."""
    shapes = {h.size if size is None else size for h in headers}
    needed = sum(int(np.prod(h.size if size is None else size)) for h in headers) * CHANNELS[mode]
    if needed > memory_bytes() // 2:
        raise DataError(
            f"{len(headers)} images need {needed / 2**30:.1f} GiB",
            where=files.where,
            hint="read them smaller: size=(64, 64)",
        )
    if len(shapes) == 1:
        pixels: np.ndarray = np.zeros((len(headers), *shapes.pop(), CHANNELS[mode]), dtype=np.uint8)
    else:
        pixels = np.empty(len(headers), dtype=object)
    good = np.zeros(len(headers), dtype=bool)
    for i, header in enumerate(headers):
        image = _try(partial(_decode, files, header.name, mode, levels, size), header.name, bad)
        if image is not None:
            pixels[i], good[i] = image, True
    kept = [h for h, ok in zip(headers, good, strict=True) if ok]
    return (pixels if good.all() else pixels[good]), kept


def _decode(
    files: Files, name: str, mode: str, levels: int, size: tuple[int, int] | None
) -> UInt8[np.ndarray, "h w c"]:
    return _pixels(_open(files.read(name)), mode, levels, size)


def read_picture(path: str, field: Image) -> tuple[UInt8[np.ndarray, "h w c"], tuple[str, ...]]:
    """One image file as a value of `field`, and notes on what was converted; DataError for what is no image, or of
    another size.
    """
    bad: dict[str, str] = {}
    file = existing(path)
    if file is None or not file.is_file():
        raise DataError("no such picture", where=path, hint=meant(path) or "give the path of an image file")
    raw = file.read_bytes()
    image = _try(partial(_open, raw), path, bad)
    pixels = image and _try(partial(_pixels, image, field.mode, field.levels, None), path, bad)
    if bad:
        raise DataError(bad[path], where=path)
    if field.shape is not None and pixels.shape[:2] != field.shape[:2]:
        found, needed = (f"{width} x {height}" for height, width in (pixels.shape[:2], field.shape[:2]))
        hint = f"scale it to {needed} (width x height) first"
        raise DataError(f"an image of {found}, where {field.name!r} is {needed}", where=path, hint=hint)
    converted = image.mode != field.mode and not (image.mode == "1" and field.mode == "L")
    return pixels, (f"{path}: its mode {image.mode} is read as {field.mode}",) if converted else ()


def _pixels(image: Pillow.Image, mode: str, levels: int, size: tuple[int, int] | None) -> UInt8[np.ndarray, "h w c"]:
    if image.mode.startswith("I"):  # 16 bits; Pillow would clip them
        image = Pillow.fromarray((np.asarray(image).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if image.format != "PNG" or "exif" in image.info:
        image = ImageOps.exif_transpose(image)
    if image.mode != mode:
        if image.mode in ("P", "PA", "1", "L", "RGB") and "transparency" in image.info:
            image = image.convert("RGBA")  # the only way that keeps a transparent colour
        image = image.convert(mode)
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], Pillow.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.uint8).reshape(image.height, image.width, CHANNELS[mode])
    return pixels if levels in (2, 256) else scale_levels(pixels, 256, levels)


def scale_levels(pixels: UInt8[np.ndarray, " *s"], old: int, new: int) -> UInt8[np.ndarray, " *s"]:
    """Pixels with levels 0 .. old-1 mapped onto 0 .. new-1; there and back is exact if `new` >= `old`."""
    return np.rint(np.arange(256) * ((new - 1) / (old - 1))).clip(0, 255).astype(np.uint8)[pixels]


def resized(data: Dataset, size: tuple[int, int]) -> Dataset:
    """The Dataset with its images resized to (height, width), as `read_images` does it, unless they have that size."""
    field = data.medium(Image)
    if field.shape is not None and field.shape[:2] == size:
        return data
    mode = "L" if field.mode == "1" else field.mode
    return _redrawn(data, replace(field, mode=mode, levels=256), size)


def image_memory(column: np.ndarray) -> float:
    """Bytes that fitting images takes; measured as in `genwright.data.forecast`."""
    return COPIES * sum(image.nbytes for image in column) + _image_step(column)


def _image_step(images: Iterable[np.ndarray]) -> float:
    """Bytes of one training step on the largest of the images, and of the weights that grow with their size."""
    each = list(images)
    largest = max(each, key=lambda image: image.size)
    height, width = largest.shape[:2]
    fold = 1
    while max(height, width) > fold * PLACES:
        fold *= 2
    places = -(-height // fold) * -(-width // fold)
    batch = min(BATCH, max(1, round(0.8 * len(each))))
    held = batch * (VALUE_COPIES * largest.size + PLACE_COPIES * NET_CHANNELS * places)
    return 4.0 * (held + WEIGHT_COPIES * FOLDED_WEIGHTS * fold**2 * largest.size / (height * width))


def unlike_sizes(column: np.ndarray) -> list[str]:
    """What to do about images of several sizes."""
    shapes = Counter(image.shape[:2] for image in column)
    if len(shapes) == 1:
        return []
    (height, width), n = shapes.most_common(1)[0]
    told = f"a fit takes one: read them with size=({height}, {width}), which {n:,} have"
    return [f"images of {len(shapes):,} sizes: {told}"]


def image_sizes(field: Image, column: np.ndarray) -> tuple[str, str]:
    """The smallest size, and the largest with the mode."""
    sizes = sorted({image.shape[:2] for image in column})
    low, high = (f"{height} x {width}" for height, width in (sizes[0], sizes[-1]))
    return low, f"{high} {field.mode}"


def image_like(data: Dataset, field: Image) -> tuple[Image, np.ndarray]:
    """The images in the mode and levels of `field`, and the field that they are then."""
    own = (data := recast(data, field)).medium(Image)
    return replace(field, shape=own.shape), data.columns[own.name]


def recast(data: Dataset, field: Image) -> Dataset:
    """The Dataset with its images in the mode and levels of `field`; raises DataError if their size differs."""
    own = data.medium(Image)
    if field.shape is not None and (own.shape is None or own.shape[:2] != field.shape[:2]):
        found = "of different sizes" if own.shape is None else f"{own.shape[0]} x {own.shape[1]}"
        what = f"images are {found}, not {field.shape[0]} x {field.shape[1]} (height x width) as the real ones"
        raise DataError(what, where=data.name, hint=f"read both with size={field.shape[:2]}")
    same = (own.mode, own.levels) == (field.mode, field.levels)
    return data if same else _redrawn(data, replace(own, mode=field.mode, levels=field.levels), None)


def _redrawn(data: Dataset, field: Image, size: tuple[int, int] | None) -> Dataset:
    """Every image in the mode and levels of `field`, resized if `size` is given."""
    own = data.medium(Image)
    images = [_redraw(image, own.levels, field, size) for image in data.columns[own.name]]
    alike = size is not None or own.shape is not None
    pixels = np.stack(images) if alike else np.empty(len(images), dtype=object)
    if not alike:
        pixels[:] = images
    fields = tuple(replace(field, name=own.name, shape=_shape(pixels)) if f is own else f for f in data.fields)
    return replace(data, fields=fields, columns={**data.columns, own.name: pixels})


def _redraw(
    pixels: UInt8[np.ndarray, "h w c"], levels: int, field: Image, size: tuple[int, int] | None
) -> UInt8[np.ndarray, "h2 w2 c2"]:
    full = scale_levels(pixels, levels, 256)
    picture = Pillow.fromarray(full[:, :, 0] if full.shape[2] == 1 else full)
    if size is not None:
        picture = picture.resize(size[::-1], Pillow.Resampling.LANCZOS)
    mode = "L" if field.mode == "1" else field.mode
    plain = np.asarray(picture.convert(mode)).reshape(picture.height, picture.width, CHANNELS[mode])
    return scale_levels(plain, 256, field.levels)


def memory_bytes() -> int:
    """Physical memory of this machine; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def _image_notes(headers: list[Header], mode: str, size: tuple[int, int] | None) -> list[str]:
    notes = sorted(frozenset().union(*(h.remarks for h in headers)))
    modes = {h.mode for h in headers}
    if modes != {mode}:
        notes.append(f"images of modes {', '.join(sorted(modes))} are all read as {mode}")
    ratios = {h.size[0] * size[1] - h.size[1] * size[0] for h in headers} if size else {0}
    if ratios != {0}:
        notes.append("some images are stretched: their sides are not in the proportion of size=")
    return notes


def pixels_in(raw: bytes) -> UInt8[np.ndarray, "h w c"] | None:
    """The pixels of a file that holds an image of 8 bits; None for anything else, whatever it does to decoders."""

    def decoded() -> np.ndarray:
        image = _open(raw)
        image.load()
        mode = image.mode if image.mode in ("L", "LA", "RGB", "RGBA") else "RGB"
        return np.asarray(image.convert(mode)).reshape(image.height, image.width, CHANNELS[mode])

    found = _try(decoded, "", {})
    return found if isinstance(found, np.ndarray) else None
