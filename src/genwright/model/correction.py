"""A correction of a fitted table generator: draws that look generated are given up for draws that look real."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genwright.families.family import Family, Work
from genwright.model.part import RowSampler, Saved
from genwright.nets.oblivious import MAX_TREES, ObliviousTrees
from genwright.spaces import Columns, Encoded, Given
from genwright.typed import wrong

SHARE = 0.2  # of the minutes of a fit, at most MAX_SECONDS
MAX_SECONDS = 120.0
MIN_ROWS = 2_000  # below, trees learn the rows rather than what sets them apart
MAX_ROWS = 100_000  # real rows that it is learned from
FAKES = 4  # generated rows for each real one, time allowing
MIN_DRAWN, MAX_DRAWN = 64, 4096  # rows at once: few at first, for a family that draws slowly
RATE = 0.1  # of boosting
SUBSAMPLE = 0.5  # share of the rows that each tree is grown from
LOOK_EVERY = 5  # trees
PATIENCE = 20  # looks without a better held-out loss
SURE = 2.0  # standard errors by which held-out loss must improve for the correction to be kept
CAP = 2.0  # no row counts for more than this many draws: half of all draws are given up, or more
ROUNDS = 24  # after which whatever was drawn last is kept, as where all rows that agree with `given` look generated


class Correction(nn.Module):
    """Draws are kept with probability min(w, CAP) / CAP, w the odds by which boosted trees take them for real.

    The generator's distribution becomes proportional to p(x) min(w(x), CAP): rejection sampling on the density ratio
    that a classifier estimates. Azadi et al. 2019, "Discriminator rejection sampling", arXiv:1810.06758; Sugiyama et
    al. 2012.
    """

    log_kept: Tensor

    def __init__(self, space: Columns, trees: int = MAX_TREES) -> None:
        super().__init__()
        self.trees = ObliviousTrees(space, trees)
        self.register_buffer("log_kept", torch.zeros(()))

    name: ClassVar[str] = "correction"

    def to_json(self) -> None:
        """Nothing: all that it is stands among the tensors."""

    @property
    def nets(self) -> Mapping[str, nn.Module]:
        return {"": self}

    @classmethod
    def load(cls, told: Any, tensors: dict[str, Tensor], saved: Saved) -> "Correction | None":
        """The correction that a model was saved with, if there was one."""
        correction = cls.of(saved.codec.space, tensors)
        return correction and correction.to(saved.device)

    @staticmethod
    def of(space: object, tensors: dict[str, Tensor]) -> "Correction | None":
        """The correction with these tensors; None where there are none."""
        if not tensors or not isinstance(space, Columns):
            return None
        trees = tensors["trees.values"].shape[:1] if "trees.values" in tensors else (0,)
        correction = Correction(space, min(*trees, MAX_TREES))
        own = correction.state_dict()
        alike = own.keys() == tensors.keys() and all(own[name].shape == t.shape for name, t in tensors.items())
        if not alike or not bool((tensors["trees.columns"] < len(space.columns)).all()):
            raise wrong("the weights do not fit the recipe (its correction)", "weights.safetensors")
        correction.load_state_dict(tensors)
        return correction

    def log_weight(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n"]:
        """What the correction adds to log p(x) in nats."""
        return self._capped(x) - self.log_kept

    def rows(self, sampler: RowSampler) -> RowSampler:
        """Rows of `sampler`, corrected: each is drawn again until it is kept, ROUNDS times at most."""

        def drawn(n: int, *, given: Given, rng: torch.Generator) -> Encoded:
            found = sampler(n, given=given, rng=rng)
            rows = found.x
            left = torch.arange(n, device=rows.device)
            for _ in range(ROUNDS):
                uniform = torch.rand(len(left), generator=rng, device=rows.device)
                left = left[uniform.log() > self._capped(rows[left]) - math.log(CAP)]
                if not len(left):
                    break
                rows[left] = sampler(len(left), given=given.rows(left), rng=rng).x
            return found

        return drawn

    def _capped(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n"]:
        return self.trees(x).clamp(max=math.log(CAP))


def reserved_seconds(space: object, rows: int, minutes: float | None) -> float:
    """How much of a fit's time is kept for its correction; none where it would not help or time is not the limit."""
    if minutes is None or not isinstance(space, Columns) or rows < MIN_ROWS:
        return 0.0
    return min(MAX_SECONDS, SHARE * 60.0 * minutes)


