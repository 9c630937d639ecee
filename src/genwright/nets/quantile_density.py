"""A flexible density for one real value that is about standard normal."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

EDGE = 5.3  # values further out than this many standard deviations are drawn at it


class QuantileDensity:
    """p(x) = N(x; 0, 1) q(Phi(x)), where q is a density on [0, 1] that is linear inside each of `bins` equal bins.

    A net gives `parameters_needed` numbers per value: the logits of the bins and the slopes inside them. All zeros is
    the standard normal itself. The density is exact, and so is sampling, by inverting the quadratic distribution
    function inside a bin.
    """

    def __init__(self, bins: int) -> None:
        self.bins = bins

    @property
    def parameters_needed(self) -> int:
        """Numbers that describe one density."""
        return 2 * self.bins

    def log_prob(self, head: Float[Tensor, "n p"], x: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Log-density of x in nats."""
        logits, slopes = head[:, : self.bins], head[:, self.bins :]
        place = torch.special.ndtr(x.double()) * self.bins
        index = place.long().clamp(max=self.bins - 1)
        within = (place - index).to(head.dtype)
        slope = slopes.gather(1, index[:, None])[:, 0].tanh() * SLOPE_LIMIT
        log_bin = logits.log_softmax(dim=1).gather(1, index[:, None])[:, 0] + math.log(self.bins)
        log_normal = -0.5 * x.square() - 0.5 * math.log(2.0 * math.pi)
        return log_normal + log_bin + torch.log1p(slope * (2.0 * within - 1.0))

    def sample(self, head: Float[Tensor, "n p"], rng: torch.Generator) -> Float[Tensor, "n"]:
        """One value per row."""
        logits, slopes = head[:, : self.bins], head[:, self.bins :]
        noise = torch.empty_like(logits).exponential_(generator=rng).clamp_(min=1e-30)
        index = (logits - noise.log()).argmax(dim=1)
        slope = slopes.gather(1, index[:, None])[:, 0].double().tanh() * SLOPE_LIMIT
        chance = torch.rand(len(head), generator=rng, device=head.device, dtype=torch.float64)
        # t + s (t^2 - t) = chance, solved for t in the form that is stable as s goes to 0
        rest = 1.0 - slope
        within = 2.0 * chance / (rest + (rest.square() + 4.0 * slope * chance).sqrt()).clamp(min=1e-12)
        return torch.special.ndtri((index + within) / self.bins).clamp(-EDGE, EDGE).to(head.dtype)


SLOPE_LIMIT = 0.999  # keeps the density above zero everywhere
