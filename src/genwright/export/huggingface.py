"""A folder as `transformers` reads it, and what serves such folders: vLLM, text-generation-inference, peft, trl."""

from pathlib import Path
from typing import Any

from genwright.export.portable import Portable
from genwright.nets.checkpoint import config_of
from genwright.storage import write_json, write_tensors

CONFIG, GENERATION, WEIGHTS = "config.json", "generation_config.json", "model.safetensors"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"


def write_huggingface(model: Portable, folder: Path) -> None:
    """config.json, generation_config.json, model.safetensors and the tokenizer, into a folder that is there."""
    ends = {"bos_token_id": model.tokenizer.end, "eos_token_id": model.tokenizer.end}
    write_json(folder / CONFIG, config_of(model.settings) | ends)
    write_json(folder / GENERATION, ends | {"do_sample": True})
    write_tensors(folder / WEIGHTS, model.weights, metadata={"format": "pt"})
    write_tokenizer(model, folder)


def write_tokenizer(model: Portable, folder: Path) -> None:
    """tokenizer.json, and tokenizer_config.json with what `transformers` adds to it."""
    write_json(folder / TOKENIZER, model.told)
    about: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": model.end,
        "eos_token": model.end,
        "model_max_length": model.settings.positions,
        "clean_up_tokenization_spaces": False,
    }
    write_json(folder / TOKENIZER_CONFIG, about)
