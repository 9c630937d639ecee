"""What other libraries can load: a causal transformer over tokens, its weights by their names, and its tokenizer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from genwright.codecs.text import TextCodec
from genwright.codecs.tokenizers import BPE, LETTERS, Bytes
from genwright.errors import UnsupportedError
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

    @cached_property
    def told(self) -> dict[str, Any]:
        """The tokenizer.json of `tokenizers`, which begins what it encodes with the end mark, as records begin."""
        told = typed(json.loads(self.tokenizer.told), dict, where="tokenizer")
        return (
            told if told.get("post_processor") else told | {"post_processor": _beginning(self.end, self.tokenizer.end)}
        )

    @cached_property
    def begins(self) -> bool:
        """Whether its tokenizer puts the end mark before a text of its own accord."""
        import tokenizers

        return tokenizers.Tokenizer.from_str(json.dumps(self.told)).encode("a").ids[0] == self.tokenizer.end

    @property
    def end(self) -> str:
        """How the end mark is spelled."""
        return next(name for name, number in self.tokenizer.special.items() if number == self.tokenizer.end)


def portable(model: Generator) -> Portable:
    """The model for export; UnsupportedError, with what can be exported, for a model of any other kind."""
    codec, net = model.codec, model.net
    if not isinstance(codec, TextCodec) or not isinstance(net, CausalTokens):
        kind = "text" if isinstance(codec, TextCodec) else codec.space.__class__.__name__.lower()
        raise UnsupportedError(f"{model.family.name} models of {kind} cannot be exported", where="export", hint=HINT)
    if net.conditions is not None:
        found = net.conditions
        names = ", ".join([*(column.name for column in found.columns.columns), *(name for name, _ in found.others)])
        what = f"a model with conditions ({names}) cannot be exported: only genwright puts them before a text"
        raise UnsupportedError(what, where="export", hint=HINT)
    tokenizer = codec.tokenizer
    bpe = as_bpe(tokenizer) if isinstance(tokenizer, Bytes) else tokenizer
    assert isinstance(bpe, BPE), "there is no third tokenizer"
    return Portable(settings_of(net), apart(net), bpe, codec.field.name)


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
