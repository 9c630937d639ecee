"""Rows of mixed columns under noise: Gaussian for values, masks for levels, both at one time; for diffusion and flow.

Values go along the schedule of the family. Levels are masked one by one: at a *share* s of the way from data to noise
each is masked with probability s, and the net's logits at that time are its distribution given all that is visible then
(Shi et al. 2025, "TabDiff", arXiv:2410.20626, section 3; Sahoo et al. 2024, arXiv:2406.07524; with a straight path for
values this is mixed discrete and continuous flow matching, Campbell et al. 2024, arXiv:2402.04997).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from genwright.families.denoising import ArrayProcess, Process, complete_context, noised
from genwright.families.family import Losses
from genwright.nets.mixed_net import MixedNet
from genwright.spaces import Columns, Continuous, Given, Reals

ROWS_AT_ONCE = 4096  # when sampling: bounds memory
STATES_UNTIL = 2 / 3  # share of noise at which all states of values are visible: values say next to nothing until then
AT_ONCE = 1e-4  # shares closer than this are the same


@dataclass(frozen=True, kw_only=True)
class MixedProcess(Process):
    """Gaussian noise on the values of rows and masks on their levels; there is no guidance, which would bend the
    distribution.

    A latent has one standard normal number per column: the noise of a value, the quantile of a level in its
    distribution.
    """

    def losses(
        self, net: nn.Module, x: Tensor, t: Tensor, known: Tensor | None, context: Tensor | None, rng: torch.Generator
    ) -> Losses:
        """The error of values per number; and the bound on -log p of levels, in nats per column.

        The second is the cross-entropy of masked levels, averaged over those of a row: with k of d levels masked, that
        times d bounds the negative log-likelihood (Ou et al. 2024, arXiv:2406.03736, eq. 3.6).
        """
        assert isinstance(net, MixedNet)
        space = net.space
        known = torch.zeros_like(x, dtype=torch.bool) if known is None else known
        active = space.active(x)
        values = _stand_ins(x, active, space, rng)
        path = noised(values, t, known[:, space.continuous], self.schedule, rng)
        uniform = torch.rand(x.shape, generator=rng, device=x.device)
        masked = (uniform < _masked_share(space, self._share(t))) & ~known
        seen = x.clone()
        seen[:, space.continuous] = path.seen
        seen = torch.where(masked, torch.nan, seen)
        out, logits = net.split(net(seen, t, context, known.float()))
        found = {}
        if space.continuous:
            counted = path.free * active[:, space.continuous]
            found["values"] = (self.error(out, path) * counted).sum() / counted.sum().clamp(min=1.0)
        if space.discrete:
            found["levels"] = _masked_cross_entropy(logits, x[:, space.discrete], masked[:, space.discrete])
        return found

    @torch.no_grad()
    def sample(self, net: nn.Module, n: int, given: Given, rng: torch.Generator) -> Float[Tensor, "n c"]:
        """n rows that agree with `given`, levels drawn in an order of their own in each row."""
        assert isinstance(net, MixedNet)
        space, device = net.space, rng.device
        context = complete_context(net, given.context, n, device)
        partial = torch.full((n, *space.shape), torch.nan, device=device) if given.x is None else given.x
        latents = torch.randn((n, *space.shape), generator=rng, device=device)
        order = torch.rand((n, *space.shape), generator=rng, device=device)
        parts = []
        for start in range(0, n, ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            beside = None if context is None else context[rows]
            parts.append(self._restore(net, latents[rows], partial[rows], beside, order[rows], rng))
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, net: nn.Module, z: Float[Tensor, "n c"], context: Tensor | None) -> Float[Tensor, "n c"]:
        assert isinstance(net, MixedNet)
        context = complete_context(net, context, len(z), z.device)
        return self._restore(net, z, torch.full_like(z, torch.nan), context, natural_order(z), None)

    def _restore(
        self,
        net: MixedNet,
        z: Float[Tensor, "n c"],
        partial: Float[Tensor, "n c"],
        context: Tensor | None,
        order: Float[Tensor, "n c"],
        rng: torch.Generator | None,
    ) -> Float[Tensor, "n c"]:
        """Carry latents to rows: values by the sampler, each level when it is due, at quantile Φ(z)."""
        space = net.space
        x = space.with_states(partial)
        known = ~x.isnan()
        due = _due(space, order, known, len(self.times) - 1)
        fixed, inner = x[:, space.continuous], space.continuous

        def model(values: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            x[:, inner] = torch.where(known[:, inner], fixed, values)
            out, logits = net.split(net(x, t.to(z).expand(len(z)), context, known.float()))
            now = x.isnan() & (due >= self._share(t) - AT_ONCE)
            for j, own in zip(space.discrete, logits, strict=True):
                rows = now[:, j].nonzero()[:, 0]
                x[rows, j] = _level_at(own[rows], z[rows, j])
            return self._pair(values, out, t)

        values = self.sampler(model, z[:, inner], self.times.to(z), self.schedule, rng)
        x[:, inner] = torch.where(known[:, inner], fixed, values)
        return torch.where(space.active(x) | known & ~partial.isnan(), x, 0.0)

    @torch.no_grad()
    def encode(
        self, net: nn.Module, x: Float[Tensor, "n c"], context: Tensor | None, times: Tensor
    ) -> Float[Tensor, "n c"]:
        assert isinstance(net, MixedNet)
        space, context = net.space, complete_context(net, context, len(x), x.device)
        z, inner, nothing = torch.zeros_like(x), space.continuous, torch.zeros_like(x)
        due = _due(space, natural_order(x), nothing.bool(), len(self.times) - 1)

        def model(values: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
            share = self._share(t)
            seen = torch.where(due > share + AT_ONCE, x, torch.nan)
            seen[:, inner] = values
            out, logits = net.split(net(seen, t.to(x).expand(len(x)), context, nothing))
            now = (due - share).abs() <= AT_ONCE
            for j, own in zip(space.discrete, logits, strict=True):
                rows = now[:, j].nonzero()[:, 0]
                z[rows, j] = _place_of(own[rows], x[rows, j])
            return self._pair(values, out, t)

        z[:, inner] = self.sampler(model, x[:, inner], times.to(x), self.schedule, None)
        model(z[:, inner], times[-1])  # the levels that come first, which no step starts from
        return z

    def _share(self, t: Float[Tensor, "*t"]) -> Float[Tensor, "*t"]:
        """How far times are on the way from data to noise, from 0 to 1."""
        noise, data = self.times[0].to(t), self.times[-1].to(t)
        return ((t - data) / (noise - data)).clamp(0.0, 1.0)

    def _pair(self, values: Tensor, out: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, sigma = self.schedule(t.to(values))
        return self.prediction(values, out, alpha, sigma)


def process_of(space: Reals | Columns) -> type[MixedProcess] | type[ArrayProcess]:
    """The kind of process that records of a space go through."""
    return MixedProcess if isinstance(space, Columns) else ArrayProcess


def natural_order(like: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """An order in which the first column comes first, for every row."""
    return torch.linspace(1.0, 0.0, like.shape[1], device=like.device).expand_as(like)


def _governing(space: Columns) -> set[int]:
    """The columns that say whether another has a value."""
    return {c.state for c in space.columns if isinstance(c, Continuous) and c.state is not None}


def _masked_share(space: Columns, share: Float[Tensor, "n"]) -> Float[Tensor, "n c"]:
    """With which probability each entry is masked when the row is a share of the way to noise; values never are."""
    states, columns = _governing(space), []
    for j, column in enumerate(space.columns):
        if isinstance(column, Continuous):
            columns.append(torch.zeros_like(share))
        elif j in states:
            columns.append(((share - STATES_UNTIL) / (1.0 - STATES_UNTIL)).clamp(min=0.0))
        else:
            columns.append(share)
    return torch.stack(columns, dim=1)


def _due(space: Columns, order: Float[Tensor, "n c"], known: Bool[Tensor, "n c"], steps: int) -> Float[Tensor, "n c"]:
    """At which share of noise each level becomes visible, evenly spread over the free ones; known ones always are.

    Later places in `order` come first; states come by `STATES_UNTIL` at the latest.
    """
    raised = order.clone()
    for j in _governing(space):
        raised[:, j] = STATES_UNTIL + (1.0 - STATES_UNTIL) * order[:, j]
    free = ~known
    free[:, space.continuous] = False
    rank = raised.masked_fill(~free, -1.0).argsort(dim=1, descending=True).argsort(dim=1)
    count = free.sum(dim=1, keepdim=True).clamp(min=1)
    due = 1.0 - (rank * steps // count) / steps
    for j in _governing(space):
        due[:, j] = due[:, j].clamp(min=math.ceil(STATES_UNTIL * steps) / steps)
    return torch.where(free, due, 2.0)


def _stand_ins(
    x: Float[Tensor, "n c"], active: Bool[Tensor, "n c"], space: Columns, rng: torch.Generator
) -> Float[Tensor, "n v"]:
    """The values, with normal draws (which encoded values are like) where there are none: noise tells nothing then."""
    values = x[:, space.continuous]
    noise = torch.randn(values.shape, generator=rng, device=x.device)
    return torch.where(active[:, space.continuous], values, noise)


def _masked_cross_entropy(
    logits: tuple[Tensor, ...], levels: Float[Tensor, "n d"], masked: Bool[Tensor, "n d"]
) -> Float[Tensor, ""]:
    """Cross-entropy of masked levels, averaged over those of a row, then over rows that have any."""
    entries = [
        F.cross_entropy(own, levels[:, k].long(), reduction="none") * masked[:, k] for k, own in enumerate(logits)
    ]
    count = masked.sum(dim=1)
    each = torch.stack(entries, dim=1).sum(dim=1) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)


def _level_at(logits: Float[Tensor, "n l"], z: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The level at quantile Φ(z) of each distribution."""
    reached = logits.double().softmax(dim=1).cumsum(dim=1) <= torch.special.ndtr(z.double())[:, None]
    return reached.sum(dim=1).clamp(max=logits.shape[1] - 1).to(z.dtype)


def _place_of(logits: Float[Tensor, "n l"], level: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """A latent that `_level_at` takes to the level: the middle of its part of the distribution."""
    probabilities = logits.double().softmax(dim=1)
    own = probabilities.gather(1, level.long()[:, None])[:, 0]
    middle = probabilities.cumsum(dim=1).gather(1, level.long()[:, None])[:, 0] - own / 2
    return torch.special.ndtri(middle.clamp(1e-12, 1.0 - 1e-12)).to(level.dtype)
