"""A mixture of product distributions whose marginals come near to noisy ones; uses no row, and so spends nothing."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genwright.privacy.marginals import Pairs, Singles

STEPS = 1500
TIMED_STEPS = 20  # after each of which the number of steps that the time allows is found anew
LEARNING_RATE = 0.1
SPREAD = 0.5  # of the components' first logits
MIN_SHARE = 1e-6


@final
@dataclass(frozen=True)
class Products:
    """K components: their `weights` (K,), and for each field the shares of its fine cells in each (K, cells)."""

    weights: Float[Tensor, "k"]
    laws: list[Float[Tensor, "k _"]]


def fit_products(
    singles: Singles,
    pairs: Pairs,
    *,
    components: int,
    steps: int | None,
    minutes: float | None,
    rng: torch.Generator,
    report: Callable[[int, int, float], None],
) -> Products:
    """Adam on the squared distance between the mixture's and the noisy marginals, each weighted by its precision.

    The mixture of products is that of Liu, Vietri & Wu 2021, arXiv:2106.07153 ("GEM"), section 4, with free logits.
    Between the cells of a coarse cell, shares are those of the single field.
    """
    in_coarse = [np.bincount(coarse, weights=each) for each, coarse in zip(singles.shares, pairs.coarse, strict=True)]
    single = torch.from_numpy(np.concatenate(in_coarse)).float()
    start = single.clamp(min=MIN_SHARE).log()
    logits = (start + SPREAD * torch.randn(components, len(single), generator=rng)).requires_grad_()
    weights = torch.zeros(components, requires_grad=True)
    optimizer = torch.optim.Adam([logits, weights], lr=LEARNING_RATE)
    total, began = steps or STEPS, time.monotonic()
    step = 0
    while step < total:
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (0.02 + 0.98 * (1 + math.cos(math.pi * step / total)) / 2)
        law, mix = _laws(logits, pairs.sizes), weights.softmax(dim=0)
        joint = (law * mix[:, None]).T @ law
        loss = (pairs.counted * (joint - pairs.joint).square()).sum()
        loss = loss + pairs.precision * (mix @ law - single).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % TIMED_STEPS == 0 and minutes is not None:
            total = min(steps or STEPS, max(step, int(step * 60 * minutes / (time.monotonic() - began))))
        if step % TIMED_STEPS == 0 or step == total:
            report(step, total, float(loss.detach()))
    with torch.no_grad():
        fine = [
            _refined(law, coarse, shares)
            for law, coarse, shares in zip(
                _laws(logits, pairs.sizes).split(pairs.sizes, dim=1), pairs.coarse, singles.shares, strict=True
            )
        ]
    return Products(weights.detach().softmax(dim=0), fine)


def _laws(logits: Float[Tensor, "k l"], sizes: list[int]) -> Float[Tensor, "k l"]:
    """The distribution of each field's coarse cells in each component."""
    return torch.cat([part.softmax(dim=1) for part in logits.split(sizes, dim=1)], dim=1)


def _refined(law: Float[Tensor, "k c"], coarse: np.ndarray, shares: Float[np.ndarray, " f"]) -> Float[Tensor, "k f"]:
    """The distribution of fine cells."""
    inside = torch.from_numpy(np.maximum(shares, MIN_SHARE * 1e-3)).float()
    groups = torch.from_numpy(coarse)
    return law[:, groups] * (inside / torch.zeros(law.shape[1]).index_add(0, groups, inside)[groups])
