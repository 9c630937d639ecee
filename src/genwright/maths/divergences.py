"""Distances between probability laws: closed forms for Gaussians, and estimates from samples of both."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Kernel = Callable[[Tensor, Tensor], Tensor]  # (n, d) and (m, d) to the (n, m) matrix of k(x_i, y_j)


def gaussian_kl(
    mean: Float[Tensor, "*n d"],
    log_scale: Float[Tensor, "*n d"],
    *,
    other_mean: Float[Tensor, "*#n d"] | float = 0.0,
    other_log_scale: Float[Tensor, "*#n d"] | float = 0.0,
) -> Float[Tensor, "*n d"]:
    """KL(N(mean, scale²) ‖ N(other_mean, other_scale²)) in nats, per coordinate; the other law is N(0, 1) by default.

    Kingma & Welling 2014, arXiv:1312.6114, appendix B.

    >>> gaussian_kl(torch.tensor([2.0]), torch.tensor([0.0])).item()
    2.0
    """
    log_ratio = log_scale - other_log_scale
    distance = (mean - other_mean) * torch.exp(-torch.as_tensor(other_log_scale, dtype=mean.dtype))
    return 0.5 * (torch.exp(2 * log_ratio) + distance.square() - 1) - log_ratio


def squared_mmd(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], *, kernel: Kernel) -> Float[Tensor, ""]:
    """Squared maximum mean discrepancy between two samples of at least two rows; unbiased, so it can be below 0.

    Gretton et al. 2012 (JMLR 13), eq. 3.
    """
    n, m = len(x), len(y)
    assert n > 1 and m > 1, "the unbiased estimate needs two rows of each"
    within_x, within_y = kernel(x, x), kernel(y, y)
    mean_x = (within_x.sum() - within_x.diagonal().sum()) / (n * (n - 1))
    mean_y = (within_y.sum() - within_y.diagonal().sum()) / (m * (m - 1))
    return mean_x + mean_y - 2 * kernel(x, y).mean()


def energy_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """2 E‖X - Y‖ - E‖X - X'‖ - E‖Y - Y'‖: zero if and only if the two laws agree; unbiased, in the units of x.

    Székely & Rizzo 2013, eq. 2.5; it is the squared MMD of the kernel -‖x - y‖ (Sejdinovic et al. 2013, theorem 22).
    """
    return squared_mmd(x, y, kernel=negative_distance)


def energy_score(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """2 E‖X - Y‖ - E‖Y - Y'‖: the energy distance less its part that depends on X alone, so n = 1 will do.

    As a loss of the law of Y it is lowest where that is the law of X (Gneiting & Raftery 2007, eq. 21, doubled).
    """
    m = len(y)
    assert m > 1, "the unbiased estimate needs two rows of y"
    return 2 * torch.cdist(x, y).mean() - torch.cdist(y, y).sum() / (m * (m - 1))


def negative_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """The distance kernel -‖x - y‖."""
    return -torch.cdist(x, y)


def gaussian_kernel(bandwidth: float) -> Kernel:
    """The kernel exp(-‖x - y‖² / (2 bandwidth²))."""

    def kernel(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        return torch.exp(-torch.cdist(x, y).square() / (2 * bandwidth**2))

    return kernel
