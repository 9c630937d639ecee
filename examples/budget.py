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

SECONDS = (1.5, 3.0)
EXPECTED = {
    "seconds taken of 1.5": (0.5, 30.0),  # 4.8 on a busy machine, where the first measurement alone takes long
    "seconds taken of 3": (1.0, 30.0),  # 3.0
    "steps per second in 3 s, by those in 1.5 s": (0.01, 1000.0),  # 18, the first fit having had time for one step
    "peak memory by its estimate": (0.3, 2.0),  # .99
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
    steps = [max(1, record["plan"]["steps"]) for record in records]
    numbers = {
        "seconds taken of 1.5": took[0],
        "seconds taken of 3": took[1],
        "steps per second in 3 s, by those in 1.5 s": steps[1] / steps[0] * SECONDS[0] / SECONDS[1],
        "peak memory by its estimate": peak_memory_mb() / records[1]["estimated_memory_mb"],
    }
    return show.numbers(numbers, EXPECTED)


if __name__ == "__main__":
    show.command(main)
