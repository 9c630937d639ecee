"""A critic that also sees how much the records it is shown together differ from each other."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SetCritic(nn.Module):
    """Scores of records by an encoder's features, beside the mean standard deviation of these over the whole set.

    Records that are all alike are told from real ones by that alone, so a generator cannot afford a few modes. After
    Karras et al. 2018, arXiv:1710.10196, section 3; Salimans et al. 2016, arXiv:1606.03498, section 3.2.
    """

    def __init__(self, encoder: nn.Module, features: int) -> None:
        super().__init__()
        self.encoder, self.last = encoder, nn.Linear(features + 1, 1)

    def forward(self, x: Float[Tensor, "n *s"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n 1"]:
        h = self.encoder(x, context)
        variance = h.var(0, correction=0) if len(h) > 1 else torch.zeros_like(h[0])
        spread = (variance + 1e-8).sqrt().mean()
        return self.last(torch.cat([h, spread.expand(len(h), 1)], dim=1))
