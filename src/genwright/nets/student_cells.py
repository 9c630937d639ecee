"""Cells of a table, each with a multivariate t distribution of its numbers: closed forms for any part of a row."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genwright.maths.power import yeo_johnson, yeo_johnson_inverse, yeo_johnson_log_slope
from genwright.nets.balanced import Noise, Uniforms, balanced_t, even_uniforms, independent_t, independent_uniforms
from genwright.nets.inverse import draw_rows
from genwright.spaces import Columns, Continuous, Discrete

SMALLEST = 1e-30  # stands for no probability where a logarithm needs one


class StudentCells(nn.Module):
    """p(row) = sum over cells k of w_k prod_d p_k(level of d) t(bent continuous columns; df, mean_k, scatter_k) slopes.

    In a cell discrete columns are independent of each other and of the continuous ones. Each of these is bent by a
    power of its own, after `centres` are taken off and `spreads` divided out; then together they follow a multivariate
    t distribution with `df` degrees of freedom. Marginals and conditionals of it are t distributions again (Kotz &
    Nadarajah 2004, "Multivariate t Distributions and Their Applications", sec. 1.10 and 1.11), so that every part of a
    row can be scored, and drawn given any other. Condition columns are columns like all others. Balanced rows drawn
    together each have the exact distribution, but vary less as a whole than independent ones do.
    """

    log_weights: Tensor
    tables: Tensor
    centres: Tensor
    spreads: Tensor
    powers: Tensor
    means: Tensor
    scatters: Tensor
    df: Tensor

    def __init__(self, space: Columns, context: Columns | None, *, cells: int) -> None:
        super().__init__()
        self.space, self.context = space, context
        self.targets = len(space.columns)
        self.joint = space if context is None else side_by_side(space, context)
        levels = [c.levels for c in self.joint.columns if isinstance(c, Discrete)]
        size = len(self.joint.continuous)
        self.register_buffer("log_weights", torch.full((cells,), -math.log(cells), dtype=torch.float64))
        self.register_buffer("tables", torch.zeros(len(levels), cells, max(levels, default=1), dtype=torch.float64))
        self.register_buffer("centres", torch.zeros(cells, size, dtype=torch.float64))
        self.register_buffer("spreads", torch.ones(size, dtype=torch.float64))
        self.register_buffer("powers", torch.ones(cells, size, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(cells, size, dtype=torch.float64))
        self.register_buffer("scatters", torch.eye(size, dtype=torch.float64).repeat(cells, 1, 1))
        self.register_buffer("df", torch.tensor(16))
        for table, count in zip(self.tables, levels, strict=True):
            table[:, :count] = 1.0 / count

    def joined(self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None) -> Float[Tensor, "n j"]:
        """Rows with their condition columns, all unknown if there is no context; states of known values set."""
        if self.context is None:
            return self.space.with_states(x)
        beside = torch.full((len(x), len(self.context.columns)), torch.nan, device=x.device)
        return self.joint.with_states(torch.cat([x, beside if context is None else context], dim=1))

    def log_prob(self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None) -> Float[Tensor, "n"]:
        """log p(x | context) of each row in nats; NaN entries are marginalised."""
        whole = self.log_cells(self.joined(x, context)).logsumexp(dim=1)
        if context is None:
            return whole.float()
        return (whole - self.log_cells(self.joined(torch.full_like(x, torch.nan), context)).logsumexp(dim=1)).float()

    def log_cells(self, rows: Float[Tensor, "n j"]) -> Float[Tensor, "n k"]:
        """log w_k p_k(what is known of the row), in nats."""
        total = self.log_weights.repeat(len(rows), 1)
        for table, j in zip(self.tables, self.joint.discrete, strict=True):
            level = rows[:, j].nan_to_num(0.0).long()
            total += torch.where(rows[:, j].isnan()[:, None], 0.0, table.clamp(min=SMALLEST).log().T[level])
        values, known = self._values(rows)
        for pattern, alike in _alike(known):
            if pattern.any():
                total[alike] += self._log_t(values[alike][:, pattern], pattern)
        return total

    @torch.no_grad()
    def draw(
        self,
        partial: Float[Tensor, "n c"],
        context: Float[Tensor, "n k"] | None,
        rng: torch.Generator,
        *,
        balanced: bool = True,
    ) -> Float[Tensor, "n c"]:
        """Rows with their free entries (NaN) drawn given all others, from the exact conditional distribution."""
        rows = self.completed(self.joined(partial, context), rng, balanced=balanced)
        rows[~self.joint.active(rows)] = 0.0
        return rows[:, : self.targets].float()

    @torch.no_grad()
    def completed(
        self, rows: Float[Tensor, "n j"], rng: torch.Generator, *, balanced: bool = True
    ) -> Float[Tensor, "n j"]:
        """`draw` of whole rows, with values even where the state says that there is none."""
        every = torch.arange(len(rows), device=rows.device)
        uniforms: Uniforms = even_uniforms if balanced else independent_uniforms
        cell = draw_rows(self.log_cells(rows).softmax(dim=1), every, rng, uniforms(torch.zeros_like(every), rng))
        values, known = self._values(rows)
        done = rows.clone()
        for table, j in zip(self.tables, self.joint.discrete, strict=True):
            free = done[:, j].isnan()
            own = cell[free]
            done[free, j] = draw_rows(table, own, rng, uniforms(own, rng)).to(done.dtype)
        for pattern, alike in _alike(known):
            for k in cell[alike].unique().tolist():
                own = alike[cell[alike] == k]
                values[own] = self._completed(values[own], pattern, k, rng, balanced_t if balanced else independent_t)
        done[:, self.joint.continuous] = torch.where(known, done[:, self.joint.continuous], values.to(done.dtype))
        return done

    def _values(self, rows: Float[Tensor, "n j"]) -> tuple[Float[Tensor, "n v"], Bool[Tensor, "n v"]]:
        """The continuous entries, and which of them are known and mean something."""
        columns = self.joint.continuous
        values = rows[:, columns].double()
        return values, ~values.isnan() & self.joint.active(rows)[:, columns]

    def _log_t(self, values: Float[Tensor, "n o"], pattern: Bool[Tensor, "v"]) -> Float[Tensor, "n k"]:
        """Log-density of the known values under each cell's marginal distribution."""
        size, df = values.shape[1], self.df.double()
        factor = torch.linalg.cholesky(self.scatters[:, pattern][:, :, pattern])
        straight = (values[None] - self.centres[:, None, pattern]) / self.spreads[pattern]
        powers = self.powers[:, None, pattern]
        slopes = (yeo_johnson_log_slope(straight, powers) - self.spreads[pattern].log()).sum(dim=2)
        apart = (yeo_johnson(straight, powers) - self.means[:, None, pattern]).mT
        distance = torch.linalg.solve_triangular(factor, apart, upper=False).square().sum(dim=1)
        constant = torch.lgamma((df + size) / 2) - torch.lgamma(df / 2) - 0.5 * size * (df * math.pi).log()
        spread = factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        return (constant - spread[:, None] - 0.5 * (df + size) * torch.log1p(distance / df) + slopes).T

    def _completed(
        self, values: Float[Tensor, "m v"], known: Bool[Tensor, "v"], cell: int, rng: torch.Generator, t: Noise
    ) -> Float[Tensor, "m v"]:
        """Rows of one cell with the same values known, the others drawn from their conditional distribution."""
        if bool(known.all()) or not len(values):
            return values
        mean, scatter, df = self.means[cell], self.scatters[cell], int(self.df)
        centre, power = self.centres[cell], self.powers[cell]
        straight = (values[:, known] - centre[known]) / self.spreads[known]
        apart = yeo_johnson(straight, power[known]) - mean[known]
        factor = torch.linalg.cholesky(scatter[known][:, known])
        gain = torch.cholesky_solve(scatter[known][:, ~known], factor)
        rest = torch.linalg.cholesky(scatter[~known][:, ~known] - scatter[~known][:, known] @ gain)
        distance = torch.linalg.solve_triangular(factor, apart.T, upper=False).square().sum(dim=0)
        degrees = df + int(known.sum())
        noise = t(len(values), len(rest), degrees, rng)
        scale = ((df + distance) / degrees).sqrt()
        done = values.clone()
        bent = mean[~known] + apart @ gain + scale[:, None] * (noise @ rest.T)
        done[:, ~known] = centre[~known] + self.spreads[~known] * yeo_johnson_inverse(bent, power[~known])
        return done


def side_by_side(space: Columns, context: Columns) -> Columns:
    """One space with the columns of both."""
    moved = tuple(
        Continuous(c.name, state=c.state + len(space.columns))
        if isinstance(c, Continuous) and c.state is not None
        else c
        for c in context.columns
    )
    return Columns(space.columns + moved)


def _alike(known: Bool[Tensor, "n v"]) -> list[tuple[Bool[Tensor, "v"], Int[Tensor, "_"]]]:
    """The patterns of known entries, each with the rows that have it."""
    if not known.numel():
        return []
    patterns, which = known.unique(dim=0, return_inverse=True)
    return [(pattern, (which == i).nonzero()[:, 0]) for i, pattern in enumerate(patterns)]
