"""What flow matching and diffusion share: nets, partial observations, guidance, and the way through noise of arrays."""

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Density,
    Encodes,
    GradientFamily,
    Losses,
    Partial,
    Player,
    Work,
    refused,
)
from genwright.families.parts import random_parts
from genwright.families.sampling import Sampling
from genwright.maths.samplers import Model, Sampler
from genwright.maths.schedules import Prediction, Schedule
from genwright.nets.context import drop_context
from genwright.nets.default import denoising_net, is_grid, require_nets
from genwright.nets.flow_net import FlowNet
from genwright.nets.mixed_net import MixedNet
from genwright.spaces import Columns, Conditions, Encoded, Given, Reals, Space

LEARNING_RATE = 2e-3
ROWS_LEARNING_RATE = 3e-3
GRIDS_AT_ONCE = 256  # when sampling: bounds memory
VECTORS_AT_ONCE = 8192
PARTIAL_ALONE = 0.5  # of such arrays, the share of which no condition is given
MAX_STEPS = 64  # of rows
GUIDANCE = 1.5  # unless the request says otherwise
GUIDED = (0.1, 0.9)  # shares of noise, sigma / (alpha + sigma), between which guidance acts


def space_of(net: nn.Module) -> Reals | Columns:
    """The space that a net was built for."""
    assert isinstance(net, FlowNet)
    return net.space


def _sees_parts(net: nn.Module) -> bool:
    assert isinstance(net, FlowNet)
    return net.sees_parts


def default_width(space: Space, work: Work) -> int:
    """Channels or units that the time allows: at short budgets many cheap steps beat few rich ones."""
    minutes = work.minutes if work.minutes is not None else (work.steps or 0) / 600
    long = sum(minutes >= limit for limit in (8, 30))
    return (32, 48, 64)[long] if is_grid(space) else (128, 256, 384)[long]


