"""Checkpoints that others trained, Qwen3 or Llama, as Generators."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genwright.codecs.columns import ColumnsCodec
from genwright.codecs.text import MAX_LENGTH, TextCodec
from genwright.codecs.tokenizers import BPE, checked_bpe
from genwright.data.dataset import Text
from genwright.data.paths import existing, meant
from genwright.errors import ArgumentError, DataError, StorageError, UnsupportedError
from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Work
from genwright.families.rebuild import rebuild
from genwright.folders import safe_join
from genwright.model.generator import Generator
from genwright.nets.checkpoint import Settings, read_config, together
from genwright.storage import check_regular, parse_json, read_file, read_json
from genwright.train.devices import choose_device
from genwright.typed import by_hand, entry, typed, wrong

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
GENERATION, INDEX = "generation_config.json", "model.safetensors.index.json"
LENGTH = 1024  # of texts, in tokens, unless told otherwise; the memory that drawing takes grows with it
KINDS = (torch.float32, torch.bfloat16, torch.float16)
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
TOKENIZERS = "byte-level BPE in tokenizer.json is read, such as Qwen3 and Llama 3 have"
ANOTHER = "download it again, or choose another checkpoint"


def holds_checkpoint(folder: Path) -> bool:
    """Whether `folder` is one of Hugging Face rather than ours."""
    return (folder / CONFIG).is_file() and not (folder / "recipe.json").exists()


def load_checkpoint(folder: str | Path, *, length: int | None = None, device: str = "auto") -> Generator:
    """A Qwen3 or Llama model in a folder of Hugging Face (config.json, *.safetensors, tokenizer.json) as a Generator.

    It draws, scores, is tuned and saved like one that was fitted here, in texts of `length` tokens: 1,024, or as many
    as the model was made for where those are fewer. Weights of 16 bits become float32. UnsupportedError for other
    architectures and tokenizers, by name; StorageError for files that are missing or damaged.
    """
    folder = existing(folder) or Path(folder)
    if not folder.is_dir():
        hint = "; ".join(filter(None, (meant(folder), "give the folder that holds config.json")))
        raise StorageError("no such folder", where=str(folder), hint=hint)
    config, where = read_json(folder / CONFIG), str(folder / CONFIG)
    settings = read_config(config, where=where)
    if length is not None and not 1 <= length <= min(settings.positions, MAX_LENGTH):
        what = f"length {length}, and the model reads up to {settings.positions:,} tokens"
        raise ArgumentError(what, where="length", hint="leave it out if unsure")
    tokenizer = _tokenizer(folder, config, settings)
    text, name = Text("text", running=True), folder.resolve().name
    codec = TextCodec(
        text,
        length or min(settings.positions, LENGTH),
        ColumnsCodec((), (), name),
        (text.name,),
        tokenizer=tokenizer,
    )
    weights = together(_weights(folder), settings, vocabulary=tokenizer.vocabulary, where=str(folder))
    shape = settings.shape
    family = Autoregressive(
        width=shape.width,
        depth=shape.depth,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_width=shape.head_width,
        hidden=shape.hidden,
        rope_base=shape.rope_base,
        norm_eps=shape.norm_eps,
        qk_norm=shape.qk_norm,
        tied=settings.tied,
    ).sized(codec.space, Work(rows=1, steps=1))
    net = rebuild(family, codec.space, codec.conditions, weights, choose_device(device), where=str(folder))
    record = {"parameters": sum(p.numel() for p in net.parameters()), "checkpoint": name}
    return Generator(codec=codec, family=family, net=net, record=record)


def _tokenizer(folder: Path, config: dict[str, Any], settings: Settings) -> BPE:
    path, where = folder / TOKENIZER, str(folder / TOKENIZER)
    if not path.exists() and (folder / "tokenizer.model").exists():
        raise UnsupportedError("a tokenizer of SentencePiece is not read", where=str(folder), hint=TOKENIZERS)
    told = parse_json(read_file(path), where=where)
    start, end = _marks(folder, config)
    with by_hand(UnsupportedError, hint=TOKENIZERS):
        made = checked_bpe(json.dumps(told, ensure_ascii=False), end, start=start, where=where)
    if made.vocabulary > settings.vocabulary:
        what = f"{made.vocabulary:,} tokens, and the net knows {settings.vocabulary:,}"
        raise StorageError(what, where=where, hint=ANOTHER)
    return made


def _marks(folder: Path, config: dict[str, Any]) -> tuple[int | None, int]:
    """The number of the token that begins texts, if it is not that which ends them, and of that which does; of several
    the first.
    """
    there = (folder / GENERATION).is_file()
    beside = typed(read_json(folder / GENERATION), dict, where=str(folder / GENERATION)) if there else {}
    told = beside | {name: number for name, number in config.items() if number is not None}
    found = []
    for name in ("bos_token_id", "eos_token_id"):
        value = told.get(name)
        value = value[0] if isinstance(value, list) and value else value
        found.append(typed(value, int | None, where=f"{folder / CONFIG}, {name}"))
    start, end = found
    if end is None:
        what = "the checkpoint names no eos_token_id, which ends a text"
        raise UnsupportedError(what, where=str(folder / CONFIG), hint="add it to config.json")
    return (None if start == end else start), end


def _weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of the safetensors files in `folder`, as they are stored."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, Tensor] = {}
    for path in _files(folder):
        try:
            check_regular(path)
            with safe_open(path, framework="pt") as file:
                found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        except FileNotFoundError:
            raise StorageError("no such file", where=str(path), hint=ANOTHER) from None
        except (SafetensorError, OSError, RuntimeError) as error:
            what = f"not a whole safetensors file ({error!s:.80})"
            raise StorageError(what, where=str(path), hint="the file is damaged: " + ANOTHER) from None
    for name, tensor in found.items():
        if tensor.dtype not in KINDS:
            what = f"{name!r:.60} is stored as {str(tensor.dtype).removeprefix('torch.')}"
            raise UnsupportedError(what, where=str(folder), hint="give weights of float32, bfloat16 or float16")
    return found


def _files(folder: Path) -> list[Path]:
    """The safetensors files that hold the weights."""
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    if (folder / INDEX).exists():
        where = str(folder / INDEX)
        named = entry(typed(read_json(folder / INDEX), dict, where=where), "weight_map", dict[str, str], where=where)
        try:
            return [safe_join(folder, name) for name in sorted(set(named.values()))]
        except DataError as error:
            raise wrong(error.what, where) from None
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
    if pickled:
        what = f"the weights are pickled ({pickled[0]}), and reading them could run any program"
        hint = "convert them where you trust them: AutoModelForCausalLM.from_pretrained(OLD).save_pretrained(NEW)"
        raise UnsupportedError(what, where=str(folder), hint=hint)
    raise StorageError(f"there is no {WEIGHTS}", where=str(folder), hint=ANOTHER)
