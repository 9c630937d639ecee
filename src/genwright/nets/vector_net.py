"""A residual perceptron for velocities, noises or clean vectors: arrays that are not images."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from genwright.nets.context import embedding_of
from genwright.nets.flow_net import FlowNet
from genwright.nets.time_embedding import TimeEmbedding
from genwright.spaces import Conditions, Reals

BLOCKS = 4


class VectorFlowNet(FlowNet):
    """Vector-to-vector net conditioned on time, context and given entries; computes on flattened arrays.

    The last layer starts at zero.
    """

    def __init__(self, space: Reals, conditions: Conditions | None, *, width: int) -> None:
        super().__init__()
        self.space, self.conditions = space, conditions
        size = space.size
        self.time = TimeEmbedding(width)
        self.condition = None if conditions is None else embedding_of(conditions, width)
        self.stem = nn.Linear(2 * size, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(BLOCKS))
        self.head = nn.Linear(width, size)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        x: Float[Tensor, "n *s"],
        t: Float[Tensor, "n"],
        context: Float[Tensor, "n k"] | None = None,
        known: Float[Tensor, "n *s"] | None = None,
    ) -> Float[Tensor, "n *s"]:
        """`x` at times `t` in [0, 1]; where `known` (0 or 1) is 1, `x` holds given clean values."""
        embedded = self.time(t)
        if self.condition is not None:
            embedded = embedded + self.condition(context)
        embedded = functional.silu(embedded)
        known = torch.zeros_like(x) if known is None else known
        h = self.stem(torch.cat([x.flatten(1), known.flatten(1)], dim=1))
        for block in self.blocks:
            h = block(h, embedded)
        h = functional.layer_norm(h, h.shape[1:])
        return self.head(h).float().unflatten(1, x.shape[1:])


class Block(nn.Module):
    """x + linear(SiLU(linear(FiLM(norm(x))))), twice as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulate = nn.Linear(width, 2 * width)
        self.first = nn.Linear(width, 2 * width)
        self.second = nn.Linear(2 * width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "n c"], embedded: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        scale, shift = self.modulate(embedded).chunk(2, dim=1)
        h = torch.addcmul(shift, functional.layer_norm(x, x.shape[1:]), 1.0 + scale)
        return x + self.second(functional.silu(self.first(h)))
