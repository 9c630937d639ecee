"""Text to `Tokens`: windows of one running text or of long documents, or one sequence per record."""

import codecs
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard, final

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.medium import MediumCodec, beside_from_json, left_out, order_of
from genwright.codecs.others import ALONE, Others
from genwright.codecs.schema import field_of, field_to_json
from genwright.codecs.token_file import token_file
from genwright.codecs.tokenizers import Bytes, Maker, Tokenizer, chosen, tokenizer_from_json
from genwright.codecs.values import entries, unknown_field
from genwright.data.dataset import Dataset, Text
from genwright.data.longtext import LongText
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Encoded, Given, Tokens
from genwright.typed import entry, typed, wrong

RUNNING_LENGTH = 256
LONGEST_RECORD = 512
MAX_LENGTH = 2**17  # of a record that a saved codec may have
CUT_SHARE = 0.1  # of all tokens; where records of one length would lose more, documents are read in windows
TOLD_FROM = 2**26  # bytes of a text that stays on the disk from which the tokenizer is made
MIN_WINDOWS = 8  # a running text is at least so many windows long, so that held-out parts hold one too
CONTINUATION = bytes(range(0x80, 0xC0))  # UTF-8 bytes that no character begins with


@final
@dataclass(frozen=True)
class Infill:
    """A text with a gap of so many `tokens` between `before` and `after`; of records, by default all that is left.

    For families that fill in any part of a record, such as `MaskedDiffusion`.

    >>> Infill("To be, ", " that is the question", tokens=14)
    Infill(before='To be, ', after=' that is the question', tokens=14)
    """

    before: str
    after: str
    tokens: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.before, str) or not isinstance(self.after, str):
            raise ArgumentError("no text before or after the gap", where="Infill", hint='give Infill("To be, ", "?")')
        if self.tokens is not None and (not isinstance(self.tokens, int) or self.tokens < 1):
            what = f"a gap of {self.tokens!r:.60} tokens"
            raise ArgumentError(what, where="Infill", hint="give at least 1, or leave it out")


