"""Muon: momentum steps whose matrices are made orthogonal, all matrices of one shape in one product."""

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that lifts small singular values fastest (Jordan et al. 2024)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; for hidden matrices. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon.

    Without decay, the same updates as `torch.optim.Muon`, which computes in bfloat16 whatever the processor: where that
    is emulated (AVX2 alone, as in most laptops) a product takes twenty times as long as in float32. Here the products
    are in the type of the matrices, or of the autocast region that `step` is called in. Weights decay only where the
    step makes them smaller too (Chen et al. 2025, arXiv:2510.12402, "cautious").

    >>> matrix = nn.Parameter(torch.eye(3))
    >>> matrix.grad = torch.diag(torch.tensor([1.0, 2.0, 4.0]))
    >>> Muon([matrix], lr=0.1).step()
    >>> bool((matrix.detach().diagonal() < 0.95).all())
    True
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no line search: it takes no closure
        """Move every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[tuple(matrix.shape)].append(matrix)
            for (rows, columns), matrices in alike.items():
                updates = orthogonalised(torch.stack(self._momenta(matrices, group["momentum"])))
                rate, moved = group["lr"] * math.sqrt(max(1.0, rows / columns)), [matrix.data for matrix in matrices]
                steps = list(updates.to(moved[0].dtype).unbind())
                if group["weight_decay"]:
                    shrunk = [matrix * (matrix * step > 0) for matrix, step in zip(moved, steps, strict=True)]
                    torch._foreach_add_(moved, shrunk, alpha=-group["lr"] * group["weight_decay"])
                torch._foreach_add_(moved, steps, alpha=-rate)

    def _momenta(self, matrices: list[nn.Parameter], momentum: float) -> list[Tensor]:
        """The running mean of each matrix's gradients, looked at one step ahead (Nesterov)."""
        gradients: list[Tensor] = [matrix.grad for matrix in matrices if matrix.grad is not None]
        for matrix in matrices:
            if not self.state[matrix]:
                self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
        means = [self.state[matrix]["momentum_buffer"] for matrix in matrices]
        torch._foreach_lerp_(means, gradients, 1.0 - momentum)
        return list(torch._foreach_lerp(gradients, means, momentum))


def orthogonalised(matrices: Float[Tensor, "n rows columns"]) -> Float[Tensor, "n rows columns"]:
    """Each matrix with its singular values moved to between about 0.7 and 1.2, by five steps of Newton and Schulz."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
