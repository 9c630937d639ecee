"""Adapters: a trained model learns something new from few examples without forgetting what it knew.

Low-rank matrices beside the layers move, and half of every batch are records that the model draws already, or real ones
of what it knew. An adapter has a name: it can count for less, or more, or be taken off with the labels it brought.
"""

import copy
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from genwright.codecs.medium import MediumCodec
from genwright.codecs.widening import Labels, narrowed, new_labels, sources, widened
from genwright.data.dataset import Category, Dataset
from genwright.errors import ArgumentError, DataError, UnsupportedError
from genwright.families.family import GradientFamily, Work, untrained
from genwright.folders import locked
from genwright.model.lora import Adapter, LoRA, checked_name, checked_rank
from genwright.model.prior import LabelPrior, fit_prior
from genwright.nets.widening import moved_rows, resized, rows_of, tables
from genwright.randomness import checked_seed, seeded
from genwright.spaces import Encoded
from genwright.train.devices import choose_device
from genwright.train.fit import Fitted, fit_family
from genwright.train.limits import checked_budget
from genwright.train.progress import Listener, Progress
from genwright.train.stages import Stages
from genwright.train.start import Start

if TYPE_CHECKING:
    from genwright.model.generator import Generator

MINUTES = 2.0
RANK = 8
REPLAYED = 256  # records of what the model knew, unless given
REPLAY_SHARE = 0.15  # of the time may go to drawing them
FIRST = 16  # of them, by which that time is told
NEW_SHARE = 0.5  # of the rows of a batch
MEASURED = 16  # times that rows are looked at where losses are random
PRIOR_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a model is to be adapted to, how, and within which bounds."""

    name: str
    rank: int
    minutes: float | None
    steps: int | None
    seed: int
    device: torch.device
    folder: Path | None
    listener: Listener
    started: float


def adapted(
    model: "Generator",
    data: Dataset,
    *,
    name: str,
    given: Mapping[str, Any],
    keep: Dataset | None,
    minutes: float | None,
    steps: int | None,
    rank: int,
    seed: int,
    device: str,
    folder: str | Path | None,
    listener: Listener,
) -> "Generator":
    """`Generator.adapt`."""
    started = time.monotonic()
    minutes, steps = checked_budget(minutes, steps, where="adapt")
    task = Task(
        name=checked_name(name, where="name"),
        rank=checked_rank(rank),
        minutes=MINUTES if minutes is None and steps is None else minutes,
        steps=steps,
        seed=checked_seed(seed, where="adapt"),
        device=choose_device(device),
        folder=None if folder is None else Path(folder),
        listener=listener,
        started=started,
    )
    data = _completed(model, data, given)
    _check(model, data, keep, task)
    with nullcontext() if task.folder is None else locked(task.folder):
        return _adapted(model, data, keep, task)


def _adapted(model: "Generator", data: Dataset, keep: Dataset | None, task: Task) -> "Generator":
    task.listener(Progress("encoding"))
    rng = torch.Generator().manual_seed(task.seed)
    known = _drawn(model, task) if keep is None else keep
    labels = new_labels(narrowed(model.codec.scalars, _brought(model)), data)
    wide = relabelled(model, more=new_labels(model.codec.scalars, data))
    new, kept = ([_encoded(wide, part, rng) for part in _halves(each)] for each in (data, known))
    rows = [_mixed(*pair) for pair in zip(new, kept, strict=True)]
    start = Start(wide.net, lora=task.rank, rows=_rows(wide, labels))
    measured = [new[1], kept[1]]
    before = [_loss(wide, wide.net, each, task) for each in measured]
    fitted = _fitted(wide, rows, start, task)
    with torch.no_grad():
        made = _with(wide, task.name, _taken(fitted.net, wide.net, labels))
    after = [_loss(made, made.net, each, task) for each in measured]
    told = {
        "name": task.name,
        "rank": task.rank,
        "labels": {field: list(values) for field, values in labels.items()},
        "rows": [len(each) for each in new],
        "kept": [len(each) for each in kept],
        "replayed": keep is None,
        "new_loss": [before[0], after[0]],
        "kept_loss": [before[1], after[1]],
        "minutes": task.minutes,
        "steps": task.steps,
        "seed": task.seed,
        "seconds": round(time.monotonic() - task.started, 2),
        "history": fitted.record["history"],
    }
    record = {"adapted": [*made.record.get("adapted", ()), told], "fingerprint": fitted.record["fingerprint"]}
    task.listener(Progress("done", 1, 1))
    return replace(_with_prior(made, new, task), record=made.record | record)


def weighed(model: "Generator", weights: Mapping[str, float]) -> "Generator":
    """`Generator.with_adapters`."""
    part = _part(model)
    for name, weight in weights.items():
        if name not in part.named:
            raise _no_adapter(name, part)
        if not isinstance(weight, int | float) or not abs(weight) < 1e6:
            raise ArgumentError(f"{weight!r:.60} is no weight", where=name, hint="1 is as it was learned, 0 is none")
    named = {name: replace(own, weight=float(weights.get(name, own.weight))) for name, own in part.named.items()}
    return _merged(model, named)


def without(model: "Generator", name: str) -> "Generator":
    """`Generator.without`."""
    part = _part(model)
    if name not in part.named:
        raise _no_adapter(name, part)
    rest = {each: own for each, own in part.named.items() if each != name}
    kept = {(field, value) for own in rest.values() for field, values in own.labels.items() for value in values}
    gone = {f: tuple(v for v in values if (f, v) not in kept) for f, values in part.named[name].labels.items()}
    return relabelled(_merged(model, rest), less={field: values for field, values in gone.items() if values})


def relabelled(
    model: "Generator", *, more: Labels | None = None, less: Mapping[str, tuple[Any, ...]] | None = None
) -> "Generator":
    """The model with more, or fewer, levels of the fields beside its records; a copy of its net."""
    if not more and not less:
        return replace(model, net=copy.deepcopy(model.net))
    codec = model.codec
    assert isinstance(codec, MediumCodec)
    old = codec.beside
    new = narrowed(widened(old, more or {}), less or {})
    place, family = sources(old, new), model.family
    codec = replace(codec, beside=new)  # type: ignore[type-var]  # each is a dataclass
    part, device = model.part(LoRA), next(model.net.parameters()).device
    with seeded(0):
        net = untrained(family, codec.space, codec.conditions).to(device).eval().requires_grad_(False)
    base = model.net.state_dict() if part is None else part.apart(model.net.state_dict())
    net.load_state_dict(resized(net, base, old.space, place))
    made = replace(model, codec=codec, net=net, parts=tuple(p for p in model.parts if not isinstance(p, LoRA)))
    if part is not None:
        rows, own = rows_of(old.space, place), tables(net)
        named = dict[str, Adapter]()
        for name, each in part.named.items():
            layers = {k: a._replace(b=moved_rows(a.b, rows)) if k in own else a for k, a in each.layers.items()}
            named[name] = replace(each, layers=layers, whole=resized(net, each.whole, old.space, place))
        made = replace(made, parts=(LoRA(named).into(net), *made.parts))
    return _with_moved_prior(made, model, place)


def _check(model: "Generator", data: Dataset, keep: Dataset | None, task: Task) -> None:
    for each, where in ((data, "adapt"), (keep, "keep")):
        if each is not None and not isinstance(each, Dataset):
            what = f"a dataset, not a {type(each).__name__}"
            raise ArgumentError(what, where=where, hint="read it first: model.adapt(gw.read(data))")
        missing = [] if each is None else [f.name for f in model.codec.fields if f.name not in each.columns]
        if missing:
            what = f"the model has {', '.join(map(repr, missing))}, which the data lacks"
            raise ArgumentError(what, where=where, hint="give data with the fields that the model was fitted to")
        if each is not None and len(each) < 2:
            raise DataError("one record is too few: some are held out", where=each.name, hint="give five or more")
    Start(model.net).check(model.family)
    part = model.part(LoRA)
    if part is not None and task.name in part.named:
        hint = "give another name, or take that one off first: model.without(name)"
        raise ArgumentError(f"there is an adapter called {task.name!r} already", where="name", hint=hint)
    if new_labels(model.codec.scalars, data) and not isinstance(model.codec, MediumCodec):
        found = next(iter(new_labels(model.codec.scalars, data).items()))
        what = f"{found[1][0]!r} is a new value of {found[0]!r}, which is part of what is drawn"
        raise UnsupportedError(what, where="adapt", hint="fit anew; labels beside images and texts may be new")


def _completed(model: "Generator", data: Any, given: Mapping[str, Any]) -> Any:
    """The data with one value in fields that it lacks."""
    own = {f.name: f for f, coder in zip(model.codec.scalars.fields, model.codec.scalars.coders, strict=True) if coder}
    for name, value in given.items():
        if name not in own:
            hint = f"there are: {', '.join(own)}" if own else "it has no field beside what is drawn"
            raise ArgumentError(f"the model has no field {name!r:.80}", where="given", hint=hint)
        if not isinstance(data, Dataset) or name in data.columns:
            raise ArgumentError("the data has it", where=f"given {name}", hint="leave it out, or drop the field")
        column = np.full(len(data), str(value) if isinstance(own[name], Category) else value, dtype=object)
        try:
            column = column if isinstance(own[name], Category) else column.astype(float)
        except (TypeError, ValueError):
            raise ArgumentError(f"{value!r:.60} is no number", where=f"given {name}", hint="give one") from None
        data = replace(data, fields=(*data.fields, own[name]), columns={**data.columns, name: column})
    return data


def _drawn(model: "Generator", task: Task) -> Dataset:
    """Records of what the model knows, as many as there is time for."""
    task.listener(Progress("drawing what is known"))
    n = REPLAYED
    if task.minutes is not None:
        began = time.monotonic()
        model.sample(FIRST, seed=task.seed)
        n = int(60 * task.minutes * REPLAY_SHARE / (time.monotonic() - began) * FIRST)
    return model.sample(min(REPLAYED, max(FIRST, n)), seed=task.seed)


def _halves(data: Dataset) -> tuple[Dataset, Dataset]:
    """All but the validation part, of few examples none is to spare; and that, or all where there is none."""
    valid = set(data.split.valid.tolist())
    rest = [i for i in range(len(data)) if i not in valid]
    return data.take(torch.tensor(rest).numpy()), data.valid if valid else data


def _encoded(model: "Generator", data: Dataset, rng: torch.Generator) -> Encoded:
    found = model.codec.encode(model.inner(data), rng=rng)
    assert isinstance(found, Encoded)
    return found


def _mixed(new: Encoded, kept: Encoded) -> Encoded:
    """Rows of which NEW_SHARE are new ones, each as often as that takes."""
    times = max(1, round(len(kept) * NEW_SHARE / (1 - NEW_SHARE) / len(new)))
    return Encoded.joined([*[new] * times, kept])


def _rows(model: "Generator", labels: Labels) -> dict[str, list[int]]:
    """The rows of embeddings that stand for labels, by embedding."""
    if not labels:
        return {}
    scalars = model.codec.scalars
    gone = sources(narrowed(scalars, labels), scalars)
    rows = [i for i, (at, _) in enumerate(rows_of(narrowed(scalars, labels).space, gone)) if at is None]
    return dict.fromkeys(tables(model.net), rows)


def _fitted(model: "Generator", rows: list[Encoded], start: Start, task: Task) -> Fitted:
    from genwright.model.fit import fingerprint  # which builds Generators too

    work = Work(rows=len(rows[0]), minutes=task.minutes, steps=task.steps)
    found = fingerprint(model.family, model.codec, work, task.seed, start=start.digest())
    return fit_family(
        model.family,
        model.codec.space,
        model.codec.conditions,
        *rows,
        work=work,
        seed=task.seed,
        started=task.started,
        device=task.device,
        stages=Stages(task.folder, found),
        start=start,
        listener=task.listener,
    )


def _taken(net: nn.Module, start: nn.Module, labels: Labels) -> Adapter:
    """What training changed of the net `start`."""
    from genwright.nets.lora import detach

    layers, own = detach(net), start.state_dict()
    whole = {name: t for name, t in net.state_dict().items() if not torch.equal(t.to(own[name]), own[name])}
    return Adapter(layers, whole=whole, labels=labels)


def _with(model: "Generator", name: str, adapter: Adapter) -> "Generator":
    part = model.part(LoRA)
    return _merged(model, {**({} if part is None else part.named), name: adapter})


def _merged(model: "Generator", named: Mapping[str, Adapter]) -> "Generator":
    """The model with these adapters, and no others, merged into a copy of its net."""
    part, net = model.part(LoRA), copy.deepcopy(model.net)
    others = tuple(each for each in model.parts if not isinstance(each, LoRA))
    with torch.no_grad():
        net = net if part is None else part.out_of(net)
        return replace(model, net=net, parts=(LoRA(named).into(net), *others) if named else others)


def _loss(model: "Generator", net: nn.Module, rows: Encoded, task: Task) -> float:
    """The held-out loss of rows, over several draws of what it depends on."""
    family, rng = model.family, torch.Generator(task.device).manual_seed(task.seed)
    assert isinstance(family, GradientFamily)
    rows = rows.to(task.device)
    with torch.no_grad():
        parts = [
            family.held_out(net.to(task.device), rows.unpacked(model.codec.space), rows.context, rng)
            for _ in range(MEASURED)
        ]
    return float(torch.stack(parts).mean())


def _with_moved_prior(model: "Generator", before: "Generator", place: list[list[int | None]]) -> "Generator":
    """The model with the label prior of before, fitted anew to draws of it whose levels are still there."""
    prior = before.part(LabelPrior)
    if prior is None:
        return model
    rng = before.rng(0)
    drawn = prior.fitted.family.sample(prior.fitted.net, PRIOR_ROWS, rng=rng)
    return _prior_of(model, _moved(drawn, before.codec.scalars.space.discrete, place))


def _moved(x: Tensor, discrete: list[int], place: list[list[int | None]]) -> Tensor:
    """Rows of columns with their states as they are counted now; those whose states are gone are left out."""
    x, kept = x.clone(), torch.ones(len(x), dtype=torch.bool, device=x.device)
    for i, own in zip(discrete, place, strict=True):
        size = 1 + max([int(x[:, i].max()), *(state for state in own if state is not None)])
        now = torch.full((size,), -1.0, device=x.device)
        for state, was in enumerate(own):
            if was is not None:
                now[was] = state
        x[:, i] = now[x[:, i].long()]
        kept &= x[:, i] >= 0
    return x[kept]


def _with_prior(model: "Generator", new: list[Encoded], task: Task) -> "Generator":
    """The model whose label prior has the new records beside as many as it was fitted to."""
    prior = model.part(LabelPrior)
    if prior is None:
        return model
    rng, data = model.rng(task.seed), model.record.get("data", {})
    n = min(PRIOR_ROWS, int(data.get("rows", PRIOR_ROWS)))
    drawn = prior.fitted.family.sample(prior.fitted.net, n, rng=rng)
    fresh = [each.context[:, : prior.columns] for each in new if each.context is not None]
    return _prior_of(model, torch.cat([drawn, *(each.to(drawn) for each in fresh)]))


def _prior_of(model: "Generator", rows: Tensor) -> "Generator":
    conditions = model.codec.conditions
    assert conditions is not None
    beyond = torch.full((len(rows), conditions.size - rows.shape[1]), torch.nan, device=rows.device)
    labels = Encoded(rows[:, :0], torch.cat([rows, beyond], dim=1))
    fitted = fit_prior(conditions, labels, labels, minutes=None, seed=0, device=rows.device)
    assert fitted is not None
    return replace(model, parts=tuple(fitted if isinstance(p, LabelPrior) else p for p in model.parts))


def _brought(model: "Generator") -> dict[str, tuple[Any, ...]]:
    """The labels of all adapters, by field."""
    part, found = model.part(LoRA), dict[str, tuple[Any, ...]]()
    for own in () if part is None else part.named.values():
        for name, values in own.labels.items():
            found[name] = tuple(dict.fromkeys([*found.get(name, ()), *values]))
    return found


def _part(model: "Generator") -> LoRA:
    part = model.part(LoRA)
    if part is None:
        raise ArgumentError("it has no adapter", where="adapters", hint="model.adapt(data, name=...) makes one")
    return part


def _no_adapter(name: Any, part: LoRA) -> ArgumentError:
    hint = f"there are: {', '.join(part.named)}"
    return ArgumentError(f"there is no adapter called {name!r:.80}", where="adapters", hint=hint)
