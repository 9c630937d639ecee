"""Differentially private stochastic gradient descent: clipped gradients of single rows, summed with noise."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from genwright.families.autoregressive import Autoregressive
from genwright.families.family import Work
from genwright.nets.any_order import AnyOrderColumns
from genwright.privacy.budget import Budget
from genwright.privacy.marginals import Singles
from genwright.privacy.pour import SMALLEST
from genwright.randomness import seeded
from genwright.spaces import Columns, Discrete, Encoded
from genwright.train.progress import Listener, Progress

WIDTH, DEPTH = 32, 1  # small nets learn more through the noise
BINS, BUMPS = 8, 4
ROWS_PER_STEP = 1024  # expected, of tables that are long enough
MIN_STEPS_PER_PASS = 8
MAX_PASSES = 30  # over the rows
CLIP = 1.0  # L2 norm that the gradient of a row, of its negative log-likelihood in nats, is cut to
LEARNING_RATE = 0.01
KEPT = 0.98  # of the running average of the weights at each step
ROWS_AT_ONCE = 256  # whose gradients are held together

Parameters = dict[str, Tensor]


def fit_by_gradients(
    family: Autoregressive,
    space: Columns,
    rows: Encoded,
    singles: Singles,
    budget: Budget,
    work: Work,
    seed: int,
    listener: Listener,
) -> tuple[Autoregressive, nn.Module]:
    """Fit an autoregressive net with what is left of the budget: the family as it was sized, and the net.

    Rows are taken independently, each gradient is clipped to an L2 norm of CLIP, and their sum is released with normal
    noise: Abadi et al. 2016, arXiv:1607.00133, algorithm 1, the noise set by the accountant for all steps. Adam, the
    average of weights and the start from noisy marginals use what was released and so spend nothing.
    """
    family = _sized(family, space, work)
    assert family.batch is not None
    batch = family.batch
    with seeded(seed):
        net = family.build(space, None)
    assert isinstance(net, AnyOrderColumns)
    _start_from(net, singles)
    began = time.monotonic()
    x, rng = space.unpack(rows.x), budget.generator()
    sum_gradients = clipped_gradients(net, rng)
    steps = _planned_steps(sum_gradients, net, x, batch, work)
    noise = budget.sampled_noise("gradients", rate=min(1.0, batch / len(x)), times=steps)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    average = {name: p.detach().clone() for name, p in net.named_parameters()}
    for step in range(steps):
        if work.minutes is not None and time.monotonic() - began > 60 * work.minutes:
            budget.stopped(after=step)
            break
        taken = torch.from_numpy(np.flatnonzero(budget.rng.random(len(x)) < batch / len(x)))
        total = sum_gradients(dict(net.named_parameters()), x[taken])
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        for name, parameter in net.named_parameters():
            normal = torch.from_numpy(budget.rng.standard_normal(parameter.shape)).to(parameter.dtype)
            parameter.grad = (total[name] + noise * CLIP * normal) / batch
        optimizer.step()
        for name, parameter in net.named_parameters():
            average[name].lerp_(parameter.detach(), 1 - min(KEPT, step / (step + 10)))
        listener(Progress("training", step + 1, steps))
    net.load_state_dict(average, strict=False)
    return family, net


def _sized(family: Autoregressive, space: Columns, work: Work) -> Autoregressive:
    """The family with what was left open filled in for a private fit."""
    batch = family.batch or min(ROWS_PER_STEP, max(1, work.rows // MIN_STEPS_PER_PASS))
    width, depth = family.width or WIDTH, family.depth or DEPTH
    small = replace(family, width=width, depth=depth, bins=family.bins or BINS, bumps=family.bumps or BUMPS)
    return replace(small, batch=batch).sized(space, work)


class _Loss(nn.Module):
    """The negative log-likelihood of rows, as the forward pass that functional calls want."""

    def __init__(self, net: AnyOrderColumns) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Float[Tensor, "n c"], rng: torch.Generator) -> Float[Tensor, ""]:
        return self.net.nll(x, None, rng).sum()


def clipped_gradients(
    net: AnyOrderColumns, rng: torch.Generator
) -> Callable[[Parameters, Float[Tensor, "n c"]], Parameters]:
    """A function of weights and rows: the sum over rows of the loss's gradient, each cut to an L2 norm of CLIP."""
    loss = _Loss(net)

    def of_row(parameters: Parameters, row: Tensor) -> Tensor:
        return functional_call(loss, {f"net.{name}": p for name, p in parameters.items()}, (row[None], rng))

    of_rows = vmap(grad(of_row), in_dims=(None, 0), randomness="different")

    def summed(parameters: Parameters, x: Tensor) -> Parameters:
        parameters = {name: p.detach() for name, p in parameters.items()}
        total = {name: torch.zeros_like(p) for name, p in parameters.items()}
        for part in x.split(ROWS_AT_ONCE):
            if len(part):
                each = of_rows(parameters, part)
                norm = torch.stack([g.flatten(1).square().sum(dim=1) for g in each.values()]).sum(dim=0).sqrt()
                scale = (CLIP / norm.clamp(min=CLIP)).nan_to_num(0.0)
                for name, g in each.items():
                    total[name] += torch.einsum("n,n...->...", scale, g.nan_to_num(0.0, 0.0, 0.0))
        return total

    return summed


@torch.no_grad()
def _start_from(net: AnyOrderColumns, singles: Singles) -> None:
    """Set the biases of categorical heads to noisy log-shares, in place of those of the first rows."""
    for cells, shares in zip(singles.cells, singles.shares, strict=True):
        if cells.discrete is None:
            continue
        column = net.space.columns[cells.discrete]
        assert isinstance(column, Discrete)
        law = torch.from_numpy(shares).float()
        if cells.continuous is not None:
            law = torch.cat([law[cells.states :].sum()[None], law[: cells.states]])
        net.heads[cells.discrete].get_parameter("bias").copy_(law.clamp(min=max(SMALLEST, 1e-4)).log())
    net.fitted.fill_(True)


def _planned_steps(
    sum_gradients: Callable[[Parameters, Tensor], Parameters], net: nn.Module, x: Tensor, batch: int, work: Work
) -> int:
    """Steps in the time there is; the time a step takes is measured on rows of zeros."""
    most = max(1, MAX_PASSES * len(x) // batch)
    if work.minutes is None:
        return work.steps or most
    blank = torch.zeros(min(ROWS_AT_ONCE, len(x)), x.shape[1])
    took = []
    for _ in range(3):
        began = time.monotonic()
        sum_gradients(dict(net.named_parameters()), blank)
        took.append(time.monotonic() - began)
    seconds = sorted(took)[1] * batch / len(blank)
    return max(1, min(most, int(60 * work.minutes / seconds)))
