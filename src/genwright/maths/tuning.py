"""What trained language models are tuned to: pure functions of log-probabilities, preferences and rewards."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

SPREAD = 1e-4  # added to the standard deviation of rewards, so that equal ones give no advantage


def mean_over(values: Float[Tensor, "n t"], scored: Bool[Tensor, "n t"]) -> Float[Tensor, ""]:
    """The mean of the values that are scored; 0 where none is.

    With -log p of tokens it is the loss of supervised tuning, which counts completions and not prompts.

    >>> mean_over(torch.tensor([[9.0, 1.0, 3.0]]), torch.tensor([[False, True, True]]))
    tensor(2.)
    """
    return (values * scored).sum() / scored.sum().clamp(min=1)


def dpo_margin(
    chosen: Float[Tensor, "n"],
    rejected: Float[Tensor, "n"],
    reference_chosen: Float[Tensor, "n"],
    reference_rejected: Float[Tensor, "n"],
) -> Float[Tensor, "n"]:
    """How much more than the reference a model prefers the chosen answer to the rejected one, in nats."""
    return (chosen - reference_chosen) - (rejected - reference_rejected)


def dpo_loss(margin: Float[Tensor, "n"], *, beta: float) -> Float[Tensor, "n"]:
    """-log sigmoid(beta * margin) of each pair. Rafailov et al. 2023, arXiv:2305.18290, eq. 7.

    `beta` is how closely the model is held to the reference: the optimum for reward r is the reference reweighted by
    exp(r / beta).

    >>> dpo_loss(torch.tensor([0.0]), beta=0.1).item() == torch.tensor(2.0).log().item()
    True
    """
    return -F.logsigmoid(beta * margin)


def group_advantages(rewards: Float[Tensor, "n g"]) -> Float[Tensor, "n g"]:
    """Rewards of g answers to each prompt, standardised within each prompt.

    Shao et al. 2024, arXiv:2402.03300, section 4.1.2.

    >>> group_advantages(torch.tensor([[0.0, 2.0], [5.0, 5.0]])).round(decimals=3)
    tensor([[-1.,  1.],
            [ 0.,  0.]])
    """
    spread = rewards.std(dim=1, keepdim=True, correction=0)
    return (rewards - rewards.mean(dim=1, keepdim=True)) / (spread + SPREAD)


def clipped_surrogate(
    log_prob: Float[Tensor, "n t"], sampled: Float[Tensor, "n t"], advantage: Float[Tensor, "n"], *, clip: float
) -> Float[Tensor, "n t"]:
    """min(ratio A, clip(ratio, 1 - clip, 1 + clip) A) of each token; its gradient is the policy gradient at ratio 1.

    `sampled` are log-probabilities under the very distribution that tokens were drawn from. Schulman et al. 2017,
    arXiv:1707.06347, eq. 7.
    """
    ratio = (log_prob - sampled).exp()
    weight = advantage[:, None]
    return torch.minimum(ratio * weight, ratio.clamp(1.0 - clip, 1.0 + clip) * weight)


def kl_estimate(log_prob: Float[Tensor, "n t"], reference: Float[Tensor, "n t"]) -> Float[Tensor, "n t"]:
    """An estimate of KL(model || reference) from each token that the model drew: unbiased, and never below 0.

    Shao et al. 2024, arXiv:2402.03300, eq. 4.
    """
    apart = reference - log_prob
    return apart.exp() - apart - 1.0
