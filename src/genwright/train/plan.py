"""Before training: how fast does this machine go, how many steps fit the time, how much memory will it take."""

import copy
import time
from dataclasses import dataclass, replace

import torch
from torch import nn

from genwright.errors import ArgumentError
from genwright.families.family import Objective, Work
from genwright.spaces import RowSource, Space
from genwright.train.devices import cores, has_fast_bfloat16, peak_memory_mb
from genwright.train.schedule import DECAY_FROM
from genwright.train.state import Plan, State
from genwright.train.step import evaluate, take_step

EVALUATIONS = 24  # held-out evaluations in a run
HELD_OUT_SHARE = 0.04  # of the time goes to them
MAX_HELD_OUT_ROWS = 1024  # of each where steps are counted
CALIBRATION_SHARE = 0.04  # of the time goes to calibration, at most CALIBRATION_SECONDS
CALIBRATION_SECONDS = 6.0
SAFETY = 0.985  # of the time is planned; the rest covers jitter
UNCORRECTED = 0.01  # share of the run that is left when its number of steps is corrected no more
BFLOAT16_GAIN = 1.25  # how much faster bfloat16 must be to give up float32's precision


@dataclass(frozen=True)
class Clock:
    """How long a fit may take: a count of steps, or a moment (`time.monotonic` seconds) when it must be over."""

    steps: int | None = None
    deadline: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.deadline is None):
            raise ArgumentError("give either minutes or steps", where="fit", hint="for example minutes=5")

    def less(self, seconds: float) -> "Clock":
        """This clock with `seconds` already used up, as after a resumption."""
        return self if self.deadline is None else replace(self, deadline=self.deadline - seconds)

    @property
    def seconds_left(self) -> float:
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()


def clock_for(work: Work, *, started: float) -> Clock:
    """The clock of a fit that began at `started`."""
    if work.minutes is None:
        return Clock(steps=work.steps)
    return Clock(deadline=started + 60.0 * work.minutes)


def make_plan(
    family: Objective, net: nn.Module, space: Space, train: RowSource, valid: RowSource, *, clock: Clock, seed: int
) -> Plan:
    """Measure copies of `net` under each choice of threads and number format; fix the fastest and the step count."""
    device = next(net.parameters()).device
    draft = Plan(1, 1, 1, 256, torch.get_num_threads(), "float32")
    if clock.steps is not None:
        return _with_steps(replace(draft, held_out_rows=_affordable_rows(clock.steps, family.batch or 1)), clock.steps)
    options = [replace(draft, threads=t) for t in sorted({1, cores()}, reverse=True)]
    seconds_each = min(CALIBRATION_SECONDS, CALIBRATION_SHARE * clock.seconds_left) / (len(options) + 1)

    def timed(plan: Plan) -> float:
        return _seconds_per_step(family, net, space, train, plan, seed, seconds_each)

    best_seconds, best = min(((timed(each), each) for each in options), key=lambda pair: pair[0])
    if family.half_precision and has_fast_bfloat16(device) and best_seconds < seconds_each:
        half = replace(best, dtype="bfloat16")
        seconds = timed(half)
        if seconds * BFLOAT16_GAIN < best_seconds:
            best_seconds, best = seconds, half
    torch.set_num_threads(best.threads)
    probe = min(len(valid), best.held_out_rows, max(8, int((family.batch or 8) * seconds_each / best_seconds)))
    began = time.perf_counter()
    evaluate(family, net, space, valid, rows=probe, seed=seed)
    seconds_per_row = (time.perf_counter() - began) / probe
    for_held_out = HELD_OUT_SHARE * clock.seconds_left
    rows = int(min(4096, max(min(64, probe), for_held_out / EVALUATIONS / max(seconds_per_row, 1e-9))))
    held_out_seconds = EVALUATIONS * min(rows, len(valid)) * seconds_per_row
    steps = int((clock.seconds_left * SAFETY - held_out_seconds) / best_seconds)
    return _with_steps(replace(best, held_out_rows=rows), max(1, steps))


def corrected(plan: Plan, *, step: int, seconds_per_step: float, clock: Clock) -> Plan:
    """The plan with its step count corrected from the speed measured since the last time; its decay, if yet to come."""
    left = int(clock.seconds_left * SAFETY / seconds_per_step)
    steps = step + max(1, left)
    if step < plan.decay_start:
        again = _with_steps(plan, steps)
        return replace(again, decay_start=max(step, again.decay_start))
    return replace(plan, steps=steps if plan.most_steps is None else min(steps, plan.most_steps))


def correction_step(plan: Plan, *, step: int) -> int | None:
    """When the plan is to be corrected after `step`: four times before the decay begins, then at half of each rest."""
    if step < plan.decay_start:
        return min(plan.decay_start, step + max(1, plan.decay_start // 4))
    rest = plan.steps - step
    return step + rest // 2 if rest > max(1, UNCORRECTED * plan.steps) else None


def estimate_memory_mb(family: Objective, net: nn.Module, space: Space, train: RowSource, *, seed: int) -> float:
    """MiB that training will need at its peak: what the process holds, weights and optimiser, and one batch's graph."""
    held: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    probe = min(8, family.batch or 8, len(train))
    state = State.start(family, copy.deepcopy(net), seed=seed)
    rows = train.rows(torch.arange(probe))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        for player in state.players:
            given = player.given(state.net, rows.unpacked(space), rows.context, state.rng)
            player.loss(state.net, *given, state.rng)
    weights = sum(p.numel() * p.element_size() for p in net.parameters())
    own = {p.untyped_storage().data_ptr() for p in state.net.parameters()}
    graph = sum(size for at, size in held.items() if at not in own) * (family.batch or probe) / probe
    return peak_memory_mb() + (6 * weights + 1.5 * graph) / 2**20  # weights, gradient, two moments, average, best


def _affordable_rows(steps: int, batch: int) -> int:
    """Rows of each held-out evaluation that take about `HELD_OUT_SHARE` of a run of `steps`.

    An evaluated row costs about a third of a trained one, for want of a backward pass. However short the run, four
    batches are looked at, or 64 rows if that is less.

    >>> _affordable_rows(50, 3), _affordable_rows(400, 64), _affordable_rows(20_000, 256)
    (12, 128, 1024)
    """
    rows = int(3 * HELD_OUT_SHARE * steps * batch / EVALUATIONS)
    return min(MAX_HELD_OUT_ROWS, max(min(64, 4 * batch), rows))


def _with_steps(plan: Plan, steps: int) -> Plan:
    decay_start, every = round(DECAY_FROM * steps), max(1, round(steps / EVALUATIONS))
    return replace(plan, steps=steps, decay_start=decay_start, evaluate_every=every)


def _seconds_per_step(
    family: Objective, net: nn.Module, space: Space, train: RowSource, plan: Plan, seed: int, seconds: float
) -> float:
    """Median time of a training step of a copy of `net` under `plan`, measured for about `seconds`.

    The first step, which also sets things up, counts only where it took all the time there is.
    """
    torch.set_num_threads(plan.threads)
    state = State.start(family, copy.deepcopy(net), seed=seed)
    times: list[float] = []
    began = time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        before = time.perf_counter()
        take_step(family, state, space, train, plan)
        times.append(time.perf_counter() - before)
    later = sorted(times[1:]) or times
    return later[len(later) // 2]
