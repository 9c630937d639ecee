"""The one embedding of condition columns, shared by every net that can be conditioned."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.spaces import Columns, Discrete

FREQUENCIES = (0.5, 1.0, 2.0)  # radians per standard deviation of an encoded value


class ContextEmbedding(nn.Module):
    """Condition columns as one vector; an unknown entry (NaN) has an embedding of its own.

    Discrete columns look up a learned row, of which each column has one more than it has levels ("unknown").
    Continuous columns pass the value with its sines and cosines, and a flag for "unknown", through a linear map.
    The sum goes through a residual two-layer perceptron, so that columns can interact.
    """

    offsets: Tensor
    unknown: Tensor
    frequencies: Tensor

    def __init__(self, context: Columns, width: int) -> None:
        super().__init__()
        self.discrete, self.continuous = context.discrete, context.continuous
        levels = [column.levels for column in context.columns if isinstance(column, Discrete)]
        starts = [sum(levels[:i]) + i for i in range(len(levels))]
        self.register_buffer("offsets", torch.tensor(starts, dtype=torch.long), persistent=False)
        self.register_buffer("unknown", torch.tensor(levels, dtype=torch.float32), persistent=False)
        self.register_buffer("frequencies", torch.tensor(FREQUENCIES), persistent=False)
        self.scale = 1.0 / math.sqrt(len(context.columns))
        self.table = nn.Embedding(sum(levels) + len(levels), width) if levels else None
        features = len(self.continuous) * (2 + 2 * len(FREQUENCIES))
        self.values = nn.Linear(features, width) if features else None
        self.mix = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, context: Float[Tensor, "n c"]) -> Float[Tensor, "n width"]:
        """Rows with NaN where unknown to vectors of about unit variance."""
        total = context.new_zeros(())
        if self.values is not None:
            total = total + self.values(self._features(context[:, self.continuous]))
        if self.table is not None:
            levels = context[:, self.discrete]
            rows = torch.where(levels.isnan(), self.unknown, levels).long() + self.offsets
            total = total + self.table(rows).sum(dim=1)
        total = total * self.scale
        return total + self.mix(total)

    def _features(self, values: Float[Tensor, "n k"]) -> Float[Tensor, "n f"]:
        missing = values.isnan()
        known = (~missing).to(values.dtype)
        angles = values.nan_to_num(0.0)[..., None] * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1) * known[..., None]
        return torch.cat([values.nan_to_num(0.0), 1.0 - known, waves.flatten(1)], dim=1)


def drop_context(context: Float[Tensor, "n c"], rate: float, rng: torch.Generator) -> Float[Tensor, "n c"]:
    """Forget whole rows with probability `rate`, so that one net learns the conditional and the unconditional law.

    Ho and Salimans 2022, arXiv:2207.12598, Algorithm 1.
    """
    dropped = torch.rand(len(context), 1, generator=rng, device=context.device) < rate
    return torch.where(dropped, torch.nan, context)
