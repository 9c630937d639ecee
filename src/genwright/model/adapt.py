"""Tuning: from a language model and examples to a model of the same kind that does what the examples show."""

import copy
import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from genwright.codecs.text import reads_text
from genwright.data.examples import Conversation, Example, Examples, Task, read_examples
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.families.family import Work
from genwright.folders import locked
from genwright.model.generator import Generator
from genwright.model.lora import LoRA, checked_rank
from genwright.model.scored import Writing
from genwright.model.tuning import SFT, Method, Tunes
from genwright.nets.causal import CausalTokens
from genwright.nets.lora import adapt
from genwright.randomness import checked_seed, seeded
from genwright.spaces import Encoded, Tokens
from genwright.train.devices import choose_device
from genwright.train.limits import MINUTES, checked_budget
from genwright.train.loop import Job, train
from genwright.train.plan import Clock, clock_for
from genwright.train.progress import Listener, Progress, silent
from genwright.train.stages import Kept, Stages
from genwright.train.start import Start
from genwright.weights import fill

HELD_OUT = 0.1  # of the prompts decide when to stop, and as many what was gained
MIN_EXAMPLES = 5
MIN_PROMPTS = 10  # with fewer, examples of one prompt are told apart; rewards are measured on the prompts themselves
MIN_DRAWS = 64  # rewards that a mean is taken of, at least
LOOP_COPIES = 12  # of the weights on the disk: two checkpoints, the model


