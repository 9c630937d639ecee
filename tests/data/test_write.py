"""What is written reads back as the same Dataset."""

import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from genwright.data import write as writer
from genwright.data.align import aligned
from genwright.data.dataset import Category, Dataset, Image, Text
from genwright.data.images import scale_levels
from genwright.data.like import read_like
from genwright.data.read import read
from genwright.data.write import write
from genwright.errors import ArgumentError, DataError
from tests.data.same import assert_same

CSV = """id,price,pi,day,at,ok,town,zip,gone,same,n
A01,2.50,3.141592653589793,24.12.2020,2020-01-01 10:00:00,yes,Köln,01234,,x,5
A02,13.00,2.5,1.1.2021,2020-01-01 11:30:00,no,"a ""b"", c",99999,,x,
A03,,1e-20,,,,"two
lines",01234,,x,-3
A04,0.05,-7.25,3.3.2021,2020-02-01 00:00:00,yes,Köln,99999,,x,0
A05,1.10,0.1,4.3.2021,2020-03-01 00:00:00,no,Ulm,99998,,x,1
A06,1.20,0.2,5.3.2021,2020-04-01 00:00:00,no,Ulm,99998,,x,2
A07,1.30,0.3,6.3.2021,2020-05-01 00:00:00,no,Ulm,99998,,x,2
A08,1.40,0.4,7.3.2021,2020-06-01 00:00:00,no,Ulm,99998,,x,2
A09,1.50,0.5,8.3.2021,2020-07-01 00:00:00,no,Ulm,99998,,x,2
A10,1.60,0.6,9.3.2021,2020-08-01 00:00:00,no,Ulm,99998,,x,2
"""


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_text(CSV, encoding="utf-8")
    data = read(tmp_path / "t.csv")
    kinds = [type(f).__name__[:2] for f in data.fields]
    assert kinds == ["Id", "Nu", "Nu", "Ti", "Ti", "Ca", "Ca", "Ca", "Co", "Co", "Nu"]
    return data


@pytest.mark.parametrize("name", ["u.csv", "u.tsv", "u.csv.gz", "u.jsonl", "u.jsonl.gz", "u.parquet"])
def test_tables_round_trip(table, tmp_path, name):
    assert write(table, tmp_path / name) == ()
    assert_same(read(tmp_path / name), table, layout="parquet" not in name)
    assert not [p for p in os.listdir(tmp_path) if p.startswith(".")]


def test_csv_is_written_as_it_was_read(table, tmp_path):
    write(table, tmp_path / "u.csv")
    assert (tmp_path / "u.csv").read_text(encoding="utf-8") == CSV


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_built_in_tables_round_trip(tmp_path, name):
    data = read(name)
    write(data, tmp_path / "t.csv")
    assert_same(read_like(tmp_path / "t.csv", data), data)


def test_single_column_with_gaps(tmp_path):
    data = read(pd.DataFrame({"x": [1.5, None, 2.5, None]}))
    write(data, tmp_path / "x.csv")
    assert_same(read(tmp_path / "x.csv"), data)


letters = st.characters(exclude_categories=["Cs", "Cc"])
moments = st.datetimes(min_value=pd.Timestamp("1700-01-01"), max_value=pd.Timestamp("2200-01-01"))
KINDS = [
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False),
    st.text(letters, max_size=5),
    st.dates(),
    moments,
]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_column_round_trips(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(KINDS))
    cells = data.draw(st.lists(st.one_of(st.none(), kind), min_size=2, max_size=30))
    first = read(pd.DataFrame({"x": pd.Series(cells, dtype=object), "y": range(len(cells))}))
    path = tmp_path_factory.mktemp("w") / "t.csv"
    write(first, path)
    once = read(path)
    write(once, path)
    assert_same(read(path), once)


def test_images_round_trip(tmp_path):
    data = read("digits").take(np.arange(30))
    write(data, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out"))[0] == "00000.png"
    assert (tmp_path / "out" / "labels.csv").read_text().startswith("file,label\n00000.png,0\n")
    back = read(tmp_path / "out")
    assert_same(back, data)
    write(back, tmp_path / "out")  # our own earlier output may be replaced
    (tmp_path / "out" / "thesis.doc").write_text("precious")
    with pytest.raises(ArgumentError, match=r"thesis\.doc"):
        write(back, tmp_path / "out")
    with pytest.raises(ArgumentError, match="folder"):
        write(data, tmp_path / "out.csv")


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_image_modes_round_trip(tmp_path, mode, channels):
    rng = np.random.default_rng(0)
    levels = 2 if mode == "1" else 256
    pixels = rng.integers(0, levels, (4, 5, 3, channels)).astype(np.uint8)
    captions = np.array(["a dog", "two\nlines", "", "\udc80"], dtype=object)
    data = Dataset(
        (Image("image", (5, 3, channels), mode, levels), Text("caption")), {"image": pixels, "caption": captions}
    )
    write(data, tmp_path / "out")
    assert_same(read(tmp_path / "out", schema={"caption": "text"}), data)


def test_mixed_sizes_round_trip(tmp_path):
    pixels = np.empty(2, dtype=object)
    pixels[:] = [np.zeros((1, 4, 3), np.uint8), np.ones((2, 2, 3), np.uint8)]
    data = Dataset((Image("image", None, "RGB"),), {"image": pixels})
    write(data, tmp_path / "out")
    assert_same(read(tmp_path / "out"), data)


def test_text_round_trips(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\r\n\r\ntwo \xff\r\n\n" * 400)
    data = read(path)
    write(data, tmp_path / "u.txt")
    assert (tmp_path / "u.txt").read_bytes() == path.read_bytes()
    path.write_text("emma\nava\n")
    for name in ("u.txt", "u.jsonl", "u.txt.gz"):
        assert write(read(path), tmp_path / name) == ()
        assert_same(read(tmp_path / name), read(path))
    broken = Dataset((Text("text"),), {"text": np.array(["a\nb", "c"], dtype=object)})
    with pytest.raises(ArgumentError, match=r"lines of a \.txt do not hold all of 2 records: 1 with line breaks"):
        write(broken, tmp_path / "u.txt")
    assert writer.held_at(broken, "u.txt")[0] == "u.jsonl" and writer.held_at(read(path), "u.txt") == ("u.txt", ())
    write(broken, tmp_path / "u.jsonl")
    assert_same(read(tmp_path / "u.jsonl"), broken)


def test_wrong_suffixes(table, tmp_path):
    for name in ("t.xlsx", "t", "t.parquet.gz", "t.txt"):
        with pytest.raises(ArgumentError, match="cannot write") as caught:
            write(table, tmp_path / name)
        assert ".csv" in caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError):
        write(table, tmp_path / "file" / "t.csv")


def test_a_failed_write_leaves_the_old_file(table, tmp_path, monkeypatch):
    write(table, tmp_path / "u.csv")
    before = (tmp_path / "u.csv").read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ArgumentError, match="disk full"):
        write(table.take(np.arange(3)), tmp_path / "u.csv")
    assert (tmp_path / "u.csv").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "u.csv"]


