"""Diffusion: learn to remove Gaussian noise of every strength."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families import denoising
from genwright.families.denoising import Integration, space_of
from genwright.families.family import Density, Encodes, GradientFamily, Losses, Player, Work
from genwright.maths.samplers import Sampler, ddim, dpmpp_2m
from genwright.maths.schedules import Prediction, Schedule, from_v, linear_beta, min_snr_weight, uniform
from genwright.nets.context import drop_context
from genwright.spaces import Columns, Given, Reals, Space

FIRST, LAST = 0.001, 0.998  # times between which nets are trained; beyond, nothing of the data or of the noise is left


@dataclass(frozen=True, kw_only=True)
class Diffusion(GradientFamily, Encodes):
    """Regress the clean x on x_t = alpha_t x + sigma_t eps, weighted by min(SNR, 5).

    By default the classic linear-beta schedule (Ho et al. 2020, arXiv:2006.11239) in closed form at continuous times,
    v-prediction (Salimans and Ho 2022, arXiv:2202.00512), and DPM-Solver++(2M) in `sampling_steps` steps; `ddpm` with
    some hundreds of steps is ancestral sampling. `width`, `guidance` and `context_dropout` are as in `FlowMatching`.
    """

    width: int | None = None
    schedule: Schedule = linear_beta
    prediction: Prediction = from_v
    sampler: Sampler = dpmpp_2m
    sampling_steps: int = 20
    guidance: float = 1.5
    context_dropout: float = 0.1

    name: ClassVar[str] = "diffusion"
    spaces: ClassVar[tuple[type, ...]] = (Reals, Columns)
    density: ClassVar[Density] = Density.ABSENT
    half_precision: ClassVar[bool] = True

    def __post_init__(self) -> None:
        denoising.check_counts(self.name, width=self.width, batch=self.batch, sampling_steps=self.sampling_steps)
        denoising.check_shares(self.name, context_dropout=self.context_dropout)
        if self.guidance < 0:
            raise ArgumentError(f"guidance is {self.guidance}", where=self.name, hint="0 ignores the condition")

    def sized(self, space: Space, work: Work) -> Self:
        self.check(space)
        width = self.width or denoising.default_width(space, work)
        return replace(self, width=width, batch=self.batch or denoising.default_batch(space, work))

    def build(self, space: Space, context: Columns | None) -> nn.Module:
        self.check(space)
        assert self.width is not None, "sized() comes first"
        return denoising.net_for(space, context, self.width)

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("diffusion", net, self.loss, denoising.adamw),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """min(SNR, 5) times the squared error of the clean record, per coordinate."""
        context = None if context is None else drop_context(context, self.context_dropout, rng)
        known = denoising.random_parts(space_of(net), len(x), rng)
        return {"denoising": self._error(net, x, known, context, rng)}

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """The same error with everything free and every condition kept."""
        return self._error(net, x, None, context, rng)

    def sample(self, net: nn.Module, n: int, given: Given, rng: torch.Generator) -> Tensor:
        return denoising.draw(net, n, given, self._integration(self.sampler), rng)

    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        raise denoising.no_density(self.name)

    def draw_latent(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n *z"]:
        """The noise at time 1, shaped like the coordinates."""
        return torch.randn((n, *denoising.coordinate_shape(space_of(net))), generator=rng, device=rng.device)

    def decode(self, net: nn.Module, z: Float[Tensor, "n *z"], context: Tensor | None) -> Tensor:
        """Follow the probability-flow ODE from noise to data."""
        context = denoising.complete_context(net, context, len(z), z.device)
        return denoising.records(space_of(net), self._integration(ddim).run(net, z, Given(None, context), None))

    def encode(self, net: nn.Module, x: Tensor, context: Tensor | None) -> Float[Tensor, "n *z"]:
        """Follow the probability-flow ODE from data to noise."""
        how = self._integration(ddim)
        context = denoising.complete_context(net, context, len(x), x.device)
        y = denoising.coordinates(space_of(net), x)
        return replace(how, times=how.times.flip(0).clamp(min=FIRST)).run(net, y, Given(None, context), None)

    def _integration(self, sampler: Sampler) -> Integration:
        times = torch.linspace(LAST, 0.0, self.sampling_steps + 1)
        return Integration(self.schedule, self.prediction, sampler, times, self.guidance)

    def _error(
        self, net: nn.Module, x: Tensor, known: Tensor | None, context: Tensor | None, rng: torch.Generator
    ) -> Float[Tensor, ""]:
        t = FIRST + (LAST - FIRST) * uniform(len(x), rng)
        path = denoising.noised(denoising.coordinates(space_of(net), x), t, known, self.schedule, rng)
        out = net(path.seen, t, context, None if known is None else known.float())
        clean, _ = self.prediction(path.x_t, out, path.alpha, path.sigma)
        return path.mean(min_snr_weight(path.alpha, path.sigma) * (clean - path.clean).square())
