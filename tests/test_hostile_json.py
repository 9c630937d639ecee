"""Every other JSON file that is read back as hostile input: it is taken, or refused by a named error."""

import hashlib
import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import genwright as gw
from genwright.constraints import read_rules, rule_to_json
from genwright.errors import GenwrightError
from genwright.extractors.features import fit_extractor, load_extractor
from genwright.privacy.public import known_of, read_public
from genwright.rating.exclusions import exclusions, kept
from genwright.rating.export import preference_pairs, read_export, write_export
from genwright.rating.protocol import Protocol
from genwright.relational.files import read_database, write_database
from genwright.relational.fit import _as_begun, fit_database
from genwright.relational.generator import load_database
from genwright.report.card import model_card
from genwright.storage import claim, read_json, read_tensors, write_tensors
from genwright.train.record import TOLD, checked
from genwright.train.stages import CHECKPOINT, STAGE, Stages
from genwright.train.state import Plan, State, load_checkpoint, save_checkpoint
from genwright.train.step import take_step
from tests.constraints.shop import rules
from tests.mutations import mutated, places, within
from tests.rating.simulated import Builder
from tests.relational.shop import shop
from tests.train.test_loop import SPACE, job


@dataclass(frozen=True)
class Held:
    """A file that holds JSON: the value in it, how another is written there, and how it is read and used."""

    path: Path
    value: Any
    write: Callable[[Any], object]
    use: Callable[[], object]


