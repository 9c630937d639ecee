"""The model card: a Hugging Face README.md whose every number was measured."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from genwright.constraints import Constraints
from genwright.data import media
from genwright.data.dataset import media_of
from genwright.families.family import Density, Family
from genwright.model.generator import Generator
from genwright.privacy import privacy_text
from genwright.report.kinds import KINDS
from genwright.scores.score import Score

_BETTER = {"lower": "lower", "higher": "higher", "target": "nearer to the floor"}
_DENSITIES = {
    Density.EXACT: "`log_prob` gives exact log-likelihoods.",
    Density.BOUND: "`log_prob` gives a lower bound of the log-likelihood.",
    Density.ABSENT: "It has no likelihood: `log_prob` says so.",
}


def model_card(
    generator: Generator, *, scores: Sequence[Score] = (), notes: Sequence[str] = (), verdict: str = ""
) -> str:
    """README.md for a saved generator: what it is, what it was measured to do, and what it must not be used for.

    `verdict` says what the scores mean together, in the first lines.
    """
    record, kind = generator.record, type(media_of(generator.fields))
    data = record.get("data") or {"name": record["checkpoint"], "label": None}
    sections = [
        _header(data, KINDS[kind].task, scores),
        f"# {data['name']}: a {generator.family.name} model made with genwright",
        *([f"**{verdict}**"] if verdict else []),
        f"Draws {KINDS[kind].things} like those of *{data['name']}*. {_DENSITIES[generator.can.density]}",
        "## Use",
        _use(f"samples{media.KINDS[kind].suffix}", data),
        "## Data",
        _data(data) + _rules(generator) if "data" in record else _elsewhere(data["name"]),
        *_privacy(record),
        "## How good it is",
        _quality(scores, notes),
        "## Intended use and limits",
        _limits(KINDS[kind].limits, private="privacy" in record),
        "## Training",
        _training(generator),
        *_diagnoses(record),
        *_tuning(record),
        "## Licence",
        "The licence of the data is not stated, and with it that of the weights. Whoever publishes this model has to "
        "state it.",
    ]
    return "\n\n".join(sections) + "\n"


def expression(family: Family) -> str:
    """The Python expression that makes `family`, functions by their names.

    >>> from genwright.families.mixture import Mixture
    >>> expression(Mixture(components=4)).startswith("gw.Mixture(components=4")
    True
    """
    values = {field.name: getattr(family, field.name) for field in fields(family)}
    shown = ", ".join(f"{name}={getattr(value, '__name__', repr(value))}" for name, value in values.items())
    return f"gw.{type(family).__name__}({shown})"


def _header(data: Mapping[str, Any], task: str, scores: Iterable[Score]) -> str:
    """The YAML front matter. Values are written as JSON, which is YAML."""
    dataset = {"name": data["name"], "type": data["name"]}
    metrics = [
        {"type": s.name, "value": round(s.value, 6), "name": f"{s.name} ({_BETTER[s.direction]} is better)"}
        for s in scores
    ]
    header: dict[str, Any] = {
        "library_name": "genwright",
        "pipeline_tag": task,
        "license": "other",
        "license_name": "not-stated",
        "tags": ["genwright", "generative-model", "synthetic-data"],
    }
    if metrics:
        header["model-index"] = [
            {"name": data["name"], "results": [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}]}
        ]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()]
    return "\n".join(["---", *lines, "---"])


def _use(suffix: str, data: Mapping[str, Any]) -> str:
    """How to load and sample."""
    given = "" if data["label"] is None else f', given={{"{data["label"]}": ...}}'
    return "\n".join(
        [
            "```python",
            "import genwright as gw",
            "",
            'model = gw.load("path/to/this/folder")',
            f"fake = model.sample(1000, seed=7{given})",
            "```",
            "",
            f"or `genwright sample path/to/this/folder -n 1000 --seed 7 --out {suffix}`. Loading reads safetensors and "
            "JSON only, checks their SHA-256 and runs no code from this folder.",
        ]
    )


def _data(data: Mapping[str, Any]) -> str:
    """Rows, parts and fields."""
    split, columns = data["split"], data["fields"]
    named = ", ".join(f"`{f['name']}` ({f['kind']})" for f in columns[:40])
    more = f" and {len(columns) - 40} more" if len(columns) > 40 else ""
    return (
        f"{data['rows']:,} rows: {split['train']:,} were trained on, {split['valid']:,} decided when to stop, and "
        f"{split['test']:,} were kept for testing. Fields: {named}{more}."
    )


def _elsewhere(name: str) -> str:
    """What is known of the data of a checkpoint that others trained."""
    return f"The weights were read from the checkpoint *{name}*, which says itself what they were trained on."


def _rules(generator: Generator) -> str:
    """The constraints that all samples keep, if any."""
    if (kept := generator.part(Constraints)) is None:
        return ""
    return "\n\nEvery sample keeps: " + ", ".join(f"`{rule}`" for rule in kept.rules) + "."


def _privacy(record: Mapping[str, Any]) -> list[str]:
    """What a private fit promises and what not."""
    return ["## Privacy", privacy_text(record["privacy"])] if "privacy" in record else []


def _quality(scores: Sequence[Score], notes: Iterable[str]) -> str:
    """The table of scores, with intervals and floors."""
    rows = [
        f"| {s.name} | {_BETTER[s.direction]} | {_number(s.value, s)} | {_interval(s)} | {_floor(s)} |" for s in scores
    ]
    if not rows:
        return "Not measured yet: `genwright evaluate` does."
    head = ["| score | better | value | 95 % interval | real against real |", "|---|---|---|---|---|"]
    explained = (
        "Measured on the test part, which nothing looked at before. *Real against real*, the floor, is what two "
        "sets of real records score: no generator can be expected to do better."
    )
    how = ["<details><summary>How each score was computed</summary>", "", "```"]
    how += [s.signature for s in scores] + ["```", "", "</details>"]
    copies = [f"- {s.name}: {html.escape(s.note)}" for s in scores if s.group == "novelty" and s.note]
    return "\n".join([explained, "", *head, *rows, "", *copies, *(f"- {note}" for note in notes), "", *how])


def _limits(reading: str, *, private: bool) -> str:
    """What the model is for, and what it is not."""
    anonymity = (
        "**Samples keep the promise stated under Privacy, and no other.**"
        if private
        else "**Samples are not anonymous by themselves.** The scores above say how often records are copied; they are "
        "no proof of privacy."
    )
    return (
        "For exploring, testing, teaching, filling gaps and augmenting data of the same kind. "
        f"{reading} What is rare, wrong or unfair in the training data is so in the samples.\n\n"
        f"{anonymity} Do not use the samples in place of real records for decisions about people, and do not pass them "
        "off as real."
    )


def _training(generator: Generator) -> str:
    """Recipe, budget, cost and machine."""
    record = generator.record
    recipe = ["", "```python", expression(generator.family), "```"]
    if "checkpoint" in record:
        return "\n".join([f"Trained elsewhere: {record['parameters']:,} parameters, of this shape:", *recipe])
    budget = f"{record['minutes']:g} minutes" if record["minutes"] is not None else f"{record['steps']} steps"
    machine = ", ".join(f"{name} {value}" for name, value in record["environment"].items())
    return "\n".join(
        [
            f"Budget {budget}, seed {record['seed']}; took {record['seconds']:g} s and at most "
            f"{record['peak_memory_mb']:,} MB, for {record['parameters']:,} parameters. The recipe as it was sized:",
            *recipe,
            "",
            f"Machine and versions: {machine}. The same data, recipe, seed, number of steps and machine give the same "
            "weights.",
        ]
    )


def _diagnoses(record: Mapping[str, Any]) -> list[str]:
    """What the doctor said of the training."""
    if "diagnoses" not in record:
        return []
    lines = [
        f"- **{each['name']}** at step {each['step']:,}: {each['evidence']}."
        + (f" {each['done'][0].upper()}{each['done'][1:]}." if each["done"] else "")
        for each in record["diagnoses"]
    ]
    healthy = "Neither mode collapse, instability, vanishing gradients, overfitting nor memorisation was found."
    return ["### How training went", "\n".join(lines) or healthy]


def _tuning(record: Mapping[str, Any]) -> list[str]:
    """What the model was tuned to after it was trained, and what that brought."""
    lines = [
        f"- {step['method']} on {step['examples']['train']:,} examples: {step['measure']} {step['before']:.4g} before, "
        f"{step['after']:.4g} after (95 % interval of the difference {step['difference'][0]:+.3g} to "
        f"{step['difference'][1]:+.3g}, {step['examples']['test']:,} held out)"
        for step in record.get("tuned", ())
    ]
    return ["## Tuning", "\n".join(lines)] if lines else []


def _number(value: float, score: Score) -> str:
    return f"{value:.4g}{score.unit}"


def _interval(score: Score) -> str:
    return "–" if score.interval is None else f"{score.interval[0]:.4g} to {score.interval[1]:.4g}"


def _floor(score: Score) -> str:
    return "–" if score.floor is None else _number(score.floor, score)
