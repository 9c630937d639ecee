"""Saved folders as hostile input: whatever they hold, they are read or refused by a named error, soon and in bounds."""

import copy
import gzip
import hashlib
import json
import os
import random
import shutil
import sqlite3
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.constraints import Range
from genwright.data import files as reading
from genwright.data.regex import matches, parse
from genwright.data.table import column_names
from genwright.errors import ArgumentError, DataError, GenwrightError, StorageError
from tests.mutations import mutated, mutated_weights, places, within

CODEC, RECIPE, WEIGHTS = "codec.json", "recipe.json", "weights.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, Path]:
    """Small generators of all kinds of data, with all kinds of fields."""
    rng, n, root = np.random.default_rng(0), 300, tmp_path_factory.mktemp("saved")
    table = pd.DataFrame(
        {
            "id": [f"p-{i:04d}" for i in range(n)],
            "code": [f"{rng.integers(16**8):08X}" for _ in range(n)],
            "only": "one",
            "x": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "k": rng.integers(0, 5, n),
            "price": np.round(rng.gamma(2, 20, n), 2),
            "g": rng.choice(["a", "b", "c"], n),
            "d": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "m": [f"w{int(v)}" for v in rng.zipf(1.3, n) % 500],
        }
    )
    data, digits = gw.read(table), gw.read("digits").take(slice(100))
    rules = [Range("price", low=0)]
    small = {"width": 16, "depth": 1}
    models = {
        "mixture": gw.fit(data, family=gw.Mixture(components=3), steps=2, constraints=rules),
        "autoregressive": gw.fit(data, family=gw.Autoregressive(**small), steps=1),
        "vae": gw.fit(data, family=gw.VAE(**small, latent=2), steps=1),
        "flow": gw.fit(digits, family=gw.FlowMatching(width=8), how=gw.Sampling(steps=2), steps=1),
        "copula": gw.fit(data, family=gw.Copula(cells=2), steps=1),
    }
    for name, model in models.items():
        model.save(root / name)
    return {name: root / name for name in models}


def rewritten(model: Path, target: Path, files: dict[str, Any]) -> Path:
    """A copy of a saved generator with other JSON, its hashes made to fit."""
    target.mkdir(exist_ok=True)
    if not (target / WEIGHTS).exists():
        shutil.copy(model / WEIGHTS, target)
    (target / CODEC).write_text(json.dumps(files[CODEC]))
    recipe = files[RECIPE]
    if isinstance(recipe, dict):
        recipe["sha256"] = {n: hashlib.sha256((target / n).read_bytes()).hexdigest() for n in (CODEC, WEIGHTS)}
    (target / RECIPE).write_text(json.dumps(recipe))
    return target


def parts(model: Path) -> dict[str, Any]:
    return {name: json.loads((model / name).read_text()) for name in (CODEC, RECIPE)}


def tried(folder: Path) -> bool:
    """Whether a folder can be loaded and sampled from; anything but an error of ours is raised."""
    try:
        assert len(gw.load(folder, device="cpu").sample(2).frame) == 2
        return True
    except GenwrightError as error:
        assert str(error)
        return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("each", "seconds"), [(25, 60), pytest.param(20_000, 120, marks=pytest.mark.slow)])
def test_edited_folders_are_read_or_refused(saved, tmp_path, each, seconds):
    """So many edits of each model, or as many as the seconds suffice for: ten minutes at most, where it is slow."""
    for name, model in saved.items():
        files, rng, fine, tries = parts(model), random.Random(name), 0, 0
        paths, raw = {part: list(places(value)) for part, value in files.items()}, (model / WEIGHTS).read_bytes()
        folder, until = tmp_path / name, time.monotonic() + seconds
        folder.mkdir()
        while tries < each and time.monotonic() < until:
            part, new = rng.choice((CODEC, RECIPE, WEIGHTS)), copy.deepcopy(files)
            (folder / WEIGHTS).write_bytes(mutated_weights(raw, rng) if part == WEIGHTS else raw)
            if part != WEIGHTS:
                new[part] = mutated(files[part], paths[part], rng)
            size = sum(path.stat().st_size for path in rewritten(model, folder, new).iterdir())
            with within(seconds=5, megabytes=256 + 4 * size / 2**20):
                fine += tried(folder)
            tries += 1
        assert 0 < fine < tries


@pytest.mark.parametrize(
    "how", [{"sampler": []}, {"sampler": "euler"}, {"steps": 10**9}, {"steps": 2.5}, {"top_k": 3}, []]
)
def test_settings_of_sampling_are_held_against_their_types_and_the_family(saved, tmp_path, how):
    files = parts(saved["flow"])
    files[RECIPE]["how"] = how
    with pytest.raises(StorageError, match="how"):
        gw.load(rewritten(saved["flow"], tmp_path / "flow", files), device="cpu")


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("flow", "width", 12_000),
        ("vae", "depth", 10**5),
        ("vae", "latent", 10**9),
        ("vae", "latent", 2000),
        ("autoregressive", "width", 10**6),
        ("autoregressive", "bins", 10**7),
        ("mixture", "components", 10**8),
        ("copula", "cells", 10**8),
    ],
)
def test_nothing_is_built_that_is_larger_than_its_weights(saved, tmp_path, name, field, value):
    files = parts(saved[name])
    files[RECIPE]["fields"][field] = value
    folder = rewritten(saved[name], tmp_path / name, files)
    with within(seconds=5, megabytes=128), pytest.raises(StorageError, match=r"larger than they are|would not end"):
        gw.load(folder, device="cpu")


