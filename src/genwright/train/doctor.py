"""The doctor: looks at a run as it trains, says what goes wrong and what helps, and where told to, does it."""

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from genwright.families.family import GradientFamily, Objective
from genwright.train.diagnoses import Diagnosis, diagnosed
from genwright.train.looks import MIN_STEPS, Eye, Look
from genwright.train.plan import EVALUATIONS
from genwright.train.progress import Progress
from genwright.train.state import Plan, State
from genwright.train.step import evaluate

if TYPE_CHECKING:
    from genwright.train.loop import Job

MAX_SHARE = 0.05  # of the time that has passed; a look at samples that would take more is left out
MIN_SECONDS = 5.0  # of a run; in less there is no time to draw samples
HALVINGS = 3  # of the learning rate where a run is unstable: one was found to be too little
MAX_TREATMENTS = 2  # of a run, after which it is stopped
STOPS = ("memorisation", "overfitting", "vanishing gradients")  # where training on makes nothing better


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Watches a fit: losses, gradients by depth, and samples beside real records, for at most 5 % of its time.

    It names mode collapse, instability, vanishing gradients, overfitting and memorisation, with evidence and remedy, as
    they come, in `Generator.record["diagnoses"]`, the model card and the report.
    With `act` it also treats them: back to the best weights so far, then with an eighth of the learning rate
    (instability), by the family's own remedy such as another game (mode collapse), or not at all (where training on
    helps nothing). With `stop_at_memorisation` training ends before more than 1 % of the samples are copies of
    training records, whether it acts on others or not.
    Runs of fewer than 100 steps are too short to be judged.

    >>> Doctor(act=True)
    Doctor(act=True, stop_at_memorisation=True)
    """

    act: bool = False
    stop_at_memorisation: bool = True


WATCHING = Doctor()


class Rounds:
    """What a doctor does in one run."""

    def __init__(self, doctor: Doctor, job: "Job", state: State, plan: Plan) -> None:
        self.doctor, self.job, self.gauge = doctor, job, state.gauge
        self.family: Objective = job.family
        for found in state.diagnoses:
            if found.recipe:  # treated by an earlier process
                self._change_game(state, found.name)
        self.began, self.spent = time.monotonic(), 0.0
        steps = job.clock.steps or plan.steps
        self.eye: Eye | None = None
        if job.clock.seconds_left > MIN_SECONDS:
            ways = {"steps": steps, "looks": EVALUATIONS, "seed": job.seed}
            self.eye = Eye(job.family, state.net, job.space, job.train, **ways)
        self.spent = time.monotonic() - self.began
        self._ready(state, plan)

    def after_step(self, state: State, plan: Plan, losses: dict[str, float]) -> None:
        """Take note of a step; the last before an evaluation is looked at more closely."""
        if all(map(math.isfinite, losses.values())):
            self.gauge.add(losses)
        self._ready(state, plan)

    def _ready(self, state: State, plan: Plan) -> None:
        self.gauge.wanted = (state.step + 1) % plan.evaluate_every == 0 or state.step + 1 >= plan.steps

    def visit(self, state: State, plan: Plan, held_out: float) -> bool:
        """Look, judge, keep the best weights that are no copier's, and treat; whether to stop."""
        began = time.monotonic()
        state.looks.append(self._look(state, plan, held_out))
        since = max((each.step for each in state.diagnoses if each.done), default=0)
        looks = [look for look in state.looks if look.step > since or look is state.looks[0]]
        known = {each.name for each in state.diagnoses if not each.done}
        found = [each for each in diagnosed(looks, steps=plan.steps) if each.name not in known]
        copier = any(each.name == "memorisation" for each in found)
        if not (copier and self.doctor.stop_at_memorisation):
            state.keep_if_best(held_out)
        if state.looks[-1].copied is not None and not copier:
            state.clean, state.fresh = state.fresh, state.best
        self.spent += time.monotonic() - began
        for each in found:
            stop, told = self._treat(state, each)
            state.diagnoses.append(told)
            self.job.listener(Progress("training", state.step, plan.steps, message=str(told)))
            if stop:
                return True
        return False

    def _look(self, state: State, plan: Plan, held_out: float) -> Look:
        job, index = self.job, state.step // plan.evaluate_every
        found = self.gauge.take(first=not state.looks)
        late = job.clock.deadline is not None and self.spent > MAX_SHARE * (time.monotonic() - self.began) + 0.5
        if index % 2 == 0 and not late:
            rows = max(1, plan.held_out_rows // 2)
            found["trained"] = evaluate(self.family, state.average, job.space, job.train, rows=rows, seed=job.seed)
        if self.eye is not None and self.eye.n and index % self.eye.every == 0 and not late:
            found |= self.eye.look(state.average, step=state.step)
        return Look(step=state.step, held_out=held_out, rescues=state.rescues, rewound=state.rewound, **found)

    def _treat(self, state: State, found: Diagnosis) -> tuple[bool, Diagnosis]:
        """Whether a diagnosis is a reason to stop, and the diagnosis with what was done about it."""
        if found.name == "memorisation" and self.doctor.stop_at_memorisation:
            state.best = state.clean or state.fresh
            return True, replace(found, done="training stopped, and the weights before it are kept")
        if not self.doctor.act:
            return False, found
        treated = sum(bool(each.done) for each in state.diagnoses)
        if treated >= MAX_TREATMENTS or (found.name in STOPS and self._game(found.name) is None):
            return True, replace(found, done=f"training stopped, and the weights of step {state.best_step:,} are kept")
        back = f"back to the weights of step {state.best_step:,}"
        state.rewind()
        state.best_step = state.step
        for optimizer in [each for group in state.optimizers for each in group]:
            optimizer.state.clear()
        if self._change_game(state, found.name):
            return False, replace(found, done=f"{back}, and on by the remedy of the family", recipe=True)
        state.halvings += HALVINGS
        return False, replace(found, done=f"{back}, and on at an eighth of the learning rate")

    def _game(self, name: str) -> Objective | None:
        """The recipe by which the family itself would treat a diagnosis; None where it has none."""
        return self.family.remedied(name) if isinstance(self.family, GradientFamily) else None

    def _change_game(self, state: State, name: str) -> bool:
        changed = self._game(name)
        if changed is None:
            return False
        self.family = changed
        state.players = changed.players(state.net)
        return True


def begin(job: "Job", state: State, plan: Plan) -> Rounds | None:
    """The rounds of the doctor of a job; None where there is none, or the run is too short."""
    return Rounds(job.doctor, job, state, plan) if job.doctor is not None and plan.steps >= MIN_STEPS else None
