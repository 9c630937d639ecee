"""The power transformation of Yeo & Johnson 2000, "A New Family of Power Transformations", and its inverse.

With powers from 0 to 2 it maps all numbers to all numbers, and power 1 leaves them as they are; smaller ones draw large
values in, larger ones small values. All arguments are broadcast.
"""

import torch
from torch import Tensor

STRAIGHT = 1e-6  # powers this near to a logarithm's are taken to be it


def yeo_johnson(x: Tensor, power: Tensor) -> Tensor:
    """The transformed values.

    >>> yeo_johnson(torch.tensor([0.0, 3.0]), torch.tensor(0.5)).tolist()
    [0.0, 2.0]
    """
    return x.sign() * _boxed(x.abs(), _own(x, power))


def yeo_johnson_inverse(y: Tensor, power: Tensor) -> Tensor:
    """The values that `yeo_johnson` takes to `y`, for powers from 0 to 2."""
    own = _own(y, power)
    straight = own.abs() < STRAIGHT
    bent = (own * y.abs()).log1p() / own.where(~straight, torch.ones_like(own))
    return y.sign() * torch.where(straight, y.abs(), bent).expm1()


def yeo_johnson_log_slope(x: Tensor, power: Tensor) -> Tensor:
    """Logarithm of the derivative at `x`."""
    return (power - 1.0) * x.sign() * x.abs().log1p()


def _own(x: Tensor, power: Tensor) -> Tensor:
    """The exponent on the side where x lies."""
    return torch.where(x < 0, 2.0 - power, power)


def _boxed(size: Tensor, own: Tensor) -> Tensor:
    """((1 + size)^own - 1) / own, a logarithm where `own` is 0."""
    straight = own.abs() < STRAIGHT
    log = size.log1p()
    return torch.where(straight, log, (own * log).expm1() / own.where(~straight, torch.ones_like(own)))
