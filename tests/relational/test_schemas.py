"""Databases as people declare them: drawn, written anew, into the same schema, and beside the rows that are there."""

import sqlite3
import warnings

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from scipy.stats import chi2_contingency

from genwright.app.cli import main
from genwright.errors import ArgumentError, DataError, NoRowsError
from genwright.relational.database import Database, Unique
from genwright.relational.distinct import exchanged
from genwright.relational.files import read_database, write_database
from genwright.relational.fit import fit_database
from genwright.relational.generator import load_database

rng = np.random.default_rng(0)
BIG = 2**56
STUDENTS = [(i, int(rng.integers(18, 30))) for i in range(1, 61)]
USERS = [(BIG + 1234567890123 * i + i * i, int(rng.integers(18, 90))) for i in range(1, 61)]
NORMAL = [round(float(x), 2) for x in rng.normal(50, 9, 400)]

SCHEMAS = {
    "lookup": (
        "CREATE TABLE country(code TEXT PRIMARY KEY, name TEXT); CREATE TABLE log(id INTEGER PRIMARY KEY, what TEXT);"
        "CREATE TABLE cust(id INTEGER PRIMARY KEY, country TEXT REFERENCES country(code), age INT)",
        {
            "country": [("DE", "Germany"), ("FR", "France"), ("NO", "Norway")],
            "cust": [(i, ["DE", "FR", "NO"][i % 3], int(rng.integers(18, 90))) for i in range(1, 121)],
        },
    ),
    "bridge": (
        "CREATE TABLE student(id INTEGER PRIMARY KEY, age INT);"
        "CREATE TABLE course(id INTEGER PRIMARY KEY, points INT);"
        "CREATE TABLE enrolled(student_id INT REFERENCES student(id), course_id INT REFERENCES course(id), grade INT, "
        "PRIMARY KEY(student_id, course_id))",
        {
            "student": STUDENTS,
            "course": [(i, int(rng.integers(3, 9))) for i in range(1, 13)],
            "enrolled": [
                (i, int(c), int(rng.integers(1, 6)))
                for i, _ in STUDENTS
                for c in rng.choice(np.arange(1, 13), rng.integers(2, 9), replace=False)
            ],
        },
    ),
    "lines": (
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, total REAL);"
        "CREATE TABLE line(order_id INT REFERENCES orders(id), nr INT, quantity INT, UNIQUE(order_id, nr))",
        {
            "orders": [(i, NORMAL[i]) for i in range(1, 81)],
            "line": [(i, k, int(rng.integers(1, 9))) for i in range(1, 81) for k in range(1, int(rng.integers(2, 6)))],
        },
    ),
    "big": (
        "CREATE TABLE person(id INTEGER PRIMARY KEY, age INT); "
        "CREATE TABLE visit(id INTEGER PRIMARY KEY, person_id INTEGER REFERENCES person(id), amount REAL)",
        {
            "person": USERS,
            "visit": [(-(2**61) + 7919 * i * i, USERS[int(rng.integers(60))][0], NORMAL[i]) for i in range(150)],
        },
    ),
    "case": (
        "CREATE TABLE Users(ID INTEGER PRIMARY KEY, Age INT); "
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, USER_id INTEGER, amt REAL, "
        "FOREIGN KEY(user_ID) REFERENCES users(id))",
        {"Users": STUDENTS, "orders": [(i, int(rng.integers(1, 61)), NORMAL[i]) for i in range(1, 121)]},
    ),
    "codes": (
        "CREATE TABLE item(id INTEGER PRIMARY KEY, code TEXT UNIQUE, size INT); "
        "CREATE TABLE sale(id INTEGER PRIMARY KEY, item_code TEXT REFERENCES item(code), "
        "ticket INT UNIQUE, price REAL)",
        {
            "item": [(i, f"K{i:03d}", int(rng.integers(1, 9))) for i in range(1, 61)],
            "sale": [(i, f"K{int(rng.integers(1, 61)):03d}", 7 * i, NORMAL[i]) for i in range(1, 121)],
        },
    ),
    "one to one": (
        "CREATE TABLE a(id INTEGER PRIMARY KEY, x INT); "
        "CREATE TABLE b(id INTEGER PRIMARY KEY, a_id INT UNIQUE REFERENCES a(id), y REAL)",
        {"a": STUDENTS, "b": [(i, i, NORMAL[i]) for i in range(1, 45)]},
    ),
    "staff": (
        "CREATE TABLE staff(id INTEGER PRIMARY KEY, boss_id INT REFERENCES staff(id), pay REAL)",
        {"staff": [(i, max(1, i // 4), NORMAL[i]) for i in range(1, 101)]},
    ),
    "one year": (
        "CREATE TABLE student(id INTEGER PRIMARY KEY, age INT, photo BLOB UNIQUE);"
        "CREATE TABLE mark(student_id INT REFERENCES student(id), year INT, mark INT, PRIMARY KEY(student_id, year))",
        {
            "student": [(*row, b"\x00" + bytes([row[0]])) for row in STUDENTS],
            "mark": [(i, 2024, i % 6) for i in range(1, 50)],
        },
    ),
    "computed": (
        "CREATE TABLE box(id INTEGER PRIMARY KEY, a INT, b INT, area INT AS (a * b), twice INT AS (a + a) STORED)",
        {"box": [(i, int(rng.integers(1, 90)), int(rng.integers(1, 50))) for i in range(1, 81)]},
    ),
}


def filled(path, name):
    """A database of SCHEMAS, with its rows or without."""
    script, rows = SCHEMAS[name]
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
        for table, values in rows.items():
            names = [c[1] for c in connection.execute(f"PRAGMA table_info({table})")]
            marks = ", ".join("?" * len(names))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(names[: len(values[0])])}) VALUES ({marks})", values
            )
    return f"sqlite:///{path}"