@pytest.mark.parametrize("name", [CODEC, RECIPE, WEIGHTS])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "deep", "digits", "empty"])
def test_what_is_no_file_or_no_json_is_refused(saved, tmp_path, name, kind):
    folder = Path(shutil.copytree(saved["mixture"], tmp_path / "model"))
    path = folder / name
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.write_text({"deep": "[" * 10**6, "digits": "1" * 10**5, "empty": ""}[kind])
    with pytest.raises(StorageError):
        gw.load(folder)


def test_lines_that_are_no_rows_are_not_taken_into_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"x" * 40_000_000))
    with pytest.raises(DataError, match=r"line 2: a line of 16,777,216 characters or more"):
        gw.read(path)


@pytest.mark.parametrize("suffix", [".txt", ".jsonl"])
def test_what_swells_is_not_taken_into_memory(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(reading, "SPARE_BYTES", 2**16)
    path = tmp_path / f"bomb{suffix}.gz"
    path.write_bytes(gzip.compress(b'{"a": "' + b"x" * 40_000_000 + b'"}'))
    with within(seconds=2, megabytes=32), pytest.raises(DataError, match=r"larger than 3\.8 MiB") as caught:
        gw.read(path)
    assert "unpack it" in caught.value.hint


def test_members_of_archives_have_bounds_and_many_are_read_soon(tmp_path, monkeypatch):
    path = tmp_path / "texts.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(2_000):
            archive.writestr(f"{i % 3}/{i}.txt", f"text number {i}")
    with within(seconds=2, megabytes=128):
        assert len(gw.read(path)) == 2_000
    monkeypatch.setattr(reading, "SPARE_BYTES", 2**16)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.txt", bytes(4_000_000))
    with pytest.raises(DataError, match="100 times as large"):
        gw.read(path)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # what a member says of its size is believed before it is opened
    with pytest.raises(DataError, match=r"big\.txt: larger than 0\.4 MiB"):
        reading.files_in(path).read("big.txt")


@pytest.mark.parametrize("deep", [100, 900, 100_000])
def test_deep_records_are_read_or_refused(tmp_path, deep):
    path = tmp_path / "deep.jsonl"
    path.write_text("".join(f'{{"a": {i}, "b": {"[" * deep + "]" * deep}}}\n' for i in range(12)))
    with within(seconds=2, megabytes=64):
        if deep == 100:
            assert len(gw.read(path)) == 12
        else:
            with pytest.raises(DataError, match=r"line 1: (nested more than 200 deep|not JSON)"):
                gw.read(path)


def test_long_cells_and_wide_tables_are_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("k,text\n" + "\n".join(f"{i},{'word ' * (40_000 if i == 3 else 3)}" for i in range(20)))
    assert max(map(len, gw.read(path).columns["text"])) == 199_999
    began = time.process_time()
    names, _ = column_names([f"c{i}" for i in range(50_000)], "here")
    assert len(names) == 50_000 and time.process_time() - began < 1


@pytest.fixture
def database(tmp_path) -> str:
    with closing(sqlite3.connect(tmp_path / "odd.sqlite")) as connection:
        for name in ("a.b", 'we "q" it', "sp ace", "it's", "main.t.u"):
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"create table {quoted} (a int, b text)")
            connection.executemany(f"insert into {quoted} values (?, ?)", [(i, "xy"[i % 2]) for i in range(12)])
        connection.commit()
    return f"sqlite:///{tmp_path / 'odd.sqlite'}"


@pytest.mark.parametrize("name", ["a.b", 'we "q" it', "sp ace", "it's", "main.t.u"])
def test_tables_of_any_name_are_read(database, name):
    assert len(gw.read(database, table=name)) == 12


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH '{}/new.sqlite' AS new",
        "VACUUM INTO '{}/new.sqlite'",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = 1",
        'DELETE FROM "a.b"',
        "CREATE TEMP TABLE z AS SELECT 1",
        "SELECT load_extension('x')",
    ],
)
def test_queries_can_only_read(database, tmp_path, query):
    with pytest.raises(DataError, match="the database says"):
        gw.read(database, query=query.format(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["odd.sqlite"]
    assert len(gw.read(database, query="WITH t AS (SELECT a, max(b) m FROM 'a.b' GROUP BY a) SELECT * FROM t")) == 12


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", "(a*)*b", "((a?){30}){30}b"])
def test_patterns_never_run_away(pattern):
    began = time.process_time()
    assert matches(pattern, ["a" * 5_000, "a" * 20 + "b", "\ud800b"]).tolist() == [False, True, False]
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "pattern", ["((a{1000}){1000}){1000}", "(" * 5_000 + "a" + ")" * 5_000, "((a{0,150}){0,150})*"]
)
def test_patterns_of_endless_texts_are_refused(pattern):
    with pytest.raises(ArgumentError):
        parse(pattern)
