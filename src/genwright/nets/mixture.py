"""A finite mixture over records and the condition columns beside them, as one net with exact conditionals."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.nets.column_components import ColumnComponents
from genwright.nets.gaussian_components import GaussianComponents
from genwright.nets.inverse import draw_rows
from genwright.spaces import Columns, Given, Reals

WEIGHT_FLOOR = 1e-12
LEVELS_BESIDE = 1e-3  # share of the smoothing that discrete condition columns get


class MixtureNet(nn.Module):
    """p(x, context) = sum_k w_k p_k(x) p_k(context); in each component x and context are independent.

    So p(k | anything known) follows from Bayes' rule, and conditioning only reweights components and, inside each,
    conditions a Gaussian. A label as context makes components class-conditional: naive Bayes with several
    components per class.
    """

    log_weights: Tensor

    def __init__(self, space: Reals | Columns, context: Columns | None, *, components: int, rank: int) -> None:
        super().__init__()
        self.space, self.context = space, context
        self.register_buffer("log_weights", torch.full((components,), -float(torch.tensor(components).log())))
        self.body: GaussianComponents | ColumnComponents = (
            GaussianComponents(space.shape, components=components, rank=rank)
            if isinstance(space, Reals)
            else ColumnComponents(space, components=components)
        )
        self.beside = None if context is None else ColumnComponents(context, components=components)

    @property
    def components(self) -> int:
        return len(self.log_weights)

    def log_joint(self, x: Tensor | None, context: Float[Tensor, "n c"] | None, n: int) -> Float[Tensor, "n k"]:
        """log w_k p_k(known entries of x) p_k(known entries of context) for n rows, in nats."""
        total = self.log_weights.double().expand(n, -1)
        if x is not None:
            total = total + self.body.log_prob(x)
        if context is not None and self.beside is not None:
            total = total + self.beside.log_prob(context)
        return total

    def log_prob(self, x: Tensor, context: Float[Tensor, "n c"] | None) -> Float[Tensor, "n"]:
        """log p(known entries of x | known entries of context) of each row in nats."""
        joint = self.log_joint(x, context, len(x)).logsumexp(dim=1)
        return (joint - self.log_joint(None, context, len(x)).logsumexp(dim=1)).float()

    def draw(self, n: int, given: Given, rng: torch.Generator) -> Tensor:
        """n records that agree with `given`: a component from its posterior, then the free entries from it.

        Allowed sets multiply the evidence of each component by its mass in them, so that the distribution stays exact.
        """
        partial = torch.full((n, *self.space.shape), torch.nan) if given.x is None else given.x
        some, which_row = _distinct(given, n)
        known = given.rows(some)
        logits = self.log_joint(known.x, known.context, len(some))
        if given.allowed:
            assert isinstance(self.body, ColumnComponents), "arrays have no columns to restrict"
            logits = logits + self.body.log_mass(partial[some], given.allowed)
        which = draw_rows(logits.double().softmax(dim=1), which_row, rng)
        if isinstance(self.body, ColumnComponents):
            return self.body.draw(which, partial, rng, given.allowed)
        return self.body.draw(which, partial, rng)

    def statistics(self, x: Tensor, context: Tensor | None, share: Float[Tensor, "n k"]) -> list[Tensor]:
        """Sufficient statistics of rows divided among the components by `share`; they add up over batches."""
        beside: tuple[Tensor, ...] = ()
        if self.beside is not None:
            assert context is not None, "rows without the condition columns the net was built for"
            beside = self.beside.statistics(context, share)
        return [share.sum(dim=0), *beside, *self.body.statistics(x, share)]

    def maximise(self, statistics: list[Tensor], smoothing: float) -> None:
        """The M-step from the statistics of all rows."""
        beside = 0 if self.beside is None else 4
        weights = (statistics[0] + smoothing) / (statistics[0] + smoothing).sum()
        self.log_weights.copy_(weights.clamp(min=WEIGHT_FLOOR).log())
        if self.beside is not None:
            # a label must not be blurred: a given class would be drawn from components of others
            self.beside.maximise(tuple(statistics[1 : 1 + beside]), smoothing, levels_share=LEVELS_BESIDE)
        self.body.maximise(tuple(statistics[1 + beside :]), smoothing)


def _distinct(given: Given, n: int) -> tuple[Int[Tensor, "d"], Int[Tensor, "n"]]:
    """Rows that stand for all n, and which of them stands for each: rows given alike have one posterior."""
    parts = [t.flatten(1).nan_to_num(nan=-torch.inf) for t in (given.x, given.context) if t is not None]
    if not parts:
        return torch.zeros(1, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    _, group = torch.cat(parts, dim=1).unique(dim=0, return_inverse=True)
    first = torch.empty(int(group.max()) + 1, dtype=torch.long)
    first[group] = torch.arange(n)
    return first, group
