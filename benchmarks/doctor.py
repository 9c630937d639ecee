"""Does the doctor of training name what goes wrong, only then, and does what is done about it help?

python -m benchmarks.doctor --seeds 10 --write

Each diagnosis on runs that fail by it, on the same runs treated by the doctor, and on the same runs repaired by hand,
of tiny problems on which the truth is known. Prints a line per run; `--write` makes docs/evidence/doctor.md of them.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common import ROOT
from genwright.families.family import Family, Work
from genwright.families.flow import FlowMatching
from genwright.families.gan import GAN
from genwright.families.vae import VAE, VariationalNet
from genwright.maths import modes
from genwright.maths.games import minimax
from genwright.spaces import Encoded, Reals
from genwright.train.doctor import Doctor
from genwright.train.fit import Fitted, fit_family
from genwright.train.step import evaluate

PAGE, LINES = ROOT / "docs" / "evidence" / "doctor.md", ROOT / "docs" / "evidence" / "doctor.jsonl"
WATCHED, TREATED = Doctor(stop_at_memorisation=False), Doctor(act=True)
KINDS = ("failing", "treated", "repaired")


def ring(n: int, *, seed: int) -> Tensor:
    """Eight modes on a circle."""
    rng = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.randint(8, (n,), generator=rng) / 8
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.02 * torch.randn(n, 2, generator=rng)


def cloud(n: int, *, seed: int) -> Tensor:
    """Eight numbers that depend on each other, always in the same way."""
    mix = torch.randn(8, 8, generator=torch.Generator().manual_seed(99)) / math.sqrt(8)
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)) @ mix


class Sigmoids(nn.Module):
    """Twelve layers without residual connections."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers = [layer for k in range(12) for layer in (nn.Linear(32 if k else inputs, 32), nn.Sigmoid())]
        self.layers = nn.Sequential(*layers, nn.Linear(32, outputs))

    def forward(self, x: Tensor, context: Tensor | None) -> Tensor:
        return self.layers(x.flatten(1))


def sigmoid_net(space: Any, conditions: Any) -> VariationalNet:
    """A VAE's net whose encoder and decoder are deep and plain."""
    net = VariationalNet(space, conditions, latent=2, width=32, depth=1, components=0)
    net.encoder, net.decoder = Sigmoids(8, 4), Sigmoids(2, 16)  # type: ignore[assignment]
    return net


def on_a_mode(fitted: Fitted, train: Tensor, held_out: Tensor) -> float:
    """The share of 2,000 samples, in percent, within 0.15 of one of the eight modes."""
    angle = 2 * math.pi * torch.arange(8) / 8
    middles = torch.stack([angle.cos(), angle.sin()], 1)
    return 100 * float((modes.apart(drawn(fitted, 2000), middles).min(1).values < 0.15).float().mean())


def copied(fitted: Fitted, train: Tensor, held_out: Tensor) -> float:
    """The share of 2,000 samples, in percent, that are copies of training rows."""
    return 100 * float(modes.copies(modes.nearest_two(drawn(fitted, 2000), train)).float().mean())


def held_out_loss(fitted: Fitted, train: Tensor, held_out: Tensor) -> float:
    """That of the weights that were kept."""
    return evaluate(fitted.family, fitted.net, space_of(train), Encoded(held_out), rows=1000, seed=1)  # type: ignore[arg-type]


def drawn(fitted: Fitted, n: int) -> Tensor:
    return fitted.family.sample(fitted.net, n, rng=torch.Generator().manual_seed(12345))


def space_of(x: Tensor) -> Reals:
    return Reals((x.shape[1],))


@dataclass(frozen=True)
class Case:
    """A diagnosis: a run that fails by it and the same repaired, and what is measured of the model in the end."""

    fails: Family
    repaired: Family
    rows: Callable[..., Tensor]
    sizes: tuple[int, int]  # training rows of the failing and of the repaired run
    steps: int
    outcome: Callable[[Fitted, Tensor, Tensor], float]
    measured: str
    story: str
    alone: bool = False  # without rows to hold out


SMALL: dict[str, Any] = {"batch": 32, "latent": 2, "width": 32, "depth": 1}
CASES = {
    "mode collapse": Case(
        GAN(batch=128, latent=4, width=128, depth=1, learning_rate=1e-2, penalty=0.0, objective=minimax),
        GAN(batch=128, latent=4, width=128, depth=1),
        ring,
        (1000, 1000),
        500,
        on_a_mode,
        "samples on a mode, %",
        "ring of 8 modes: the minimax game without penalties; repaired: `gw.GAN()` as it is",
    ),
    "instability": Case(
        VAE(learning_rate=0.1, **SMALL),
        VAE(**SMALL),
        cloud,
        (1000, 1000),
        300,
        held_out_loss,
        "held-out loss, nats",
        "8 numbers: a VAE at a learning rate of 0.1; repaired: 0.002",
    ),
    "vanishing gradients": Case(
        VAE(prior_components=0, net=sigmoid_net, **SMALL),
        VAE(prior_components=0, **SMALL),
        cloud,
        (1000, 1000),
        300,
        held_out_loss,
        "held-out loss, nats",
        "8 numbers: a VAE of 12 sigmoid layers each way; repaired: residual blocks",
    ),
    "overfitting": Case(
        VAE(batch=32, latent=4, width=64, depth=2),
        VAE(batch=32, latent=4, width=64, depth=2),
        cloud,
        (40, 2000),
        600,
        held_out_loss,
        "held-out loss, nats",
        "8 numbers: a VAE on 40 rows; repaired: on 2,000",
    ),
    "memorisation": Case(
        FlowMatching(width=64, batch=16),
        FlowMatching(width=64, batch=16),
        cloud,
        (16, 1000),
        1000,
        copied,
        "copies, % of samples",
        "8 numbers: flow matching on 16 rows with none held out; repaired: 1,000 rows",
        alone=True,
    ),
}


