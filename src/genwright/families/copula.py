"""Shrunk Student copulas for small tables: few numbers to learn, so that little of them is noise."""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.errors import ArgumentError
from genwright.families.family import (
    ANYTHING,
    DEFAULT,
    Capabilities,
    ClosedFormFamily,
    Density,
    Partial,
    Work,
    only_columns,
    refused,
)
from genwright.families.sampling import Sampling
from genwright.maths.power import yeo_johnson, yeo_johnson_log_slope
from genwright.maths.shrinkage import shrunk_covariance
from genwright.nets.student_cells import StudentCells
from genwright.spaces import Columns, Conditions, Encoded, Given, Space

ROWS_PER_CELL = 30  # at least, in every cell,
ROWS_PER_COLUMN = 2  # and at least so many times the number of continuous columns
MAX_CELLS = 16
BETWEEN = 3.0  # times the share of variance that chance puts between cells, for a column to make cells
POOLED_ROWS = (10.0, 30.0, 100.0, 300.0)  # rows like all that each cell's scatter is given; chosen by cross-validation,
DEGREES = (8, 12, 16, 24, 48, 128)  # as are the degrees of freedom,
BENDS = (0.0, 0.05, 0.1, 0.2)  # and how far from 1 the powers that bend columns are expected to be
FOLDS = 5
CHOOSING_ROWS = 2_000  # that these are chosen from, at most
ROUNDS = 8  # of filling holes
NOISE = 1e-5  # variance that keeps scatters invertible where columns are functions of each other
POWERS = 41  # that are tried, from 0 to 2
OTHERS = 1.0  # rows like all that the levels of a cell are given
OWN = 1e-6  # the same for the columns that make the cells, which must not blur
SCORED_AT_ONCE = 4_096


