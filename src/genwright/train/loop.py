"""The training loop that every gradient family shares."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genwright.errors import TrainingError
from genwright.families.family import Objective
from genwright.folders import writing
from genwright.randomness import seeded
from genwright.signals import Interrupted, held_back
from genwright.spaces import RowSource, Space
from genwright.train.diagnoses import Diagnosis
from genwright.train.doctor import Doctor, Rounds, begin
from genwright.train.looks import Look
from genwright.train.plan import Clock, corrected, correction_step, make_plan
from genwright.train.progress import Listener, Progress, silent
from genwright.train.stages import CHECKPOINT, NOWHERE, Stages
from genwright.train.start import Start
from genwright.train.state import Plan, State, load_checkpoint, save_checkpoint
from genwright.train.step import evaluate, take_step

PATIENCE = 0.25  # share of the run without held-out improvement after which training decays, then ends
RESCUES = 3  # times a run may fall back and halve its learning rate before it gives up
CHECKPOINT_SECONDS = 20.0
TELL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Job:
    """One fit: what to train on which rows, by which clock, and where to keep and tell how it goes.

    Where `stages` have a folder, a checkpoint is kept there and evaluations are appended to `log.jsonl`; a job that was
    interrupted and has the same fingerprint goes on where it stopped, to bit-identical weights on a CPU.
    """

    family: Objective
    space: Space
    train: RowSource
    valid: RowSource
    clock: Clock
    seed: int
    stages: Stages = NOWHERE
    listener: Listener = silent
    start: Start | None = None  # where the net comes from, unless it is new
    doctor: Doctor | None = None


@dataclass(frozen=True)
class Trained:
    """What training leaves: the plan it followed, its history, whether it stopped before its last step, the seconds of
    it that earlier processes took, and what the doctor saw and said.
    """

    plan: Plan
    history: tuple[dict, ...]
    stopped_early: bool
    seconds_before: float
    looks: tuple[Look, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()


def train(net: nn.Module, job: Job) -> Trained:
    """Fit `net` in place; its final weights are the running average that did best on the held-out rows."""
    with seeded(job.seed), own_threads(), held_back() as interrupted:
        state = State.start(job.family, net, seed=job.seed)
        if job.stages.folder is not None and (job.stages.folder / CHECKPOINT).exists():
            plan = load_checkpoint(state, job.stages)
            job = replace(job, clock=job.clock.less(state.seconds))
            job.listener(Progress("training", state.step, plan.steps, message=f"resumed at step {state.step}"))
        else:
            job.listener(Progress("calibrating"))
            plan = make_plan(job.family, net, job.space, job.train, job.valid, clock=job.clock, seed=job.seed)
        before = state.seconds
        torch.set_num_threads(plan.threads)
        plan = _loop(job, state, plan, interrupted)
    net.load_state_dict(net.state_dict() | state.best)  # what does not move is in its place
    net.eval()
    early = state.step < plan.steps
    return Trained(plan, tuple(state.history), early, before, tuple(state.looks), tuple(state.diagnoses))


def _loop(job: Job, state: State, plan: Plan, interrupted: list[int]) -> Plan:
    """Step until the plan is done or the held-out loss says stop; returns the plan as it was finally followed."""
    began, first_step, before = time.monotonic(), state.step, state.seconds
    saved = told = began
    state.net.train()
    rounds = begin(job, state, plan)
    timed = job.clock.deadline is not None
    correct_at, timed_from = correction_step(plan, step=first_step) if timed else None, (first_step, began)
    while state.step < plan.steps:
        if correct_at is not None and state.step >= correct_at:
            now = time.monotonic()
            speed = (now - timed_from[1]) / (state.step - timed_from[0])
            plan = corrected(plan, step=state.step, seconds_per_step=speed, clock=job.clock)
            correct_at, timed_from = correction_step(plan, step=state.step), (state.step, now)
        losses = take_step(job.family, state, job.space, job.train, plan)
        now = time.monotonic()
        state.seconds = before + now - began
        if rounds is not None:
            rounds.after_step(state, plan, losses)
        if not all(map(math.isfinite, losses.values())):
            _rescue(state, losses)
            continue
        if job.clock.seconds_left <= 0:  # slower than any measurement foretold
            plan = replace(plan, steps=min(plan.steps, state.step))
        if state.step % plan.evaluate_every == 0 or state.step >= plan.steps:
            judged, stop = _evaluated(job, state, plan, losses, rounds)
            if stop:
                break
            if judged is not plan:  # stopping early: from here the clock may only shorten what is left
                plan, timed_from = judged, (state.step, now)
                correct_at = correction_step(plan, step=state.step) if timed else None
        if now - told > TELL_SECONDS:
            told = now
            left = (plan.steps - state.step) * (now - began) / max(1, state.step - first_step)
            recent = state.history[-1]["held_out"] if state.history else math.nan
            job.listener(Progress("training", state.step, plan.steps, sum(losses.values()), recent, left))
        if job.stages.folder is not None and (interrupted or now - saved > CHECKPOINT_SECONDS):
            saved = now
            save_checkpoint(state, plan, job.stages)
        if interrupted:
            raise Interrupted(interrupted[0])
    return plan


def _evaluated(
    job: Job, state: State, plan: Plan, losses: dict[str, float], rounds: Rounds | None
) -> tuple[Plan, bool]:
    """Look at held-out rows, and keep the best average: the plan from here on, and whether to stop."""
    held_out = evaluate(job.family, state.average, job.space, job.valid, rows=plan.held_out_rows, seed=job.seed)
    _log(state, losses, held_out, job.stages.folder)
    if rounds is None:
        state.keep_if_best(held_out)
    elif rounds.visit(state, plan, held_out):
        return plan, True
    return _judge(state, plan)


def _judge(state: State, plan: Plan) -> tuple[Plan, bool]:
    """Early stopping in two acts.

    When held-out loss has not improved for `PATIENCE` of the run before the decay has begun, go back to the best
    average and decay from there over half the steps it took; when that happens in the decay, stop.
    """
    if state.step - state.best_step <= PATIENCE * plan.steps:
        return plan, False
    if state.step >= plan.decay_start:
        return plan, True
    state.rewind()
    anneal = max(4 * plan.evaluate_every, state.best_step // 2)
    state.best_step = state.step
    steps = min(plan.steps, state.step + anneal)
    return replace(plan, decay_start=state.step, steps=steps, most_steps=steps), False


def _rescue(state: State, losses: dict[str, float]) -> None:
    """After a loss that is not finite: back to the best average with half the learning rate, a few times."""
    state.rescues += 1
    if state.rescues > RESCUES:
        bad = ", ".join(name for name, value in losses.items() if not math.isfinite(value))
        raise TrainingError(
            f"the loss ({bad}) stopped being finite at step {state.step}, {RESCUES} restarts did not help",
            hint="lower the learning rate, or look for extreme values in the data with `genwright inspect`",
        )
    state.rewind()
    for group in state.optimizers:
        for optimizer in group:
            optimizer.state.clear()


def _log(state: State, losses: dict[str, float], held_out: float, folder: Path | None) -> None:
    """Add one line to the history, and to `log.jsonl`."""
    line: dict[str, Any] = {"step": state.step, "seconds": round(state.seconds, 3), "loss": sum(losses.values())}
    line |= {"parts": losses, "held_out": held_out}
    state.history.append(line)
    if folder is not None:
        path = folder / "log.jsonl"
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("a" if len(state.history) > 1 else "w", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


@contextmanager
def own_threads() -> Iterator[None]:
    """The number of torch's threads, which calibration changes inside, given back unchanged."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
