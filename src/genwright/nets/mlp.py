"""A residual multilayer perceptron, for vectors."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class MLP(nn.Module):
    """`depth` residual blocks x + W₂ SiLU(W₁ SiLU(x)) between two linear maps.

    There is no normalisation, so that it also serves as a critic under gradient penalties; the last map of each block
    starts at zero, which keeps the variance at the start whatever the depth (Zhang et al. 2019, arXiv:1901.09321).
    """

    def __init__(self, inputs: int, outputs: int, *, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.last = nn.Linear(width, outputs)

    def forward(self, x: Float[Tensor, "n inputs"]) -> Float[Tensor, "n outputs"]:
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return self.last(F.silu(h))


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        return x + self.last(F.silu(self.first(F.silu(x))))
