"""Where training begins: from nothing, or from a trained net of which some parameters may stay as they are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.family import Family, GradientFamily
from genwright.nets.lora import adapt

SHOWN = 6  # names of parameters in a hint


@dataclass(frozen=True, eq=False)
class Start:
    """A trained net to go on from. `trainable` are patterns of parameter names, such as "head.*"; none means all. With
    `lora`, a rank, only low-rank matrices beside its layers move, and `rows` of embeddings: see `genwright.nets.lora`.
    """

    net: nn.Module
    trainable: tuple[str, ...] = ()
    lora: int | None = None
    rows: Mapping[str, Sequence[int]] | None = None

    def check(self, family: Family) -> None:
        """Raise unless the family is trained step by step, and every pattern names a parameter."""
        if not isinstance(family, GradientFamily):
            what = f"{family.name} is fitted by an algorithm of its own, which always begins anew"
            raise UnsupportedError(what, where="start", hint="leave start out, or start from a family with a network")
        names = [name for name, _ in self.net.named_parameters()]
        for pattern in self.trainable:
            if not any(fnmatchcase(name, pattern) for name in names):
                shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
                raise ArgumentError(
                    f"no parameter is called {pattern!r}", where="trainable", hint=f"there are: {shown}"
                )

    def enter(self, net: nn.Module) -> None:
        """Set the weights of `net`, and which of its parameters move."""
        net.load_state_dict(self.net.state_dict())
        for name, parameter in net.named_parameters():
            moves = not self.trainable or any(fnmatchcase(name, pattern) for pattern in self.trainable)
            parameter.requires_grad_(moves)
        if self.lora is not None:
            adapt(net, rank=self.lora, alpha=2.0 * self.lora, rows=self.rows)

    def digest(self) -> str:
        """Identifies it, so that only a fit from the same start is resumed."""
        chosen = (self.trainable, self.lora) if self.lora else self.trainable
        found = hashlib.sha256(repr((chosen, self.rows) if self.rows else chosen).encode())
        for name, tensor in self.net.state_dict().items():
            found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()


def moving(net: nn.Module) -> set[str]:
    """The names of the tensors of a net that training changes: parameters that move, and buffers."""
    return set(net.state_dict()) - {name for name, parameter in net.named_parameters() if not parameter.requires_grad}


def as_start(net: nn.Module | None, trainable: Sequence[str], lora: int | None = None) -> Start | None:
    """A start from a net; ArgumentError for `trainable` or `lora` without one, and for both."""
    named = "trainable" if trainable else "lora"
    if net is None and (trainable or lora):
        raise ArgumentError("means nothing without start", where=named, hint="give the model to start from")
    if trainable and lora:
        raise ArgumentError("with lora, nothing else moves", where="trainable", hint="give one of the two")
    return None if net is None else Start(net, tuple(trainable), lora)
