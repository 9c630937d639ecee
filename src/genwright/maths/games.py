"""What the players of an adversarial game minimise: functions of the scores of what one prefers, and of the other."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

STEP = 0.01  # length of the finite difference, in units of encoded data (about 1)

Scores = Float[Tensor, "n"]
Game = Callable[[Scores, Scores], Float[Tensor, ""]]


def relativistic(preferred: Scores, other: Scores) -> Float[Tensor, ""]:
    """softplus(other - preferred): each real record against one generated.

    Jolicoeur-Martineau 2019, arXiv:1807.00734; Huang et al. 2024, arXiv:2501.05441, eq. 2.
    """
    return F.softplus(other - preferred).mean()


def non_saturating(preferred: Scores, other: Scores) -> Float[Tensor, ""]:
    """softplus(-preferred) + softplus(other), the classic game. Goodfellow et al. 2014, arXiv:1406.2661, section 3."""
    return (F.softplus(-preferred) + F.softplus(other)).mean()


def minimax(preferred: Scores, other: Scores) -> Float[Tensor, ""]:
    """The same for the critic; the generator minimises its negative, log (1 - D(G(z))), which is flat where it loses.

    Goodfellow et al. 2014, eq. 1. A game to learn from: see Arjovsky & Bottou 2017, arXiv:1701.04862, section 2.
    """
    return non_saturating(preferred, other)


def saturating(preferred: Scores, other: Scores) -> Float[Tensor, ""]:
    """-softplus(preferred): what the generator minimises in the minimax game, of its own records alone."""
    return -F.softplus(preferred).mean()


REPLIES: dict[Game, Game] = {minimax: saturating}  # where the generator plays another game than the critic


def reply(objective: Game) -> Game:
    """What the generator minimises: the same game with the sides exchanged, unless REPLIES says otherwise."""
    return REPLIES.get(objective, objective)


def gradient_penalty(
    critic: Callable[[Tensor], Scores], x: Float[Tensor, "n *s"], scores: Scores, rng: torch.Generator
) -> Float[Tensor, ""]:
    """An estimate of E ‖∇ critic(x)‖² (Mescheder et al. 2018, arXiv:1801.04406, eq. 9) without second derivatives.

    For v ~ N(0, I), E (v · ∇D)² = ‖∇D‖², and v · ∇D is (D(x + h v) - D(x)) / h up to O(h). `scores` is critic(x).
    Exact in expectation for a linear critic.
    """
    direction = torch.randn(x.shape, generator=rng, device=x.device)
    return ((critic(x + STEP * direction) - scores) / STEP).square().mean()
