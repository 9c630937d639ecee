"""Table generators side by side: genwright's families and other packages, on rows that no fit has seen.

    python -m benchmarks.tables --data adult --systems tree:60 autoregressive:60 --seeds 3
    python -m benchmarks.tables --systems independent copula ctgan tvae --sdv PYTHON
    python -m benchmarks.tables --systems argn argn:60 --mostly PYTHON
    python -m benchmarks.tables --write

A system is a name and, after a colon, the seconds it may fit. SDV and MOSTLY AI's engine run in interpreters of their
own. Adult keeps its own test file; of the others a random half is held out, drawn anew for every seed, so that there
are as many held-out as training rows. Every result is a line of docs/evidence/tables.jsonl, from which --write makes
docs/evidence/tables.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import genwright as gw
from benchmarks.common import ROOT, data_file
from benchmarks.tables_page import write_page
from genwright.audit import copies
from genwright.data.dataset import Dataset, Identifier
from genwright.data.split import Split
from genwright.families import FAMILIES
from genwright.metrics import judges, tables
from genwright.scores.score import Score
from genwright.train.devices import environment

RESULTS = ROOT / "docs" / "evidence" / "tables.jsonl"
FILES = {
    "adult": "table_adult/adult_train.csv.gz",
    "beijing": "table2_beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv.gz",
    "bike": "table2_bike_sharing/hour.csv.gz",
}
TARGETS = {"adult": "income", "beijing": "pm2.5", "bike": "hum"}  # what models that learn from generated rows predict
ADULT_TEST = "table_adult/adult_test.csv.gz"
SDV, MOSTLY = ("copula", "ctgan", "tvae"), ("argn",)
DEFAULT_SECONDS = 60.0  # of genwright's families


def load(name: str, seed: int) -> tuple[Dataset, Dataset]:
    """Rows to fit to, and as many unseen ones as there are."""
    if name == "adult":
        return gw.read(data_file(FILES[name]), label="income"), gw.read(data_file(ADULT_TEST), label="income")
    data = gw.read(data_file(FILES[name]))
    order = np.random.default_rng(seed).permutation(len(data))
    half = len(data) // 2
    return data.take(np.sort(order[:half])), data.take(np.sort(order[half:]))


def all_for_fitting(data: Dataset, seed: int) -> Dataset:
    """The same rows without a test part: one in ten decides when to stop, the others are fitted to."""
    order = np.random.default_rng(seed).permutation(len(data))
    stop, fit = np.sort(order[: len(data) // 10]), np.sort(order[len(data) // 10 :])
    return replace(data, fixed_split=Split(fit, stop, np.zeros(0, dtype=np.int64)))


def ours(name: str, train: Dataset, rows: int, seconds: float, seed: int) -> tuple[Dataset, dict[str, Any]]:
    """Rows of one of genwright's families, and how long it took."""
    family = gw.TreeMixture(states=1) if name == "independent" else FAMILIES[name]()
    began = time.monotonic()
    model = gw.fit(all_for_fitting(train, seed), family=family, minutes=seconds / 60.0, seed=seed)
    fitted = time.monotonic()
    fake = model.sample(rows, seed=seed)
    times = {"fit_seconds": round(fitted - began, 1), "rows_per_second": round(rows / (time.monotonic() - fitted))}
    return fake, times | {"correction": model.record.get("correction")}


def theirs(
    name: str, train: Dataset, rows: int, seconds: float | None, seed: int, python: str
) -> tuple[Dataset, dict[str, Any]]:
    """Rows of another package, run by the interpreter that has it."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "train.csv", Path(folder) / "fake.csv"
        keys = [f.name for f in train.fields if isinstance(f, Identifier)]
        train.frame.drop(columns=keys).to_csv(given, index=False)
        script = str(ROOT / "benchmarks" / "tables_peers.py")
        command = [python, script, name, str(given), str(made), "--rows", str(rows), "--seed", str(seed)]
        command += [] if seconds is None else ["--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-2000:]}")
        schema = {f.name: f for f in train.fields if f.name not in keys}
        return gw.read(made, schema=schema), json.loads(done.stdout.splitlines()[-1])


def score(name: str, train: Dataset, test: Dataset, fake: Dataset, seed: int) -> dict[str, Any]:
    """What is measured of generated rows; floors are real training rows in their place, as many."""
    few = train.take(np.sort(np.random.default_rng(seed).permutation(len(train))[: len(fake)]))
    found: dict[str, Any] = {"rows": min(len(test), len(fake))}
    for metric in (tables.shape_error, tables.trend_error, judges.c2st):
        here: Score = metric(test, fake, seed=seed)
        found[here.name], found[f"{here.name} floor"] = here.value, metric(test, few, seed=seed).value
    target = TARGETS[name]
    gaps = [judges.tstr_gap(train, x, test=test, target=target, refits=0, seed=seed).value for x in (fake, few)]
    found["TSTR gap"], found["TSTR gap floor"] = gaps
    found["nearest training row"] = copies.nearest_training_row(train, fake, held_out=test, seed=seed).value
    found["exact copies"] = copies.exact_copy_rate(train, fake, held_out=test).value
    return {key: round(value, 4) for key, value in found.items()}


def main() -> None:
    """Fit, score, append; or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(FILES), choices=list(FILES))
    parser.add_argument("--systems", nargs="+", default=["tree:60", "autoregressive:60"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--sdv", default="", help="an interpreter that has sdv")
    parser.add_argument("--mostly", default="", help="an interpreter that has mostlyai-engine")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        write_page(RESULTS)
        return
    for name in options.data:
        for seed in range(options.seeds):
            train, test = load(name, seed)
            for system in options.systems:
                kind, _, limit = system.partition(":")
                seconds = float(limit) if limit else None
                if kind in SDV + MOSTLY:
                    python = options.sdv if kind in SDV else options.mostly
                    fake, took = theirs(kind, train, len(test), seconds, seed, python or sys.executable)
                else:
                    fake, took = ours(kind, train, len(test), seconds or DEFAULT_SECONDS, seed)
                line = {"data": name, "system": system, "seed": seed, "train": len(train)} | took
                line |= score(name, train, test, fake, seed) | {"date": time.strftime("%Y-%m-%d")}
                with open(RESULTS, "a", encoding="utf-8") as file:
                    file.write(json.dumps(line | {"environment": environment()}) + "\n")
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
