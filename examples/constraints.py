"""Rules that hold in every row: declared once, kept by every family, and checked before training.

The largest of a tumour's cells are no smaller than its cells are on average, and areas are not negative. A model learns
that only nearly. Declared as rules, it holds in all rows, after rounding, and the rest of the distribution stays what
it was.

    python examples/constraints.py

You should see nearly half of the rows break one of five rules where they are not declared, and none where they are; a
judge of which rows are real that is fooled a little more often; and contradictory rules named before anything is
trained.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

import genwright as gw
import show
from genwright.constraints import Order, Range, Rule
from genwright.data.dataset import Dataset
from genwright.metrics.judges import c2st

SIZES = ("radius", "area", "smoothness", "concavity")
ROWS = 2000

EXPECTED = {
    "rows that break a rule, without rules": (0.2, 0.6),
    "rows that break a rule, with rules": (0.0, 0.0),
    "real rows that break a rule": (0.0, 0.0),
    "C2ST without rules": (0.05, 0.4),  # 0.17
    "C2ST with rules": (0.1, 0.5),  # 0.25
    "rows under rules and a condition that keep both": (1.0, 1.0),
    "contradictions named": (1.0, 1.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit with and without rules, and count."""
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = np.where(frame["target"] == 1, "benign", "malignant")
    names = [f"{which} {size}" for size in SIZES for which in ("mean", "worst")]
    frame = frame[[*names, "target"]].sample(frac=1.0, random_state=0)
    data, unseen = (gw.read(part.reset_index(drop=True), label="target") for part in (frame[:284], frame[284:568]))
    rules: list[Rule] = [Order([f"mean {size}", f"worst {size}"]) for size in SIZES]
    rules.append(Range("mean concavity", low=0))
    free, kept = (gw.fit(data, family=gw.Mixture(components=6), constraints=r, steps=40) for r in ((), rules))
    drawn = {"without rules": free.sample(ROWS, seed=1), "with rules": kept.sample(ROWS, seed=1)}
    large = kept.sample(200, given={"mean radius": gw.Between(18, None)}, seed=2)
    both = ~broken(large, rules) & (large.columns["mean radius"] >= 18)
    print(f"{len(data)} tumours to learn from, {len(unseen)} others, {ROWS} rows drawn from each model:")
    numbers = {f"rows that break a rule, {name}": broken(part, rules).mean() for name, part in drawn.items()}
    numbers |= {"real rows that break a rule": broken(unseen, rules).mean()}
    numbers |= {f"C2ST {name}": c2st(unseen, part.take(slice(len(unseen)))).value for name, part in drawn.items()}
    numbers |= {
        "rows under rules and a condition that keep both": both.mean(),
        "contradictions named": contradiction(data),
    }
    draw(out, drawn)
    return show.numbers(numbers, EXPECTED)


def broken(data: Dataset, rules: list[Rule]) -> np.ndarray:
    """Which rows break any of the rules."""
    return ~np.all([rule.holds(data) for rule in rules], axis=0)


def contradiction(data: Dataset) -> float:
    """Whether rules that no row can keep are refused, and both of them named."""
    impossible = [Range("mean radius", low=30), Order(["mean radius", "worst radius"]), Range("worst radius", high=20)]
    try:
        gw.fit(data, constraints=impossible, steps=1)
    except gw.GenwrightError as error:
        print(f"  {error}")
        return float("mean radius" in str(error) and "worst radius" in str(error))
    return 0.0


def draw(out: Path | None, drawn: dict[str, Dataset]) -> None:
    """Mean against worst, with the border that the rule draws."""
    page, axes = show.figure(1, 2)
    for axis, (name, part), colour in zip(axes[0], drawn.items(), show.COLOURS, strict=False):
        mean, worst = (part.columns[f"{which} smoothness"] for which in ("mean", "worst"))
        axis.scatter(mean, worst, s=4, color=colour)
        axis.plot([mean.min(), mean.max()], [mean.min(), mean.max()], color="k", lw=0.8)
        axis.set(xlabel="mean smoothness", ylabel="worst smoothness")
        axis.set_title(name, fontsize=10)
    show.save(page, out, "constraints")


if __name__ == "__main__":
    show.command(main)