def empty(path, name):
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMAS[name][0])
    return f"sqlite:///{path}"


def asked(url, statement):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return connection.execute(statement).fetchall()


def is_sound(url):
    return not asked(url, "PRAGMA foreign_key_check") and asked(url, "PRAGMA integrity_check") == [("ok",)]


@pytest.fixture(scope="module", params=SCHEMAS)
def drawn(request, tmp_path_factory):
    """The name of a schema, the URL of its rows, and a sample of what was fitted to it, saved and loaded."""
    folder = tmp_path_factory.mktemp("schemas")
    url = filled(folder / "real.db", request.param)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit_database(read_database(url), steps=3).save(folder / "m")
    return request.param, url, load_database(folder / "m").sample(seed=1)


def test_samples_are_sound_anew_in_the_same_schema_and_twice_beside_the_real_rows(tmp_path, drawn):
    name, url, fake = drawn
    write_database(fake, f"sqlite:///{tmp_path / 'new.db'}")
    assert is_sound(f"sqlite:///{tmp_path / 'new.db'}")
    same = empty(tmp_path / "same.db", name)
    write_database(fake, same, if_exists="append")
    assert is_sound(same)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as source, sqlite3.connect(tmp_path / "real.db") as target:
        source.backup(target)
    real = f"sqlite:///{tmp_path / 'real.db'}"
    sizes = [{t: asked(real, f"SELECT count(*) FROM {t}")[0][0] for t in fake.tables}]
    for _ in range(2):
        write_database(fake, real, if_exists="append")
        assert is_sound(real)
        sizes.append({t: asked(real, f"SELECT count(*) FROM {t}")[0][0] for t in fake.tables})
    for table, data in fake.tables.items():
        more = 0 if table in fake.kept else len(data)
        assert [each[table] - sizes[0][table] for each in sizes] == [0, more, 2 * more]
    assert read_database(real).foreign == fake.foreign  # which also looks up every reference


@pytest.mark.parametrize("drawn", ["lookup"], indirect=True)
def test_lookup_tables_are_kept_and_empty_ones_passed_over(drawn):
    _, url, fake = drawn
    real = read_database(url)
    assert any("country: its 3 rows are kept" in note for note in real.notes)
    assert any("log: passed over" in note for note in real.notes)
    assert fake.tables["country"].frame.equals(real.tables["country"].frame) and list(fake.tables) == [
        "country",
        "cust",
    ]
    assert set(fake.column("cust", "country")) <= {"DE", "FR", "NO"}
    assert not read_database(url, keep=()).kept
    with pytest.raises(ArgumentError, match="refers to country"):
        read_database(url, keep=["cust"])
    with pytest.raises(ArgumentError, match="no table 'land'"):
        read_database(url, keep=["land"])


@pytest.mark.parametrize("drawn", ["big"], indirect=True)
def test_whole_keys_beyond_floats_stay_whole(tmp_path, drawn):
    _, url, fake = drawn
    write_database(fake, url, if_exists="append")
    assert asked(url, "SELECT DISTINCT typeof(id), typeof(person_id) FROM visit") == [("integer", "integer")]
    new = sorted(map(int, fake.column("person", "id")))
    assert new[0] == USERS[-1][0] + 1 and new == list(range(new[0], new[0] + 60))


@pytest.mark.parametrize("drawn", ["lines"], indirect=True)
def test_lines_count_within_their_order(drawn):
    fake = drawn[2].tables["line"].frame
    assert (fake.groupby("order_id")["nr"].max() == fake.groupby("order_id").size()).all()


