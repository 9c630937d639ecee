"""Boosted oblivious trees on the columns of a table: log-odds that a row is real rather than generated."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from genwright.spaces import Columns, Discrete

BINS = 64  # of a column
DEPTH = 5  # every leaf of a tree is told by the same DEPTH comparisons
MAX_TREES = 800
RIDGE = 5.0  # added to the curvature of each leaf: Chen & Guestrin 2016, eq. 5
ROWS_AT_ONCE = 1024  # what is held of them for all trees then stays within reach of a processor's cache


class ObliviousTrees(nn.Module):
    """A sum of trees that compare the same columns in all of their nodes of one level.

    Such trees are weak one by one and fast together: a row is a few comparisons and one look-up per tree. Levels of
    unordered columns stand in the order of how real they look. Prokhorenkova et al. 2018, arXiv:1706.09516, sec. 3.
    """

    edges: Tensor
    ranks: Tensor
    columns: Tensor
    thresholds: Tensor
    values: Tensor

    def __init__(self, space: Columns, trees: int = MAX_TREES) -> None:
        super().__init__()
        self.space = space
        levels = [c.levels if isinstance(c, Discrete) else 0 for c in space.columns]
        self.starts = torch.tensor([0, *levels]).cumsum(0).tolist()
        self.register_buffer("edges", torch.zeros(len(levels), BINS - 1))
        self.register_buffer("ranks", torch.zeros(sum(levels)))
        self.register_buffer("columns", torch.zeros(trees, DEPTH, dtype=torch.int64))
        self.register_buffer("thresholds", torch.full((trees, DEPTH), BINS, dtype=torch.uint8))
        self.register_buffer("values", torch.zeros(trees, 2**DEPTH))

    def forward(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n"]:
        """Log-odds of each row."""
        parts = [self._score(self.bins(part), slice(None)) for part in x.split(ROWS_AT_ONCE)]
        return torch.cat(parts) if parts else torch.zeros(0, device=x.device)

    def bins(self, x: Float[Tensor, "n c"]) -> UInt8[Tensor, "c n"]:
        """Every entry as the number of its bin; columns first, since trees look at whole columns."""
        found = [torch.searchsorted(self.edges[j], self._placed(x, j), right=True) for j in range(x.shape[1])]
        return torch.stack(found).to(torch.uint8)

    @torch.no_grad()
    def prepare(self, real: Float[Tensor, "n c"], fake: Float[Tensor, "m c"]) -> None:
        """Order levels by how real they look, and cut every column into bins of about as many rows."""
        for j, column in enumerate(self.space.columns):
            if isinstance(column, Discrete):
                rank = torch.arange(column.levels, dtype=torch.float32, device=real.device)
                if not column.ordered:
                    counts = [torch.bincount(x[:, j].long(), minlength=column.levels).double() for x in (real, fake)]
                    odds = (counts[0] + 1.0) / (counts[1] * len(real) / len(fake) + 1.0)
                    rank[odds.argsort()] = rank.clone()
                self.ranks[self.starts[j] : self.starts[j + 1]] = rank
            placed = torch.cat([self._placed(real, j), self._placed(fake, j)])
            distinct = placed.unique()
            if len(distinct) > BINS:
                shares = torch.linspace(0, 1, BINS + 1, device=placed.device)[1:-1]
                cuts = placed.sort().values[(shares * (len(placed) - 1)).long()].unique()
            else:
                cuts = (distinct[1:] + distinct[:-1]) / 2
            self.edges[j] = torch.inf
            self.edges[j, : len(cuts)] = cuts

    @torch.no_grad()
    def grow(
        self,
        tree: int,
        bins: UInt8[Tensor, "c n"],
        gradient: Float[Tensor, "n"],
        curvature: Float[Tensor, "n"],
        *,
        rate: float,
    ) -> None:
        """Add one tree, level by level, each the comparison that lowers the loss most: Chen & Guestrin 2016, eq. 7."""
        columns, count = bins.shape
        leaf = torch.zeros(count, dtype=torch.long, device=bins.device)
        cell = bins.long() + torch.arange(columns, device=bins.device)[:, None] * BINS
        for level in range(DEPTH):
            at = (leaf * (columns * BINS) + cell).flatten()
            size = 2**level * columns * BINS
            g, h = (
                torch.bincount(at, weights=w.repeat(columns), minlength=size)
                .view(2**level, columns, BINS)
                .cumsum(dim=2)
                for w in (gradient, curvature)
            )
            gain = _gain(g, h) + _gain(g[..., -1:] - g, h[..., -1:] - h)
            best = int(gain.sum(dim=0).flatten().argmax())
            column, threshold = best // BINS, best % BINS
            self.columns[tree, level], self.thresholds[tree, level] = column, threshold
            leaf += (bins[column] > threshold).long() << level
        g, h = (torch.bincount(leaf, weights=w, minlength=2**DEPTH) for w in (gradient, curvature))
        self.values[tree] = (-rate * g / (h + RIDGE)).float()

    def keep(self, trees: int) -> None:
        """Drop all but the first `trees`."""
        self.columns, self.thresholds, self.values = (
            each[:trees].clone() for each in (self.columns, self.thresholds, self.values)
        )

    def score_tree(self, tree: int, bins: UInt8[Tensor, "c n"]) -> Float[Tensor, "n"]:
        """What one tree adds."""
        return self._score(bins, slice(tree, tree + 1))

    def _score(self, bins: UInt8[Tensor, "c n"], trees: slice) -> Float[Tensor, "n"]:
        columns, thresholds, values = self.columns[trees], self.thresholds[trees], self.values[trees]
        leaf = torch.zeros(len(values), bins.shape[1], dtype=torch.uint8, device=bins.device)
        for level in range(DEPTH):
            above = bins.index_select(0, columns[:, level]) > thresholds[:, level, None]
            leaf |= above.view(torch.uint8).mul_(1 << level)
        return values.gather(1, leaf.long()).sum(dim=0)

    def _placed(self, x: Float[Tensor, "n c"], j: int) -> Float[Tensor, "n"]:
        """A column's entries as numbers in the order that bins follow."""
        if isinstance(self.space.columns[j], Discrete):
            return self.ranks[self.starts[j] : self.starts[j + 1]][x[:, j].long()]
        return x[:, j].contiguous()


def _gain(g: Float[Tensor, "l c b"], h: Float[Tensor, "l c b"]) -> Float[Tensor, "l c b"]:
    return g.square() / (h + RIDGE)
