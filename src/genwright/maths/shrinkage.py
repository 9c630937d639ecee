"""Covariance matrices of few rows, with the spread that chance gave to their eigenvalues taken away."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST = 1e-6  # eigenvalue of a correlation matrix; below, columns are functions of each other
MIN_DEGREES = 12  # the kernel's reach, sqrt(5) n^(-1/3), must stay below 1
FAR = 100.0  # kernel widths


def shrunk_covariance(covariance: Float[Tensor, "p p"], degrees: float) -> Float[Tensor, "p p"]:
    """A sample covariance, its eigenvalues moved to where those of the distribution are expected, variances as they
    are.

    `degrees` of freedom are the rows less one. In samples small eigenvalues come out too small and large ones too
    large; the neighbours of each show by how much. Ledoit & Wolf 2020, "Analytical Nonlinear Shrinkage of
    Large-Dimensional Covariance Matrices", with its formula for fewer rows than columns, on the scale of correlations.
    Below 12 degrees all correlations are dropped.

    >>> sample = torch.randn(40, 20, generator=torch.Generator().manual_seed(0))
    >>> before, after = (c.logdet() for c in (torch.cov(sample.T), shrunk_covariance(torch.cov(sample.T), 39)))
    >>> bool(before < -5), bool(after > -2)  # that of the distribution is 0
    (True, True)
    """
    exact = covariance.double()
    spreads = exact.diagonal().clamp(min=1e-12).sqrt()
    if degrees < MIN_DEGREES:
        return covariance.diagonal().diag()
    values, vectors = torch.linalg.eigh(exact / spreads / spreads[:, None])
    shrunk = (vectors * _expected(values.clamp(min=SMALLEST), degrees)) @ vectors.mT
    scale = spreads / shrunk.diagonal().sqrt()
    return (shrunk * scale * scale[:, None]).to(covariance)


def _expected(values: Float[Tensor, "p"], degrees: float) -> Float[Tensor, "p"]:
    """The eigenvalues' replacements, from ascending ones that chance has spread."""
    p, reach = len(values), degrees ** (-1 / 3)
    ratio, nulls = p / degrees, max(0, p - int(degrees))
    some = values[nulls:]
    density, hilbert = _epanechnikov(some, reach)
    if not nulls:
        squeeze = (math.pi * ratio * some * density).square() + (1 - ratio - math.pi * ratio * some * hilbert).square()
        return some / squeeze
    log = math.log((1 + math.sqrt(5) * reach) / (1 - math.sqrt(5) * reach))
    at_zero = 3 / (10 * reach**2) + 3 / (4 * math.sqrt(5) * reach) * (1 - 1 / (5 * reach**2)) * log
    at_zero = at_zero / math.pi * float((1 / some).mean())
    null = 1 / (math.pi * (p - degrees) / degrees * at_zero)
    return torch.cat([some.new_full((nulls,), null), 1 / (math.pi**2 * some * (density.square() + hilbert.square()))])


def _epanechnikov(values: Float[Tensor, "m"], reach: float) -> tuple[Float[Tensor, "m"], Float[Tensor, "m"]]:
    """A kernel estimate of the density of the eigenvalues at each of them, and its Hilbert transform."""
    widths = reach * values
    x = (values[:, None] - values) / widths
    inside = 1 - x.square() / 5
    root = math.sqrt(5)
    log = ((root - x) / (root + x)).abs().clamp(1e-300, 1e300).log()
    density = 3 / (4 * root) * (inside.clamp(min=0) / widths).mean(dim=1)
    near = -3 / 10 * x + 3 / (4 * root) * inside * log
    far = -(1 + x**-2 + 15 / 7 * x**-4) / x  # its expansion: where x is large, the terms above cancel out
    return density, (torch.where(x.abs() > FAR, far, near) / math.pi / widths).mean(dim=1)
