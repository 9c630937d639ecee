"""Few shots: twenty examples of something new, and a trained model adapts to it by low-rank matrices (LoRA).

The model has seen every digit but the nine. Trained anew, twenty nines are far too few to learn what an image of a
digit is; but a model that knows digits needs to learn only what is new about nines. LoRA keeps all weights as they are
and learns a product of two thin matrices beside some of them: few numbers, so few examples do, and the adapter can be
taken off again. The same works for texts and tables, and with `genwright fit DATA --start DIR --lora RANK`.

    python examples/few_shot.py

You should see the adapted model draw nines, which the first does not; and find nines that were held out likelier than
the first does, and far likelier than a model that was trained on the twenty nines alone.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.svm import SVC

import genwright as gw
import show

NEW, SHOTS = 9, 20
FAMILY = gw.Autoregressive(width=32, depth=2, heads=1, batch=16)

EXPECTED = {
    "nats per held-out nine gained by adapting": (0.2, 60.0),  # 1.1
    "nats per held-out nine gained over twenty nines alone": (8.0, 200.0),  # 17
    "drawn images told to be nines, before": (0.0, 0.15),  # .05
    "drawn images told to be nines, adapted": (0.4, 1.0),  # .72
    "share of parameters that moved": (0.1, 0.2),  # .15
}


def main(out: Path | None = None) -> dict[str, float]:
    """A model of the other digits, the same after twenty nines, and one of the twenty nines alone."""
    data = gw.read("digits")
    digits = data.columns["label"].astype(str)
    judge = SVC().fit(data.columns["image"].reshape(-1, 64), digits)
    images = replace(data.select(["image"]), fixed_split=None)
    nines = np.flatnonzero(digits == str(NEW))
    known, few = images.take(np.flatnonzero(digits != str(NEW))), images.take(nines[:SHOTS])
    asked = images.take(nines[SHOTS:])
    base = gw.fit(known, family=FAMILY, steps=260)
    adapted = gw.fit(few, start=base, lora=4, steps=60)
    alone = gw.fit(few, family=FAMILY, steps=60)
    nats = {name: -model.log_prob(asked).mean() for name, model in (("base", base), ("new", adapted), ("alone", alone))}
    drawn = {name: model.sample(100, seed=1).columns["image"] for name, model in (("base", base), ("new", adapted))}
    told = {name: np.mean(judge.predict(each.reshape(-1, 64)) == str(NEW)) for name, each in drawn.items()}
    page, axes = show.figure(1, 2)
    show.images(axes[0, 0], drawn["base"][:50], columns=10, title="before: every digit but the nine")
    show.images(axes[0, 1], drawn["new"][:50], columns=10, title=f"after {SHOTS} nines")
    show.save(page, out, "few_shot")
    matrices = sum(
        a.a.numel() + a.b.numel() for a in next(p for p in adapted.parts if p.name == "lora").adapters.values()
    )
    numbers = {
        "nats per held-out nine gained by adapting": nats["base"] - nats["new"],
        "nats per held-out nine gained over twenty nines alone": nats["alone"] - nats["new"],
        "drawn images told to be nines, before": told["base"],
        "drawn images told to be nines, adapted": told["new"],
        "share of parameters that moved": matrices / sum(p.numel() for p in base.net.parameters()),
    }
    return show.numbers(numbers, EXPECTED)


if __name__ == "__main__":
    show.command(main)
