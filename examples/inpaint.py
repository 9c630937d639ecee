"""Inpainting and variations: pictures of which a part is drawn anew, and pictures that are like another.

Flow matching saw some of its training pictures in part, so that one model draws whole digits, and also the rest of a
digit given any part of it. What is given stays as it is, pixel by pixel; what is drawn fits it, in as few calls of the
network as a whole picture takes. Which digit it is is not known then, unless the label is given too. A variation of
some strength is the digit with so much noise on it, and the noise taken off by the model.

    python examples/inpaint.py

You should see the kept pixels untouched; halves that come closer to the true ones than halves of other digits with the
same label, as measured by pixels and by how many are the digit that they were; and variations that leave the digit by
degrees, from itself at strength 0.
"""

from pathlib import Path

import numpy as np
from sklearn.svm import SVC

import genwright as gw
import show
from genwright.data.dataset import Dataset

STEPS = 500
STRENGTHS = (0.0, 0.3, 0.6, 0.9)

EXPECTED = {
    "kept pixels that are unchanged": (1.0, 1.0),
    "error of drawn halves, by that of another digit's half": (0.3, 0.97),
    "error with the label given, by that of the same label's half": (0.3, 0.97),
    "halves completed to the digit that it was": (0.3, 1.0),
    "halves completed to it, label given": (0.8, 1.0),
    "the digit itself at strength 0": (0.0, 0.0),
    "change at strength .3 / .9": (0.05, 0.8),
    "still the digit at strength .3": (0.7, 1.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit once; complete halves of digits that were not trained on, and vary them."""
    data = gw.read("digits")
    model = gw.fit(data, family=gw.FlowMatching(width=16), steps=STEPS)
    test, svm = data.test, SVC().fit(flat(data.train), data.train.columns["label"])
    true, label = test.columns["image"], list(test.columns["label"])
    hole = np.zeros((len(test), 8, 8), dtype=bool)
    hole[::2, :4], hole[1::2, :, 4:] = True, True  # the upper half of every other digit, the right one of the rest
    blind = model.sample(len(test), given={"image": gw.Inpaint(true, hole)}, seed=1)
    told = model.sample(len(test), given={"image": gw.Inpaint(true, hole), "label": label}, seed=1)
    rng = np.random.default_rng(0)
    other = true[rng.permutation(len(test))]
    alike = np.stack([rng.choice(true[test.columns["label"] == each]) for each in label])
    varied = {s: model.sample(len(test), given={"image": gw.Variation(true, s)}, seed=2) for s in STRENGTHS}
    far = {s: np.abs(each.columns["image"].astype(float) - true).mean() for s, each in varied.items()}
    numbers = {
        "kept pixels that are unchanged": float((blind.columns["image"] == true)[~hole].mean()),
        "error of drawn halves, by that of another digit's half": error(blind, true, hole) / error(other, true, hole),
        "error with the label given, by that of the same label's half": error(told, true, hole)
        / error(alike, true, hole),
        "halves completed to the digit that it was": float(np.mean(svm.predict(flat(blind)) == label)),
        "halves completed to it, label given": float(np.mean(svm.predict(flat(told)) == label)),
        "the digit itself at strength 0": far[0.0],
        "change at strength .3 / .9": far[0.3] / far[0.9],
        "still the digit at strength .3": float(np.mean(svm.predict(flat(varied[0.3])) == label)),
    }
    draw(out, true, hole, blind, told, varied)
    return show.numbers(numbers, EXPECTED)


def flat(data: Dataset) -> np.ndarray:
    """Images as rows of 64 pixels."""
    return data.columns["image"].reshape(len(data), -1)


def error(drawn: Dataset | np.ndarray, true: np.ndarray, hole: np.ndarray) -> float:
    """Root mean square difference in the hole."""
    pixels = drawn if isinstance(drawn, np.ndarray) else drawn.columns["image"]
    return float(np.sqrt(((pixels.astype(float) - true)[hole] ** 2).mean()))


def draw(
    out: Path | None, true: np.ndarray, hole: np.ndarray, blind: Dataset, told: Dataset, varied: dict[float, Dataset]
) -> None:
    """Ten digits in rows: what was given, what was made of it, and their variations."""
    given = np.where(hole[..., None], 5, true)
    page, axes = show.figure(1, 2, width=4.6, height=2.6)
    halves = [true, given, blind.columns["image"], told.columns["image"]]
    title = "digits, what was given, completed, with the label"
    show.images(axes[0, 0], np.concatenate([each[:10] for each in halves]), columns=10, title=title)
    strengths = [each.columns["image"][:10] for each in varied.values()]
    title = "variations of strength 0, .3, .6, .9"
    show.images(axes[0, 1], np.concatenate(strengths), columns=10, title=title)
    show.save(page, out, "inpaint")


if __name__ == "__main__":
    show.command(main)
