"""A flexible density for one real value that is about standard normal."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from genwright.maths import decoding

NORMAL_SHARE = 1e-3  # least weight of the standard normal: keeps every bin's mass, and so every logarithm, finite
NARROWEST = 1e-3  # least scale of a bump, in standard deviations of the column
MIN_MASS = 1e-200  # of a part of the mixture in a range too far out or too narrow to tell
EDGE = 8.0  # values further out than this many standard deviations are drawn at it


class QuantileDensity:
    """p(x) = f(x) r(x): a mixture f of the standard normal and `bumps` logistics, reweighted by a step function r.

    The steps are at the quantiles that cut the standard normal in `bins` equal parts. Bumps give a location and scale
    that a net can move smoothly, as sharp as the data asks for; steps give whatever shape remains. Both the density
    and sampling are exact: r is normalised by the mass that f has in each bin. A net gives `parameters_needed`
    numbers per value; zeros are nearly the standard normal itself.
    """

    def __init__(self, bins: int, bumps: int) -> None:
        self.bins, self.bumps = bins, bumps
        inner = torch.arange(1, bins, dtype=torch.float64) / bins
        self.edges = torch.special.ndtri(inner).float()
        self.homes = torch.special.ndtri((torch.arange(bumps, dtype=torch.float64) + 0.5) / max(1, bumps)).float()

    @property
    def parameters_needed(self) -> int:
        """Numbers that describe one density."""
        return self.bins + 1 + 3 * self.bumps

    def log_prob(self, head: Float[Tensor, "n p"], x: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Log-density of x in nats."""
        steps, weights, places, scales = self._split(head)
        mass = self._masses(weights, places, scales).sum(dim=1)
        log_bins = (steps + mass.log()).log_softmax(dim=1)
        index = self._bin(x)
        z = (x[:, None] - places) / scales
        bumps = F.logsigmoid(z) + F.logsigmoid(-z) - scales.log()
        normal = -0.5 * x.square() - 0.5 * math.log(2.0 * math.pi)
        log_f = (torch.cat([normal[:, None], bumps], dim=1) + weights.log()).logsumexp(dim=1)
        return log_f + (log_bins - mass.log()).gather(1, index[:, None])[:, 0]

    def log_mass(self, head: Float[Tensor, "n p"], low: float, high: float) -> Float[Tensor, "n"]:
        """Log-probability of a value from `low` to `high`, in nats."""
        steps, weights, places, scales = self._split(head)
        whole = self._masses(weights, places, scales).sum(dim=1).log()
        inside = self._masses(weights, places, scales, low, high).sum(dim=1).log()
        return (steps + inside).logsumexp(dim=1) - (steps + whole).logsumexp(dim=1)

    def sample(
        self, head: Float[Tensor, "n p"], rng: torch.Generator, low: float = -math.inf, high: float = math.inf
    ) -> Float[Tensor, "n"]:
        """One value from `low` to `high` per row: a bin, a part of the mixture in it, its truncated inverse."""
        steps, weights, places, scales = self._split(head)
        masses = self._masses(weights, places, scales, low, high)
        index = decoding.draw(steps + masses.sum(dim=1).log(), rng)
        part = decoding.draw(masses.gather(2, index[:, None, None].expand(-1, masses.shape[1], 1))[..., 0].log(), rng)
        uniform = torch.rand(len(head), generator=rng, device=head.device, dtype=torch.float64)
        edges = self._edges(head.device, low, high)
        first, last = edges[index], edges[index + 1]
        below, above = torch.special.ndtr(first), torch.special.ndtr(last)
        value = torch.special.ndtri(below + (above - below) * uniform)
        if self.bumps:
            own = (part - 1).clamp(min=0)[:, None]
            place, scale = places.gather(1, own)[:, 0].double(), scales.gather(1, own)[:, 0].double()
            below, above = torch.sigmoid((first - place) / scale), torch.sigmoid((last - place) / scale)
            bump = place + scale * torch.logit(below + (above - below) * uniform, eps=1e-12)
            value = torch.where(part == 0, value, bump)
        return value.clamp(first, last).clamp(min(-EDGE, high), max(EDGE, low)).to(head.dtype)

    def _split(self, head: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Step heights (n, bins), weights of the normal and the bumps (n, 1 + bumps), places and scales (n, bumps)."""
        steps, weights, places, scales = head.split([self.bins, 1 + self.bumps, self.bumps, self.bumps], dim=1)
        offset = torch.zeros(1 + self.bumps, device=head.device)
        offset[0] = 2.0
        weights = (weights + offset).softmax(dim=1) * (1.0 - NORMAL_SHARE)
        weights = weights + F.pad(torch.full((1,), NORMAL_SHARE), (0, self.bumps)).to(head.device)
        return steps, weights, places + self.homes.to(head.device), F.softplus(scales - 0.5) + NARROWEST

    def _edges(self, device: torch.device, low: float, high: float) -> Float[Tensor, "b"]:
        """Borders of the bins, cut to the range from `low` to `high`."""
        inner = self.edges.double()
        return F.pad(F.pad(inner, (1, 0), value=-math.inf), (0, 1), value=math.inf).clamp(low, high).to(device)

    def _masses(
        self, weights: Tensor, places: Tensor, scales: Tensor, low: float = -math.inf, high: float = math.inf
    ) -> Float[Tensor, "n m bins"]:
        """Mass of each part of the mixture in each bin, as far as it lies from `low` to `high`."""
        if math.isfinite(low) or math.isfinite(high):
            edges = self._edges(weights.device, low, high)
            normal = _between(torch.special.ndtr, edges).expand(len(weights), 1, -1)
            bumps = _between(torch.sigmoid, (edges - places[..., None].double()) / scales[..., None].double())
            return (weights[..., None] * torch.cat([normal, bumps], dim=1)).clamp(min=MIN_MASS)
        normal = torch.full((len(weights), 1, self.bins), 1.0 / self.bins, device=weights.device)
        below = torch.sigmoid((self.edges.to(weights.device) - places[..., None]) / scales[..., None])
        bumps = F.pad(F.pad(below, (1, 0)), (0, 1), value=1.0).diff(dim=2).clamp(min=0.0)
        return weights[..., None] * torch.cat([normal, bumps], dim=1)

    def _bin(self, x: Float[Tensor, "n"]) -> Int[Tensor, "n"]:
        return torch.bucketize(x.contiguous(), self.edges.to(x.device))


def _between(cdf: Callable[[Tensor], Tensor], edges: Float[Tensor, "*m e"]) -> Float[Tensor, "*m b"]:
    """Mass between neighbouring edges under a symmetric distribution, precise in both of its tails."""
    low, high = edges[..., :-1], edges[..., 1:]
    return torch.where(low > 0, cdf(-low) - cdf(-high), cdf(high) - cdf(low))
