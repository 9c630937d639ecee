"""Two stages: compress records, then generate what they are compressed to."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.denoising import no_density
from genwright.families.diffusion import Diffusion
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    Encodes,
    Family,
    Partial,
    Work,
    refused,
    untrained,
)
from genwright.families.flow import FlowMatching
from genwright.families.sampling import Sampling
from genwright.families.vae import VAE
from genwright.nets.coder import latent_space
from genwright.nets.default import is_grid, require_nets
from genwright.spaces import Conditions, Encoded, Given, Reals, RowSource, Space

SIDE = {1: 16, 2: 8, 3: 4}  # of latents, by the sides of their grid: the longest, unless records are hardly longer
NUMBERS = 2**18  # of records in a batch of the first stage, whose steps would be few otherwise
CHUNK = 512  # records at once, which bounds memory


class TwoStageNet(nn.Module):
    """The nets of both stages, and what makes latents about standard normal in each channel."""

    shift: Tensor
    scale: Tensor

    def __init__(self, first: nn.Module, second: nn.Module, *, space: Reals, latents: Reals) -> None:
        super().__init__()
        self.space, self.latents, self.first, self.second = space, latents, first, second
        self.register_buffer("shift", torch.zeros(latents.shape[0]))
        self.register_buffer("scale", torch.ones(latents.shape[0]))

    def fit_scale(self, z: Float[Tensor, "n *s"]) -> None:
        """Learn the mean and the spread of each channel."""
        channels = z.movedim(1, 0).flatten(1)
        self.shift.copy_(channels.mean(1))
        self.scale.copy_(channels.std(1, correction=0).clamp_min(1e-6))

    def standard(self, z: Float[Tensor, "n z"]) -> Float[Tensor, "n *s"]:
        """Latents of the first stage as records of the second."""
        return (z.unflatten(1, self.latents.shape) - self._wide(self.shift)) / self._wide(self.scale)

    def latent(self, records: Float[Tensor, "n *s"]) -> Float[Tensor, "n z"]:
        """The inverse of `standard`."""
        return (records * self._wide(self.scale) + self._wide(self.shift)).flatten(1)

    def _wide(self, channels: Float[Tensor, "c"]) -> Tensor:
        return channels.view(-1, *[1] * (len(self.latents.shape) - 1))


@dataclass(frozen=True, kw_only=True)
class TwoStage(Family, Encodes):
    """A VAE that compresses, and flow matching or diffusion that generates what it compresses to: latent diffusion.

    Rombach et al. 2022, arXiv:2112.10752; of vectors, Vahdat et al. 2021, arXiv:2106.05931. The first stage takes
    `share` of the time or the steps and knows of no conditions; the second is trained on one posterior draw of each
    record, each channel brought to mean 0 and variance 1, and obeys them. By default images and other grids have
    latents on a grid of a quarter of their sides or less.
    """

    name: ClassVar[str] = "two stage"

    first: VAE | None = None
    second: FlowMatching | Diffusion | None = None
    share: float = 0.35

    def __post_init__(self) -> None:
        kinds = {"first": VAE, "second": FlowMatching | Diffusion}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                hint = "first=gw.VAE(), second=gw.FlowMatching() or gw.Diffusion()"
                raise ArgumentError(f"{name} is {value!r:.60}", where="TwoStage", hint=hint)
        if not 0 < self.share < 1:
            hint = "of the time the first stage takes more than 0 and less than 1"
            raise ArgumentError(f"share is {self.share}", where="TwoStage", hint=hint)

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Reals):
            raise refused(self, "tables and sequences of tokens")
        require_nets(space)
        second = (self.second or FlowMatching()).can(space)
        return replace(second, given=Partial.NOTHING, how=tuple(dict.fromkeys(("temperature", *second.how))))

    def sized(self, space: Space, work: Work) -> Self:
        assert isinstance(space, Reals)
        first = self.first or VAE(grid=_side(space))
        if first.prior_components is None:
            first = replace(first, prior_components=0)  # the second stage takes its place
        at_once = max(8, min(64, NUMBERS // space.size, work.rows))
        first = replace(first, batch=first.batch or at_once) if is_grid(space) else first
        first = first.sized(space, self.work(work)[0])
        second = (self.second or FlowMatching()).sized(_latents(first, space), self.work(work)[1])
        return replace(self, first=first, second=second)

    def work(self, work: Work) -> tuple[Work, Work]:
        """What each stage has to work with."""
        if work.minutes is not None:
            first = self.share * work.minutes
            return replace(work, minutes=first), replace(work, minutes=work.minutes - first)
        steps = work.steps or 0
        first_steps = min(max(1, round(self.share * steps)), max(1, steps - 1))
        return replace(work, steps=first_steps), replace(work, steps=max(1, steps - first_steps))

    def build(self, space: Space, conditions: Conditions | None) -> TwoStageNet:
        assert isinstance(space, Reals) and self.first and self.second, "sized() comes first"
        latents = _latents(self.first, space)
        first, second = untrained(self.first, space, None), untrained(self.second, latents, conditions)
        return TwoStageNet(first, second, space=space, latents=latents)

    @torch.no_grad()
    def compressed(self, net: Any, rows: RowSource, rng: torch.Generator) -> Encoded:
        """Rows of the second stage, whose space is `net.latents`: a posterior draw of each, not to scale."""
        assert self.first
        latents = [
            self.first.draw_latents(net.first, rows.rows(index).unpacked(net.space), None, rng)
            for index in torch.arange(len(rows), device=rows.device).split(CHUNK)
        ]
        return Encoded(torch.cat(latents).unflatten(1, net.latents.shape), rows.context)

    @torch.no_grad()
    def sample(
        self, net: Any, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """Latents from the second stage; then x from p(x | z) of the first."""
        assert self.first and self.second
        if given.x is not None:
            hint = "FlowMatching and VAE complete partial records"
            raise UnsupportedError(f"{self.name} can be given conditions, but no parts of a record", hint=hint)
        near = None if given.near is None else net.standard(self.first.encode(net.first, given.near, None))
        beside = Given(None, given.context, near=near, strength=given.strength)
        drawing = replace(how, temperature=None)  # that is of x given z
        z = net.latent(self.second.sample(net.second, n, given=beside, how=drawing, rng=rng))
        parts = [
            self.first.draw_at(net.first, z[rows], given=Given(lengths=_rows(given.lengths, rows)), how=how, rng=rng)
            for rows in torch.arange(n, device=z.device).split(CHUNK)
        ]
        return torch.cat(parts) if parts else torch.empty(0, *net.space.shape)

    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        raise no_density(self.name)

    def draw_latent(self, net: Any, n: int, rng: torch.Generator) -> Float[Tensor, "n *z"]:
        """Noise, shaped like what records are compressed to."""
        assert self.second
        return self.second.draw_latent(net.second, n, rng)

    @torch.no_grad()
    def decode(self, net: Any, z: Float[Tensor, "n *z"], context: Tensor | None, *, how: Sampling = DEFAULT) -> Tensor:
        assert self.first and self.second
        return self.first.decode(net.first, net.latent(self.second.decode(net.second, z, context, how=how)), None)

    @torch.no_grad()
    def encode(self, net: Any, x: Tensor, context: Tensor | None, *, how: Sampling = DEFAULT) -> Float[Tensor, "n *z"]:
        assert self.first and self.second
        return self.second.encode(net.second, net.standard(self.first.encode(net.first, x, None)), context, how=how)


def _latents(first: VAE, space: Reals) -> Reals:
    assert first.latent, "sized() comes first"
    return latent_space(space, first.latent, first.grid)


def _side(space: Reals) -> int | None:
    """The longest side of the latents' grid: short, and no more than half of the records'."""
    return min(SIDE[len(space.sides)], max(1, max(space.sides) // 2)) if is_grid(space) else None


def _rows(part: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if part is None else part[rows]
