"""Text to image: a caption says what to draw.

Each digit has a caption, such as "a thin three" or "a bold seven": its name, and whether it has less or more ink than
most of its kind. Flow matching learns pictures given captions; a small transformer that is trained with it reads them.
Guidance strengthens what the caption says.

    python examples/text_to_image.py

You should see that of five real digits that were not trained on the one whose caption was drawn is nearest to the
picture far more often than one time in five; the digit that was asked for; and more ink where "bold" was asked for.
"""

from pathlib import Path

import numpy as np
from sklearn.svm import SVC

import genwright as gw
import show
from genwright.data.dataset import Dataset
from genwright.scores.intervals import share_interval

STEPS = 500
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CHOICES = 5

EXPECTED = {
    "nearest of five is the one described": (0.35, 1.0),
    "lower end of its 95 % interval": (0.25, 1.0),
    "pictures that are the digit asked for": (0.6, 1.0),
    "ink of bold / thin": (1.05, 2.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit pictures given captions, and draw the captions of digits that were not trained on."""
    data = captioned()
    model = gw.fit(data, family=gw.FlowMatching(width=16), target="image", steps=STEPS)
    test = data.test
    drawn = model.sample(len(test), given={"caption": list(test.columns["caption"])}, seed=1)
    hits = nearest_is_right(drawn.columns["image"], test.columns["image"], test.columns["caption"])
    named = np.array([NAMES.index(caption.split()[-1]) for caption in test.columns["caption"]])
    svm = SVC().fit(data.train.columns["image"].reshape(-1, 64), [words(c) for c in data.train.columns["caption"]])
    found = svm.predict(drawn.columns["image"].reshape(-1, 64))
    bold = np.array(["bold" in caption for caption in test.columns["caption"]])
    ink = drawn.columns["image"].mean((1, 2, 3))
    low, _ = share_interval(float(hits.mean()), len(hits))
    numbers = {
        "nearest of five is the one described": float(hits.mean()),
        "lower end of its 95 % interval": low,
        "pictures that are the digit asked for": float(np.mean(found == named)),
        "ink of bold / thin": float(ink[bold].mean() / ink[~bold].mean()),
    }
    draw(out, model)
    return show.numbers(numbers, EXPECTED)


def captioned() -> gw.Dataset:
    """Digits with a caption each in place of their label."""
    digits = gw.read("digits")
    pixels, label = digits.columns["image"], digits.columns["label"].astype(int)
    ink = pixels.mean((1, 2, 3))
    usual = np.array([np.median(ink[label == k]) for k in range(10)])
    captions = [f"a {'bold' if i > usual[k] else 'thin'} {NAMES[k]}" for i, k in zip(ink, label, strict=True)]
    caption = gw.read({"caption": captions}, schema={"caption": "text"})
    fields = (digits.field("image"), *caption.fields)
    return Dataset(fields, {"image": pixels, "caption": np.array(captions, dtype=object)}, "captioned digits")


def words(caption: str) -> int:
    """The digit that a caption names."""
    return NAMES.index(caption.split()[-1])


def nearest_is_right(drawn: np.ndarray, real: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """Whether of the real digit that was described and four with other captions the first is nearest."""
    rng, hits = np.random.default_rng(0), []
    for i, picture in enumerate(drawn.astype(float)):
        others = rng.choice(np.flatnonzero(captions != captions[i]), CHOICES - 1, replace=False)
        apart = [np.square(picture - real[j]).mean() for j in (i, *others)]
        hits.append(int(np.argmin(apart)) == 0)
    return np.array(hits)


def draw(out: Path | None, model: gw.Generator) -> None:
    """Every digit thin and bold, four times each."""
    captions = [f"a {ink} {name}" for ink in ("thin", "bold") for _ in range(4) for name in NAMES]
    pixels = model.sample(len(captions), given={"caption": captions}, seed=3).columns["image"]
    page, axes = show.figure(1, 1, width=5.2, height=4.6)
    show.images(axes[0, 0], pixels, columns=10, title='"a thin zero" to "a thin nine", then "a bold zero" and so on')
    show.save(page, out, "text_to_image")


if __name__ == "__main__":
    show.command(main)
