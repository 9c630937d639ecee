"""Signals: heartbeats as a sensor on the skin would record them, most of them ordinary, few of them not.

What a device maker may ask of made-up signals: are they like measured ones, can the rare kind be had on demand, and how
varied is it where only twelve of it were seen. The beats are sums of waves (P, Q,
R, S, T) with the variation of a living heart, after McSharry et al. 2003, IEEE Trans. Biomed. Eng. 50(3), table I; an
early beat of the chamber has no P wave and a broad, late R.

    python examples/domains/signals.py

You should see made-up beats with the autocorrelation of measured ones; beats of the kind that was asked for, as a
classifier of measured beats sees them; and early ones that vary less than measured ones do, for twelve examples do not
show all that a heart can do.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parents[1]))  # for show.py, which lies beside the other examples

import genwright as gw
import show
from genwright.metrics.kind import Sides
from genwright.metrics.series import acf_error
from genwright.metrics.series_arrays import arrays_of

STEPS = 40  # readings of a beat
WAVES = {"P": (-0.22, 0.12, 0.05), "Q": (-0.04, -0.15, 0.02), "R": (0.0, 1.0, 0.022), "S": (0.04, -0.25, 0.02)}
WAVES |= {"T": (0.28, 0.3, 0.07)}  # place in the beat, height, width
EARLY = {"R": (0.02, 0.9, 0.06), "S": (0.12, -0.45, 0.06), "T": (0.33, -0.3, 0.08)}

EXPECTED = {
    "ACF error": (0.0, 0.1),
    "made-up early beats that are seen as early, %": (90.0, 100.0),
    "made-up ordinary beats that are seen as ordinary, %": (90.0, 100.0),
    "spread of early beats, made up / measured": (0.2, 1.0),
}


def beats(n: int, kind: str, *, seed: int) -> np.ndarray:
    """n beats of a kind, shape (n, STEPS), in millivolts."""
    rng = np.random.default_rng(seed)
    place = np.linspace(-0.4, 0.5, STEPS)
    x = 0.03 * rng.normal(size=(n, STEPS)) + 0.05 * rng.normal(size=(n, 1))
    for centre, height, width in (WAVES if kind == "ordinary" else EARLY).values():
        at = centre * (1 + 0.15 * rng.normal(size=(n, 1))) + 0.01 * rng.normal(size=(n, 1))
        tall, wide = height * (1 + 0.2 * rng.normal(size=(n, 1))), width * np.exp(0.2 * rng.normal(size=(n, 1)))
        x += tall * np.exp(-0.5 * ((place - at) / wide) ** 2)
    return x


def recorded(ordinary: int, early: int, *, seed: int) -> gw.Dataset:
    """Beats of both kinds as a table of readings would hold them."""
    x = np.concatenate([beats(ordinary, "ordinary", seed=seed), beats(early, "early", seed=seed + 1)])
    kind = np.repeat(["ordinary", "early"], [ordinary, early])
    table = {"beat": np.repeat([f"b{i}" for i in range(len(x))], STEPS), "kind": np.repeat(kind, STEPS)}
    table |= {"ms": np.tile(np.arange(STEPS) * 20, len(x)), "mV": x.ravel().round(3)}
    return gw.read(pd.DataFrame(table), series="time=ms,entity=beat", label="kind")


def curves(data: gw.Dataset) -> np.ndarray:
    """The signal of each beat, shape (n, STEPS)."""
    return np.stack([rows[:, 1] for rows in data.columns["series"]])


def main(out: Path | None = None) -> dict[str, float]:
    """Fit a few hundred beats; make up both kinds; hold them against measured ones."""
    data, test = recorded(400, 12, seed=0), recorded(500, 500, seed=10)
    model = gw.fit(data, family=gw.Mixture(components=2, rank=6), steps=12)
    fake = {kind: model.sample(200, given={"kind": kind}, seed=1) for kind in ("ordinary", "early")}

    x, y = curves(test), test.columns["kind"] == "early"
    expert = LogisticRegression(C=1.0, max_iter=2000).fit(x, y)
    seen = {kind: float((expert.predict(curves(made)) == (kind == "early")).mean()) for kind, made in fake.items()}
    sets = arrays_of(Sides(fake["ordinary"], test.take(~y)))
    print(f"{len(data)} beats of {STEPS} readings, 12 of them early:")
    numbers = {
        "ACF error": acf_error(sets.real, sets.fake).value,
        "made-up early beats that are seen as early, %": 100 * seen["early"],
        "made-up ordinary beats that are seen as ordinary, %": 100 * seen["ordinary"],
        "spread of early beats, made up / measured": float(curves(fake["early"]).std(0).mean() / x[y].std(0).mean()),
    }
    draw(out, {"measured, ordinary": test.take(~y), "measured, early": test.take(y), **fake})
    return show.numbers(numbers, EXPECTED)


def draw(out: Path | None, sets: dict[str, gw.Dataset]) -> None:
    """Some beats of each set."""
    page, axes = show.figure(1, len(sets), width=2.6, height=2.2)
    for axis, (name, data), colour in zip(axes[0], sets.items(), show.COLOURS, strict=False):
        axis.plot(curves(data)[:12].T, color=colour, linewidth=0.8, alpha=0.7)
        axis.set_title(name if "," in name else f"made up, {name}", fontsize=10)
        axis.set_ylim(-1, 1.6)
    show.save(page, out, "signals")


if __name__ == "__main__":
    show.command(main)
