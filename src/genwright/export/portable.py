"""What other libraries can load: a causal transformer over tokens, its weights by their names, and its tokenizer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from genwright.codecs.text import reads_text
from genwright.codecs.tokenizers import BPE, LETTERS, Bytes
from genwright.errors import UnsupportedError
from genwright.model.chat import JINJA, chats, marks
from genwright.model.generator import Generator
from genwright.nets.causal import CausalTokens
from genwright.nets.checkpoint import Settings, apart, settings_of
from genwright.typed import typed

HINT = "export takes autoregressive models of a text without conditions: fit one to the text field alone"


@dataclass(frozen=True)
class Portable:
    """A model as all formats need it. `weights` go by the names of Hugging Face."""

    settings: Settings
    weights: Mapping[str, Tensor]
    tokenizer: BPE
    name: str
    chats: bool = False

    @cached_property
    def told(self) -> dict[str, Any]:
        """The tokenizer.json of `tokenizers`, which begins what it encodes as records begin."""
        told = typed(json.loads(self.tokenizer.told), dict, where="tokenizer")
        if told.get("post_processor"):
            return told
        return told | {"post_processor": _beginning(self.spelled(self.start), self.start)}

    @cached_property
    def begins(self) -> bool:
        """Whether its tokenizer puts the first mark before a text of its own accord."""
        import tokenizers

        return tokenizers.Tokenizer.from_str(json.dumps(self.told)).encode("a").ids[0] == self.start

    @property
    def start(self) -> int:
        """The token that stands before every text."""
        return self.tokenizer.end if self.tokenizer.start is None else self.tokenizer.start

    @property
    def marks(self) -> dict[str, Any]:
        """The tokens that begin and end a text, as all configurations of Hugging Face have them; turns end one too."""
        end = self.tokenizer.end
        return {"bos_token_id": self.start, "eos_token_id": [end, marks(self.tokenizer)[1]] if self.chats else end}

    @property
    def template(self) -> str | None:
        """How chats are written, in Jinja; None for a model that was not tuned on any."""
        return "{{ bos_token }}" + JINJA if self.chats else None

    def spelled(self, token: int) -> str:
        """How a special token is written."""
        return next(name for name, number in self.tokenizer.special.items() if number == token)


def portable(model: Generator) -> Portable:
    """The model for export; UnsupportedError, with what can be exported, for a model of any other kind."""
    codec, net = model.codec, model.net
    if not reads_text(codec) or not isinstance(net, CausalTokens):
        kind = "text" if reads_text(codec) else codec.space.__class__.__name__.lower()
        raise UnsupportedError(f"{model.family.name} models of {kind} cannot be exported", where="export", hint=HINT)
    if net.conditions is not None:
        found = net.conditions
        names = ", ".join([*(column.name for column in found.columns.columns), *(name for name, _ in found.others)])
        what = f"a model with conditions ({names}) cannot be exported: only genwright puts them before a text"
        raise UnsupportedError(what, where="export", hint=HINT)
    tokenizer = codec.tokenizer
    bpe = as_bpe(tokenizer) if isinstance(tokenizer, Bytes) else tokenizer
    assert isinstance(bpe, BPE), "there is no third tokenizer"
    return Portable(settings_of(net), apart(net), bpe, codec.field.name, chats(model))


def as_bpe(tokenizer: Bytes) -> BPE:
    """Byte-level BPE without merges, which gives the same tokens."""
    import tokenizers as library

    made = library.Tokenizer(library.models.BPE({letter: byte for byte, letter in LETTERS.items()}, []))
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = library.decoders.ByteLevel()
    made.add_special_tokens(list(tokenizer.names))
    return BPE(made.to_str(), tokenizer.end)


def _beginning(name: str, number: int) -> dict[str, Any]:
    """What puts a token first."""
    first, text = {"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]}},
    }
