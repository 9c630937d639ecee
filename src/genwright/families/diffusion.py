"""Diffusion: learn to remove Gaussian noise of every strength."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.families import denoising
from genwright.families.denoising import Denoising, Path, Process, space_of
from genwright.families.family import DEFAULT
from genwright.families.mixed import process_of
from genwright.families.sampling import Sampling
from genwright.maths.samplers import ddim, dpmpp_2m
from genwright.maths.schedules import Prediction, Schedule, from_v, linear_beta, min_snr_weight, uniform

DEFAULT_STEPS = 20  # of arrays
FIRST, LAST = 0.001, 0.998  # times between which nets are trained; beyond, nothing of the data or of the noise is left


@dataclass(frozen=True, kw_only=True)
class Diffusion(Denoising):
    """Regress the clean x on x_t = alpha_t x + sigma_t eps, weighted by min(SNR, 5).

    By default the classic linear-beta schedule (Ho et al. 2020, arXiv:2006.11239) in closed form at continuous times,
    v-prediction (Salimans and Ho 2022, arXiv:2202.00512), and DPM-Solver++(2M); the sampler `ddpm` with some hundreds
    of steps is ancestral sampling. `width`, `context_dropout` and `net` are as in `FlowMatching`.

    In tables this is for values; levels are masked and restored at the same times (masked diffusion): Shi et al. 2025,
    "TabDiff", arXiv:2410.20626, see `genwright.families.mixed`.
    """

    name: ClassVar[str] = "diffusion"

    schedule: Schedule = linear_beta
    prediction: Prediction = from_v

    def train_times(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
        return self.even_times(n, rng)

    def even_times(self, n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
        return FIRST + (LAST - FIRST) * uniform(n, rng)

    def decode(
        self, net: nn.Module, z: Float[Tensor, "n *z"], context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Tensor:
        return replace(self.process(net, how), sampler=ddim).decode(net, z, context)

    def encode(
        self, net: nn.Module, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Float[Tensor, "n *z"]:
        way = replace(self.process(net, how), sampler=ddim)
        return way.encode(net, x, context, way.times.flip(0).clamp(min=FIRST))

    def process(self, net: nn.Module, how: Sampling) -> Process:
        steps = how.steps or denoising.default_steps(space_of(net), DEFAULT_STEPS)
        return process_of(space_of(net))(
            schedule=self.schedule,
            prediction=self.prediction,
            error=self._error,
            sampler=how.sampler or dpmpp_2m,
            times=torch.linspace(LAST, 0.0, steps + 1),
            guidance=denoising.GUIDANCE if how.guidance is None else how.guidance,
            temperature=1.0 if how.temperature is None else how.temperature,
        )

    def _error(self, out: Tensor, path: Path) -> Tensor:
        clean, _ = self.prediction(path.x_t, out, path.alpha, path.sigma)
        return min_snr_weight(path.alpha, path.sigma) * (clean - path.clean).square()
