"""What every benchmark shares: where the data lies, what is recorded, how a row is printed."""

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from genwright import __version__
from genwright.train.devices import environment, peak_memory_mb

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.jsonl"
DATA = Path(os.environ.get("GENWRIGHT_DATA", ROOT.parent / "shared" / "data"))


def data_file(name: str) -> Path:
    """A benchmark file, or an exit that says where it was looked for."""
    path = DATA / name
    if not path.exists():
        sys.exit(f"{path} is missing: set GENWRIGHT_DATA to the folder that holds {name}")
    return path


def record(benchmark: str, settings: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    """Print one result and append it, with the machine it was measured on, to results.jsonl."""
    line = {"benchmark": benchmark, **settings, **measured, "peak_memory_mb": round(peak_memory_mb())}
    line |= {"genwright": __version__, "date": time.strftime("%Y-%m-%d"), "environment": environment()}
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps({key: value for key, value in line.items() if key != "environment"}), flush=True)


def rounded(scores: Iterable[Any]) -> dict[str, Any]:
    """Each score's value, interval and real-vs-real floor under its name."""
    found: dict[str, Any] = {}
    for score in scores:
        found[score.name] = round(score.value, 4)
        if score.interval is not None:
            found[f"{score.name} interval"] = [round(bound, 4) for bound in score.interval]
        if score.floor is not None:
            found[f"{score.name} floor"] = round(score.floor, 4)
    return found
