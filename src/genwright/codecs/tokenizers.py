"""Text to numbers and back, losslessly for all bytes: a number per byte, or per frequent string of bytes (BPE)."""

import abc
import codecs
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from genwright.errors import ArgumentError, StorageError
from genwright.typed import entry, typed, wrong

if TYPE_CHECKING:
    import tokenizers

END = "<|endoftext|>"
CHAT = "<|im_start|>", "<|im_end|>"
FILL = "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"
SPECIAL = (END, *CHAT, *FILL)  # no text is read as one of these, even where it is spelled so
MAX_VOCABULARY = 2**18
ASCII = bytes(range(128))
OTHER = "choose another model: a pattern of this one runs away"
BYTES_PER_ENTRY = 1_000  # of the corpus for each entry of a vocabulary that is chosen from it
VOCABULARIES = 512, 16_384  # smallest and largest such
FEW_BYTES = 300_000  # of a corpus, below which bytes serve it better
# How Qwen2 parts words, numbers, punctuation and blanks, https://huggingface.co/Qwen/Qwen2-7B (tokenizer.json): one of
# the patterns that llama.cpp knows, by the name "qwen2".
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Tokenizer(abc.ABC):
    """A fixed map between bytes and numbers below `vocabulary`. Special tokens stand for no bytes.

    `end` ends every record, and begins it too where there is no `start`. `pieces` holds the bytes of each token, none
    for special ones.
    """

    end: int
    start: int | None = None
    special: Mapping[str, int]
    pieces: tuple[bytes, ...]

    @property
    def vocabulary(self) -> int:
        return len(self.pieces)

    @abc.abstractmethod
    def encode_all(self, raws: Sequence[bytes]) -> list[np.ndarray]:
        """The tokens of each text, as int32; never special ones."""

    @abc.abstractmethod
    def to_json(self) -> dict[str, Any]:
        """As plain JSON; `tokenizer_from_json` is the inverse."""

    def encode(self, raw: bytes) -> np.ndarray:
        """The tokens of one text, as int32."""
        return self.encode_all([raw])[0]

    def decode(self, tokens: Sequence[int] | np.ndarray) -> bytes:
        """The bytes of tokens, one after the other; special ones are left out."""
        return b"".join(self.pieces[token] for token in tokens)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Bytes of each token."""
        return np.array([len(piece) for piece in self.pieces], dtype=np.int64)


@final
@dataclass(frozen=True)
class Bytes(Tokenizer):
    """A token per byte, and the special ones after them.

    >>> Bytes().encode("né".encode()).tolist(), Bytes().decode([110, 256, 195, 169]).decode()
    ([110, 195, 169], 'né')
    """

    names: tuple[str, ...] = SPECIAL

    @property
    def end(self) -> int:  # type: ignore[override]
        return 256

    @cached_property
    def special(self) -> dict[str, int]:  # type: ignore[override]
        return {name: 256 + i for i, name in enumerate(self.names)}

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:  # type: ignore[override]
        return (*(bytes([i]) for i in range(256)), *(b"" for _ in self.names))

    def encode_all(self, raws: Sequence[bytes]) -> list[np.ndarray]:
        return [np.frombuffer(raw, dtype=np.uint8).astype(np.int32) for raw in raws]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "bytes", "special": list(self.names)}


@final
@dataclass(frozen=True)
class BPE(Tokenizer):
    """Byte-level byte-pair encoding: strings of bytes that are frequent in the corpus are one token.

    Bytes that are not UTF-8 become a token each. `told` is the tokenizer.json of Hugging Face's `tokenizers`; `end`
    the number of the token that ends records, `start` of the one that begins them where that is another. Sennrich et
    al. 2016, arXiv:1508.07909, section 3.2.
    """

    told: str = field(repr=False)
    end: int = 0
    start: int | None = None

    @classmethod
    def trained(cls, raws: Sequence[bytes], *, vocabulary: int) -> Self:
        """Learned from a corpus, with so many entries at most. Raises ArgumentError for fewer than the 256 bytes."""
        if not 256 + len(SPECIAL) <= vocabulary <= MAX_VOCABULARY:
            what = f"a vocabulary of {vocabulary:,}"
            hint = f"from {256 + len(SPECIAL)} (bytes and special tokens) to {MAX_VOCABULARY:,}"
            raise ArgumentError(what, where="BPE", hint=hint)
        library = _library()
        pre, models, trainers = library.pre_tokenizers, library.models, library.trainers
        made = library.Tokenizer(models.BPE())
        split = pre.Split(library.Regex(PATTERN), behavior="isolated")
        made.pre_tokenizer = pre.Sequence([split, pre.ByteLevel(add_prefix_space=False, use_regex=False)])
        made.decoder = library.decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary - len(SPECIAL), show_progress=False, initial_alphabet=sorted(LETTERS.values())
        )
        made.train_from_iterator((raw.decode("utf-8", "ignore") for raw in raws), trainer)
        made.add_special_tokens(list(SPECIAL))
        return cls(made.to_str(), made.token_to_id(END))

    @cached_property
    def special(self) -> dict[str, int]:  # type: ignore[override]
        added = self._made.get_added_tokens_decoder()
        return {token.content: number for number, token in sorted(added.items()) if token.special}

    @cached_property
    def pieces(self) -> tuple[bytes, ...]:  # type: ignore[override]
        spelled, added = self._made.get_vocab(), self._made.get_added_tokens_decoder()
        size = max(spelled.values()) + 1
        if size > MAX_VOCABULARY:
            raise ValueError(f"a token of number {size - 1:,}")
        found = [b""] * size
        for text, number in spelled.items():
            if number in added:
                found[number] = b"" if added[number].special else text.encode()
            else:
                found[number] = bytes(_BYTES[letter] for letter in text)
        return tuple(found)

    def encode_all(self, raws: Sequence[bytes]) -> list[np.ndarray]:
        texts = [_valid(raw) for raw in raws]
        plain = [text for text in texts if text is not None]
        try:
            found = iter(self._made.encode_batch_fast(plain, add_special_tokens=False))
        except BaseException as error:  # a panic of `tokenizers` is no Exception
            if type(error).__module__ != "pyo3_runtime":
                raise
            raise StorageError(f"it cannot read a text ({error!s:.60})", where="tokenizer", hint=OTHER) from None
        return [
            self._with_bytes(raw) if text is None else np.array(next(found).ids, dtype=np.int32)
            for raw, text in zip(raws, texts, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        start = {} if self.start is None else {"start": self.start}
        return {"kind": "bpe", "end": self.end, **start, "tokenizer": json.loads(self.told)}

    @cached_property
    def _made(self) -> "tokenizers.Tokenizer":
        made = _library().Tokenizer.from_str(self.told)
        made.encode_special_tokens = True  # text that spells a special token is text
        made.no_padding()
        made.no_truncation()
        return made

    def _with_bytes(self, raw: bytes) -> np.ndarray:
        """The tokens of a text that holds bytes which are not UTF-8; these become a token each."""
        parts, start = [], 0
        while start < len(raw):
            try:
                raw[start:].decode()
                end = bad = len(raw)
            except UnicodeDecodeError as error:
                bad, end = start + error.start, start + error.end
            parts += self.encode_all([raw[start:bad]])
            parts.append(np.array([self._made.token_to_id(LETTERS[byte]) for byte in raw[bad:end]], dtype=np.int32))
            start = end
        return np.concatenate(parts)


Maker = Callable[[Sequence[bytes]], Tokenizer]


def chosen(raws: Sequence[bytes]) -> Tokenizer:
    """Bytes for a small corpus, else BPE with an entry for each `BYTES_PER_ENTRY` bytes, rounded to a power of two."""
    size = sum(map(len, raws))
    if size < FEW_BYTES:
        return Bytes()
    least, most = VOCABULARIES
    entries = min(most, max(least, 2 ** round(float(np.log2(size / BYTES_PER_ENTRY)))))
    return BPE.trained(raws, vocabulary=entries)


def bpe(raws: Sequence[bytes]) -> Tokenizer:
    """BPE, however small the corpus."""
    made = chosen(raws)
    return BPE.trained(raws, vocabulary=VOCABULARIES[0]) if isinstance(made, Bytes) else made


def single_bytes(raws: Sequence[bytes]) -> Tokenizer:
    """A token per byte, whatever the corpus."""
    return Bytes()


MAKERS: dict[str, Maker] = {"auto": chosen, "bytes": single_bytes, "bpe": bpe}


def tokenizer_from_json(told: Any, *, where: str) -> Tokenizer:
    """The inverse of `to_json`; bytes and the end mark alone where nothing was told, as by earlier versions."""
    if told is None:
        return Bytes((END,))
    told = typed(told, dict, where=where)
    kind = entry(told, "kind", str, where=where)
    if kind == "bytes":
        names = entry(told, "special", tuple[str, ...], where=where)
        if not names or len(names) > len(SPECIAL) or len(set(names)) < len(names):
            raise wrong("special tokens that are none", where)
        return Bytes(names)
    if kind != "bpe":
        raise wrong(f"a tokenizer of unknown kind {kind!r:.60}", where)
    start = typed(told.get("start"), int | None, where=f"{where}, start")
    end = entry(told, "end", int, where=where)
    return checked_bpe(json.dumps(told.get("tokenizer")), end, start=start, where=where)


def checked_bpe(told: str, end: int, *, start: int | None, where: str) -> BPE:
    """A tokenizer read from elsewhere; StorageError unless it is byte-level BPE of a bounded vocabulary."""
    parts = typed(json.loads(told), dict, where=where)
    model = typed(parts.get("model"), dict, where=where)
    if model.get("type") != "BPE" or len(typed(model.get("vocab"), dict, where=where)) > MAX_VOCABULARY:
        raise wrong("a tokenizer that is no byte-level BPE of bounded size", where)
    if model.get("dropout") or not _keeps(parts.get("normalizer")):
        raise wrong("a tokenizer that changes texts, or reads them by chance", where)
    made = BPE(told, end, start)
    try:
        pieces = made.pieces
    except (KeyError, ValueError, OverflowError, MemoryError) as error:
        raise wrong(f"a tokenizer of other letters than bytes, or too many ({error!s:.60})", where) from None
    except Exception as error:  # what `tokenizers` raises has no type of its own
        raise wrong(f"a tokenizer that cannot be read ({error!s:.60})", where) from None
    marks = {end, end if start is None else start} <= set(range(len(pieces)))
    if not marks or set(_letters(pieces)) != set(range(256)):
        raise wrong("a tokenizer without its end mark, or without every byte", where)
    if made.decode(made.encode(ASCII)) != ASCII:
        raise wrong("a tokenizer that loses or adds bytes", where)
    return made


def _keeps(normalizer: Any) -> bool:
    """Whether texts stay as they are before they are parted, but for how accents are composed."""
    if not isinstance(normalizer, dict):
        return normalizer is None
    several, kind = normalizer.get("normalizers"), normalizer.get("type")
    return kind == "NFC" or (kind == "Sequence" and isinstance(several, list) and all(map(_keeps, several)))


def _letters(pieces: Sequence[bytes]) -> list[int]:
    return [piece[0] for piece in pieces if len(piece) == 1]


def _valid(raw: bytes) -> str | None:
    try:
        return codecs.decode(raw, "utf-8")
    except UnicodeDecodeError:
        return None


def _alphabet() -> dict[int, str]:
    """The letter that byte-level BPE writes for each byte: itself where it can be seen, else one from U+0100 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + i) for i, byte in enumerate(unseen)}


LETTERS = _alphabet()
_BYTES = {letter: byte for byte, letter in LETTERS.items()}


def _library() -> Any:
    import tokenizers  # slow to import, and of no use to tables

    return tokenizers
