"""What is measured while a net trains, cheaply: losses, gradients, and a handful of samples beside real rows."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from genwright.families.family import DEFAULT, GradientFamily, HasLatent, Objective
from genwright.families.sampling import Sampling
from genwright.maths import modes
from genwright.nets.coder import as_reals
from genwright.randomness import seeded
from genwright.spaces import Given, RowSource, Space
from genwright.typed import require

SHARE = 0.04  # of a run's work goes to looking at samples, at most
DRAWN = (256, 128, 64, 32)  # samples of a look: the most that leave time for FEWEST looks
FEWEST = 4
MIN_STEPS = 100  # of a run; shorter ones are not looked at
QUICK_STEPS = 5  # of drawing, where a family counts them
REFERENCE = 2048  # real rows that modes are made of, at most
MODES = 16
KNOWN = 8192  # training rows that samples are held against, to see copies, at most;
CELLS = 2**24  # and so many numbers
LAYERS = 64  # whose gradients are told, at most
LARGEST = 1e30
PROBE = 4  # rows, and samples, whose multiplications are counted


@dataclass(frozen=True)
class Look:
    """One look at a run: after how many steps, and what was found.

    `held_out` and `trained` are the family's held-out loss of rows kept out of training, and of training rows; `parts`
    the mean and the standard deviation of each part of the losses since the last look, the first look also having
    what it was at the first step; `gradients`, by player, the root mean square of the gradient of each layer's
    weights, in the order of the net. Where samples were drawn, `missing` is the share of real rows in modes that they
    miss, `spread` the distance between nearest samples over that of as many real rows, and `copied` the share of
    samples that are copies of training rows, beside `usual`, that of real rows. `rescues` counts restarts after
    losses that were not finite, `rewound` says at which step it last went back to the best weights.
    """

    step: int
    held_out: float
    trained: float | None = None
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    gradients: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    drawn: int = 0
    missing: float | None = None
    spread: float | None = None
    copied: float | None = None
    usual: float | None = None
    rescues: int = 0
    rewound: int = 0

    def __post_init__(self) -> None:
        require(min(self.step, self.rescues, self.drawn) >= 0, "a count below 0")


@dataclass
class Gauge:
    """What steps leave behind: each the parts of its losses, the last before a look the gradients of every layer."""

    wanted: bool = False
    gradients: dict[str, tuple[float, ...]] = field(default_factory=dict)
    sums: dict[str, tuple[float, ...]] = field(default_factory=dict)  # by part: how many, the first, sums, squares

    def read(self, player: str, module: nn.Module) -> None:
        """Keep the gradients of a player's weights, just after they were computed."""
        if not self.wanted:
            return
        found = [p.grad for p in module.parameters() if p.grad is not None and p.ndim >= 2]
        norms = torch._foreach_norm(found) if found else []
        told = [float(n) / math.sqrt(g.numel()) for n, g in zip(norms, found, strict=True)]
        self.gradients[player] = tuple(
            float(f"{_finite(each):.3g}") for each in told[:: max(1, -(-len(told) // LAYERS))]
        )

    def add(self, losses: Mapping[str, float]) -> None:
        """The parts of the losses of one step."""
        for name, value in losses.items():
            n, first, total, squares = self.sums.get(name, (0.0, value, 0.0, 0.0))
            self.sums[name] = n + 1, first, total + value, squares + value**2

    def take(self, *, first: bool) -> dict[str, Any]:
        """All since the last time, as fields of a look; of the `first`, what each loss was at first, too."""
        parts: dict[str, tuple[float, ...]] = {}
        for name, (n, began, total, squares) in self.sums.items():
            mean = total / n
            parts[name] = (mean, math.sqrt(max(0.0, squares / n - mean**2)), *((began,) if first else ()))
        found = {"parts": parts, "gradients": self.gradients}
        self.sums, self.gradients, self.wanted = {}, {}, False
        return found


class Eye:
    """Draws a few samples and holds them against real rows, at every so many evaluations; never where `n` is 0."""

    def __init__(
        self, family: Objective, net: nn.Module, space: Space, train: RowSource, *, steps: int, looks: int, seed: int
    ) -> None:
        self.family, self.space, self.train, self.seed, self.n, self.every = family, space, train, seed, 0, 1
        self.how = DEFAULT
        if not isinstance(family, GradientFamily) or not isinstance(family, HasLatent) or len(train) < MODES:
            return  # what is drawn value by value takes too long
        if {"steps", "guidance"} <= set(family.can(space).how):
            self.how = Sampling(steps=QUICK_STEPS, guidance=1.0)
        if train.rows(slice(0, 1)).unpacked(space).is_floating_point():
            self.n, self.every = _affordable(self._price(net), steps=steps, looks=looks)
        if self.n:
            self._prepare()

    def _price(self, net: nn.Module) -> float:
        """How many training steps a sample takes, by multiplications: the same on any machine."""
        assert isinstance(self.family, GradientFamily) and self.family.batch
        rows = self.train.rows(torch.arange(min(PROBE, len(self.train)), device=self.train.device))
        rng = torch.Generator(self.train.device).manual_seed(self.seed)
        with seeded(self.seed), _counted() as step:
            for player in self.family.players(net):
                player.loss(net, rows.unpacked(self.space), rows.context, rng)
        with seeded(self.seed), torch.no_grad(), _counted() as draw:
            self._drawn(net, len(rows), rng)
        return draw[0] / max(1, 3 * step[0] * self.family.batch)  # a step goes back too, at twice the cost

    def _prepare(self) -> None:
        rng = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self.train), generator=rng).to(self.train.device)
        width = self._points(self.train.rows(order[:1]).unpacked(self.space)).shape[1]
        some = order[: max(MODES, min(KNOWN, CELLS // width))]
        self.known = self._points(self.train.rows(some).unpacked(self.space))
        real = self.known[:REFERENCE]
        self.centres = modes.centres(real, MODES, seed=self.seed)
        self.shares = modes.shares(real, self.centres)
        self.spread = modes.spread(self.known[: self.n])
        self.usual = float(modes.copies(modes.nearest_two(real[:512], self.known, among_them=True)).float().mean())

    @torch.no_grad()
    def look(self, net: nn.Module, *, step: int) -> dict[str, Any]:
        """What samples of `net` tell, as fields of a look."""
        was_training = net.training
        net.eval()
        rng = torch.Generator(self.train.device).manual_seed(self.seed + 7919 * step)
        with seeded(self.seed):
            fake = self._points(self._drawn(net, self.n, rng))
        net.train(was_training)
        fake = fake[fake.isfinite().all(1)]
        if len(fake) < 3:
            return {}
        alike = min(len(self.known), self.n, len(fake))
        copied = modes.copies(modes.nearest_two(fake, self.known)).float().mean() * len(self.train) / len(self.known)
        return {
            "drawn": len(fake),
            "missing": modes.missing(self.shares, modes.shares(fake, self.centres)),
            "spread": _finite(modes.spread(fake[:alike]) / max(self.spread, 1e-12)),
            "copied": min(1.0, float(copied)),
            "usual": self.usual,
        }

    def _drawn(self, net: nn.Module, n: int, rng: torch.Generator) -> Tensor:
        """Samples given what n random training rows are conditioned on."""
        assert isinstance(self.family, GradientFamily)
        index = torch.randint(len(self.train), (n,), generator=rng, device=rng.device)
        return self.family.sample(net, n, given=Given(context=self.train.rows(index).context), how=self.how, rng=rng)

    def _points(self, x: Tensor) -> Float[Tensor, "n d"]:
        """Records as points, whose distances mean something."""
        return as_reals(self.space, x).flatten(1).nan_to_num(0.0).float().cpu()  # type: ignore[arg-type]


@contextmanager
def _counted() -> Iterator[list[int]]:
    """A list whose one number becomes the multiplications that the layers of all nets do meanwhile."""
    total = [0]

    def add(module: nn.Module, _: Any, out: Any) -> None:
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim >= 2 and isinstance(out, Tensor):
            total[0] += out.numel() * weight[0].numel()

    hook = register_module_forward_hook(add)
    try:
        yield total
    finally:
        hook.remove()


def _finite(x: float) -> float:
    """The same, or a huge number: what is written down has to be read back."""
    return min(x, LARGEST) if math.isfinite(x) else LARGEST


def _affordable(price: float, *, steps: int, looks: int) -> tuple[int, int]:
    """How many samples to draw at every how many of so many evaluations; none where a run is too short.

    >>> [_affordable(price, steps=2000, looks=24) for price in (0.005, 0.1, 10.0)]
    [(256, 1), (128, 4), (0, 1)]
    """
    for n in DRAWN:
        times = SHARE * steps / max(price * n, 1e-9)
        if times >= FEWEST:
            return n, max(1, math.ceil(looks / times))
    return 0, 1
