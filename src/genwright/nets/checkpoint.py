"""The names and settings by which Hugging Face's Qwen3 and Llama know a causal transformer over tokens, both ways."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genwright.errors import UnsupportedError
from genwright.nets.causal import CausalTokens
from genwright.nets.transformer import Architecture
from genwright.typed import entry, sound, typed, wrong

KINDS = {"qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM"}  # model_type: the class that transformers has for it
PARTS = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
DERIVED = re.compile(r"rotary_emb\.inv_freq$")  # what older files hold beside weights
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
DEEPEST, WIDEST, LARGEST_VOCABULARY = 1_000, 2**16, 2**22  # of what is read


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A causal transformer over tokens: its shape, the most positions that it was made for, and its tokens."""

    shape: Architecture
    tied: bool
    positions: int
    vocabulary: int

    @property
    def kind(self) -> str:
        """The `model_type` that has such a shape."""
        return "qwen3" if self.shape.qk_norm else "llama"


def settings_of(net: CausalTokens) -> Settings:
    """Those of a net without conditions."""
    assert net.conditions is None, "conditions stand before the sequence, which no other library knows of"
    shape, sequence = net.sequence.model.shape, net.sequence
    tied = sequence.lm_head.weight is sequence.embed_tokens.weight
    return Settings(shape=shape, tied=tied, positions=sequence.length, vocabulary=net.space.vocabulary)


def config_of(settings: Settings) -> dict[str, Any]:
    """The config.json of transformers."""
    shape = settings.shape
    rest = {"use_sliding_window": False} if shape.qk_norm else {"mlp_bias": False}
    return {
        "architectures": [KINDS[settings.kind]],
        "model_type": settings.kind,
        "vocab_size": settings.vocabulary,
        "max_position_embeddings": settings.positions,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.depth,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_width,
        "intermediate_size": shape.hidden,
        "rope_theta": shape.rope_base,  # where transformers before 5 looks
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_base},
        "rms_norm_eps": shape.norm_eps,
        "tie_word_embeddings": settings.tied,
        "hidden_act": "silu",
        "attention_bias": False,
        **rest,
        "dtype": "float32",
        "torch_dtype": "float32",
    }


def read_config(config: Any, *, where: str) -> Settings:
    """The inverse of `config_of`, for the configurations of others too.

    Raises UnsupportedError, by name, for what this transformer has not, StorageError for what is no configuration.
    """
    config = typed(config, dict, where=where)
    kind = config.get("model_type")
    if kind not in KINDS:
        what = f"models of type {kind!r:.60} are not read" if kind is not None else "this is no model of transformers"
        raise UnsupportedError(what, where=where, hint=f"those of type {' and '.join(KINDS)} are")
    refuse_unknown(config, where=where)
    sizes = {"width": "hidden_size", "depth": "num_hidden_layers", "heads": "num_attention_heads"}
    told: dict[str, Any] = {ours: entry(config, theirs, int, where=where) for ours, theirs in sizes.items()}
    told["kv_heads"] = typed(config.get("num_key_value_heads") or told["heads"], int, where=where)
    told["head_width"] = typed(config.get("head_dim") or (128 if kind == "qwen3" else 0), int, where=where)
    told["hidden"] = entry(config, "intermediate_size", int, where=where)
    rope = {"rope_theta": 10_000.0} | config | (rope_parameters(config, where=where) or {})
    told["rope_base"] = entry(rope, "rope_theta", float, where=where)
    told["norm_eps"] = typed(config.get("rms_norm_eps", 1e-6), float, where=where)
    most = max(told["width"], told["heads"] * told["head_width"], told["kv_heads"], told["hidden"])
    vocabulary = entry(config, "vocab_size", int, where=where)
    positions = entry(config, "max_position_embeddings", int, where=where)
    if most > WIDEST or told["depth"] > DEEPEST or positions < 1 or not 0 < vocabulary <= LARGEST_VOCABULARY:
        raise wrong("sizes that no such model has", where)
    return Settings(
        shape=sound(Architecture, told | {"qk_norm": kind == "qwen3"}, where),
        tied=typed(config.get("tie_word_embeddings", False), bool, where=where),
        positions=positions,
        vocabulary=vocabulary,
    )


