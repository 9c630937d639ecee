"""Private training: a promise that holds whatever is attacked, what it costs, and an attack beside it.

One table is fitted twice: as it is, and with differential privacy (ε = 2). The private model promises that of any one
record, being there changes what is seen by a factor of e^ε at most, so an attack that is wrong for 1 % of others finds
at most e^ε times 1 % + δ of those that were there. Both models are attacked, and both are held against real records.

    python examples/private_training.py

You should see the strongest attack tell the other model's records from unseen ones, none tell the private model's, and
the private samples differ more from real records: with 1,500 rows, privacy has its price, here a small one.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import genwright as gw
import show
from genwright.audit.membership import membership
from genwright.data.dataset import Dataset

ROWS, EPSILON = 1500, 2.0

EXPECTED = {
    "promised: found at 1 % false alarms, at most": (0.05, 0.1),
    "private: found at 1 % false alarms": (0.0, 0.08),
    "private: lower end of the interval of the AUC": (0.35, 0.5),
    "as it is: lower end of the interval of the AUC": (0.5, 0.75),
    "private: shape error, percent": (1.0, 25.0),
    "as it is: shape error, percent": (0.5, 8.0),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit with and without privacy, attack both, measure both."""
    data = patients(2 * ROWS)
    seen, unseen = data.take(slice(ROWS)), data.take(slice(ROWS, None))
    private = gw.Privacy(epsilon=EPSILON, public={"age": gw.Between(18, 95)})
    models = {
        "private": gw.fit(seen, family=gw.TreeMixture(), privacy=private),
        "as it is": gw.fit(seen, family=gw.Mixture(components=8), steps=20),
    }
    spent = models["private"].record["privacy"]
    delta = float(spent["delta"])
    numbers = {"promised: found at 1 % false alarms, at most": min(1.0, math.exp(EPSILON) * 0.01 + delta)}
    half = len(unseen) // 2
    for name, model in models.items():
        members = seen if name == "private" else seen.train
        found = membership(
            model, members, others=unseen.take(slice(half)), reference=unseen.take(slice(half, None)), records=250
        )
        score = gw.evaluate(model.sample(len(unseen), seed=1), real=unseen, only=["shape error"])["shape error"]
        print(f"  {name}: {score}\n    {found}")
        numbers[f"{name}: shape error, percent"] = score.value
        numbers[f"{name}: found at 1 % false alarms"] = found.strongest.caught[0.01][0]
        numbers[f"{name}: lower end of the interval of the AUC"] = found.strongest.interval[0]
    return show.numbers({name: numbers[name] for name in EXPECTED}, EXPECTED)


def patients(n: int) -> Dataset:
    """Made-up patients: age, pressure and weight that depend on each other, and a diagnosis."""
    rng = np.random.default_rng(0)
    age = np.clip(rng.normal(55, 16, n), 18, 95).round()
    sex = np.where(rng.random(n) < 0.5, "f", "m")
    pressure = (100 + 0.5 * age + rng.normal(0, 12, n)).round()
    odds = 0.05 * (age - 55) + 0.03 * (pressure - 128)
    ill = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no")
    table = pd.DataFrame({"age": age, "sex": sex, "pressure": pressure, "ill": ill})
    with tempfile.TemporaryDirectory() as folder:
        table.to_csv(path := Path(folder) / "patients.csv", index=False)
        return gw.read(path)


if __name__ == "__main__":
    show.command(main)
