"""What K hidden states say about each column of a row: a categorical distribution, or a piecewise linear density."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.nets.inverse import draw_rows, inside_hat, shares_below
from genwright.spaces import Columns, Discrete

SMALLEST = 1e-30  # stands for no probability where a logarithm is taken
NARROWEST = 1e-9  # tail beyond which no value is drawn: six standard deviations


class Leaves(nn.Module):
    """p(column | state) for every column of `space` and each of `states` states.

    Discrete columns: a categorical distribution. Continuous ones: z = ndtri(u) with u spread as a mixture of `knots`
    triangular densities ("hats") whose peaks stand evenly on [0, 1], so that densities are continuous and piecewise
    linear in u.
    """

    starts: Tensor
    log_areas: Tensor
    marginals: Tensor

    def __init__(self, space: Columns, *, states: int, knots: int) -> None:
        super().__init__()
        self.space, self.states, self.knots = space, states, knots
        self.sizes = [c.levels if isinstance(c, Discrete) else knots for c in space.columns]
        self.register_buffer("starts", torch.tensor([0, *self.sizes[:-1]]).cumsum(0), persistent=False)
        # differences from the marginals; much smaller, and short fits of few columns stay where all states are alike
        self.logits = nn.Parameter(0.5 * torch.randn(sum(self.sizes), states))
        self.register_buffer("marginals", torch.zeros(sum(self.sizes)))
        areas = torch.full((knots,), 1.0 / (knots - 1))
        areas[[0, -1]] /= 2.0
        self.register_buffer("log_areas", areas.log(), persistent=False)

    @torch.no_grad()
    def prepare(self, x: Float[Tensor, "n c"]) -> None:
        """Start every state near the smoothed marginals of rows `x`."""
        for j in range(len(self.sizes)):
            index, known = self._peaks(x, j)
            counts = torch.bincount(index[known], minlength=self.sizes[j]).float() + 0.5
            self.marginals[self._rows(j)] = (counts / counts.sum()).log()

    def tables(self) -> list[Float[Tensor, "_ k"]]:
        """log p(level or hat | state) of each column."""
        return [part.log_softmax(dim=0) for part in (self.logits + self.marginals[:, None]).split(self.sizes)]

    def log_prob(self, table: Float[Tensor, "l k"], x: Float[Tensor, "n c"], j: int) -> Float[Tensor, "n k"]:
        """log p(x_j | state) of each row, 0 where x_j is NaN or carries no value."""
        known = self._known(x, j)
        value = torch.where(known, x[:, j], 0.0)
        if isinstance(self.space.columns[j], Discrete):
            found = F.embedding(value.long(), table)
        else:
            lower, share = self._place(value)
            density = (table - self.log_areas[:, None]).exp()
            below, above = F.embedding(lower, density), F.embedding(lower + 1, density)
            normal = -0.5 * value.square() - 0.5 * math.log(2.0 * math.pi)
            found = torch.lerp(below, above, share[:, None]).clamp(min=SMALLEST).log() + normal[:, None]
        return torch.where(known[:, None], found, 0.0)

    def log_mass(self, table: Float[Tensor, "l k"], j: int, allowed: Tensor) -> Float[Tensor, "k"]:
        """log P(x_j in the allowed set | state): a mask of levels, or an interval [low, high]."""
        if isinstance(self.space.columns[j], Discrete):
            return table[allowed].logsumexp(dim=0)
        low, high = shares_below(torch.special.ndtr(allowed.double()), self.knots)
        return (table.exp() * (high - low).to(table.dtype)[:, None]).sum(dim=0).clamp(min=SMALLEST).log()

    def draw(
        self,
        table: Float[Tensor, "l k"],
        state: Int[Tensor, "n"],
        j: int,
        rng: torch.Generator,
        allowed: Tensor | None = None,
    ) -> Float[Tensor, "n"]:
        """One value of column j for each row's state, within the allowed set if there is one."""
        weights = table.exp().T
        if isinstance(self.space.columns[j], Discrete):
            return draw_rows(weights if allowed is None else weights * allowed, state, rng).float()
        ends = torch.tensor([-torch.inf, torch.inf], device=table.device) if allowed is None else allowed
        low, high = shares_below(torch.special.ndtr(ends.double()), self.knots)
        hat = draw_rows(weights * (high - low).to(weights.dtype), state, rng)
        uniform = torch.rand(len(state), generator=rng, dtype=torch.float64, device=state.device)
        u = inside_hat(hat, torch.lerp(low[hat], high[hat], uniform), self.knots)
        return torch.special.ndtri(u.clamp(NARROWEST, 1.0 - NARROWEST)).clamp(ends[0], ends[1]).float()

    def _rows(self, j: int) -> slice:
        return slice(int(self.starts[j]), int(self.starts[j]) + self.sizes[j])

    def _known(self, x: Float[Tensor, "n c"], j: int) -> Bool[Tensor, "n"]:
        column = self.space.columns[j]
        known = ~x[:, j].isnan()
        if not isinstance(column, Discrete) and column.state is not None:
            known = known & ((x[:, column.state] == 0) | x[:, column.state].isnan())
        return known

    def _place(self, z: Float[Tensor, "n"]) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"]]:
        """The knot below each value, and how far it is towards the next one."""
        place = torch.special.ndtr(z) * (self.knots - 1)
        lower = place.floor().clamp(max=self.knots - 2)
        return lower.long(), place - lower

    def _peaks(self, x: Float[Tensor, "n c"], j: int) -> tuple[Int[Tensor, "n"], Bool[Tensor, "n"]]:
        """Each row's level, or its nearest knot, and where there is one."""
        known = self._known(x, j)
        value = torch.where(known, x[:, j], 0.0)
        if isinstance(self.space.columns[j], Discrete):
            return value.long(), known
        lower, share = self._place(value)
        return lower + share.round().long(), known
