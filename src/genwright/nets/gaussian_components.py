"""K Gaussians over arrays, each with a low-rank-plus-diagonal or a full covariance: the components of a mixture."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

WIDE = 256  # dimensions from which on products over dimensions run in float32 for speed
NOISE_FLOOR = 1e-4  # smallest noise variance as a share of the mean variance of the data


class GaussianComponents(nn.Module):
    """x = mean + loading z + noise, with z ~ N(0, I) of `rank` dimensions and independent noise per dimension.

    With `rank` equal to the dimension the covariance is full; with less, components are factor analysers, for which
    images need them: Ghahramani & Hinton 1996, "The EM algorithm for mixtures of factor analyzers", section 3. NaN
    entries are left out (marginalised).
    """

    mean: Tensor
    loading: Tensor
    noise: Tensor
    spread: Tensor

    def __init__(self, shape: tuple[int, ...], *, components: int, rank: int) -> None:
        super().__init__()
        size = int(torch.Size(shape).numel())
        self.shape, self.size, self.rank = shape, size, min(rank, size)
        self.product = torch.float32 if size >= WIDE else torch.float64
        self.register_buffer("mean", torch.zeros(components, size))
        self.register_buffer("loading", torch.zeros(components, size, self.rank))
        self.register_buffer("noise", torch.ones(components, size))
        self.register_buffer("spread", torch.ones(size))

    @property
    def floor(self) -> float:
        """The smallest noise variance."""
        return max(float(self.spread.mean()) * NOISE_FLOOR, 1e-12)

    def prepare(self, x: Float[Tensor, "n *s"]) -> None:
        """Take from data the variances that components are smoothed towards."""
        self.spread.copy_(x.flatten(1).var(dim=0, correction=0))
        self.spread.clamp_(min=self.floor)

    def seed(self, rows: Float[Tensor, "k *s"]) -> None:
        """Centre component k on row k, all with the same round covariance."""
        self.mean.copy_(rows.flatten(1))
        self.loading.zero_()
        self.noise.copy_(self.spread.mean().expand_as(self.noise))

    def orient(self, x: Float[Tensor, "n *s"], nearest: Int[Tensor, "n"]) -> None:
        """Start each loading from the principal directions of the rows `nearest` to it: at zero EM would stay there."""
        x = x.flatten(1)
        for k in range(len(self.mean)):
            own = x[nearest == k]
            residual = own - own.mean(dim=0) if len(own) > 1 else x[:2] * 0.0
            few = min(self.rank, *residual.shape)
            loading = self.loading[k, :, :few]
            if few:  # svd_lowrank wants at least one direction
                _, size, directions = torch.svd_lowrank(residual, q=few)
                loading.copy_(directions * size / math.sqrt(max(1, len(own))))
            rest = residual.square().mean(dim=0) - loading.square().sum(dim=1)
            self.noise[k] = rest.clamp(min=0.0) * 0.5 + self.spread * 0.05
        self.noise.clamp_(min=self.floor)

    def log_prob(self, x: Float[Tensor, "n *s"]) -> Float[Tensor, "n k"]:
        """Log-density in nats of the known entries of each row under each component."""
        x = x.flatten(1)
        out = x.new_empty(len(x), len(self.mean), dtype=torch.float64)
        for known, rows in _patterns(~x.isnan()):
            out[rows] = self._log_prob_known(x[rows][:, known], known)
        return out

    def statistics(self, x: Float[Tensor, "n *s"], share: Float[Tensor, "n k"]) -> tuple[Tensor, ...]:
        """Sums over complete rows, weighted with each component's `share` of the row; they add up over batches."""
        x = x.flatten(1).to(self.product)
        share = share.to(self.product)
        if self.rank == self.size:
            outer = (x[:, :, None] * x[:, None, :]).flatten(1)
            return share.sum(dim=0), share.T @ x, (share.T @ outer).unflatten(1, (self.size, self.size))
        everywhere = torch.ones(self.size, dtype=torch.bool)
        factor, projected = self._posterior(x, everywhere)
        code = torch.cholesky_solve(projected[..., None], factor)[..., 0]  # E[z | x], (n, k, rank)
        spread = torch.cholesky_inverse(factor)  # Cov[z | x], (k, rank, rank)
        code = torch.cat([code.to(self.product), code.new_ones(*share.shape, 1, dtype=self.product)], dim=2)
        weighted = share[..., None] * code
        cross = (x.T @ weighted.flatten(1)).unflatten(1, code.shape[1:]).movedim(0, 1)
        inner = torch.einsum("nki,nkj->kij", weighted, code)
        inner[:, : self.rank, : self.rank] += share.sum(dim=0)[:, None, None] * spread.to(self.product)
        return share.sum(dim=0), cross, inner, share.T @ x.square()

    def maximise(self, statistics: tuple[Tensor, ...], smoothing: float) -> None:
        """The M-step, with `smoothing` further rows per component at its mean with a tenth of the data's variance."""
        if self.rank == self.size:
            self._maximise_full(statistics, smoothing)
        else:
            self._maximise_factors(statistics, smoothing)

    def draw(
        self, which: Int[Tensor, "n"], partial: Float[Tensor, "n *s"], rng: torch.Generator
    ) -> Float[Tensor, "n *s"]:
        """Rows from components `which`; entries of `partial` that are not NaN are kept, the others drawn given them."""
        x = partial.flatten(1)
        code = torch.randn(len(x), self.rank, generator=rng, dtype=torch.float64)
        noise = torch.randn(x.shape, generator=rng) * self.noise[which].sqrt()
        for known, rows in _patterns(~x.isnan()):
            if not known.any():
                continue
            factor, projected = self._posterior(x[rows][:, known], known, which[rows])
            mean = torch.cholesky_solve(projected[..., None], factor)
            # factor factor' is the precision, so factor'^-1 maps white noise to the posterior's covariance
            wiggle = torch.linalg.solve_triangular(factor.mT, code[rows][..., None], upper=True)
            code[rows] = (mean + wiggle)[..., 0]
        full = self.mean[which] + torch.einsum("ndq,nq->nd", self.loading[which], code.float()) + noise
        return torch.where(x.isnan(), full, x).unflatten(1, self.shape)

    def _posterior(
        self, x: Float[Tensor, "n o"], known: Bool[Tensor, "d"], which: Int[Tensor, "n"] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Cholesky factor of the precision of z given the known entries, and loading' noise^-1 (x - mean).

        For every component: (k, rank, rank) and (n, k, rank); with `which`, for one component per row:
        (n, rank, rank) and (n, rank).
        """
        loading, mean = self.loading[:, known].double(), self.mean[:, known].double()
        scaled = loading / self.noise[:, known, None].double()
        precision = loading.mT @ scaled + torch.eye(self.rank, dtype=torch.float64)
        factor = torch.linalg.cholesky(precision)
        if which is not None:
            residual = x.double() - mean[which]
            return factor[which], torch.einsum("no,noq->nq", residual, scaled[which])
        side_by_side = scaled.movedim(0, 1).flatten(1).to(self.product)
        projected = (x.to(self.product) @ side_by_side).unflatten(1, precision.shape[:2]).double()
        return factor, projected - torch.einsum("ko,koq->kq", mean, scaled)

    def _log_prob_known(self, x: Float[Tensor, "n o"], known: Bool[Tensor, "d"]) -> Float[Tensor, "n k"]:
        """By the matrix inversion lemma: only rank x rank systems are solved."""
        factor, projected = self._posterior(x, known)
        mean, noise = self.mean[:, known].double(), self.noise[:, known].double()
        x = x.double()
        square = x.square() @ (1.0 / noise).T - 2.0 * x @ (mean / noise).T + (mean.square() / noise).sum(dim=1)
        explained = torch.linalg.solve_triangular(factor, projected.permute(1, 2, 0), upper=False)
        volume = noise.log().sum(dim=1) + 2.0 * factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        constant = x.shape[1] * math.log(2.0 * math.pi)
        return -0.5 * (square - explained.square().sum(dim=1).T + volume + constant)

    def _maximise_full(self, statistics: tuple[Tensor, ...], smoothing: float) -> None:
        """Sample mean and covariance; the covariance's eigenvectors make the loading."""
        n, first, second = (s.double() for s in statistics)
        n = n.clamp(min=1e-9)
        mean = first / n[:, None]
        own = second / n[:, None, None] - mean[:, :, None] * mean[:, None, :]
        prior = torch.diag(0.1 * self.spread.double())
        covariance = (n[:, None, None] * own + smoothing * prior) / (n + smoothing)[:, None, None]
        value, vector = torch.linalg.eigh(covariance)
        self.mean.copy_(mean)
        self.loading.copy_(vector * (value - self.floor).clamp(min=0.0).sqrt()[:, None, :])
        self.noise.fill_(self.floor)

    def _maximise_factors(self, statistics: tuple[Tensor, ...], smoothing: float) -> None:
        """Regression of x on (z, 1), whose residual is the noise; Ghahramani & Hinton 1996, eq. 15 and 16."""
        n, cross, inner, square = (s.double() for s in statistics)
        n = n.clamp(min=1e-9)
        ridge = torch.ones(self.rank + 1, dtype=torch.float64)
        ridge[-1] = 1e-9  # the mean is not shrunk
        weights = torch.linalg.solve(inner + (smoothing * ridge).diag(), cross.mT).mT
        residual = (
            square - 2.0 * (weights * cross).sum(dim=2) + torch.einsum("kdi,kij,kdj->kd", weights, inner, weights)
        )
        self.loading.copy_(weights[..., :-1])
        self.mean.copy_(weights[..., -1])
        noise = (residual.clamp(min=0.0) + smoothing * 0.1 * self.spread) / (n + smoothing)[:, None]
        self.noise.copy_(noise.clamp(min=self.floor))


def _patterns(known: Bool[Tensor, "n d"]) -> Iterator[tuple[Bool[Tensor, "d"], Int[Tensor, "m"]]]:
    """Each distinct row of `known` with the numbers of the rows that have it."""
    if bool((known == known[:1]).all()):
        yield known[0], torch.arange(len(known))
        return
    distinct, inverse = known.unique(dim=0, return_inverse=True)
    for i, pattern in enumerate(distinct):
        yield pattern, (inverse == i).nonzero()[:, 0]
