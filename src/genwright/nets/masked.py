"""A bidirectional transformer that restores masked tokens: the net of absorbing-state diffusion."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.nets.context import ReadsConditions
from genwright.nets.transformer import Architecture, Transformer, everywhere
from genwright.spaces import Conditions, Tokens


class MaskedTokens(ReadsConditions):
    """p(x_t | the tokens that are not masked, context) for every position t.

    The mask is the token number after the last. Conditions stand before the first, see `ReadsConditions`. The net is
    not told the time: how much is masked says it already (Ou et al. 2024, arXiv:2406.03736, theorem 1).
    """

    def __init__(self, space: Tokens, conditions: Conditions | None, *, shape: Architecture) -> None:
        super().__init__(conditions, vocabulary=space.vocabulary, width=shape.width)
        self.space, self.mask = space, space.vocabulary
        self.embed_tokens = nn.Embedding(space.vocabulary + 1, shape.width)
        self.lm_head = nn.Linear(shape.width, space.vocabulary, bias=False)
        self.model = Transformer(shape, positions=space.length + self.before)
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        nn.init.zeros_(self.lm_head.weight)

    def forward(self, z: Int[Tensor, "n t"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n t v"]:
        """Logits of every position's token, where masked positions of `z` hold the mask."""
        h = self.embed_tokens(z)
        return self.lm_head(self.model(self.read(context, h, self.embed_tokens), everywhere)[:, self.before :])

    def restoration_nll(
        self, x: Int[Tensor, "n t"], masked: Bool[Tensor, "n t"], context: Float[Tensor, "n c"] | None
    ) -> Float[Tensor, "n"]:
        """-sum of log p(x_t | the rest) over the masked positions of each record, in nats."""
        logits = self(torch.where(masked, self.mask, x), context).float()
        nll = F.cross_entropy(logits.flatten(0, 1), x.flatten(), reduction="none").view_as(x)
        return (nll * masked).sum(dim=1)
