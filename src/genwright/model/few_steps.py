"""Few steps: a trained flow or diffusion model learns to go in one or two calls where it went in a dozen.

The model carries noise to records by many calls; the same net then learns to jump along these ways, from where a call
begins to where it ends. No data is needed, only the model; guidance, which costs calls too, is learned with it.
"""

import copy
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genwright.errors import ArgumentError, UnsupportedError
from genwright.families.capabilities import settled
from genwright.families.denoising import Denoising, Process, complete_context, guided
from genwright.families.family import DEFAULT, Losses, Player, Work
from genwright.maths.samplers import Model, ddim
from genwright.maths.schedules import Prediction, Schedule
from genwright.model.generator import Generator
from genwright.model.lora import LoRA
from genwright.model.prior import LabelPrior
from genwright.nets.flow_net import FlowNet
from genwright.nets.mixed_net import MixedNet
from genwright.randomness import checked_seed
from genwright.spaces import Encoded, Given, Reals
from genwright.train.devices import choose_device
from genwright.train.limits import MINUTES, checked_budget, checked_count
from genwright.train.loop import Job, train
from genwright.train.plan import Clock, clock_for
from genwright.train.progress import Listener, Progress, silent

MAX_CALLS = 8
STOPS = 12  # of a way, about: so many calls have next to no error left
WAYS = 1024  # that are learned from where steps are counted, and at most where minutes are
MOST_BYTES = 2**29
DRAWING_SHARE = 0.4  # of the time goes to the ways
CHUNK = 64  # drawn at once
HELD_OUT = 0.1
STARTS = 0.8  # of what is learned are jumps as they are made when drawing; the rest begin in between
LEARNING_RATE = 1e-3


def few_steps(
    model: Generator,
    *,
    calls: int = 2,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    listener: Listener = silent,
) -> Generator:
    """Tune a flow or diffusion model of images or other arrays to draw with `calls` calls of its net, without guidance.

    The result draws so by default; ways of its own to more steps are lost. Where nothing is gained, the net stays as it
    was. `minutes` (5 if neither is given) or `steps` bounds the work. `record["few_steps"]` tells the mean squared
    distance of held-out draws from where the model takes the same noise by many calls, before and after. Raises
    UnsupportedError for other models.

    Distillation along the ways of a trained net: Luhman and Luhman 2021, arXiv:2101.02388; in several calls as in
    Heek et al. 2024, arXiv:2403.06807; guidance as in Meng et al. 2023, arXiv:2210.03142.
    """
    started = time.monotonic()
    minutes, steps = checked_budget(minutes, steps, where="few_steps")
    minutes = MINUTES if minutes is None and steps is None else minutes
    calls, seed = checked_count(calls, "calls", "few_steps"), checked_seed(seed, where="few_steps")
    if calls > MAX_CALLS:
        hint = "a model draws with more as it is: sample(how=gw.Sampling(steps=...))"
        raise ArgumentError(f"{calls} calls are not few", where="calls", hint=hint)
    _check(model)
    target = choose_device(device)
    rng = torch.Generator(target).manual_seed(seed)
    net = copy.deepcopy(model.net).to(target).eval().requires_grad_(False)
    ways = _Ways.of(model, net, calls)
    seconds = None if minutes is None else 60 * minutes * DRAWING_SHARE
    rows = _drawn(model, net, ways, rng, seconds=seconds, started=started, listener=listener)
    clock = clock_for(Work(rows=len(rows), minutes=minutes, steps=steps), started=started)
    told = {"calls": calls, "minutes": minutes, "steps": steps, "seed": seed}
    student, measured = _taught(net, ways, rows, clock, seed, listener)
    told |= measured | {"seconds": round(time.monotonic() - started, 2)}
    how = replace(model.how, steps=calls, sampler=ddim, guidance=1.0)
    others = tuple(part for part in model.parts if not isinstance(part, LoRA))  # merged for good
    listener(Progress("done", 1, 1))
    return replace(model, net=student, parts=others, how=how, record=model.record | {"few_steps": told})


def _taught(
    net: nn.Module, ways: "_Ways", rows: Encoded, clock: Clock, seed: int, listener: Listener
) -> tuple[nn.Module, dict[str, Any]]:
    """A copy of the net that jumps along these ways, and what was measured."""
    held = max(1, round(HELD_OUT * len(rows)))
    known, valid = rows.rows(slice(held, None)), rows.rows(slice(None, held))
    student = copy.deepcopy(net).requires_grad_(True)
    space = Reals((known.x.shape[1],))
    job = Job(family=ways, space=space, train=known, valid=valid, clock=clock, seed=seed, listener=listener)
    done = train(student, job)
    student.requires_grad_(False).eval()
    measured = {"ways": len(rows), "stops": len(ways.times) - 1, "history": list(done.history)}
    before, after = _distance(ways, net, valid), _distance(ways, student, valid)
    if after >= before:
        listener(Progress("nothing was gained, and the net stays as it was: give more minutes", 1, 1))
    return student if after < before else net, measured | {"before": before, "after": min(before, after)}


