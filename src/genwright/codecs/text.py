"""Text to `Tokens`, byte by byte: windows of one running text, or one sequence per record."""

import codecs
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.medium import MediumCodec, beside_from_json, left_out, order_of
from genwright.codecs.others import ALONE, Others
from genwright.codecs.schema import field_of, field_to_json
from genwright.codecs.values import entries
from genwright.data.dataset import Dataset, Text
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Encoded, Given, Tokens
from genwright.typed import entry, typed, wrong

END = 256  # bytes are 0 .. 255
RUNNING_LENGTH = 256
LONGEST_RECORD = 512
MAX_BYTES = 2**13  # of a record that a saved codec may have
MIN_WINDOWS = 8  # a running text is at least so many windows long, so that held-out parts hold one too
CONTINUATION = bytes(range(0x80, 0xC0))  # UTF-8 bytes that no character begins with


@final
@dataclass(frozen=True)
class TextCodec(MediumCodec):
    """One text field <-> `Tokens(length, vocabulary=257, end=256)`: UTF-8 bytes and an end mark.

    Running text is a stream of bytes of which every window of `length` is a record. Other texts are a record each,
    filled up with end marks; longer ones are cut, which `notes` reports. Scalar fields beside records become context
    columns through `beside`; beside running text they have no meaning for a window and are left out.
    """

    text: Text
    length: int
    beside: ColumnsCodec
    order: tuple[str, ...]
    notes: tuple[str, ...] = ()
    others: Others = ALONE

    @classmethod
    def fit(
        cls,
        data: Dataset,
        *,
        rng: torch.Generator,
        length: int | None = None,
        field: Text | None = None,
        others: Others = ALONE,
    ) -> Self:
        """Fit to `field`, or the first text field of `data`.

        `length` in bytes; by default 256 for running text and the longest record and its end, at most 512, otherwise.
        Raises DataError if there is no text at all.
        """
        text = field or data.medium(Text)
        if length is not None and length < 1:
            raise ArgumentError(f"length {length} is too short", where=text.name, hint="give at least 1 byte")
        sizes = np.array([len(raw) for raw in _raw(text, data)])
        if sizes.sum() == 0:
            raise DataError("there is no text to fit to", where=text.name, hint="every row is empty")
        if text.running:
            fitting = max(int(sizes.sum()) // MIN_WINDOWS, 1)
            lost = [f.name for f in data.fields if f is not text]
            notes = tuple(f"{name}: not modelled beside running text, and left out of samples" for name in lost)
            beside = ColumnsCodec((), (), data.name)
            return cls(text, min(length or RUNNING_LENGTH, fitting), beside, (text.name,), notes)
        length = length or min(int(sizes.max()) + 1, LONGEST_RECORD)
        beside = ColumnsCodec.fit(data, rng=rng)
        cut = filter(None, (_cut_note(text, sizes, length),))
        notes = (*left_out(data, text, others), *cut)
        return cls(text, length, beside, order_of(data, text, others), notes, others)

    @property
    def field(self) -> Text:
        """The target."""
        return self.text

    @property
    def space(self) -> Tokens:  # type: ignore[override]
        return Tokens(self.length, vocabulary=END + 1, end=END)

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """Records: a row each. Running text: every window, as a view of one stream that takes no further memory."""
        if self.text.running:
            return self.windows(data, stride=1)
        raw = _raw(self.text, data)
        sizes = np.array([len(each) for each in raw], dtype=np.int64)
        if note := _cut_note(self.text, sizes, self.length):
            warnings.warn(note, stacklevel=2)
        filled = np.arange(self.length) < sizes[:, None]
        x = np.full(filled.shape, END, dtype=np.int16)
        x[filled] = np.frombuffer(b"".join(each[: self.length] for each in raw), dtype=np.uint8)
        return Encoded(torch.from_numpy(x), self.others.encode(self.beside, data, rng=rng))

    def windows(self, data: Dataset, *, stride: int) -> Encoded:
        """Windows of running text that start `stride` bytes apart; a text shorter than one is filled with end marks."""
        assert self.text.running, "records are not cut into windows"
        stream = np.frombuffer(bytearray(b"".join(_raw(self.text, data))), dtype=np.uint8)
        if 0 < len(stream) < self.length:
            stream = np.pad(stream.astype(np.int16), (0, self.length - len(stream)), constant_values=END)
        if len(stream) == 0:
            return Encoded(torch.empty(0, self.length, dtype=torch.uint8))
        return Encoded(torch.from_numpy(stream).unfold(0, self.length, stride))

    def decode_field(self, x: Integer[Tensor, "n length"]) -> np.ndarray:
        """Each sequence up to its first end mark as text; bytes that are not UTF-8 become U+FFFD."""
        tokens = x.cpu().numpy()
        ends = np.where((tokens == END).any(axis=1), (tokens == END).argmax(axis=1), self.length)
        raw = tokens.astype(np.uint8)
        column = np.empty(len(raw), dtype=object)
        column[:] = [_text(row[:end].tobytes(), self.text.running) for row, end in zip(raw, ends, strict=True)]
        return column

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """The text field as a prompt that records begin with (one, or n of them), scalar fields as context."""
        scalars = {name: value for name, value in fixed.items() if name != self.text.name}
        prompts = None
        if self.text.name in fixed:
            prompts = self._prompts(entries(fixed[self.text.name], n, where=self.text.name))
        return self.others.given(self.beside, prompts, scalars, n, rng=rng)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "text",
            "text": field_to_json(self.text),
            "length": self.length,
            **self.beside_to_json(),
        }

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        text = field_of(told.get("text"), Text, where=f"{where}, text")
        length = entry(told, "length", int, where=where)
        if not 1 <= length <= MAX_BYTES:
            raise wrong(f"records of {length} bytes", where)
        return cls(text, length, **beside_from_json(told, text, where=where))

    def whole(self, value: Any, n: int) -> Float[Tensor, "n length"]:
        told = entries(value, n, where=self.text.name)
        tokens = self._prompts(["" if each is None else each for each in told])
        x = torch.where(tokens < 0, END, tokens).float()
        x[torch.tensor([each is None for each in told], dtype=torch.bool)] = torch.nan
        return x

    def _prompts(self, prompts: list[Any]) -> Integer[Tensor, "n length"]:
        x = torch.full((len(prompts), self.length), -1, dtype=torch.int64)
        for row, prompt in zip(x, prompts, strict=True):
            if not isinstance(prompt, str):
                raise ArgumentError(f"{prompt!r} is not text", where=self.text.name, hint="give a str as prompt")
            raw = prompt.encode("utf-8", "replace")
            if len(raw) > self.length:
                what = f"a prompt of {len(raw)} bytes does not fit into the {self.length} of a record"
                raise ArgumentError(what, where=self.text.name, hint="shorten it, or fit with a larger length")
            row[: len(raw)] = torch.tensor(list(raw), dtype=torch.int64)
        return x


def _raw(text: Text, data: Dataset) -> list[bytes]:
    """Each row as UTF-8; missing texts are empty."""
    return [b"" if value is None else value.encode("utf-8", "surrogateescape") for value in data.columns[text.name]]


def _text(raw: bytes, running: bool) -> str:
    """Bytes as text, without the halves of characters that a window or a cut leaves at the edges."""
    whole = raw.lstrip(CONTINUATION) if running else raw
    return codecs.getincrementaldecoder("utf-8")("replace").decode(whole, final=False)


def _cut_note(text: Text, sizes: np.ndarray, length: int) -> str | None:
    longer = int((sizes > length).sum())
    if not longer:
        return None
    return f"{text.name}: {longer} of {len(sizes)} texts are longer than {length} bytes and are cut there"
