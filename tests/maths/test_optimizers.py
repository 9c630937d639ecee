"""Optimiser recipes: every parameter in exactly one place, and each recipe learns."""

from functools import partial

import pytest
import torch
from torch import nn

from genwright.maths.optimizers import adamw, muon_and_adamw


def hidden(module: nn.Module) -> list[nn.Parameter]:
    return [module[2].weight]


RECIPES = [adamw, partial(adamw, weight_decay=0.1), partial(muon_and_adamw, matrices=hidden)]


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_parameter_once(recipe) -> None:
    module = net()
    held = [id(p) for optimizer in recipe(module) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in module.parameters())


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_fit_a_small_function(recipe) -> None:
    module, x = net(), torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, :1] * x[:, 1:2]).tanh()
    optimizers = recipe(module)
    losses = []
    for _ in range(200):
        loss = (module(x) - y).square().mean()
        module.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
