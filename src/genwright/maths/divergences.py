"""Distances between probability distributions: closed forms for Gaussians, and estimates from samples of both."""

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_kl(
    mean: Float[Tensor, "*n d"],
    log_scale: Float[Tensor, "*n d"],
    *,
    other_mean: Float[Tensor, "*#n d"] | float = 0.0,
    other_log_scale: Float[Tensor, "*#n d"] | float = 0.0,
) -> Float[Tensor, "*n d"]:
    """KL(N(mean, scale²) ‖ N(other_mean, other_scale²)) in nats, per coordinate; the other distribution is N(0, 1) by
    default.

    Kingma & Welling 2014, arXiv:1312.6114, appendix B.

    >>> gaussian_kl(torch.tensor([2.0]), torch.tensor([0.0])).item()
    2.0
    """
    log_ratio = log_scale - other_log_scale
    distance = (mean - other_mean) * torch.exp(-torch.as_tensor(other_log_scale, dtype=mean.dtype))
    return 0.5 * (torch.exp(2 * log_ratio) + distance.square() - 1) - log_ratio


def energy_distance(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """2 E‖X - Y‖ - E‖X - X'‖ - E‖Y - Y'‖: zero if and only if the two distributions agree; unbiased, in the units of x.

    Székely & Rizzo 2013, eq. 2.5.
    """
    n = len(x)
    assert n > 1, "the unbiased estimate needs two rows of x"
    return energy_score(x, y) - torch.cdist(x, x).sum() / (n * (n - 1))


def energy_score(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """2 E‖X - Y‖ - E‖Y - Y'‖: the energy distance less its part that depends on X alone, so n = 1 will do.

    As a loss of the distribution of Y it is lowest where that is the distribution of X (Gneiting & Raftery 2007, eq.
    21, doubled).
    """
    m = len(y)
    assert m > 1, "the unbiased estimate needs two rows of y"
    return 2 * torch.cdist(x, y).mean() - torch.cdist(y, y).sum() / (m * (m - 1))
