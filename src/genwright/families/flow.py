"""Flow matching: learn the velocity that carries noise to data along straight lines."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families import denoising
from genwright.families.denoising import Integration, space_of
from genwright.families.family import Density, Encodes, GradientFamily, Losses, Player, Work
from genwright.maths.samplers import Sampler, heun
from genwright.maths.schedules import from_velocity, logit_normal, straight, to_velocity, uniform
from genwright.nets.context import drop_context
from genwright.spaces import Columns, Given, Reals, Space


@dataclass(frozen=True, kw_only=True)
class FlowMatching(GradientFamily, Encodes):
    """Regress u(x_t, t) on x - eps, where x_t = t x + (1 - t) eps. Lipman et al. 2023, arXiv:2210.02747, eqs. 9 and 23.

    Times have a logit-normal density. `width` is the net's, in channels or units. Samples follow the learned ODE from
    noise in `sampling_steps` steps of `sampler`; a condition is strengthened by `guidance` (1: not), for which a share
    `context_dropout` of the training rows forgets its condition. A part of the coordinates of some training rows is
    shown clean, so that columns or pixels can be given when sampling.
    """

    width: int | None = None
    sampling_steps: int = 10
    sampler: Sampler = heun
    guidance: float = 1.5
    context_dropout: float = 0.1

    name: ClassVar[str] = "flow"
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
        return (Player("flow", net, self.loss, denoising.adamw),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """Mean squared error of the velocity, per coordinate; its floor is the spread of x - eps around u, not 0."""
        context = None if context is None else drop_context(context, self.context_dropout, rng)
        known = denoising.random_parts(space_of(net), len(x), rng)
        return {"velocity": _velocity_error(net, x, logit_normal(len(x), rng), known, context, rng)}

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """The same error with everything free and every condition kept, at uniform times."""
        return _velocity_error(net, x, uniform(len(x), rng), None, context, rng)

    def sample(self, net: nn.Module, n: int, given: Given, rng: torch.Generator) -> Tensor:
        return denoising.draw(net, n, given, self._integration(), rng)

    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        raise denoising.no_density(self.name)

    def draw_latent(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n *z"]:
        """The noise at time 0, shaped like the coordinates."""
        return torch.randn((n, *denoising.coordinate_shape(space_of(net))), generator=rng, device=rng.device)

    def decode(self, net: nn.Module, z: Float[Tensor, "n *z"], context: Tensor | None) -> Tensor:
        """Follow the ODE from noise to data."""
        context = denoising.complete_context(net, context, len(z), z.device)
        return denoising.records(space_of(net), self._integration().run(net, z, Given(None, context), None))

    def encode(self, net: nn.Module, x: Tensor, context: Tensor | None) -> Float[Tensor, "n *z"]:
        """Follow the ODE from data to noise."""
        how = self._integration()
        context = denoising.complete_context(net, context, len(x), x.device)
        y = denoising.coordinates(space_of(net), x)
        return replace(how, times=how.times.flip(0)).run(net, y, Given(None, context), None)

    def _integration(self) -> Integration:
        times = torch.linspace(0.0, 1.0, self.sampling_steps + 1)
        return Integration(straight, from_velocity, self.sampler, times, self.guidance)


def _velocity_error(
    net: nn.Module, x: Tensor, t: Tensor, known: Tensor | None, context: Tensor | None, rng: torch.Generator
) -> Float[Tensor, ""]:
    path = denoising.noised(denoising.coordinates(space_of(net), x), t, known, straight, rng)
    velocity = net(path.seen, t, context, None if known is None else known.float())
    return path.mean((velocity - to_velocity(path.clean, path.noise)).square())
