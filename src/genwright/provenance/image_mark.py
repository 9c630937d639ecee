"""A watermark laid over finished pictures: a keyed pattern of middle frequencies that holds 32 bits, and what finds it.

Spread spectrum (Cox et al. 1997, doi:10.1109/83.650120) on tiles of 64 x 64 pixels, so that it is found in a part of a
picture as well: one pattern to find the tiles by, and for each of four bytes one of 128 patterns or its negative, which
is decoded softly as a biorthogonal code. The reader whitens the picture, lays its tiles on each other and correlates at
every offset; over keys, that is Gaussian, so the p-value is the tail, times the offsets, sizes and turns looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as Pillow
from scipy.stats import norm

from genwright.data.dataset import Dataset, Image, media_of
from genwright.errors import ArgumentError
from genwright.provenance.secret import checked_secret, derived, mark_id

if TYPE_CHECKING:
    from genwright.model.generator import Generator
    from genwright.model.part import RecordSampler
    from genwright.train.progress import Listener

SCHEME = "tiles"
TILE = 64
BAND = (5.0, 17.0)  # cycles a tile: periods of 4 to 13 pixels
BYTES, WORDS = 4, 128
SYNC = 0.45  # share of the energy
SMALLEST = 48  # pixels a side
DECIBELS = 40.0
SIZES = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024)
TURNS = np.arange(-5.0, 5.01, 0.5)


@dataclass(frozen=True)
class ImageFinding:
    """The probability `p_value` that an unmarked picture looks so much like a marked one, and the 32 bits read."""

    p_value: float
    payload: bytes


@dataclass(frozen=True, eq=False)
class ImageMark:
    """The part of a generator that marks its pictures with a secret; it is not saved with the model."""

    secret: bytes
    payload: bytes
    name: ClassVar[str] = "image mark"

    def __post_init__(self) -> None:
        checked_secret(self.secret)

    @property
    def nets(self) -> dict[str, Any]:
        """None."""
        return {}

    @property
    def id(self) -> str:
        """Which mark it is."""
        return mark_id(self.secret, SCHEME)

    def to_json(self) -> Any:
        """ArgumentError: a secret is not written into a model."""
        hint = "save the model itself, and mark it when it is loaded"
        raise ArgumentError("a marked generator is not saved: its mark is a secret", where="save", hint=hint)

    def records(self, sampler: "RecordSampler") -> "RecordSampler":
        """The sampler with its pictures marked."""

        def own(n: int, *, given: Mapping[str, Any], seed: int, listener: "Listener") -> Dataset:
            return self.over(sampler(n, given=given, seed=seed, listener=listener))

        return own

    def over(self, data: Dataset) -> Dataset:
        """The records with their pictures marked."""
        field = data.medium(Image)
        found = np.stack([mark(picture, self.secret, self.payload) for picture in data.columns[field.name]])
        return replace(data, columns={**data.columns, field.name: found})


def marked(model: "Generator", secret: bytes) -> "Generator":
    """The generator with its pictures marked by the secret and the first bytes of the SHA-256 of its weights.

    Raises ArgumentError for pictures that are too small, or have fewer than 256 levels.
    """
    field = media_of(model.fields)
    if getattr(field, "levels", None) != 256 or not large(model, SMALLEST):
        what = f"pictures of less than {SMALLEST} pixels a side, or of few levels, hold no mark"
        raise ArgumentError(what, where="marked", hint="sign them instead")
    return replace(model, parts=(*model.parts, ImageMark(secret, bytes.fromhex(model.hashes[0][: 2 * BYTES]))))


def large(model: "Generator", side: int) -> bool:
    """Whether its pictures have so many pixels a side at least."""
    shape = getattr(media_of(model.fields), "shape", None)
    return shape is not None and min(shape[:2]) >= side


@lru_cache(maxsize=4)
def patterns(secret: bytes) -> tuple[Float[np.ndarray, "t t"], Float[np.ndarray, "b w t t"]]:
    """The pattern that is looked for, and those of the bytes, each of unit norm."""
    rng = np.random.Generator(np.random.Philox(key=np.frombuffer(derived(secret, SCHEME), "<u8")[:2]))
    y, x = np.meshgrid(np.fft.fftfreq(TILE) * TILE, np.fft.fftfreq(TILE) * TILE, indexing="ij")
    band = (np.hypot(y, x) >= BAND[0]) & (np.hypot(y, x) <= BAND[1])
    noise = rng.standard_normal((1 + BYTES * WORDS, TILE, TILE))
    found = np.fft.ifft2(np.fft.fft2(noise) * band).real
    found /= np.linalg.norm(found, axis=(1, 2), keepdims=True)
    return found[0], found[1:].reshape(BYTES, WORDS, TILE, TILE)


def tile_of(secret: bytes, payload: bytes) -> Float[np.ndarray, "t t"]:
    """The tile that says `payload`, of unit mean square."""
    sync, words = patterns(secret)
    whole = np.sqrt(SYNC) * sync
    for letter, byte in zip(words, payload, strict=True):
        whole = whole + np.sqrt((1 - SYNC) / BYTES) * letter[byte % WORDS] * (1 if byte < WORDS else -1)
    return whole * TILE / np.linalg.norm(whole)


def mark(
    pixels: UInt8[np.ndarray, "h w c"], secret: bytes, payload: bytes, *, decibels: float = DECIBELS
) -> np.ndarray:
    """The picture with the mark, at a peak signal-to-noise ratio of `decibels`, a little less where it is clipped."""
    height, width, channels = pixels.shape
    if min(height, width) < SMALLEST:
        raise ArgumentError(f"pictures of less than {SMALLEST} pixels a side hold no mark", where="image")
    if len(payload) != BYTES:
        raise ArgumentError(f"a mark holds {BYTES} bytes", where="payload")
    tile = np.tile(tile_of(secret, payload), (-(-height // TILE), -(-width // TILE)))[:height, :width]
    strength = 255 * 10 ** (-decibels / 20)
    colours = channels - (channels % 2 == 0)  # all but transparency
    own = np.clip(np.rint(pixels[:, :, :colours] + strength * tile[:, :, None]), 0, 255).astype(np.uint8)
    return np.concatenate([own, pixels[:, :, colours:]], axis=2)


def find(pixels: UInt8[np.ndarray, "h w c"], secret: bytes) -> ImageFinding:
    """The likeliest place, size and turn of the mark in a picture."""
    sync, _ = patterns(secret)
    colours = pixels.shape[2] - (pixels.shape[2] % 2 == 0)
    grey = pixels[:, :, :colours].astype(np.float64).mean(axis=2)
    conjugate, tried = np.conj(np.fft.fft2(sync)), 0
    best: tuple[float, np.ndarray, Any] = (-np.inf, sync, (0, 0))
    for view in _views(grey):
        tile = folded(view)
        score = np.fft.ifft2(np.fft.fft2(tile) * conjugate).real
        z = score / max(np.sqrt(np.mean(score**2)), 1e-12)
        tried += z.size
        if z.max() > best[0]:
            best = float(z.max()), tile, np.unravel_index(z.argmax(), z.shape)
    z, tile, at = best
    return ImageFinding(float(min(1.0, tried * norm.sf(z))), _read(np.roll(tile, (-at[0], -at[1]), (0, 1)), secret))


def folded(grey: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "t t"]:
    """The whitened picture, its tiles laid on each other."""
    y, x = (np.hanning(n + 2)[1:-1] ** 0.25 for n in grey.shape)
    spectrum = np.fft.fft2((grey - grey.mean()) * y[:, None] * x)
    f = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1])) * TILE
    ring = np.minimum(f, TILE).astype(int)
    power = np.bincount(ring.ravel(), (np.abs(spectrum) ** 2).ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    kept = (f >= BAND[0] - 0.5) & (f <= BAND[1] + 0.5)
    flat = np.fft.ifft2(spectrum * kept / np.sqrt(power[ring] + 1e-9)).real
    flat = np.clip(flat / (flat.std() + 1e-12), -2.5, 2.5)
    height, width = (-(-n // TILE) * TILE for n in flat.shape)
    whole = np.zeros((height, width))
    whole[: flat.shape[0], : flat.shape[1]] = flat
    return whole.reshape(height // TILE, TILE, width // TILE, TILE).sum(axis=(0, 2))


def _read(tile: Float[np.ndarray, "t t"], secret: bytes) -> bytes:
    _, words = patterns(secret)
    scores = np.einsum("bwij,ij->bw", words, tile)
    best = np.abs(scores).argmax(axis=1)
    return bytes(int(w) + (0 if scores[b, w] > 0 else WORDS) for b, w in enumerate(best))


def _views(grey: Float[np.ndarray, "h w"]) -> Iterator[Float[np.ndarray, "h w"]]:
    """The picture as it is, turned a little, and at the sizes that it may have had."""
    picture = Pillow.fromarray(grey.astype(np.float32))
    yield grey
    for turn in TURNS[TURNS != 0]:
        turned = picture.rotate(float(turn), Pillow.Resampling.BICUBIC, fillcolor=float(grey.mean()))
        yield np.asarray(turned, np.float64)
    for size in SIZES:
        if size != grey.shape[1] and 0.45 <= size / grey.shape[1] <= 2.2:
            height = max(8, round(grey.shape[0] * size / grey.shape[1]))
            yield np.asarray(picture.resize((size, height), Pillow.Resampling.BICUBIC), np.float64)