@dataclass(frozen=True, kw_only=True)
class Copula(ClosedFormFamily):
    """A multivariate t distribution of normal scores, in each cell of the table: a Student copula, its noise shrunk
    away.

    Cells are the combinations of discrete columns that tell the continuous ones apart, such as a class, while each has
    30 rows or more, and two for each continuous column (at most `cells`). In a cell other discrete columns are
    independent, continuous ones follow a t distribution (Demarta & McNeil 2005, "The t Copula", sec. 2) after each was
    bent by a power, since normal scores of all rows are skewed within a class (Yeo & Johnson 2000). Its scatter is that
    of the cell's rows and of some rows like all, with eigenvalues shrunk (Ledoit & Wolf 2020). How far columns are
    bent, how many rows like all are taken and how heavy the tails are is chosen by cross-validated likelihood. Meant
    for some hundred rows of numbers; with many rows or many categories other families have more to go by. Missing
    values are filled in by the distribution itself while fitting (Celeux & Diebolt 1985, stochastic EM). `cells=1`
    leaves all discrete columns independent.

    Rows drawn together are balanced, see `Sampling`: their shares, means and correlations are off by less than those of
    independent rows, which shows in a table of some hundred rows. Sample with `balanced=False` where rows must be
    independent, as to simulate sampling errors.

    >>> import genwright as gw
    >>> model = gw.fit(gw.read("wine"), family=gw.Copula(), steps=1)
    >>> set(model.sample(5, given={"class": "class_1"}).columns["class"])
    {'class_1'}
    """

    name: ClassVar[str] = "copula"

    cells: int | None = None

    def __post_init__(self) -> None:
        if self.cells is not None and self.cells < 1:
            raise ArgumentError(f"cells must be 1 or more, not {self.cells}", where="Copula", hint="try cells=4")

    def can(self, space: Space) -> Capabilities:
        if not isinstance(space, Columns):
            raise refused(self, "anything but tables")
        return Capabilities(
            density=Density.EXACT, given=Partial.ANY, marginalizes=True, how=("balanced",), conditions=(Columns,)
        )

    def sized(self, space: Space, work: Work) -> Self:
        """As many cells as there are rows for."""
        return replace(self, cells=self.cells or max(1, min(MAX_CELLS, work.rows // ROWS_PER_CELL)))

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert self.cells, "size the family before building"
        assert isinstance(space, Columns)
        return StudentCells(space, only_columns(conditions), cells=self.cells)

    @torch.no_grad()
    def fit(
        self,
        net: nn.Module,
        train: Encoded,
        valid: Encoded,
        work: Work,
        rng: torch.Generator,
        report: Callable[[int, int, float, float], None],
    ) -> None:
        """Cells and shape, then all parameters; once more for each filling of holes, if there are any.

        When `work.minutes` are over, holes stay as they were filled last, and the shape is the best of those tried.
        """
        assert isinstance(net, StudentCells)
        deadline = math.inf if work.minutes is None else time.monotonic() + 60.0 * work.minutes
        rows = net.joined(net.space.unpack(train.x), train.context)
        holes = rows.isnan()
        holes[:, net.joint.continuous] |= ~net.joint.active(rows)[:, net.joint.continuous]
        owner = _owners(net.joint, rows, cells=len(net.log_weights))
        _pour(net, torch.where(holes, 0.0, rows), owner, START)
        for _ in range(ROUNDS if bool(holes.any()) else 0):
            if time.monotonic() > deadline:
                break
            _pour(net, net.completed(rows, rng), owner, START)
        whole = net.completed(rows, rng)
        _pour(net, whole, owner, _chosen(net, whole, owner, rng, deadline))
        held_out = net.joined(net.space.unpack(valid.x), valid.context)
        report(1, 1, _mean_nll(net, rows), _mean_nll(net, held_out))

    @torch.no_grad()
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """n rows from the exact conditional distribution."""
        assert isinstance(net, StudentCells)
        partial = given.x
        if partial is None:
            partial = torch.full((n, net.targets), torch.nan, device=rng.device)
        return net.draw(partial, given.context, rng, balanced=how.balanced is not False)

    @torch.no_grad()
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """log p(x | context) in nats; NaN entries of x and context are marginalised."""
        assert isinstance(net, StudentCells)
        contexts = [None] * -(-len(x) // SCORED_AT_ONCE) if context is None else context.split(SCORED_AT_ONCE)
        parts = zip(x.split(SCORED_AT_ONCE), contexts, strict=True)
        return torch.cat([net.log_prob(part, beside) for part, beside in parts])


@dataclass(frozen=True)
class _Shape:
    """How far from 1 powers may be; how far scatters are drawn to the pooled one, in rows; degrees of freedom."""

    bend: float
    pooled_rows: float
    df: int


START = _Shape(0.0, 30.0, 16)  # while holes are being filled


@dataclass(frozen=True)
class _Owners:
    """The cell of each row, and the discrete columns that make the cells."""

    cell: Int[Tensor, "n"]
    columns: tuple[int, ...]

    def of(self, some: Int[Tensor, "m"]) -> "_Owners":
        return _Owners(self.cell[some], self.columns)


@dataclass(frozen=True)
class _Moments:
    """What rows without holes say of each cell: its rows, level shares by column, bends, means and sums of products."""

    sizes: Float[Tensor, "k"]
    tables: tuple[Float[Tensor, "k _"], ...]
    centres: Float[Tensor, "k v"]
    spreads: Float[Tensor, "v"]
    powers: Float[Tensor, "k v"]
    means: Float[Tensor, "k v"]
    products: Float[Tensor, "k v v"]

    @classmethod
    def of(cls, net: StudentCells, rows: Float[Tensor, "n j"], owner: _Owners, bend: float) -> "_Moments":
        share = nn.functional.one_hot(owner.cell, len(net.log_weights)).double()
        sizes, tables = share.sum(dim=0), []
        for j in net.joint.discrete:
            levels = net.joint.columns[j].levels  # type: ignore[union-attr]
            counts = share.T @ nn.functional.one_hot(rows[:, j].long(), levels).double()
            overall = (counts.sum(dim=0) + OTHERS / levels) / (len(rows) + OTHERS)
            counts += (OWN if j in owner.columns else OTHERS) * overall
            tables.append(counts / counts.sum(dim=1, keepdim=True))
        values = rows[:, net.joint.continuous].double()
        centres = (share.T @ values + values.mean(dim=0)) / (sizes + 1.0)[:, None]
        apart = values - centres[owner.cell]
        spreads = apart.square().mean(dim=0).clamp(min=NOISE).sqrt()
        powers = torch.ones_like(centres)
        for k in owner.cell.unique().tolist() if bend else ():
            powers[k] = _powers(apart[owner.cell == k] / spreads, bend)
        scores = yeo_johnson(apart / spreads, powers[owner.cell])
        means = share.T @ scores / (sizes + 1.0)[:, None]
        scores = scores - means[owner.cell]
        products = torch.stack([(scores * each[:, None]).T @ scores for each in share.T])
        return cls(sizes, tuple(tables), centres, spreads, powers, means, products)

    def covariances(self, pooled_rows: float) -> Float[Tensor, "k v v"]:
        """Of each cell's rows and some like all, shrunk."""
        total = self.sizes.sum()
        pooled = self.products.sum(dim=0) / total
        rows = self.sizes + pooled_rows
        mixed = (self.products + pooled_rows * pooled) / rows[:, None, None]
        degrees = (rows.clamp(max=total) - 1.0).tolist()
        shrunk = torch.stack([shrunk_covariance(each, d) for each, d in zip(mixed, degrees, strict=True)])
        shrunk.diagonal(dim1=1, dim2=2).add_(NOISE)
        return shrunk

    def pour(self, net: StudentCells, covariances: Float[Tensor, "k v v"], df: int) -> None:
        """Set all parameters of `net`."""
        net.log_weights.copy_((self.sizes / self.sizes.sum()).clamp(min=1e-30).log())
        for table, shares in zip(net.tables, self.tables, strict=True):
            table[:, : shares.shape[1]] = shares
        net.centres.copy_(self.centres)
        net.spreads.copy_(self.spreads)
        net.powers.copy_(self.powers)
        net.means.copy_(self.means)
        net.scatters.copy_(covariances * (df - 2.0) / df)
        net.df.fill_(df)


def _pour(net: StudentCells, rows: Float[Tensor, "n j"], owner: _Owners, shape: _Shape) -> None:
    """Set all parameters to what rows without holes say."""
    moments = _Moments.of(net, rows, owner, shape.bend)
    moments.pour(net, moments.covariances(shape.pooled_rows), shape.df)


def _powers(values: Float[Tensor, "m v"], spread: float) -> Float[Tensor, "v"]:
    """The power of each column under which bent values are most likely normal (Yeo & Johnson 2000)."""
    powers = torch.linspace(0.0, 2.0, POWERS, dtype=torch.float64, device=values.device)
    likely = torch.stack(
        [
            yeo_johnson_log_slope(values, power).sum(dim=0)
            - 0.5 * len(values) * yeo_johnson(values, power).var(dim=0, correction=0).clamp(min=NOISE).log()
            - 0.5 * ((power - 1.0) / spread) ** 2
            for power in powers
        ]
    )
    best = likely.argmax(dim=0).clamp(1, POWERS - 2)
    left, middle, right = (likely.gather(0, (best + step)[None])[0] for step in (-1, 0, 1))
    beside = (left - right) / (2 * (left - 2 * middle + right)).clamp(max=-1e-9)  # the top of the parabola through them
    return powers[best] + beside.clamp(-1.0, 1.0) * (powers[1] - powers[0])


def _chosen(
    net: StudentCells, rows: Float[Tensor, "n j"], owner: _Owners, rng: torch.Generator, deadline: float
) -> _Shape:
    """The shape under which rows that were left out are most likely, by the folds that all shapes were tried on."""
    order = torch.randperm(len(rows), generator=rng, device=rows.device)[:CHOOSING_ROWS]
    pooled_rows = POOLED_ROWS if len(net.log_weights) > 1 else POOLED_ROWS[:1]
    totals: dict[_Shape, float] = defaultdict(float)
    fold = torch.arange(len(order), device=rows.device) % FOLDS
    for number in range(min(FOLDS, len(order))):
        fit, held = order[fold != number], order[fold == number]
        found: dict[_Shape, float] = {}
        for bend in BENDS:
            if time.monotonic() > deadline:
                return max(totals, key=totals.__getitem__, default=START)
            moments = _Moments.of(net, rows[fit], owner.of(fit), bend)
            for pooled in pooled_rows:
                covariances = moments.covariances(pooled)
                for df in DEGREES:
                    moments.pour(net, covariances, df)
                    found[_Shape(bend, pooled, df)] = float(net.log_cells(rows[held]).logsumexp(dim=1).sum())
        for shape, likelihood in found.items():
            totals[shape] += likelihood
    return max(totals, key=totals.__getitem__)


def _owners(space: Columns, rows: Float[Tensor, "n j"], *, cells: int) -> _Owners:
    """Cells of the discrete columns that put most of the continuous columns' variance between their levels."""
    fewest = max(ROWS_PER_CELL, ROWS_PER_COLUMN * len(space.continuous))
    cell = torch.zeros(len(rows), dtype=torch.long, device=rows.device)
    chosen: tuple[int, ...] = ()
    between = {j: _between(space, rows, j) for j in space.discrete}
    for j in sorted(between, key=lambda j: -between[j]):
        finer = torch.stack([cell, rows[:, j].nan_to_num(-1.0).long()], dim=1)
        _, finer_cell, sizes = finer.unique(dim=0, return_inverse=True, return_counts=True)
        if between[j] > BETWEEN and len(sizes) <= cells and int(sizes.min()) >= fewest:
            cell, chosen = finer_cell, (*chosen, j)
    return _Owners(cell, chosen)


def _between(space: Columns, rows: Float[Tensor, "n j"], column: int) -> float:
    """Share of the variance that lies between the levels of a column, in units of what chance would put there."""
    values = rows[:, space.continuous].double()
    known = ~values.isnan() & space.active(rows)[:, space.continuous]
    level = nn.functional.one_hot(rows[:, column].nan_to_num(0.0).long()).double()
    level = level[:, level.sum(dim=0) > 0]
    if level.shape[1] < 2 or not values.shape[1]:
        return 0.0
    counts = level.T @ known.double()
    apart = torch.where(known, values - torch.where(known, values, 0.0).sum(dim=0) / counts.sum(dim=0), 0.0)
    squares = ((level.T @ apart).square() / counts.clamp(min=1.0)).sum(dim=0) / apart.square().sum(dim=0)
    return float((squares.nan_to_num() * len(rows)).mean()) / (level.shape[1] - 1)


def _mean_nll(net: StudentCells, rows: Float[Tensor, "n j"]) -> float:
    return -float(torch.cat([net.log_cells(part).logsumexp(dim=1) for part in rows.split(SCORED_AT_ONCE)]).mean())