def less_reserved(work: Work, space: object) -> Work:
    """The work without the time that is kept for the correction."""
    if work.minutes is None:
        return work
    return replace(work, minutes=work.minutes - reserved_seconds(space, work.rows, work.minutes) / 60.0)


@torch.no_grad()
def learn_correction(
    family: Family, net: nn.Module, space: Columns, train: Encoded, valid: Encoded, *, deadline: float, seed: int
) -> tuple[Correction | None, dict[str, float]]:
    """A correction of `net`, or None where it does not clearly help held-out rows; and what was measured.

    Trees are grown until their loss on held-out rows stops falling or the `deadline` (`time.monotonic`) nears.
    """
    device = next(chain(net.parameters(), net.buffers())).device
    rng = torch.Generator(device).manual_seed(seed)
    some = torch.randperm(len(train), generator=rng, device=device)[:MAX_ROWS].to(train.x.device)
    real, unseen = (space.unpack(x).to(device) for x in (train.x[some], valid.x[:MAX_ROWS]))
    fake, control = (_drawn(family, net, FAKES * len(rows), deadline, rng) for rows in (real, unseen))
    correction = Correction(space).to(device)
    correction.trees.prepare(real, fake)
    gain, error = _boost(correction.trees, (real, fake), (unseen, control), deadline, rng)
    correction.log_kept.fill_(correction._capped(control).exp().mean().log())
    kept = float(correction.log_kept.exp()) / CAP
    measured = {"held_out_gain": gain, "standard_error": error, "acceptance": kept}
    return (correction if gain > SURE * error else None), measured


def _drawn(family: Family, net: nn.Module, n: int, deadline: float, rng: torch.Generator) -> Float[Tensor, "m c"]:
    """n generated rows, or as many as a quarter of the time that is left allows."""
    until = time.monotonic() + 0.25 * (deadline - time.monotonic())
    parts: list[Tensor] = []
    size = MIN_DRAWN
    while (left := n - sum(map(len, parts))) > 0 and (not parts or time.monotonic() < until):
        before = time.monotonic()
        parts.append(family.sample(net, min(size, left), rng=rng))
        now = time.monotonic()
        size = min(2 * size, MAX_DRAWN) if 2 * (now - before) < until - now else size
    return torch.cat(parts)


def _boost(
    trees: ObliviousTrees,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    deadline: float,
    rng: torch.Generator,
) -> tuple[float, float]:
    """Grow trees against the logistic loss; returns what they lower the held-out loss by, and its standard error."""
    bins, label, weight = _labelled(trees, *train)
    test_bins, test_label, test_weight = _labelled(trees, *valid)
    score, test_score = torch.zeros_like(label), torch.zeros_like(test_label)
    best, best_count, gain, error = math.inf, 0, 0.0, 0.0
    for tree in range(MAX_TREES):
        some = torch.rand(len(label), generator=rng, device=label.device) < SUBSAMPLE
        p = score[some].sigmoid()
        gradient, curvature = weight[some] * (p - label[some]), weight[some] * p * (1.0 - p)
        trees.grow(tree, bins[:, some], gradient, curvature, rate=RATE)
        score += trees.score_tree(tree, bins)
        test_score += trees.score_tree(tree, test_bins)
        if (tree + 1) % LOOK_EVERY:
            continue
        loss = test_weight * F.binary_cross_entropy_with_logits(test_score, test_label, reduction="none")
        if float(loss.mean()) < best:
            best, best_count = float(loss.mean()), tree + 1
            lowered = math.log(2.0) * test_weight - loss
            gain, error = float(lowered.mean()), float(lowered.std() / math.sqrt(len(lowered)))
        if tree + 1 - best_count >= PATIENCE * LOOK_EVERY or time.monotonic() > deadline:
            break
    trees.keep(best_count)
    return gain, error


def _labelled(trees: ObliviousTrees, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Binned rows of both, 1 for real ones and 0 for others, and weights under which both count the same."""
    bins = torch.cat([trees.bins(real), trees.bins(fake)], dim=1)
    label = torch.cat([torch.ones(len(real)), torch.zeros(len(fake))]).to(real.device)
    share = len(real) / len(label)
    return bins, label, torch.where(label > 0, 0.5 / share, 0.5 / (1.0 - share))
