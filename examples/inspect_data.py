"""What data must be like before a model is worth fitting: found by `inspect`, on a table into which faults were put.

A model learns what is there: marks for "no value" as values, names as names, test rows that it has met. Here a table of
wines gets an address book, a mark of -999, copied rows, a test set that shares rows with it, and a year in which one
instrument was replaced; what is found is held against what was put in.

    python examples/inspect_data.py

You should see every fault found, no false alarm on the table as it came, and the new year's rows, one measurement of
which reads twice as high, far less usual under a density of the old ones than rows of the old year are.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import genwright as gw
import show
from genwright.data.inspect import inspect

COPIES, SHARED, MARKS = 12, 20, 15

EXPECTED = {
    "findings in the table as it came": (0, 0),
    "fields that may hold personal data": (1, 2),
    "marks that may mean missing": (1, 1),
    "rows that repeat another": (COPIES, COPIES),
    "test rows that are training rows": (SHARED, SHARED),
    "keys recognised": (1, 1),
    "smallest share of a class": (0.02, 0.06),
    "usual rows among the old year's ": (0.85, 1.0),
    "usual rows among the new year's": (0.0, 0.6),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Inspect the table before and after faults are put in, and rows of a later year."""
    clean = gw.read("wine").frame
    before = inspect(gw.read(clean, label="class"))
    faulty, later = with_faults(clean, np.random.default_rng(0))
    found = inspect(gw.read(faulty, label="class"), others={"test": gw.read(later, label="class")})
    print(found)
    old, new = drift(clean)
    draw(out, before.label_shares, found.label_shares, old, new)
    return show.numbers(
        {
            "findings in the table as it came": len(before.personal) + len(before.suspicious) + before.duplicates,
            "fields that may hold personal data": len(found.personal),
            "marks that may mean missing": len(found.suspicious),
            "rows that repeat another": found.duplicates,
            "test rows that are training rows": found.leaks[0][2],
            "keys recognised": sum(name == "bottle" for name in found.identifiers),
            "smallest share of a class": min(share for _, share in found.label_shares),
            "usual rows among the old year's ": np.mean(old > 0.1),
            "usual rows among the new year's": np.mean(new > 0.1),
        },
        EXPECTED,
    )


def with_faults(clean: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table with faults, and a test set that shares rows with it."""
    rare = clean.index[clean["class"] == "class_2"]
    table = clean.drop(rare[5:]).sample(frac=1.0, random_state=1)
    table["malic_acid"] = table["malic_acid"].where(rng.permutation(len(table)) >= MARKS, -999.0)
    names = rng.choice(["ana", "bo", "chi", "dan", "eve"], len(table))
    table.insert(0, "contact", [f"{name}{i % 37}@example.org" for i, name in enumerate(names)])
    shared = table.iloc[:SHARED]
    table = pd.concat([table, table.iloc[-COPIES:]])
    table.insert(0, "bottle", [f"B{i:04d}" for i in range(len(table))])
    test = clean.loc[rare[5:]].assign(contact="f@example.org")
    test = pd.concat([shared, test])
    test.insert(0, "bottle", [f"C{i:04d}" for i in range(len(test))])
    return table.reset_index(drop=True), test.reset_index(drop=True)


def drift(clean: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """P-values of a tenth of the rows, as they are and with one measurement twice as high."""
    rows = clean.sample(frac=1.0, random_state=2)
    known, fresh = rows[:130], rows[130:]
    model = gw.Classifier(gw.Mixture(components=1), steps=10).fit(known.drop(columns="class"), known["class"])
    x = fresh.drop(columns="class")
    moved = x.assign(flavanoids=2.0 * x["flavanoids"])
    return model.outlier_p_value(x), model.outlier_p_value(moved)


def draw(out: Path | None, before: tuple, after: tuple, old: np.ndarray, new: np.ndarray) -> None:
    """Shares of the classes before and after, and the p-values of either year."""
    page, axes = show.figure(1, 2)
    for k, (shares, name) in enumerate(((before, "as it came"), (after, "with faults"))):
        names, values = zip(*sorted(shares), strict=True)
        axes[0, 0].bar(np.arange(len(names)) + 0.4 * k, values, 0.4, color=show.COLOURS[k], label=name)
        axes[0, 0].set_xticks(np.arange(len(names)) + 0.2, names)
    axes[0, 0].set_title("shares of the classes", fontsize=10)
    for colour, values, name in ((show.COLOURS[0], old, "old year"), (show.COLOURS[1], new, "new year")):
        axes[0, 1].plot(np.sort(values), np.linspace(0, 1, len(values)), color=colour, label=name)
    axes[0, 1].plot([0, 1], [0, 1], color="0.7", lw=1)
    axes[0, 1].set(xlabel="p-value", ylabel="share of rows below")
    for axis in axes[0]:
        axis.legend(fontsize=7)
    show.save(page, out, "inspect_data")


if __name__ == "__main__":
    show.command(main)
