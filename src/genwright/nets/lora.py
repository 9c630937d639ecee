"""Low-rank adaptation: linear layers that keep their weights and learn a product of two thin matrices beside them."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError

SHOWN = 6  # names in a hint
TARGETS = ("*qkv_proj", "*o_proj", "*gate_up_proj", "*down_proj")  # the linear layers inside transformers


class LowRank(NamedTuple):
    """What is added to one weight: scale * b @ a."""

    a: Float[Tensor, "rank inputs"]
    b: Float[Tensor, "outputs rank"]
    scale: float

    @property
    def delta(self) -> Float[Tensor, "outputs inputs"]:
        return self.scale * (self.b @ self.a)


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


def adapt(net: nn.Module, *, rank: int, alpha: float, targets: tuple[str, ...] = ()) -> None:
    """Let only low-rank matrices of rank `rank` beside the linear layers named `targets` move, in place.

    By default these are TARGETS, or all linear layers where a net has none of them. ArgumentError where a pattern
    names no layer.
    """
    layers = {name: module for name, module in net.named_modules() if isinstance(module, nn.Linear)}
    for pattern in targets:
        if not any(fnmatchcase(name, pattern) for name in layers):
            shown = ", ".join(list(layers)[:SHOWN])
            raise ArgumentError(f"no linear layer is called {pattern!r}", where="lora", hint=f"there are: {shown}")
    usual = tuple(p for p in TARGETS if any(fnmatchcase(name, p) for name in layers))
    chosen = targets or usual or ("*",)
    net.requires_grad_(False)
    for name, layer in layers.items():
        if any(fnmatchcase(name, pattern) for pattern in chosen):
            replace_layer(net, name, AdaptedLinear(layer, rank=rank, alpha=alpha))


def detach(net: nn.Module) -> dict[str, LowRank]:
    """The adapters of a net, by layer, whose layers are plain ones with their own weights again."""
    layers = {name: module for name, module in net.named_modules() if isinstance(module, AdaptedLinear)}
    for name, layer in layers.items():
        plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        plain.weight, plain.bias = layer.weight, layer.bias
        replace_layer(net, name, plain)
    return {name: layer.adapter for name, layer in layers.items()}


@torch.no_grad()
def merge(net: nn.Module, adapters: Mapping[str, LowRank]) -> dict[str, Tensor]:
    """Add adapters to the weights of a net in place; returns the weights that were there, by the layer's name."""
    before = {}
    for name, adapter in adapters.items():
        weight = net.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        before[name] = weight.clone()
        weight += adapter.delta.to(weight)
    return before


def replace_layer(net: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of the one of this name."""
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, layer)
