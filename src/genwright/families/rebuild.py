"""Trained nets from a recipe and weights that were read: nothing is built that is larger than the weights it is for."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genwright.errors import ArgumentError, GenwrightError
from genwright.families.family import Family, Work
from genwright.randomness import seeded
from genwright.spaces import Columns, Space
from genwright.typed import wrong

SPARE_BYTES, BYTES_PER_BYTE = 2**26, 4  # that may be allotted while building a net, and for each byte of its weights
SPARE_CALLS, CALLS_PER_TENSOR = 5_000, 60  # of torch, likewise
WEIGHTS = "weights.safetensors"


class TooLargeError(Exception):
    """A net outgrows its weights while it is being built."""


class Bounds(TorchDispatchMode):
    """Refuses to make more and larger tensors than a net of these weights could need."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.bytes = SPARE_BYTES + BYTES_PER_BYTE * sum(t.numel() * t.element_size() for t in weights.values())
        self.calls = SPARE_CALLS + CALLS_PER_TENSOR * len(weights)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls -= 1
        self.bytes -= 4 * _numbers(func, args)
        if self.bytes < 0 or self.calls < 0:
            raise TooLargeError
        return func(*args, **(kwargs or {}))


def _numbers(func: Any, args: Any) -> int:
    """How many numbers a call makes, before it is made; 0 for calls in place and views."""
    tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]
    if not tensors:  # a factory: the first list is a shape, else whole numbers bound the length
        sizes = next((arg for arg in args if isinstance(arg, list | tuple)), None)
        whole = [abs(arg) for arg in args if isinstance(arg, int | float)]
        square = 2 if "eye" in func.__name__ or "tri" in func.__name__ else 1
        return int(math.prod(sizes) if sizes is not None else max(whole, default=0) ** square)
    if func._schema.name.endswith("_") or func.is_view:
        return 0
    try:
        return math.prod(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    except RuntimeError:  # matrices multiplied and the like
        return max(tensor.numel() for tensor in tensors)


def rebuild(
    family: Family, space: Space, context: Columns | None, weights: Mapping[str, Tensor], device: torch.device
) -> nn.Module:
    """The net of `family` with `weights`; StorageError where these are not those of such a net."""
    try:
        family.check(space)
        if open_fields := _open_fields(family, family.sized(space, Work(rows=1, steps=1))):
            raise ArgumentError(f"{open_fields[0]} is not fixed")
        with seeded(0), Bounds(weights):
            net = family.build(space, context)
        faults = list(_faults(net, weights))
    except (TooLargeError, GenwrightError, RuntimeError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        faults = ["a net that is larger than they are" if isinstance(error, TooLargeError) else _first_line(error)]
    except AssertionError:
        faults = ["another kind of data"]
    if faults:
        raise wrong(f"the weights do not fit the recipe ({faults[0]})", WEIGHTS)
    net.load_state_dict(weights)
    return net.to(device).eval().requires_grad_(False)


def _faults(net: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[str]:
    """What tells the weights from those of `net`: names, shapes, types, values that are no numbers."""
    own = net.state_dict()
    if different := own.keys() ^ weights.keys():
        yield f"{min(different)!r} is there once only"
        return
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
            yield f"{name!r} has another shape or type"
        elif tensor.is_floating_point() and bool(tensor.isnan().any()):
            yield f"{name!r} is not a number somewhere"


def _open_fields(family: Family, sized: Family) -> list[str]:
    """Fields that are left out, which fitting would have fixed."""
    names = [field.name for field in dataclasses.fields(family)]
    return [name for name in names if getattr(family, name) is None is not getattr(sized, name)]


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
