"""K distributions of mixed-type columns, independent under each: the components of a latent-class mixture."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.nets.inverse import draw_rows
from genwright.spaces import Columns, Continuous, Discrete

MIN_LOG = -700.0  # log of the share of a tail that a range too narrow to tell still has
VARIANCE_FLOOR = 1e-4  # of an encoded value, whose variance is about 1


class ColumnComponents(nn.Module):
    """A categorical distribution per discrete column and a Gaussian per continuous column, for each of `components`.

    Entries that are NaN or carry no value are left out (marginalised). Lazarsfeld & Henry 1968's latent-class model
    with Gaussian columns added; with one component the columns are independent.
    """

    starts: Tensor
    log_levels: Tensor
    mean: Tensor
    variance: Tensor
    share: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, space: Columns, *, components: int) -> None:
        super().__init__()
        self.space = space
        self.discrete, self.continuous = space.discrete, space.continuous
        self.levels = [c.levels for c in space.columns if isinstance(c, Discrete)]
        values = len(self.continuous)
        uniform = torch.cat([torch.full((n,), 1.0 / n) for n in self.levels] or [torch.zeros(0)])
        starts = torch.tensor([0, *self.levels[:-1]][: len(self.levels)], dtype=torch.long).cumsum(0)
        self.register_buffer("starts", starts, persistent=False)
        # the row after the last level stands for "not known" and adds nothing
        self.register_buffer("log_levels", F.pad(uniform.log(), (0, 1))[:, None].repeat(1, components))
        self.register_buffer("mean", torch.zeros(components, values))
        self.register_buffer("variance", torch.ones(components, values))
        self.register_buffer("share", uniform)
        self.register_buffer("centre", torch.zeros(values))
        self.register_buffer("spread", torch.ones(values))

    def prepare(self, x: Float[Tensor, "n c"]) -> None:
        """Take from data what components are smoothed towards: level shares, means and variances of all rows."""
        known = self._known(x)
        one = torch.ones(len(x), 1, dtype=torch.float64)
        counts = self._count(self._rows(x, known), one)[:-1, 0]
        for start, n in zip(self.starts.tolist(), self.levels, strict=True):
            part = counts[start : start + n] + 0.5
            self.share[start : start + n] = part / part.sum()
        for i, j in enumerate(self.continuous):
            values = x[known[:, j], j]
            if len(values) > 1:
                self.centre[i], self.spread[i] = values.mean(), values.var().clamp(min=VARIANCE_FLOOR)

    def seed(self, rows: Float[Tensor, "k c"]) -> None:
        """Centre component k on row k: half its own distribution, half that of all rows."""
        known = self._known(rows)
        counts = self._count(self._rows(rows, known), torch.eye(len(rows), dtype=torch.float64))[:-1]
        law = 0.5 * counts + (1.0 - 0.5 * self._per_column(counts)) * self.share[:, None]
        self.log_levels[:-1] = law.log()
        here = known[:, self.continuous]
        self.mean.copy_(torch.where(here, rows[:, self.continuous], self.centre))
        self.variance.copy_(self.spread.expand_as(self.mean))

    def log_prob(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """Log-density in nats of the known entries of each row under each component."""
        x = self.space.with_states(x)
        known = self._known(x)
        total = torch.zeros(len(x), len(self.mean))
        if self.discrete:
            total = F.embedding_bag(self._rows(x, known), self.log_levels, mode="sum")
        if self.continuous:
            # -(x - m)^2 / 2v as one product; in float64, since the squares nearly cancel
            here = known[:, self.continuous].double()
            value = torch.where(known, x, 0.0)[:, self.continuous].double()
            mean, variance = self.mean.double(), self.variance.double()
            constant = mean.square() / variance + variance.log() + math.log(2.0 * math.pi)
            features = torch.cat([value.square(), value, here], dim=1)
            weights = torch.cat([1.0 / variance, -2.0 * mean / variance, constant], dim=1)
            total = total - 0.5 * (features @ weights.T).to(total.dtype)
        return total

    def statistics(self, x: Float[Tensor, "n c"], share: Float[Tensor, "n k"]) -> tuple[Tensor, ...]:
        """Sums over rows, weighted with each component's `share` of the row; they add up over batches."""
        known = self._known(x)
        counts = self._count(self._rows(x, known), share)[:-1]
        here = known[:, self.continuous].to(share.dtype)
        value = torch.where(known, x, 0.0)[:, self.continuous].to(share.dtype)
        return counts, share.T @ here, share.T @ value, share.T @ value.square()

    def maximise(self, statistics: tuple[Tensor, ...], smoothing: float, levels_share: float = 1.0) -> None:
        """The M-step: the most likely distributions after `smoothing` further rows that look like all data.

        Discrete columns are given only `levels_share` of these. A continuous one is given them within its components:
        they spread as values do there, and count for its mean in proportion to that spread's share of the whole
        (empirical Bayes: Efron & Morris 1973), so that components that tell values apart are not widened.
        """
        counts, n, first, second = statistics
        counts = counts + levels_share * smoothing * self.share[:, None]
        self.log_levels[:-1] = (counts / self._per_column(counts)).clamp(min=1e-30).log()
        scatter = (second - first.square() / n.clamp(min=1e-9)).clamp(min=0.0)
        within = (scatter.sum(dim=0) / n.sum(dim=0).clamp(min=1e-9)).clamp(min=VARIANCE_FLOOR)
        further = (smoothing * within / self.spread).clamp(min=1e-9, max=smoothing)
        mean = (first + further * self.centre) / (n + further)
        self.mean.copy_(mean)
        about = scatter + n * (first / n.clamp(min=1e-9) - mean).square()
        self.variance.copy_(((about + smoothing * within) / (n + smoothing).clamp(min=1e-9)).clamp(min=VARIANCE_FLOOR))

    def log_mass(self, x: Float[Tensor, "n c"], allowed: Mapping[int, Tensor]) -> Float[Tensor, "n k"]:
        """Log-probability in nats that the free entries of each row lie in the `allowed` sets of their columns."""
        x, free = self.space.with_states(x), []
        masses = []
        for i, j in enumerate(self.discrete):
            if j in allowed or any(k in allowed for k in self._values_of(j)):
                free.append(x[:, j].isnan())
                masses.append(self._allowed_law(i, allowed).double().logsumexp(dim=0))
        for i, j in enumerate(self.continuous):
            column = self.space.columns[j]
            assert isinstance(column, Continuous)
            if j in allowed:  # the mass of a value whose state is free is part of its state's
                here = x[:, j].isnan()
                free.append(here if column.state is None else here & (x[:, column.state] == 0))
                masses.append(self._log_range(i, allowed[j]))
        return torch.stack(free, dim=1).double() @ torch.stack(masses).clamp(min=MIN_LOG)

    def draw(
        self,
        which: Int[Tensor, "n"],
        partial: Float[Tensor, "n c"],
        rng: torch.Generator,
        allowed: Mapping[int, Tensor] | None = None,
    ) -> Float[Tensor, "n c"]:
        """Rows from components `which`; entries of `partial` that are not NaN are kept, others drawn in `allowed`."""
        partial, allowed = self.space.with_states(partial), allowed or {}
        x = partial.clone()
        for i, j in enumerate(self.discrete):
            free = partial[:, j].isnan()
            x[free, j] = draw_rows(self._allowed_law(i, allowed).double().softmax(dim=0).T, which[free], rng).to(
                x.dtype
            )
        noise = torch.randn(len(x), len(self.continuous), generator=rng)
        for i, j in enumerate(self.continuous):
            if j in allowed:
                noise[:, i] = self._noise_within(i, which, allowed[j], rng)
        value = self.mean[which] + self.variance[which].sqrt() * noise
        for i, j in enumerate(self.continuous):
            if j in allowed:
                value[:, i].clamp_(float(allowed[j][0]), float(allowed[j][1]))
        free = partial[:, self.continuous].isnan()
        active = self.space.active(x)[:, self.continuous]
        x[:, self.continuous] = torch.where(free, torch.where(active, value, 0.0), partial[:, self.continuous])
        return x

    def _values_of(self, state: int) -> list[int]:
        """Continuous columns that the discrete column `state` governs."""
        return [i for i, c in enumerate(self.space.columns) if isinstance(c, Continuous) and c.state == state]

    def _allowed_law(self, i: int, allowed: Mapping[int, Tensor]) -> Float[Tensor, "l k"]:
        """Log-probability of each allowed level of the i-th discrete column, times that of what it allows of values."""
        start, n, j = int(self.starts[i]), self.levels[i], self.discrete[i]
        law = self.log_levels[start : start + n]
        if j in allowed:
            law = law.masked_fill(~allowed[j].bool()[:, None], -math.inf)
        governed = [k for k in self._values_of(j) if k in allowed]
        if governed:
            law = law.double()
            law[0] += sum(self._log_range(self.continuous.index(k), allowed[k]) for k in governed)
        return law

    def _log_range(self, i: int, limits: Float[Tensor, "2"]) -> Float[Tensor, "k"]:
        """Log-probability of the i-th continuous column's range in each component."""
        low, high = ((limits[e].double() - self.mean[:, i]) / self.variance[:, i].double().sqrt() for e in (0, 1))
        mirrored = low > 0  # where the upper tail is meant, take the lower one: there differences keep their digits
        low, high = torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
        above, below = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
        return above + torch.log1p(-(below - above).exp()).clamp(min=MIN_LOG)

    def _noise_within(
        self, i: int, which: Int[Tensor, "n"], limits: Float[Tensor, "2"], rng: torch.Generator
    ) -> Float[Tensor, "n"]:
        """Standard normal noise that takes the i-th continuous column into a range, in components `which`."""
        scale = self.variance[which, i].double().sqrt()
        low, high = ((limits[e].double() - self.mean[which, i]) / scale for e in (0, 1))
        mirrored = low > 0
        low, high = torch.where(mirrored, -high, low), torch.where(mirrored, -low, high)
        below, above = torch.special.ndtr(low), torch.special.ndtr(high)
        uniform = torch.rand(len(which), generator=rng, dtype=torch.float64)
        noise = torch.special.ndtri(below + (above - below) * uniform).clamp(low, high)
        return torch.where(mirrored, -noise, noise).to(self.mean.dtype)

    def _known(self, x: Tensor) -> Bool[Tensor, "n c"]:
        return ~x.isnan() & self.space.active(x)

    def _rows(self, x: Tensor, known: Tensor) -> Int[Tensor, "n d"]:
        """Rows of `log_levels` that the discrete entries pick."""
        levels = torch.where(known, x, 0.0)[:, self.discrete].long() + self.starts
        return torch.where(known[:, self.discrete], levels, len(self.log_levels) - 1)

    def _count(self, rows: Int[Tensor, "n d"], share: Float[Tensor, "n k"]) -> Float[Tensor, "l k"]:
        """Share-weighted count of each level, with a last row for the unknown."""
        counts = torch.zeros(len(self.log_levels), share.shape[1], dtype=share.dtype)
        for j in range(rows.shape[1]):
            counts.index_add_(0, rows[:, j], share)
        return counts

    def _per_column(self, counts: Float[Tensor, "l k"]) -> Float[Tensor, "l k"]:
        """Each level's column total."""
        parts = [part.sum(dim=0, keepdim=True).expand(len(part), -1) for part in counts.split(self.levels)]
        return torch.cat(parts) if parts else counts
