"""Mixture models fitted by expectation-maximisation: exact likelihoods, exact conditionals, imputation."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genwright.errors import ArgumentError, TrainingError
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
from genwright.nets.gaussian_components import GaussianComponents
from genwright.nets.mixture import MixtureNet
from genwright.spaces import Columns, Conditions, Encoded, Given, Reals, Space

ROWS_PER_COMPONENT = 32  # of a table
BLOCKS = 16  # parts of the data after each of which the components move
BLOCK_ROWS = 1024  # smallest part
SEED_ROWS = 4096  # rows that first centres are chosen among
PASSES = 100  # at most, where nothing else ends a fit
PATIENCE = 3  # passes without held-out improvement before a fit ends
IMPROVEMENT = 1e-4  # nats per value that count as improvement
NUMBERS_AT_ONCE = 4_000_000  # in the largest temporary array
NUMBERS_IN_MEMORY = 40_000_000  # in the statistics of all blocks together, and in the seed rows
PASSES_PLANNED = 20  # passes that the number of components leaves time for
GAUSSIAN_PRODUCTS_PER_SECOND = 4e9  # of which a pass takes rows * components * numbers per row * (rank + 1)
LOOK_UPS_PER_SECOND = 1.5e8  # of which a pass takes rows * components * columns


@dataclass(frozen=True, kw_only=True)
class Mixture(ClosedFormFamily):
    """K components, each a simple distribution: Gaussian for arrays, independent columns for tables ("latent class").

    Arrays: full covariance up to `rank` equal to the dimension, factor analysers below (Ghahramani & Hinton 1996), and
    at `rank=0` independent entries, so that a `Classifier` of one component per class is Gaussian naive Bayes.
    Condition columns beside an array are modelled jointly with it, so a label makes components class-conditional.
    With `components=1` the columns of a table are independent. Levels of grey are dequantised with uniform noise one
    level wide in training, so `log_prob` is a density on [-1, 1]^d. `smoothing` is the number of rows like all data
    that each component is given in addition to its own. Fitted by incremental EM: Neal & Hinton 1998, eq. 9; with one
    block (up to 1,024 rows) this is the EM of Dempster, Laird & Rubin 1977.
    """

    name: ClassVar[str] = "mixture"
    restricts: ClassVar[bool] = True
    marginalizes: ClassVar[bool] = True

    components: int | None = None
    rank: int | None = None
    smoothing: float = 4.0

    def __post_init__(self) -> None:
        for name, least in (("components", 1), ("rank", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                what = f"{name} must be {least} or more, not {value}"
                raise ArgumentError(what, where="Mixture", hint=f"try {name}=8")
        if not self.smoothing > 0.0:
            raise ArgumentError(f"smoothing must be above 0, not {self.smoothing}", where="Mixture", hint="4 is usual")

    def can(self, space: Space) -> Capabilities:
        if isinstance(space, Columns):
            return Capabilities(
                density=Density.EXACT, given=Partial.ANY, restricts=True, marginalizes=True, conditions=(Columns,)
            )
        if isinstance(space, Reals):
            if space.lengths:
                raise refused(self, "records of different lengths")
            if space.gaps:
                raise refused(self, "arrays with gaps")
            return Capabilities(density=Density.EXACT, given=Partial.ANY, conditions=(Columns,))
        raise refused(self, "sequences of tokens")

    def sized(self, space: Space, work: Work) -> Self:
        """Components and rank by rows, dimension, and the passes that fit the time."""
        rank = 1 if self.rank is None else self.rank
        assert isinstance(space, Reals | Columns)
        if isinstance(space, Columns):
            components = min(512, work.rows // ROWS_PER_COMPONENT)
            seconds = work.rows * len(space.columns) / LOOK_UPS_PER_SECOND
        else:
            full = space.size <= 32 and work.rows >= 10 * space.size
            low = max(1, min(12, space.size // 8, work.rows // 200))
            rank = min(space.size, self.rank if self.rank is not None else space.size if full else low)
            components = min(256, work.rows // (10 * space.size if full else 60))
            components = min(components, NUMBERS_IN_MEMORY // (space.size * (rank + 2)))
            seconds = work.rows * space.size * (rank + 1) / GAUSSIAN_PRODUCTS_PER_SECOND
        if work.minutes is not None:
            components = min(components, int(60.0 * work.minutes / (PASSES_PLANNED * seconds)))
        return replace(self, components=self.components or max(1, components), rank=rank)

    def build(self, space: Space, conditions: Conditions | None) -> nn.Module:
        assert self.components and self.rank is not None, "size the family before building"
        assert isinstance(space, Reals | Columns)
        return MixtureNet(space, only_columns(conditions), components=self.components, rank=self.rank)

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
        """Passes of EM until held-out likelihood stops rising, `work.steps` passes are done, or the time is up."""
        assert isinstance(net, MixtureNet)
        deadline = math.inf if work.minutes is None else time.monotonic() + 60.0 * work.minutes
        passes = work.steps or PASSES
        owner = _class_owners(net, train)
        self._initialise(net, train, owner, rng)
        blocks = _blocks(net, len(train), rng)
        memory: list[list[Tensor] | None] = [None] * len(blocks)
        best, best_held_out, best_pass = net.state_dict(), math.inf, 0
        for number in range(1, passes + 1):
            began = time.monotonic()
            loss = self._pass(net, train, blocks, memory, owner, deadline, rng)
            held_out = -_mean_log_joint(net, valid, rng)
            if not math.isfinite(loss):
                raise TrainingError("the likelihood stopped being finite", hint="raise smoothing, for example to 10")
            report(number, passes, loss, held_out)
            if held_out < best_held_out - IMPROVEMENT * net.space.shape[0]:
                best_pass = number
            if held_out < best_held_out:
                best_held_out, best = held_out, {k: v.clone() for k, v in net.state_dict().items()}
            now = time.monotonic()
            if number - best_pass >= PATIENCE or now + 0.5 * (now - began) > deadline:
                break
        net.load_state_dict(best)

    @torch.no_grad()
    def sample(
        self, net: nn.Module, n: int, *, given: Given = ANYTHING, how: Sampling = DEFAULT, rng: torch.Generator
    ) -> Tensor:
        """n records that agree with `given`, from the exact conditional distribution."""
        assert isinstance(net, MixtureNet)
        step = _rows_per_draw(net)
        parts = [slice(at, min(n, at + step)) for at in range(0, n, step)]
        return torch.cat([net.draw(part.stop - part.start, given.rows(part), rng) for part in parts])

    @torch.no_grad()
    def log_prob(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, "n"]:
        """log p(x | context) in nats; NaN entries of x and context are marginalised."""
        assert isinstance(net, MixtureNet)
        x_parts = x.split(_rows_per_step(net))
        contexts = [None] * len(x_parts) if context is None else context.split(_rows_per_step(net))
        return torch.cat([net.log_prob(part, beside) for part, beside in zip(x_parts, contexts, strict=True)])

    def _initialise(self, net: MixtureNet, train: Encoded, owner: "Owners | None", rng: torch.Generator) -> None:
        """Centres spread over the data as in k-means++, within the classes where components belong to classes."""
        some = torch.randperm(len(train), generator=rng)[: _seed_rows(net)]
        rows = train.rows(some)
        x = _unpack(net.space, rows.x, rng)
        net.body.prepare(x)
        classes = torch.zeros(len(some), dtype=torch.long) if owner is None else owner.row_class[some]
        of = torch.zeros(net.components, dtype=torch.long) if owner is None else owner.component_class
        features = _features(net.space, x)
        centres = torch.empty(net.components, dtype=torch.long)
        for each in of.unique():
            own = (classes == each).nonzero()[:, 0]
            own = own if len(own) else torch.arange(len(some))
            centres[of == each] = own[_spread_out(features[own], int((of == each).sum()), rng)]
        net.body.seed(x[centres])
        if net.beside is not None:
            assert rows.context is not None
            net.beside.prepare(rows.context)
            net.beside.seed(rows.context[centres])
        if isinstance(net.body, GaussianComponents):
            distance = torch.cdist(features, features[centres])
            if owner is not None:
                distance = distance.masked_fill(classes[:, None] != of, math.inf)
            net.body.orient(x, distance.argmin(dim=1))

    def _pass(
        self,
        net: MixtureNet,
        train: Encoded,
        blocks: list[Tensor],
        memory: list[list[Tensor] | None],
        owner: "Owners | None",
        deadline: float,
        rng: torch.Generator,
    ) -> float:
        """One pass of incremental EM: each block's statistics replace its old ones, then the components move.

        Returns the mean negative log-likelihood in nats, as each row was met; ends early at the `deadline`.
        """
        total = [sum(parts) for parts in zip(*(m for m in memory if m is not None), strict=True)]
        loss, seen = 0.0, 0
        for i, block in enumerate(blocks):
            fresh: list[Tensor] = []
            for index in block.split(_rows_per_step(net)):
                rows = train.rows(index)
                x = _unpack(net.space, rows.x, rng)
                joint = net.log_joint(x, rows.context, len(index))
                if owner is not None:
                    joint = joint.masked_fill(owner.row_class[index, None] != owner.component_class, -math.inf)
                evidence = joint.logsumexp(dim=1, keepdim=True)
                loss -= float(evidence.sum())
                part = net.statistics(x, rows.context, (joint - evidence).exp())
                fresh = [a + b for a, b in zip(fresh, part, strict=True)] if fresh else part
            stale = memory[i]
            if stale is not None:
                total = [t - s for t, s in zip(total, stale, strict=True)]
            total = [t + f for t, f in zip(total, fresh, strict=True)] if total else fresh
            memory[i] = fresh
            net.maximise(total, self.smoothing)
            seen += len(block)
            if time.monotonic() > deadline:
                break
        return loss / seen


@dataclass(frozen=True)
class Owners:
    """Which class each training row is of, and which class each component belongs to."""

    row_class: Int[Tensor, "n"]
    component_class: Int[Tensor, "k"]


def _class_owners(net: MixtureNet, train: Encoded) -> Owners | None:
    """Divide components among the classes in proportion to their rows, at least one each; None without classes.

    Classes are the combinations of as many discrete context columns, in order, as leave two components per class or
    more (one per class where there are fewer). Under EM a component that starts without rows of a class never gets
    any, so that this is a choice of starting point and not another model.
    """
    if net.context is None or not net.context.discrete:
        return None
    assert train.context is not None
    chosen: Tensor | None = None
    for j in net.context.discrete:
        column = train.context[:, j].nan_to_num(-1.0)[:, None]
        wider = column if chosen is None else torch.cat([chosen, column], dim=1)
        limit = net.components if chosen is None else net.components // 2
        if len(wider.unique(dim=0)) <= limit:
            chosen = wider
    if chosen is None:
        return None
    _, row_class, counts = chosen.unique(dim=0, return_inverse=True, return_counts=True)
    spare = net.components - len(counts)
    ends = (counts.double().cumsum(0) / counts.sum() * spare).round().long()
    shares = 1 + ends.diff(prepend=torch.zeros(1, dtype=torch.long))
    return Owners(row_class, torch.arange(len(counts)).repeat_interleave(shares))


def _blocks(net: MixtureNet, n: int, rng: torch.Generator) -> list[Tensor]:
    """A random division of n rows into at most BLOCKS parts of at least BLOCK_ROWS, as memory allows."""
    numbers = sum(buffer.numel() for buffer in net.buffers())  # about as many as its statistics
    count = max(1, min(BLOCKS, n // BLOCK_ROWS, NUMBERS_IN_MEMORY // numbers))
    return list(torch.randperm(n, generator=rng).tensor_split(count))


def _spread_out(features: Float[Tensor, "n f"], k: int, rng: torch.Generator) -> Int[Tensor, "k"]:
    """k rows far from each other: Arthur & Vassilvitskii 2007, "k-means++", section 2.2."""
    chosen = [int(torch.randint(len(features), (), generator=rng))]
    nearest = torch.full((len(features),), math.inf)
    while len(chosen) < k:
        nearest = torch.minimum(nearest, (features - features[chosen[-1]]).square().sum(dim=1))
        weights = nearest.clamp(min=1e-12)  # if all rows coincide with centres, any will do
        chosen.append(int(torch.multinomial(weights, 1, generator=rng)))
    return torch.tensor(chosen)


def _features(space: Reals | Columns, x: Tensor) -> Float[Tensor, "n f"]:
    """Rows as vectors whose distances say how different they are; unknown entries are zeros."""
    if isinstance(space, Reals):
        return x.flatten(1)
    known = ~x.isnan() & space.active(x)
    value = torch.where(known, x, 0.0)
    one_hot = [nn.functional.one_hot(value[:, j].long()) * known[:, j, None] for j in space.discrete]
    return torch.cat([*one_hot, value[:, space.continuous]], dim=1)


def _unpack(space: Reals | Columns, stored: Tensor, rng: torch.Generator) -> Tensor:
    """Stored rows as floats, grey levels spread evenly over one level's width."""
    x = space.unpack(stored)
    if isinstance(space, Columns) or space.levels is None:
        return x
    return x + (torch.rand(x.shape, generator=rng) - 0.5) * (2.0 / (space.levels - 1))


