"""Make the golden folders: `python -m tests.golden.record [NAME ...]`, all that are not there yet without names.

They are models as they were saved by an earlier genwright. A change that has to record one anew says why.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import genwright as gw
from genwright.constraints import Order
from genwright.families.family import Density

HERE = Path(__file__).parent
DRAWS = 6


def table() -> gw.Dataset:
    """Numbers, a category and gaps, one depending on another."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b", "c"], 120)
    size = rng.normal(5, 1, 120) + 3 * (kind == "b")
    frame = pd.DataFrame({"kind": kind, "size": size.round(2), "count": rng.integers(0, 40, 120)})
    frame.loc[rng.random(120) < 0.1, "size"] = np.nan
    return gw.read(frame)


def ruled() -> gw.Dataset:
    """A table with an order between two columns and free text."""
    rng = np.random.default_rng(1)
    low = rng.integers(0, 50, 120)
    note = [
        f"the {rng.choice(['red', 'blue'])} one of lot {i}, {rng.choice(['kept', 'sold', 'lost'])}" for i in range(120)
    ]
    return gw.read(pd.DataFrame({"low": low, "high": low + rng.integers(0, 9, 120), "note": note}))


def pictures() -> gw.Dataset:
    """Squares on the left or the right, by label."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 60)
    pixels = rng.integers(0, 40, (60, 8, 8, 1), dtype=np.uint8)
    for each, side in zip(pixels, label, strict=True):
        each[2:6, 4 * side : 4 * side + 3] += 200
    return gw.read({"images": pixels[..., 0], "labels": np.array(["left", "right"])[label]})


def lines() -> gw.Dataset:
    rng = np.random.default_rng(3)
    return gw.read([" ".join(rng.choice(["one", "two", "three", "four"], 4)) for _ in range(80)])


def corrected() -> gw.Dataset:
    """Rows enough for a correction."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=3000)
    return gw.read(pd.DataFrame({"x": x.round(3), "y": (np.sin(3 * x) + 0.05 * rng.normal(size=3000)).round(3)}))


SMALL = {"width": 8}
CASES = {
    "mixture": (table, {"family": gw.Mixture(components=3)}),
    "tree": (table, {"family": gw.TreeMixture()}),
    "copula": (table, {"family": gw.Copula()}),
    "autoregressive": (table, {"family": gw.Autoregressive(width=8, depth=1)}),
    "vae": (table, {"family": gw.VAE(width=8)}),
    "gan": (table, {"family": gw.GAN(width=8)}),
    "diffusion": (table, {"family": gw.Diffusion(width=8), "how": gw.Sampling(steps=4)}),
    "flow": (table, {"family": gw.FlowMatching(width=8), "how": gw.Sampling(steps=4)}),
    "mixture-images": (pictures, {"family": gw.Mixture(components=2)}),
    "vae-images": (pictures, {"family": gw.VAE(width=8)}),
    "gan-images": (pictures, {"family": gw.GAN(width=8)}),
    "diffusion-images": (pictures, {"family": gw.Diffusion(width=8), "how": gw.Sampling(steps=4)}),
    "flow-images": (pictures, {"family": gw.FlowMatching(width=8), "how": gw.Sampling(steps=4)}),
    "autoregressive-text": (lines, {"family": gw.Autoregressive(width=16, depth=1, heads=2)}),
    "masked-diffusion-text": (lines, {"family": gw.MaskedDiffusion(width=16, depth=1, heads=2)}),
    "rules-and-texts": (ruled, {"family": gw.TreeMixture(), "constraints": [Order(["low", "high"])]}),
    "correction": (corrected, {"family": gw.Mixture(components=2), "minutes": 0.1}),
}


def plain(data: gw.Dataset) -> dict[str, list]:
    """Columns as JSON has them."""
    return {
        name: json.loads(json.dumps(np.asarray(values).tolist(), default=str)) for name, values in data.columns.items()
    }


def expected(model: gw.Generator, data: gw.Dataset) -> dict:
    """What a model draws, and the log-densities of rows of its data where it has them."""
    found = {"sample": plain(model.sample(DRAWS, seed=1))}
    if model.can.density is not Density.ABSENT:
        found["log_prob"] = model.log_prob(data.take(np.arange(DRAWS)), seed=1).tolist()
    return found


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    for name in names or [name for name in CASES if not (HERE / name).exists()]:
        make, options = CASES[name]
        data = make()
        model = gw.fit(data, **({"steps": 30} | options if "minutes" not in options else options), seed=0)
        model.save(HERE / name)
        (HERE / name / "README.md").unlink(missing_ok=True)
        (HERE / f"{name}.json").write_text(json.dumps(expected(model, data)) + "\n")
        size = sum(p.stat().st_size for p in (HERE / name).iterdir())
        print(name, f"{size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
