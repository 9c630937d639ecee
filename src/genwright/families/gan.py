"""The generative adversarial network: a generator trained until a critic cannot tell its records from real ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, NoReturn, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Density,
    GradientFamily,
    HasLatent,
    Losses,
    Partial,
    Player,
    Work,
    refused,
)
from genwright.families.sampling import Sampling
from genwright.maths.divergences import energy_score
from genwright.maths.games import Game, gradient_penalty, relativistic, reply
from genwright.maths.optimizers import adamw
from genwright.nets.coder import Decoder, Encoder, as_reals, real_space
from genwright.nets.default import is_grid, require_nets
from genwright.nets.moments import Moments
from genwright.nets.relaxation import draw_relaxed, harden, log_frequencies, logit_size, relax
from genwright.nets.set_critic import SetCritic
from genwright.spaces import Columns, Conditions, Encoded, Given, Reals, Space

CHUNK = 1024  # records generated at once, which bounds memory
MAX_TRIES = 200  # draws per record that partial records may cost on average
MATCHING = 5.0  # weight of the moments beside the game
COMPARED = 2048  # rows drawn at least to be held against held-out ones
PENALTY = 0.2
GAMES_FAIL_BY = ("mode collapse", "instability", "vanishing gradients")
AHEAD = 0.3  # length of a step of the critic that the generator foresees
FEATURES = 16  # of records, of which a critic of whole sets sees the spread


class AdversarialNet(nn.Module):
    """Generator (z, c) -> x and critic (x, c) -> score; both see columns in their relaxed form."""

    def __init__(
        self,
        space: Reals | Columns,
        conditions: Conditions | None,
        *,
        latent: int,
        width: int,
        depth: int,
        minibatch: bool = False,
    ) -> None:
        super().__init__()
        self.space, self.conditions, self.latent = space, conditions, latent
        drawn = Reals((logit_size(space),)) if isinstance(space, Columns) else space
        self.generator = Decoder(latent, drawn, conditions=conditions, width=width, depth=depth)
        self.moments = Moments(space) if isinstance(space, Columns) else None
        outputs = FEATURES if minibatch else 1
        critic = Encoder(real_space(space), outputs, conditions=conditions, width=width, depth=depth)
        self.critic = SetCritic(critic, FEATURES) if minibatch else critic

    @torch.no_grad()
    def start_from(self, x: Float[Tensor, "n c"]) -> None:
        """Let the generator draw levels about as frequently as they are in x, before it has learned anything."""
        assert isinstance(self.space, Columns) and self.moments is not None
        self.moments.prepare(x)
        biases = self.generator.level_biases(self.space, values=1)
        for bias, levels in zip(biases, log_frequencies(self.space, x), strict=True):
            bias.copy_(levels)

    def generate(
        self, z: Float[Tensor, "n z"], context: Tensor | None, rng: torch.Generator | None
    ) -> Float[Tensor, "n *s"]:
        """Generated records as real arrays; `rng` draws the levels of columns, None takes the likeliest."""
        raw = self.generator(z, context)
        return draw_relaxed(self.space, raw, rng) if isinstance(self.space, Columns) else raw

    def records(self, x: Float[Tensor, "n *s"]) -> Tensor:
        """Real arrays as unpacked records."""
        if isinstance(self.space, Columns):
            return harden(self.space, x)
        return self.space.unpack(self.space.pack(x))


@dataclass(frozen=True, kw_only=True)
class GAN(GradientFamily, HasLatent):
    """Generative adversarial network with the relativistic loss and zero-centred gradient penalties on both sides.

    Huang et al. 2024, arXiv:2501.05441 ("R3GAN"), eqs. 2, 5 and 6. `latent` is the size of z, `width` and `depth` those
    of generator and critic. `objective` is the game, `relativistic`, `non_saturating` or `minimax`; `penalty` is γ, the
    weight of the penalties. With `minibatch` the critic also sees how much the records of a batch differ, see
    `SetCritic`; the generator answers the critic as it will be `unroll` steps ahead (Metz et al. 2017,
    arXiv:1611.02163, eq. 9). The generator of a table also matches the shares of levels and of pairs of them
    (`Moments`).
    A `net` of one's own is an `AdversarialNet`, whose generator and critic may be others.
    """

    name: ClassVar[str] = "gan"
    half_precision: ClassVar[bool] = False  # the finite difference needs more digits than bfloat16 has
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {Reals: AdversarialNet, Columns: AdversarialNet}

    latent: int | None = None
    width: int | None = None
    depth: int | None = None
    penalty: float | None = None
    objective: Game = relativistic
    learning_rate: float = 1e-3
    minibatch: bool = False
    unroll: int = 0

    def __post_init__(self) -> None:
        for name in ("batch", "latent", "width", "depth", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ArgumentError(
                    f"{name} must be positive, not {value}", where="GAN", hint="leave it out for a default"
                )
        for name in ("penalty", "unroll"):
            if (getattr(self, name) or 0) < 0:
                what = f"{name} must not be negative, not {getattr(self, name)}"
                raise ArgumentError(what, where="GAN", hint="0 turns it off")

    def can(self, space: Space) -> Capabilities:
        if isinstance(space, Columns):
            return Capabilities(density=Density.ABSENT, given=Partial.LEVELS, latent=True)
        if isinstance(space, Reals):
            require_nets(space)
            return Capabilities(density=Density.ABSENT, given=Partial.NOTHING, latent=True)
        raise refused(self, "sequences of tokens")

    def sized(self, space: Space, work: Work) -> Self:
        grid = is_grid(space)
        return replace(
            self,
            batch=self.batch or min(64 if grid else 256, work.rows),
            latent=self.latent or 32,
            width=self.width or (16 if grid else 128),
            depth=self.depth or (1 if grid else 2),
            penalty=PENALTY if self.penalty is None else self.penalty,
        )

    def build(self, space: Space, conditions: Conditions | None) -> AdversarialNet:
        assert isinstance(space, Reals | Columns) and self.latent and self.width and self.depth, "sized() comes first"
        ways: dict[str, Any] = {"width": self.width, "depth": self.depth, "minibatch": self.minibatch}
        return AdversarialNet(space, conditions, latent=self.latent, **ways)

    def prepare(self, net: Any, space: Space, train: Encoded, rng: torch.Generator) -> None:
        if isinstance(space, Columns):
            net.start_from(space.unpack(train.x))

    def level_biases(self, net: Any) -> tuple[Float[Tensor, "levels"], ...]:
        return net.generator.level_biases(net.space, values=1) if isinstance(net.space, Columns) else ()

    def remedied(self, diagnosis: str) -> "GAN | None":
        """The relativistic game with penalties, against all that befalls games, unless it is that already."""
        modern = replace(self, objective=relativistic, penalty=max(PENALTY, self.penalty or 0.0))
        return modern if diagnosis in GAMES_FAIL_BY and modern != self else None

    def players(self, net: Any) -> tuple[Player, ...]:
        optimizer = partial(adamw, learning_rate=self.learning_rate, betas=(0.0, 0.99))
        return (
            Player("critic", net.critic, self.critic_loss, optimizer),
            Player("generator", net.generator, self.generator_loss, optimizer),
        )

    def critic_loss(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """The game as the critic plays it, with γ/2 (‖∇D‖² at real + ‖∇D‖² at generated records).

        Huang et al. 2024, eqs. 2, 5 (R1) and 6 (R2). Values on a grid of levels are spread evenly over their cells,
        which rounding undoes, so that being on the grid is no sign of being real.
        """
        assert self.penalty is not None, "sized() comes first"
        real = _spread(net.space, _cut(net.space, as_reals(net.space, x), x), rng)
        with torch.no_grad():
            fake = _cut(net.space, net.generate(_latents(net, len(x), rng), context, rng), x)
        both, twice = torch.cat([real, fake]), None if context is None else torch.cat([context, context])

        some = None if twice is None else twice[::4]
        if self.minibatch:  # of each set by itself, and of those that are looked at twice
            real_scores, fake_scores = (net.critic(part, context)[:, 0] for part in (real, fake))
            looked_at = net.critic(both[::4], some)[:, 0]
        else:
            scores = net.critic(both, twice)[:, 0]
            (real_scores, fake_scores), looked_at = scores.chunk(2), scores[::4]
        game = {"game": self.objective(real_scores, fake_scores)}
        if not self.penalty:
            return game
        # every fourth row is enough and saves a quarter of the step; the mean over real and generated rows is half of
        # R1 + R2, as γ/2 (R1 + R2) asks
        slope = gradient_penalty(lambda points: net.critic(points, some)[:, 0], both[::4], looked_at, rng)
        return game | {"penalty": self.penalty * slope}

    def generator_loss(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """The game with the sides exchanged; the critic stands still. Huang et al. 2024, eq. 2."""
        raw = net.generator(_latents(net, len(x), rng), context)
        fake = draw_relaxed(net.space, raw, rng) if net.moments is not None else _cut(net.space, raw, x)
        real = _spread(net.space, _cut(net.space, as_reals(net.space, x), x), rng)
        weights = self._ahead(net.critic, real, fake, context)
        fake_scores = functional_call(net.critic, weights, (fake, context))[:, 0]
        with torch.no_grad():
            real_scores = functional_call(net.critic, weights, (real, context))[:, 0]
        game = {"game": reply(self.objective)(fake_scores, real_scores)}
        matched = net.moments is not None and net.moments.ready and len(x) > 1
        return game | {"moments": MATCHING * net.moments.loss(raw)} if matched else game

    def _ahead(self, critic: nn.Module, real: Tensor, fake: Tensor, context: Tensor | None) -> dict[str, Tensor]:
        """The weights of the critic after `unroll` steps against these records, through which gradients flow."""
        weights = {name: each.detach() for name, each in critic.named_parameters()}
        if self.unroll:  # gradients of single records cannot ask for more
            weights = {name: each.requires_grad_() for name, each in weights.items()}
        for _ in range(self.unroll):
            scores = (functional_call(critic, weights, (each, context))[:, 0] for each in (real, fake))
            slopes = torch.autograd.grad(self.objective(*scores), list(weights.values()), create_graph=True)
            weights = {name: each - AHEAD * g for (name, each), g in zip(weights.items(), slopes, strict=True)}
        return weights

    @torch.no_grad()
    def held_out(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """How far generated records are from held-out ones.

        Of tables without context the distance of their `Moments`; else the energy distance, beside their contexts, less
        its constant part, which of one-hot rows says little.
        """
        if net.moments is not None and net.moments.ready and context is None:
            return net.moments.distance(x, self.sample(net, max(COMPARED, len(x)), rng=rng))
        repeats = max(2, math.ceil(128 / len(x)))
        wide = None if context is None else context.repeat(repeats, 1)
        fake = _cut(net.space, net.generate(_latents(net, repeats * len(x), rng), wide, rng), x)
        return energy_score(_beside(net, _cut(net.space, as_reals(net.space, x), x), context), _beside(net, fake, wide))

    def log_prob(self, net: Any, x: Tensor, context: Tensor | None, rng: torch.Generator) -> NoReturn:
        raise UnsupportedError("a GAN has no likelihood", hint="its `can` says so")

    @torch.no_grad()
    def sample(
        self, net: Any, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """z ~ N(0, I) through the generator; given discrete columns by drawing until they agree, which is exact."""
        if given.x is not None and not given.x.isnan().all():
            return _sample_matching(net, given.x, given.context, rng)
        parts = []
        for rows in torch.arange(n).split(CHUNK):
            here = given.rows(slice(int(rows[0]), int(rows[-1]) + 1))
            z = _latents(net, len(rows), rng)
            x = net.records(net.generate(z, here.context, rng))
            beyond = net.space.drawn_beyond(len(x), here, rng) if isinstance(net.space, Reals) else None
            parts.append(x if beyond is None else x.masked_fill(beyond, torch.nan))
        return torch.cat(parts) if parts else torch.empty(0, *net.space.shape)

    def draw_latent(self, net: Any, n: int, rng: torch.Generator) -> Float[Tensor, "n z"]:
        return _latents(net, n, rng)

    @torch.no_grad()
    def decode(self, net: Any, z: Float[Tensor, "n z"], context: Tensor | None, *, how: Sampling = DEFAULT) -> Tensor:
        return net.records(net.generate(z, context, None))


def _sample_matching(
    net: AdversarialNet, x: Float[Tensor, "n c"], context: Tensor | None, rng: torch.Generator
) -> Float[Tensor, "n c"]:
    """Rejection sampling: draw until every given discrete column agrees."""
    space = net.space
    known = ~x.isnan()
    if not isinstance(space, Columns) or known[:, space.continuous].any():
        raise UnsupportedError(
            "a GAN can be given categories and labels, but no exact numbers or parts of an image",
            where="given",
            hint="VAE, Mixture, FlowMatching and Autoregressive complete partial records",
        )
    result, open_rows = torch.empty_like(x), torch.arange(len(x), device=x.device)
    drawn = 0
    while len(open_rows) and drawn < MAX_TRIES * len(x) + CHUNK:
        tried = open_rows.repeat(max(1, CHUNK // len(open_rows)))
        fake = net.records(
            net.generate(_latents(net, len(tried), rng), None if context is None else context[tried], rng)
        )
        agrees = ((fake == x[tried]) | ~known[tried]).all(1)
        result[tried[agrees]] = fake[agrees]
        open_rows = open_rows[~torch.isin(open_rows, tried[agrees])]
        drawn += len(tried)
    if len(open_rows):
        names = ", ".join(c.name for c, given in zip(space.columns, known.any(0).tolist(), strict=True) if given)
        raise UnsupportedError(
            f"{MAX_TRIES} draws per record did not meet the given {names}: the GAN makes such records too rarely",
            where="given",
            hint="Mixture and Autoregressive draw from the conditional distribution directly",
        )
    return result


def _latents(net: AdversarialNet, n: int, rng: torch.Generator) -> Float[Tensor, "n z"]:
    return torch.randn(n, net.latent, generator=rng, device=rng.device)


def _cut(space: Space, x: Float[Tensor, "n *s"], like: Tensor) -> Float[Tensor, "n *s"]:
    """Real arrays with zeros where those `like` them have no number, one after the other."""
    if not isinstance(space, Reals) or not (space.lengths or space.gaps):
        return x
    return x.masked_fill(like.isnan().repeat(len(x) // len(like), *[1] * len(space.shape)), 0.0)


def _spread(space: Space, x: Float[Tensor, "n *s"], rng: torch.Generator) -> Float[Tensor, "n *s"]:
    """Values on a grid of levels moved evenly within their cells."""
    if not isinstance(space, Reals) or space.levels is None:
        return x
    return x + (2 * torch.rand(x.shape, generator=rng, device=x.device) - 1) / (space.levels - 1)


def _beside(net: AdversarialNet, x: Float[Tensor, "n *s"], context: Tensor | None) -> Float[Tensor, "n d"]:
    """Records and their relaxed contexts as one vector, the context weighing about as much as the record.

    Relaxed contexts have unit variance per coordinate, records in [-1, 1] about a quarter.
    """
    flat = x.flatten(1)
    columns = None if net.conditions is None else net.conditions.of_columns(context)
    if columns is None:
        return flat
    assert net.conditions is not None
    beside = relax(net.conditions.columns, columns).nan_to_num(0.0)
    return torch.cat([flat, beside * math.sqrt(0.25 * flat.shape[1] / beside.shape[1])], dim=1)
