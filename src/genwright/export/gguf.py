"""One GGUF file, weights and tokenizer, as llama.cpp and what is built on it read it (ollama, LM Studio, llamafile)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from genwright.codecs.tokenizers import PATTERN
from genwright.errors import MissingDependencyError, UnsupportedError
from genwright.export.portable import Portable
from genwright.nets.transformer import Architecture

NEVER = "ÿ ÿ"  # the merge of two bytes FF, which no UTF-8 holds: llama.cpp wants one merge at least
PATTERNS = {  # how a tokenizer parts words: the names that llama.cpp has for it
    PATTERN: "qwen2",
    PATTERN.replace(r"\p{N}|", r"\p{N}{1,3}|"): "llama-bpe",
}
BLOCK = 32  # numbers that share a scale in Q8_0


def write_gguf(model: Portable, path: Path, *, quantize: str | None) -> None:
    """Weights in float32, or with `quantize="q8_0"` all matrices in 8 bits with a scale for each 32 numbers."""
    gguf = _library()
    arch = model.settings.kind
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], model.settings.shape.depth)
    writer = gguf.GGUFWriter(path, arch)
    try:
        _add_settings(writer, model)
        _add_tokenizer(writer, model)
        kind = gguf.GGMLQuantizationType.Q8_0 if quantize == "q8_0" else gguf.GGMLQuantizationType.F32
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantize == "q8_0" else gguf.LlamaFileType.ALL_F32)
        for name, weight in _weights(model):
            fits = weight.ndim == 2 and weight.shape[1] % BLOCK == 0
            data = gguf.quants.quantize(weight, kind) if fits else weight
            writer.add_tensor(
                names.get_name(name, try_suffixes=(".weight",)) + ".weight", data, raw_dtype=kind if fits else None
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _weights(model: Portable) -> Iterator[tuple[str, np.ndarray]]:
    shape = model.settings.shape
    for name, weight in model.weights.items():
        array = weight.detach().float().cpu().numpy()
        if model.settings.kind == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            array = _neighbours(array, shape)
        yield name.removesuffix(".weight"), np.ascontiguousarray(array)


def _neighbours(rows: np.ndarray, shape: Architecture) -> np.ndarray:
    """Rows of queries or keys in the order of llama.cpp's Llama, which turns neighbours where we turn halves."""
    return rows.reshape(-1, 2, shape.head_width // 2, shape.width).swapaxes(1, 2).reshape(rows.shape)


def _add_settings(writer: Any, model: Portable) -> None:
    shape = model.settings.shape
    writer.add_name(model.name)
    writer.add_context_length(model.settings.positions)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.depth)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_vocab_size(model.settings.vocabulary)


def _add_tokenizer(writer: Any, model: Portable) -> None:
    gguf = _library()
    told, special = model.told, model.tokenizer.special
    spelled = {number: text for text, number in told["model"]["vocab"].items()}
    spelled |= {added["id"]: added["content"] for added in told.get("added_tokens", ())}
    numbers, controls = range(model.settings.vocabulary), set(special.values())
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_parting(told))
    writer.add_token_list([spelled.get(i, f"[PAD{i}]") for i in numbers])
    writer.add_token_types(
        [kinds.CONTROL if i in controls else kinds.NORMAL if i in spelled else kinds.UNUSED for i in numbers]
    )
    merges = [each if isinstance(each, str) else " ".join(each) for each in told["model"]["merges"]]
    writer.add_token_merges(merges or [NEVER])
    writer.add_bos_token_id(model.start)
    writer.add_eos_token_id(model.tokenizer.end)
    writer.add_add_bos_token(model.begins)
    writer.add_add_space_prefix(False)
    if model.template is not None:
        writer.add_chat_template(model.template)


def _parting(told: dict[str, Any]) -> str:
    """The name that llama.cpp has for how a tokenizer parts words; UnsupportedError where it has none."""
    if not told["model"]["merges"]:
        return "qwen2"  # without merges, bytes stay bytes however words are parted
    text = json.dumps(told.get("pre_tokenizer"), ensure_ascii=False)
    found = [name for pattern, name in PATTERNS.items() if json.dumps(pattern, ensure_ascii=False) in text]
    if not found and '"use_regex": true' in text:
        return "gpt-2"
    if not found:
        what = "llama.cpp has no name for the way in which the tokenizer parts words"
        raise UnsupportedError(what, where="gguf", hint="export to huggingface or onnx")
    return found[0]


def _library() -> Any:
    try:
        import gguf
    except ImportError:
        what = "writing GGUF needs the package gguf, which is not installed"
        raise MissingDependencyError(what, hint="pip install 'genwright[export]'") from None
    return gguf
