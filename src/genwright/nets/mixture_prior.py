"""A Gaussian-mixture distribution of latents, fitted after training to where a trained encoder puts them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.maths.observations import fit_columns, log_likelihood, parameters
from genwright.nets.relaxation import relax
from genwright.spaces import Columns

PASSES = 20  # of expectation-maximisation; the likelihood is all but flat by then
ROWS_PER_COMPONENT = 50  # fewer rows than this cannot carry a component


class MixturePrior(nn.Module):
    """p(z, c) = Σ_k w_k N(z; μ_k, Σ_k) p_k(c), where z and the context c are independent within each component.

    Conditioning on a context, or on any part of one, then only reweights the components. Until `fit` every component
    is N(0, I). Everything is a buffer: it is saved with the net and no optimiser moves it.
    """

    log_weights: Tensor
    means: Tensor
    factors: Tensor
    context_params: Tensor

    def __init__(self, latent: int, context: Columns | None, *, components: int) -> None:
        super().__init__()
        self.context = context
        self.register_buffer("log_weights", torch.full((components,), -math.log(components)))
        self.register_buffer("means", torch.zeros(components, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(components, 1, 1))  # Cholesky factors of Σ_k
        size = 0 if context is None else parameters(context)
        self.register_buffer("context_params", torch.zeros(components, size))

    def log_prob(self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n"]:
        """log p(z | context) in nats; unknown parts of the context (NaN) are marginalised."""
        return torch.logsumexp(self._log_weights_given(len(z), context) + self._log_components(z), dim=1)

    def sample(self, n: int, context: Float[Tensor, "n c"] | None, rng: torch.Generator) -> Float[Tensor, "n d"]:
        """n draws from p(z | context)."""
        weights = self._log_weights_given(n, context).softmax(1)
        chosen = torch.multinomial(weights, 1, generator=rng)[:, 0]
        noise = torch.randn(n, self.means.shape[1], generator=rng, device=self.means.device)
        draws = torch.empty_like(noise)
        for k in chosen.unique().tolist():  # one matrix product per component, not a d x d factor per row
            mine = chosen == k
            draws[mine] = self.means[k] + noise[mine] @ self.factors[k].T
        return draws

    @torch.no_grad()
    def fit(self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None, rng: torch.Generator) -> None:
        """Expectation-maximisation from a random start; covariances are shrunk to the pooled one, after Fraley &
        Raftery 2007 (J. Classification 24), section 3.2.
        """
        most = max(1, min(len(self.log_weights), len(z) // ROWS_PER_COMPONENT))
        log_share = self._first_shares(z, context, most, rng)
        for _ in range(PASSES):
            self._maximise(z, context, log_share.exp())
            joint = self._log_weights_given(len(z), None) + self._log_components(z) + self._log_context(context)
            log_share = joint.log_softmax(1)

    def _first_shares(self, z: Tensor, context: Tensor | None, most: int, rng: torch.Generator) -> Tensor:
        """Log-responsibilities that give each row wholly to the nearest of `most` random rows, near in z and context.

        The context counts as much as all of z, so that components begin with few contexts each, and mostly one label.
        """
        features = z / z.std(0, correction=0).clamp_min(1e-6)
        if self.context is not None:
            assert context is not None
            features = torch.cat([features, math.sqrt(z.shape[1]) * relax(self.context, context).nan_to_num(0.0)], 1)
        seeds = features[torch.randperm(len(z), generator=rng, device=z.device)[:most]]
        nearest = torch.cdist(features, seeds).argmin(1)
        share = torch.zeros(len(z), len(self.log_weights), device=z.device).scatter_(1, nearest[:, None], 1.0)
        return share.log()

    def _maximise(self, z: Tensor, context: Tensor | None, share: Float[Tensor, "n k"]) -> None:
        """The M-step: weights, means and shrunk covariances, and each component's distribution of the context."""
        n, d = z.shape
        count = share.sum(0)
        used = count > 1e-3
        self.log_weights.copy_(torch.where(used, (count / n).log(), -torch.inf))
        self.means.copy_(torch.where(used[:, None], share.T @ z / count.clamp_min(1e-3)[:, None], 0.0))
        pooled = z.T.cov(correction=0).reshape(d, d) + 1e-6 * torch.eye(d, device=z.device)
        target = pooled * float(used.sum()) ** (-2 / d)
        for k in used.nonzero()[:, 0].tolist():
            centred = z - self.means[k]
            scatter = (share[:, k, None] * centred).T @ centred
            self.factors[k] = torch.linalg.cholesky((scatter + (d + 2) * target) / (count[k] + d + 2))
        if self.context is not None:
            assert context is not None
            self.context_params.copy_(fit_columns(self.context, context, share))

    def _log_components(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """log N(z; μ_k, Σ_k)."""
        centred = z.T - self.means[:, :, None]
        white = torch.linalg.solve_triangular(self.factors, centred, upper=False)
        log_volume = self.factors.diagonal(dim1=1, dim2=2).log().sum(1) + z.shape[1] * 0.5 * math.log(2 * math.pi)
        return (-0.5 * white.square().sum(1) - log_volume[:, None]).T

    def _log_weights_given(self, n: int, context: Tensor | None) -> Float[Tensor, "n k"]:
        """log p(k | context)."""
        log_weights = self.log_weights.expand(n, -1)
        return log_weights if context is None else (log_weights + self._log_context(context)).log_softmax(1)

    def _log_context(self, context: Float[Tensor, "n c"] | None) -> Tensor:
        """log p_k(context), (n, k); zero where there is none."""
        if self.context is None or context is None:
            return self.log_weights.new_zeros(1, 1)
        rows = [log_likelihood(self.context, p.expand(len(context), -1), context) for p in self.context_params]
        return torch.stack(rows, dim=1)


class NormalPrior(nn.Module):
    """N(0, I) whatever the context: what training begins with, of latents that are not sampled from their prior."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    def log_prob(self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n"]:
        """log p(z) in nats."""
        return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))

    def sample(self, n: int, context: Float[Tensor, "n c"] | None, rng: torch.Generator) -> Float[Tensor, "n d"]:
        """n draws from p(z)."""
        return torch.randn(n, self.latent, generator=rng, device=rng.device)

    def fit(self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None, rng: torch.Generator) -> None:
        """It stays as it is."""
