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
    write_config(model, folder)
    write_tensors(folder / WEIGHTS, model.weights, metadata={"format": "pt"})
    write_tokenizer(model, folder)


def write_config(model: Portable, folder: Path) -> None:
    """config.json and generation_config.json."""
    write_json(folder / CONFIG, config_of(model.settings) | model.marks)
    write_json(folder / GENERATION, model.marks | {"do_sample": True})


def write_tokenizer(model: Portable, folder: Path) -> None:
    """tokenizer.json, and tokenizer_config.json with what `transformers` adds to it."""
    write_json(folder / TOKENIZER, model.told)
    about: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": model.spelled(model.start),
        "eos_token": model.spelled(model.tokenizer.end),
        "model_max_length": model.settings.positions,
        "clean_up_tokenization_spaces": False,
    }
    if model.template is not None:
        about["chat_template"] = model.template
    write_json(folder / TOKENIZER_CONFIG, about)
