"""Databases: keys read, suggested and checked; written to folders and servers; matched rows."""

import json

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from genwright.errors import ArgumentError, DataError
from genwright.relational.database import ForeignKey
from genwright.relational.files import read_database, write_database
from genwright.relational.matching import match, rooms
from tests.relational.shop import shop

LINKS = (ForeignKey("orders", "customer_id", "customers"), ForeignKey("orders", "product_id", "products"))


@pytest.fixture(scope="module")
def small():
    return read_database(shop(30))


def test_keys_are_suggested_where_names_and_values_say_so(small):
    assert small.keys == {"customers": "id", "products": "id", "orders": "id"} and small.foreign == LINKS
    assert any("orders.customer_id -> customers" in note for note in small.notes)
    roles = {role.table: role for role in small.roles()}
    assert roles["orders"].parent == LINKS[0] and roles["orders"].links == (LINKS[1],)
    assert [role.table for role in small.roles()][-1] == "orders"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_folders(tmp_path, small, suffix):
    for name, frame in shop(30).items():
        getattr(frame, f"to_{suffix}")(
            tmp_path / f"{name}.{suffix}", index=False
        )  # pandas writes keys with gaps as 7.0
    found = read_database(tmp_path)
    assert found.foreign == LINKS and (found.parent_rows(LINKS[1]) == small.parent_rows(LINKS[1])).all()
    write_database(found, tmp_path / "out")
    again = read_database(tmp_path / "out")
    assert again.foreign == LINKS and not again.notes
    assert (again.tables["orders"].columns["amount"] == found.tables["orders"].columns["amount"]).all()
    described = json.loads((tmp_path / "out" / "keys.json").read_text())
    assert described["orders"] == {"primary": "id", "foreign": {"customer_id": "customers", "product_id": "products"}}


def test_servers(tmp_path, small, postgres_url):
    for url in (f"sqlite:///{tmp_path / 'shop.db'}", postgres_url):
        write_database(small, url, if_exists="replace")
        found = read_database(url)
        mine = [t for t in found.tables if t in small.tables]
        assert len(mine) == 3 and set(LINKS) <= set(found.foreign)
        rows = found.tables["orders"].columns["id"].argsort()
        assert (found.tables["orders"].columns["amount"][rows] == small.tables["orders"].columns["amount"][
            small.tables["orders"].columns["id"].argsort()]).all()  # fmt: skip
        with pytest.raises(ArgumentError, match="already"):
            write_database(small, url)
    engine = sa.create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    described = sa.inspect(engine)
    assert described.get_pk_constraint("orders")["constrained_columns"] == ["id"]
    assert {f["referred_table"] for f in described.get_foreign_keys("orders")} == {"customers", "products"}
    with engine.begin() as connection:
        for table in ("orders", "customers", "products"):
            connection.execute(sa.text(f"drop table {table}"))
    engine.dispose()


def test_broken_keys_are_named():
    tables = shop(30)
    keys = {"customers": {"primary": "id"}, "orders": {"primary": "id", "foreign": {"customer_id": "customers"}}}
    broken = tables["orders"].copy()
    broken.loc[4, "customer_id"] = "C99999"
    with pytest.raises(DataError) as caught:
        read_database({**tables, "orders": broken}, keys=keys)
    assert "row 5 refers to 'C99999'" in caught.value.what and "orders.customer_id" in caught.value.where
    twice = tables["customers"].copy()
    twice.loc[7, "id"] = twice.loc[2, "id"]
    with pytest.raises(DataError, match="comes again in row 8"):
        read_database({**tables, "customers": twice}, keys=keys)
    with pytest.raises(DataError, match="shops"):
        read_database(tables, keys={"orders": {"foreign": {"customer_id": "shops"}}})
    with pytest.raises(DataError, match=r"orders: .* is not an object"):
        read_database(tables, keys={"orders": ["id"]})
    with pytest.raises(DataError, match="no such folder"):
        read_database("/nowhere/at/all")


def test_circles_are_cut():
    staff = pd.DataFrame({"id": range(20), "boss_id": [None, *[i // 2 for i in range(19)]], "pay": np.arange(20) / 7})
    keys = {"staff": {"primary": "id", "foreign": {"boss_id": "staff"}}}
    (role,) = read_database({"staff": staff}, keys=keys).roles()
    assert role.parent is None and len(role.links) == 1


def test_rooms_add_up():
    rng = np.random.default_rng(0)
    for total in (0, 1, 37, 1000):
        counts = rng.integers(0, 5, 50).astype(float)
        room = rooms(counts, total, seed=total)
        assert room.sum() == total and (room >= 0).all() and (room[counts == 0] == 0).all()
        assert np.abs(room - counts * total / counts.sum()).max() <= 1


def test_matches_are_near_and_keep_to_the_room():
    rng = np.random.default_rng(0)
    offered = rng.normal(size=(200, 2))
    room = rooms(rng.integers(0, 6, 200).astype(float), 500, seed=0)
    wanted = offered[np.repeat(np.arange(200), room)] + 0.01 * rng.normal(size=(500, 2))
    found = match(wanted, offered, room, seed=0)
    assert (np.bincount(found, minlength=200) == room).all()
    assert np.median(np.linalg.norm(wanted - offered[found], axis=1)) < 0.1
    plain = match(np.zeros((500, 0)), np.zeros((200, 0)), room, seed=0)
    assert (np.bincount(plain, minlength=200) == room).all()


def test_a_table_whose_name_is_a_path_is_not_written_outside(tmp_path):
    database = read_database({"../outside": pd.DataFrame({"a": [1, 2, 3] * 5})})
    with pytest.raises(DataError, match="cannot be the name of a file"):
        write_database(database, tmp_path / "out")
    assert list(tmp_path.rglob("*")) == []
