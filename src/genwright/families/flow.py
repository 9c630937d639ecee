"""Flow matching: learn the velocity that carries noise to data along straight lines."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.families import denoising
from genwright.families.denoising import Denoising, Path, Process, space_of
from genwright.families.family import DEFAULT
from genwright.families.mixed import process_of
from genwright.families.sampling import Sampling
from genwright.maths.samplers import heun
from genwright.maths.schedules import from_velocity, logit_normal, straight, to_velocity, uniform
from genwright.nets.mixed_net import MixedNet

DEFAULT_STEPS = 10  # of arrays


@dataclass(frozen=True, kw_only=True)
class FlowMatching(Denoising):
    """Regress u(x_t, t) on x - eps, where x_t = t x + (1 - t) eps. Lipman et al. 2023, arXiv:2210.02747, eqs. 9 and 23.

    The loss is the mean squared error of the velocity, whose floor is the spread of x - eps around u, not 0.

    Times have a logit-normal density for arrays, a uniform one for rows. `width` is the net's, in channels or units.
    Samples follow the learned ODE from noise; a condition beside arrays is strengthened by guidance, for which a share
    `context_dropout` of the training rows forgets its condition.
    Some training records are shown in part, so that columns or pixels can be given when sampling.
    A `net` of one's own is a `FlowNet` from (x_t, t, context, known) to velocities; of tables it is a `MixedNet`.

    The levels of tables are masked, one by one, and drawn from their distributions given those that are visible:
    discrete flow matching, see `genwright.families.mixed`.
    """

    name: ClassVar[str] = "flow"

    def train_times(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
        draw = uniform if isinstance(net, MixedNet) else logit_normal  # every level of rows becomes visible once
        return draw(n, rng)

    def even_times(self, n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
        return uniform(n, rng)

    def decode(
        self, net: nn.Module, z: Float[Tensor, "n *z"], context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Tensor:
        return self.process(net, how).decode(net, z, context)

    def encode(
        self, net: nn.Module, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Float[Tensor, "n *z"]:
        way = self.process(net, how)
        return way.encode(net, x, context, way.times.flip(0))

    def process(self, net: nn.Module, how: Sampling) -> Process:
        steps = how.steps or denoising.default_steps(space_of(net), DEFAULT_STEPS)
        return process_of(space_of(net))(
            schedule=straight,
            prediction=from_velocity,
            error=_velocity_error,
            sampler=how.sampler or heun,
            times=torch.linspace(0.0, 1.0, steps + 1),
            guidance=denoising.GUIDANCE if how.guidance is None else how.guidance,
            temperature=1.0 if how.temperature is None else how.temperature,
        )


def _velocity_error(out: Tensor, path: Path) -> Tensor:
    return (out - to_velocity(path.clean, path.noise)).square()
