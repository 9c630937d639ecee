"""Everything that changes while a net trains, and its checkpoint: one safetensors file, whole or absent."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genwright.families.family import Objective, Player
from genwright.maths.muon import Muon
from genwright.storage import read_tensors, write_tensors
from genwright.train.diagnoses import Diagnosis
from genwright.train.looks import Gauge, Look
from genwright.train.record import checked
from genwright.train.stages import CHECKPOINT, Stages, check_same, told_in
from genwright.train.start import moving
from genwright.typed import made, require, wrong
from genwright.weights import fill

MAX_THREADS = 4096
KEPT: dict[type[torch.optim.Optimizer], set[str]] = {  # for each parameter
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
    Muon: {"momentum_buffer"},
}


@dataclass(frozen=True)
class Plan:
    """What calibration decided; from here on a run is deterministic on one machine.

    `steps` and `decay_start` are counts of steps, `evaluate_every` too; `held_out_rows` is how many rows each held-out
    evaluation uses; `threads` and `dtype` are the fastest that calibration found. A run that has begun to stop early
    has `most_steps`, which the clock may only shorten.
    """

    steps: int
    decay_start: int
    evaluate_every: int
    held_out_rows: int
    threads: int
    dtype: Literal["float32", "bfloat16"]
    most_steps: int | None = None

    def __post_init__(self) -> None:
        counts = (self.steps, self.decay_start, self.evaluate_every - 1, self.held_out_rows - 1, self.most_steps or 0)
        require(min(counts) >= 0 and 1 <= self.threads <= MAX_THREADS, "no such plan")


@dataclass(frozen=True)
class Counters:
    """What of a state is no tensor."""

    step: int
    seconds: float
    rescues: int
    best_held_out: float
    best_step: int
    history: tuple[dict[str, Any], ...]
    halvings: int = 0
    rewound: int = 0
    looks: tuple[Look, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    sums: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # of losses since the last look

    def __post_init__(self) -> None:
        counts = (self.step, self.seconds, self.rescues, self.best_step, self.halvings, self.rewound)
        require(min(counts) >= 0, "a count below 0")


@dataclass(frozen=True)
class About:
    """What a checkpoint says beside its tensors."""

    plan: Plan
    counters: Counters


@dataclass
class State:
    """A net in training: weights, their running average, the best average so far, optimisers, randomness, history.

    `fresh` is the best average as it was when samples were last found to be no copies, and `clean` that of the time
    before, since few samples tell late; `rewound` is the step of the last way back; `halvings` of the learning rate,
    `looks` and `diagnoses` are the doctor's, who reads the `gauge`.
    """

    net: nn.Module
    average: nn.Module
    players: tuple[Player, ...]
    optimizers: list[list[torch.optim.Optimizer]]
    rng: torch.Generator
    step: int = 0
    seconds: float = 0.0
    rescues: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_held_out: float = float("inf")
    best_step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    halvings: int = 0
    rewound: int = 0
    looks: list[Look] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    fresh: dict[str, Tensor] = field(default_factory=dict)
    clean: dict[str, Tensor] = field(default_factory=dict)
    gauge: Gauge = field(default_factory=Gauge)

    @property
    def sums(self) -> dict[str, tuple[float, ...]]:
        """Of the losses since the last look."""
        return self.gauge.sums

    @staticmethod
    def start(family: Objective, net: nn.Module, *, seed: int) -> "State":
        """A fresh state around `net`."""
        average = copy.deepcopy(net).requires_grad_(False)
        players = family.players(net)
        optimizers = [player.optimizer(player.module) for player in players]
        for optimizer in flat(optimizers):
            for group in optimizer.param_groups:
                group["full_lr"] = group["lr"]
        device = next(net.parameters()).device
        return State(net, average, players, optimizers, torch.Generator(device).manual_seed(seed))

    def update_average(self, decay: float) -> None:
        """Move the running average towards the weights; buffers are copied."""
        torch._foreach_lerp_(list(self.average.parameters()), [p.detach() for p in self.net.parameters()], 1.0 - decay)
        for mine, theirs in zip(self.average.buffers(), self.net.buffers(), strict=True):
            mine.copy_(theirs)

    def keep_if_best(self, held_out: float) -> None:
        """Remember the running average if no earlier one did better on held-out rows."""
        if held_out < self.best_held_out:
            self.best_held_out, self.best_step = held_out, self.step
            moves = moving(self.net)
            self.best = {name: tensor.clone() for name, tensor in self.average.state_dict().items() if name in moves}

    def rewind(self) -> None:
        """Go back to the best average (or the current one, if none was measured yet)."""
        self.rewound = self.step
        weights = self.best or self.average.state_dict()
        for net in (self.net, self.average):
            net.load_state_dict(net.state_dict() | weights)  # what does not move is in its place


def flat(optimizers: Sequence[Sequence[torch.optim.Optimizer]]) -> list[torch.optim.Optimizer]:
    """All players' optimisers in one list."""
    return [optimizer for group in optimizers for optimizer in group]


