"""Any-order autoregression over columns: one net that holds p(column | any set of other columns) for every column."""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.maths import decoding
from genwright.nets.quantile_density import QuantileDensity
from genwright.nets.relaxation import log_frequencies
from genwright.spaces import Columns, Conditions, Continuous, Discrete

NATURAL_SHARE = 0.5  # of training rows use the order that unconditional sampling uses; the others a random one
MAX_ROUNDS = 24  # of proposals for columns that are restricted to sets
FARTHEST = 4.0  # standard deviations that a value may be from the middle to count as it is
CHUNK = 2048  # rows drawn or scored at once


class AnyOrderColumns(nn.Module):
    """p(x) = prod_j p(x_j | columns before j) for any order of the columns, exact for each order.

    Every known entry adds its embedding to a running sum; each column reads the sum of the columns before it through a
    perceptron of its own, all of them evaluated together by batched products. A discrete column has a categorical
    distribution, a continuous one a `QuantileDensity`. A continuous value is embedded on the line between its
    neighbouring quantiles, which hardly tell values in the tails apart, and as a multiple of its column's slope. A
    value comes after its state column, and is skipped where the state says that there is none. Known context columns
    come first; unknown ones (NaN) are left out of the sum.

    The shared running sum is that of NADE (Uria et al. 2016, arXiv:1605.02226, eq. 9), trained over orders as in their
    section 6.
    """

    starts: Tensor
    inner: Tensor
    rank: Tensor
    fitted: Tensor

    def __init__(
        self, space: Columns, context: Columns | None, *, width: int, depth: int, bins: int = 16, bumps: int = 8
    ) -> None:
        super().__init__()
        beside = () if context is None else context.columns
        self.space, self.context = space, context
        self.conditions = None if context is None else Conditions(context)
        self.targets = len(space.columns)
        columns = space.columns + beside
        self.density = QuantileDensity(bins, bumps)
        rows = [c.levels if isinstance(c, Discrete) else bins + 1 for c in columns]
        self.register_buffer("starts", torch.tensor([0, *rows[:-1]]).cumsum(0), persistent=False)
        self.register_buffer("inner", torch.tensor([isinstance(c, Continuous) for c in columns]), persistent=False)
        self.register_buffer("rank", _natural_rank(space, len(beside)), persistent=False)
        self.register_buffer("fitted", torch.tensor(False))
        self.values = nn.Parameter(torch.randn(sum(rows), width))
        self.slopes = nn.Parameter(torch.randn(len(rows), width) / 2)
        self.register_load_state_dict_pre_hook(_without_slopes)
        self.layers = nn.ParameterList(
            nn.Parameter(torch.randn(self.targets, width, width) / math.sqrt(width)) for _ in range(depth)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(self.targets, 1, width)) for _ in range(depth))
        self.heads = nn.ModuleList(
            _zero_linear(width, c.levels if isinstance(c, Discrete) else self.density.parameters_needed)
            for c in space.columns
        )

    def nll(
        self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None, rng: torch.Generator
    ) -> Float[Tensor, "n"]:
        """-log p(x | context) of each row in nats, exact for the order drawn for that row; the training loss.

        In a row with a random order, context columns take part in it too, so that any part of them may be unknown.
        """
        if self.training and not self.fitted:
            self._start_from_marginals(x)
        rank = self.rank.expand(len(x), -1)
        uniform = torch.rand(rank.shape, generator=rng, device=x.device)
        natural = torch.rand(len(x), 1, generator=rng, device=x.device) < NATURAL_SHARE
        return -self._log_prob(x, context, torch.where(natural, rank, self._after_states(uniform)))

    def log_prob(self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None) -> Float[Tensor, "n"]:
        """log p(x | known context) of each row in nats, in the natural order of the columns; NaN entries, as if they
        came last, are marginalised.
        """
        parts = []
        for at in range(0, len(x), CHUNK):
            rows = slice(at, at + CHUNK)
            beside = None if context is None else context[rows]
            parts.append(self._log_prob(x[rows], beside, self.rank.expand(len(x[rows]), -1)))
        return torch.cat(parts)

    @torch.no_grad()
    def draw(
        self,
        n: int,
        partial: Float[Tensor, "n c"] | None,
        context: Float[Tensor, "n k"] | None,
        rng: torch.Generator,
        allowed: Mapping[int, Tensor] | None = None,
    ) -> Float[Tensor, "n c"]:
        """n rows that agree with `partial` (NaN = free), the free entries drawn given all the fixed ones.

        Columns that are restricted to `allowed` sets are drawn before the others.
        """
        if partial is None:
            partial = torch.full((n, self.targets), torch.nan, device=self.values.device)
        parts = []
        for at in range(0, n, CHUNK):
            rows = slice(at, at + CHUNK)
            beside = None if context is None else context[rows]
            known = self._draw_within(partial[rows], beside, allowed, rng) if allowed else partial[rows]
            parts.append(self._draw(known, beside, rng))
        return torch.cat(parts)

    def _draw(self, partial: Tensor, context: Tensor | None, rng: torch.Generator) -> Tensor:
        x = self.space.with_states(partial)
        total = self._total(x, context)
        for j in self.rank[: self.targets].argsort().tolist():
            self._fill(x, total, j, None, rng)
        return x

    def _draw_within(
        self, partial: Tensor, context: Tensor | None, allowed: Mapping[int, Tensor], rng: torch.Generator
    ) -> Float[Tensor, "n c"]:
        """`partial` with its restricted columns drawn from their joint distribution within the `allowed` sets.

        Each is drawn within its set given those before it; the product of the probabilities that the later ones had of
        being in their sets is how far this proposal is off. Rows are accepted in proportion to it, and after MAX_ROUNDS
        rounds taken from all that was proposed for them in proportion to it (Rubin 1987's importance resampling).
        """
        columns = set(allowed) | {self._state_of(j) for j in allowed}
        order = [j for j in self.rank[: self.targets].argsort().tolist() if j in columns]
        result, rows = partial.clone(), torch.arange(len(partial), device=partial.device)
        seen = torch.full((len(partial),), -math.inf, dtype=torch.float64, device=partial.device)
        bound = None
        for _ in range(MAX_ROUNDS):
            beside = None if context is None else context[rows]
            x, weight = self._propose(partial[rows], beside, order, allowed, rng)
            bound = weight.max() if bound is None else bound
            uniform = torch.rand(len(rows), 2, generator=rng, device=x.device, dtype=torch.float64).log()
            seen[rows] = torch.logaddexp(seen[rows], weight)
            accepted = uniform[:, 0] < weight - bound
            taken = accepted | (uniform[:, 1] < weight - seen[rows])
            result[rows[taken]] = x[taken]
            rows = rows[~accepted]
            if not len(rows):
                break
        return result

    def _propose(
        self,
        partial: Tensor,
        context: Tensor | None,
        order: Sequence[int],
        allowed: Mapping[int, Tensor],
        rng: torch.Generator,
    ) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n"]]:
        """The columns in `order` drawn one after the other within their sets, and the log-weight of each row."""
        x = self.space.with_states(partial)
        total = self._total(x, context)
        weight = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        begun = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for j in order:
            free = x[:, j].isnan()
            mass = self._fill(x, total, j, allowed.get(j), rng)
            weight += torch.where(begun, mass, 0.0)  # the first set's mass is the same for all proposals of a row
            begun |= free
        return x, weight

    def _total(self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None) -> Float[Tensor, "n w"]:
        """The sum of the embeddings of all known entries."""
        if context is None and bool(x.isnan().all()):
            return self.values.new_zeros(len(x), self.values.shape[1])
        embedded, known = self._embed(x, context)
        return (embedded * known[..., None]).sum(dim=1)

    def _fill(
        self, x: Float[Tensor, "n c"], total: Float[Tensor, "n w"], j: int, limit: Tensor | None, rng: torch.Generator
    ) -> Float[Tensor, "n"]:
        """Draw the free entries of column j into `x`, within a set if there is one, and add them to the sums `total`.

        Returns the log of the probability that each had of being in the set.
        """
        column = self.space.columns[j]
        free = x[:, j].isnan()
        if isinstance(column, Continuous) and column.state is not None:
            absent = free & (x[:, column.state] != 0)
            x[absent, j] = 0.0
            free = free & ~absent
        mass = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        if not free.any():
            return mass
        rows = slice(None) if free.all() else free  # all of them need no copies
        head = self.heads[j](self._hidden(total[rows][None], slice(j, j + 1))[0]).float()
        if isinstance(column, Discrete):
            logits = head if limit is None else head.masked_fill(~limit.bool().to(head.device), -math.inf)
            drawn = decoding.draw(logits, rng).to(x.dtype)
            if limit is not None:
                mass[rows] = (logits.logsumexp(dim=1) - head.logsumexp(dim=1)).double()
        else:
            low, high = (-math.inf, math.inf) if limit is None else limit.tolist()
            drawn = self.density.sample(head, rng, low, high).to(x.dtype)
            if limit is not None:
                mass[rows] = self.density.log_mass(head, low, high).double()
        x[rows, j] = drawn
        total[rows] += self._embed_column(drawn, j)
        return mass

    def _state_of(self, j: int) -> int | None:
        """The column that says whether column j carries a value, if there is one."""
        column = self.space.columns[j]
        return column.state if isinstance(column, Continuous) else None

    def _log_prob(self, x: Tensor, context: Tensor | None, rank: Float[Tensor, "n a"]) -> Float[Tensor, "n"]:
        """log p of the known entries of each row in the order of `rank` (columns, then context columns)."""
        embedded, known = self._embed(x, context)
        before = (rank[:, None, :] < rank[:, : self.targets, None]) & known[:, None, :]
        sums = torch.bmm(before.to(embedded.dtype), embedded).transpose(0, 1)
        hidden = self._hidden(sums, slice(0, self.targets)).unbind(0)  # cheaper backwards than indexing
        total = torch.zeros(len(x), dtype=torch.float32, device=x.device)
        for j, column in enumerate(self.space.columns):
            head = self.heads[j](hidden[j]).float()
            value = torch.where(known[:, j], x[:, j], 0.0)
            if isinstance(column, Discrete):
                score = -F.cross_entropy(head, value.long(), reduction="none")
            else:
                score = self.density.log_prob(head, value)
            total = total + torch.where(known[:, j], score, 0.0)
        return total

    def _hidden(self, sums: Float[Tensor, "j n w"], columns: slice) -> Float[Tensor, "j n w"]:
        """What the perceptrons of `columns` make of the sums before them."""
        hidden = F.layer_norm(sums, sums.shape[-1:])
        for layer, (weight, bias) in enumerate(zip(self.layers, self.biases)):
            step = torch.baddbmm(bias[columns], hidden, weight[columns])
            hidden = F.silu(step) if layer == 0 else hidden + F.silu(step)
        return hidden

    def _embed(self, x: Tensor, context: Tensor | None) -> tuple[Float[Tensor, "n a w"], Bool[Tensor, "n a"]]:
        """One vector per entry (columns, then context columns), and which entries are known and carry a value."""
        known = ~x.isnan() & self.space.active(x)
        if self.context is not None:
            beside = torch.full((len(x), len(self.context.columns)), torch.nan) if context is None else context
            beside = beside.to(x)
            known = torch.cat([known, ~beside.isnan() & self.context.active(beside)], dim=1)
            x = torch.cat([x, beside], dim=1)
        x = torch.where(known, x, 0.0)
        rows, share = self._rows(x, self.inner, self.starts)
        embedded = F.embedding(rows, self.values)
        inner = self.inner.nonzero().flatten()
        if len(inner):
            above = F.embedding(rows[:, inner] + 1, self.values)
            lerped = torch.lerp(embedded[:, inner], above, share[:, inner, None])
            slope = x[:, inner, None].clamp(-FARTHEST, FARTHEST) * self.slopes[inner]
            embedded = embedded.index_copy(1, inner, lerped + slope.to(lerped.dtype))
        return embedded, known

    def _embed_column(self, x: Float[Tensor, "n"], j: int) -> Float[Tensor, "n w"]:
        rows, share = self._rows(x, self.inner[j], self.starts[j])
        lower = F.embedding(rows, self.values)
        if not self.inner[j]:
            return lower
        slope = x[:, None].clamp(-FARTHEST, FARTHEST) * self.slopes[j]
        return torch.lerp(lower, F.embedding(rows + 1, self.values), share[:, None]) + slope

    def _rows(self, x: Tensor, inner: Tensor, starts: Tensor) -> tuple[Int[Tensor, "..."], Float[Tensor, "..."]]:
        """Row of each entry's embedding and, for continuous entries, how far the value is towards the next row."""
        place = torch.special.ndtr(x) * self.density.bins
        bin_ = place.floor().clamp(max=self.density.bins - 1)
        return torch.where(inner, bin_, x).long() + starts, (place - bin_).to(self.values.dtype)

    def _after_states(self, rank: Float[Tensor, "n a"]) -> Float[Tensor, "n a"]:
        """Ranks in (0, 1), changed so that each value comes after its state, at a random later place."""
        rank = rank.clone()
        for i, column in enumerate(self.space.columns):
            if isinstance(column, Continuous) and column.state is not None:
                first = rank[:, column.state]
                rank[:, i] = first + (1.0 - first) * rank[:, i].clamp(min=1e-3)
        return rank

    @torch.no_grad()
    def _start_from_marginals(self, x: Float[Tensor, "n c"]) -> None:
        """Set the biases of the categorical heads to the smoothed log-frequencies of the first batch."""
        for bias, levels in zip(self.level_biases, log_frequencies(self.space, x), strict=True):
            bias.copy_(levels)
        self.fitted.fill_(True)

    @property
    def level_biases(self) -> tuple[Float[Tensor, "levels"], ...]:
        """What is added to the logits of each discrete column, whatever comes before it."""
        return tuple(self.heads[j].get_parameter("bias").detach() for j in self.space.discrete)


def _without_slopes(net: "AnyOrderColumns", weights: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Nets of before there were slopes have none."""
    weights.setdefault(f"{prefix}slopes", torch.zeros_like(net.slopes))


def _natural_rank(space: Columns, beside: int) -> Float[Tensor, "a"]:
    """Ranks of the columns as they stand, each value after its state; context columns before all of them."""
    rank = torch.arange(len(space.columns), dtype=torch.float32)
    for i, column in enumerate(space.columns):
        if isinstance(column, Continuous) and column.state is not None and column.state > i:
            rank[i] = column.state + 0.5
    return torch.cat([rank, torch.arange(-beside, 0, dtype=torch.float32)])


def _zero_linear(width: int, outputs: int) -> nn.Linear:
    """A linear map that starts at zero."""
    linear = nn.Linear(width, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
