"""Low-rank adaptation: layers that keep their weights and learn a product of two thin matrices beside them."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

from genwright.errors import ArgumentError

SHOWN = 6  # names in a hint
TARGETS = ("*qkv_proj", "*o_proj", "*gate_up_proj", "*down_proj")  # the linear layers inside transformers
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ADAPTED = (nn.Linear, *CONVOLUTIONS)  # layers beside which matrices learn


class LowRank(NamedTuple):
    """What is added to one weight: scale * b @ a, where what is behind its first axis counts as inputs."""

    a: Float[Tensor, "rank inputs"]
    b: Float[Tensor, "outputs rank"]
    scale: float

    @property
    def delta(self) -> Float[Tensor, "outputs inputs"]:
        return self.scale * (self.b @ self.a)

    def fits(self, weight: Tensor) -> bool:
        """Whether it can be added to a weight."""
        sides = (len(self.b), self.a.shape[1])
        return self.b.shape[1] == len(self.a) and sides == (len(weight), weight[0].numel())


class AdaptedLinear(nn.Linear):
    """y = W x + (alpha / rank) B A x, of which only A and B move. B begins at 0.

    Hu et al. 2021, arXiv:2106.09685, eq. 3.

    >>> plain = nn.Linear(4, 3)
    >>> adapted = AdaptedLinear(plain, rank=2, alpha=4.0)
    >>> bool((adapted(torch.ones(4)) == plain(torch.ones(4))).all()), adapted.adapter.scale
    (True, 2.0)
    """

    def __init__(self, plain: nn.Linear, *, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)  # the layer's own parameters are those of `plain`
        self.in_features, self.out_features = plain.in_features, plain.out_features
        self.weight, self.bias = plain.weight, plain.bias
        self.scale = alpha / rank
        self.lora_A = nn.Parameter(plain.weight.new_empty(rank, plain.in_features))
        self.lora_B = nn.Parameter(plain.weight.new_zeros(plain.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Float[Tensor, "*b inputs"]) -> Float[Tensor, "*b outputs"]:
        thin = nn.functional.linear(nn.functional.linear(x, self.lora_A), self.lora_B)
        return super().forward(x) + self.scale * thin

    @property
    def adapter(self) -> LowRank:
        return LowRank(self.lora_A.detach().clone(), self.lora_B.detach().clone(), self.scale)


class AdaptedWeight(nn.Module):
    """The weight of a layer plus (alpha / rank) B A, of which only A and B move; a parametrisation of convolutions.

    Kernels count as inputs: the low-rank matrix is one of outputs by inputs times places of the kernel.
    """

    def __init__(self, weight: Tensor, *, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.lora_A = nn.Parameter(weight.new_empty(rank, weight[0].numel()))
        self.lora_B = nn.Parameter(weight.new_zeros(len(weight), rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.lora_B @ self.lora_A).view_as(weight)

    @property
    def adapter(self) -> LowRank:
        return LowRank(self.lora_A.detach().clone(), self.lora_B.detach().clone(), self.scale)


class AdaptedRows(nn.Module):
    """The table of an embedding plus changes of some of its rows, which alone move; they begin at 0."""

    lora_B: Tensor

    def __init__(self, weight: Float[Tensor, "n width"], rows: Sequence[int]) -> None:
        super().__init__()
        self.lora_A = nn.Parameter(weight.new_zeros(len(rows), weight.shape[1]))
        chosen = nn.functional.one_hot(torch.tensor(rows, device=weight.device), len(weight)).T
        self.register_buffer("lora_B", chosen.to(weight).contiguous())

    def forward(self, weight: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        return weight + self.lora_B @ self.lora_A

    @property
    def adapter(self) -> LowRank:
        return LowRank(self.lora_A.detach().clone(), self.lora_B.detach().clone(), 1.0)


def adapt(
    net: nn.Module,
    *,
    rank: int,
    alpha: float,
    targets: tuple[str, ...] = (),
    rows: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Let only low-rank matrices of rank `rank` beside the layers named `targets` move, in place.

    By default these are TARGETS, or all linear and convolutional layers where a net has none of them; and of embeddings
    the `rows` that are named. ArgumentError where a pattern names no layer.
    """
    layers = {name: module for name, module in net.named_modules() if isinstance(module, ADAPTED)}
    for pattern in targets:
        if not any(fnmatchcase(name, pattern) for name in layers):
            shown = ", ".join(list(layers)[:SHOWN])
            raise ArgumentError(f"no layer is called {pattern!r}", where="lora", hint=f"there are: {shown}")
    usual = tuple(p for p in TARGETS if any(fnmatchcase(name, p) for name in layers))
    chosen = targets or usual or ("*",)
    net.requires_grad_(False)
    for name, layer in layers.items():
        if not any(fnmatchcase(name, pattern) for pattern in chosen):
            continue
        if isinstance(layer, nn.Linear):
            replace_layer(net, name, AdaptedLinear(layer, rank=rank, alpha=alpha))
        else:
            register_parametrization(layer, "weight", AdaptedWeight(layer.weight, rank=rank, alpha=alpha))
    for name, own in (rows or {}).items():
        table = net.get_submodule(name)
        assert isinstance(table, nn.Embedding)
        register_parametrization(table, "weight", AdaptedRows(table.weight, own))


def detach(net: nn.Module) -> dict[str, LowRank]:
    """The adapters of a net, by layer, whose layers are plain ones with their own weights again."""
    found = dict[str, LowRank]()
    for name, layer in list(net.named_modules()):
        if isinstance(layer, AdaptedLinear):
            plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
            plain.weight, plain.bias = layer.weight, layer.bias
            replace_layer(net, name, plain)
            found[name] = layer.adapter
        elif is_parametrized(layer, "weight"):
            beside = layer.parametrizations["weight"][0]
            assert isinstance(beside, AdaptedWeight | AdaptedRows)
            found[name] = beside.adapter
            remove_parametrizations(layer, "weight", leave_parametrized=False)
            if hasattr(layer, "bias"):  # stands behind the weight again, as in new layers
                bias = layer.bias
                del layer.bias
                layer.register_parameter("bias", bias)
    return found


@torch.no_grad()
def merge(net: nn.Module, adapters: Mapping[str, LowRank], *, weight: float = 1.0) -> None:
    """Add adapters, `weight` times, to the weights of a net in place."""
    for name, adapter in adapters.items():
        own = net.get_submodule(name).weight
        assert isinstance(own, Tensor)
        own += weight * adapter.delta.to(own).view_as(own)


def replace_layer(net: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of the one of this name."""
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, layer)
