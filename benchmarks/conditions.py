"""What conditions cost, and whether every row agrees with them: Adult by the tree and the autoregressive family.

python -m benchmarks.conditions --minutes 0.5

One line per family and set of conditions: the time of drawing as a multiple of that without conditions (seconds of the
processor, medians of three draws taken in turns), and the share of rows that agree.
"""

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

import genwright as gw
from benchmarks.common import data_file, record
from genwright.data.dataset import Dataset
from genwright.families import FAMILIES

ROWS = 20_000
DRAWS = 3
CASES: dict[str, Mapping[str, Any]] = {
    "a value": {"sex": "Female"},
    "a number": {"age": 40},
    "a range": {"age": gw.Between(30, 40)},
    "a set": {"education": gw.OneOf("Bachelors", "Masters", "Doctorate")},
    "missing": {"workclass": None},
    "three together": {"age": gw.Between(30, 40), "sex": "Female", "income": ">50K"},
    "ranges that few rows meet": {"age": gw.Between(60, 70), "hours-per-week": gw.Between(1, 20)},
    "a share": {"income": gw.Shares({">50K": 0.5, "<=50K": 0.5})},
}


def main() -> None:
    """Both families."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0.5, help="of each fit")
    parser.add_argument("--families", nargs="*", default=["tree", "autoregressive"])
    options = parser.parse_args()
    data = gw.read(data_file("table_adult/adult_train.csv.gz"))
    for name in options.families:
        model = gw.fit(data, family=FAMILIES[name](), minutes=options.minutes)
        for case, given in CASES.items():
            measured = costs(model, given)
            record("conditions", {"family": name, "given": case, "rows": ROWS, "minutes": options.minutes}, measured)


def costs(model: gw.Generator, given: Mapping[str, Any]) -> dict[str, float]:
    """Time with conditions over that without, and the share of rows that agree."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    agree = 1.0
    for seed in range(DRAWS):
        for conditioned in (False, True):
            began = time.process_time()
            rows = model.sample(ROWS, given=given if conditioned else None, seed=seed)
            seconds[conditioned].append(time.process_time() - began)
            agree = min(agree, agreement(rows, given)) if conditioned else agree
    with_, without = (float(np.median(seconds[conditioned])) for conditioned in (True, False))
    return {"times": round(with_ / without, 2), "rows_per_second": round(ROWS / with_), "agree": agree}


def agreement(rows: Dataset, given: Mapping[str, Any]) -> float:
    """Share of rows that agree with every condition; 1 where the shares of a column come out to the row."""
    agree = np.ones(len(rows), dtype=bool)
    for name, wanted in given.items():
        column = rows.columns[name]
        match wanted:
            case gw.Between():
                agree &= (column >= wanted.low) & (column <= wanted.high)
            case gw.OneOf():
                agree &= np.isin(column, list(wanted.values))
            case gw.Shares():
                shares = {level: float(np.mean(column == level)) for level in wanted.shares}
                agree &= all(abs(shares[level] - share) < 1 / len(rows) for level, share in wanted.shares.items())
            case None:
                agree &= np.array([value is None for value in column])
            case _:
                agree &= column == wanted
    return float(agree.mean())


if __name__ == "__main__":
    main()
