"""Few shots: an adapter against full fine-tuning and training from scratch, on what is new and on what was known.

`python -m benchmarks.adapters` fits flow matching to nine classes of Fashion-MNIST and learns the tenth from 20 images;
`--data omniglot` fits to all characters but one and learns that from 10. Each way takes the same number of steps.
Losses are the flow-matching loss of images that no fit saw, over eight draws of noise and times, common to all ways;
"told right" is the share of 64 images drawn of the new label that a classifier of real images calls it.
"""

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import genwright as gw
from benchmarks.common import data_file, record
from genwright.model.adapters import relabelled

DRAWS, OLD, DRAWN = 8, 1000, 64


def fashion() -> tuple[gw.Dataset, gw.Dataset, gw.Dataset, gw.Dataset]:
    """Known training images, new ones to learn from, new and known ones to judge by: bags are new."""
    data = replace(gw.read(data_file("images_fashion_mnist")), fixed_split=None)
    labels, rng = data.columns["label"], np.random.default_rng(0)
    known, new = (rng.permutation(np.flatnonzero(each)) for each in (labels != "8", labels == "8"))
    return data.take(known[OLD:]), data.take(new[:20]), data.take(new[20 : 20 + OLD]), data.take(known[:OLD])


def omniglot() -> tuple[gw.Dataset, gw.Dataset, gw.Dataset, gw.Dataset]:
    """The same of characters at 28 x 28: the last one is new, 10 of it to learn from and 10 to judge by."""
    data = gw.read(data_file("images_omniglot_small/images_background_small1.zip"), size=(28, 28))
    data = replace(data, fixed_split=None)
    labels, rng = data.columns["label"], np.random.default_rng(0)
    last = sorted(set(labels))[-1]
    known, new = (rng.permutation(np.flatnonzero(each)) for each in (labels != last, labels == last))
    return data.take(known[300:]), data.take(new[:10]), data.take(new[10:]), data.take(known[:300])


DATA = {"fashion": fashion, "omniglot": omniglot}


def loss(model: gw.Generator, data: gw.Dataset) -> float:
    """Mean held-out loss over draws that are the same for every model."""
    rows = model.codec.encode(data, rng=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        found = [
            float(model.family.held_out(model.net, part.unpacked(model.codec.space), part.context, rng)) * len(part)
            for _ in range(DRAWS)
            for part in (rows.rows(at) for at in torch.arange(len(rows)).split(250))
        ]
    return sum(found) / len(rows) / DRAWS


def told_right(model: gw.Generator, judge: LogisticRegression, label: str) -> float:
    drawn = model.sample(DRAWN, given={"label": label}, seed=1).columns["image"]
    return float(np.mean(judge.predict(drawn.reshape(DRAWN, -1) / 255.0) == label))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(DATA), default="fashion")
    parser.add_argument("--base-steps", type=int, default=600)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--rank", type=int, default=8)
    options = parser.parse_args()
    known, few, new, old = DATA[options.data]()
    label = str(few.columns["label"][0])
    some = np.random.default_rng(0).permutation(len(known))[:4000]
    shown = [*known.columns["image"][some], *new.columns["image"][:400]]
    names = [*known.columns["label"][some], *new.columns["label"][:400]]
    judge = LogisticRegression(max_iter=100).fit(np.stack(shown).reshape(len(shown), -1) / 255.0, names)
    family = gw.FlowMatching(width=32, batch=64)
    began = time.process_time()
    base = gw.fit(known, family=family, steps=options.base_steps)
    record("adapters", vars(options), {"way": "base", "cpu_seconds": round(time.process_time() - began, 1)})
    wide = relabelled(base, more={"label": (label,)})
    ways: dict[str, Any] = {
        "before": lambda: wide,
        "adapter": lambda: base.adapt(few, steps=options.steps, lora=options.rank),
        "adapter, real images kept": lambda: base.adapt(few, keep=known.take(some[:256]), steps=options.steps),
        "full fine-tuning": lambda: gw.fit(few, start=wide, steps=options.steps),
        "from scratch": lambda: gw.fit(few, family=family, steps=options.steps),
    }
    for way, make in ways.items():
        began = time.process_time()
        model = make()
        took = time.process_time() - began
        found: dict[str, Any] = {"way": way, "cpu_seconds": round(took, 1), "new": round(loss(model, new), 4)}
        if way != "from scratch":  # it has no label but one
            found |= {"known": round(loss(model, old), 4), "told_right": told_right(model, judge, label)}
        record("adapters", vars(options), found)


if __name__ == "__main__":
    main()
