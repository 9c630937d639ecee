"""Random masks for absorbing-state diffusion: how many positions to hide, and which."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def stratified_counts(n: int, length: int, rng: torch.Generator) -> Int[Tensor, "n"]:
    """n counts, each uniform on 1 .. `length`, spread evenly over a batch to lower the variance.

    Kingma et al. 2021, arXiv:2107.00630, appendix I.1.
    """
    offset = torch.rand((), generator=rng, device=rng.device)
    order = torch.randperm(n, generator=rng, device=rng.device)
    level = ((order + offset) / n) % 1.0
    return (level * length).long().clamp_(max=length - 1) + 1


def random_subset(counts: Int[Tensor, "n"], length: int, rng: torch.Generator) -> Bool[Tensor, "n t"]:
    """A uniformly random set of `counts[i]` of the `length` positions in each row i."""
    return random_ranks(len(counts), length, rng) < counts[:, None]


def random_ranks(n: int, length: int, rng: torch.Generator) -> Int[Tensor, "n t"]:
    """A random order of the positions of each row: every row a permutation of 0 .. `length` - 1."""
    keys: Float[Tensor, "n t"] = torch.rand(n, length, generator=rng, device=rng.device)
    return keys.argsort(dim=1).argsort(dim=1)
