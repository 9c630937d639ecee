"""Sampling by inverted distribution functions: table rows, and triangular densities on a grid."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def draw_rows(
    weights: Float[Tensor, "k l"],
    row: Int[Tensor, "n"],
    rng: torch.Generator,
    uniform: Float[Tensor, "n"] | None = None,
) -> Int[Tensor, "n"]:
    """One entry of the given row for each of n draws, in proportion to its weight; one binary search per draw.

    `uniform` stands in for the uniform numbers that would be drawn otherwise.

    >>> draw_rows(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([0, 1, 1]), torch.Generator()).tolist()
    [1, 0, 0]
    """
    width = weights.shape[1]
    cumulative = weights.double().cumsum(dim=1)
    total = cumulative[:, -1:]
    ladder = (cumulative / total + torch.arange(len(weights), device=weights.device)[:, None]).flatten()
    if uniform is None:
        uniform = torch.rand(len(row), generator=rng, dtype=torch.float64, device=weights.device)
    found = torch.searchsorted(ladder, row + uniform.clamp(max=1.0 - 1e-12), right=True) - row * width
    last = width - 1 - (weights > 0).flip(1).int().argmax(dim=1)  # rounding must not lead to entries of no weight
    return torch.minimum(found.clamp(min=0), last[row])


def shares_below(u: Float[Tensor, "m"], knots: int) -> Float[Tensor, "m knots"]:
    """Share of each hat that lies below u in [0, 1]; hats peak at the `knots` evenly spaced points of [0, 1].

    >>> shares_below(torch.tensor([0.0, 0.5, 1.0]), 3).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, 1.0, 1.0]]
    """
    peaks = torch.arange(knots, dtype=u.dtype, device=u.device)
    t = (u[:, None] * (knots - 1) - peaks).clamp(-1.0, 1.0)
    below = torch.where(t < 0, (1.0 + t).square() / 2.0, 1.0 - (1.0 - t).square() / 2.0)
    below[:, 0] = 2.0 * below[:, 0] - 1.0  # the outermost hats are halves
    below[:, -1] = 2.0 * below[:, -1]
    return below


def inside_hat(hat: Int[Tensor, "n"], share: Float[Tensor, "n"], knots: int) -> Float[Tensor, "n"]:
    """The point u in [0, 1] that has `share` of the hat below it: the inverse of `shares_below`."""
    share = torch.where(hat == 0, 0.5 + share / 2.0, torch.where(hat == knots - 1, share / 2.0, share))
    t = torch.where(share < 0.5, (2.0 * share).sqrt() - 1.0, 1.0 - (2.0 - 2.0 * share).clamp(min=0.0).sqrt())
    return (hat + t) / (knots - 1)
