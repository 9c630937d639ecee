"""Generators of whole databases: keys, numbers of children, and what depends across tables and along siblings."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import ks_2samp

import genwright.relational.fit as relational_fit
from genwright.app.cli import main
from genwright.errors import ArgumentError, StorageError
from genwright.relational.children import training_rows
from genwright.relational.files import read_database
from genwright.relational.fit import _parts, fit_database
from genwright.relational.generator import load_database
from genwright.relational.layout import Clock, Layout
from tests.relational.shop import facts, shop


@pytest.fixture(scope="module")
def real():
    return read_database(shop(600))


@pytest.fixture(scope="module")
def model(real):
    return fit_database(real, steps=450)


@pytest.fixture(scope="module")
def fake(model):
    return model.sample(seed=1)


def test_every_key_is_new_and_refers_to_a_row(real, fake):
    for table, key in fake.keys.items():
        assert not set(fake.column(table, key)) & set(real.column(table, key))
    for foreign in fake.foreign:
        rows = fake.parent_rows(foreign)  # raises if one refers to nothing
        assert ((rows < 0) == pd.isna(fake.column(foreign.table, foreign.column))).all()
    assert fake.column("customers", "id")[0] == "C00600"  # of the same form
    assert [f.name for f in fake.tables["orders"].fields] == [f.name for f in real.tables["orders"].fields]


def test_the_law_is_kept_across_tables(real, model, fake):
    """Independent tables have no dependence at all: correlations of 0, and the same numbers of children everywhere."""
    truth, found = facts(real), facts(fake)
    draws = [found, *(facts(model.sample(seed=seed)) for seed in (2, 3, 4))]  # one draw has some forty products
    assert ks_2samp(truth["many"], found["many"]).statistic < 0.09
    assert found["city"]["Oslo"] - found["city"]["Rome"] > 0.5 * (truth["city"]["Oslo"] - truth["city"]["Rome"])
    for dependence in ("with age", "with before", "price with age"):
        mean = np.mean([each[dependence] for each in draws])
        assert mean > 0.4 * truth[dependence] > 0.2, dependence
    assert ks_2samp(truth["gap"], found["gap"]).statistic < 0.1 and found["gap"].min() >= 0
    assert np.median(found["since signup"]) == pytest.approx(np.median(truth["since signup"]), rel=0.3)
    assert found["named"] == pytest.approx(truth["named"], abs=0.05)
    assert found["per product"].std() > 0.4 * truth["per product"].std()


def test_saved_and_loaded_it_draws_the_same(tmp_path, model, fake):
    model.save(tmp_path / "m")
    again = load_database(tmp_path / "m").sample(seed=1)
    for name, table in fake.tables.items():
        for field in table.fields:
            a, b = table.columns[field.name], again.tables[name].columns[field.name]
            assert ((a == b) | (pd.isna(a) & pd.isna(b))).all(), (name, field.name)
    recipe = tmp_path / "m" / "table0" / "recipe.json"
    recipe.write_text(recipe.read_text() + " ")
    with pytest.raises(StorageError, match="SHA-256"):
        load_database(tmp_path / "m")


def test_scale(model):
    half = model.sample(0.5, seed=2)
    assert len(half.tables["customers"]) == 300 and len(half.tables["products"]) == 20
    with pytest.raises(ArgumentError):
        model.sample(0)


def test_times_come_back_from_gaps(real):
    layout = next(Layout.of(real, role) for role in real.roles() if role.table == "orders")
    assert layout.clock == "day" and layout.origin == "signup"
    clock = Clock.of(layout, real.tables["orders"])
    rows, _ = training_rows(real, layout, clock)
    times, now = clock.told({"day": rows.columns["day"]}, rows.columns["@now"])
    assert sorted(times["day"]) == sorted(real.tables["orders"].columns["day"])
    assert (now[:-1] == rows.columns["@now"][1:])[rows.columns["@position"][1:] > 0].all()
    assert np.isnan(rows.columns["@mean: amount"][rows.columns["@position"] == 0]).all()


def test_three_levels_orphans_and_rows_that_hold_only_keys():
    rng = np.random.default_rng(0)
    schools = pd.DataFrame({"id": range(30), "size": rng.integers(1, 5, 30)})
    owner = np.repeat(np.arange(30), schools["size"])
    classes = pd.DataFrame(
        {"id": range(len(owner)), "school_id": owner.astype(object), "grade": rng.integers(1, 9, len(owner))}
    )
    classes.loc[::7, "school_id"] = None
    pupils = np.repeat(np.arange(len(owner)), 3)
    seats = pd.DataFrame({"class_id": pupils})
    real = read_database({"seats": seats, "classes": classes, "schools": schools})
    assert {f.column for f in real.foreign} == {"school_id", "class_id"}
    fake = fit_database(real, steps=20).sample(seed=0)
    assert list(fake.tables) == ["seats", "classes", "schools"]
    lost = pd.isna(fake.column("classes", "school_id"))
    assert lost.sum() == pd.isna(real.column("classes", "school_id")).sum()
    assert len(fake.tables["seats"]) == 3 * len(fake.tables["classes"])


def test_from_url_to_url(tmp_path, postgres_url):
    """The command line: a database in, a database out."""
    source, run = f"sqlite:///{tmp_path / 'shop.db'}", CliRunner()
    from genwright.relational.files import write_database

    write_database(read_database(shop(60)), source)
    done = run.invoke(main, ["fit-database", source, "--steps", "5", "-o", str(tmp_path / "m"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["tables"]["customers"] == 60
    for target in (postgres_url, f"sqlite:///{tmp_path / 'fake.db'}", str(tmp_path / "fake")):
        drawn = run.invoke(main, ["sample-database", str(tmp_path / "m"), "-o", target, "--if-exists", "replace"])
        assert drawn.exit_code == 0, drawn.output
        fake = read_database(target)
        assert len(fake.tables["customers"]) == 60 and len(fake.foreign) >= 2
    more = run.invoke(main, ["sample-database", str(tmp_path / "m"), "-o", source, "--if-exists", "append"])
    assert more.exit_code == 0, more.output
    assert (
        len(read_database(source).tables["customers"]) == 120
    )  # the new rows beside the real ones, keys all different


def test_an_interrupted_fit_goes_on_with_the_table_where_it_was(tmp_path, monkeypatch):
    database = read_database(shop(40))
    whole = fit_database(database, steps=4, seed=1)
    fitted: list[str] = []
    real = relational_fit._fit_table

    def watched(database, layout, *more):
        if len(fitted) == 1:
            fitted.append("stopped")
            raise KeyboardInterrupt
        fitted.append(layout.table)
        return real(database, layout, *more)

    monkeypatch.setattr(relational_fit, "_fit_table", watched)
    with pytest.raises(KeyboardInterrupt):
        fit_database(database, steps=4, seed=1, folder=tmp_path)
    with pytest.raises(ArgumentError, match="something else"):
        fit_database(database, steps=5, seed=1, folder=tmp_path)
    model = fit_database(database, steps=4, seed=1, folder=tmp_path)
    assert fitted[1] == "stopped" and len(set(fitted)) == len(fitted) > 2
    model.save(tmp_path)
    again = load_database(tmp_path).sample(seed=2)
    for name, table in whole.sample(seed=2).tables.items():
        assert table.frame.equals(again.tables[name].frame)


def test_children_of_few_parents_are_split_on_their_own():
    rng = np.random.default_rng(0)
    own = rng.integers(0, 6, 1200)
    wide = pd.DataFrame({"id": ["a", "b", "c", "d", "e", "f"], "area": [3, 9, 4, 7, 5, 8]})
    sales = pd.DataFrame({"id": np.arange(1200) + 1, "shop_id": wide["id"].to_numpy()[own]})
    sales["amount"] = rng.normal(size=1200)
    database = read_database({"shops": wide, "sales": sales})
    parts = {}
    for layout in [Layout.of(database, role) for role in database.roles()]:
        parts[layout.table] = _parts(database, layout, parts)
    for part, share in ((0, 0.8), (1, 0.1), (2, 0.1)):
        many = pd.Series(database.tables["sales"].columns["shop_id"])[parts["sales"] == part].value_counts()
        assert many.reindex(wide["id"]).to_numpy() == pytest.approx(share * np.bincount(own), abs=0.1 * 200)


def test_a_table_whose_name_is_a_path_is_refused_before_anything_is_drawn(tmp_path):
    frame = pd.DataFrame({"a": np.arange(30) % 7, "b": np.arange(30) % 3})
    fit_database(read_database({"../outside": frame}), steps=1).save(tmp_path / "model")
    done = CliRunner().invoke(main, ["sample-database", str(tmp_path / "model"), "--out", str(tmp_path / "out" / "in")])
    assert done.exit_code == 3 and "cannot be the name of a file" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    url = f"sqlite:///{tmp_path}/fake.db"
    assert CliRunner().invoke(main, ["sample-database", str(tmp_path / "model"), "--out", url]).exit_code == 0
