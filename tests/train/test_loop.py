import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from genwright.errors import ArgumentError, StorageError, TrainingError
from genwright.randomness import seeded
from genwright.spaces import Encoded, Reals
from genwright.train import loop, plan
from genwright.train.loop import Job, train
from genwright.train.plan import SAFETY, Clock, corrected, estimate_memory_mb
from genwright.train.progress import Progress, silent
from genwright.train.stages import CHECKPOINT, Stages
from genwright.train.state import Plan
from genwright.train.step import take_step
from tests.train.line import Line

SPACE = Reals((3,))


def rows(n: int, seed: int) -> Encoded:
    rng = torch.Generator().manual_seed(seed)
    return Encoded(torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(n, 3, generator=rng))


def job(family=None, *, clock=None, folder=None, fingerprint="", listener=silent, seed=0) -> Job:
    return Job(
        family=family or Line(),
        space=SPACE,
        train=rows(200, 1),
        valid=rows(50, 2),
        clock=clock or Clock(steps=300),
        seed=seed,
        stages=Stages(folder, fingerprint),
        listener=listener,
    )


def fit(a_job: Job):
    with seeded(a_job.seed):
        net = a_job.family.build(SPACE, None)
    return net, train(net, a_job)


def test_finds_the_mean_and_records_it():
    net, done = fit(job())
    # dropout at rate .1 shrinks the least-squares optimum to .9 of the mean
    assert torch.allclose(net[0].weight.flatten(), 0.9 * torch.tensor([1.0, -2.0, 0.5]), atol=0.05)
    assert done.history[-1]["held_out"] < done.history[0]["held_out"]
    assert set(done.history[0]) == {"step", "seconds", "loss", "parts", "held_out"}


def test_same_seed_same_weights_other_seed_other_weights():
    a, b, c = (fit(job(seed=seed))[0][0].weight for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_leaves_the_default_generator_alone():
    before = torch.get_rng_state()
    fit(job())
    assert torch.equal(before, torch.get_rng_state())


SECONDS = 100.0
SPEEDS = {  # seconds of a step, given those that have passed
    "steady": lambda now: 0.1,
    "slowing down": lambda now: 0.1 if now < 30 else 0.5,
    "slower than calibrated": lambda now: 0.1 if now < 8 else 2.0,
    "speeding up": lambda now: 0.5 if now < 30 else 0.1,
    "shared": lambda now: 0.1 + 0.4 * (now % 10 > 5),
    "a few long steps": lambda now: 15.0,
}


@pytest.mark.parametrize("speed", SPEEDS)
def test_minutes_end_on_time(monkeypatch, speed):
    now = 0.0

    def slow(*given):
        nonlocal now
        now += SPEEDS[speed](now)
        return take_step(*given)

    fake = SimpleNamespace(monotonic=lambda: now, perf_counter=lambda: now)
    for module in (loop, plan):
        monkeypatch.setattr(module, "time", fake)
        monkeypatch.setattr(module, "take_step", slow)
    monkeypatch.setattr(loop, "PATIENCE", 1.0)
    _, done = fit(job(clock=Clock(deadline=SECONDS)))
    assert now == pytest.approx(SECONDS, abs=15.0 if speed == "a few long steps" else 0.03 * SECONDS)
    assert not done.stopped_early
    assert done.history[-1]["step"] == done.plan.steps  # the last weights were looked at, too


def test_the_plan_is_corrected_by_the_speed_measured_so_far():
    plan = Plan(steps=5000, decay_start=2000, evaluate_every=200, held_out_rows=64, threads=1, dtype="float32")
    clock = Clock(deadline=time.monotonic() + 10.0)
    settled = corrected(plan, step=2000, seconds_per_step=0.01, clock=clock)
    assert settled.steps == pytest.approx(2000 + 1000 * SAFETY, rel=0.01)
    assert settled.decay_start == 2000
    assert corrected(plan, step=2000, seconds_per_step=0.01, clock=clock.less(9.0)).steps < 2100
    shortest = corrected(replace(plan, most_steps=2050), step=2000, seconds_per_step=0.01, clock=clock)
    assert shortest.steps == 2050  # a run that stops early is not drawn out to fill its time


def test_tells_progress_and_logs(tmp_path):
    told: list[Progress] = []
    _, done = fit(job(folder=tmp_path, listener=told.append))
    assert any(p.stage == "calibrating" for p in told)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == list(done.history)


def test_a_loss_that_explodes_is_rescued_then_named():
    net, _ = fit(job(Line(explode_at=2.3), clock=Clock(steps=200)))
    assert torch.isfinite(net[0].weight).all()
    with pytest.raises(TrainingError, match=r"error.*finite"):
        fit(job(Line(explode_at=-1.0), clock=Clock(steps=200)))


def test_memory_estimate_is_positive():
    family = Line()
    assert estimate_memory_mb(family, family.build(SPACE, None), SPACE, rows(64, 0), seed=0) > 10


STEPS = 150
SCRIPT = f"""
import sys, torch, time
from pathlib import Path
import genwright.train.loop as loop
from tests.train.test_loop import job, fit
from genwright.train.plan import Clock
loop.CHECKPOINT_SECONDS = 0.0
pause = float(sys.argv[2])
def tell(progress):
    time.sleep(pause)
loop.TELL_SECONDS = 0.0
net, done = fit(job(folder=Path(sys.argv[1]), clock=Clock(steps={STEPS}), fingerprint="same", listener=tell))
print(net[0].weight.double().flatten().tolist())
"""


def _start(folder, pause: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(pause)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])},
    )


def test_killed_fit_resumes_to_bit_identical_weights(tmp_path):
    broken = _start(tmp_path / "broken", 0.02)
    whole, _ = fit(job(folder=tmp_path / "whole", clock=Clock(steps=STEPS), fingerprint="same"))
    checkpoint = tmp_path / "broken" / CHECKPOINT
    patience = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < patience:
        time.sleep(0.05)
    time.sleep(0.7)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    assert checkpoint.exists(), "killed after it had finished"
    resumed = _start(tmp_path / "broken", 0.0).communicate()[0]
    assert json.loads(resumed) == whole[0].weight.double().flatten().tolist()


def test_another_fit_does_not_resume_this_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("genwright.train.loop.TELL_SECONDS", 0.0)

    def interrupt(progress):
        if progress.stage == "training":
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(job(folder=tmp_path, fingerprint="same", listener=interrupt))
    assert (tmp_path / CHECKPOINT).exists()
    with pytest.raises(ArgumentError, match="other data"):
        fit(job(folder=tmp_path, fingerprint="different"))


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"\x00" * 100)
    with pytest.raises(StorageError, match="checkpoint"):
        fit(job(folder=tmp_path))
