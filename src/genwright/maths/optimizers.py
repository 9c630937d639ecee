"""Optimiser recipes: functions from a module to the optimisers that train it, each parameter in exactly one of them."""

from collections.abc import Callable

import torch
from torch import nn

from genwright.maths.muon import Muon


def adamw(
    module: nn.Module,
    *,
    learning_rate: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
) -> list[torch.optim.Optimizer]:
    """AdamW on all parameters; weight decay on matrices and filters only. Loshchilov & Hutter 2019, arXiv:1711.05101.

    >>> [optimizer] = adamw(nn.Linear(3, 2), weight_decay=0.1)
    >>> [group["weight_decay"] for group in optimizer.param_groups]
    [0.1, 0.0]
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return [torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=True)] if groups else []


def muon_and_adamw(
    module: nn.Module,
    *,
    matrices: Callable[[nn.Module], list[nn.Parameter]],
    muon_learning_rate: float = 0.02,
    learning_rate: float = 3e-3,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) on the hidden `matrices` of `module`, AdamW on embeddings, head, gains and biases.

    `matrices` names the former, for example `genwright.nets.transformer.block_matrices`.
    """
    hidden = [p for p in matrices(module) if p.requires_grad]
    chosen = {id(p) for p in hidden}
    rest = [p for p in module.parameters() if id(p) not in chosen and p.requires_grad]
    muon = [Muon(hidden, lr=muon_learning_rate, weight_decay=weight_decay)] if hidden else []
    others = [torch.optim.AdamW(rest, lr=learning_rate, betas=betas, weight_decay=0.0, fused=True)] if rest else []
    return [*muon, *others]
