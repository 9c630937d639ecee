"""Levels drawn as often as they are: what the noise of gradients left of errors in their shares is taken back."""

import math
import time

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.families.family import GradientFamily
from genwright.nets.relaxation import log_frequencies
from genwright.spaces import Columns, Discrete, Encoded, Given
from genwright.train.plan import Clock

ROUNDS = 4
PER_DRAW = 16  # rows learned from for each row drawn in a round
AT_ONCE, MAX_DRAWN = 256, 2048  # rows of a round: at least, and at most


@torch.no_grad()
def match_shares(
    family: GradientFamily, net: nn.Module, *, space: Columns, rows: Encoded, clock: Clock, seed: int
) -> None:
    """Move the bias of every level until levels are drawn as often as they are in `rows`.

    Each bias rises by the log of how much too rarely its level is drawn: iterative proportional fitting (Deming &
    Stephan 1940, Ann. Math. Stat. 11) of the outputs, which leaves the ratios of odds within the net as they are. Later
    rounds count for less and less, so that the noise of their draws averages out (Robbins & Monro 1951). The `clock`
    of the whole fit says how many draws there may be; where it leaves a moment only, the first ones.
    """
    if clock.seconds_left <= 0:
        return
    biases = family.level_biases(net)
    before = [bias.clone() for bias in biases]
    wanted = [own.exp() for own in log_frequencies(space, space.unpack(rows.x))]
    rng = torch.Generator(rows.x.device).manual_seed(seed)

    def counts() -> list[Float[Tensor, "levels"]]:
        some = torch.randint(len(rows), (AT_ONCE,), generator=rng, device=rows.x.device)
        given = Given(None, None if rows.context is None else rows.context[some])
        return _counts(space, family.sample(net, AT_ONCE, given=given, rng=rng))

    began = time.perf_counter()
    first = counts()
    affordable = clock.seconds_left / ROUNDS / max(1e-6, time.perf_counter() - began)
    learned = math.inf if clock.steps is None else clock.steps * (family.batch or 1)
    drawn = min(MAX_DRAWN, max(AT_ONCE, learned / PER_DRAW))
    chunks = int(min(affordable, drawn // AT_ONCE))
    rounds, each_round = (ROUNDS, chunks * AT_ONCE) if chunks > 0 else (1, AT_ONCE)
    for number in range(rounds):  # where there is no time for more, the draws that told so are the only ones
        found = [sum(each) for each in zip(*(counts() for _ in range(chunks)), strict=True)] if chunks > 0 else first
        for bias, own, count in zip(biases, wanted, found, strict=True):
            bias += ((own * each_round + 1.0) / (count + 1.0)).log() / max(1, number)
    for bias, old, own in zip(biases, before, wanted, strict=True):
        bias.copy_(torch.lerp(old, bias, _beyond_noise(bias - old, own, max(1, rounds - 1) * each_round)))


def _counts(space: Columns, x: Float[Tensor, "n c"]) -> list[Float[Tensor, "levels"]]:
    """How often each level of each discrete column is in x."""
    return [
        x[:, i].long().bincount(minlength=column.levels).float()
        for i, column in enumerate(space.columns)
        if isinstance(column, Discrete)
    ]


def _beyond_noise(moved: Float[Tensor, "levels"], shares: Float[Tensor, "levels"], n: int) -> Float[Tensor, ""]:
    """The share of a move, learned from n draws, that their noise does not explain.

    James & Stein 1961, positive part, with Pearson's statistic, whose mean under noise alone is its degrees of freedom.
    """
    centred = moved - shares @ moved
    off = n * (shares @ centred.square())
    return (1.0 - (len(moved) - 1) / off.clamp(min=1e-9)).clamp(min=0.0)
