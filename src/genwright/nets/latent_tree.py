"""A tree of hidden states, one per column: exact likelihoods, marginals and conditionals of any part of a row."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.nets.chow_liu import codes, mutual_information, spanning_tree
from genwright.nets.inverse import draw_rows
from genwright.nets.leaves import Leaves
from genwright.spaces import Columns, Continuous

SMALLEST = 1e-37  # stands for no probability where a logarithm or a draw needs one
FREE = -1e30  # stands for NaN, which is never equal to itself
FEW_PATTERNS = 32  # of conditions, up to which rows that share theirs are drawn together
NUMBERS_AT_ONCE = 4_000_000  # in the arrays that scoring or drawing rows holds

Allowed = Mapping[int, Tensor]
Messages = dict[int, Float[Tensor, "_ k"]]  # column -> log P(what is known of it and of all below it | its state)


class LatentTree(nn.Module):
    """p(row) = sum over states z of p(z_root) prod_c p(z_c | z_parent(c)) prod_c p(x_c | z_c).

    Each column has a hidden state with `states` values; states form the Chow-Liu tree of the columns. Condition columns
    are columns of the same tree. With one state columns are independent; with all transitions the identity this is a
    mixture of independent columns. The hidden Chow-Liu tree of Liu & Van den Broeck 2021, arXiv:2106.02264.
    """

    parent: Tensor
    order: Tensor

    def __init__(self, space: Columns, context: Columns | None, *, states: int, knots: int) -> None:
        super().__init__()
        self.space, self.context, self.states = space, context, states
        self.targets = len(space.columns)
        self.joint = space if context is None else _side_by_side(space, context)
        count = len(self.joint.columns)
        self.register_buffer("parent", torch.arange(count) - 1)
        self.register_buffer("order", torch.arange(count))
        self.transitions = nn.Parameter(0.5 * torch.randn(count, states, states))  # of the root the first row only
        self.leaves = Leaves(self.joint, states=states, knots=knots)

    @torch.no_grad()
    def prepare(self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None) -> None:
        """Find the tree, and start every state near the marginals."""
        rows = self.joined(x, context)
        self.leaves.prepare(rows)
        weight = mutual_information(codes(self.joint, rows))
        parent, order = spanning_tree(weight)
        self.parent.copy_(parent)
        self.order.copy_(order)

    def log_prob(self, x: Float[Tensor, "n c"], context: Float[Tensor, "n k"] | None) -> Float[Tensor, "n"]:
        """log p(x | context) of each row in nats; NaN entries are marginalised."""
        log_joint = self.log_marginal(self.joined(x, context))
        if self.context is None:
            return log_joint
        return log_joint - self.log_marginal(self.joined(torch.full_like(x, torch.nan), context))

    def log_marginal(self, rows: Float[Tensor, "n c"]) -> Float[Tensor, "n"]:
        """log p of what is known of each row."""
        messages = self._upward(rows, self.leaves.tables(), self._transitions(), {})
        root = int(self.order[0])
        if root not in messages:  # nothing is known
            return torch.zeros(len(rows), device=rows.device)
        return (messages[root] + self.transitions[root, 0].log_softmax(dim=0)).logsumexp(dim=1)

    @torch.no_grad()
    def draw(
        self,
        n: int,
        partial: Float[Tensor, "n c"] | None,
        context: Float[Tensor, "n k"] | None,
        allowed: Allowed,
        rng: torch.Generator,
    ) -> Float[Tensor, "n c"]:
        """n rows that agree with `partial` (NaN = free) and lie in the `allowed` sets, from the exact conditional
        distribution.

        Rows that condition on the same share the work: their states are looked up in one table per column.
        """
        rows = torch.full((n, self.targets), torch.nan) if partial is None else self.space.with_states(partial)
        rows = self.joined(rows.to(self.transitions.device), context)
        patterns, which = _distinct(rows)
        if len(patterns) > FEW_PATTERNS:
            parts = [self._draw_each(part, allowed, rng) for part in rows.split(self.rows_at_once)]
            return torch.cat(parts)[:, : self.targets]
        for i, pattern in enumerate(patterns.split(1)):
            alike = which == i
            rows[alike] = self._draw_alike(int(alike.sum()), pattern, allowed, rng)
        return rows[:, : self.targets]

    @property
    def rows_at_once(self) -> int:
        """Rows whose messages are held together."""
        return max(1, NUMBERS_AT_ONCE // (self.states * len(self.joint.columns)))

    def _upward(
        self,
        rows: Float[Tensor, "n c"],
        tables: list[Float[Tensor, "_ k"]],
        transitions: Float[Tensor, "c k k"],
        allowed: Allowed,
    ) -> Messages:
        """Messages of the columns about which, or below which, something is known."""
        # while training something is known of every column, and a look would keep single rows from being mapped over
        something = [True] * rows.shape[1] if self.training else (~rows.isnan()).any(dim=0).tolist()
        messages: Messages = {}
        for j in self.order.flip(0).tolist():
            found = messages.get(j)
            if something[j]:
                leaf = self.leaves.log_prob(tables[j], rows, j)
                found = leaf if found is None else found + leaf
            if j in allowed:
                mass = self.leaves.log_mass(tables[j], j, allowed[j]) * rows[:, j].isnan()[:, None]
                found = mass if found is None else found + mass
            if found is None:
                continue
            messages[j] = found
            above = int(self.parent[j])
            if above >= 0:
                highest = found.detach().amax(dim=1, keepdim=True)
                message = ((found - highest).exp() @ transitions[j].T).clamp(min=SMALLEST).log() + highest
                messages[above] = messages[above] + message if above in messages else message
        return messages

    def _draw_alike(
        self, n: int, pattern: Float[Tensor, "1 c"], allowed: Allowed, rng: torch.Generator
    ) -> Float[Tensor, "n c"]:
        """n rows that all condition on one pattern."""
        tables, transitions = self.leaves.tables(), self._transitions()
        messages = self._upward(pattern, tables, transitions, allowed)
        rows, states = pattern.repeat(n, 1), {-1: torch.zeros(n, dtype=torch.long, device=pattern.device)}
        for j in self.order.tolist():
            weights = transitions[j]
            if j in messages:
                weights = weights * (messages[j] - messages[j].amax()).exp()
            states[j] = draw_rows(weights, states[int(self.parent[j])], rng)
            self._fill(rows, j, tables[j], states[j], allowed, rng)
        return torch.where(self.joint.active(rows), rows, 0.0)

    def _draw_each(self, rows: Float[Tensor, "n c"], allowed: Allowed, rng: torch.Generator) -> Float[Tensor, "n c"]:
        """Rows completed each on its own conditions."""
        tables, transitions = self.leaves.tables(), self._transitions()
        messages = self._upward(rows, tables, transitions, allowed)
        rows, states = rows.clone(), {-1: torch.zeros(len(rows), dtype=torch.long, device=rows.device)}
        for j in self.order.tolist():
            above = states[int(self.parent[j])]
            if j in messages:
                own = transitions[j][above] * (messages[j] - messages[j].amax(dim=1, keepdim=True)).exp()
                states[j] = torch.multinomial(own.clamp(min=SMALLEST), 1, generator=rng)[:, 0]
            else:
                states[j] = draw_rows(transitions[j], above, rng)
            self._fill(rows, j, tables[j], states[j], allowed, rng)
        return torch.where(self.joint.active(rows), rows, 0.0)

    def _transitions(self) -> Float[Tensor, "c k k"]:
        """P(state of a column | state of its parent); for the root, whose parent has one state, P(state)."""
        return self.transitions.softmax(dim=2)

    def _fill(
        self,
        rows: Float[Tensor, "n c"],
        j: int,
        table: Float[Tensor, "l k"],
        states: Int[Tensor, "n"],
        allowed: Allowed,
        rng: torch.Generator,
    ) -> None:
        """Draw the entries of column j that are free."""
        free = rows[:, j].isnan()
        if free.any():
            rows[free, j] = self.leaves.draw(table, states[free], j, rng, allowed.get(j))

    def joined(self, x: Tensor, context: Tensor | None) -> Float[Tensor, "n c"]:
        """Rows with their conditions beside them, NaN where nothing is known."""
        if self.context is None:
            return x
        beside = torch.full((len(x), len(self.context.columns)), torch.nan) if context is None else context
        return torch.cat([x, beside.to(x)], dim=1)


def _distinct(rows: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "p c"], Int[Tensor, "n"]]:
    """The different rows, NaN equal to NaN, and which of them each row is."""
    known = rows.nan_to_num(FREE)
    if (known == known[:1]).all():  # as a rule, and much faster than sorting
        return rows[:1], torch.zeros(len(rows), dtype=torch.long, device=rows.device)
    patterns, which = known.unique(dim=0, return_inverse=True)
    return torch.where(patterns == FREE, torch.nan, patterns), which


def _side_by_side(space: Columns, context: Columns) -> Columns:
    """One space of the columns of both."""
    moved = [
        replace(column, state=column.state + len(space.columns))
        if isinstance(column, Continuous) and column.state is not None
        else column
        for column in context.columns
    ]
    return Columns((*space.columns, *moved))
