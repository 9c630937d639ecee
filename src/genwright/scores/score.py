"""Score: the frozen result of a metric, with everything needed to judge how far to trust it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from genwright.scores.intervals import Replicates

Direction = Literal["lower", "higher", "target"]
Group = Literal["fidelity", "diversity", "novelty", "utility", "likelihood", "human"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured quantity.

    `interval` is the 95 % confidence interval and `floor` the same metric between two sets of real records of the same
    sizes: no generator can be expected to do better. `floor_error` is the floor's standard error (None: not known, so
    taken to be that of the value), `baseline` the same metric of a generator that learned next to nothing, see
    `genwright.metrics.baselines`. `n` is the number of generated records used. `signature` says how it was computed, so
    that two equal signatures are comparable: `metric|protocol|n|seed|version`. `replicates` are its values with part of
    the records left out: two generators held against the same real records are compared by them.
    """

    name: str
    value: float
    direction: Direction
    n: int
    signature: str
    interval: tuple[float, float] | None = None
    floor: float | None = None
    unit: str = ""
    group: Group = "fidelity"
    note: str = ""
    floor_error: float | None = None
    baseline: float | None = None
    replicates: Replicates | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        arrow = {"lower": "↓", "higher": "↑", "target": "→"}[self.direction]
        text = f"{self.name} {arrow} {self.value:.4g}{self.unit}"
        if self.interval is not None:
            text += f" [{self.interval[0]:.4g}, {self.interval[1]:.4g}]"
        if self.floor is not None:
            text += f" (real vs real {self.floor:.4g}{self.unit})"
        return text

    def to_json(self) -> dict[str, Any]:
        """All fields but the replicates, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "replicates"}


METRICS_VERSION = 2  # raised whenever the definition of any metric changes


def signature(metric: str, *, protocol: str, n: tuple[int, int], seed: int | None = None) -> str:
    """How a score was computed, on one line; `n` counts real and generated records.

    >>> signature("shape error", protocol="ks+tv", n=(500, 400))
    'shape error|ks+tv|n=500+400|seed=-|genwright-metrics-2'
    """
    drawn = "-" if seed is None else seed
    return f"{metric}|{protocol}|n={n[0]}+{n[1]}|seed={drawn}|genwright-metrics-{METRICS_VERSION}"


def real_records(score: Score) -> str:
    """How many real records a score rests on, by its signature; empty if that does not say.

    >>> score = Score(name="x", value=1.0, direction="lower", n=9, signature="x|p|n=500+9|seed=0")
    >>> real_records(score)
    '500'
    """
    return score.signature.partition("|n=")[2].partition("+")[0]
