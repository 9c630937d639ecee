"""docs/evidence/tables.md from the lines that benchmarks.tables measured."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HEAD = """# Generated tables, side by side

Every system fitted the same rows on the same machine (two cores, no GPU) and was measured on rows that no fit had seen:
Adult's own test file, a random half of the others. Each had one core, but for *autoregressive:600* with seed 0, *argn*
and *copula* on Adult, which had both.
Means over the seeds, with the range where there are several. A *floor* is what as many real training rows score in
place of generated ones; none need be better. C2ST is 1 where boosted trees cannot tell generated from unseen real
rows and 0 where they always can; it falls with the number of rows, which is the same for all systems on one data set.
The nearest-row share is .5 where generated rows lie as often nearer to a training row as to an unseen one.

    python -m benchmarks.tables --systems autoregressive:60 tree:60 --seeds 3
    python -m benchmarks.tables --systems autoregressive:600 --seeds 3
    python -m benchmarks.tables --systems tree:12 autoregressive:12 tree:25 autoregressive:25 --data adult beijing
    python -m benchmarks.tables --systems tree:7 autoregressive:7 --data bike
    python -m benchmarks.tables --systems diffusion:60 flow:60 vae:60 gan:60 independent:60 --data adult
    python -m benchmarks.tables --systems argn:60 --mostly PYTHON
    python -m benchmarks.tables --systems copula ctgan tvae --sdv PYTHON --data adult bike
    python -m benchmarks.tables --write

The number after the colon is the seconds that a system may fit; *argn*, MOSTLY AI's TabularARGN without its
protection of rare values, spends them on training alone. *copula*, *ctgan* and *tvae* are SDV's at their defaults;
*ctgan* was stopped on Adult, where it had not ended after fifteen minutes. The TSTR gap of Beijing and bike is large
for every system: rows follow each other hourly, so that a model trained on real rows can find neighbours in time of
held-out rows, which no generator should give it.

![C2ST against the seconds of fitting](tables.png)
"""
TICKS = (10, 30, 100, 300, 1000)  # seconds
COLUMNS = (
    ("shape error", "shape error, %", 2),
    ("trend error", "trend error, %", 2),
    ("C2ST", "C2ST", 3),
    ("TSTR gap", "TSTR gap, %", 2),
    ("nearest training row", "nearest row", 3),
)


def write_page(results: Path) -> None:
    """Write tables.md beside `results`; of lines of one data set, system and seed the last counts."""
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    latest = {(line["data"], line["system"], line["seed"]): line for line in lines}
    by_data: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for line in latest.values():
        by_data[line["data"]][line["system"]].append(line)
    parts = [HEAD]
    for name, systems in by_data.items():
        parts.append(_section(name, systems))
    results.with_suffix(".md").write_text("\n".join(parts), encoding="utf-8")
    _plot(by_data).savefig(results.with_suffix(".png"), dpi=110)


def _plot(by_data: dict[str, dict[str, list[dict]]]) -> Figure:
    """C2ST against the seconds that a fit took, one panel per data set and one line per kind of system."""
    kinds = sorted({system.partition(":")[0] for systems in by_data.values() for system in systems})
    figure = Figure(figsize=(4.0 * len(by_data), 3.6), layout="constrained")
    panels = figure.subplots(1, len(by_data), sharey=True, squeeze=False)[0]
    for axes, (name, systems) in zip(panels, by_data.items(), strict=True):
        for number, kind in enumerate(kinds):
            _line(axes, kind, [lines for system, lines in systems.items() if system.partition(":")[0] == kind], number)
        axes.set(title=name, xlabel="seconds of fitting", xscale="log", xlim=(6, 2000), ylim=(0, 1.02))
        axes.set_xticks(TICKS, [str(seconds) for seconds in TICKS], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("C2ST (1: not told from unseen rows)")
    figure.legend(*_handles(panels), loc="outside lower center", ncols=min(len(kinds), 8), frameon=False)
    return figure


def _line(axes: Axes, kind: str, systems: list[list[dict]], number: int) -> None:
    """One point per limit of time: means over the seeds."""
    points = sorted([np.mean([line[key] for line in lines]) for key in ("fit_seconds", "C2ST")] for lines in systems)
    if points:
        axes.plot(*zip(*points, strict=True), marker="osD^vPX*"[number % 8], color=f"C{number}", label=kind)


def _handles(panels: np.ndarray) -> tuple[list, list[str]]:
    """What the legend names: every kind once, whichever panels it is in."""
    found = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    return list(found.values()), list(found)


def _section(name: str, systems: dict[str, list[dict]]) -> str:
    first = next(iter(systems.values()))[0]
    titles = ["system", "seeds", "fit, s", "rows/s", *(title for _, title, _ in COLUMNS)]
    rows = [f"## {name}: {first['train']:,} rows fitted, {first['rows']:,} held out and generated\n"]
    rows += ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    everything = [line for lines in systems.values() for line in lines]
    floors = [_mean(everything, f"{key} floor", digits) for key, _, digits in COLUMNS]
    rows.append("| real rows (floor) | | | | " + " | ".join(floors) + " |")
    for system, lines in sorted(systems.items(), key=lambda pair: -np.mean([line["C2ST"] for line in pair[1]])):
        cells = [system, str(len(lines)), _mean(lines, "fit_seconds", 0), _mean(lines, "rows_per_second", -2)]
        cells += [_mean(lines, key, digits) for key, _, digits in COLUMNS]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _mean(lines: list[dict], key: str, digits: int) -> str:
    values = [line[key] for line in lines if key in line]
    if not values:
        return "–"
    mean = round(float(np.mean(values)), digits)
    if digits <= 0:
        return f"{mean:,.0f}"
    spread = f" ({min(values):.{digits}f}–{max(values):.{digits}f})" if len(values) > 1 and "floor" not in key else ""
    return f"{mean:.{digits}f}{spread}"
