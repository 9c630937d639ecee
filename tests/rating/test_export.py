"""An exported study is the study: same analysis bit for bit, every change noticed, pairs as preferred."""

import csv
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from genwright.errors import ArgumentError, StorageError
from genwright.rating.analysis import analyse
from genwright.rating.export import canonical, digest, preference_pairs, read_export, write_export
from genwright.rating.records import Study
from tests.rating.simulated import Builder


@pytest.fixture(scope="module")
def study() -> Study:
    builder = Builder({"real": 0.7, "a": 0.4, "b": -0.6}, raters=6, each=4)
    builder.preferences(12, side=0.2).origins({"real": 0.8, "a": 0.6, "b": 0.2}).scales()
    return replace(builder.study(title="“Ä\u2028β”", minimum_seconds=0.1), withdrawn=2)


def test_the_analysis_of_the_export_is_that_of_the_study_bit_for_bit(study, tmp_path):
    rng = np.random.default_rng(0)
    shuffled = replace(
        study, trials=tuple(study.trials[i] for i in rng.permutation(len(study.trials))), ratings=study.ratings[::-1]
    )
    name = write_export(shuffled, tmp_path)
    again = read_export(tmp_path)
    assert again == canonical(study) and name == digest(study) == digest(again)
    assert json.dumps(analyse(again, seed=3).to_json()) == json.dumps(analyse(study, seed=3).to_json())
    assert analyse(again, seed=3).scores == analyse(shuffled, seed=3).scores


def test_exporting_twice_gives_the_same_bytes_and_sums_that_fit(study, tmp_path):
    for folder in ("one", "two"):
        write_export(study, tmp_path / folder)
    for line in (tmp_path / "one" / "SHA256SUMS").read_text().splitlines():
        sum_, name = line.split("  ")
        raw = (tmp_path / "one" / name).read_bytes()
        assert raw == (tmp_path / "two" / name).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == sum_
    write_export(study, tmp_path / "one")  # over an earlier export


def test_no_change_goes_unnoticed(study, tmp_path):
    write_export(study, tmp_path)
    path = tmp_path / "study.jsonl"
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(whole) - 1, size=150).tolist():
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(0, 8))
        path.write_bytes(bytes(changed))
        with pytest.raises(StorageError):
            read_export(path)
    lines = whole.splitlines(keepends=True)
    for cut in (
        lines[:-1],
        lines[1:],
        lines[:-2] + lines[-1:],
        [*lines[:5], lines[6], lines[5], *lines[7:]],
        lines * 2,
        [],
    ):
        path.write_bytes(b"".join(cut))
        with pytest.raises(StorageError):
            read_export(path)


def sealed(records: list[dict], path) -> None:
    """A file with a hash that fits, whatever it holds."""
    text = "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
    end = {"record": "end", "lines": len(records), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    path.write_text(text + json.dumps(end) + "\n")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("study", {"schema": 2}),
        ("study", {"protocol": 3}),
        ("stimulus", {"medium": "smell"}),
        ("stimulus", {"more": 1}),
        ("trial", {"left": "nowhere"}),
        ("trial", {"rater": "nobody"}),
        ("trial", {"position": "first"}),
        ("trial", {"question": ["coherence"]}),
        ("rating", {"answer": "8"}),
        ("rating", {"seconds": -1.0}),
        ("rating", {"seconds": float("nan")}),
        ("rating", {"trial": "t99999"}),
        ("nothing", {}),
    ],
)
def test_records_that_do_not_fit_are_refused_whatever_their_hash(study, tmp_path, kind, change):
    write_export(study, tmp_path)
    path = tmp_path / "study.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()][:-1]
    sealed(records, path)
    assert read_export(path) == canonical(study)
    if kind == "nothing":
        records.append({"record": "nothing"})
    else:
        next(record for record in records if record["record"] == kind).update(change)
    sealed(records, path)
    with pytest.raises(StorageError):
        read_export(path)


def test_missing_files_and_other_folders_are_said(study, tmp_path):
    with pytest.raises(StorageError, match="no such file"):
        read_export(tmp_path / "study.jsonl")
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ArgumentError, match=r"thesis\.doc"):
        write_export(study, tmp_path)


def test_the_flat_table_holds_every_rating(study, tmp_path):
    write_export(study, tmp_path)
    with open(tmp_path / "ratings.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(study.ratings)
    system = {stimulus.id: stimulus.system for stimulus in study.stimuli}
    for row in rows:
        assert row["left_system"] == system[row["left"]]
        if row["answer"] in ("left", "right"):
            assert row["chosen_system"] == row[f"{row['answer']}_system"]


def test_pairs_are_the_preferences_that_were_no_tie(study, tmp_path):
    pairs = preference_pairs(study)
    answers = {rating.trial: rating.answer for rating in study.ratings}
    preferred = [trial for trial in study.trials if trial.kind == "pair" and answers[trial.id] != "tie"]
    assert len(pairs) == len(preferred)
    for pair, trial in zip(pairs, preferred):
        assert pair.chosen.id == getattr(trial, answers[trial.id])
        assert {pair.chosen.id, pair.rejected.id} == {trial.left, trial.right}
        assert pair.condition == "preference"
    write_export(study, tmp_path)
    lines = (tmp_path / "pairs.jsonl").read_text().splitlines()
    assert len(lines) == len(pairs)
    assert {"condition", "chosen", "rejected", "rater"} == set(json.loads(lines[0]))


def test_pairs_are_of_one_condition(study):
    half = {stimulus.id: f"digit {i % 2}" for i, stimulus in enumerate(study.stimuli)}
    pairs = preference_pairs(replace(study, protocol={"conditions": half}))
    assert 0 < len(pairs) < len(preference_pairs(study))
    assert all(half[pair.chosen.id] == half[pair.rejected.id] == pair.condition for pair in pairs)
