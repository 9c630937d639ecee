"""Mixed-type rows as real vectors and back: a continuous relaxation for families that work with real numbers.

Every column becomes a block of coordinates. A continuous column is its own coordinate. A discrete column is replaced by
one codeword per level, and any real vector is hardened to the level of the nearest codeword.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from genwright.spaces import Columns, Discrete

ONE_HOT_LEVELS = 16  # above this many levels binary codes: d = ceil(log2 K) coordinates in place of K
SMOOTHING = 0.5  # rows added to the count of each level
GUMBEL_TEMPERATURE = 0.5  # of the softmax that gradients see


def codewords(column: Discrete) -> Float[Tensor, "levels d"]:
    """One codeword per level, all of the same norm; zero mean and unit variance per coordinate over equal levels.

    Up to 16 levels centred one-hot vectors, so that all levels are equally far apart; two levels are the single
    coordinate -1 or +1; above that *analog bits* (Chen et al. 2023, arXiv:2208.04202, section 2), in Gray code so that
    neighbouring levels differ in one coordinate.

    >>> codewords(Discrete("sex", 2)).tolist()
    [[-1.0], [1.0]]
    """
    k = column.levels
    if k == 1:
        return torch.zeros(1, 1)
    if 2 < k <= ONE_HOT_LEVELS:
        return (torch.eye(k) - 1 / k) * (k / (k - 1) ** 0.5)
    number = torch.arange(k)
    gray = number ^ (number >> 1)
    bits = (gray[:, None] >> torch.arange((k - 1).bit_length())) & 1
    return 2.0 * bits - 1.0


def log_frequencies(space: Columns, x: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "levels"], ...]:
    """The log of the smoothed share of each level of each discrete column: what a net may say before it has learned.

    >>> [shares] = log_frequencies(Columns((Discrete("sex", 2),)), torch.zeros(4, 1))
    >>> shares.exp().allclose(torch.tensor([0.9, 0.1]))
    True
    """
    found = []
    for i, column in enumerate(space.columns):
        if isinstance(column, Discrete):
            counts = x[~x[:, i].isnan(), i].long().bincount(minlength=column.levels).float() + SMOOTHING
            found.append((counts / counts.sum()).log())
    return tuple(found)


def widths(space: Columns) -> list[int]:
    """Coordinates that each column takes."""
    return [_width(column) if isinstance(column, Discrete) else 1 for column in space.columns]


def relaxed_size(space: Columns) -> int:
    """Coordinates of a relaxed row.

    >>> from genwright.spaces import Continuous
    >>> relaxed_size(Columns((Discrete("colour", 3), Discrete("town", 200), Continuous("age"))))
    12
    """
    return sum(widths(space))


def blocks(space: Columns) -> list[slice]:
    """Where each column's coordinates lie in a relaxed row."""
    ends = torch.tensor([0, *widths(space)]).cumsum(0).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def relax(space: Columns, x: Float[Tensor, "n c"]) -> Float[Tensor, "n d"]:
    """Rows as real vectors; inactive continuous values become 0, and free entries (NaN) stay NaN in their block."""
    parts = []
    for i, column in enumerate(space.columns):
        value = x[:, i, None]
        if isinstance(column, Discrete):
            code = codewords(column).to(x)[value[:, 0].nan_to_num(0.0).long()]
            parts.append(torch.where(value.isnan(), torch.nan, code))
        elif column.state is None:
            parts.append(value)
        else:  # NaN > 0 is false: below an unknown state a given value stands
            parts.append(torch.where(x[:, column.state, None] > 0, 0.0, value))
    return torch.cat(parts, dim=1)


def harden(space: Columns, y: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
    """The nearest row of each real vector: the inverse of `relax`, with inactive continuous values 0."""
    values = []
    for column, block in zip(space.columns, blocks(space), strict=True):
        if isinstance(column, Discrete):  # codewords share a norm: the nearest has the largest inner product
            values.append((y[:, block] @ codewords(column).to(y).T).argmax(dim=1).to(y.dtype))
        else:
            values.append(y[:, block.start])
    x = torch.stack(values, dim=1)
    return torch.where(space.active(x), x, 0.0)


def logit_sizes(space: Columns) -> list[int]:
    """Numbers that a net puts out for each column in `draw_relaxed`: one logit per level, or one value."""
    return [column.levels if isinstance(column, Discrete) else 1 for column in space.columns]


def logit_size(space: Columns) -> int:
    """Numbers that a net puts out for `draw_relaxed`."""
    return sum(logit_sizes(space))


def draw_relaxed(space: Columns, logits: Float[Tensor, "n l"], rng: torch.Generator | None) -> Float[Tensor, "n d"]:
    """Relaxed rows whose levels are drawn with the probabilities in `logits`, or are the likeliest where `rng` is None.

    The values are those of whole rows; gradients flow as if each codeword were the mean under a Gumbel-softmax
    (straight-through; Jang et al. 2017, arXiv:1611.01144, section 2.2).
    """
    outputs = logits.split([c.levels if isinstance(c, Discrete) else 1 for c in space.columns], dim=1)
    weights = {
        i: _one_hot_draw(outputs[i], rng) for i, column in enumerate(space.columns) if isinstance(column, Discrete)
    }
    parts = []
    for i, column in enumerate(space.columns):
        if isinstance(column, Discrete):
            parts.append(weights[i] @ codewords(column).to(logits))
        elif column.state is None:
            parts.append(outputs[i])
        else:
            parts.append(outputs[i] * weights[column.state][:, :1])
    return torch.cat(parts, dim=1)


def _one_hot_draw(logits: Float[Tensor, "n k"], rng: torch.Generator | None) -> Float[Tensor, "n k"]:
    """One-hot rows with the gradient of a softmax."""
    if rng is not None:
        uniform = torch.rand(logits.shape, generator=rng, device=logits.device).clamp_(1e-20, 1 - 6e-8)
        logits = logits - torch.log(-torch.log(uniform))
    soft = (logits / GUMBEL_TEMPERATURE).softmax(1)
    hard = torch.zeros_like(soft).scatter_(1, logits.argmax(1, keepdim=True), 1.0)
    return hard + soft - soft.detach()


def _width(column: Discrete) -> int:
    """Coordinates of a codeword."""
    small = 2 < column.levels <= ONE_HOT_LEVELS
    return column.levels if small else max(1, (column.levels - 1).bit_length())