@pytest.mark.parametrize("drawn", ["bridge"], indirect=True)
def test_pairs_differ_without_changing_how_often_each_is_there(drawn):
    _, url, fake = drawn
    real = read_database(url)
    many = len(real.tables["enrolled"]) / 60
    assert len(fake.tables["enrolled"]) == pytest.approx(60 * many, rel=0.3) and not fake.notes
    small = read_database({t: d.frame for t, d in fake.tables.items()}, keys=fake.keys_to_json())
    assert small.unique == fake.unique


def test_more_rows_than_pairs_are_left_out_and_told():
    a = pd.DataFrame({"id": range(40), "x": rng.normal(size=40).round(3)})
    b = pd.DataFrame({"id": range(20), "z": rng.normal(size=20).round(3)})
    pairs = pd.DataFrame([(i, j) for i in range(40) for j in range(20) if (i + j) % 10], columns=["a_id", "b_id"])
    real = read_database({"a": a, "b": b, "pairs": pairs, "tags": pd.DataFrame({"a_id": [1] * 12 + [2] * 30})})
    assert "pairs.(a_id, b_id)" in real.notes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fake = fit_database(real, steps=3).sample(0.1, seed=1)
    assert len(fake.tables["pairs"]) <= 8 and "are left out: no two rows of pairs" in fake.notes[0]


def test_the_same_keys_twice_are_named():
    pairs = pd.DataFrame({"a_id": [*range(40), 3], "b_id": [*range(40), 3]})
    tables = {"a": pd.DataFrame({"id": range(40)}), "b": pd.DataFrame({"id": range(40)}), "pairs": pairs}
    assert any("pairs: 1 of 41 rows have the same a_id, b_id" in note for note in read_database(tables).notes)
    keys = {"pairs": {"primary": ["a_id", "b_id"], "foreign": {"a_id": "a", "b_id": "b"}}, "a": {"primary": "id"}}
    with pytest.raises(DataError, match="row 41 has the same a_id, b_id"):
        read_database(tables, keys={**keys, "b": {"primary": "id"}})


