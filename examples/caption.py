"""Image to text: what is in the picture, said in words.

The same captioned digits as in `text_to_image.py`, the other way round: texts are modelled given pictures. A causal
transformer writes the caption, before which the picture stands; temperature 0 takes the likeliest words.

    python examples/caption.py

You should see captions that name the digit and say whether it is thin or bold far more often than captions of other
digits do, for digits that were not trained on; and the right caption likelier than one for another digit.
"""

from pathlib import Path

import numpy as np

import genwright as gw
import show
from text_to_image import captioned

STEPS = 400

EXPECTED = {
    "captions that name the digit": (0.6, 1.0),
    "captions that name it, of another picture": (0.0, 0.25),
    "captions that say thin or bold rightly": (0.55, 1.0),
    "captions that are wholly right": (0.4, 1.0),
    "own caption likelier than another's": (0.75, 1.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit captions given pictures, and describe digits that were not trained on."""
    data = captioned()
    model = gw.fit(data, family=gw.Autoregressive(width=64, depth=2, heads=2), target="caption", steps=STEPS)
    test = data.test
    images, true = list(test.columns["image"]), test.columns["caption"]
    how = gw.Sampling(temperature=0.0)
    said = model.sample(len(test), given={"image": images}, how=how, seed=1).columns["caption"]
    order = np.random.default_rng(0).permutation(len(test))
    swapped = gw.Dataset(test.fields, {"image": test.columns["image"], "caption": true[order]}, "swapped")
    other = true != true[order]
    better = (model.log_prob(test) > model.log_prob(swapped))[other]
    names, inks = (np.array([part(c, i) == part(s, i) for c, s in zip(true, said, strict=True)]) for i in (-1, 1))
    numbers = {
        "captions that name the digit": names.mean(),
        "captions that name it, of another picture": np.mean(
            [part(c, -1) == part(s, -1) for c, s in zip(true, said[order], strict=True)]
        ),
        "captions that say thin or bold rightly": inks.mean(),
        "captions that are wholly right": np.mean(true == said),
        "own caption likelier than another's": better.mean(),
    }
    draw(out, test.columns["image"], said)
    return show.numbers({name: float(value) for name, value in numbers.items()}, EXPECTED)


def part(caption: str, place: int) -> str:
    """A word of a caption; nothing where it has so few."""
    found = caption.split()
    return found[place] if len(found) == 3 else ""


def draw(out: Path | None, pixels: np.ndarray, said: np.ndarray) -> None:
    """Some digits with what was said of them."""
    page, axes = show.figure(3, 6, width=1.5, height=1.7)
    for axis, image, caption in zip(axes.flat, pixels, said, strict=False):
        show.images(axis, image[None], columns=1, title=caption)
    show.save(page, out, "caption")


if __name__ == "__main__":
    show.command(main)
