"""The part of a model that was adapted by low-rank matrices: they are merged into its weights, and kept apart.

What is saved are the weights as they were and the matrices; `genwright.model.peft` writes these for other programs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.model.part import Saved
from genwright.nets.lora import ADAPTED, LowRank, detach, merge
from genwright.typed import entry, typed, wrong

MAX_RANK = 1024
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
USUAL = "adapter"  # what one is called that nobody named
KINDS = (*ADAPTED, nn.Embedding)
Labels = Mapping[str, tuple[str | float, ...]]


@dataclass(frozen=True, eq=False)
class Adapter:
    """Low-rank matrices by the name of the layer they were learned for, and how much they count.

    `whole` are tensors, such as those of a latent prior, that it replaces as they are; `labels` the values of fields
    beside the records that came with it.
    """

    layers: Mapping[str, LowRank]
    weight: float = 1.0
    whole: Mapping[str, Tensor] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LoRA:
    """Adapters by name, in the order in which they are merged, and the tensors of the net without them.

    Hu et al. 2021, arXiv:2106.09685.
    """

    name: ClassVar[str] = "lora"

    named: Mapping[str, Adapter]
    before: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def taken_from(cls, net: nn.Module, *, name: str = USUAL) -> "LoRA":
        """The adapter of a net that was trained with it, merged into its weights."""
        return cls({name: Adapter(detach(net))}).into(net)

    @property
    def adapters(self) -> Mapping[str, LowRank]:
        """All of them together, as one: by layer, with their weights."""
        found = dict[str, LowRank]()
        for own in self.named.values():
            for name, each in own.layers.items():
                scaled, before = each._replace(scale=each.scale * own.weight), found.get(name)
                found[name] = scaled if before is None else _beside(before, scaled)
        return found

    def into(self, net: nn.Module) -> Self:
        """The same, with the adapters merged into the weights of `net`; StorageError where they do not fit it."""
        layers, tensors = dict(net.named_modules()), net.state_dict()
        for own in self.named.values():
            for name, adapter in own.layers.items():
                layer = layers.get(name)
                if not isinstance(layer, KINDS) or not adapter.fits(layer.weight):
                    raise wrong(f"there is no layer {name!r:.80} that its matrices fit", self.name)
            for name, tensor in own.whole.items():
                if name not in tensors or tensors[name].shape != tensor.shape or tensors[name].dtype != tensor.dtype:
                    raise wrong(f"there is no tensor {name!r:.80} that it could replace", self.name)
        changed = {f"{name}.weight" for own in self.named.values() for name in own.layers}
        changed |= {name for own in self.named.values() for name in own.whole}
        before = {name: tensors[name].clone() for name in changed}
        for own in self.named.values():
            if own.weight:
                merge(net, own.layers, weight=own.weight)
                for name, tensor in own.whole.items():
                    tensors[name].copy_(tensor)
        return replace(self, before=before)

    def apart(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a net that the adapters are merged into, as they were without."""
        return dict(tensors) | dict(self.before)

    def out_of(self, net: nn.Module) -> nn.Module:
        """A net that the adapters are merged into, with its tensors as they were without, in place."""
        with torch.no_grad():
            tensors = net.state_dict()
            for name, tensor in self.before.items():
                tensors[name].copy_(tensor)
        return net

    def to_json(self) -> Any:
        return {
            name: {
                "weight": own.weight,
                "scales": {layer: adapter.scale for layer, adapter in own.layers.items()},
                "whole": sorted(own.whole),
                "labels": {field: list(values) for field, values in own.labels.items()},
            }
            for name, own in self.named.items()
        }

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        found = dict[str, nn.Module]()
        for name, own in self.named.items():
            found |= {f"{name}/layers/{layer}.": _held(a=each.a, b=each.b) for layer, each in own.layers.items()}
            found |= {f"{name}/whole/{tensor}.": _held(value=value) for tensor, value in own.whole.items()}
        return found

    @classmethod
    def load(cls, told: Any, tensors: Mapping[str, Tensor], saved: Saved) -> "LoRA | None":
        """What `to_json` and `nets` said; StorageError for anything else."""
        if told is None:
            return None
        where = f"{saved.where}, {cls.name}"
        named, left = dict[str, Adapter](), {name: tensor.to(saved.device) for name, tensor in tensors.items()}
        told = typed(told, dict, where=where)
        if told and all(isinstance(each, int | float) for each in told.values()):  # as before adapters had names
            left = {f"{USUAL}/layers/{name}": tensor for name, tensor in left.items()}
            told = {USUAL: {"weight": 1.0, "scales": told, "whole": [], "labels": {}}}
        for name, each in typed(told, dict[str, dict], where=where).items():
            if not NAME.fullmatch(name):
                raise wrong(f"an adapter cannot be called {name!r:.80}", where)
            named[name] = _loaded(each, name, left, where)
        if left:
            raise wrong("other matrices than its layers", where)
        return cls(named)


def _loaded(told: dict, name: str, left: dict[str, Tensor], where: str) -> Adapter:
    """One adapter, whose tensors are taken out of `left`."""
    scales = entry(told, "scales", dict[str, float], where=where)
    labels = entry(told, "labels", dict[str, tuple[str | float, ...]], where=where)
    layers, whole = dict[str, LowRank](), dict[str, Tensor]()
    for layer, scale in scales.items():
        a, b = (left.pop(f"{name}/layers/{layer}.{side}", None) for side in "ab")
        if a is None or b is None or not a.ndim == b.ndim == 2:
            raise wrong("other matrices than its layers", where)
        layers[layer] = LowRank(a, b, scale)
    for tensor in entry(told, "whole", tuple[str, ...], where=where):
        found = left.pop(f"{name}/whole/{tensor}.value", None)
        if found is None:
            raise wrong(f"the tensor {tensor!r:.80} is missing", where)
        whole[tensor] = found
    return Adapter(layers, entry(told, "weight", float, where=where), whole, labels)


def _beside(first: LowRank, second: LowRank) -> LowRank:
    """One adapter that does what two do."""
    b = torch.cat([first.b, second.b * (second.scale / first.scale)], dim=1) if first.scale else second.b
    return LowRank(torch.cat([first.a, second.a]), b, first.scale) if first.scale else second


class _Held(nn.Module):
    """Tensors to be saved."""


def _held(**tensors: Tensor) -> nn.Module:
    held = _Held()
    for name, tensor in tensors.items():
        held.register_buffer(name, tensor)
    return held


def checked_rank(rank: Any) -> int:
    """A rank; ArgumentError for what is none."""
    if not hasattr(rank, "__index__") or isinstance(rank, bool) or not 1 <= int(rank) <= MAX_RANK:
        what = f"lora={rank!r:.60} is no rank"
        raise ArgumentError(what, where="lora", hint=f"give a whole number from 1 to {MAX_RANK:,}: 8 is usual")
    return int(rank)


def checked_name(name: Any, *, where: str) -> str:
    """The name of an adapter; ArgumentError for what is none."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        hint = "up to 64 letters, digits, hyphens and underscores, such as nines"
        raise ArgumentError(f"an adapter cannot be called {name!r:.80}", where=where, hint=hint)
    return name
