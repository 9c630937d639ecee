"""The variational autoencoder: a latent-variable model trained on a lower bound of its likelihood."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Density,
    Encodes,
    GradientFamily,
    LearnsPrior,
    Losses,
    Partial,
    Player,
    Work,
    refused,
)
from genwright.families.sampling import MAX_STEPS, Sampling
from genwright.maths.divergences import gaussian_kl
from genwright.maths.observations import draw, gaussian, log_likelihood, most_likely, parameters
from genwright.maths.optimizers import adamw
from genwright.nets.coder import Decoder, Encoder, as_reals, latent_space, real_space
from genwright.nets.default import is_grid, require_nets
from genwright.nets.mixture_prior import MixturePrior, NormalPrior
from genwright.spaces import Columns, Conditions, Given, Reals, Space

CHUNK = 512  # records decoded at once, which bounds memory
CANDIDATES = 64  # prior draws weighed for each partly given record
GRID_LATENTS = 4  # numbers at each place of a grid of latents
CORRECTIONS = 10  # Metropolis steps that follow
MIN_POSTERIOR_LOG_SCALE = -7.0


class VariationalNet(nn.Module):
    """Encoder q(z | x, c), decoder p(x | z, c), and the prior p(z | c) that sampling uses."""

    def __init__(
        self,
        space: Reals | Columns,
        conditions: Conditions | None,
        *,
        latent: int,
        width: int,
        depth: int,
        components: int,
        grid: int | None = None,
    ) -> None:
        super().__init__()
        self.space = space
        ways: dict[str, Any] = {"conditions": conditions, "width": width, "depth": depth, "grid": grid}
        self.encoder = Encoder(real_space(space), 2 * latent, **ways)
        size = parameters(space)
        decoded, copies = (space, size // space.size) if isinstance(space, Reals) else (Reals((size,)), 1)
        self.decoder = Decoder(latent, decoded, copies=copies, **ways)
        self.conditions = conditions
        columns = None if conditions is None or not conditions.columns.columns else conditions.columns
        size = latent_space(space, latent, grid).size
        self.prior = MixturePrior(size, columns, components=components) if components else NormalPrior(size)

    def posterior(self, x: Tensor, context: Tensor | None) -> tuple[Float[Tensor, "n z"], Float[Tensor, "n z"]]:
        """Mean and log-scale of q(z | x, c)."""
        mean, log_scale = self.encoder(as_reals(self.space, x).nan_to_num(0.0), context).float().chunk(2, dim=1)
        return mean, log_scale.clamp(MIN_POSTERIOR_LOG_SCALE, 3.0)

    def columns_of(self, context: Tensor | None) -> Tensor | None:
        """The condition columns, on which the prior depends; other conditions steer encoder and decoder alone."""
        return None if self.conditions is None else self.conditions.of_columns(context)

    def observation(self, z: Float[Tensor, "n z"], context: Tensor | None) -> Float[Tensor, "n p"]:
        """Parameters of p(x | z, c), see `genwright.maths.observations`."""
        return self.decoder(z, context).float().flatten(1)


@dataclass(frozen=True, kw_only=True)
class VAE(GradientFamily, Encodes, LearnsPrior):
    """Variational autoencoder (Kingma & Welling 2014, arXiv:1312.6114) with a Gaussian-mixture prior fitted afterwards.

    `latent` is the size of z, `width` and `depth` those of encoder and decoder. With a `grid`, z is `latent` numbers at
    each place of a grid with no side longer than that, for a model of its own, see `TwoStage`: then the prior stays
    N(0, I), as with `prior_components=0`. `free_nats` is the KL divergence that each latent coordinate may have at no
    cost, which keeps it from being ignored (Kingma et al. 2016, arXiv:1606.04934, appendix C.8); `kl_weight` is β of
    Higgins et al. 2017. `importance_samples` sharpens the bound of `log_prob`.
    A `net` of one's own is a `VariationalNet`, whose encoder, decoder and prior may be others of the same methods.
    The temperature of samples scales their observation noise: 1 draws from p(x | z), 0 takes its most likely value,
    which is usual for images.
    """

    name: ClassVar[str] = "vae"
    half_precision: ClassVar[bool] = True
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {Reals: VariationalNet, Columns: VariationalNet}

    latent: int | None = None
    width: int | None = None
    depth: int | None = None
    grid: int | None = None
    prior_components: int | None = None
    kl_weight: float = 1.0
    free_nats: float = 0.02
    importance_samples: int = 16
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        for name in ("batch", "latent", "width", "depth", "grid", "importance_samples", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ArgumentError(
                    f"{name} must be positive, not {value}", where="VAE", hint="leave it out for a default"
                )
        if self.importance_samples > MAX_STEPS:
            what = f"{self.importance_samples} importance_samples are too many"
            raise ArgumentError(what, where="VAE", hint=f"at most {MAX_STEPS:,}; 16 is usual")
        for name in ("kl_weight", "free_nats", "prior_components"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ArgumentError(f"{name} must not be negative, not {value}", where="VAE", hint="0 turns it off")

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Reals | Columns):
            raise refused(self, "sequences of tokens")
        require_nets(space)
        if self.grid is not None and not is_grid(space):
            raise refused(self, "rows and vectors by latents on a grid")
        return Capabilities(
            density=Density.BOUND,
            given=Partial.ANY,
            latent=True,
            encodes=True,
            how=("temperature",),
        )

    def sized(self, space: Space, work: Work) -> Self:
        grid = is_grid(space)
        return replace(
            self,
            batch=self.batch or min(64 if grid else 256, work.rows),
            latent=self.latent or (GRID_LATENTS if self.grid else _latent_size(space)),
            width=self.width or (16 if grid else 256),
            depth=self.depth or (1 if grid else 2),
            prior_components=(0 if self.grid else 32) if self.prior_components is None else self.prior_components,
        )

    def build(self, space: Space, conditions: Conditions | None) -> VariationalNet:
        assert isinstance(space, Reals | Columns) and self.latent and self.width and self.depth
        assert self.prior_components is not None, "sized() comes first"
        return VariationalNet(
            space,
            conditions,
            latent=self.latent,
            width=self.width,
            depth=self.depth,
            components=self.prior_components,
            grid=self.grid,
        )

    def level_biases(self, net: Any) -> tuple[Float[Tensor, "levels"], ...]:
        return net.decoder.level_biases(net.space, values=2) if isinstance(net.space, Columns) else ()

    def players(self, net: Any) -> tuple[Player, ...]:
        optimizer = partial(adamw, learning_rate=self.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
        return (Player("vae", net, self.loss, optimizer),)

    def loss(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """The negative evidence lower bound -E_q log p(x | z) + KL(q(z | x) ‖ N(0, I)), in nats per record.

        Kingma & Welling 2014, eq. 7, with `kl_weight` and `free_nats` on the second part.
        """
        reconstruction, kl = self._bound(net, x, context, rng)
        kept = kl.mean(0).clamp_min(self.free_nats).sum()
        return {"reconstruction": reconstruction.mean(), "kl": self.kl_weight * kept}

    def held_out(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """The same without free nats."""
        reconstruction, kl = self._bound(net, x, context, rng)
        return (reconstruction + self.kl_weight * kl.sum(1)).mean()

    @torch.no_grad()
    def log_prob(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """log 1/K Σ_k p(x | z_k) p(z_k) / q(z_k | x): a lower bound of log p(x), closer the larger K is.

        Burda et al. 2016, arXiv:1509.00519, eq. 8. NaN entries of x are errors here; see `sample` for partial records.
        """
        bounds = []
        for rows in torch.arange(len(x), device=x.device).split(CHUNK):
            here, there = x[rows], None if context is None else context[rows]
            mean, log_scale = net.posterior(here, there)
            weights = []
            for _ in range(self.importance_samples):
                z = mean + log_scale.exp() * _normal(mean, rng)
                weights.append(_log_joint(net, here, z, there) - gaussian(z, mean, log_scale).sum(1))
            bounds.append(torch.stack(weights).logsumexp(0) - math.log(self.importance_samples))
        return torch.cat(bounds) if bounds else x.new_zeros(0)

    @torch.no_grad()
    def sample(
        self, net: Any, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """z from the prior, or from its posterior where part of a record is given; then x from p(x | z).

        Given parts are kept as they are. Without them the draws are independent; with them they are approximate,
        by importance resampling and Metropolis-within-Gibbs (see `latent_given`).
        """
        parts = []
        for rows in torch.arange(n).split(CHUNK):
            here = given.rows(slice(int(rows[0]), int(rows[-1]) + 1))
            if here.x is None:
                z = net.prior.sample(len(rows), net.columns_of(here.context), rng)
            else:
                z = latent_given(net, here.x, here.context, rng)
            parts.append(self.draw_at(net, z, given=here, how=how, rng=rng))
        return torch.cat(parts) if parts else torch.empty(0, *net.space.shape)

    @torch.no_grad()
    def draw_at(
        self, net: Any, z: Float[Tensor, "n z"], *, given: Given = ANYTHING, how: Sampling, rng: torch.Generator
    ) -> Tensor:
        """One record for each latent, from p(x | z) where it is not given."""
        usual = 0.0 if is_grid(net.space) else 1.0
        temperature = usual if how.temperature is None else how.temperature
        x = draw(net.space, net.observation(z, given.context), rng, temperature=temperature)
        x = x if given.x is None else _fill(net.space, given.x, x)
        beyond = net.space.drawn_beyond(len(x), given, rng) if isinstance(net.space, Reals) else None
        return x if beyond is None else x.masked_fill(beyond, torch.nan)

    @torch.no_grad()
    def draw_latents(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n z"]:
        """One draw of q(z | x, c) for each record."""
        latents = []
        for rows in torch.arange(len(x), device=x.device).split(CHUNK):
            mean, log_scale = net.posterior(x[rows], None if context is None else context[rows])
            latents.append(mean + log_scale.exp() * _normal(mean, rng))
        return torch.cat(latents)

    @torch.no_grad()
    def draw_latent(self, net: Any, n: int, rng: torch.Generator) -> Float[Tensor, "n z"]:
        return net.prior.sample(n, None, rng)

    @torch.no_grad()
    def decode(self, net: Any, z: Float[Tensor, "n z"], context: Tensor | None, *, how: Sampling = DEFAULT) -> Tensor:
        return most_likely(net.space, net.observation(z, context))

    @torch.no_grad()
    def encode(self, net: Any, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT) -> Float[Tensor, "n z"]:
        return net.posterior(x, context)[0]

    @torch.no_grad()
    def refit_prior(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> None:
        """Fit the mixture prior to one draw of q(z | x, c) per record.

        The latents of real records never fill N(0, I) exactly; samples from where they are look like records
        (Ghosh et al. 2020, arXiv:1903.12436, section 4).
        """
        net.prior.fit(self.draw_latents(net, x, context, rng), net.columns_of(context), rng)

    def _bound(
        self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n z"]]:
        """-log p(x | z) at one draw z of q, and KL(q ‖ N(0, I)) per latent coordinate."""
        mean, log_scale = net.posterior(x, context)
        z = mean + log_scale.exp() * _normal(mean, rng)
        return -log_likelihood(net.space, net.observation(z, context), x), gaussian_kl(mean, log_scale)


def latent_given(
    net: VariationalNet, x: Float[Tensor, "n *s"], context: Tensor | None, rng: torch.Generator
) -> Float[Tensor, "n z"]:
    """Latents from about p(z | observed part of x), where NaN in x means "not observed".

    Prior draws are resampled by their likelihood (Rubin 1987), which is exact in the limit of many `CANDIDATES`. Then
    `CORRECTIONS` Metropolis-within-Gibbs steps propose from the encoder (Mattei & Frellsen 2018, arXiv:1802.04826,
    Algorithm 2), which reach distributions that no prior draw came near.
    """
    n = len(x)
    wide = None if context is None else context.repeat_interleave(CANDIDATES, 0)
    z = net.prior.sample(n * CANDIDATES, net.columns_of(wide), rng)
    likelihood = torch.cat(
        [
            log_likelihood(
                net.space, net.observation(z[rows], None if wide is None else wide[rows]), x[rows // CANDIDATES]
            )
            for rows in torch.arange(len(z), device=x.device).split(4 * CHUNK)
        ]
    )
    chosen = torch.multinomial(likelihood.view(n, CANDIDATES).softmax(1), 1, generator=rng)
    z = z.view(n, CANDIDATES, -1)[torch.arange(n, device=x.device), chosen[:, 0]]
    for _ in range(CORRECTIONS):
        full = _fill(net.space, x, draw(net.space, net.observation(z, context), rng))
        mean, log_scale = net.posterior(full, context)
        proposal = mean + log_scale.exp() * _normal(mean, rng)
        gain = _log_joint(net, full, proposal, context) - gaussian(proposal, mean, log_scale).sum(1)
        gain = gain - _log_joint(net, full, z, context) + gaussian(z, mean, log_scale).sum(1)
        accepted = torch.rand(n, generator=rng, device=x.device).log() < gain
        z = torch.where(accepted[:, None], proposal, z)
    return z


def _log_joint(net: VariationalNet, x: Tensor, z: Float[Tensor, "n z"], context: Tensor | None) -> Float[Tensor, "n"]:
    """log p(x | z, c) + log p(z | c)."""
    return log_likelihood(net.space, net.observation(z, context), x) + net.prior.log_prob(z, net.columns_of(context))


def _fill(space: Reals | Columns, observed: Tensor, x: Tensor) -> Tensor:
    """`observed` with its NaNs replaced by `x`."""
    filled = torch.where(observed.isnan(), x, observed)
    return torch.where(space.active(filled), filled, 0.0) if isinstance(space, Columns) else filled


def _normal(like: Float[Tensor, "n z"], rng: torch.Generator) -> Float[Tensor, "n z"]:
    return torch.randn(like.shape, generator=rng, device=like.device)


def _latent_size(space: Space) -> int:
    """A few latent coordinates per independent thing a record can vary in; the loss leaves idle ones at the prior."""
    numbers = math.prod(space.shape)
    return max(2, min(32, 2 * numbers if numbers <= 8 else 8 + round(math.sqrt(numbers))))
