"""Every write fails once: what was there is still there, the error is one of ours, and the next call succeeds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import genwright as gw
from genwright.app.cli import main
from genwright.errors import ArgumentError, ResourceError, StorageError
from genwright.folders import NEW, OLD, PART
from genwright.relational.files import read_database, write_database
from genwright.relational.fit import fit_database
from genwright.relational.generator import load_database
from tests.faults import disk_full_after
from tests.train.test_stages import reviews, table


@pytest.fixture(scope="module")
def model():
    return gw.fit(table(300), family=gw.Mixture(), steps=2)


@pytest.fixture(scope="module")
def images():
    return gw.read("digits").take(slice(5))


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(0)
    shops = pd.DataFrame({"id": [f"s{i}" for i in range(15)], "size": rng.normal(size=15)})
    sales = pd.DataFrame({"shop_id": rng.choice(shops["id"], 40), "amount": rng.exponential(size=40)})
    return read_database({"shops": shops, "sales": sales})


def fail_everywhere(folder: Path, work: Callable[[], object], *, check: Callable[[], object]) -> int:
    """Call `work` on a disk that is full after 0, 1, 2 ... changes until it succeeds; how many times it failed."""
    for changes in range(400):
        try:
            with disk_full_after(changes, below=folder):
                work()
            return changes
        except (ArgumentError, ResourceError, StorageError) as error:
            assert "No space left" in str(error) and ".part" not in error.where
        check()
    raise AssertionError("never succeeded")


def untidy(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if PART.fullmatch(p.name) or p.name in (NEW, OLD)]


def test_saving_over_a_model(tmp_path, model):
    gw.fit(table(300), family=gw.Mixture(), steps=1, seed=5).save(tmp_path)
    found: set[int] = set()
    failed = fail_everywhere(
        tmp_path, lambda: model.save(tmp_path), check=lambda: found.add(gw.load(tmp_path).record["seed"])
    )
    assert failed > 8 and gw.load(tmp_path).record["seed"] == 0 and 5 in found and not untidy(tmp_path)


@pytest.mark.parametrize("read", [lambda: table(100), reviews], ids=["table", "with texts"])
def test_fitting(tmp_path, read):
    data, out = read(), tmp_path / "out"

    def fit() -> None:
        gw.fit(data, family=gw.Autoregressive(), steps=2, folder=out).save(out)

    assert fail_everywhere(tmp_path, fit, check=lambda: None) > 8
    assert gw.load(out).record["steps"] == 2 and not untidy(tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl", "images"])
def test_writing_records(tmp_path, model, images, name):
    before, after = (images, images.take(slice(3))) if name == "images" else (model.sample(5), model.sample(3))
    gw.write(before, tmp_path / name)
    failed = fail_everywhere(
        tmp_path, lambda: gw.write(after, tmp_path / name), check=lambda: len(gw.read(tmp_path / name)) == len(before)
    )
    assert failed >= 2 and len(gw.read(tmp_path / name)) == len(after) and not untidy(tmp_path)


def test_a_database_fitted_saved_and_written(tmp_path, shop):
    out = tmp_path / "out"

    def fit() -> None:
        fit_database(shop, steps=1, folder=out).save(out)

    assert fail_everywhere(tmp_path, fit, check=lambda: None) > 20 and not untidy(tmp_path)
    fake = load_database(out).sample()
    assert fail_everywhere(tmp_path, lambda: write_database(fake, tmp_path / "fake"), check=lambda: None) >= 5
    assert len(read_database(tmp_path / "fake").tables) == 2 and not untidy(tmp_path)


def test_a_study_is_set_up(tmp_path, images):
    pytest.importorskip("fastapi")
    from genwright.rating.protocol import Protocol
    from genwright.rating.study import holds_study, set_up

    sources = {"a": images, "b": gw.read("digits").take(slice(50, 55))}
    protocol = Protocol(systems=("a", "b"), medium="image", questions=("preference",), raters=1, per_question=4, seed=0)
    out = tmp_path / "study"
    failed = fail_everywhere(
        tmp_path,
        lambda: set_up(out, sources, protocol, version="0"),
        check=lambda: None if not holds_study(out) else pytest.fail("not whole, and says it is"),
    )
    assert failed > 5 and holds_study(out)


def test_verbs_answer_with_the_code_of_a_full_disk(tmp_path, model):
    model.save(tmp_path / "model")
    with disk_full_after(0, below=tmp_path):
        for verb in (
            ["fit", "wine", "--family", "mixture", "--steps", 1, "--out", tmp_path / "new"],
            ["run", "wine", "--family", "mixture", "--minutes", 0.01, "--out", tmp_path / "run"],
            ["sample", tmp_path / "model", "--out", tmp_path / "a.csv"],
        ):
            done = CliRunner().invoke(main, [*map(str, verb)])
            assert done.exit_code == 8 and "No space left" in done.stderr and "hint" in done.stderr, done.stderr
