"""How one symbol is chosen from logits: temperature, penalties, truncations, and the draw. Pure functions on the last
axis.

Truncations keep at least the likeliest symbol and set the logits of what they cut to minus infinity.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

Logits = Float[Tensor, "*b v"]


def temper(logits: Logits, temperature: float) -> Logits:
    """Logits of p^(1 / temperature), normalised; temperature 0 leaves only the likeliest symbol.

    >>> temper(torch.tensor([0.0, 1.0]), 0.5)
    tensor([0., 2.])
    """
    if temperature == 0.0:
        return top_k(logits, 1)
    return logits / temperature


def top_k(logits: Logits, k: int) -> Logits:
    """Keep the k largest logits (of equals, the first). Fan et al. 2018, arXiv:1805.04833, section 5.4."""
    kept = logits.topk(min(k, logits.shape[-1]), dim=-1).indices
    return torch.full_like(logits, -torch.inf).scatter(-1, kept, logits.gather(-1, kept))


def top_p(logits: Logits, p: float) -> Logits:
    """Keep the smallest set of likeliest symbols whose probabilities sum to at least p ("nucleus").

    Holtzman et al. 2020, arXiv:1904.09751, eq. 2-3.
    """
    ordered, index = logits.sort(dim=-1, descending=True, stable=True)
    probability = ordered.double().softmax(dim=-1)
    before = probability.cumsum(dim=-1) - probability
    cut = (before >= p) & (torch.arange(logits.shape[-1], device=logits.device) > 0)
    return torch.empty_like(logits).scatter(-1, index, ordered.masked_fill(cut, -torch.inf))


def min_p(logits: Logits, p: float) -> Logits:
    """Keep symbols at least p times as probable as the likeliest. Nguyen et al. 2024, arXiv:2407.01082, eq. 2-3."""
    probability = logits.double().softmax(dim=-1)
    return logits.masked_fill(probability < p * probability.amax(dim=-1, keepdim=True), -torch.inf)


def penalise(
    logits: Float[Tensor, "*b v"],
    written: Float[Tensor, "*b v"],
    seen: Float[Tensor, "*b v"],
    *,
    repetition: float,
    frequency: float,
    presence: float,
) -> Logits:
    """Logits of symbols lowered that were `written` so often, or are `seen` at all, the prompt included.

    `repetition` divides positive logits of what was seen and multiplies negative ones (Keskar et al. 2019,
    arXiv:1909.05858, section 4.1); `frequency` is subtracted for each time that a symbol was written, `presence` once.

    >>> counts = torch.tensor([0.0, 1.0, 2.0])
    >>> penalise(torch.tensor([1.0, 1.0, -1.0]), counts, counts, repetition=2.0, frequency=0.0, presence=0.0)
    tensor([ 1.0000,  0.5000, -2.0000])
    >>> penalise(torch.tensor([1.0, 1.0, 1.0]), counts, counts, repetition=1.0, frequency=0.5, presence=0.25)
    tensor([ 1.0000,  0.2500, -0.2500])
    """
    divided = torch.where(logits > 0, logits / repetition, logits * repetition)
    return torch.where(seen > 0, divided, logits) - frequency * written - presence * (written > 0)


def draw(logits: Logits, rng: torch.Generator) -> Int[Tensor, "*b"]:
    """One symbol per row."""
    uniform = torch.rand(logits.shape[:-1], generator=rng, device=rng.device, dtype=torch.float64)
    return invert(logits, uniform.to(logits.device))


def invert(logits: Logits, uniform: Float[Tensor, "*b"]) -> Int[Tensor, "*b"]:
    """The symbol of each row that a number in [0, 1) stands for, in float64: in float32 rare symbols would be drawn too
    seldom. Zheng et al. 2024, arXiv:2409.02908, section 5, shows the effect.

    >>> invert(torch.zeros(2, 4), torch.tensor([0.1, 0.6]))
    tensor([0, 2])
    """
    cumulative = logits.double().softmax(dim=-1).cumsum(dim=-1)
    return (cumulative <= uniform[..., None] * cumulative[..., -1:]).sum(dim=-1)
