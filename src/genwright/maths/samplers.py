"""Samplers: how x is carried along a schedule, from noise to data or back. Pure functions with one signature.

`model(x, t)` returns the pair (clean data, noise) that it takes x to be made of at time t (a scalar tensor); see
`genwright.maths.schedules`. `times` are the stops on the way; the first is where `x` lies.

In terms of that pair the probability-flow ODE reads dx = x0 d(alpha) + eps d(sigma), whatever the schedule, so that one
solver serves diffusion and flow matching. Only `ddpm` draws from `rng`.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from genwright.maths.schedules import Schedule

Model = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Sampler = Callable[[Model, Tensor, Tensor, Schedule, torch.Generator | None], Tensor]


def ddim(
    model: Model,
    x: Float[Tensor, "n *s"],
    times: Float[Tensor, "k"],
    schedule: Schedule,
    rng: torch.Generator | None = None,
) -> Float[Tensor, "n *s"]:
    """First order, deterministic, k - 1 model calls. On the straight path this is Euler's method.

    Song et al. 2021, arXiv:2010.02502, eq. 12 with zero noise.
    """
    for s, t in pairwise(times):
        clean, noise = model(x, s)
        alpha, sigma = schedule(t)
        x = alpha * clean + sigma * noise
    return x


def heun(
    model: Model,
    x: Float[Tensor, "n *s"],
    times: Float[Tensor, "k"],
    schedule: Schedule,
    rng: torch.Generator | None = None,
) -> Float[Tensor, "n *s"]:
    """Second order, deterministic: the trapezoid rule, the last step first order. 2 (k - 1) - 1 model calls.

    Karras et al. 2022, arXiv:2206.00364, Algorithm 1.
    """
    for i, (s, t) in enumerate(pairwise(times), start=2):
        (alpha_s, sigma_s), (alpha_t, sigma_t) = schedule(s), schedule(t)
        d_alpha, d_sigma = alpha_t - alpha_s, sigma_t - sigma_s
        clean, noise = model(x, s)
        ahead = x + d_alpha * clean + d_sigma * noise
        if i < len(times):
            clean_ahead, noise_ahead = model(ahead, t)
            ahead = x + d_alpha * (clean + clean_ahead) / 2 + d_sigma * (noise + noise_ahead) / 2
        x = ahead
    return x


def dpmpp_2m(
    model: Model,
    x: Float[Tensor, "n *s"],
    times: Float[Tensor, "k"],
    schedule: Schedule,
    rng: torch.Generator | None = None,
) -> Float[Tensor, "n *s"]:
    """DPM-Solver++(2M): second order at one model call a step, by extrapolating the clean data; k - 1 calls.

    The last step is first order, since the log-SNR is infinite at its end.
    Lu et al. 2022, arXiv:2211.01095, Algorithm 2.
    """
    before: tuple[Tensor, Tensor] | None = None
    for s, t in pairwise(times):
        clean, _ = model(x, s)
        (alpha_s, sigma_s), (alpha_t, sigma_t) = schedule(s), schedule(t)
        step = (alpha_t.log() - sigma_t.log()) - (alpha_s.log() - sigma_s.log())  # of half the log-SNR
        ahead = clean
        if before is not None and step.isfinite():
            clean_before, step_before = before
            ahead = clean + (clean - clean_before) * step / (2 * step_before)
        x = (sigma_t / sigma_s) * x + (alpha_t - alpha_s * sigma_t / sigma_s) * ahead
        before = clean, step
    return x


def ddpm(
    model: Model,
    x: Float[Tensor, "n *s"],
    times: Float[Tensor, "k"],
    schedule: Schedule,
    rng: torch.Generator | None = None,
) -> Float[Tensor, "n *s"]:
    """Ancestral sampling: each step draws from the Gaussian posterior of x_t given x_s and the clean data.

    Ho et al. 2020, arXiv:2006.11239, eqs. 6-7 and Algorithm 2, for steps of any length.
    """
    for s, t in pairwise(times):
        clean, _ = model(x, s)
        (alpha_s, sigma_s), (alpha_t, sigma_t) = schedule(s), schedule(t)
        keep = alpha_s / alpha_t  # x_s = keep x_t + added noise
        added = (sigma_s.square() - keep.square() * sigma_t.square()).clamp(min=0.0)
        mean = (keep * sigma_t.square() * x + alpha_t * added * clean) / sigma_s.square()
        spread = added.sqrt() * sigma_t / sigma_s
        x = mean + spread * torch.randn(x.shape, generator=rng, device=x.device, dtype=x.dtype)
    return x