@final
@dataclass(frozen=True)
class TextCodec(MediumCodec):
    """One text field <-> `Tokens`: the tokens of `tokenizer`, and its end mark.

    Running text is a stream of tokens of which every window of `length` is a record. Other texts are a record each,
    filled up with end marks; longer ones are cut, which `notes` reports. Where too much would be cut and nothing stands
    beside the texts, they are `documents`: one after the other, an end mark before each, they are read in windows.
    Scalar fields beside records become context columns through `beside`; windows have none.
    """

    text: Text
    length: int
    beside: ColumnsCodec
    order: tuple[str, ...]
    notes: tuple[str, ...] = ()
    others: Others = ALONE
    tokenizer: Tokenizer = Bytes()  # noqa: RUF009 - it is frozen
    documents: bool = False
    mean: float | None = None

    @classmethod
    def fit(
        cls,
        data: Dataset,
        *,
        rng: torch.Generator,
        length: int | None = None,
        field: Text | None = None,
        others: Others = ALONE,
        tokenizer: Maker = chosen,
    ) -> Self:
        """Fit to `field`, or the first text field of `data`; `tokenizer` makes one from the texts as bytes.

        `length` in tokens; by default 256 for windows, and otherwise the longest record and its end, at most 512.
        Raises DataError if there is no text at all.
        """
        text = field or data.medium(Text)
        if length is not None and not 1 <= length <= MAX_LENGTH:
            raise ArgumentError(f"length {length:,}", where=text.name, hint=f"give 1 to {MAX_LENGTH:,} tokens")
        column = data.columns[text.name]
        raws = column.spread(TOLD_FROM) if isinstance(column, LongText) else raw_texts(text, data)
        if not any(raws):
            raise DataError("there is no text to fit to", where=text.name, hint="every row is empty")
        made = tokenizer(raws)
        sizes = np.array([len(tokens) for tokens in made.encode_all(raws)])
        nothing = ColumnsCodec((), (), data.name)
        if text.running:
            fitting = max(int(sizes.sum()) // MIN_WINDOWS, 1)
            lost = [f.name for f in data.fields if f is not text]
            notes = tuple(f"{name}: not modelled beside running text, and left out of samples" for name in lost)
            length = min(length or RUNNING_LENGTH, fitting)
            return cls(text, length, nothing, (text.name,), notes, tokenizer=made)
        alone, cut_off = len(data.fields) == 1 and others is ALONE, (sizes - (length or LONGEST_RECORD)).clip(0).sum()
        if alone and cut_off > CUT_SHARE * sizes.sum():
            length = length or RUNNING_LENGTH
            note = f"{text.name}: texts of up to {sizes.max():,} tokens are learned in windows of {length}"
            return cls(text, length, nothing, (text.name,), (note,), tokenizer=made, documents=True)
        length = length or min(int(sizes.max()) + 1, LONGEST_RECORD)
        beside = ColumnsCodec.fit(data, rng=rng)
        cut = filter(None, (_cut_note(text, sizes, length),))
        notes = (*left_out(data, text, others), *cut)
        mean = float(np.minimum(sizes + 1, length).mean())
        return cls(text, length, beside, order_of(data, text, others), notes, others, made, mean=mean)

    @property
    def field(self) -> Text:  # type: ignore[override]
        """The target."""
        return self.text

    @property
    def space(self) -> Tokens:  # type: ignore[override]
        made = self.tokenizer
        ways: dict[str, Any] = {"documents": self.documents, "mean": self.mean, "start": made.start}
        return Tokens(self.length, vocabulary=made.vocabulary, end=made.end, **ways)

    @property
    def windowed(self) -> bool:
        """Whether rows are windows of texts rather than texts."""
        return self.text.running or self.documents

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """Records: a row each. Windows: every one, as a view of one stream that takes no further memory."""
        if self.windowed:
            return self.windows(data, stride=1)
        tokens = self.tokenizer.encode_all(raw_texts(self.text, data))
        sizes = np.array([len(each) for each in tokens], dtype=np.int64)
        if note := _cut_note(self.text, sizes, self.length):
            warnings.warn(note, stacklevel=2)
        filled = np.arange(self.length) < sizes[:, None]
        x = np.full(filled.shape, self.tokenizer.end, dtype=self._dtype)
        x[filled] = np.concatenate([each[: self.length] for each in tokens]) if tokens else ()
        return Encoded(torch.from_numpy(x), self.others.encode(self.beside, data, rng=rng))

    def windows(self, data: Dataset, *, stride: int) -> Encoded:
        """Windows that start `stride` tokens apart; a text shorter than one is filled with end marks."""
        assert self.windowed, "records are not cut into windows"
        column = data.columns[self.text.name]
        if isinstance(column, LongText):
            stream = token_file(column, self.tokenizer, self._dtype)
        else:
            tokens, end = self.tokenizer.encode_all(raw_texts(self.text, data)), [np.array([self.tokenizer.end])]
            parts = [part for each in tokens for part in (*end, each)] + end if self.documents else tokens
            stream = np.concatenate(parts).astype(self._dtype) if len(data) else np.empty(0, self._dtype)
        if 0 < len(stream) < self.length:
            stream = np.pad(stream, (0, self.length - len(stream)), constant_values=self.tokenizer.end)
        if len(stream) == 0:
            return Encoded(torch.empty(0, self.length, dtype=torch.int16))
        return Encoded(torch.from_numpy(stream).unfold(0, self.length, stride))

    def sizes(self, x: Integer[Tensor, "n length"]) -> np.ndarray:
        """Bytes in each row, the end of a record counted as one."""
        tokens = x.cpu().numpy()
        ended = tokens == self.tokenizer.end
        again = np.pad(ended[:, :-1], ((0, 0), (1, 0)))
        ends = 0 if self.text.running else (ended & ~again).sum(axis=1)
        return self.tokenizer.sizes[tokens].sum(axis=1) + ends

    @property
    def _dtype(self) -> type[np.signedinteger[Any]]:
        return np.int16 if self.tokenizer.vocabulary < 2**15 else np.int32

    def decode_field(self, x: Integer[Tensor, "n length"], lengths: Int[Tensor, "n"] | None = None) -> np.ndarray:
        """Each sequence up to its first end mark as text; bytes that are not UTF-8 become U+FFFD."""
        tokens, end = x.cpu().numpy(), self.tokenizer.end
        ends = np.where((tokens == end).any(axis=1), (tokens == end).argmax(axis=1), tokens.shape[1])
        column = np.empty(len(tokens), dtype=object)
        column[:] = [
            _text(self.tokenizer.decode(row[:stop]), self.text.running) for row, stop in zip(tokens, ends, strict=True)
        ]
        return column

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """The text field as a prompt that records begin with (one, or n of them), scalar fields as context."""
        scalars = {name: value for name, value in fixed.items() if name != self.text.name}
        known = [self.text.name, *(f.name for f in self.beside.fields), *(c.field.name for c in self.others.codecs)]
        for name in fixed:
            if name not in known:
                raise unknown_field(name, known, where=self.beside.name)
        prompts = None
        if self.text.name in fixed:
            told = entries(fixed[self.text.name], n, where=self.text.name)
            prompts = self._prompts(told, width=self._width(told))
        return self.others.given(self.beside, prompts, scalars, n, rng=rng)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "text",
            "text": field_to_json(self.text),
            "length": self.length,
            "tokenizer": self.tokenizer.to_json(),
            "documents": self.documents,
            "mean": self.mean,
            **self.beside_to_json(),
        }

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        text = field_of(told.get("text"), Text, where=f"{where}, text")
        length = entry(told, "length", int, where=where)
        if not 1 <= length <= MAX_LENGTH:
            raise wrong(f"records of {length} tokens", where)
        beside = beside_from_json(told, text, where=where)
        made = tokenizer_from_json(told.get("tokenizer"), where=f"{where}, tokenizer")
        documents = typed(told.get("documents", False), bool, where=where)
        mean = None if told.get("mean") is None else entry(told, "mean", float, where=where)
        if mean is not None and not 1 <= mean <= length:
            raise wrong(f"records of {mean} tokens on average", where)
        return cls(text, length, **beside, tokenizer=made, documents=documents, mean=mean)

    def whole(self, value: Any, n: int) -> Float[Tensor, "n length"]:
        told = entries(value, n, where=self.text.name)
        tokens = self._prompts(["" if each is None else each for each in told], width=self.length)
        x = torch.where(tokens < 0, self.tokenizer.end, tokens).float()
        x[torch.tensor([each is None for each in told], dtype=torch.bool)] = torch.nan
        return x

    def _width(self, prompts: list[Any]) -> int:
        """Tokens of a record, or of the longest prompt where records are windows: texts go on from its end."""
        texts = [each for each in prompts if self.windowed and isinstance(each, str)]
        longest = max((len(self._tokens(text)) for text in texts), default=0)
        if longest > self.length:
            what = f"a prompt of {longest:,} tokens is longer than the {self.length:,} that are learned together"
            warnings.warn(f"{self.text.name}: {what}; it goes on from its end", stacklevel=3)
        return max(longest, self.length)

    def _prompts(self, prompts: list[Any], *, width: int) -> Integer[Tensor, "n width"]:
        x = torch.full((len(prompts), width), -1, dtype=torch.int64)
        for row, prompt in zip(x, prompts, strict=True):
            if not isinstance(prompt, (str, Infill)):
                hint = "give a str as prompt, or an Infill"
                raise ArgumentError(f"{prompt!r:.60} is not text", where=self.text.name, hint=hint)
            told = prompt if isinstance(prompt, Infill) else Infill(prompt, "")
            before, after = (self._tokens(text) for text in (told.before, told.after))
            if told.after and not self.windowed:
                after = np.append(after, self.tokenizer.end)
            left = width - len(before) - len(after)
            gap = (told.tokens or max(left, 1)) if told.after else 0
            if gap > left:
                raise too_long(len(before) + len(after), width, where=self.text.name)
            row[: len(before)] = torch.from_numpy(before)
            row[len(before) + gap : len(before) + gap + len(after)] = torch.from_numpy(after)
        return x

    def _tokens(self, text: str) -> np.ndarray:
        return self.tokenizer.encode(text.encode("utf-8", "replace"))


