"""Everything that changes while a net trains, and its checkpoint: one safetensors file, whole or absent."""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from genwright.families.family import GradientFamily, Player
from genwright.storage import read_tensors, write_tensors
from genwright.train.stages import CHECKPOINT, Stages, check_same


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
    dtype: str
    most_steps: int | None = None


@dataclass
class State:
    """A net in training: weights, their running average, the best average so far, optimisers, randomness, history."""

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

    @staticmethod
    def start(family: GradientFamily, net: nn.Module, *, seed: int) -> "State":
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
            self.best = {name: tensor.clone() for name, tensor in self.average.state_dict().items()}

    def rewind(self) -> None:
        """Go back to the best average (or the current one, if none was measured yet)."""
        weights = self.best or self.average.state_dict()
        self.net.load_state_dict(weights)
        self.average.load_state_dict(weights)


def flat(optimizers: Sequence[Sequence[torch.optim.Optimizer]]) -> list[torch.optim.Optimizer]:
    """All players' optimisers in one list."""
    return [optimizer for group in optimizers for optimizer in group]


def save_checkpoint(state: State, plan: Plan, stages: Stages) -> None:
    """Write all of `state` to the folder of `stages`, replacing any older checkpoint in one atomic move."""
    tensors: dict[str, Tensor] = {}
    for part, weights in (
        ("net", state.net.state_dict()),
        ("average", state.average.state_dict()),
        ("best", state.best),
    ):
        tensors |= {f"{part}/{name}": tensor for name, tensor in weights.items()}
    scalars: dict[str, Any] = {}
    for i, optimizer in enumerate(flat(state.optimizers)):
        for index, entries in optimizer.state_dict()["state"].items():
            for name, value in entries.items():
                key = f"optimizer/{i}/{index}/{name}"
                (tensors if isinstance(value, Tensor) else scalars)[key] = value
    tensors["rng/loop"] = state.rng.get_state()
    tensors["rng/default"] = torch.get_rng_state()
    counters = ("step", "seconds", "rescues", "best_held_out", "best_step", "history")
    about = {"plan": asdict(plan), "scalars": scalars, "counters": {name: getattr(state, name) for name in counters}}
    metadata = {"fingerprint": stages.fingerprint, "genwright": json.dumps(about)}
    assert stages.folder is not None
    write_tensors(stages.folder / CHECKPOINT, tensors, metadata=metadata)


def load_checkpoint(state: State, stages: Stages) -> Plan:
    """Put `state` back to where `save_checkpoint` found it and return the plan; the default generator is reset too."""
    assert stages.folder is not None
    path = stages.folder / CHECKPOINT
    tensors, metadata = read_tensors(path)
    check_same(metadata.get("fingerprint"), stages.fingerprint, path)
    about = json.loads(metadata["genwright"])
    parts: dict[str, dict[str, Tensor]] = {"net": {}, "average": {}, "best": {}}
    optimizer_states: list[dict[int, dict[str, Any]]] = [{} for _ in flat(state.optimizers)]
    for key, value in (tensors | about["scalars"]).items():
        part, _, name = key.partition("/")
        if part in parts:
            parts[part][name] = value
        elif part == "optimizer":
            i, index, entry = name.split("/", 2)
            optimizer_states[int(i)].setdefault(int(index), {})[entry] = value
    state.net.load_state_dict(parts["net"])
    state.average.load_state_dict(parts["average"])
    device = next(state.net.parameters()).device
    state.best = {name: tensor.to(device) for name, tensor in parts["best"].items()}
    for optimizer, entries in zip(flat(state.optimizers), optimizer_states, strict=True):
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    state.rng.set_state(tensors["rng/loop"])
    torch.set_rng_state(tensors["rng/default"])
    for name, value in about["counters"].items():
        setattr(state, name, value)
    return Plan(**about["plan"])