def save_checkpoint(state: State, plan: Plan, stages: Stages) -> None:
    """Write all of `state` to the folder of `stages`, replacing any older checkpoint in one atomic move."""
    tensors: dict[str, Tensor] = {}
    moves = moving(state.net)
    for part, weights in (
        ("net", state.net.state_dict()),
        ("average", state.average.state_dict()),
        ("best", state.best),
        ("fresh", state.fresh),
        ("clean", state.clean),
    ):
        tensors |= {f"{part}/{name}": tensor for name, tensor in weights.items() if name in moves}
    for i, optimizer in enumerate(flat(state.optimizers)):
        for index, entries in optimizer.state_dict()["state"].items():
            for name, value in entries.items():
                tensors[f"optimizer/{i}/{index}/{name}"] = value
    tensors["rng/loop"] = state.rng.get_state()
    tensors["rng/default"] = torch.get_rng_state()
    own: dict[str, Any] = {each.name: getattr(state, each.name) for each in fields(Counters)}
    own |= {name: tuple(value) for name, value in own.items() if isinstance(value, list)}
    counters = Counters(**own)
    metadata = {"fingerprint": stages.fingerprint, "genwright": json.dumps(asdict(About(plan, counters)))}
    assert stages.folder is not None
    write_tensors(stages.folder / CHECKPOINT, tensors, metadata=metadata)


def load_checkpoint(state: State, stages: Stages) -> Plan:
    """Put `state` back to where `save_checkpoint` found it and return the plan; the default generator is reset too.

    Raises StorageError where the file does not fit the net, its optimisers or itself.
    """
    assert stages.folder is not None
    path = stages.folder / CHECKPOINT
    where = str(path)
    tensors, metadata = read_tensors(path)
    check_same(metadata.get("fingerprint"), stages.fingerprint, path)
    about = made(About, told_in(metadata, "genwright", where=where), where=where)
    parts: dict[str, dict[str, Tensor]] = {
        part: {} for part in ("net", "average", "best", "fresh", "clean", "optimizer", "rng")
    }
    for key, value in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = value
    stays = {name: tensor for name, tensor in state.net.state_dict().items() if name not in moving(state.net)}
    fill(state.net, stays | parts["net"], where=where)
    if parts["best"] or about.counters.step >= about.plan.steps:
        fill(state.average, stays | parts["best"], where=where)  # to see that they fit
    for kept in filter(None, (parts["fresh"], parts["clean"])):
        fill(state.average, stays | kept, where=where)
    fill(state.average, stays | parts["average"], where=where)
    device = next(state.net.parameters()).device
    state.best, state.fresh, state.clean = (
        {name: tensor.to(device) for name, tensor in parts[part].items()} for part in ("best", "fresh", "clean")
    )
    for i, optimizer in enumerate(flat(state.optimizers)):
        entries = _entries(optimizer, parts["optimizer"], f"{i}/", where)
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    try:
        state.rng.set_state(parts["rng"]["loop"])
        torch.set_rng_state(parts["rng"]["default"])
    except (KeyError, TypeError, RuntimeError):
        raise wrong("no states of random generators", where) from None
    for each in fields(Counters):
        if each.name != "sums":
            setattr(state, each.name, getattr(about.counters, each.name))
    state.gauge.sums.update(about.counters.sums)
    state.history = checked({"history": list(state.history)}, where=where)["history"]
    state.looks, state.diagnoses = list(state.looks), list(state.diagnoses)
    return about.plan


def _entries(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str, where: str
) -> dict[int, dict[str, Tensor]]:
    """The state of each parameter of an optimiser, of those tensors whose names begin with `prefix`."""
    entries: dict[int, dict[str, Tensor]] = {}
    for index, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        begin = f"{prefix}{index}/"
        own = {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}
        fits = all(tensor.shape == (() if name == "step" else parameter.shape) for name, tensor in own.items())
        if own and not (fits and own.keys() == KEPT[type(optimizer)]):
            raise wrong(f"no state of the optimiser's parameter {index}", where)
        if own:
            entries[index] = own
    return entries
