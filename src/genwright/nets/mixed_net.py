"""A residual perceptron that restores rows of mixed columns: values from noise, levels from masks."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genwright.nets.context import ContextEmbedding, embedding_of
from genwright.nets.flow_net import FlowNet
from genwright.nets.relaxation import log_frequencies
from genwright.nets.time_embedding import TimeEmbedding
from genwright.spaces import Columns, Conditions, Continuous, Discrete

BLOCKS = 3


class MixedNet(FlowNet):
    """Rows with noised values and masked levels (NaN), at times t, to what they say of the clean rows.

    Every level of every column, "masked" among them, has an embedding of its own. Values enter with their sines and
    cosines, given clean ones by another map than noised ones. All are summed with the time and the context. The output
    has one number per continuous column, then one logit per level of each discrete column: before training, the
    `log_frequencies` of the levels.
    """

    space: Columns

    def __init__(self, space: Columns, conditions: Conditions | None, *, width: int) -> None:
        super().__init__()
        self.space, self.conditions = space, conditions
        self.levels = [column.levels for column in space.columns if isinstance(column, Discrete)]
        self.time = TimeEmbedding(width)
        clean = tuple(Continuous(space.columns[i].name) for i in space.continuous)
        self.row = ContextEmbedding(Columns(space.columns + clean), width)
        self.condition = None if conditions is None else embedding_of(conditions, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(BLOCKS))
        self.head = nn.Linear(width, len(space.continuous) + sum(self.levels))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @torch.no_grad()
    def start_from(self, x: Float[Tensor, "n c"]) -> None:
        """Let the net say how frequent levels are in x, before it has learned anything."""
        for bias, levels in zip(self.level_biases, log_frequencies(self.space, x), strict=True):
            bias.copy_(levels)

    @property
    def level_biases(self) -> tuple[Float[Tensor, "levels"], ...]:
        """What is added to the logits of each discrete column, whatever is seen."""
        return self.head.bias.detach().split([len(self.space.continuous), *self.levels])[1:]

    def forward(
        self,
        x: Float[Tensor, "n c"],
        t: Float[Tensor, "n"],
        context: Float[Tensor, "n k"] | None = None,
        known: Float[Tensor, "n c"] | None = None,
    ) -> Float[Tensor, "n o"]:
        """Where `known` (0 or 1) is 1, `x` holds given clean entries."""
        inner = self.space.continuous
        values = x[:, inner]
        given = torch.zeros_like(values) if known is None else known[:, inner]
        noised = x.index_copy(
            1, torch.tensor(inner, dtype=torch.long, device=x.device), values.masked_fill(given > 0, torch.nan)
        )
        h = self.row(torch.cat([noised, values.masked_fill(given == 0, torch.nan)], dim=1)) + self.time(t)
        if self.condition is not None:
            h = h + self.condition(context)
        for block in self.blocks:
            h = block(h)
        return self.head(F.layer_norm(h, h.shape[1:])).float()

    def split(self, out: Float[Tensor, "n o"]) -> tuple[Float[Tensor, "n v"], tuple[Float[Tensor, "n l"], ...]]:
        """The output as predictions of values, and the logits of each discrete column."""
        values, *logits = out.split([len(self.space.continuous), *self.levels], dim=1)
        return values, tuple(logits)


class _Block(nn.Module):
    """x + linear(SiLU(linear(norm(x)))), twice as wide inside: without modulation by time, small nets learn most."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "n w"]) -> Float[Tensor, "n w"]:
        return x + self.second(F.silu(self.first(self.norm(x))))