def test_tables_that_refer_to_themselves_are_suggested():
    for column, key in (("manager_id", "emp_id"), ("parent", "id"), ("reports_to", "id"), ("bossId", "id")):
        staff = pd.DataFrame({key: range(1, 31), column: [max(1, i // 4) for i in range(1, 31)], "pay": range(30)})
        (found,) = read_database({"employees": staff}).foreign
        assert (found.column, found.parent) == (column, "employees")
    head = pd.DataFrame({"id": range(1, 31), "head": [1, 2, 3] * 10, "source": [4, 5] * 15})
    assert not read_database({"pipes": head}).foreign


def test_postgresql_numbers_rows_refers_and_computes_as_it_did(postgres_url):
    """Numbering goes on after the new rows, references of a table to itself hold, types of keys are the server's."""
    script = """
        CREATE TABLE unit (code uuid PRIMARY KEY DEFAULT gen_random_uuid(), size int NOT NULL);
        CREATE TABLE staff (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, boss_id bigint REFERENCES staff(id),
            unit uuid NOT NULL REFERENCES unit(code), pay int, yearly int GENERATED ALWAYS AS (12 * pay) STORED);
        CREATE TABLE badge (id serial PRIMARY KEY, staff_id bigint UNIQUE REFERENCES staff(id), colour text);
        INSERT INTO unit (size) SELECT 3 + i % 7 FROM generate_series(1, 30) i;
        INSERT INTO staff (unit, pay) SELECT (array(SELECT code FROM unit))[1 + i % 30], 20 + i % 50
            FROM generate_series(1, 90) i;
        UPDATE staff SET boss_id = 1 + id / 4 WHERE id > 1;
        INSERT INTO badge (staff_id, colour) SELECT i, (array['red', 'blue'])[1 + i % 2]
            FROM generate_series(1, 60) i"""
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    tables = ("badge", "staff", "unit")
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(script.replace("%", "%%"))
        source = read_database(postgres_url)
        keys = {t: key for t, key in source.keys.items() if t in tables}  # other tests' tables may be there too
        foreign, unique = ([each for each in of if each.table in tables] for of in (source.foreign, source.unique))
        real = Database({t: source.tables[t] for t in tables}, keys, tuple(foreign), unique=tuple(unique))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fake = fit_database(real, steps=3).sample(seed=1)
        for _ in range(2):
            write_database(fake, postgres_url, if_exists="append")
        with engine.begin() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM staff WHERE yearly = 12 * pay").scalar() == 270
            found = connection.exec_driver_sql("INSERT INTO staff (unit) SELECT code FROM unit LIMIT 1 RETURNING id")
            assert found.scalar() == 271
            connection.exec_driver_sql("INSERT INTO badge (staff_id) VALUES (271)")
        described = sa.inspect(engine)
        assert described.get_columns("staff")[0]["identity"]["always"]
        assert not any(f["options"].get("deferrable") for f in described.get_foreign_keys("staff"))
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS badge, staff, unit")
        engine.dispose()


def test_keys_of_several_columns_are_refused_until_single_ones_are_named(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript(
            "CREATE TABLE o(shop INT, nr INT, total REAL, PRIMARY KEY(shop, nr));"
            "CREATE TABLE line(shop INT, nr INT, n INT, FOREIGN KEY(shop, nr) REFERENCES o(shop, nr));"
        )
        connection.executemany("INSERT INTO o VALUES (?, ?, ?)", [(i % 4, i // 4, NORMAL[i]) for i in range(80)])
        connection.executemany("INSERT INTO line VALUES (?, ?, ?)", [(i % 4, i // 8, i % 5) for i in range(80)])
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with pytest.raises(DataError, match=r"line has a foreign key of several columns \(shop, nr\)"):
        read_database(url)
    assert read_database(url, keys={}).unique == (Unique("o", ("shop", "nr"), primary=True),)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_few_rows_of_another_are_modelled_and_calendars_kept(rows):
    days = pd.date_range("2024-01-01", periods=40).strftime("%Y-%m-%d")
    calendar = pd.DataFrame({"day": days, "holiday": [i % 7 == 0 for i in range(40)]})
    sales = pd.DataFrame({"id": range(60), "calendar_day": days[:20].repeat(3), "amount": NORMAL[:60]})
    notes = pd.DataFrame({"id": range(rows), "sale_id": range(rows), "size": NORMAL[:rows]})
    keys = {
        "calendar": {"primary": "day"},
        "sales": {"primary": "id", "foreign": {"calendar_day": "calendar"}},
        "notes": {"primary": "id", "foreign": {"sale_id": "sales"}},
    }
    real = read_database({"calendar": calendar, "sales": sales, "notes": notes}, keys=keys)
    assert real.kept == ("calendar",)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fake = fit_database(real, steps=3).sample(seed=1)
    assert fake.tables["calendar"].frame.equals(real.tables["calendar"].frame)
    assert set(fake.column("sales", "calendar_day")) <= set(days)


def test_binary_keys_are_refused_by_name(tmp_path):
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript(
            "CREATE TABLE a(id BLOB PRIMARY KEY, x INT); CREATE TABLE b(a_id BLOB REFERENCES a(id), y INT);"
            "INSERT INTO a VALUES (x'01', 2); INSERT INTO b VALUES (x'01', 3)"
        )
    with pytest.raises(DataError, match=r"b\.a_id refers to a\.id, which is binary"):
        read_database(f"sqlite:///{tmp_path / 'a.db'}")


def test_shares_of_kept_rows_are_those_of_the_data():
    shops = pd.DataFrame({"id": list("abcdef"), "area": [3, 9, 4, 7, 5, 8]})
    rng = np.random.default_rng(0)
    own = rng.choice(list("abcdef"), 1200, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05])
    sales = {"id": range(1200), "shop_id": own, "kind": rng.choice(list("xyz"), 1200, p=[0.6, 0.3, 0.1])}
    real = read_database({"shops": shops, "sales": pd.DataFrame(sales)})
    assert real.kept == ("shops",)
    fake = fit_database(real, steps=150).sample(seed=1)
    for name in ("shop_id", "kind"):
        both = [pd.Series(d.column("sales", name)).value_counts().sort_index() for d in (real, fake)]
        assert chi2_contingency(both).pvalue > 1e-3


def test_tables_to_keep_on_the_command_line(tmp_path):
    filled(tmp_path / "real.db", "lookup")
    wrong = [str(tmp_path / "m"), "--keep", "cust"]
    done = CliRunner().invoke(main, ["fit-database", f"sqlite:///{tmp_path / 'real.db'}", "-o", *wrong])
    assert done.exit_code == 2 and "cust cannot be kept as it is: it refers to country" in done.output


def test_nothing_at_all_is_said():
    with pytest.raises(NoRowsError, match="no table has rows"):
        read_database({"a": pd.DataFrame({"id": []})})


def test_exchanges_keep_every_value_as_frequent_as_it_was():
    many = np.random.default_rng(1)
    group, values = many.integers(0, 200, 600), many.integers(0, 40, 600) ** 2 // 40
    found, fits = exchanged(group, values, seed=0)
    pairs = pd.DataFrame({"group": group, "value": found})[fits]
    assert not pairs.duplicated().any() and fits.all()
    assert np.abs(np.bincount(found, minlength=40) - np.bincount(values, minlength=40)).sum() < 0.05 * len(values)
    assert pd.DataFrame({"group": group, "value": values}).duplicated().sum() > 20