def tune(
    model: Generator,
    pairs: Examples,
    *,
    method: Method | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    lora: int | None = None,
    chat: bool = False,
    device: str = "auto",
    folder: str | Path | None = None,
    listener: Listener = silent,
) -> Generator:
    """Tune an autoregressive model of texts to examples; the result is a model of the same kind.

    `method` is `SFT()` (completions, the default), `DPO()` (preferences) or `GRPO(reward=function)`; `pairs` are a
    file of JSON lines or mappings with the fields prompt and completion, or prompt, chosen and rejected, or prompt; or
    messages, each with role and content. With `chat`, prompts and answers are written as turns of a chat, as messages
    always are. `lora` is the rank of matrices that alone move; they stay apart, see `genwright.model.lora`.

    A tenth of the prompts are held out to say when to stop, a tenth to measure what was gained: `record["tuned"]`.
    `minutes` (5 if neither is given) or `steps` bounds the work. With a `folder`, an interrupted tuning goes on where
    it stopped. Raises DataError that names the line and the field of an example that is of no use.
    """
    method = method or SFT()
    minutes, steps = checked_budget(minutes, steps, where="tune")
    _check(model, method)
    task = _Task(
        model=model,
        method=method,
        minutes=MINUTES if minutes is None and steps is None else minutes,
        steps=steps,
        seed=checked_seed(seed, where="tune"),
        lora=None if lora is None else checked_rank(lora),
        device=choose_device(device),
        folder=None if folder is None else Path(folder),
        listener=listener,
    )
    with nullcontext() if task.folder is None else locked(task.folder):
        return _tune(task, read_examples(pairs, method.takes), chat)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is to be tuned, how, and within which bounds."""

    model: Generator
    method: Method
    minutes: float | None
    steps: int | None
    seed: int
    lora: int | None
    device: torch.device
    folder: Path | None
    listener: Listener


def _tune(task: _Task, examples: tuple[Example, ...], chat: bool) -> Generator:
    started, model, method = time.monotonic(), task.model, task.method
    task.listener(Progress("encoding"))
    codec = model.codec
    assert reads_text(codec)
    chat = chat or any(isinstance(each, Conversation) or _is_chat(each) for each in examples)
    writing = Writing(codec, chat)
    start = copy.deepcopy(model.net).to(task.device).eval().requires_grad_(False)
    rows, cut = method.rows(examples, writing, start)
    parts = [rows.rows(torch.from_numpy(index)).to(task.device) for index in _parts(examples, seed=task.seed)]
    objective = method.objective(examples, writing, model.family, start)
    before = _measured(objective, start, parts[2], task.seed)
    net, digest = _moving(start, task), Start(start).digest()
    stages = Stages(task.folder, _fingerprint(task, rows, digest, chat))
    record = _trained(net, objective, parts, task, stages, started=started)
    part = None if task.lora is None else LoRA.taken_from(net)
    after = _measured(objective, net.eval().requires_grad_(False), parts[2], task.seed)
    told = {
        "method": method.name,
        "settings": _settings(method),
        "chat": chat,
        "lora": task.lora,
        "examples": dict(zip(("train", "valid", "test"), map(len, parts), strict=True)),
        "cut": cut,
        "start": digest,
        "measure": method.measure,
        "before": float(before.mean()),
        "after": float(after.mean()),
        "difference": _interval(after - before),
        "minutes": task.minutes,
        "steps": task.steps,
        "seed": task.seed,
        **record,
    }
    others = tuple(each for each in model.parts if not isinstance(each, LoRA))
    tuned = {"tuned": [*model.record.get("tuned", ()), told], "fingerprint": stages.fingerprint}
    task.listener(Progress("done", 1, 1))
    return replace(model, net=net, parts=(*others, *([part] if part else [])), record=model.record | tuned)


def _trained(
    net: nn.Module, objective: Tunes, parts: Sequence[Encoded], task: _Task, stages: Stages, *, started: float
) -> dict[str, Any]:
    """Train `net` in place by the loop of all fits; what is recorded of it."""
    clock = clock_for(Work(rows=len(parts[0]), minutes=task.minutes, steps=task.steps), started=started)
    clock = clock.less(time.monotonic() - started)  # measuring takes as long again at the end
    stages.check_room(net, copies=LOOP_COPIES)
    moving = sum(p.numel() for p in net.parameters() if p.requires_grad)
    total = sum(p.numel() for p in net.parameters())
    task.listener(Progress("starting", message=f"{moving:,} of {total:,} parameters move"))
    job = _job(objective, parts, task, stages, clock)

    def trained() -> Kept:
        done = train(net, job)
        seconds = round(time.monotonic() - started + done.seconds_before, 2)
        return net.state_dict(), {
            "seconds": seconds,
            "stopped_early": done.stopped_early,
            "history": list(done.history),
        }

    tensors, record = stages.done("tuned", trained, needed=("seconds", "stopped_early", "history"))
    fill(net, tensors, where="checkpoint of tuned")
    return record


def _job(objective: Tunes, parts: Sequence[Encoded], task: _Task, stages: Stages, clock: Clock) -> Job:
    space = task.model.codec.space
    assert isinstance(space, Tokens)
    return Job(
        family=objective,
        space=replace(space, length=parts[0].x.shape[1]),  # a row holds what is scored too
        train=parts[0],
        valid=parts[1],
        clock=clock,
        seed=task.seed,
        stages=stages,
        listener=task.listener,
    )


def _moving(start: nn.Module, task: _Task) -> nn.Module:
    """A copy of the net of which all parameters move, or low-rank matrices beside its layers alone."""
    net = copy.deepcopy(start).requires_grad_(True)
    if task.lora is not None:
        with seeded(task.seed):
            adapt(net, rank=task.lora, alpha=2.0 * task.lora)
    return net


def _check(model: Generator, method: Method) -> None:
    if not isinstance(model, Generator):
        what = f"tune takes a fitted model, not a {type(model).__name__}"
        raise ArgumentError(what, where="tune", hint="load it first: gw.tune(gw.load(folder), pairs)")
    if isinstance(method, type) or not isinstance(method, Method):
        hint = "give an object: method=gw.SFT(), gw.DPO() or gw.GRPO(reward=...)"
        raise ArgumentError(f"method={method!r:.60} is no way to tune", where="tune", hint=hint)
    if not reads_text(model.codec) or not isinstance(model.net, CausalTokens):
        what = f"{model.family.name} of {model.codec.fields[0].name} is not tuned to examples"
        hint = "models of text are, fitted with Autoregressive; others go on from a model: fit(start=...)"
        raise UnsupportedError(what, where="tune", hint=hint)


def _is_chat(example: Example) -> bool:
    return isinstance(example, Task) and not isinstance(example.prompt, str)


def _parts(examples: Sequence[Example], *, seed: int) -> list[np.ndarray]:
    """Which examples are trained on, decide when to stop, and measure the gain; no prompt is in two of them."""
    prompts = [_prompt(each) for each in examples]
    distinct = len(set(prompts))
    rng = np.random.default_rng(seed)
    if isinstance(examples[0], Task) and distinct < MIN_PROMPTS:
        whole = np.arange(len(examples))
        return [whole, np.resize(whole, MIN_DRAWS), np.resize(whole, MIN_DRAWS)]
    if len(examples) < MIN_EXAMPLES:
        what = f"{len(examples)} examples are too few: some are held out"
        raise DataError(what, where="pairs", hint=f"give at least {MIN_EXAMPLES}")
    groups: list[Any] = prompts if distinct >= MIN_PROMPTS else list(range(len(examples)))
    order = {group: place for place, group in enumerate(rng.permutation(len(set(groups))))}
    order = dict(zip(dict.fromkeys(groups), order, strict=True))
    held = max(1, round(HELD_OUT * len(order)))
    place = np.array([order[group] for group in groups])
    train, valid, test = (
        np.flatnonzero(of) for of in (place >= 2 * held, place < held, (place >= held) & (place < 2 * held))
    )
    if isinstance(examples[0], Task):
        valid, test = (np.resize(each, max(len(each), MIN_DRAWS)) for each in (valid, test))
    return [train, valid, test]


def _prompt(example: Example) -> str:
    told = example.messages[:1] if isinstance(example, Conversation) else example.prompt
    return repr(told)


def _measured(objective: Tunes, net: nn.Module, rows: Encoded, seed: int) -> np.ndarray:
    """What the method measures, of every row held out."""
    rng = torch.Generator(rows.x.device).manual_seed(seed)
    found: np.ndarray = objective.measured(net, rows.x.long(), rows.context, rng).cpu().double().numpy()
    return found


def _interval(differences: np.ndarray) -> list[float]:
    """The 95 % interval of the mean of paired differences, by Student's t; without bounds for a single one."""
    mean, n = float(differences.mean()), len(differences)
    if n < 2:
        return [-math.inf, math.inf]
    half = float(stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n))
    return [mean - half, mean + half]


def _settings(method: Method) -> dict[str, Any]:
    """The fields of a method as JSON, functions by their names."""
    fields = {field.name: getattr(method, field.name) for field in dataclasses.fields(method)}  # type: ignore[arg-type]
    return {name: _named(value) if callable(value) else value for name, value in fields.items()}


def _named(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{named.__qualname__}"


def _fingerprint(task: _Task, rows: Encoded, start: str, chat: bool) -> str:
    """Identifies a tuning, so that only the same one is resumed."""
    content = hashlib.sha256(rows.x.contiguous().numpy().tobytes()).hexdigest()
    method = [task.method.name, _settings(task.method)]
    parts = [method, content, start, chat, task.lora, task.minutes, task.steps, task.seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
