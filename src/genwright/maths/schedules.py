"""Noise schedules, time densities and predictions: how data and noise are mixed, and how a net says what it sees.

A *schedule* maps times in [0, 1] to (alpha, sigma), so that x_t = alpha x + sigma eps with eps standard normal.
Diffusion schedules run from data (t = 0) to noise (t = 1); the straight path of flow matching from noise to data.

A *prediction* turns a net's output at x_t into the pair (x, eps) that it stands for. The four here are linear in the
output and exact inverses of each other through that pair.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

Schedule = Callable[[Tensor], tuple[Tensor, Tensor]]
Prediction = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

DDPM_STEPS = 1000
BETA_FIRST, BETA_LAST = 1e-4, 0.02


def linear_beta(t: Float[Tensor, "*t"]) -> tuple[Float[Tensor, "*t"], Float[Tensor, "*t"]]:
    """The classic schedule: 1000 steps of variance beta_i, linear in i from 1e-4 to 0.02, composed in closed form.

    alpha(i / 1000)^2 = prod_{j <= i} (1 - beta_j); between steps log alpha is interpolated linearly.
    Ho et al. 2020, arXiv:2006.11239, eq. 4 and section 4.
    """
    table = _log_alpha_table().to(t)
    place = t.clamp(0.0, 1.0) * DDPM_STEPS
    below = place.floor().clamp(max=DDPM_STEPS - 1).long()
    log_alpha = torch.lerp(table[below], table[below + 1], place - below)
    return log_alpha.exp(), (-torch.expm1(2.0 * log_alpha)).sqrt()


@lru_cache(maxsize=1)
def _log_alpha_table() -> Float[Tensor, "steps_plus_one"]:
    """log alpha after 0, 1, ..., 1000 steps."""
    beta = torch.linspace(BETA_FIRST, BETA_LAST, DDPM_STEPS, dtype=torch.float64)
    return torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-beta).cumsum(0) / 2])


def cosine(t: Float[Tensor, "*t"]) -> tuple[Float[Tensor, "*t"], Float[Tensor, "*t"]]:
    """A quarter circle: alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17, without the offset s, which continuous times do not need.
    """
    angle = t.clamp(0.0, 1.0) * (math.pi / 2)
    return angle.cos(), angle.sin()


def straight(t: Float[Tensor, "*t"]) -> tuple[Float[Tensor, "*t"], Float[Tensor, "*t"]]:
    """The straight path of flow matching, from noise at t = 0 to data at t = 1: alpha = t, sigma = 1 - t.

    Lipman et al. 2023, arXiv:2210.02747, eq. 22 with sigma_min = 0.
    """
    return t, 1.0 - t


def karras_sigmas(n: int, *, low: float = 0.002, high: float = 80.0, rho: float = 7.0) -> Float[Tensor, "n_plus_one"]:
    """n falling noise levels sigma / alpha, dense near `low`, and a last 0.

    Karras et al. 2022, arXiv:2206.00364, eq. 5.

    >>> [round(s, 3) for s in karras_sigmas(3).tolist()]
    [80.0, 2.515, 0.002, 0.0]
    """
    ramp = torch.linspace(0.0, 1.0, n) if n > 1 else torch.zeros(1)
    roots = high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))
    return torch.cat([roots**rho, torch.zeros(1)])


def log_snr(schedule: Schedule, t: Float[Tensor, "*t"]) -> Float[Tensor, "*t"]:
    """ln(alpha^2 / sigma^2); infinite where there is no noise or no data."""
    alpha, sigma = schedule(t)
    return 2.0 * (alpha.log() - sigma.log())


def logit_normal(n: int, rng: torch.Generator, *, mean: float = 0.0, scale: float = 1.0) -> Float[Tensor, "n"]:
    """n times in (0, 1) with normal logit: most weight on middle times, where the velocity is hardest to guess.

    Stratified: one draw per n-th of the distribution, which lowers the variance of a batch's loss.
    Esser et al. 2024, arXiv:2403.03206, eq. 19.
    """
    return torch.sigmoid(mean + scale * torch.special.ndtri(uniform(n, rng).clamp(1e-6, 1 - 1e-6)))


def uniform(n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
    """n uniform times in [0, 1), one in each n-th of it, in random order.

    Kingma et al. 2021, arXiv:2107.00630, appendix I.1 (low-discrepancy sampler, here with independent offsets).
    """
    strata = torch.randperm(n, generator=rng, device=rng.device)
    return (strata + torch.rand(n, generator=rng, device=rng.device)) / n


def min_snr_weight(alpha: Tensor, sigma: Tensor, *, gamma: float = 5.0) -> Tensor:
    """Weight min(SNR, gamma) of a squared error in x: no time's gradients drown the others.

    An error in v has the weight min(SNR, gamma) / (SNR + 1), one in eps min(SNR, gamma) / SNR.
    Hang et al. 2023, arXiv:2303.09556, eq. 8.
    """
    return (alpha / sigma).square().clamp(max=gamma)


def from_x(x_t: Tensor, x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(x, eps) of a net that outputs the clean x; needs sigma > 0."""
    return x, (x_t - alpha * x) / sigma


def from_eps(x_t: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(x, eps) of a net that outputs the noise; needs alpha > 0. Ho et al. 2020, eq. 15."""
    return (x_t - sigma * eps) / alpha, eps


def from_v(x_t: Tensor, v: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(x, eps) of a net that outputs v = alpha eps - sigma x, on a schedule with alpha^2 + sigma^2 = 1.

    Salimans and Ho 2022, arXiv:2202.00512, appendix D.
    """
    return alpha * x_t - sigma * v, sigma * x_t + alpha * v


def from_velocity(x_t: Tensor, u: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(x, eps) of a net that outputs u = x - eps, on a schedule with alpha + sigma = 1."""
    return x_t + sigma * u, x_t - alpha * u


def to_eps(x_t: Tensor, x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """The noise that clean data `x` implies: the inverse of `from_eps`."""
    return from_x(x_t, x, alpha, sigma)[1]


def to_v(x: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """v = alpha eps - sigma x: the inverse of `from_v`."""
    return alpha * eps - sigma * x


def to_velocity(x: Tensor, eps: Tensor) -> Tensor:
    """u = x - eps: the inverse of `from_velocity`."""
    return x - eps
