"""Free-text columns of a table to `Tokens`, with the rest of the row as context."""

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Self, final

import numpy as np
import torch

from genwright.codecs.codec import Codec
from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.values import entries
from genwright.data.dataset import Dataset, Text
from genwright.errors import ArgumentError, DataError
from genwright.spaces import Conditions, Encoded, Given, Tokens
from genwright.typed import entry, typed, wrong

BETWEEN = 255  # the byte between two texts of a row; UTF-8 has no such byte
UNKNOWN = b"?"  # stands for characters that were not met
MAX_WORDS = 2000
WORD_ROWS = 5  # a word that fewer rows hold is spelled, so that no rare one is kept by name
MAX_TOKENS = 256  # of a row's texts
PIECE = re.compile(r" ?\w+|\W")


@final
@dataclass(frozen=True)
class TextColumnsCodec(Codec):
    """The free-text columns `names` of a table <-> `Tokens`, one sequence per row; other columns are the context.

    Frequent `words`, with the space before them, are a token each, all else is a token per byte of UTF-8; only bytes of
    the `alphabet` that was met can come up. The texts of a row follow each other. Longer sequences than `length` are
    cut, which `notes` reports. Tokens are numbered so: bytes, the end, words.
    """

    names: tuple[str, ...]
    alphabet: tuple[int, ...]
    words: tuple[str, ...]
    length: int
    beside: ColumnsCodec
    notes: tuple[str, ...] = ()

    @property
    def scalars(self) -> ColumnsCodec:  # type: ignore[override]
        """The codec of the rows that texts are given."""
        return self.beside

    @classmethod
    def fit(cls, data: Dataset, *, rng: torch.Generator) -> Self:
        """Fit to the text columns of all rows of `data`; raises DataError where all of them are empty."""
        names = tuple(f.name for f in data.texts)
        texts = [data.columns[name] for name in names]
        if not any(map(any, texts)):
            raise DataError("there is no text to fit to", where=names[0], hint="every row is empty; drop the column")
        rows = Counter(chain.from_iterable(set(PIECE.findall(text)) for column in texts for text in column))
        common = [piece for piece, n in rows.most_common() if n >= WORD_ROWS and len(piece.encode()) > 1]
        met = set(UNKNOWN).union(*(text.encode("utf-8", "replace") for column in texts for text in column))
        alphabet = tuple(sorted(met | ({BETWEEN} if len(names) > 1 else set())))
        codec = cls(names, alphabet, tuple(common[:MAX_WORDS]), MAX_TOKENS, ColumnsCodec.fit(data, rng=rng))
        sizes = np.array([len(tokens) for tokens in codec._tokens(data)])
        cut = int((sizes > MAX_TOKENS).sum())
        notes = (f"{', '.join(names)}: {cut} of {len(data)} texts are cut after {MAX_TOKENS} tokens",) if cut else ()
        return replace(codec, length=min(int(sizes.max()), MAX_TOKENS), notes=notes)

    @property
    def fields(self) -> tuple[Text, ...]:  # type: ignore[override]
        """The text columns."""
        return tuple(Text(name, column=True) for name in self.names)

    @property
    def space(self) -> Tokens:  # type: ignore[override]
        return Tokens(self.length, vocabulary=self._end + 1 + len(self.words), end=self._end)

    @property
    def conditions(self) -> Conditions:  # type: ignore[override]
        return Conditions(self.beside.space)

    def encode(self, data: Dataset, *, rng: torch.Generator) -> Encoded:
        """All rows with their context; values of other columns that were not met become the nearest known ones."""
        x = np.full((len(data), self.length), self._end, dtype=np.int16)
        for row, tokens in zip(x, self._tokens(data), strict=True):
            row[: len(tokens)] = tokens[: self.length]
        return Encoded(torch.from_numpy(x), self.encode_context(data, rng=rng).context)

    def encode_context(self, data: Dataset, *, rng: torch.Generator) -> Given:
        """The context alone, to draw texts for."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the model of the rows has said so already
            return Given(context=self.beside.encode(data, rng=rng).x)

    def decode(self, encoded: Encoded, *, rng: torch.Generator) -> Dataset:
        """The text columns alone, without blanks around texts; bytes that are not UTF-8 become U+FFFD."""
        columns = {name: np.full(len(encoded), "", dtype=object) for name in self.names}
        for row, tokens in enumerate(encoded.x.tolist()):
            end = tokens.index(self._end) if self._end in tokens else self.length
            parts = b"".join(self._spelled[t] for t in tokens[:end]).split(bytes([BETWEEN]))
            for name, part in zip(self.names, parts):
                columns[name][row] = part.decode("utf-8", "replace").strip()
        return Dataset(self.fields, columns, self.beside.name)

    def given(self, fixed: Mapping[str, Any], n: int, *, rng: torch.Generator) -> Given:
        """Values of other columns as context, what is not given unknown; texts are whole, see `whole`."""
        return self.beside.given_beside(None, fixed, n, rng=rng)

    def whole(self, fixed: Mapping[str, Any], n: int) -> dict[str, np.ndarray]:
        """Given texts as columns of n; raises ArgumentError for what is no text."""
        columns = {}
        for name, value in fixed.items():
            columns[name] = np.array(entries(value, n, where=name), dtype=object)
            wrong = [text for text in columns[name] if not isinstance(text, str)]
            if wrong:
                hint = "free text is given whole, as a str, for all rows or one for each"
                raise ArgumentError(f"{wrong[0]!r} is not text", where=name, hint=hint)
        return columns

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "text columns",
            "names": list(self.names),
            "alphabet": list(self.alphabet),
            "words": list(self.words),
            "length": self.length,
            "beside": self.beside.to_json(),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, told: Any, *, where: str = "codec.json") -> Self:
        """The inverse of `to_json`; StorageError for anything else."""
        told = typed(told, dict, where=where)
        names, words, notes = (entry(told, key, tuple[str, ...], where=where) for key in ("names", "words", "notes"))
        alphabet = entry(told, "alphabet", tuple[int, ...], where=where)
        length = entry(told, "length", int, where=where)
        bytes_met = set(alphabet) <= set(range(256)) and set(UNKNOWN) <= set(alphabet)
        if not names or not bytes_met or len(set(alphabet)) < len(alphabet) or not 1 <= length <= MAX_TOKENS:
            raise wrong("no such alphabet, columns or length", where)
        beside = ColumnsCodec.from_json(told.get("beside"), where=f"{where}, beside")
        return cls(names, alphabet, words, length, beside, notes)

    @property
    def _end(self) -> int:
        return len(self.alphabet)

    @cached_property
    def _letters(self) -> dict[int, int]:
        """The token of each byte."""
        return {byte: i for i, byte in enumerate(self.alphabet)}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The token of each word."""
        return {word: self._end + 1 + i for i, word in enumerate(self.words)}

    @cached_property
    def _spelled(self) -> list[bytes]:
        """What each token stands for."""
        return [bytes([i]) for i in self.alphabet] + [b""] + [word.encode("utf-8") for word in self.words]

    def _tokens(self, data: Dataset) -> list[list[int]]:
        """The tokens of each row, the end included."""
        found = []
        for texts in zip(*(data.columns[name] for name in self.names), strict=True):
            tokens: list[int] = []
            for i, text in enumerate(texts):
                tokens += [*([self._letters[BETWEEN]] if i else []), *self._spell(text)]
            found.append([*tokens, self._end])
        return found

    def _spell(self, text: str) -> list[int]:
        numbers: list[int] = []
        for piece in PIECE.findall(text):
            if piece in self._numbers:
                numbers.append(self._numbers[piece])
            else:
                numbers.extend(self._letters[byte] for letter in piece for byte in self._known(letter))
        return numbers

    def _known(self, letter: str) -> bytes:
        """A character as bytes of the alphabet."""
        raw = letter.encode("utf-8", "replace")
        return raw if all(byte in self._letters for byte in raw) else UNKNOWN
