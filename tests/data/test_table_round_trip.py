"""What is written of a table reads back as the same records: any Dataset, in every format."""

import datetime
import string

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from genwright.data.cells import cells
from genwright.data.like import read_like
from genwright.data.read import read
from genwright.data.write import write
from genwright.errors import ArgumentError

QUICK = (Phase.explicit, Phase.generate)  # shrinking takes minutes
ODD = ["NA", "null", "None", "nan", "?", "-", "", " a", "a ", "a,b", 'say "hi"', '"', '""', "two\nlines", "\r"]
ODD += ["a;b", "\t", "|", "true", "1.5", "007", "\ufeff"]
words = st.sampled_from(ODD) | st.text(string.ascii_letters + "é漢 ,\"'\n;", max_size=6)
names = st.lists(
    (st.sampled_from(ODD) | st.text(string.ascii_letters + "ü ,\";\n1", min_size=1, max_size=6)).filter(bool),
    min_size=1, max_size=4, unique=True,
)  # fmt: skip
moments = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 30))
leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 0.5]) | words
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2))
nested = st.lists(values, max_size=2) | st.dictionaries(words, values, max_size=2)
WEEKS = datetime.timedelta(99)
KINDS = [
    words, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.integers(-99, 99), st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9, width=32), st.dates(), moments, st.times(), st.timedeltas(-WEEKS, WEEKS),
    st.decimals(-9999, 9999, places=2, allow_nan=False), st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("ab"), words, max_size=2), nested,
]  # fmt: skip


@st.composite
def frames(draw):
    """Data frames of columns of one kind each, some with gaps, under odd names."""
    n = draw(st.integers(2, 12))
    columns = {}
    for name in draw(names):
        kind = draw(st.sampled_from(KINDS))
        entry = kind if draw(st.booleans()) else st.none() | kind
        columns[name] = pd.Series(draw(st.lists(entry, min_size=n, max_size=n)), dtype=object)
    return pd.DataFrame(columns)


def assert_same_records(a, b):
    for field in b.fields:
        assert cells(a.field(field.name), a.columns[field.name]) == cells(field, b.columns[field.name]), field


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(frame=frames(), suffix=st.sampled_from([".csv", ".tsv", ".csv.gz", ".jsonl", ".parquet"]))
def test_any_table_reads_back(tmp_path_factory, frame, suffix):
    data = read(frame)
    path = tmp_path_factory.mktemp("w") / f"t{suffix}"
    write(data, path)
    assert_same_records(read_like(path, data), data)
    once = read(path)
    assert [f.name for f in once.fields] == [f.name for f in data.fields] and len(once) == len(data)
    write(once, path)
    assert_same_records(read(path), once)


def test_quotation_marks_tell_words_where_nothing_is_quoted_without_need(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('g,"n",h\n"NA",1,x\nNA,"NA", y\n,3," y"\n"",4,x\n')
    data = read(path)
    assert data.columns["g"].tolist() == ["NA", None, None, ""] and data.columns["h"].tolist() == ["x", "y", " y", "x"]
    assert np.isnan(data.columns["n"]).tolist() == [False, True, False, False]
    assert any("'', 'NA'" in note for note in data.notes)
    path.write_text('"g","n"\n"NA","1"\n"a","2"\n"b",""\n')  # every cell is quoted, which says nothing
    data = read(path)
    assert data.columns["g"].tolist() == [None, "a", "b"] and np.isnan(data.columns["n"]).tolist() == [
        False,
        False,
        True,
    ]


def test_a_header_like_data_is_written_so_that_it_is_read_as_names(tmp_path):
    frame = pd.DataFrame({"1.5": ["a", "b", "a"], "a": ["a", "a", "c"], "two\nlines": [1, 2, 4]})
    write(read(frame), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().startswith('"1.5"\t"a"\t"two\nlines"\na\ta\t1\n')
    assert list(read(tmp_path / "t.tsv").columns) == ["1.5", "a", "two\nlines"]


def test_what_a_csv_cannot_hold_is_refused(tmp_path):
    data = read(pd.DataFrame({"w": pd.Series(["a\0b", "b", "c"], dtype=object), "n": [1, 2, 4]}))
    with pytest.raises(ArgumentError, match="zero bytes") as caught:
        write(data, tmp_path / "t.csv")
    assert ".jsonl" in caught.value.hint and "t.csv" in caught.value.where
    write(data, tmp_path / "t.jsonl")
    assert read(tmp_path / "t.jsonl").columns["w"].tolist() == ["a\0b", "b", "c"]


def test_objects_with_unlike_keys_and_values_of_several_types_stay_what_they_are(tmp_path):
    objects = [{"a": 1}, {"b": [2.5, {}]}, {}, {"a": None}, {"a": "x"}, {(1, 2): {"c": 1}}]
    frame = pd.DataFrame({"o": objects, "v": ["a", "1", 1, True, "true", 1.5], "l": [[1], [2], [], [3], [1], [2]]})
    data = read(frame)
    wanted = data.frame.to_dict("list")
    assert wanted["o"] == [*objects[:-1], {"(1, 2)": {"c": 1}}] and wanted["v"] == frame["v"].tolist()
    for place in (tmp_path / "t.parquet", tmp_path / "t.jsonl", f"sqlite:///{tmp_path}/t.db"):
        write(data, place, **({"table": "t"} if isinstance(place, str) else {}))
        once = read(place)
        assert {n: [*map(list, c)] if n == "l" else c for n, c in once.frame.to_dict("list").items()} == wanted, place
        assert all(once.columns[name].tolist() == data.columns[name].tolist() for name in "ov"), place
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.field("o").type == schema.field("v").type == pa.json_() and schema.field("l").type == pa.list_(
        pa.int64()
    )
