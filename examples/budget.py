"""Budgets: what a fit will take is told before it begins, the time that is given is kept, precision is measured.

Before the first step the memory at the peak is estimated from the graph of one small batch. Then each choice of threads
and number format is timed on copies of the net, for a twenty-fifth of the time, and the fastest is taken: bfloat16 only
where it is a quarter faster than float32. The number of steps follows from the clock, and is corrected on the way.

    python examples/budget.py

You should see fits end within their time, and the memory that was foretold near what the process held.
"""

import time
from pathlib import Path

import genwright as gw
import show
from genwright.train.devices import peak_memory_mb

SECONDS = (4.0, 8.0)
EXPECTED = {
    "seconds taken of 4": (2.0, 6.0),
    "seconds taken of 8": (4.0, 10.0),
    "peak memory by its estimate": (0.5, 1.5),
}


def main(out: Path | None = None) -> dict[str, float]:
    """Two fits by the clock; what was foretold beside what was measured."""
    data, took, records = gw.read("digits"), [], []
    for seconds in SECONDS:
        began = time.monotonic()
        model = gw.fit(data, family=gw.FlowMatching(width=16, batch=32), minutes=seconds / 60)
        took.append(time.monotonic() - began)
        records.append(model.record)
        plan = model.record["plan"]
        print(f"{seconds:g} s: {plan['steps']} steps, {plan['threads']} threads, {plan['dtype']}")
    numbers = {
        **{f"seconds taken of {asked:g}": seconds for asked, seconds in zip(SECONDS, took, strict=True)},
        "peak memory by its estimate": peak_memory_mb() / records[1]["estimated_memory_mb"],
    }
    return show.numbers(numbers, EXPECTED)


if __name__ == "__main__":
    show.command(main)
