"""From a recipe and encoded data to a trained net: closed-form families by their own algorithm, others by the loop."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from genwright.errors import UnsupportedError
from genwright.families.capabilities import check
from genwright.families.family import ClosedFormFamily, Family, GradientFamily, LearnsPrior, Work, untrained
from genwright.families.two_stage import TwoStage, TwoStageNet
from genwright.randomness import seeded
from genwright.spaces import Columns, Conditions, Encoded, RowSource, Space
from genwright.train.doctor import Doctor
from genwright.train.loop import Job, train
from genwright.train.plan import clock_for, estimate_memory_mb
from genwright.train.progress import Listener, Progress, silent
from genwright.train.shares import match_shares
from genwright.train.stages import NOWHERE, Kept, Stages
from genwright.train.start import Start
from genwright.weights import fill

PRIOR_SHARE = 0.05  # of the time is kept for refitting a latent prior, where there is one to refit
SHARES_SHARE = 0.05  # of the time is kept for matching the shares of levels, where nets have biases to move
PREPARED_ROWS = 4_096  # of those that are not in memory, from which nets take what they begin with
PRIOR_ROWS = 4_000  # training rows whose latents it is refitted to, at most;
PRIOR_FEWER = 8  # times fewer to see how long it takes
LOOP_COPIES, CLOSED_FORM_COPIES = (
    16,
    3,
)  # of the weights on the disk: two checkpoints (one replaces the other), the model


@dataclass(frozen=True)
class Fitted:
    """A trained net, the fully sized recipe that made it, and what was measured on the way."""

    family: Family
    net: nn.Module
    record: dict[str, Any]


def fit_family(
    family: Family,
    space: Space,
    conditions: Conditions | None,
    train_rows: RowSource,
    valid_rows: RowSource,
    *,
    work: Work,
    seed: int,
    started: float,
    device: torch.device,
    stages: Stages = NOWHERE,
    stage: str = "trained",
    start: Start | None = None,
    doctor: Doctor | None = None,
    listener: Listener = silent,
) -> Fitted:
    """Size, build and train `family`, from `start` on; the clock of `work.minutes` began at `started`, by monotonic.

    What is done is kept under the name `stage` in `stages`; the record tells the seconds of all processes together.
    """
    check(family, space, conditions)
    family = family.sized(space, work)
    with seeded(seed):
        net = untrained(family, space, conditions).to(device)
        if start is not None:
            start.enter(net)
    rows, held_out = train_rows.to(device), valid_rows.to(device)

    def trained() -> Kept:
        if isinstance(family, TwoStage):
            part = partial(fit_family, seed=seed, device=device, stages=stages, listener=listener)
            ways: dict[str, Any] = {"seed": seed, "started": started, "fit": part, "doctor": doctor}
            record = _fit_two_stages(family, net, (rows, held_out), conditions, work, **ways)
        elif isinstance(family, ClosedFormFamily):
            stages.check_room(net, copies=CLOSED_FORM_COPIES)
            record = _fit_closed_form(family, net, (rows, held_out), _less(work, started), seed, listener)
        else:
            assert isinstance(family, GradientFamily)
            ways = {"seed": seed, "stages": stages, "listener": listener, "start": start, "doctor": doctor}
            ways["clock"] = clock_for(work, started=started)
            job = Job(family=family, space=space, train=rows, valid=held_out, **ways)
            record = _fit_by_steps(net, job, seconds=60 * (work.minutes or 0))
        seconds = time.monotonic() - started + record.pop("seconds_before", 0.0)
        return net.state_dict(), record | {"seconds": round(seconds, 2)}

    tensors, record = stages.done(stage, trained, needed=("seconds", "history", "stopped_early"))
    fill(net, tensors, where=f"checkpoint of {stage}")
    record |= {"parameters": _parameters(net), "fingerprint": stages.fingerprint}
    return Fitted(family, net.eval(), record)


def _resident(rows: RowSource, family: Family) -> Encoded:
    """Rows that are in memory; UnsupportedError for others."""
    if isinstance(rows, Encoded):
        return rows
    hint = "fit a family that is trained step by step"
    raise UnsupportedError(f"{family.name} looks at all records at once, and these stay on the disk", hint=hint)


def _less(work: Work, started: float) -> Work:
    """What is left of `work`, and no less than half, now that encoding and building have taken their time."""
    if work.minutes is None:
        return work
    return replace(work, minutes=max(work.minutes / 2, work.minutes - (time.monotonic() - started) / 60))


def _parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def _fit_by_steps(net: nn.Module, job: Job, *, seconds: float) -> dict[str, Any]:
    """Run the shared training loop, and what is refitted after it until the clock of both, of `seconds`, runs out."""
    family, device = job.family, job.train.device
    assert isinstance(family, GradientFamily)
    matched = bool(family.level_biases(net)) and not (job.start and (job.start.trainable or job.start.lora))
    reserve = PRIOR_SHARE * isinstance(family, LearnsPrior) + SHARES_SHARE * matched
    early = replace(job, clock=job.clock.less(reserve * seconds))
    with torch.no_grad():
        if job.start is None:
            some = job.train if isinstance(job.train, Encoded) else job.train.rows(slice(0, PREPARED_ROWS))
            family.prepare(net, job.space, some, torch.Generator(device).manual_seed(job.seed))
    memory = estimate_memory_mb(family, net, job.space, job.train, seed=job.seed)
    job.stages.check_room(net, copies=LOOP_COPIES)
    job.listener(Progress("starting", message=f"{_parameters(net):,} parameters, about {memory:,.0f} MiB of memory"))

    def stepped() -> Kept:
        done = train(net, early)
        record = {"plan": vars(done.plan), "history": list(done.history), "stopped_early": done.stopped_early}
        if done.looks:
            record |= {
                "looks": [asdict(each) for each in done.looks],
                "diagnoses": [asdict(each) for each in done.diagnoses],
            }
        return net.state_dict(), record | {"seconds_before": done.seconds_before}

    if not matched and not isinstance(family, LearnsPrior):
        record = stepped()[1]
    else:
        tensors, record = job.stages.done("stepped", stepped, needed=("seconds_before", "history", "stopped_early"))
        fill(net, tensors, where="checkpoint of steps")
    if isinstance(family, LearnsPrior):
        job.listener(Progress("fitting the latent prior"))
        _refit_prior(family, net, job)
    if matched:
        job.listener(Progress("matching the shares of levels"))
        assert isinstance(job.space, Columns) and isinstance(job.train, Encoded), "tables are in memory"
        match_shares(family, net, space=job.space, rows=job.train, clock=job.clock, seed=job.seed)
    return record | {"estimated_memory_mb": round(memory)}


def _fit_two_stages(
    family: TwoStage,
    net: nn.Module,
    data: tuple[RowSource, RowSource],
    conditions: Conditions | None,
    work: Work,
    *,
    seed: int,
    started: float,
    fit: Callable[..., Fitted],
    doctor: Doctor | None,
) -> dict[str, Any]:
    """Train the first stage, then the second on what the first makes of the rows, until the clock of both runs out."""
    assert isinstance(net, TwoStageNet) and family.first and family.second
    before, after = family.work(work)
    first = fit(family.first, net.space, None, *data, work=before, started=started, stage="first")
    net.first.load_state_dict(first.net.state_dict())
    began = min(started, time.monotonic() - first.record["seconds"])  # where an earlier process trained it
    device = data[0].device
    rng = torch.Generator(device).manual_seed(seed)
    latents = [family.compressed(net, rows, rng) for rows in data]
    net.fit_scale(latents[0].x)
    latents = [replace(rows, x=net.standard(rows.x.flatten(1))) for rows in latents]
    rest = after if work.minutes is None else replace(after, minutes=work.minutes)  # of the same clock
    ways: dict[str, Any] = {"work": rest, "started": began, "stage": "second", "doctor": doctor}
    second = fit(family.second, net.latents, conditions, *latents, **ways)
    net.second.load_state_dict(second.net.state_dict())
    earlier = second.record["seconds"] - (time.monotonic() - started)
    return second.record | {"first": first.record, "seconds_before": max(0.0, earlier)}


def _fit_closed_form(
    family: ClosedFormFamily,
    net: nn.Module,
    data: tuple[RowSource, RowSource],
    work: Work,
    seed: int,
    listener: Listener,
) -> dict[str, Any]:
    """Run the family's own algorithm and collect its history."""
    history: list[dict[str, Any]] = []
    began = time.monotonic()

    def report(step: int, steps: int, loss: float, held_out: float) -> None:
        seconds = time.monotonic() - began
        history.append({"step": step, "seconds": round(seconds, 3), "loss": loss, "held_out": held_out})
        listener(Progress("fitting", step, steps, loss, held_out, (steps - step) * seconds / max(1, step)))

    train_rows, valid_rows = (_resident(rows, family) for rows in data)
    device = train_rows.device
    with seeded(seed):  # some of torch's algorithms, svd_lowrank among them, take no generator
        family.fit(net, train_rows, valid_rows, work, torch.Generator(device).manual_seed(seed), report)
    return {"history": history, "stopped_early": False}


@torch.no_grad()
def _refit_prior(family: LearnsPrior, net: nn.Module, job: Job) -> None:
    """To PRIOR_ROWS rows; where a clock runs to some of them first, to see whether there is time for all."""
    few = PRIOR_ROWS // PRIOR_FEWER
    for most in (PRIOR_ROWS,) if job.clock.deadline is None or len(job.train) <= few else (few, PRIOR_ROWS):
        began, rng = time.monotonic(), torch.Generator(job.train.device).manual_seed(job.seed)
        some = job.train.rows(torch.randperm(len(job.train), generator=rng, device=rng.device)[:most])
        family.refit_prior(net, some.unpacked(job.space), some.context, rng)
        if job.clock.seconds_left < PRIOR_FEWER * (time.monotonic() - began):
            break
