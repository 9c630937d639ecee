"""Privacy audits: whether a model gives away who was in its training data.

Three models of one table: one that learned its eighty records by heart, one that stopped in time, and one that never
saw the records that are asked about. A fixed list of attacks guesses who was in; the strongest is told, with an
interval that allows for its having been chosen among many.

    python examples/privacy_audit.py

You should see nearly every record of the first model found, little or nothing of the second, and nothing of the third:
its interval holds 0.5, what guessing reaches.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

import genwright as gw
import show
from genwright.audit.membership import Membership, membership
from genwright.data.split import Split

SEEN = 80

EXPECTED = {
    "attacks": (8, 20),
    "AUC, by heart": (0.9, 1.0),
    "lower end of its interval": (0.75, 1.0),
    "found at 1 % false alarms, by heart": (0.2, 1.0),
    "AUC, stopped in time": (0.4, 0.85),
    "AUC, none seen": (0.4, 0.7),
    "its interval holds 0.5": (1, 1),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Fit three models and attack each."""
    data = gw.read("diabetes")
    data = data.take(np.random.default_rng(0).permutation(len(data)))
    others, known = data.take(slice(240, 340)), data.take(slice(340, None))
    seen = data.take(slice(SEEN))
    heart = replace(seen, fixed_split=Split(np.arange(SEEN), np.arange(20), np.arange(0)))
    by_heart = gw.fit(heart, family=gw.Mixture(components=SEEN), steps=100, doctor=None)
    rest = data.take(slice(SEEN + 100))
    split = Split(np.arange(SEEN), np.arange(SEEN, SEEN + 100), np.arange(0))
    in_time = gw.fit(replace(rest, fixed_split=split), family=gw.Mixture(components=2), steps=20)
    numbers, found = {}, {}
    for name, model, members in [
        ("by heart", by_heart, seen),
        ("stopped in time", in_time, seen),
        ("none seen", by_heart, data.take(slice(140, 240))),
    ]:
        found[name] = membership(model, members, others=others, reference=known)
        tell(name, found[name])
        numbers[f"AUC, {name}"] = found[name].strongest.auc
    best = found["by heart"].strongest
    low, high = found["none seen"].strongest.interval
    numbers |= {
        "attacks": len(found["by heart"].attacks),
        "lower end of its interval": best.interval[0],
        "found at 1 % false alarms, by heart": best.caught[0.01][0],
        "its interval holds 0.5": float(low <= 0.5 <= high),
    }
    return show.numbers({name: numbers[name] for name in EXPECTED}, EXPECTED)


def tell(name: str, found: Membership) -> None:
    """The verdict and the three strongest attacks."""
    print(f"  {name}: {found}")
    for each in found.attacks[:3]:
        print(f"    {each.name}: AUC {each.auc:.3f} [{each.interval[0]:.3f}, {each.interval[1]:.3f}]")


if __name__ == "__main__":
    show.command(main)
