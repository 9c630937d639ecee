"""A study as files: a JSONL of all of it with its own hash, a flat CSV, and pairs for preference optimisation."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from genwright.errors import ArgumentError, StorageError
from genwright.rating.exclusions import chosen
from genwright.rating.records import ANSWERS, Rater, Rating, Stimulus, Study, Trial
from genwright.storage import parse_json, read_file, write_text
from genwright.typed import entry, made, typed, wrong

SCHEMA = 1
STUDY, RATINGS, PAIRS, PROTOCOL, SUMS = "study.jsonl", "ratings.csv", "pairs.jsonl", "protocol.json", "SHA256SUMS"
RECORDS: dict[str, Any] = {"stimulus": Stimulus, "rater": Rater, "trial": Trial, "rating": Rating}
COLUMNS = (
    "rater", "position", "question", "kind", "role", "left_system", "right_system", "left", "right", "left_sha256",
    "right_sha256", "answer", "chosen_system", "expected", "seconds", "at", "trial", "repeats",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One preference: of two stimuli made under the same condition, which one a rater chose."""

    condition: str
    chosen: Stimulus
    rejected: Stimulus
    rater: str


def write_export(study: Study, folder: Path) -> str:
    """Write the study into `folder`; returns the SHA-256 that names its content.

    study.jsonl holds everything and is what `read_export` reads; ratings.csv is flat, for other programs; pairs.jsonl
    has the preferences; protocol.json the protocol; SHA256SUMS the hash of each, for `sha256sum -c`. Raises
    ArgumentError for a folder that holds anything but an earlier export.
    """
    there = {path.name for path in folder.iterdir() if path.name[0] != "."} if folder.is_dir() else set()
    others = there - {STUDY, RATINGS, PAIRS, PROTOCOL, SUMS}
    if others:
        what = f"the folder holds {min(others)!r}, which is not of an export"
        raise ArgumentError(what, where=str(folder), hint="give a new folder")
    study = canonical(study)
    files = {
        STUDY: "".join(_sealed(study)),
        RATINGS: _flat(study),
        PAIRS: "".join(_line(_pair_json(pair)) for pair in preference_pairs(study)),
        PROTOCOL: json.dumps(study.protocol, indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in files.items():
        write_text(folder / name, text)
    sums = (f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in files.items())
    write_text(folder / SUMS, "".join(sums))
    return digest(study)


def read_export(path: Path) -> Study:
    """The study in an exported study.jsonl, or in the folder that holds one.

    Raises StorageError if the file is damaged, cut short, changed since it was written, or of a newer version.
    """
    path = path / STUDY if path.is_dir() else path
    lines = read_file(path).splitlines(keepends=True)
    places = [f"{path}, line {number}" for number in range(1, len(lines) + 1)]
    records = [typed(parse_json(line, where=at), dict, where=at) for line, at in zip(lines, places, strict=True)]
    if len(records) < 2:
        raise StorageError("not an exported study", where=str(path), hint="export it again")
    if records[0].get("schema") != SCHEMA or records[0].get("record") != "study":
        what = f"not a study of version {SCHEMA}"
        raise StorageError(what, where=str(path), hint="it may have been exported by a newer genwright")
    seal = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    if records[-1] != {"record": "end", "lines": len(lines) - 1, "sha256": seal}:
        what = "its content does not match its hash: the file was changed or cut short"
        raise StorageError(what, where=str(path), hint="export it again from the study")
    return checked(_study(records, places), where=str(path))


def checked(study: Study, *, where: str = "") -> Study:
    """The study, if its records fit each other: unique ids, known trials and stimuli, possible answers."""
    for name in ("stimuli", "raters", "trials"):
        ids = [record.id for record in getattr(study, name)]
        if len(set(ids)) != len(ids):
            raise StorageError(f"two {name} have the same id", where=where, hint="the study is damaged")
    trials = {trial.id: trial for trial in study.trials}
    raters, stimuli = {rater.id for rater in study.raters}, {stimulus.id for stimulus in study.stimuli}
    for trial in study.trials:
        shown = [] if trial.role == "attention" else [trial.left, *([trial.right] if trial.kind == "pair" else [])]
        repeated = trials.get(trial.repeats, trial)
        known = trial.rater in raters and stimuli.issuperset(shown) and trial.repeats in ("", repeated.id)
        if not known or repeated.kind != trial.kind:
            raise StorageError(f"trial {trial.id} is of something unknown", where=where, hint="the study is damaged")
    for rating in study.ratings:
        if rating.trial not in trials or rating.answer not in ANSWERS[trials[rating.trial].kind]:
            what = f"{rating.answer!r} is no answer to trial {rating.trial}"
            raise StorageError(what, where=where, hint="the study is damaged")
    if len({rating.trial for rating in study.ratings}) != len(study.ratings):
        raise StorageError("a trial has two answers", where=where, hint="the study is damaged")
    return study


def canonical(study: Study) -> Study:
    """The same study with its records in one fixed order, so that equal content is equal bytes and equal sums."""
    return replace(
        study,
        stimuli=tuple(sorted(study.stimuli, key=lambda each: each.id)),
        raters=tuple(sorted(study.raters, key=lambda each: each.id)),
        trials=tuple(sorted(study.trials, key=lambda each: (each.rater, each.position, each.id))),
        ratings=tuple(sorted(study.ratings, key=lambda each: each.trial)),
    )


def digest(study: Study) -> str:
    """SHA-256 of all that the study holds: quote it, and anyone can tell whether an export is the one analysed."""
    return hashlib.sha256("".join(_lines(canonical(study))).encode()).hexdigest()


def preference_pairs(study: Study) -> list[Pair]:
    """Every preference that was not a tie, for preference optimisation; repeats and attention checks are left out.

    The condition is the protocol's `conditions` at a stimulus's id (a prompt or label that both were made from), or
    the question where the study has none. Pairs made under different conditions are no preference and are left out.
    """
    stimuli = {stimulus.id: stimulus for stimulus in study.stimuli}
    answers = {rating.trial: rating.answer for rating in study.ratings}
    conditions = typed(study.protocol.get("conditions") or {}, dict, where="the protocol's conditions")
    found = []
    for trial in study.trials:
        answer = answers.get(trial.id, "tie")
        if trial.kind != "pair" or trial.role != "rating" or answer == "tie":
            continue
        if conditions.get(trial.left) != conditions.get(trial.right):
            continue
        best = stimuli[chosen(trial, answer)]
        other = stimuli[trial.right if best.id == trial.left else trial.left]
        condition = str(conditions.get(trial.left, trial.question))
        found.append(Pair(condition=condition, chosen=best, rejected=other, rater=trial.rater))
    return found


def _sealed(study: Study) -> Iterator[str]:
    """The lines of study.jsonl; the last holds the hash of those before."""
    lines = list(_lines(study))
    yield from lines
    yield _line({"record": "end", "lines": len(lines), "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()})


def _lines(study: Study) -> Iterator[str]:
    yield _line({"record": "study", "schema": SCHEMA, "protocol": study.protocol, "withdrawn": study.withdrawn})
    tables: tuple[tuple[Any, ...], ...] = (study.stimuli, study.raters, study.trials, study.ratings)
    for name, table in zip(RECORDS, tables):
        for record in table:
            yield _line({"record": name, **asdict(record)})


def _line(value: dict[str, Any]) -> str:
    """JSON with sorted keys, on one line even for readers who break lines at U+2028."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True) + "\n"


def _study(records: list[dict[str, Any]], places: list[str]) -> Study:
    """The study in the records of study.jsonl, which are at these places."""
    read: dict[str, list[Any]] = {name: [] for name in RECORDS}
    for record, at in list(zip(records, places, strict=True))[1:-1]:
        name = entry(record, "record", str, where=at)
        if name not in RECORDS:
            raise wrong(f"a record of unknown kind {name!r:.60}", at)
        read[name].append(made(RECORDS[name], {key: v for key, v in record.items() if key != "record"}, where=at))
    return Study(
        protocol=entry(records[0], "protocol", dict, where=places[0]),
        stimuli=tuple(read["stimulus"]),
        raters=tuple(read["rater"]),
        trials=tuple(read["trial"]),
        ratings=tuple(read["rating"]),
        withdrawn=entry(records[0], "withdrawn", int, where=places[0]),
    )


def _flat(study: Study) -> str:
    """One row per rating, with all that belongs to it."""
    stimuli = {stimulus.id: stimulus for stimulus in study.stimuli}
    answers = {rating.trial: rating for rating in study.ratings}
    nothing = Stimulus(id="", system="", medium="text", sha256="")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for trial in study.trials:
        if (rating := answers.get(trial.id)) is None:
            continue
        left, right = stimuli.get(trial.left, nothing), stimuli.get(trial.right, nothing)
        best = stimuli.get(chosen(trial, rating.answer), nothing) if trial.kind == "pair" else nothing
        row = asdict(trial) | {"trial": trial.id, "answer": rating.answer, "seconds": rating.seconds, "at": rating.at}
        row |= {"left_system": left.system, "right_system": right.system, "chosen_system": best.system}
        row |= {"left_sha256": left.sha256, "right_sha256": right.sha256}
        table.writerow([row[column] for column in COLUMNS])
    return text.getvalue()


def _pair_json(pair: Pair) -> dict[str, Any]:
    return {
        "condition": pair.condition, "chosen": asdict(pair.chosen), "rejected": asdict(pair.rejected),
        "rater": pair.rater,
    }  # fmt: skip