def test_read_like_takes_the_real_types(tmp_path, table):
    path = tmp_path / "fake.csv"
    header = "n,extra,zip,price,pi,day,at,ok,town,gone,same,id\n"
    row = "1,9,77777,3,2,2.1.2021,2020-01-01 10:00:00,YES,5,,x,7\n"
    path.write_text(header + 2 * row)
    fake = read_like(path, table)
    assert [f.name for f in fake.fields] == [f.name for f in table.fields]
    assert fake.field("price") == table.field("price") and fake.field("day") == table.field("day")
    assert fake.columns["ok"].tolist() == ["yes", "yes"] and "77777" in fake.field("zip").levels
    assert any("extra" in note for note in fake.notes) and any("'77777'" in note for note in fake.notes)
    path.write_text("n\n1\n2\n")
    with pytest.raises(DataError, match="no column called 'id'"):
        read_like(path, table)


def test_read_like_for_media(tmp_path):
    digits = read("digits").take(np.arange(12))
    write(digits, tmp_path / "out")
    assert_same(read_like(tmp_path / "out", digits), read_like(digits, digits))
    colour = read(tmp_path / "out", schema={"label": "category"})
    assert read_like(tmp_path / "out", colour).field("image").levels == 17
    with pytest.raises(DataError, match="8 x 8"):
        read_like(tmp_path / "out", read("digits", size=(9, 9)))
    (tmp_path / "a.jsonl").write_text('{"question": "why is the sky so blue?"}\n{"question": "who?"}\n')
    real = read(tmp_path / "a.jsonl", field="question")
    (tmp_path / "b.txt").write_text("what\nwhen\n")
    assert read_like(tmp_path / "b.txt", real).fields == real.fields
    (tmp_path / "c.jsonl").write_text('{"id": 1, "answer": "why, the same again"}\n' * 9)  # of a collapsed generator
    assert read_like(tmp_path / "c.jsonl", real).columns["question"].tolist() == ["why, the same again"] * 9
    (tmp_path / "b.txt").write_text("what\n\nwhen\n\n" * 9)  # lines, as the real data is, for all their blank lines
    assert len(read_like(tmp_path / "b.txt", real)) == 18
    running = read(tmp_path / "b.txt")
    assert running.media.running and len(aligned(running, real)) == 18
    with pytest.raises(DataError, match="no texts"):
        read_like(tmp_path / "out", real)


@pytest.mark.parametrize("mode, channels, levels", [("L", 1, 17), ("1", 1, 2), ("LA", 2, 256), ("RGB", 3, 256)])
def test_a_sheet_shows_every_image_once_in_order(tmp_path, mode, channels, levels):
    pixels = np.random.default_rng(0).integers(0, levels, (7, 6, 4, channels)).astype(np.uint8)
    fields = (Image("image", (6, 4, channels), mode, levels), Category("label", ("a",)))
    data = Dataset(fields, {"image": pixels, "label": np.array(["a"] * 7, dtype=object)}, "seven")
    (note,) = write(data, tmp_path / "all.png")
    assert "label" in note
    page = np.asarray(Pillow.open(tmp_path / "all.png"))
    page = page[..., None] if page.ndim == 2 else page
    assert page.shape[:2] == (3 * 50 + 2, 3 * 34 + 2)  # three rows of three, each pixel eight wide
    for i, image in enumerate(scale_levels(pixels, levels, 256)):
        top, left = 2 + 50 * (i // 3), 2 + 34 * (i % 3)
        assert (page[top : top + 48 : 8, left : left + 32 : 8, 0] == image[..., 0]).all()
        assert (page[top : top + 48 : 8, left : left + 32 : 8, -1] == image[..., -1]).all()
    for wrong, rows in (("all.jpg", slice(None)), ("none.png", slice(0))):
        with pytest.raises(ArgumentError):
            write(data.take(rows), tmp_path / wrong)