@dataclass(frozen=True, kw_only=True)
class _Ways:
    """What is minimised: the error of jumps along ways, each a row of as many records as it has stops."""

    schedule: Schedule
    prediction: Prediction
    times: Float[Tensor, "k"]
    calls: int
    shape: tuple[int, ...]
    process: Process
    batch: int | None
    half_precision: bool = True

    @classmethod
    def of(cls, model: Generator, net: nn.Module, calls: int) -> "_Ways":
        family = model.family
        assert isinstance(family, Denoising) and isinstance(net, FlowNet)
        stops = calls * max(1, round(STOPS / calls))
        process = family.process(net, replace(settled(family, net.space, DEFAULT, model.how), steps=stops))
        told: dict[str, Any] = {"shape": net.space.shape, "process": process, "batch": family.batch}
        return cls(schedule=process.schedule, prediction=process.prediction, times=process.times, calls=calls, **told)

    @property
    def stride(self) -> int:
        """Stops that one call passes."""
        return (len(self.times) - 1) // self.calls

    def jump(
        self, net: nn.Module, x: Tensor, context: Tensor | None, start: Tensor, end: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where the net takes records from the stop `start` to `end`, and what its output is multiplied by there."""
        t = self.times.to(x)[start]
        wide = (-1, *[1] * len(self.shape))
        (a, s), (a_end, s_end) = self.schedule(t), self.schedule(self.times.to(x)[end])
        a, s, a_end, s_end = (each.view(wide) for each in (a, s, a_end, s_end))
        out = net(x, t, context, None)
        clean, noise = self.prediction(x, out, a, s)
        unit = self.prediction(torch.zeros_like(a), torch.ones_like(a), a, s)
        return a_end * clean + s_end * noise, a_end * unit[0] + s_end * unit[1]

    def players(self, net: nn.Module) -> tuple[Player, ...]:
        return (Player("jumps", net, self.loss, _adamw),)

    def loss(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Losses:
        """The squared error of jumps, in units of the net's output."""
        ways, n = x.unflatten(1, (-1, *self.shape)), len(x)
        whole = torch.randint(self.calls, (n,), generator=rng, device=x.device) * self.stride
        within = torch.randint(self.stride, (n,), generator=rng, device=x.device)
        start = whole + within * (torch.rand(n, generator=rng, device=x.device) >= STARTS)
        rows = torch.arange(n, device=x.device)
        found, scale = self.jump(net, ways[rows, start], context, start, whole + self.stride)
        return {"jumps": ((found - ways[rows, whole + self.stride]) / scale).square().mean()}

    def held_out(self, net: nn.Module, x: Tensor, context: Tensor | None, rng: torch.Generator) -> Float[Tensor, ""]:
        """Mean squared distance from where the ways end, after all calls."""
        ways = x.unflatten(1, (-1, *self.shape))
        y = ways[:, 0]
        for call in range(self.calls):
            start = torch.full((len(x),), call * self.stride, device=x.device)
            y, _ = self.jump(net, y, context, start, start + self.stride)
        return (y - ways[:, -1]).square().mean()

    @torch.no_grad()
    def drawn(self, net: nn.Module, noise: Tensor, context: Tensor | None) -> Float[Tensor, "n k"]:
        """The records at each stop on the way from noise."""
        process, at = self.process, dict[float, Tensor]()
        plain = guided(
            net, Given(None, context), process.guidance, schedule=process.schedule, prediction=process.prediction
        )
        kept: Model = partial(_kept, plain, at)
        end = process.sampler(kept, noise, self.times.to(noise), process.schedule, None)
        return torch.stack([*at.values(), end], dim=1).flatten(1)


def _kept(model: Model, at: dict[float, Tensor], x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """What the model says; and where it was last asked at each time, which is where a step begins."""
    at[float(t)] = x
    return model(x, t)


def _adamw(module: nn.Module) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), fused=True)]


def _check(model: Generator) -> None:
    if not isinstance(model, Generator):
        what = f"few_steps takes a fitted model, not a {type(model).__name__}"
        raise ArgumentError(what, where="few_steps", hint="load it first: gw.few_steps(gw.load(folder))")
    family, space = model.family, model.codec.space
    if not isinstance(family, Denoising) or isinstance(model.net, MixedNet) or bool(getattr(space, "lengths", ())):
        what = f"{family.name} of {model.codec.fields[0].name} does not go by steps from noise to arrays"
        raise UnsupportedError(what, where="few_steps", hint="flow matching and diffusion of images and series do")


def _drawn(
    model: Generator,
    net: nn.Module,
    ways: _Ways,
    rng: torch.Generator,
    *,
    seconds: float | None,
    started: float,
    listener: Listener,
) -> Encoded:
    """Ways of the model, as many as there is time and room for."""
    size = len(ways.times) * int(torch.Size(ways.shape).numel()) * 4
    most = max(2 * CHUNK, MOST_BYTES // size) if seconds is not None else WAYS
    found, prior = list[Encoded](), model.part(LabelPrior)
    n = 0
    while n < most and (seconds is None or n < 2 * CHUNK or time.monotonic() - started < seconds):
        noise = torch.randn(CHUNK, *ways.shape, generator=rng, device=rng.device)
        context = complete_context(net, None, CHUNK, rng.device)
        if prior is not None:
            context = prior.completed(Given(context=context), CHUNK, rng).context
        found.append(Encoded(ways.drawn(net, noise, context), context))
        n += CHUNK
        listener(Progress("drawing the ways", n, most if seconds is None else n))
    return Encoded.joined(found)


@torch.no_grad()
def _distance(ways: _Ways, net: nn.Module, rows: Encoded) -> float:
    return float(ways.held_out(net, rows.x, rows.context, torch.Generator()))
