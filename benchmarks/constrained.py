"""What rules cost: ten rules in a million rows of a mixture, and totals of bike sharing by tree and autoregressive.

python -m benchmarks.constrained --case rules --rows 1000000
python -m benchmarks.constrained --case totals --minutes 1

`rules`: a simulated shop with a rule of each kind and more. `totals`: hourly rentals, casual + registered = cnt, beside
the same fit without the rule; scores are against rows that no fit has seen. Seconds are of the processor.
"""

import argparse
import time

from tests.constraints.shop import rules, shop

import genwright as gw
from benchmarks.common import data_file, record
from genwright.constraints import Pattern, Rule, Sum
from genwright.data.dataset import Dataset
from genwright.families import FAMILIES
from genwright.metrics.judges import c2st
from genwright.metrics.tables import shape_error, trend_error

FITTED = 150_000  # rows of the shop; its Unique column has nine times as many values
STEPS = 10  # passes over the rows
SPEED_ROWS = 20_000


def main() -> None:
    """One case, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=["rules", "totals"], help="Default: both. Repeatable.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    cases = options.case or ["rules", "totals"]
    if "rules" in cases:
        many_rules(options.rows)
    if "totals" in cases:
        for name in ("tree", "autoregressive"):
            for rule in ((), (Sum("cnt", ["casual", "registered"]),)):
                totals(name, rule, options.minutes)


def many_rules(rows: int) -> None:
    """Rows that break each of ten rules, and rows per second with and without the rules."""
    data = shop(FITTED)
    data = data.take(data.columns["gross"] <= 150)
    ten: list[Rule] = [r for r in rules() if not isinstance(r, Pattern)] + [Pattern("order", r"[A-Z]-\d{7}")]
    data.columns["order"][:] = [f"A-{i:07d}" for i in range(len(data))]
    family = gw.Mixture(components=16)
    seconds = {}
    for name, kept in (("with", ten), ("without", [])):
        model = gw.fit(data, family=family, steps=STEPS, constraints=kept)
        began = time.process_time()
        fake = model.sample(rows if kept else SPEED_ROWS)
        seconds[name] = (time.process_time() - began) / len(fake)
        if kept:
            broken = {str(rule): int((~rule.holds(fake)).sum()) for rule in ten}
            notes = list(fake.notes)
    measured = {"broken": broken, "rows_per_second": round(1 / seconds["with"])}
    measured |= {"rows_per_second_without": round(1 / seconds["without"]), "notes": notes}
    record("rules", {"family": "mixture", "rows": rows, "rules": len(ten)}, measured)


def totals(name: str, rule: tuple[Rule, ...], minutes: float) -> None:
    """One family with or without the rule."""
    data: Dataset = gw.read(data_file("table2_bike_sharing/hour.csv.gz"))
    model = gw.fit(data, family=FAMILIES[name](), minutes=minutes, constraints=rule)
    began = time.process_time()
    fake = model.sample(SPEED_ROWS)
    speed = SPEED_ROWS / (time.process_time() - began)
    held = float(Sum("cnt", ["casual", "registered"]).holds(fake).mean())
    scores = shape_error(data.test, fake), trend_error(data.test, fake), c2st(data.test, fake)
    measured = {s.name: round(s.value, 4) for s in scores} | {"rule_holds": held, "rows_per_second": round(speed)}
    record("totals", {"family": name, "rule": bool(rule), "minutes": minutes}, measured)


if __name__ == "__main__":
    main()