def default_batch(space: Space, work: Work) -> int:
    """Records per step."""
    if isinstance(space, Columns):
        return min(512, max(32, work.rows // 8))
    return min(work.rows, 64 if is_grid(space) else 256)


def default_steps(space: Space, of_arrays: int) -> int:
    """Sampling steps: for rows enough that few columns, if any, become visible together."""
    if not isinstance(space, Columns):
        return of_arrays
    return max(of_arrays if space.continuous else 1, min(MAX_STEPS, len(space.columns)))


def adamw(module: nn.Module) -> list[torch.optim.Optimizer]:
    """AdamW with a short memory of squared gradients, as few steps want it; rows take longer steps than arrays."""
    rate = ROWS_LEARNING_RATE if isinstance(module, MixedNet) else LEARNING_RATE
    moving = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [torch.optim.AdamW(moving, lr=rate, betas=(0.9, 0.99), fused=True)] if moving else []


@dataclass(frozen=True)
class Path:
    """A training batch on its way between noise and data. `seen` is x_t with the given coordinates clean."""

    clean: Float[Tensor, "n *d"]
    noise: Float[Tensor, "n *d"]
    x_t: Float[Tensor, "n *d"]
    seen: Float[Tensor, "n *d"]
    free: Float[Tensor, "n *d"]
    alpha: Tensor
    sigma: Tensor

    def mean(self, error: Float[Tensor, "n *d"]) -> Float[Tensor, ""]:
        """Mean over the coordinates that are not given."""
        return (error * self.free).sum() / self.free.sum().clamp(min=1.0)


def noised(
    clean: Float[Tensor, "n *d"],
    t: Float[Tensor, "n"],
    known: Bool[Tensor, "n *d"] | None,
    schedule: Schedule,
    rng: torch.Generator,
) -> Path:
    """x_t = alpha x + sigma eps of every record, each at its own time."""
    noise = torch.randn(clean.shape, generator=rng, device=clean.device)
    alpha, sigma = (each.view(-1, *[1] * (clean.dim() - 1)) for each in schedule(t))
    x_t = alpha * clean + sigma * noise
    if known is None:
        return Path(clean, noise, x_t, x_t, torch.ones_like(clean), alpha, sigma)
    return Path(clean, noise, x_t, torch.where(known, clean, x_t), (~known).float(), alpha, sigma)


def guided(net: nn.Module, given: Given, guidance: float, *, schedule: Schedule, prediction: Prediction) -> Model:
    """`net` as a sampler's model: conditioned on `given`, with classifier-free guidance.

    Guided output = free + guidance (conditional - free), at middle noise only, where it helps most for least loss of
    diversity. Ho and Salimans 2022, arXiv:2207.12598, eq. 6; Kynkäänniemi et al. 2024, arXiv:2404.07724.
    """
    partial, context = given.x, given.context
    mask = None if partial is None else (~partial.isnan()).float()
    condition = None if context is None or bool(context.isnan().all()) else context

    def model(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = schedule(t)
        seen = x if partial is None else torch.where(partial.isnan(), x, partial)
        times = t.to(x.dtype).expand(len(x))
        noise_share = float(sigma / (alpha + sigma))
        if condition is not None and guidance != 1.0 and GUIDED[0] < noise_share < GUIDED[1]:
            both = torch.cat([condition, torch.full_like(condition, torch.nan)])
            masks = None if mask is None else mask.repeat(2, *[1] * (x.dim() - 1))
            out = net(torch.cat([seen, seen]), times.repeat(2), both, masks)
            conditional, free = out.chunk(2)
            return prediction(x, torch.lerp(free, conditional, guidance), alpha, sigma)
        return prediction(x, net(seen, times, context, mask), alpha, sigma)

    return model


@dataclass(frozen=True, kw_only=True)
class Process(abc.ABC):
    """How records become noise and come back: everything that diffusion and flow share but the net.

    `schedule`, `prediction` and `error`, the loss of each number by the net's output, say what is learned; `times` are
    the evenly spaced stops of `sampler` from noise to data. `temperature` scales the noise that arrays start from.
    """

    schedule: Schedule
    prediction: Prediction
    error: Callable[[Tensor, Path], Tensor]
    sampler: Sampler
    times: Float[Tensor, "k"]
    guidance: float
    temperature: float = 1.0

    @abc.abstractmethod
    def losses(
        self, net: nn.Module, x: Tensor, t: Tensor, known: Tensor | None, context: Tensor | None, rng: torch.Generator
    ) -> Losses:
        """What the net minimises on unpacked records at times t, of which the entries in `known` are given."""

    @abc.abstractmethod
    def sample(self, net: nn.Module, n: int, given: Given, rng: torch.Generator) -> Tensor:
        """n unpacked records that agree with `given`."""

    @abc.abstractmethod
    def decode(self, net: nn.Module, z: Float[Tensor, "n *s"], context: Tensor | None) -> Tensor:
        """The record that each latent is carried to, without further randomness."""

    @abc.abstractmethod
    def encode(self, net: nn.Module, x: Tensor, context: Tensor | None, times: Tensor) -> Float[Tensor, "n *s"]:
        """The latent that is carried to each record, found on the way back along `times`."""


@dataclass(frozen=True, kw_only=True)
class ArrayProcess(Process):
    """Gaussian noise on arrays of real numbers."""

    def losses(
        self, net: nn.Module, x: Tensor, t: Tensor, known: Tensor | None, context: Tensor | None, rng: torch.Generator
    ) -> Losses:
        space, unmeasured = cast(Reals, space_of(net)), None
        if space.lengths or space.gaps:
            unmeasured = x.isnan()
            beyond = space.beyond(cast(Tensor, space.lengths_of(x))) if space.lengths else torch.zeros_like(unmeasured)
            known = beyond if known is None else (known & ~unmeasured) | beyond  # which is given: zeros
            x = x.nan_to_num(0.0)
        path = noised(x, t, known, self.schedule, rng)
        if unmeasured is not None:
            path = replace(path, free=path.free * ~unmeasured)
        out = net(path.seen, t, context, None if known is None else known.float())
        return {"noise": path.mean(self.error(out, path))}

    @torch.no_grad()
    def sample(self, net: nn.Module, n: int, given: Given, rng: torch.Generator) -> Tensor:
        noise = self.temperature * torch.randn((n, *space_of(net).shape), generator=rng, device=rng.device)
        context = complete_context(net, given.context, n, rng.device)
        beyond, partial = cast(Reals, space_of(net)).drawn_beyond(n, given, rng), given.x
        if beyond is not None:
            partial = (torch.full_like(noise, torch.nan) if partial is None else partial).masked_fill(beyond, 0.0)
        start, way = (noise, self) if given.near is None else self.midway(given.near, given.strength, noise)
        y = way._run(net, start, Given(partial, context), rng)
        x = self._records(net, y if partial is None else torch.where(partial.isnan(), y, partial))
        return x if beyond is None else x.masked_fill(beyond, torch.nan)

    def midway(self, near: Tensor, strength: float, noise: Tensor) -> tuple[Float[Tensor, "n *s"], "ArrayProcess"]:
        """Records noised up to a share of the way, and the rest of the way back, in that share of the steps.

        Meng et al. 2022, "SDEdit", arXiv:2108.01073, Algorithm 1.
        """
        first, last = self.times[0], self.times[-1]
        start = torch.lerp(last, first, strength)
        alpha, sigma = self.schedule(start)
        steps = max(1, math.ceil(strength * (len(self.times) - 1)))
        times = torch.linspace(float(start), float(last), steps + 1)
        return alpha * near.nan_to_num(0.0) + sigma * noise, replace(self, times=times)

    def decode(self, net: nn.Module, z: Float[Tensor, "n *s"], context: Tensor | None) -> Tensor:
        """Follow the probability-flow ODE from noise to data."""
        return self._records(net, self._run(net, z, Given(None, complete_context(net, context, len(z), z.device))))

    def encode(self, net: nn.Module, x: Tensor, context: Tensor | None, times: Tensor) -> Float[Tensor, "n *s"]:
        """Follow the probability-flow ODE from data to noise."""
        given = Given(None, complete_context(net, context, len(x), x.device))
        return replace(self, times=times)._run(net, x.nan_to_num(0.0), given)

    @torch.no_grad()
    def _run(self, net: nn.Module, y: Tensor, given: Given, rng: torch.Generator | None = None) -> Tensor:
        """Arrays at the first time, carried to the last; `given.x` holds NaN where free."""
        done, at_once = [], GRIDS_AT_ONCE if is_grid(space_of(net)) else VECTORS_AT_ONCE
        for start in range(0, len(y), at_once):
            rows = slice(start, start + at_once)
            part = given.rows(rows)
            model = guided(net, part, self.guidance, schedule=self.schedule, prediction=self.prediction)
            done.append(self.sampler(model, y[rows], self.times.to(y), self.schedule, rng))
        return torch.cat(done) if done else y

    def _records(self, net: nn.Module, y: Tensor) -> Tensor:
        space = space_of(net)
        return y if not isinstance(space, Reals) or space.levels is None else y.clamp(-1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Denoising(GradientFamily, Encodes):
    """A family that learns to take noise off records: all of it but its process and the times it is trained at.

    `width` is the net's, in channels or units; `context_dropout` the share of training rows that forget what they are
    conditioned on, for guidance.
    """

    half_precision: ClassVar[bool] = True
    nets: ClassVar[Mapping[type, type[nn.Module]]] = {Reals: FlowNet, Columns: MixedNet}

    width: int | None = None
    context_dropout: float = 0.1

    @abc.abstractmethod
    def process(self, net: nn.Module, how: Sampling) -> Process:
        """How records of the net become noise and come back."""

    @abc.abstractmethod
    def train_times(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
        """Times that n records of a training batch are noised to."""

    @abc.abstractmethod
    def even_times(self, n: int, rng: torch.Generator) -> Float[Tensor, "n"]:
        """Times of n held-out records, as likely everywhere."""

    def __post_init__(self) -> None:
        check_counts(self.name, width=self.width, batch=self.batch)
        check_shares(self.name, context_dropout=self.context_dropout)

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Reals | Columns):
            raise refused(self, "sequences of tokens")
        require_nets(space)
        arrays = isinstance(space, Reals)
        ways: dict[str, Any] = {"varies": arrays, "forgets": self.context_dropout > 0}
        settings = ("steps", "sampler", "guidance", *(("temperature",) if arrays else ()))
        return Capabilities(density=Density.ABSENT, given=Partial.ANY, latent=True, encodes=True, how=settings, **ways)

    def sized(self, space: Space, work: Work) -> Self:
        width, batch = self.width or default_width(space, work), self.batch or default_batch(space, work)
        return replace(self, width=width, batch=batch)

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert self.width is not None, "sized() comes first"
        return denoising_net(space, conditions, width=self.width)

    def prepare(self, net: nn.Module, space: Space, train: Encoded, rng: torch.Generator) -> None:
        if isinstance(net, MixedNet):
            net.start_from(net.space.unpack(train.x))

    def level_biases(self, net: nn.Module) -> tuple[Float[Tensor, "levels"], ...]:
        return net.level_biases if isinstance(net, MixedNet) else ()

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player(self.name, net, self.loss, adamw),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """The error of the process, per number; and the cross-entropy of masked levels."""
        context = drop_context(net, context, self.context_dropout, rng)
        known = random_parts(space_of(net), len(x), rng) if _sees_parts(net) else None
        if known is not None and context is not None and self.context_dropout > 0 and is_grid(space_of(net)):
            context = _alone(context, known, rng)
        return self.process(net, DEFAULT).losses(net, x, self.train_times(net, len(x), rng), known, context, rng)

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """The same with everything free and every condition kept, at even times."""
        parts = self.process(net, DEFAULT).losses(net, x, self.even_times(len(x), rng), None, context, rng)
        return torch.stack(list(parts.values())).sum()

    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        if given.x is not None and not _sees_parts(net):
            hint = "give its label alone, or fit with the family's own net: net=None"
            raise UnsupportedError(f"{type(net).__name__} does not see which parts are given", where="given", hint=hint)
        return self.process(net, how).sample(net, n, given, rng)

    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        raise no_density(self.name)

    def draw_latent(self, net: nn.Module, n: int, rng: torch.Generator) -> Float[Tensor, "n *z"]:
        """Noise, shaped like records."""
        return torch.randn((n, *space_of(net).shape), generator=rng, device=rng.device)


def _alone(context: Float[Tensor, "n k"], known: Bool[Tensor, "n *d"], rng: torch.Generator) -> Float[Tensor, "n k"]:
    """Conditions, of half of the records that are given in part nothing: of what is filled in they are seldom known."""
    forgotten = torch.rand(len(known), generator=rng, device=rng.device) < PARTIAL_ALONE
    return torch.where((known.flatten(1).any(dim=1) & forgotten)[:, None], torch.nan, context)


def complete_context(net: nn.Module, context: Tensor | None, n: int, device: torch.device) -> Tensor | None:
    """The condition rows as the net takes them: all unknown where nothing is given."""
    assert isinstance(net, FlowNet)
    if net.conditions is None:
        return None
    return net.conditions.unknown(n, device) if context is None else context


def check_shares(family: str, **shares: float) -> None:
    """Raise unless every named value lies in [0, 1)."""
    for name, share in shares.items():
        if not 0.0 <= share < 1.0:
            raise ArgumentError(f"{name} is {share}", where=family, hint="it is a share: 0 or more, and below 1")


def check_counts(family: str, **counts: int | None) -> None:
    """Raise unless every named value that is given is at least 1."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ArgumentError(f"{name} is {count}", where=family, hint="it must be 1 or more")


def no_density(family: str) -> UnsupportedError:
    """What `log_prob` raises."""
    return UnsupportedError(
        f"{family} has no log-density here", hint="Mixture and Autoregressive have exact ones, VAE a lower bound"
    )
