"""The training doctor: a run that loses modes, what he says of it, and the same run treated and repaired.

The rows lie in eight clusters around a circle. A generative adversarial network learns them by the game of the first
paper: the generator minimises what the critic maximises, at a high learning rate and without penalties. Such a game
does not settle: the critic learns where the samples are, they all move elsewhere, and clusters that were covered are
lost. While it trains, the doctor draws some samples from time to time, sees which parts of the data they miss, and
names that with his numbers and with what helps. Told to act, he goes back to the best weights so far and on with the
game that holds modes together: relativistic, with penalties on the critic's slope. The repaired run plays that game
from the first.

    python examples/training_doctor.py

You should see instability and mode collapse named in the first run while it trains, the treated run end nearer to the
clusters than the first, and nothing named in the repaired run, which comes nearest.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd

import genwright as gw
import show
from genwright.maths.games import minimax

STEPS = 500
ROWS = 1500
DRAWN = 2000
MIDDLES = np.array([[math.cos(2 * math.pi * k / 8), math.sin(2 * math.pi * k / 8)] for k in range(8)])

EXPECTED = {
    "diagnoses, failing": (1, 5),
    "diagnoses, repaired": (0, 0),
    "largest share of real rows missed, failing": (0.25, 1.0),
    "share missed at the end, repaired": (0.0, 0.1),
    "rows on a cluster, failing": (0.0, 0.5),
    "rows on a cluster, treated": (0.0, 1.0),
    "rows on a cluster, repaired": (0.4, 1.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit the same rows three times, and listen to the doctor."""
    data = gw.read(rows())
    size = {"batch": 128, "latent": 4, "width": 128, "depth": 1}
    classic = gw.GAN(**size, learning_rate=1e-2, penalty=0.0, objective=minimax)
    models = {
        "failing": gw.fit(data, family=classic, steps=STEPS, listener=say),
        "treated": gw.fit(data, family=classic, steps=STEPS, doctor=gw.Doctor(act=True), listener=say),
        "repaired": gw.fit(data, family=gw.GAN(**size), steps=STEPS, listener=say),
    }
    drawn = {name: points(model.sample(DRAWN, seed=1)) for name, model in models.items()}
    missed = {name: [look["missing"] for look in looks(model)] for name, model in models.items()}
    numbers = {
        "diagnoses, failing": len(models["failing"].record["diagnoses"]),
        "diagnoses, repaired": len(models["repaired"].record["diagnoses"]),
        "largest share of real rows missed, failing": max(missed["failing"][len(missed["failing"]) // 4 :]),
        "share missed at the end, repaired": missed["repaired"][-1],
        **{f"rows on a cluster, {name}": on_a_cluster(x) for name, x in drawn.items()},
    }
    draw(out, drawn, models)
    return show.numbers(numbers, EXPECTED)


def rows() -> pd.DataFrame:
    """Points in eight clusters."""
    rng = np.random.default_rng(0)
    points = MIDDLES[rng.integers(0, 8, ROWS)] + 0.02 * rng.normal(size=(ROWS, 2))
    return pd.DataFrame(points, columns=["x", "y"])


def points(data: gw.Dataset) -> np.ndarray:
    """Rows as an array of shape (n, 2)."""
    return np.stack([data.columns["x"], data.columns["y"]], 1)


def say(progress: object) -> None:
    """Print what the doctor says."""
    message = getattr(progress, "message", "")
    if " at step " in message:
        print(f"  {message}")


def looks(model: gw.Generator) -> list[dict]:
    """The looks of a run at which samples were drawn."""
    return [look for look in model.record["looks"] if look["missing"] is not None]


def on_a_cluster(x: np.ndarray) -> float:
    """The share of points within 0.15 of the middle of a cluster."""
    return float((np.linalg.norm(x[:, None] - MIDDLES, axis=2).min(1) < 0.15).mean())


def draw(out: Path | None, drawn: dict[str, np.ndarray], models: dict[str, gw.Generator]) -> None:
    """The rows that each model draws, and what the doctor saw of its modes."""
    page, axes = show.figure(1, 4, width=3.0, height=3.0)
    for k, (name, x) in enumerate(drawn.items()):
        axes[0, k].plot(*MIDDLES.T, "o", color="0.8", ms=12)
        axes[0, k].plot(*x[:600].T, ".", color=show.COLOURS[k], ms=2)
        axes[0, k].set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal")
        axes[0, k].set_title(f"rows drawn, {name}", fontsize=10)
        seen = looks(models[name])
        steps, missed = [look["step"] for look in seen], [look["missing"] for look in seen]
        axes[0, 3].plot(steps, missed, color=show.COLOURS[k], label=name)
    axes[0, 3].set(xlabel="step", ylim=(0, 1))
    axes[0, 3].set_title("real rows in modes that samples miss", fontsize=10)
    axes[0, 3].legend(fontsize=8)
    show.save(page, out, "training_doctor")


if __name__ == "__main__":
    show.command(main)
