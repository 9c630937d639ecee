"""A one-parameter family whose optimum is known: a Gaussian with a learned mean."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Density,
    GradientFamily,
    Losses,
    Partial,
    Player,
    Work,
    refused,
)
from genwright.families.sampling import Sampling
from genwright.spaces import Conditions, Given, Reals, Space


def sgd(module: nn.Module) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(module.parameters(), lr=0.05, weight_decay=0.0)]


@dataclass(frozen=True, kw_only=True)
class Line(GradientFamily):
    """x ~ N(mean, 1)."""

    name: ClassVar[str] = "line"
    half_precision: ClassVar[bool] = False
    batch: int | None = 16
    explode_at: float = float("inf")  # |mean| beyond which the loss becomes infinite

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Reals):
            raise refused(self, "anything but arrays")
        return Capabilities(density=Density.EXACT, given=Partial.NOTHING)

    def sized(self, space: Space, work: Work) -> Self:
        return self

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        return nn.Sequential(nn.Linear(1, space.size, bias=False), nn.Dropout(0.1))

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        mean = net(torch.ones(len(x), 1))
        noise = 0.01 * torch.randn(x.shape, generator=rng)
        error = 0.5 * (x + noise - mean).square().sum(1).mean()
        return {"error": error / 0.0 if float(mean.detach().abs().max()) > self.explode_at else error}

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("model", net, self.loss, sgd),)

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Tensor:
        return -self.log_prob(net, x, context, rng).mean()

    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Tensor:
        return -0.5 * (x - net(torch.ones(len(x), 1))).square().sum(1)

    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        mean = net(torch.ones(n, 1))
        return mean + torch.randn(mean.shape, generator=rng)
