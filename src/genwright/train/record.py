"""What is written down about a fit."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genwright.data.dataset import Dataset
from genwright.train.devices import environment, peak_memory_mb
from genwright.train.diagnoses import Diagnosis
from genwright.train.looks import Look
from genwright.typed import entry, typed, wrong

TOLD = ("minutes", "steps", "seed", "seconds", "parameters", "peak_memory_mb", "environment", "data", "history")
LOSSES = ("step", "loss", "held_out")  # of a line of the history, which may be no numbers any more


@dataclass(frozen=True)
class Parts:
    """Rows of the parts of the split."""

    train: int
    valid: int
    test: int


@dataclass(frozen=True)
class Named:
    """A field."""

    name: str
    kind: str


@dataclass(frozen=True)
class Summary:
    """What is kept of the data that was fitted to."""

    name: str
    rows: int
    label: str | None
    split: Parts
    fields: tuple[Named, ...]
    fitted_rows: int | None = None


@dataclass(frozen=True)
class Promise:
    """What is kept of a private fit; see `genwright.privacy.statement`."""

    epsilon: float
    delta: float
    asked: Mapping[str, float]
    rows: int
    neighbours: str
    accountant: str
    mechanisms: tuple[Mapping[str, Any], ...]
    noise_seed_given: bool
    protected: str
    not_protected: tuple[str, ...]


@dataclass(frozen=True)
class Tuned:
    """What is kept of tuning a trained model. `start` is the SHA-256 of the weights that it began from; the gain is
    what `measure` names on examples held out, before and after, with the 95 % interval of the difference.
    """

    method: str
    settings: Mapping[str, Any]
    chat: bool
    lora: int | None
    examples: Parts
    cut: int
    start: str
    measure: str
    before: float
    after: float
    difference: tuple[float, float]
    minutes: float | None
    steps: int | None
    seed: int
    seconds: float
    stopped_early: bool
    history: tuple[Mapping[str, Any], ...]


KINDS: Mapping[str, Any] = {
    "minutes": float | None,
    "steps": int | None,
    "seed": int,
    "seconds": float,
    "seconds_before": float,
    "parameters": int,
    "peak_memory_mb": int,
    "environment": Mapping[str, Any],
    "data": Summary,
    "history": tuple[dict[str, Any], ...],
    "stopped_early": bool,
    "fingerprint": str,
    "checkpoint": str,
    "texts": dict[str, Any],
    "privacy": Promise,
    "tuned": tuple[Tuned, ...],
    "looks": tuple[Look, ...],
    "diagnoses": tuple[Diagnosis, ...],
    "adapted": tuple[Mapping[str, Any], ...],
    "few_steps": Mapping[str, Any],
}


def checked(record: Any, *, where: str, needed: Sequence[str] = ()) -> dict[str, Any]:
    """A record that was read, if all that it tells is of the right kind and what is `needed` is there."""
    told: dict[str, Any] = typed(record, dict, where=where)
    for name in dict.fromkeys([*needed, *(name for name in KINDS if name in told)]):
        value = entry(told, name, KINDS[name], where=where)
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise wrong(f"{value!r} is negative, or no number", f"{where}, {name}")
    losses = LOSSES[:2] if "privacy" in told else LOSSES  # a private fit holds no rows out
    for line in told.get("history", ()):
        if not all(type(line.get(name)) in (int, float) for name in losses):
            raise wrong(f"a line without {', '.join(losses)}", f"{where}, history")
    return told


def circumstances(data: Dataset, *, started: float) -> dict[str, Any]:
    """Time and memory taken, on which machine, for which data."""
    took = {"seconds": round(time.monotonic() - started, 2), "peak_memory_mb": round(peak_memory_mb())}
    return took | {"environment": environment(), "data": _summary(data)}


def _summary(data: Dataset) -> dict[str, Any]:
    split = {"train": len(data.split.train), "valid": len(data.split.valid), "test": len(data.split.test)}
    fields = [{"name": f.name, "kind": type(f).__name__.lower()} for f in data.fields]
    return {"name": data.name, "rows": len(data), "label": data.label, "split": split, "fields": fields}
