"""The page of evidence on intervals: docs/evidence/coverage.md, from the lines that the simulations print.

python -m benchmarks.coverage > features.jsonl
python -m benchmarks.coverage_tables --replications 1000 > tables.jsonl
python -m benchmarks.coverage_page features.jsonl tables.jsonl
"""

import json
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "evidence" / "coverage.md"
HEAD = """# Do 95 % intervals hold what they promise?

Both sets of records are drawn anew in every replication, from one distribution (*null*, shift 0) or from two (*apart*,
shift above 0). The truth is the value expected at this n, the mean of all replications: a metric that is biased at
finite n is read beside a floor with the same n. An honest 95 % interval holds it in 95 of 100 replications; with 1,000
a share within .936 and .964 is no evidence against that, with 200 within .92 and .98. Shares outside .93 to .97 are in
bold.

    python -m benchmarks.coverage > features.jsonl
    python -m benchmarks.coverage_tables --replications 1000 > tables.jsonl
    python -m benchmarks.coverage_page features.jsonl tables.jsonl

| score | setting | n of each | replications | expected value | share held |
|---|---|---|---|---|---|
"""


def row(line: dict) -> str:
    """One simulation as a row of the table."""
    if "case" in line:
        setting, n, expected = line["case"].rsplit(", ", 1)[1], 400, line["truth"]
    else:
        setting, n, expected = f"shift {line['shift']:g}", line["n"], line["expected"]
    held = f"{line['coverage']:.3f}".lstrip("0")
    held = held if 0.93 <= line["coverage"] <= 0.97 else f"**{held}**"
    name = line.get("score", line.get("metric"))
    return f"| {name} | {setting} | {n} | {line['replications']:,} | {expected:.4g} | {held} |"


def main() -> None:
    """Read JSON lines from the files named, write the page."""
    lines = [json.loads(each) for name in sys.argv[1:] for each in Path(name).read_text().splitlines()]
    if not lines:
        sys.exit(__doc__)
    within = sum(0.93 <= line["coverage"] <= 0.97 for line in lines)
    tail = f"\n{within} of {len(lines)} settings lie within .93 and .97.\n"
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(HEAD + "\n".join(row(line) for line in lines) + "\n" + tail)


if __name__ == "__main__":
    main()
