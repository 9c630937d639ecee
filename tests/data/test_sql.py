"""Tables in databases: SQLite files, and a PostgreSQL server."""

import datetime
import json
import re
import sqlite3
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from genwright.app.cli import main
from genwright.data.dataset import Category, Constant, Dataset, Identifier, Number, Text, Time
from genwright.data.read import read
from genwright.data.sql import is_url, without_password
from genwright.data.write import write
from genwright.errors import ArgumentError, DataError, MissingDependencyError


def fill(url, rows):
    """A table `orders` of many types; text columns hold nothing but digits."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    columns = [
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("code", sa.String(5)),
        sa.Column("amount", sa.Numeric(12, 2)),
        sa.Column("share", sa.Double),
        sa.Column("paid", sa.Boolean),
        sa.Column("day", sa.Date),
        sa.Column("at", sa.DateTime(timezone=True)),
    ]
    table = sa.Table("orders", sa.MetaData(), *columns)
    rng = np.random.default_rng(0)
    start = datetime.datetime(2024, 3, 30, tzinfo=datetime.UTC)
    with engine.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        values = [
            {
                "id": i,
                "code": str(rng.integers(10, 16)),
                "amount": None if i == 3 else Decimal(int(rng.integers(100, 99999))) / 100,
                "share": float(rng.random()),
                "paid": None if i == 5 else bool(rng.random() < 0.7),
                "day": datetime.date(2024, 1, 1) + datetime.timedelta(int(rng.integers(300))),
                "at": start + datetime.timedelta(minutes=int(rng.integers(5000))),
            }
            for i in range(1, rows + 1)
        ]
        connection.execute(table.insert(), values)
    engine.dispose()
    return values


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    return request.getfixturevalue("postgres_url")


def rows_of(url, statement):
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = connection.execute(sa.text(statement)).fetchall()
    engine.dispose()
    return [tuple(row) for row in found]


def test_types_are_those_of_the_database(url):
    values = fill(url, 300)
    data = read(url, table="orders")
    assert [type(f) for f in data.fields] == [Identifier, Category, Number, Number, Category, Time, Time]
    assert data.name == "orders" and data.field("code").dtype == "str"  # digits, but text
    assert data.field("amount").decimals == 2 and data.field("share").decimals is None
    assert data.field("paid").levels == ("false", "true") and data.field("day").format == "%Y-%m-%d"
    assert np.isnan(data.columns["amount"][2]) and data.columns["paid"][4] is None
    expected = np.array([v["at"].replace(tzinfo=None) for v in values], dtype="datetime64[us]")
    assert (data.columns["at"] == expected).all()


def test_written_and_read_again_it_is_the_same(url):
    fill(url, 300)
    data = read(url, table="orders")
    write(data, url, table="again", if_exists="replace")
    again = read(url, table="again")
    for field in data.fields:
        column, other = data.columns[field.name], again.columns[field.name]
        assert ((column == other) | (pd.isna(column) & pd.isna(other))).all(), field.name
        assert type(field) is type(again.field(field.name))


def test_column_types_fit(postgres_url):
    fields = (
        Identifier("key"),
        Number("n", 0, 0, 9),
        Number("price", 2, 0, 999, 2),
        Number("x"),
        Category("ok", ("false", "true"), "bool"),
        Category("answer", ("N", "Y"), "bool"),
        Time("day"),
        Time("clock", "%H:%M:%S"),
        Time("at", "%Y-%m-%dT%H:%M:%S%:z[Europe/Berlin]"),
        Constant("same", "7"),
        Text("words"),
    )
    moment = np.array(["2024-05-01T10:00:00", "NaT"], dtype="datetime64[us]")
    texts = [np.array(pair, dtype=object) for pair in (["1", "2"], ["true", None], ["Y", "N"], ["7", "7"], ["a", ""])]
    numbers = [np.array(pair) for pair in ([1.0, np.nan], [2.5, np.nan], [0.1, 1 / 3])]
    columns = [texts[0], *numbers, *texts[1:3], moment, moment, moment, *texts[3:]]
    write(Dataset(fields, {f.name: c for f, c in zip(fields, columns)}), postgres_url, table="t", if_exists="replace")
    found = rows_of(
        postgres_url, "select column_name, data_type from information_schema.columns where table_name = 't'"
    )
    assert dict(found) == {
        "key": "bigint",
        "n": "bigint",
        "price": "numeric",
        "x": "double precision",
        "ok": "boolean",
        "answer": "text",
        "day": "date",
        "clock": "time without time zone",
        "at": "timestamp with time zone",
        "same": "bigint",
        "words": "text",
    }
    first, second = rows_of(postgres_url, "select * from t")
    assert first[2] == Decimal("2.50") and first[8] == datetime.datetime(2024, 5, 1, 10, tzinfo=datetime.UTC)
    assert second[1] is second[4] is second[6] is None and second[3] == 1 / 3


def test_types_that_only_servers_have(postgres_url):
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    columns = (
        "u uuid, j jsonb, a int[], i interval, n numeric(30, 20), c time, b bytea, t timestamptz, s smallint, r real"
    )
    values = (
        "md5(k::text)::uuid, jsonb_build_object('k', mod(k, 3)), array[mod(k, 4), 1], make_interval(mins => k), "
        "case when k = 5 then 'NaN' else k / 7.0 end, make_time(mod(k, 24), 0, 0), '\\xff', "
        "'2024-03-31 00:00+00'::timestamptz + make_interval(mins => k * 30), mod(k, 7), k / 10.0"
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(f"drop table if exists odd; create table odd ({columns})")
        connection.exec_driver_sql(f"insert into odd select {values} from generate_series(1, 60) as k")
        connection.exec_driver_sql("set timezone to 'America/New_York'")
    engine.dispose()
    data = read(postgres_url, table="odd")
    kinds = {f.name: type(f).__name__ for f in data.fields}
    assert kinds["u"] == "Identifier" and kinds["j"] == kinds["a"] == "Category" and "b" not in kinds
    assert kinds["i"] == kinds["n"] == kinds["s"] == kinds["r"] == "Number" and kinds["c"] == kinds["t"] == "Time"
    assert np.isnan(data.columns["n"][4]) and data.columns["i"][1] == 120 and data.columns["r"][0] == 0.1
    assert data.columns["t"][0] == np.datetime64("2024-03-31T00:30") and data.field("t").format.endswith("+00:00")
    write(data, postgres_url, table="odd_again", if_exists="replace")
    assert rows_of(postgres_url, "select count(*) from odd join odd_again using (t)") == [(60,)]


def test_a_table_that_is_there(url):
    fill(url, 30)
    data = read(url, table="orders")
    with pytest.raises(ArgumentError, match="there is a table 'orders'"):
        write(data, url, table="orders")
    write(data.select(["code", "amount"]), url, table="copy", if_exists="replace")
    write(data.select(["code", "amount"]), url, table="copy", if_exists="append")
    assert rows_of(url, "select count(*) from copy") == [(60,)]
    with pytest.raises(ArgumentError, match="no column 'id'"):
        write(data, url, table="copy", if_exists="append")


def test_all_rows_or_none(url):
    fill(url, 30)
    data = read(url, table="orders")
    with pytest.raises(DataError, match=r"(?i)unique"):
        write(data, url, table="orders", if_exists="append")  # the same keys again
    assert rows_of(url, "select count(*) from orders") == [(30,)]
    broken = Dataset((Text("x"),), {"x": np.array(["fine"] * 6000 + ["\0"], dtype=object)})
    if "sqlite" not in url:
        with pytest.raises(DataError, match="database says"):
            write(broken, url, table="new")
        assert not rows_of(url, "select 1 from information_schema.tables where table_name = 'new'")


def test_queries_cannot_write(url):
    fill(url, 30)
    assert len(read(url, query="select code, amount * 1.0 as amount from orders where id <= 20")) == 20
    with pytest.raises(DataError, match=r"(?i)read.?only|does not return rows|syntax"):
        read(url, query="delete from orders")
    assert rows_of(url, "select count(*) from orders") == [(30,)]


def test_random_rows_of_many(url):
    fill(url, 5000)
    data = read(url, table="orders", max_rows=500)
    assert len(data) == 500 and any("of 5,000 rows, 500" in note for note in data.notes)
    ids = data.columns["id"].astype(int)
    assert (np.diff(ids) > 0).all() or "sqlite" not in url  # the order is kept
    assert abs(ids.mean() - 2500) < 4 * 1443 / np.sqrt(500)
    assert (read(url, table="orders", max_rows=500).columns["id"] == data.columns["id"]).all()


def test_sqlite_tables_of_text_alone_are_read_like_csv(tmp_path):
    url = f"sqlite:///{tmp_path / 'imported.db'}"
    with sqlite3.connect(tmp_path / "imported.db") as connection:
        connection.execute("create table t (age text, when_ text, note text)")
        connection.executemany(
            "insert into t values (?, ?, ?)", [(str(i / 2), f"2024-01-{i:02}", "") for i in range(1, 29)]
        )
    data = read(url)
    assert isinstance(data.field("age"), Number) and isinstance(data.field("when_"), Time)
    assert any("every column is text" in note for note in data.notes)


def test_what_cannot_be_read_is_explained(tmp_path, url):
    fill(url, 30)
    with pytest.raises(DataError) as caught:
        read(url, table="order")
    assert "orders" in caught.value.hint
    with pytest.raises(DataError, match="no such file"):
        read(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(MissingDependencyError):
        read("nosuchdatabase://host/x?table=t")
    with pytest.raises(ArgumentError, match="table= does not apply"):
        read("wine", table="t")
    with pytest.raises(ArgumentError, match="both"):
        read(url, table="orders", query="select 1")
    with pytest.raises(ArgumentError, match="for databases"):
        write(read("wine"), tmp_path / "w.csv", table="t")


def test_passwords_are_never_shown(postgres_url, tmp_path):
    url = postgres_url.replace("rater@", "rater:topsecret@") + "&table=nothing"
    assert is_url(url) and "topsecret" not in without_password(f"fit {url} -o x")
    folder = re.search("host=([^&]+)", url)[1]
    for bad in (url, url.replace(folder, str(tmp_path)), url.replace("rater:", "nobody:")):
        shown = CliRunner().invoke(main, ["inspect", bad])
        assert shown.exit_code == 3 and "topsecret" not in shown.output + shown.stderr
    with pytest.raises(DataError) as caught:
        read(url)
    assert "topsecret" not in str(caught.value)


def test_from_url_to_url(url, tmp_path):
    """The command line: fit on a table of a database, and write samples into the same database."""
    fill(url, 300)
    joint = "&" if "?" in url else "?"
    command = ["fit", f"{url}{joint}table=orders", "--family", "mixture", "--steps", "5", "--out", str(tmp_path / "m")]
    fitted = CliRunner().invoke(main, command)
    assert fitted.exit_code == 0, fitted.output
    out = ["sample", str(tmp_path / "m"), "-n", "200", "-o", url, "--table", "orders_synthetic"]
    done = CliRunner().invoke(main, [*out, "--if-exists", "replace", "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["n"] == 200
    assert rows_of(url, "select count(*), min(id) from orders_synthetic") == [(200, 301)]
    assert CliRunner().invoke(main, out).exit_code == 2  # it is there now
    more = CliRunner().invoke(main, ["sample", str(tmp_path / "m"), "-n", "50", "-o", url, "--table", "orders",
                                     "--if-exists", "append"])  # fmt: skip
    assert more.exit_code == 0 and rows_of(url, "select count(*) from orders") == [(350,)]


NUMBERS = {
    "tiny": (sa.SmallInteger(), [1, None, -7]),
    "whole": (sa.Integer(), [5, 70000, None]),
    "big": (sa.BigInteger(), [2**53 + 1, None, 2**62 + 3]),
    "price": (sa.Numeric(12, 2), [Decimal("2.50"), Decimal("3.00"), None]),
    "single": (sa.REAL(), [0.1, None, 2.5]),
    "paid": (sa.Boolean(), [True, None, False]),
    "always": (sa.Boolean(), [True, True, True]),
    "day": (sa.Date(), [datetime.date(2024, 1, 1), None, datetime.date(2024, 2, 3)]),
    "same": (sa.Date(), [datetime.date(2024, 1, 1)] * 3),
    "clock": (sa.Time(), [datetime.time(9, 30), None, datetime.time(18, 5, 1)]),
    "noon": (sa.Time(), [datetime.time(12)] * 3),
    "at": (sa.DateTime(), [datetime.datetime(2024, 1, 1), None, datetime.datetime(2024, 2, 3, 0, 0, 0, 250)]),
    "code": (sa.Text(), ["5", None, "12"]),
    "day in words": (sa.Text(), ["2024-01-01", None, "2024-02-03"]),
    "any": (sa.JSON(none_as_null=True), [{"a": [1]}, None, "1"]),
}
SERVER = {
    "zone": (sa.DateTime(timezone=True), [datetime.datetime(2024, 1, 1, 7, 30, tzinfo=datetime.UTC), None, None]),
    "wait": (sa.Interval(), [datetime.timedelta(1, 5, 250), None, datetime.timedelta(0, -5)]),
    "double": (sa.Double(), [0.1, 1 / 3, None]),
    "free": (sa.Numeric(), [Decimal(3), Decimal("2.125"), None]),
    "list": (sa.ARRAY(sa.Integer), [[1, 2], [], None]),
    "uuid": (sa.Uuid(), [uuid.UUID(int=7), None, uuid.UUID(int=2**100)]),
}


def test_types_are_written_as_they_were_read(url):
    """The declared type and every value, out of a database and into the next table."""
    kinds = NUMBERS if url.startswith("sqlite") else NUMBERS | SERVER
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    columns = [sa.Column(name, kind) for name, (kind, _) in kinds.items()]
    table = sa.Table("typed", sa.MetaData(), sa.Column("id", sa.Integer), *columns)
    with engine.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        rows = [{"id": i} | {name: values[i] for name, (_, values) in kinds.items()} for i in range(3)]
        connection.execute(table.insert(), rows)
    data = read(url, table="typed")
    assert write(data, url, table="typed_again", if_exists="replace") == ()
    assert not any("of its type" in note or "another is written" in note for note in data.notes)
    old, new = ([str(c["type"]) for c in sa.inspect(engine).get_columns(t)] for t in ("typed", "typed_again"))
    engine.dispose()
    assert [t.replace("JSONB", "JSON") for t in new] == [
        t.replace("NUMERIC", "NUMERIC(38, 3)") if t == "NUMERIC" else t for t in old
    ]
    assert rows_of(url, "select * from typed_again order by id") == rows_of(url, "select * from typed order by id")


def test_what_a_type_does_not_hold_is_said(tmp_path, url):
    moments = pd.DataFrame({"wait": pd.to_timedelta([1, 2, 9], unit="s"), "n": pd.Series([1, 2, 3], dtype="int8")})
    data = read(moments)
    wider = Dataset(data.fields, {**data.columns, "n": np.array([1.0, 70000.0, 5.0])})
    notes = write(wider, url, table="wider", if_exists="replace")
    assert "int8" in notes[-1] and rows_of(url, "select n from wider") == [(1,), (70000,), (5,)]
    assert any("duration" in note for note in notes) is url.startswith("sqlite")


def test_values_that_are_not_of_the_declared_type(tmp_path):
    with sqlite3.connect(tmp_path / "loose.db") as connection:
        connection.execute("create table t (n integer, price numeric(9, 2))")
        connection.executemany("insert into t values (?, ?)", [(1, 1.125), ("many", 2.0), (2**40, 3.5)])
    data = read(f"sqlite:///{tmp_path / 'loose.db'}")
    assert [note.split(" has")[0] for note in data.notes[:2]] == ["'n'", "'price'"]
    write(data, f"sqlite:///{tmp_path / 'again.db'}", table="t")
    assert rows_of(f"sqlite:///{tmp_path / 'again.db'}", "select price from t") == [(1.125,), (2.0,), (3.5,)]


def test_rows_are_appended_in_the_form_that_is_there(tmp_path):
    """SQLite shows the text that is stored; with and without fractions of a second, moments are read alike."""
    url = f"sqlite:///{tmp_path / 'at.db'}"
    with sqlite3.connect(tmp_path / "at.db") as connection:
        connection.execute("create table t (at datetime, n integer)")
        connection.executemany("insert into t values (?, ?)", [(f"2024-01-0{i} 10:00:00", i) for i in range(1, 4)])
    write(read(url), url, table="t", if_exists="append")
    assert rows_of(url, "select distinct length(at) from t") == [(19,)]
    with sqlite3.connect(tmp_path / "at.db") as connection:
        connection.execute("insert into t values ('2024-01-09 10:00:00.000250', 4)")
    data = read(url)
    assert data.field("at").format == "%Y-%m-%d %H:%M:%S.%f" and data.columns["at"][-1].item().microsecond == 250
