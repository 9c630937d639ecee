"""Shares of levels and of pairs of levels in a table: what a generator of columns can match beside its critic."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from genwright.nets.relaxation import logit_sizes
from genwright.spaces import Columns, Discrete

GROUPS = 16  # of the levels or values of a column, between which pairs are counted
RARE = 0.02  # a share below which relative errors weigh no more
SMOOTH = 0.25  # of the mean width of a group of values: how soft its edges are


class Moments(nn.Module):
    """Shares of levels, and of pairs of groups of levels or values of two columns, as in the rows given to `prepare`.

    Given its latent a generator draws columns independently, so the probabilities in its logits give these shares
    without the noise of draws. Compare the information loss of Zhao et al. 2022, arXiv:2204.00401, section 3.2.
    """

    group: Tensor
    edges: Tensor
    levels: Tensor
    shares: Tensor
    pairs: Tensor

    def __init__(self, space: Columns) -> None:
        super().__init__()
        self.space, self.sizes = space, logit_sizes(space)
        self.counts = [min(GROUPS, c.levels) if isinstance(c, Discrete) else GROUPS for c in space.columns]
        total, logits = sum(self.counts), sum(self.sizes)
        self.owner = torch.repeat_interleave(torch.arange(len(self.counts)), torch.tensor(self.counts))
        self.register_buffer("group", torch.zeros(logits, dtype=torch.long))
        self.register_buffer("edges", torch.zeros(len(space.columns), GROUPS - 1))
        self.register_buffer("levels", torch.zeros(logits))
        self.register_buffer("shares", torch.zeros(total))
        self.register_buffer("pairs", torch.zeros(total, total))

    @torch.no_grad()
    def prepare(self, x: Float[Tensor, "n c"]) -> None:
        """Group the levels and values of whole rows, and count; before that, there is nothing to match."""
        active, at, first = self.space.active(x), 0, 0
        inner = torch.linspace(0, 1, GROUPS + 1, device=x.device)[1:-1]
        for i, (column, size) in enumerate(zip(self.space.columns, self.sizes, strict=True)):
            if isinstance(column, Discrete):
                self.group[at : at + size] = first + _grouping(column, x[:, i])
            elif active[:, i].any():
                self.group[at] = first
                self.edges[i] = torch.quantile(x[active[:, i], i][:100_000], inner)
            at, first = at + size, first + self.counts[i]
        for part in x.split(1024):
            levels = self._levels(part)
            groups = self._groups(levels, part)
            self.levels += levels.sum(0) / len(x)
            self.shares += groups.sum(0) / len(x)
            self.pairs += groups.T @ groups / len(x)

    @property
    def ready(self) -> bool:
        """Whether shares were counted."""
        return bool(self.shares.any())

    def loss(self, logits: Float[Tensor, "n l"]) -> Float[Tensor, ""]:
        """Squared relative errors of the shares that `logits` lead to, per column and pair of columns.

        Unbiased by the noise of a batch, as it multiplies the errors of two halves; it can be below 0.
        """
        assert self.ready, "prepare first"
        outputs = logits.split(self.sizes, dim=1)
        kinds = [isinstance(column, Discrete) for column in self.space.columns]
        levels = torch.cat([o.softmax(1) if k else 0 * o for o, k in zip(outputs, kinds, strict=True)], dim=1)
        groups = self._groups(levels, torch.stack([o[:, 0] for o in outputs], dim=1))
        errors = []
        for mine, wide in zip(groups.chunk(2), levels.chunk(2), strict=True):
            grouped = self._errors(mine.mean(0) - self.shares, mine.T @ mine / len(mine) - self.pairs)
            every = (wide.mean(0) - self.levels) * (self.levels + RARE).rsqrt() / len(kinds) ** 0.5
            errors.append(torch.cat([grouped, every]))
        return errors[0] @ errors[1]

    @torch.no_grad()
    def distance(self, x: Float[Tensor, "n c"], y: Float[Tensor, "m c"]) -> Float[Tensor, ""]:
        """The same squared errors between two sets of rows, from what was drawn: for stopping by held-out rows."""
        one, other = (self._groups(self._levels(each), each) for each in (x, y))
        pairs = one.T @ one / len(one) - other.T @ other / len(other)
        return self._errors(one.mean(0) - other.mean(0), pairs).square().sum()

    def _errors(self, shares: Float[Tensor, "g"], pairs: Float[Tensor, "g g"]) -> Float[Tensor, "e"]:
        """Differences of shares and of pairs' shares, relative to their size and to the number of columns."""
        scale, owner = (self.shares + RARE).rsqrt(), self.owner.to(shares.device)
        across = (owner[:, None] != owner) * scale * scale[:, None]
        return torch.cat([(pairs * across).flatten() / len(self.counts), shares * scale / len(self.counts) ** 0.5])

    def _levels(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n l"]:
        """Rows as one-hot blocks, 0 for continuous columns."""
        columns = zip(self.space.columns, self.sizes, strict=True)
        blocks = [
            F.one_hot(x[:, i].long(), size).float() if isinstance(column, Discrete) else x.new_zeros(len(x), 1)
            for i, (column, size) in enumerate(columns)
        ]
        return torch.cat(blocks, dim=1)

    def _groups(self, levels: Float[Tensor, "n l"], x: Float[Tensor, "n c"]) -> Float[Tensor, "n g"]:
        """How much of each row is in each group, from the probabilities of its levels and its continuous values."""
        parts = list(levels.new_zeros(len(x), sum(self.counts)).index_add(1, self.group, levels).split(self.counts, 1))
        for i in self.space.continuous:
            column, edges = self.space.columns[i], self.edges[i]
            width = SMOOTH * (edges[-1] - edges[0]) / GROUPS + 1e-3
            below = torch.sigmoid((edges - x[:, i, None]) / width)
            parts[i] = F.pad(F.pad(below, (0, 1), value=1.0), (1, 0)).diff(dim=1)
            if not isinstance(column, Discrete) and column.state is not None:
                parts[i] = parts[i] * levels[:, sum(self.sizes[: column.state]), None]
        return torch.cat(parts, dim=1)


def _grouping(column: Discrete, values: Float[Tensor, "n"]) -> Tensor:
    """The number of the group of each level: neighbours where levels are ordered, else the rarest together."""
    if column.levels <= GROUPS:
        return torch.arange(column.levels, device=values.device)
    share = values.long().bincount(minlength=column.levels).float() / len(values)
    if column.ordered:
        return ((share.cumsum(0) - share / 2) * GROUPS).long().clamp(0, GROUPS - 1)
    return share.argsort(descending=True).argsort().clamp(max=GROUPS - 1)
