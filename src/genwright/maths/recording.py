"""Samplers recorded instead of run: which mixes of noise and net outputs they feed to the net, at which times.

Every deterministic sampler here is linear in what it starts from and in what the net says, with weights that depend on
the times alone. So it is run on the weights themselves: the noise is the first unit vector, what the net says at its
k-th call the k-th one after it. That tells the whole of it, for programs that know no sampler.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genwright.errors import UnsupportedError
from genwright.maths.samplers import Sampler
from genwright.maths.schedules import Prediction, Schedule

CALLS_PER_STEP = 4  # of a net, at most


@dataclass(frozen=True)
class Call:
    """One call of the net: the weights of the noise and of each output so far, the time, and its share of noise."""

    mix: tuple[float, ...]
    time: float
    noise_share: float


@dataclass(frozen=True)
class Program:
    """All calls, and the weights of the noise and of every output in the result."""

    calls: tuple[Call, ...]
    result: tuple[float, ...]


def recorded(sampler: Sampler, times: Float[Tensor, "k"], schedule: Schedule, prediction: Prediction) -> Program:
    """What `sampler` does; UnsupportedError for one that is not linear, or draws noise on its way.

    >>> from genwright.maths.samplers import ddim
    >>> from genwright.maths.schedules import from_velocity, straight
    >>> program = recorded(ddim, torch.tensor([0.0, 0.5, 1.0]), straight, from_velocity)
    >>> [call.mix for call in program.calls], program.result
    ([(1.0,), (1.0, 0.5)], (1.0, 0.5, 0.5))
    """
    first, calls = _run(sampler, times, schedule, prediction, scale=1.0)
    second, _ = _run(sampler, times, schedule, prediction, scale=2.0)
    if not torch.allclose(2.0 * first, second, rtol=1e-9, atol=1e-9):
        name = getattr(sampler, "__name__", "the sampler")
        hint = "choose ddim, heun or dpmpp_2m"
        raise UnsupportedError(f"{name} is not linear in what the net says", where="sampler", hint=hint)
    return Program(tuple(calls), tuple(first[: len(calls) + 1].tolist()))


def _run(
    sampler: Sampler, times: Tensor, schedule: Schedule, prediction: Prediction, *, scale: float
) -> tuple[Float[Tensor, "w"], list[Call]]:
    """The weights of the result, `scale` times, and the calls."""
    units = scale * torch.eye(CALLS_PER_STEP * len(times) + 1, dtype=torch.float64)
    calls: list[Call] = []

    def model(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = schedule(t)
        weights = tuple((x[0, : len(calls) + 1] / scale).tolist())
        calls.append(Call(weights, float(t), float(sigma / (alpha + sigma))))
        return prediction(x, units[None, len(calls)], alpha, sigma)

    return sampler(model, units[None, 0], times.double(), schedule, torch.Generator().manual_seed(0))[0], calls
