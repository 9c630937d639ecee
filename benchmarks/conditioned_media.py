"""Do models use conditions of every kind? Held-out loss with the right condition against shuffled ones.

`python -m benchmarks.conditioned_media --minutes 3`: pictures by their captions, texts by texts, pictures by their own
small versions. The data lie in `../shared/data`. Writes docs/evidence/conditioned_media.md.
"""

import argparse
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import genwright as gw
from benchmarks.common import ROOT

DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "evidence" / "conditioned_media.md"
PAIRS = 6000  # sentences
SIZE = (32, 32)
REPEATS = 20  # of the noise and the shuffling
SMALL = gw.Derived("image", "low resolution")


def emoji(*fields: str) -> gw.Dataset:
    """EmojiTwo: pictures, their names and categories."""
    folder = Path(tempfile.mkdtemp())
    with zipfile.ZipFile(DATA / "captions_emojitwo" / "emojitwo64.zip") as archive:
        archive.extractall(folder)
    return gw.read(folder, size=SIZE).select(fields)


def sentences() -> gw.Dataset:
    """Tatoeba: English and Spanish."""
    with zipfile.ZipFile(DATA / "pairs_tatoeba_eng_spa" / "spa-eng.zip") as archive:
        lines = archive.read("spa-eng/spa.txt").decode().splitlines()
    pairs = [lines[i].split("\t") for i in np.random.default_rng(0).permutation(len(lines))[:PAIRS]]
    table = {"english": [pair[0] for pair in pairs], "spanish": [pair[1] for pair in pairs]}
    return gw.read(table, schema={"english": "text", "spanish": "text"})


CASES: dict[str, Callable[[], tuple[gw.Dataset, str, tuple[gw.Derived, ...]]]] = {
    "a picture by its caption": lambda: (emoji("image", "name"), "image", ()),
    "a sentence by its translation": lambda: (sentences(), "spanish", ()),
    "a picture by its small version": lambda: (emoji("image"), "image", (SMALL,)),
}


@torch.no_grad()
def losses(model: gw.Generator, data: gw.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Held-out losses with the right and with shuffled conditions, one of each per repeat, noise in common."""
    rows = model.codec.encode(model.inner(data), rng=torch.Generator().manual_seed(0))
    assert rows.context is not None
    right, shuffled = [], []
    for repeat in range(REPEATS):
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(repeat))
        for found, context in ((right, rows.context), (shuffled, rows.context[order])):
            rng = torch.Generator().manual_seed(repeat)
            x = model.codec.space.unpack(rows.x)
            found.append(float(model.family.held_out(model.net, x, context, rng)))
    return np.array(right), np.array(shuffled)


def main() -> None:
    """Measure all cases, or those named, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--show", type=Path, help="a folder to write some samples to")
    options = parser.parse_args()
    lines = []
    for name in options.cases:
        data, target, derived = CASES[name]()
        model = gw.fit(data, target=target, derived=derived, minutes=options.minutes, seed=0)
        right, shuffled = losses(model, data.test)
        gain = shuffled - right
        error = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
        line = f"| {name} | {model.family.name} | {right.mean():.4f} | {shuffled.mean():.4f} |"
        lines.append(f"{line} {gain.mean():.4f} ± {error:.4f} |")
        print(lines[-1], flush=True)
        if options.show:
            model.save(options.show / name.replace(" ", "-"))
    head = "# Conditions of every kind\n\n" + (
        f"`python -m benchmarks.conditioned_media --minutes {options.minutes:g}`: each model has so long. "
        "Loss on the test part (a tenth) with each record's own condition, and with those of other records; "
        f"{REPEATS} draws of noise and order, noise in common. The gain has a 95 % interval over these draws.\n\n"
        "| what is modelled | family | right | shuffled | gain |\n|---|---|---|---|---|\n"
    )
    PAGE.write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
