"""Draws that vary less together than independent ones do, while each has exactly the distribution asked for."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from scipy.special import fdtri
from torch import Tensor

Noise = Callable[[int, int, int, torch.Generator], Tensor]  # n, size, degrees of freedom: as `balanced_t`
Uniforms = Callable[[Tensor, torch.Generator], Tensor | None]


def independent_uniforms(group: Int[Tensor, "n"], rng: torch.Generator) -> None:
    """Nothing: whoever draws a row takes a number of its own."""


def even_uniforms(group: Int[Tensor, "n"], rng: torch.Generator) -> Float[Tensor, "n"]:
    """A number for each row, uniform on (0, 1): one in each of m equal intervals in a group of m rows, in random order.

    McKay, Beckman & Conover 1979, "A Comparison of Three Methods for Selecting Values of Input Variables", sec. 2.

    >>> (even_uniforms(torch.zeros(4).long(), torch.Generator()) * 4).int().sort().values.tolist()
    [0, 1, 2, 3]
    """
    place = torch.rand(2, len(group), generator=rng, dtype=torch.float64, device=group.device)
    order = place[0].argsort()
    order = order[group[order].argsort(stable=True)]  # group by group, each in random order
    sizes = group.bincount()
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(group), device=group.device) - (sizes.cumsum(0) - sizes)[group[order]]
    return (rank + place[1].clamp(1e-12, 1.0 - 1e-12)) / sizes[group]


def balanced_t(n: int, size: int, df: int, rng: torch.Generator) -> Float[Tensor, "n size"]:
    """Draws of the standard multivariate t distribution that together are centred, even in their norms and nearly
    uncorrelated.

    Normal rows are centred and whitened, where there are enough (the quadratic resampling of Barraquand 1995,
    "Numerical Valuation of High Dimensional Multivariate European Securities"). That leaves the direction of each row
    uniform whatever the norms are, so that norms may be replaced in their order by even ones of the right distribution:
    squares over `size` follow F(size, df). Hence each row has the t distribution exactly.

    >>> x = balanced_t(100, 3, 1000, torch.Generator().manual_seed(0))
    >>> bool(((torch.cov(x.T) - torch.eye(3)).abs() < 0.1).all())
    True
    """
    rows = torch.randn(n, size, generator=rng, dtype=torch.float64, device=rng.device)
    if n > size + 1:
        rows = rows - rows.mean(dim=0)
        rows = torch.linalg.solve_triangular(torch.linalg.cholesky(rows.T @ rows), rows.T, upper=False).T
    norms = rows.norm(dim=1)
    uniforms = even_uniforms(torch.zeros(n, dtype=torch.long, device=rng.device), rng).sort().values
    squares = torch.from_numpy(fdtri(size, df, uniforms.cpu().numpy())).to(rows) * size
    return rows * (squares.sqrt()[norms.argsort().argsort()] / norms)[:, None]


def independent_t(n: int, size: int, df: int, rng: torch.Generator) -> Float[Tensor, "n size"]:
    """Independent draws of the standard multivariate t distribution."""
    rows = torch.randn(n, size, generator=rng, dtype=torch.float64, device=rng.device)
    chi_square = torch.randn(n, df, generator=rng, dtype=torch.float64, device=rng.device).square().sum(dim=1)
    return rows * (df / chi_square).sqrt()[:, None]
