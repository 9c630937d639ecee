"""Sounds as raters get them: one length, one loudness, one sampling rate, mono 16-bit WAV with a bare header."""

import io
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from genwright.errors import DataError

LONGEST = 30.0  # seconds
LOUDEST = 10 ** (-20 / 20)  # root mean square of full scale that is aimed at
PEAK = 0.99
FADE = 0.01  # seconds at the end, where sounds are cut

Clip = tuple[Float[np.ndarray, "_"], int]  # samples in [-1, 1] and their rate in Hz


def wav_files(folder: Path) -> list[Path]:
    """The .wav files of a folder, at any depth, in order of their names."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".wav" and not p.name.startswith("."))


def read_wav(path: Path) -> Clip:
    """A PCM file of 8, 16, 24 or 32 bits, its channels averaged; a DataError if it is damaged, empty or silent."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            raw = file.readframes(min(file.getnframes(), int(rate * LONGEST) + 1))
    except (wave.Error, EOFError, OSError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path), hint="save it as 16-bit PCM") from None
    frames = len(raw) // (width * channels)
    if rate <= 0 or not frames:
        raise DataError("there is no sound in it", where=str(path), hint="remove the file")
    samples = _samples(raw[: frames * width * channels], width).reshape(frames, channels).mean(axis=1)
    if not np.abs(samples).max() > 1e-4:
        raise DataError("it is silent", where=str(path), hint="remove the file")
    return samples, rate


def _samples(raw: bytes, width: int) -> Float[np.ndarray, "n"]:
    """Whole-number samples of `width` bytes, low byte first, as numbers in [-1, 1); those of one byte are unsigned."""
    if width == 1:
        return (np.frombuffer(raw, np.uint8).astype(np.float64) - 128) / 128
    bytewise = np.frombuffer(raw, np.uint8).reshape(-1, width)
    wide = np.zeros((len(bytewise), 4), np.uint8)
    wide[:, 4 - width :] = bytewise  # the high bytes of 32 bits, so that the sign is in its place
    return wide.view("<i4")[:, 0].astype(np.float64) / 2**31


def wavs(clips: Mapping[str, Sequence[Clip]]) -> tuple[dict[str, list[bytes]], tuple[str, ...]]:
    """All systems' sounds as WAVs that differ in their samples only, and notes on what was done to reach that.

    The highest rate in use becomes that of all; each is cut to the shortest, those shorter than half the median being
    left out; loudness (root mean square) is made equal, as high as no sample is clipped.
    """
    rate = max(rate for each in clips.values() for _, rate in each)
    same = {system: [_resampled(clip, rate) for clip in each] for system, each in clips.items()}
    lengths = [len(samples) for each in same.values() for samples in each]
    least = np.median(lengths) / 2
    kept = {system: [samples for samples in each if len(samples) >= least] for system, each in same.items()}
    shortest = min(n for n in lengths if n >= least)
    cut = {system: [_cut(samples, shortest, rate) for samples in each] for system, each in kept.items()}
    loud = min(min(LOUDEST, PEAK * _rms(s) / np.abs(s).max()) for each in cut.values() for s in each)
    notes = [f"sounds are mono at {rate} Hz, cut to {shortest / rate:.2f} s, and of equal loudness"]
    if len({own for each in clips.values() for _, own in each}) > 1:
        notes.append("the sampling rates differed: raters may hear which sounds have no high tones")
    short = sum(n < least for n in lengths)
    if short:
        notes.append(f"{short} sounds shorter than half the median are left out")
    return {name: [_wav(s * (loud / _rms(s)), rate) for s in each] for name, each in cut.items()}, tuple(notes)


def _resampled(clip: Clip, rate: int) -> Float[np.ndarray, "m"]:
    """Band-limited interpolation: the same spectrum on a finer grid."""
    samples, own = clip
    if own == rate:
        return samples
    n = round(len(samples) * rate / own)
    return np.fft.irfft(np.fft.rfft(samples), n) * (n / len(samples))


def _cut(samples: Float[np.ndarray, "n"], length: int, rate: int) -> Float[np.ndarray, "m"]:
    """The beginning, faded out so that it does not click."""
    cut = samples[:length].copy()
    fade = min(length, int(FADE * rate))
    cut[length - fade :] *= np.linspace(1, 0, fade)
    return cut


def _rms(samples: Float[np.ndarray, "n"]) -> float:
    return float(np.sqrt(np.mean(samples**2))) + 1e-12


def _wav(samples: Float[np.ndarray, "n"], rate: int) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return stream.getvalue()
