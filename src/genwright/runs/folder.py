"""The folder of a run: whose it is, and what is written into it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genwright.constraints import Rule, rule_to_json
from genwright.data.dataset import Dataset
from genwright.data.media import KINDS
from genwright.data.split import content_hash
from genwright.data.write import write
from genwright.families.family import Family
from genwright.metrics.evaluate import Evaluation
from genwright.model.generator import Generator
from genwright.report.card import expression, model_card
from genwright.report.report import Report
from genwright.storage import claim as claim_folder
from genwright.storage import write_json, write_text
from genwright.train.progress import Listener, Progress


def claim(
    out: Path, data: Dataset, *, minutes: float, seed: int, families: Sequence[Family], rules: Sequence[Rule] = ()
) -> None:
    """Make `out` the folder of this run, or find that it is already; raise if it holds anything else."""
    mine: dict[str, Any] = {
        "data": data.name,
        "content": content_hash(data.columns),
        "label": data.label,
        "minutes": minutes,
        "seed": seed,
        "families": [expression(family) for family in families],
    } | ({"constraints": [rule_to_json(rule) for rule in rules]} if rules else {})
    claim_folder(out, mine)


def write_run(out: Path, generator: Generator, evaluation: Evaluation, report: Report, listener: Listener) -> None:
    """Everything of the run folder that is not the model itself."""
    listener(Progress("writing the report"))
    write(report.fake, out / f"samples{KINDS[report.data.kind].suffix}")
    write_json(out / "scores.json", evaluation.to_json())
    write_json(out / "leaderboard.json", [entry.to_json() for entry in report.leaderboard])
    if not (out / "log.jsonl").is_file():  # families with their own algorithm keep no log while they fit
        write_text(out / "log.jsonl", "".join(json.dumps(line) + "\n" for line in generator.record["history"]))
    write_text(
        out / "README.md",
        model_card(generator, scores=evaluation.scores, notes=report.notes, verdict=report.verdict.summary),
    )
    write_text(out / "report.html", report.to_html())
    listener(Progress("done", 1, 1))
