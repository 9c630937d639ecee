"""Diffusion: learn to remove Gaussian noise of every strength."""

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
from genwright.maths.samplers import ddim, dpmpp_2m
from genwright.maths.schedules import Prediction, Schedule, from_v, linear_beta, min_snr_weight, uniform
from genwright.nets.context import drop_context
from genwright.nets.default import denoising_net
from genwright.nets.flow_net import FlowNet
from genwright.nets.mixed_net import MixedNet
from genwright.spaces import Columns, Conditions, Encoded, Given, Reals, Space

DEFAULT_STEPS = 20  # of arrays
FIRST, LAST = 0.001, 0.998  # times between which nets are trained; beyond, nothing of the data or of the noise is left


@dataclass(frozen=True, kw_only=True)
class Diffusion(GradientFamily, Encodes):
    """Regress the clean x on x_t = alpha_t x + sigma_t eps, weighted by min(SNR, 5).

    By default the classic linear-beta schedule (Ho et al. 2020, arXiv:2006.11239) in closed form at continuous times,
    v-prediction (Salimans and Ho 2022, arXiv:2202.00512), and DPM-Solver++(2M); the sampler `ddpm` with some hundreds
    of steps is ancestral sampling. `width`, `context_dropout` and `net` are as in `FlowMatching`.

    In tables this is for values; levels are masked and restored at the same times (masked diffusion): Shi et al. 2025,
    "TabDiff", arXiv:2410.20626, see `genwright.families.mixed`.
    """

    width: int | None = None
    schedule: Schedule = linear_beta
    prediction: Prediction = from_v
    context_dropout: float = 0.1

    name: ClassVar[str] = "diffusion"
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
        return (Player("diffusion", net, self.loss, denoising.adamw),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """min(SNR, 5) times the squared error of clean numbers, per number; and the cross-entropy of masked levels."""
        context = drop_context(net, context, self.context_dropout, rng)
        known = denoising.random_parts(space_of(net), len(x), rng)
        return self._process(net, DEFAULT).losses(
            net, x, FIRST + (LAST - FIRST) * uniform(len(x), rng), known, context, rng
        )

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """The same with everything free and every condition kept."""
        parts = self._process(net, DEFAULT).losses(
            net, x, FIRST + (LAST - FIRST) * uniform(len(x), rng), None, context, rng
        )
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
        return replace(self._process(net, how), sampler=ddim).decode(net, z, context)

    def encode(
        self, net: nn.Module, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT
    ) -> Float[Tensor, "n *z"]:
        way = replace(self._process(net, how), sampler=ddim)
        return way.encode(net, x, context, way.times.flip(0).clamp(min=FIRST))

    def _process(self, net: nn.Module, how: Sampling) -> Process:
        steps = how.steps or denoising.default_steps(space_of(net), DEFAULT_STEPS)
        return process_of(space_of(net))(
            schedule=self.schedule,
            prediction=self.prediction,
            error=self._error,
            sampler=how.sampler or dpmpp_2m,
            times=torch.linspace(LAST, 0.0, steps + 1),
            guidance=denoising.GUIDANCE if how.guidance is None else how.guidance,
        )

    def _error(self, out: Tensor, path: Path) -> Tensor:
        clean, _ = self.prediction(path.x_t, out, path.alpha, path.sigma)
        return min_snr_weight(path.alpha, path.sigma) * (clean - path.clean).square()