def plain(path: Path, value: Any, use: Callable[[Path], object]) -> Held:
    """A file of nothing but JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Held(path, value, lambda new: path.write_text(json.dumps(new)), lambda: use(path))


def sealed(path: Path) -> Held:
    """An exported study, its hash made to fit."""
    builder = Builder({"real": 0.7, "a": 0.4, "b": -0.6}, raters=3, each=4)
    write_export(builder.preferences(4).origins({"real": 0.8, "a": 0.6, "b": 0.2}).scales().study(), path)

    def write(records: Any) -> None:
        records = records if isinstance(records, list) else [records]
        lines = "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
        end = {"record": "end", "lines": len(records), "sha256": hashlib.sha256(lines.encode()).hexdigest()}
        (path / "study.jsonl").write_text(lines + json.dumps(end) + "\n")

    def use() -> None:
        study = read_export(path)
        preference_pairs(kept(study, exclusions(study)))

    records = [json.loads(line) for line in (path / "study.jsonl").read_text().splitlines()][:-1]
    some = [next(r for r in records if r["record"] == kind) for kind in ("study", "stimulus", "rater", "trial")]
    return Held(path / "study.jsonl", some + [r for r in records if r not in some], write, use)


def in_tensors(path: Path, name: str, use: Callable[[], object]) -> Held:
    """JSON in the metadata of a checkpoint."""
    tensors, about = read_tensors(path)

    def write(value: Any) -> None:
        write_tensors(path, tensors, metadata=about | {name: json.dumps(value)})

    return Held(path, json.loads(about[name]), write, use)


def checkpoint(folder: Path) -> Held:
    """A checkpoint of the training loop."""
    one = job(folder=folder)
    state = State.start(one.family, one.family.build(SPACE, None), seed=0)
    plan = Plan(10, 5, 5, 10, 1, "float32")
    take_step(one.family, state, SPACE, one.train, plan)
    state.keep_if_best(1.0)
    state.history.append({"step": 1, "seconds": 0.1, "loss": 1.0, "parts": {}, "held_out": 1.0})
    save_checkpoint(state, plan, one.stages)

    def again() -> object:
        return load_checkpoint(State.start(one.family, one.family.build(SPACE, None), seed=0), one.stages)

    return in_tensors(folder / CHECKPOINT, "genwright", again)


def stage(folder: Path) -> Held:
    """A finished stage of a fit."""
    history = [{"step": 1, "loss": 1.0, "held_out": 1.0}]
    record = {"seconds": 1.0, "steps": 3, "history": history, "stopped_early": False}

    def use() -> object:
        return Stages(folder).done("one", lambda: ({}, record), needed=("seconds", "history", "steps"))

    use()
    return in_tensors(folder / STAGE.format("one"), "record", use)


def extractor(folder: Path) -> Held:
    images = gw.read("digits").take(slice(60))
    fit_extractor(images, dimension=4, kind="random").save(folder)
    path = folder / "extractor.json"
    return plain(path, read_json(path), lambda at: load_extractor(at.parent)(images.take(slice(2))))


def record(folder: Path) -> Held:
    """What a recipe tells of the fit."""
    gw.fit(gw.read("wine"), family=gw.Mixture(components=2), steps=1).save(folder)
    path = folder / "recipe.json"
    recipe = read_json(path)

    def use() -> None:
        model = gw.load(folder)
        checked(model.record, where=str(path), needed=TOLD)
        model_card(model)

    return Held(path, recipe["record"], lambda new: path.write_text(json.dumps(recipe | {"record": new})), use)


def database(folder: Path) -> Held:
    fit_database(read_database(shop(12, products=12), keep=()), steps=1).save(folder)
    path = folder / "database.json"
    return plain(path, read_json(path), lambda at: load_database(at.parent).sample(0.5))


def protocol(folder: Path) -> Held:
    asked = ("preference", "coherence")
    study = Protocol(systems=("a", "b"), medium="text", questions=asked, raters=3, per_question=4, seed=0)
    path = folder / "protocol.json"
    return plain(path, study.to_json(), lambda at: Protocol.from_json(read_json(at), where=str(at)))


def public(folder: Path) -> Held:
    wine = gw.read("wine").select(["alcohol", "class"])
    told = {"alcohol": {"low": 10, "high": 15.5}, "class": ["class_0", "class_1", "class_2", None]}
    return plain(folder / "public.json", told, lambda at: known_of(read_public(at), wine.fields))


def keys(folder: Path) -> Held:
    tables = {name: frame.head(12) for name, frame in shop(12, products=3).items() if name != "orders"}
    write_database(read_database(tables, keep=()), folder)
    told = {"customers": {"primary": "id", "unique": [["age", "id"]]}, "products": {"primary": ["id"], "foreign": {}}}
    return plain(folder / "keys.json", told, lambda at: read_database(at.parent))


HELD: dict[str, Callable[[Path], Held]] = {
    "protocol": protocol,
    "export": sealed,
    "rules": lambda folder: plain(folder / "rules.json", [rule_to_json(rule) for rule in rules()], read_rules),
    "public": public,
    "keys": keys,
    "minutes": lambda folder: plain(folder / "minutes.json", 0.5, lambda at: _as_begun(at.parent, 1.0)),
    "claim": lambda folder: plain(folder / "run.json", {"data": "x"}, lambda at: claim(at.parent, {"data": "x"})),
    "extractor": extractor,
    "checkpoint": checkpoint,
    "stage": stage,
    "record": record,
    "database": database,
}


@pytest.fixture(scope="module", params=HELD)
def held(request, tmp_path_factory) -> Held:
    return HELD[request.param](tmp_path_factory.mktemp(request.param) / "held")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("each", [10, pytest.param(2_000, marks=pytest.mark.slow)])
def test_edited_json_is_taken_or_refused(held, each):
    one, rng = held, random.Random(str(held.value))
    one.write(one.value)
    one.use()
    paths, fine = list(places([one.value])), 0
    for _ in range(each):
        new = mutated([one.value], paths, rng)
        if not new:
            continue
        with within(seconds=5, megabytes=256), suppress(GenwrightError):
            one.write(new[0])
            one.use()
            fine += 1
    one.write(one.value)
    assert fine < each


@pytest.mark.parametrize("kind", ["pipe", "folder", "deep", "digits", "empty"])
def test_what_is_no_file_or_no_json_is_refused(held, kind):
    one = held
    one.write(one.value)
    moved = one.path.rename(one.path.with_name("moved"))
    match kind:
        case "pipe":
            os.mkfifo(one.path)
        case "folder":
            one.path.mkdir()
        case _:
            one.path.write_text({"deep": "[" * 60 + "]" * 60, "digits": "1" * 10**5, "empty": ""}[kind])
    try:
        with pytest.raises(GenwrightError) as caught:
            one.use()
        assert str(one.path.parent) in caught.value.where
    finally:
        one.path.rmdir() if kind == "folder" else one.path.unlink()
        moved.rename(one.path)