def rope_parameters(config: Mapping[str, Any], *, where: str) -> dict[str, Any] | None:
    """What a configuration says of RoPE beside its base; before transformers 5 it stood under another name."""
    told = config.get("rope_parameters") or config.get("rope_scaling")
    return None if told is None else dict(typed(told, dict, where=where))


def refuse_unknown(config: Mapping[str, Any], *, where: str) -> None:
    """Raise UnsupportedError for settings that change what the net computes in a way that ours cannot."""
    rope = rope_parameters(config, where=where) or {}
    scaling = rope.get("rope_type", rope.get("type", "default"))
    layers = set(config.get("layer_types") or ()) - {"full_attention"}
    found = {
        f"RoPE scaled by {scaling!r:.40}": scaling != "default",
        f"an activation of {config.get('hidden_act')!r:.40}": config.get("hidden_act", "silu") not in ("silu", "swish"),
        "biases in attention": config.get("attention_bias"),
        "biases in SwiGLU": config.get("mlp_bias"),
        "attention in a sliding window": config.get("use_sliding_window") or layers,
        "quantised weights": config.get("quantization_config"),
    }
    for what, there in found.items():
        if there:
            raise UnsupportedError(f"{what} is not supported", where=where, hint="choose another checkpoint")


def apart(net: CausalTokens) -> dict[str, Tensor]:
    """The weights of a net by Hugging Face's names, without a second copy of tied ones; views, not copies."""
    shape, found = settings_of(net).shape, {}
    for name, weight in net.sequence.state_dict().items():
        if name == HEAD and settings_of(net).tied:
            continue
        name = name if name.startswith(("model.", "lm_head.")) else f"model.{name}"
        fused = name.split(".")[-2]
        for part, piece in zip(
            PARTS.get(fused, (fused,)), weight.split(rows_of(shape, fused, len(weight))), strict=True
        ):
            found[name.replace(fused, part)] = piece
    return found


def together(tensors: dict[str, Tensor], settings: Settings, *, vocabulary: int, where: str) -> dict[str, Tensor]:
    """The inverse of `apart`: the weights of a `CausalTokens`, as float32. Empties `tensors`, to save memory.

    Rows of tokens beyond `vocabulary`, with which published models are filled up, are left out.
    """
    for name in [name for name in tensors if DERIVED.search(name)]:
        del tensors[name]
    if settings.tied and EMBEDDING in tensors:
        tensors[HEAD] = tensors[EMBEDDING]
    for name in {EMBEDDING, HEAD} & tensors.keys():
        if len(tensors[name]) != settings.vocabulary:
            raise wrong(f"{name!r} has not a row for each of {settings.vocabulary:,} tokens", where)
        tensors[name] = tensors[name][:vocabulary]
    found = {}
    while tensors:
        name = min(tensors)
        part = name.split(".")[-2] if "." in name else name
        fused = next((whole for whole, parts in PARTS.items() if part in parts), part)
        names = [name.replace(part, each) for each in PARTS.get(fused, (part,))]
        if missing := [each for each in names if each not in tensors]:
            raise wrong(f"{missing[0]!r:.60} is missing", where)
        pieces = [tensors.pop(each) for each in names]
        ours = "sequence." + name.replace(part, fused).replace("model.embed_tokens", "embed_tokens")
        found[ours] = (torch.cat(pieces) if len(pieces) > 1 else pieces[0]).float()
    return found


def rows_of(shape: Architecture, fused: str, rows: int) -> list[int]:
    """Rows of each of the matrices that one of so many rows holds."""
    if fused == "qkv_proj":
        return [heads * shape.head_width for heads in (shape.heads, shape.kv_heads, shape.kv_heads)]
    return [shape.hidden, shape.hidden] if fused == "gate_up_proj" else [rows]
