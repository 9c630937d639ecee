"""Conditions on any columns: values, ranges, sets, shares, and rows of which only a part is known.

A model with exact conditional distributions need not draw and throw away until rows fit: it draws from the distribution
given the conditions. Here a mixture has learned the wines of three growers.

    python examples/conditions.py

You should see every row agree with its conditions; their other columns follow the same distribution as rows drawn
without conditions of which those that fit were kept, at a fraction of the draws; the growers in just the shares asked
for; and hidden measurements filled in closer to the truth than by the mean of their column, with a spread that says how
sure.
"""

from pathlib import Path

import numpy as np
import torch

import genwright as gw
import show
from genwright.data.dataset import Dataset
from genwright.maths.divergences import energy_distance

CONDITIONS = {"alcohol": gw.Between(13.5, None), "class": {"class_1", "class_2"}}
OTHERS = ["malic_acid", "flavanoids", "color_intensity", "hue"]
DRAWN = 6000

EXPECTED = {
    "rows that meet the conditions": (1.0, 1.0),
    "draws for each row that fits, without conditions": (4.0, 15.0),  # 7.4
    "energy distance, given to those that fit": (-0.05, 0.06),  # 0.00
    "energy distance, given to all": (0.15, 0.6),  # 0.27
    "largest error of shares asked for": (0.0, 0.0),
    "error of hidden values filled in, by the column's": (0.6, 0.95),  # 0.85
    "hidden values within nine in ten of 100 draws": (0.82, 0.98),  # 0.91
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit once; draw under conditions, under none, in shares; and fill in what is hidden."""
    data = gw.read("wine")
    model = gw.fit(data, family=gw.Mixture(components=8), steps=40)
    given = model.sample(600, given=CONDITIONS, seed=1)
    free = model.sample(DRAWN, seed=2)
    kept = free.take(meets(free))
    shares = gw.Shares({"class_0": 0.6, "class_1": 0.3, "class_2": 0.1})
    asked = model.sample(500, given={"class": shares}, seed=3).columns["class"]
    errors = [abs(np.mean(asked == name) - share) for name, share in (("class_0", 0.6), ("class_2", 0.1))]
    error, inside = filled_in(model, data.test)
    print(f"{len(data)} wines; {len(kept)} of {DRAWN} free draws meet the conditions:")
    numbers = {
        "rows that meet the conditions": meets(given).mean(),
        "draws for each row that fits, without conditions": DRAWN / len(kept),
        "energy distance, given to those that fit": distance(given, kept),
        "energy distance, given to all": distance(given, free),
        "largest error of shares asked for": max(errors).round(12),
        "error of hidden values filled in, by the column's": error,
        "hidden values within nine in ten of 100 draws": inside,
    }
    draw(out, given, kept, free, asked)
    return show.numbers(numbers, EXPECTED)


def meets(data: Dataset) -> np.ndarray:
    """Which rows meet the conditions."""
    return (data.columns["alcohol"] >= 13.5) & np.isin(data.columns["class"].astype(str), ["class_1", "class_2"])


def distance(a: Dataset, b: Dataset) -> float:
    """Energy distance of the other columns, each in units of its spread; about 0 for equal distributions."""
    first, second = (np.stack([each.columns[name][:600] for name in OTHERS], axis=1) for each in (a, b))
    scale = second.std(0)
    return float(energy_distance(torch.tensor(first / scale), torch.tensor(second / scale)))


def filled_in(model: gw.Generator, test: Dataset) -> tuple[float, float]:
    """Of a third of the measurements, hidden: error of the mean draw by that of the column's mean; share inside."""
    frame = test.frame
    numbers = [name for name in frame if name != "class"]
    truth = frame[numbers].to_numpy(float)
    hidden = np.random.default_rng(0).random(truth.shape) < 1 / 3
    partial = frame.copy()
    partial[numbers] = frame[numbers].astype(float).mask(hidden)
    several = model.impute(partial, 100, seed=4).frame[numbers].to_numpy(float).reshape(len(frame), 100, -1)
    spread = truth.std(0)
    error = ((several.mean(1) - truth) / spread)[hidden]
    low, high = np.quantile(several, [0.05, 0.95], axis=1)
    baseline = ((truth.mean(0) - truth) / spread)[hidden]
    inside = ((low <= truth) & (truth <= high))[hidden].mean()
    return float(np.sqrt(np.mean(error**2) / np.mean(baseline**2))), float(inside)


def draw(out: Path | None, given: Dataset, kept: Dataset, free: Dataset, asked: np.ndarray) -> None:
    """Two measurements with and without conditions, one of them in both ways, and the shares."""
    page, axes = show.figure(1, 3)
    for colour, part, name in (("0.75", free.take(slice(600)), "free"), (show.COLOURS[1], given, "given")):
        axes[0, 0].scatter(part.columns["alcohol"], part.columns["flavanoids"], s=6, color=colour, label=name)
    axes[0, 0].axvline(13.5, color="k", lw=0.8)
    axes[0, 0].set(xlabel="alcohol", ylabel="flavanoids")
    for colour, part, name in ((show.COLOURS[1], given, "given"), (show.COLOURS[0], kept, "kept of free draws")):
        values = part.columns["flavanoids"]
        axes[0, 1].hist(values, bins=20, density=True, histtype="step", color=colour, label=name)
    axes[0, 1].set(xlabel="flavanoids", ylabel="density")
    names, counts = np.unique(asked.astype(str), return_counts=True)
    axes[0, 2].bar(names, counts / len(asked), color=show.COLOURS[0])
    axes[0, 2].set(ylabel="share of rows", title="asked for: .6, .3, .1")
    for axis in axes[0, :2]:
        axis.legend(fontsize=7)
    show.save(page, out, "conditions")


if __name__ == "__main__":
    show.command(main)
