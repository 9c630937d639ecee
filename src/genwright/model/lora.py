"""The part of a model that was adapted by low-rank matrices: they are merged into its weights, and kept apart.

What is saved are the weights as they were and the matrices; `genwright.model.peft` writes these for other programs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.model.part import Saved
from genwright.nets.lora import LowRank, detach, merge
from genwright.typed import typed, wrong

MAX_RANK = 1024


@dataclass(frozen=True, eq=False)
class LoRA:
    """Low-rank matrices by the name of the layer they were learned for, and the weights of these layers without them.

    Hu et al. 2021, arXiv:2106.09685.
    """

    name: ClassVar[str] = "lora"

    adapters: Mapping[str, LowRank]
    before: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def taken_from(cls, net: nn.Module) -> "LoRA":
        """The adapters of a net that was trained with them, merged into its weights."""
        return cls(detach(net)).into(net)

    def into(self, net: nn.Module) -> Self:
        """The same, with the adapters merged into the weights of `net`; StorageError where they do not fit it."""
        layers = dict(net.named_modules())
        for name, adapter in self.adapters.items():
            layer = layers.get(name)
            sides = (adapter.b.shape[0], adapter.a.shape[1])
            if not isinstance(layer, nn.Linear) or layer.weight.shape != sides or adapter.b.shape[1] != len(adapter.a):
                raise wrong(f"there is no layer {name!r:.80} that its matrices fit", self.name)
        return replace(self, before=merge(net, self.adapters))

    def apart(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a net that the adapters are merged into, as they were without."""
        return dict(tensors) | {f"{name}.weight": weight for name, weight in self.before.items()}

    def to_json(self) -> Any:
        return {name: adapter.scale for name, adapter in self.adapters.items()}

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        return {f"{name}.": _Matrices(adapter) for name, adapter in self.adapters.items()}

    @classmethod
    def load(cls, told: Any, tensors: Mapping[str, Tensor], saved: Saved) -> "LoRA | None":
        """What `to_json` and `nets` said; StorageError for anything else."""
        if told is None:
            return None
        where = f"{saved.where}, {cls.name}"
        scales = typed(told, dict[str, float], where=where)
        wanted = {f"{name}.{side}" for name in scales for side in ("a", "b")}
        if tensors.keys() != wanted or any(each.ndim != 2 for each in tensors.values()):
            raise wrong("other matrices than its layers", where)
        found = {
            name: LowRank(tensors[f"{name}.a"].to(saved.device), tensors[f"{name}.b"].to(saved.device), scale)
            for name, scale in scales.items()
        }
        return cls(found)


class _Matrices(nn.Module):
    """The two matrices of an adapter, to be saved."""

    def __init__(self, adapter: LowRank) -> None:
        super().__init__()
        self.register_buffer("a", adapter.a)
        self.register_buffer("b", adapter.b)


def checked_rank(rank: Any) -> int:
    """A rank; ArgumentError for what is none."""
    if not hasattr(rank, "__index__") or isinstance(rank, bool) or not 1 <= int(rank) <= MAX_RANK:
        what = f"lora={rank!r:.60} is no rank"
        raise ArgumentError(what, where="lora", hint=f"give a whole number from 1 to {MAX_RANK:,}: 8 is usual")
    return int(rank)
