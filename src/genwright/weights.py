"""Nets filled with weights that were read: nothing is built that is larger than the weights it is for."""

import abc
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genwright.errors import GenwrightError, StorageError, TrainingError
from genwright.randomness import seeded
from genwright.typed import wrong

SPARE_BYTES, BYTES_PER_BYTE = 2**26, 4  # that may be allotted while building a net, and for each byte of its weights
OVERFLOW = re.compile("probability tensor contains|without overflow")  # in what torch says
SPARE_CALLS, CALLS_PER_TENSOR = 5_000, 60  # of torch, likewise


class TooLargeError(Exception):
    """A net outgrows its weights while it is being built."""


class Bounds(TorchDispatchMode):
    """Refuses to make more and larger tensors than a net of these weights could need."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.bytes = SPARE_BYTES + BYTES_PER_BYTE * sum(t.numel() * t.element_size() for t in weights.values())
        self.calls = SPARE_CALLS + CALLS_PER_TENSOR * len(weights)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and telling torch's compiler so would load it: a second in every load

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls -= 1
        self.bytes -= 4 * _numbers(func, args)
        if self.bytes < 0 or self.calls < 0:
            raise TooLargeError
        return func(*args, **(kwargs or {}))


class Grows(nn.Module, abc.ABC):
    """A net whose tensors are as long as what it was fitted to says; they take the shape of those that are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_grow)
        self.register_load_state_dict_post_hook(lambda net, _: net.grown())

    @abc.abstractmethod
    def check(self, weights: Mapping[str, Tensor]) -> None:
        """ValueError where tensors of the right names and types are not those of such a net."""

    @abc.abstractmethod
    def grown(self) -> None:
        """Called once other tensors have been loaded."""


def _grow(net: nn.Module, weights: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    for name, own in net.state_dict().items():
        if (new := weights.get(prefix + name)) is not None and new.shape != own.shape:
            getattr(net, name).data = own.new_empty(new.shape)


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
    if func._schema.name == "aten::repeat":
        return tensors[0].numel() * math.prod(args[1])
    try:
        return math.prod(np.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    except ValueError:  # matrices multiplied and the like
        return max(tensor.numel() for tensor in tensors)


def filled(build: Callable[[], nn.Module], weights: Mapping[str, Tensor], *, where: str) -> nn.Module:
    """The net that `build` returns with `weights` that were read; StorageError where these are not those of it."""
    try:
        with seeded(0), Bounds(weights):
            net = build()
    except TooLargeError:
        raise misfit("a net that is larger than they are", where) from None
    except (GenwrightError, RuntimeError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise misfit(_first_line(error), where) from None
    except AssertionError:
        raise misfit("another kind of data", where) from None
    fill(net, weights, where=where)
    return net


@contextmanager
def in_numbers() -> Iterator[None]:
    """What torch says where the values of a net leave the numbers, as the error of a model that is of no use."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.linalg.LinAlgError) and not OVERFLOW.search(str(error)):
            raise
        what = f"the weights are those of no distribution ({_first_line(error)})"
        raise TrainingError(what, where="sample", hint="fit again") from None


def fill(net: nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Put weights that were read into `net`; StorageError where their names, shapes or types are not those of it."""
    own = net.state_dict()
    if different := own.keys() ^ weights.keys():
        raise misfit(f"{min(different)!r:.60} is there once only", where)
    for name, tensor in weights.items():
        like = tensor.dim() == own[name].dim() if isinstance(net, Grows) else tensor.shape == own[name].shape
        if not like or tensor.dtype != own[name].dtype:
            raise misfit(f"{name!r} has another shape or type", where)
    if isinstance(net, Grows):
        try:
            net.check(weights)
        except ValueError as error:
            raise misfit(str(error), where) from None
    net.load_state_dict(weights)


def misfit(what: str, where: str) -> StorageError:
    return wrong(f"the weights do not fit the recipe ({what})", where)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
