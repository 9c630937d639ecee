"""Bias: who is missing from samples, who is drawn worse, and what drawing groups evenly does for a learner.

Made-up applications for a loan: of two groups the smaller is a twelfth, and how its income matters differs. The model
learns them well: its samples have the shares and outcomes of the data, by group and intersection, and its bias. A
second set of samples leaves a part of the small group out, as a filter might, and is found out. Drawn evenly, by
`given`, the same model gives a learner as many records of the small group as of the large one.

    python examples/bias_audit.py

You should see no gap between data and samples beyond chance, the filtered set named, both groups drawn evenly, and a
learner that judged the small group by the rules of the large one, no better than by chance, judge it better.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import genwright as gw
import show
from genwright.audit.bias import balanced, bias, downstream
from genwright.data.dataset import Dataset

ROWS, DRAWN = 2400, 1200
BY, OUTCOME = ["group", "town"], {"granted": "yes"}

EXPECTED = {
    "groups and intersections": (8, 8),
    "found among samples as drawn": (0, 2),
    "found among filtered samples": (2, 8),
    "share of the small group, data": (0.06, 0.11),
    "share of the small group, samples": (0.04, 0.13),
    "share of the small group, filtered": (0.0, 0.06),
    "share of the small group, drawn evenly": (0.5, 0.5),
    "AUC of a learner on the small group, samples as drawn": (0.35, 0.65),
    "gained by drawing evenly": (0.05, 0.5),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit, compare groups, filter, balance, and measure a learner."""
    data = applications()
    model = gw.fit(data.take(slice(ROWS)), family=gw.Mixture(components=12), steps=20)
    real, test = data.take(slice(ROWS)), data.take(slice(ROWS, None))
    fake = model.sample(DRAWN, seed=1)
    small = fake.columns["group"] == "small"
    filtered = fake.take(~small | (np.arange(DRAWN) % 3 == 0))
    found = {name: bias(real, each, by=BY, outcome=OUTCOME) for name, each in [("all", fake), ("cut", filtered)]}
    print("  group                     data  samples  interval of the gap, %   granted: data  samples")
    for each in found["all"]:
        gap = f"[{100 * each.gap[0]:+.1f}, {100 * each.gap[1]:+.1f}]"
        rates = "too few" if each.rate is None else f"{100 * each.rate:5.1f}% {100 * each.fake_rate:7.1f}%"
        print(f"  {each.name:25} {100 * each.share:4.1f}% {100 * each.fake_share:6.1f}%  {gap:22} {rates:>20}")
    even = balanced(model, DRAWN, by=["group"], data=real, seed=2)
    learners = {"as drawn": fake, "evenly": even}
    aucs = {name: downstream(each, test=test, outcome=OUTCOME, by=["group"]) for name, each in learners.items()}
    for name, each in aucs.items():
        value, (low, high), n = each["group=small"]
        print(f"  a learner from samples {name}, small group: AUC {value:.3f} [{low:.3f}, {high:.3f}], {n} records")
    numbers = {
        "groups and intersections": len(found["all"]),
        "found among samples as drawn": sum(each.misrepresented or each.skewed for each in found["all"]),
        "found among filtered samples": sum(each.misrepresented or each.skewed for each in found["cut"]),
        "share of the small group, data": share(real),
        "share of the small group, samples": share(fake),
        "share of the small group, filtered": share(filtered),
        "share of the small group, drawn evenly": share(even),
        "AUC of a learner on the small group, samples as drawn": aucs["as drawn"]["group=small"][0],
        "gained by drawing evenly": aucs["evenly"]["group=small"][0] - aucs["as drawn"]["group=small"][0],
    }
    return show.numbers(numbers, EXPECTED)


def applications() -> Dataset:
    """Applications of two groups: income decides in the large one, years of work in the small one."""
    rng = np.random.default_rng(0)
    n = 2 * ROWS
    small = rng.random(n) < 1 / 12
    income, years = rng.normal(size=n), rng.normal(size=n)
    odds = np.where(small, 2 * years - 0.5, 2 * income + 0.5)
    table = pd.DataFrame(
        {
            "group": np.where(small, "small", "large"),
            "town": np.where(rng.random(n) < 0.4, "north", "south"),
            "income": (30 + 8 * income).round(1),
            "years": (10 + 3 * years).round(1),
            "granted": np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no"),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        table.to_csv(path := Path(folder) / "applications.csv", index=False)
        return gw.read(path)


def share(data: Dataset) -> float:
    """Of the small group."""
    return float(np.mean(data.columns["group"] == "small"))


if __name__ == "__main__":
    show.command(main)
