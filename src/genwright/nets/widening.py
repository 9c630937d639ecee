"""Trained nets whose condition columns get further levels, or lose some: all else stays as it is."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from genwright.errors import UnsupportedError
from genwright.nets.context import ContextEmbedding
from genwright.nets.mixture_prior import MixturePrior
from genwright.spaces import Columns, Discrete

Sources = Sequence[Sequence[int | None]]  # by discrete column, of each state, that which meant the same before
RARE = 5.0  # nats below its rarest level that a prior takes a new one for


def resized(net: nn.Module, old: Mapping[str, Tensor], columns: Columns, sources: Sources) -> dict[str, Tensor]:
    """The tensors `old` of a net, or those of them that there are, as one of the same kind with other levels has them.

    A new level begins as what is not known, which every column has an embedding for. UnsupportedError where a net holds
    levels in any other way.
    """
    found = dict(old)
    for name, module in net.named_modules():
        if isinstance(module, ContextEmbedding) and module.table is not None:
            _put(found, f"{name}.table.weight", rows_of(columns, sources), dim=0)
        elif isinstance(module, MixturePrior) and module.context is not None:
            _put(found, f"{name}.context_params", _numbers_of(columns, sources), dim=1)
    own = net.state_dict()
    other = [name for name, tensor in found.items() if name not in own or own[name].shape != tensor.shape]
    if other:
        what = f"its net holds the levels of conditions in {other[0]!r}, which cannot be given another"
        raise UnsupportedError(what, where="adapt", hint="adapt to labels that the model knows, or fit anew")
    return found


def tables(net: nn.Module) -> list[str]:
    """The names of the embeddings that have a row for each level of the conditions."""
    found = [(name, module) for name, module in net.named_modules() if isinstance(module, ContextEmbedding)]
    return [f"{name}.table" for name, module in found if module.table is not None]


def rows_of(columns: Columns, sources: Sources) -> list[tuple[int | None, int]]:
    """For each row of a table the one that it was, or None, and that of what is not known, among those of before."""
    found: list[tuple[int | None, int]] = []
    start = 0
    for i, own in zip(columns.discrete, sources, strict=True):
        column = columns.columns[i]
        assert isinstance(column, Discrete)
        unknown = start + column.levels
        found += [(None if state is None else start + state, unknown) for state in [*own, column.levels]]
        start = unknown + 1
    return found


def _numbers_of(columns: Columns, sources: Sources) -> list[tuple[int | None, int]]:
    """The same for the numbers of a distribution of the columns; without a row of what is not known."""
    found: list[tuple[int | None, int]] = []
    start, discrete = 0, iter(sources)
    for column in columns.columns:
        if isinstance(column, Discrete):
            found += [(None if state is None else start + state, -1) for state in next(discrete)]
            start += column.levels
        else:
            found += [(start, -1), (start + 1, -1)]
            start += 2
    return found


def _put(tensors: dict[str, Tensor], name: str, places: list[tuple[int | None, int]], *, dim: int) -> None:
    """Rows or columns of one tensor at their new places."""
    if name not in tensors:
        return
    old = tensors[name].movedim(dim, 0)

    def part(at: int | None, unknown: int) -> Tensor:
        if at is not None:
            return old[at]
        return old[unknown] if unknown >= 0 else old.amin(0) - RARE

    tensors[name] = torch.stack([part(*place) for place in places]).movedim(0, dim).contiguous()


def moved_rows(b: Tensor, places: list[tuple[int | None, int]]) -> Tensor:
    """The matrix of an adapter that says which rows change, at their new places; new ones do not."""
    return torch.stack([b[at] if at is not None else torch.zeros_like(b[0]) for at, _ in places])