def too_long(tokens: int, length: int, *, where: str) -> ArgumentError:
    """The error for a prompt that does not fit."""
    what = f"a prompt of {tokens:,} tokens does not fit into the {length:,} of a record"
    return ArgumentError(what, where=where, hint="shorten it, or fit with a larger context")


def reads_text(codec: Codec) -> TypeGuard[TextCodec]:
    """Whether records are texts: the one place that asks."""
    return isinstance(codec, TextCodec)


def raw_texts(text: Text, data: Dataset) -> list[bytes]:
    """Each row as UTF-8; missing texts are empty, and lines that are read as one running text end as lines do."""
    own = next((field for field in data.fields if field.name == text.name), text)
    end = "\n" if text.running and not getattr(own, "running", True) else ""
    return [("" if each is None else each + end).encode("utf-8", "surrogateescape") for each in data.columns[text.name]]


def _text(raw: bytes, running: bool) -> str:
    """Bytes as text, without the halves of characters that a window or a cut leaves at the edges."""
    whole = raw.lstrip(CONTINUATION) if running else raw
    return codecs.getincrementaldecoder("utf-8")("replace").decode(whole, final=False)


def _cut_note(text: Text, sizes: np.ndarray, length: int) -> str | None:
    longer = int((sizes > length).sum())
    if not longer:
        return None
    return f"{text.name}: {longer} of {len(sizes)} texts are longer than {length} tokens and are cut there"
