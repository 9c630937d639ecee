"""Why this sample? What it was trained on that is most like it, and what each condition did to it.

Flow matching learns digits with two fields beside them: the label, and the ink, which says how much of it there is. For
each sample the nearest digits of the training part are looked up: a sample that is much nearer to one than digits are
to each other would be a copy. And each condition is given another value while all else stays, the noise included: how
far the sample moves then is what that condition did to it.

    python examples/why_this_sample.py

You should see samples about as far from the training digits as these are from each other; a label that moves a sample
most of the way that any two samples are apart, the ink less; nearest digits that mostly have the label that was asked
for; and copies, put among the samples, at distance 0.
"""

from pathlib import Path

import numpy as np

import genwright as gw
import show
from genwright.data.dataset import Dataset
from genwright.metrics.explain import Explanation
from genwright.metrics.images import nearest_images

STEPS, DRAWN = 400, 60

EXPECTED = {
    "distance to the nearest, by the usual one": (0.6, 1.8),
    "nearest digits with the label asked for": (0.6, 1.0),
    "label moves a sample, share of the way": (0.3, 1.2),
    "ink moves a sample, share of the way": (0.02, 0.9),
    "label / ink": (1.05, 20.0),
    "distance of a copy": (0.0, 0.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit digits with their label and ink, draw, and explain."""
    data = inked()
    model = gw.fit(data, family=gw.FlowMatching(width=16), steps=STEPS)
    asked = {name: list(data.test.columns[name][:DRAWN]) for name in ("label", "ink")}
    found = gw.explain(model, DRAWN, train=data.train, given=asked, seed=1)
    print(found)
    near = found.train.columns["label"][found.nearest[:, 0]]
    label, ink = found.influence["label"].mean(), found.influence["ink"].mean()
    numbers = {
        "distance to the nearest, by the usual one": float(np.median(found.distances[:, 0])),
        "nearest digits with the label asked for": float(np.mean(near == np.array(asked["label"], dtype=object))),
        "label moves a sample, share of the way": float(label),
        "ink moves a sample, share of the way": float(ink),
        "label / ink": float(label / ink),
        "distance of a copy": float(nearest_images(data.train.take(slice(5)), data.train)[1].max()),
    }
    draw(out, found)
    return show.numbers(numbers, EXPECTED)


def inked() -> Dataset:
    """The digits, their labels, and their mean grey level as a number."""
    digits = gw.read("digits")
    ink = digits.columns["image"].mean((1, 2, 3)).round(1)
    beside = gw.read({"ink": ink})
    columns = {**digits.columns, "ink": beside.columns["ink"]}
    return Dataset((*digits.fields, *beside.fields), columns, "digits with ink", label="label")


def draw(out: Path | None, found: Explanation) -> None:
    """Ten samples above the three training digits nearest to each, and how far each condition moved them."""
    page, axes = show.figure(1, 2, width=5.0, height=3.0)
    near = found.train.columns["image"][found.nearest[:10]].swapaxes(0, 1).reshape(30, 8, 8, 1)
    pixels = np.concatenate([found.samples.columns["image"][:10], near])
    show.images(axes[0, 0], pixels, columns=10, title="samples, and the three nearest of training")
    for k, (name, moved) in enumerate(found.influence.items()):
        axes[0, 1].hist(moved, bins=np.linspace(0, 1.6, 17), alpha=0.6, color=show.COLOURS[k], label=name)
    axes[0, 1].set(xlabel="moved by another value, by how far two samples are apart", ylabel="samples")
    axes[0, 1].legend()
    show.save(page, out, "why_this_sample")


if __name__ == "__main__":
    show.command(main)