def _mean_log_joint(net: MixtureNet, data: Encoded, rng: torch.Generator) -> float:
    """Mean of log p(x, context) in nats."""
    total = 0.0
    for index in torch.arange(len(data)).split(_rows_per_step(net)):
        rows = data.rows(index)
        x = _unpack(net.space, rows.x, rng)
        total += float(net.log_joint(x, rows.context, len(index)).logsumexp(dim=1).sum())
    return total / len(data)


def _seed_rows(net: MixtureNet) -> int:
    """Rows that first centres are chosen among."""
    size = net.space.size if isinstance(net.space, Reals) else len(net.space.columns)
    return max(net.components, min(SEED_ROWS, NUMBERS_IN_MEMORY // size))


def _rows_per_step(net: MixtureNet) -> int:
    """Rows whose likelihoods and statistics are found at once, so that temporary arrays stay within bounds."""
    body = net.body
    if not isinstance(body, GaussianComponents):
        return max(1, min(2048, NUMBERS_AT_ONCE // net.components))
    square = body.size**2 if body.rank == body.size else 0
    return max(1, min(2048, NUMBERS_AT_ONCE // max(net.components * (body.rank + 1), body.size, square)))


def _rows_per_draw(net: MixtureNet) -> int:
    """Rows drawn at once, each with its component's loading."""
    body = net.body
    return (
        max(1, min(2048, NUMBERS_AT_ONCE // (body.size * (body.rank + 1))))
        if isinstance(body, GaussianComponents)
        else 2048
    )
