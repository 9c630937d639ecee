"""Encoded records of any kind as points, and how far apart and how dense these lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genwright.spaces import Discrete, Encoded

MAX_LEVELS = 64  # of a column of names with a coordinate each; those of more share them
MAX_SIZE = 512  # coordinates; more are projected onto as many at random, which keeps distances
N_GRAM = 3  # tokens in a row that are counted together
DENSE_SIZE = 12  # principal coordinates in which densities are estimated
CHUNK = 256  # records whose distances are held at once


def points(parts: list[Encoded], space: Any) -> list[Float[Tensor, "_ d"]]:
    """Records of each part as points of one scale: that each coordinate of all parts has variance 1 or less.

    Columns of names become one-hot, ordered ones and numbers one coordinate, arrays all their values, tokens how often
    each short run of them occurs. Many coordinates are projected at random (Johnson and Lindenstrauss 1984).
    """
    sizes = [len(part) for part in parts]
    x = torch.cat([part.unpacked(space) for part in parts])
    found = _runs(x) if not x.is_floating_point() else _coordinates(x.float(), getattr(space, "columns", ()))
    if found.shape[1] > MAX_SIZE:
        rng = torch.Generator().manual_seed(0)
        found = found @ torch.randn(found.shape[1], MAX_SIZE, generator=rng) / MAX_SIZE**0.5
    return list(found.split(sizes))


def _coordinates(x: Float[Tensor, "n *s"], columns: tuple[Any, ...]) -> Float[Tensor, "n d"]:
    x = x.nan_to_num(0.0)
    if not columns:
        return x.flatten(1)
    parts = []
    for i, column in enumerate(columns):
        value = x[:, i]
        if isinstance(column, Discrete) and not column.ordered and column.levels > 2:
            code = value.long() % MAX_LEVELS
            parts.append(torch.nn.functional.one_hot(code, min(column.levels, MAX_LEVELS)).float() / 2**0.5)
        else:
            parts.append(((value - value.mean()) / value.std().clamp(min=1e-6))[:, None])
    return torch.cat(parts, dim=1)


def _runs(x: Tensor) -> Float[Tensor, "n d"]:
    """Counts of runs of one to three tokens by hashed place, each record of length 1."""
    found = torch.zeros(len(x), 4 * MAX_SIZE)
    for order in range(1, N_GRAM + 1):
        windows = x.long().unfold(1, order, 1) if x.shape[1] >= order else x.new_zeros(len(x), 0, order).long()
        weights = torch.tensor([1, 1_000_003, 998_244_353][:order])
        place = ((windows * weights).sum(2) * 2_654_435_761 + order * 97) % found.shape[1]
        found.scatter_add_(1, place, torch.ones(place.shape))
    return torch.nn.functional.normalize(found.sqrt(), dim=1)


def nearest(x: Float[Tensor, "n d"], others: Float[Tensor, "m d"], k: int) -> Float[np.ndarray, "n k"]:
    """Distances of each point to its k nearest others, the nearest first."""
    k = min(k, len(others))
    return torch.cat([torch.cdist(part, others).topk(k, largest=False).values for part in x.split(CHUNK)]).numpy()


@dataclass(frozen=True)
class KernelDensity:
    """Gaussian kernels on principal coordinates of some points, as wide as Scott 1992, eq. 6.42, says."""

    mean: Float[Tensor, "d"]
    axes: Float[Tensor, "d p"]
    centres: Float[Tensor, "m p"]

    @classmethod
    def of(cls, x: Float[Tensor, "m d"], *, like: Float[Tensor, "l d"]) -> "KernelDensity":
        """The density of `x`, on the principal coordinates of `like`, whitened."""
        mean = like.mean(0)
        _, spread, axes = torch.linalg.svd(like - mean, full_matrices=False)
        kept = int((spread > 1e-4 * spread[0].clamp(min=1e-12)).sum().clamp(max=DENSE_SIZE))
        axes = axes[:kept].T * (len(like) ** 0.5 / spread[:kept])
        return cls(mean, axes, (x - mean) @ axes)

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[np.ndarray, "n"]:
        """Log-density, up to a constant that is the same for all points."""
        m, p = self.centres.shape
        width = m ** (-1 / (p + 4))
        parts = ((x - self.mean) @ self.axes).split(CHUNK)
        kernels = [torch.logsumexp(-0.5 * (torch.cdist(part, self.centres) / width) ** 2, dim=1) for part in parts]
        return torch.cat(kernels).numpy() - np.log(m) - p * np.log(width)
