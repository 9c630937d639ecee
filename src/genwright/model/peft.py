"""Adapters as files of Hugging Face's peft: adapter_config.json and adapter_model.safetensors, both ways."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genwright.errors import UnsupportedError
from genwright.model.generator import Generator
from genwright.model.lora import USUAL, Adapter, LoRA
from genwright.nets.causal import CausalTokens
from genwright.nets.checkpoint import PARTS, rows_of
from genwright.nets.lora import LowRank
from genwright.storage import read_json, read_tensors, write_json, write_tensors
from genwright.typed import entry, typed, wrong

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
REFUSED = {"use_dora": False, "fan_in_fan_out": False, "bias": "none", "modules_to_save": None}  # but for these values


def write_adapter(model: Generator, folder: str | Path) -> None:
    """Write the adapter of a model of texts, under the names that its layers have once it is exported.

    UnsupportedError for a model that has none, or that Hugging Face has no names for.
    """
    part, net = model.part(LoRA), model.net
    if part is None or not isinstance(net, CausalTokens):
        what = "it has no adapter" if part is None else f"peft has no names for the layers of {model.family.name}"
        raise UnsupportedError(what, where="write_adapter", hint="adapters are made by gw.tune(model, pairs, lora=8)")
    tensors, ranks, alphas = dict[str, Tensor](), dict[str, int](), dict[str, float]()
    for name, adapter in part.adapters.items():
        for theirs, rows in _apart(net, name):
            tensors[f"{PREFIX}{theirs}.lora_A.weight"] = adapter.a
            tensors[f"{PREFIX}{theirs}.lora_B.weight"] = adapter.b[rows]
            ranks[theirs], alphas[theirs] = len(adapter.a), adapter.scale * len(adapter.a)
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted({theirs.rpartition(".")[2] for theirs in ranks}),
        "rank_pattern": {theirs: each for theirs, each in ranks.items() if each != rank},
        "alpha_pattern": {theirs: each for theirs, each in alphas.items() if each != alpha},
        **REFUSED,
    }
    write_tensors(Path(folder) / TENSORS, tensors, metadata={"format": "pt"})
    write_json(Path(folder) / CONFIG, config)


def read_adapter(model: Generator, folder: str | Path) -> Generator:
    """The model with an adapter that peft or `write_adapter` wrote, merged into its weights.

    An adapter that it has already stays in them. StorageError where the adapter does not fit the model,
    UnsupportedError for kinds other than plain LoRA.
    """
    import copy

    where = str(Path(folder) / CONFIG)
    net = copy.deepcopy(model.net)
    if not isinstance(net, CausalTokens):
        what = f"peft has no names for the layers of {model.family.name}"
        raise UnsupportedError(what, where="read_adapter", hint="give an autoregressive model of texts")
    config = typed(read_json(Path(folder) / CONFIG), dict, where=where)
    _check_kind(config, where)
    tensors, _ = read_tensors(Path(folder) / TENSORS)
    adapters = dict[str, LowRank]()
    for name in [name for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]:
        pieces = [(rows, _piece(tensors, theirs, config, where)) for theirs, rows in _apart(net, name)]
        if found := [(rows, piece) for rows, piece in pieces if piece is not None]:
            adapters[name] = _together(found, rows=_linear(net, name).out_features, where=where)
    if tensors:
        raise wrong(f"the model has no layer for {min(tensors)!r:.120}", where)
    part = LoRA({USUAL: Adapter(adapters)}).into(net)
    others = tuple(each for each in model.parts if not isinstance(each, LoRA))
    return replace(model, net=net, parts=(*others, part))


def _check_kind(config: Mapping[str, Any], where: str) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise UnsupportedError(f"an adapter of kind {kind!r:.40}", where=where, hint="plain LoRA is read")
    for name, plain in REFUSED.items():
        if config.get(name, plain) not in (plain, [], ()):
            what = f"an adapter with {name}={config[name]!r:.60}"
            raise UnsupportedError(what, where=where, hint="plain LoRA is read")


def _apart(net: CausalTokens, name: str) -> list[tuple[str, slice]]:
    """The layers that one of ours holds by Hugging Face's names, and the rows of each."""
    path, _, last = name.removeprefix("sequence.").rpartition(".")
    names = [f"{path}.{part}" if path else part for part in PARTS.get(last, (last,))]
    sizes = rows_of(net.sequence.model.shape, last, _linear(net, name).out_features)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [(each, slice(end - size, end)) for each, size, end in zip(names, sizes, ends, strict=True)]


def _linear(net: nn.Module, name: str) -> nn.Linear:
    layer = net.get_submodule(name)
    assert isinstance(layer, nn.Linear)
    return layer


def _piece(tensors: dict[str, Tensor], name: str, config: Mapping[str, Any], where: str) -> LowRank | None:
    """The adapter of one of their layers, taken out of `tensors`; None where it has none."""
    sides = [tensors.pop(f"{PREFIX}{name}.lora_{side}.weight", None) for side in "AB"]
    a, b = sides
    if a is None or b is None:
        return None
    rank = _of(config, "rank_pattern", name, entry(config, "r", int, where=where), where)
    alpha = _of(config, "alpha_pattern", name, entry(config, "lora_alpha", float, where=where), where)
    if a.ndim != 2 or b.ndim != 2 or not len(a) == b.shape[1] == rank:
        raise wrong(f"the matrices of {name!r:.120} are not of rank {rank:g}", where)
    root = typed(config.get("use_rslora", False), bool, where=where)
    return LowRank(a.float(), b.float(), alpha / (math.sqrt(rank) if root else rank))


def _of(config: Mapping[str, Any], pattern: str, name: str, usual: float, where: str) -> float:
    """The rank or alpha of a layer: that of the longest end of its name that has one of its own."""
    own = typed(config.get(pattern) or {}, dict[str, float], where=where)
    ends = [end for end in own if name == end or name.endswith(f".{end}")]
    return own[max(ends, key=len)] if ends else usual


def _together(found: Sequence[tuple[slice, LowRank]], *, rows: int, where: str) -> LowRank:
    """One adapter that does what several do, each for some of the rows of a weight."""
    first = found[0][1]
    shared = all(torch.equal(piece.a, first.a) for _, piece in found)
    ranks = [0 if shared and i else len(piece.a) for i, (_, piece) in enumerate(found)]
    b = torch.zeros(rows, sum(ranks))
    start = 0
    for (own, piece), rank in zip(found, ranks, strict=True):
        if b[own].shape[0] != len(piece.b) or piece.a.shape[1] != first.a.shape[1]:
            raise wrong("matrices that the model has no layer for", where)
        columns = slice(0, len(first.a)) if shared else slice(start, start + rank)
        b[own, columns] = piece.b * (piece.scale / first.scale)
        start += rank
    return LowRank(first.a if shared else torch.cat([piece.a for _, piece in found]), b, first.scale)
