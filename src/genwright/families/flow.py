"""Flow matching: learn the velocity that carries noise to data along straight lines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.families import denoising
from genwright.families.denoising import Path, Process, space_of
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Encodes,
    GradientFamily,
    Losses,
    Player,
    Work,
)
from genwright.families.mixed import process_of
from genwright.families.sampling import Sampling
from genwright.maths.samplers import heun
from genwright.maths.schedules import from_velocity, logit_normal, straight, to_velocity, uniform
from genwright.nets.context import drop_context
from genwright.nets.default import denoising_net
from genwright.nets.flow_net import FlowNet
from genwright.nets.mixed_net import MixedNet
from genwright.spaces import Columns, Conditions, Encoded, Given, Reals, Space

DEFAULT_STEPS = 10  # of arrays


@dataclass(frozen=True, kw_only=True)
class FlowMatching(GradientFamily, Encodes):
    """Regress u(x_t, t) on x - eps, where x_t = t x + (1 - t) eps. Lipman et al. 2023, arXiv:2210.02747, eqs. 9 and 23.

    Times have a logit-normal density for arrays, a uniform one for rows. `width` is the net's, in channels or units.
    Samples follow the learned ODE from noise; a condition beside arrays is strengthened by guidance, for which a share
    `context_dropout` of the training rows forgets its condition.
    Some training records are shown in part, so that columns or pixels can be given when sampling.
    A `net` of one's own is a `FlowNet` from (x_t, t, context, known) to velocities; of tables it is a `MixedNet`.

    The levels of tables are masked, one by one, and drawn from their distributions given those that are visible:
    discrete flow matching, see `genwright.families.mixed`.
    """

    width: int | None = None
    context_dropout: float = 0.1

    name: ClassVar[str] = "flow"
    half_precision: ClassVar[bool] = True
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {Reals: FlowNet, Columns: MixedNet}

    def __post_init__(self) -> None:
        denoising.check_counts(self.name, width=self.width, batch=self.batch)
        denoising.check_shares(self.name, context_dropout=self.context_dropout)

    def can(self, space: Space) -> Capabilities:
        return denoising.capabilities(self, space)

    def sized(self, space: Space, work: Work) -> Self:
        return replace(
            self,
            width=self.width or denoising.default_width(space, work),
            batch=self.batch or denoising.default_batch(space, work),
        )

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert self.width is not None, "sized() comes first"
        return denoising_net(space, conditions, width=self.width)

    def prepare(self, net: nn.Module, space: Space, train: Encoded, rng: torch.Generator) -> None:
        if isinstance(net, MixedNet):
            net.start_from(net.space.unpack(train.x))

    def level_biases(self, net: nn.Module) -> tuple[Float[Tensor, "levels"], ...]:
        return net.level_biases if isinstance(net, MixedNet) else ()

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("flow", net, self.loss, denoising.adamw),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """Mean squared error of the velocity, per number, whose floor is the spread of x - eps around u, not 0; and the
        cross-entropy of masked levels.
        """
        context = drop_context(net, context, self.context_dropout, rng)
        known = denoising.random_parts(space_of(net), len(x), rng)
        draw = uniform if isinstance(net, MixedNet) else logit_normal  # every level of rows becomes visible once
        return self._process(net, DEFAULT).losses(net, x, draw(len(x), rng), known, context, rng)

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """The same with everything free and every condition kept, at uniform times."""
        parts = self._process(net, DEFAULT).losses(net, x, uniform(len(x), rng), None, context, rng)
        return torch.stack(list(parts.values())).sum()

    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        return self._process(net, how).sample(net, n, given, rng)

    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        raise denoising.no_density(self.name)

    def draw_latent(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n *z"]:
        """Noise, shaped like records."""
        return torch.randn((n, *space_of(net).shape), generator=rng, device=rng.device)

    def decode(
        self, net: nn.Module, z: Float[Tensor, "n *z"], context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Tensor:
        return self._process(net, how).decode(net, z, context)

    def encode(
        self, net: nn.Module, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Float[Tensor, "n *z"]:
        way = self._process(net, how)
        return way.encode(net, x, context, way.times.flip(0))

    def _process(self, net: nn.Module, how: Sampling) -> Process:
        steps = how.steps or denoising.default_steps(space_of(net), DEFAULT_STEPS)
        return process_of(space_of(net))(
            schedule=straight,
            prediction=from_velocity,
            error=_velocity_error,
            sampler=how.sampler or heun,
            times=torch.linspace(0.0, 1.0, steps + 1),
            guidance=denoising.GUIDANCE if how.guidance is None else how.guidance,
        )


def _velocity_error(out: Tensor, path: Path) -> Tensor:
    return (out - to_velocity(path.clean, path.noise)).square()
