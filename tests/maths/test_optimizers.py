"""Optimiser recipes: every parameter in exactly one place, and each recipe learns."""

from functools import partial

import pytest
import torch
from torch import nn

from genwright.maths.muon import Muon, orthogonalised
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


@pytest.mark.parametrize("shape", [(16, 16), (8, 32), (32, 8)])
def test_orthogonalised_matrices_keep_their_directions_alone(shape) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    found = orthogonalised(matrices)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    sizes = torch.diagonal(u.mT @ found @ v.mT, dim1=1, dim2=2)
    assert torch.allclose(found, u @ torch.diag_embed(sizes) @ v, atol=1e-4)
    assert float(sizes.min()) > 0.6 and float(sizes.max()) < 1.3


def test_muon_steps_as_in_torch() -> None:
    """torch's own computes in bfloat16, which has three digits, and so do we under autocast."""
    rng = torch.Generator().manual_seed(0)
    mine = [torch.nn.Parameter(torch.randn(shape, generator=rng)) for shape in [(16, 16), (8, 32), (32, 8), (16, 16)]]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in mine]
    start = [p.detach().clone() for p in mine]
    optimizers = [
        Muon(mine, lr=0.02, momentum=0.9),
        torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.0),
    ]
    for _ in range(3):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=rng)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b, at in zip(mine, theirs, start, strict=True):
        assert (a - b).norm() < 0.05 * (a - at).norm()


def test_weights_decay_only_where_the_step_makes_them_smaller() -> None:
    rng = torch.Generator().manual_seed(0)
    start, gradient = (torch.randn(8, 8, generator=rng) for _ in range(2))
    plain, decayed = (torch.nn.Parameter(start.clone()) for _ in range(2))
    for matrix, decay in ((plain, 0.0), (decayed, 0.5)):
        matrix.grad = gradient.clone()
        Muon([matrix], lr=0.1, weight_decay=decay).step()
    smaller = (start - plain) * start > 0
    torch.testing.assert_close(plain - decayed, 0.05 * start * smaller)


def test_a_matrix_without_gradient_stays() -> None:
    still = torch.nn.Parameter(torch.ones(2, 2))
    Muon([still], lr=1.0).step()
    assert torch.equal(still, torch.ones(2, 2))