def run(name: str, kind: str, seed: int) -> dict[str, Any]:
    """One fit: what was diagnosed at which step, and what came of it."""
    case = CASES[name]
    repaired = kind == "repaired"
    train = case.rows(case.sizes[repaired], seed=seed)
    unseen = case.rows(500, seed=1000 + seed)
    valid = train if case.alone and not repaired else unseen
    began = time.monotonic()
    fitted = fit_family(
        case.repaired if repaired else case.fails,
        space_of(train),
        None,
        Encoded(train),
        Encoded(valid),
        work=Work(rows=len(train), steps=case.steps),
        seed=seed,
        started=began,
        device=torch.device("cpu"),
        doctor=TREATED if kind == "treated" else WATCHED,
    )
    found = [[each["name"], each["step"], each["done"]] for each in fitted.record["diagnoses"]]
    seconds = round(time.monotonic() - began, 1)
    value = round(case.outcome(fitted, train, unseen), 3)
    steps = fitted.record["looks"][-1]["step"]
    return {"case": name, "kind": kind, "seed": seed, "diagnoses": found, "outcome": value, "steps": steps} | {
        "seconds": seconds
    }


def page(lines: list[dict[str, Any]]) -> str:
    """The evidence as a page."""
    healthy = [line for line in lines if line["kind"] == "repaired"]
    rows = []
    for name, case in CASES.items():
        if not any(line["case"] == name for line in lines):
            continue
        by = {kind: [line for line in lines if (line["case"], line["kind"]) == (name, kind)] for kind in KINDS}
        right = sum(named(line, name) for line in by["failing"])
        alarms = sum(named(line, name) for line in healthy)
        precision = right / max(1, right + alarms)
        values = [middle([line["outcome"] for line in by[kind]]) for kind in KINDS]
        rows.append(
            f"| {name} | {case.story} | {right} of {len(by['failing'])} | {alarms} of {len(healthy)} | {precision:.0%} "
            f"| {case.measured} | {' | '.join(values)} |"
        )
    others = Counter(
        f"{each[0]} in runs made to fail by {line['case']}"
        for line in lines
        if line["kind"] == "failing"
        for each in {tuple(e) for e in line["diagnoses"]}
        if each[0] != line["case"]
    )
    also = "; ".join(f"{what}: {n}" for what, n in sorted(others.items())) or "none"
    return HEAD + "\n".join(rows) + "\n" + TAIL.format(also=also)


def named(line: dict[str, Any], name: str) -> bool:
    return any(each[0] == name for each in line["diagnoses"])


def middle(values: list[float]) -> str:
    """Median, and the range."""
    told = sorted(values)
    return f"{told[len(told) // 2]:.3g} ({told[0]:.3g} to {told[-1]:.3g})" if told else "–"


HEAD = """# The training doctor

`python -m benchmarks.doctor --seeds N --write`: every diagnosis on runs that fail by it, as many as were counted, the
same runs with `doctor=gw.Doctor(act=True)`, and the same runs repaired by hand; each seed has data of its own. *Named*
counts the failing runs in which it was diagnosed (recall); *false alarms* those of all repaired runs, of every row of
the table, in which it was; precision is named / (named + false alarms). Outcomes are of the weights that were kept,
which early stopping on held-out rows chooses in any case: median (lowest to highest).

| diagnosis | the run | named | false alarms | precision | outcome | failing | treated | repaired |
|---|---|---|---|---|---|---|---|---|
"""
TAIL = """
Other diagnoses in failing runs, which may be right as well (a game that loses its modes is unstable, few rows are
learned by heart before they are copied): {also}.

The rules and their thresholds are in `src/genwright/train/diagnoses.py`; they were set on seeds 0 to 3 of these
problems, so that these rates flatter them, and on the digits of scikit-learn. Some cells count few runs: read them with
that in mind.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--write", action="store_true", help="keep lines, go on after those there are, make the page")
    told = parser.parse_args()
    torch.set_num_threads(1)
    kept = [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []
    done = {(line["case"], line["kind"], line["seed"]) for line in kept}
    for seed in range(told.seeds):
        for each in ((name, kind, seed) for name in told.case or CASES for kind in KINDS):
            if each not in done:
                kept.append(run(*each))
                print(json.dumps(kept[-1]), flush=True)
                if told.write:
                    LINES.write_text("".join(json.dumps(line) + "\n" for line in kept))
    if told.write:
        PAGE.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
