"""Images from a folder: read, fit, draw, look, and write a folder that is read again.

A folder of pictures with a sub-folder for each class is all that is needed. What else lies there is looked at too: a
table beside the pictures would become fields, a file that is no picture is named in the notes, and a broken one.

    python examples/images_from_a_folder.py

You should see every picture read and the broken one told; labels from the folders; samples that are what their label
says; a sheet of them; and a folder of samples that reads back pixel by pixel.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.svm import SVC

import genwright as gw
import show
from genwright.data.dataset import Dataset

STEPS, DRAWN = 300, 100

EXPECTED = {
    "pictures read": (1797, 1797),
    "broken pictures told": (1, 1),
    "labels from sub-folders": (10, 10),
    "samples that are what their label says": (0.4, 1.0),
    "pixels that read back as they were written": (1.0, 1.0),
    "pixels of the sheet, of a side": (400, 2000),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Make a folder of pictures, and go the whole way."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "pictures")
        make(folder)
        data = gw.read(folder)
        model = gw.fit(data, family=gw.FlowMatching(width=16), steps=STEPS)
        fake = model.sample(DRAWN, given={"label": [f"digit {k % 10}" for k in range(DRAWN)]}, seed=1)
        gw.write(fake, Path(place, "fake"))
        back = gw.read(Path(place, "fake"))
        sheet = (show.FOLDER if out is None else out) / "images_from_a_folder.png"
        sheet.parent.mkdir(parents=True, exist_ok=True)
        gw.write(fake, sheet)
    with Image.open(sheet) as picture:
        side = picture.width
    print(f"  picture: {sheet}")
    svm = SVC().fit(flat(data.train), data.train.columns["label"])
    numbers = {
        "pictures read": len(data),
        "broken pictures told": sum("broken.png" in note for note in data.notes),
        "labels from sub-folders": len(set(data.columns["label"])),
        "samples that are what their label says": float(np.mean(svm.predict(flat(fake)) == fake.columns["label"])),
        "pixels that read back as they were written": float((back.columns["image"] == fake.columns["image"]).mean()),
        "pixels of the sheet, of a side": side,
    }
    return show.numbers(numbers, EXPECTED)


def make(folder: Path) -> None:
    """scikit-learn's digits as PNG files, a sub-folder for each class, and a file that is no picture after all."""
    digits = gw.read("digits")
    for k, (pixels, label) in enumerate(zip(digits.columns["image"], digits.columns["label"], strict=True)):
        path = folder / f"digit {label}" / f"{k:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 - 15 * pixels[:, :, 0]).astype(np.uint8)).save(path)  # ink on paper
    (folder / "digit 0" / "broken.png").write_bytes(b"this is no picture")


def flat(data: Dataset) -> np.ndarray:
    """Images as rows of 64 pixels."""
    return data.columns["image"].reshape(len(data), -1) / 15


if __name__ == "__main__":
    show.command(main)
