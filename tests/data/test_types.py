"""Types of columns: what Parquet files, data frames and JSON held comes back as they held it, to the last digit."""

import datetime
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genwright.codecs.schema import field_from_json, field_to_json
from genwright.data.arrow import arrow_type, type_name
from genwright.data.dataset import Category, Dataset, Number
from genwright.data.read import read
from genwright.data.write import write
from genwright.errors import DataError

DAY = datetime.date(2020, 1, 1)
NOON = datetime.datetime(2020, 1, 1, 12, 30, 15, 250000)
MIDNIGHT = datetime.datetime(2020, 2, 1)
ARROW = {
    "nullable integers beyond 2**53": pa.array([9007199254740993, None, 9007199254740995], pa.int64()),
    "few": pa.array([1, None, 24], pa.int64()),
    "tiny": pa.array([-128, 127, None], pa.int8()),
    "unsigned": pa.array([2**64 - 1, 3, None], pa.uint64()),
    "half": pa.array([0.5, 2.0, None], pa.float16()),
    "single": pa.array([0.1, 16777216.0, None], pa.float32()),
    "double": pa.array([0.1, 2.5, None]),
    "price": pa.array([Decimal("12.50"), Decimal("3.00"), None], pa.decimal128(12, 2)),
    "wide": pa.array([Decimal("1234567890123.50"), Decimal(1), None], pa.decimal256(60, 2)),
    "day": pa.array([DAY, DAY + datetime.timedelta(9), None], pa.date32()),
    "day64": pa.array([DAY, DAY + datetime.timedelta(9), None], pa.date64()),
    "clock": pa.array([datetime.time(9, 30), datetime.time(18, 5, 1), None], pa.time32("s")),
    "clock64": pa.array([datetime.time(9, 30, 0, 5), datetime.time(18, 5), None], pa.time64("ns")),
    "at": pa.array([NOON, MIDNIGHT, None], pa.timestamp("us")),
    "second": pa.array([NOON.replace(microsecond=0), MIDNIGHT, None], pa.timestamp("s")),
    "zone": pa.array([NOON, MIDNIGHT, None], pa.timestamp("ms", "Europe/Berlin")),
    "utc": pa.array([NOON, MIDNIGHT, None], pa.timestamp("us", "UTC")),
    "offset": pa.array([NOON, MIDNIGHT, None], pa.timestamp("us", "+05:30")),
    "wait": pa.array([datetime.timedelta(1, 5), datetime.timedelta(0, -5), None], pa.duration("s")),
    "wait64": pa.array([1, 86400 * 10**9, None], pa.duration("ns")),
    "truth": pa.array([True, False, None]),
    "nothing": pa.nulls(3),
    "word": pa.array(["a", "NA", None]),
    "number in words": pa.array(["5", "12", None]),
    "view": pa.array(["a", "b", None], pa.string_view()),
    "bytes": pa.array([b"a", b"b", None]),
    "fixed": pa.array([b"ab", b"cd", None], pa.binary(2)),
    "list": pa.array([[1, 2], [], None], pa.list_(pa.int16())),
    "pair": pa.array([[1.5, 2.5], [0.0, 1.0], None], pa.list_(pa.float32(), 2)),
    "struct": pa.array(
        [{"zip": "007", "days": [DAY], "n": Decimal("1.50")}, {"zip": "1", "days": [], "n": None}, None]
    ),
    "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "kind": pa.array(["b", "a", None]).dictionary_encode(),
    "order": pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), ["low", "high", "never"], ordered=True),
    "codes": pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array([7, 2**60 + 1])),
}


@pytest.mark.parametrize("name", ARROW)
def test_parquet_comes_back_with_its_types(tmp_path, name):
    array = ARROW[name]
    pq.write_table(pa.table({"x": array, "y": [1, 2, 4]}), tmp_path / "a.parquet")
    held = pq.read_table(tmp_path / "a.parquet")["x"]  # the format itself changes some: time32[s] to time32[ms]
    data = read(tmp_path / "a.parquet")
    assert write(data, tmp_path / "b.parquet") == ()
    again = pq.read_table(tmp_path / "b.parquet")["x"]
    assert again.type == held.type and again.to_pylist() == held.to_pylist()
    assert field_from_json(json.loads(json.dumps(field_to_json(data.field("x"))))).storage == data.field("x").storage
    assert arrow_type(type_name(array.type)) == array.type


FRAMES = {
    "int8": pd.Series([1, 2, 5], dtype="int8"),
    "Int64": pd.Series([2**53 + 1, None, 2**53 + 3], dtype="Int64"),
    "Int64 without gaps": pd.Series([1, 2, 5], dtype="Int64"),
    "float32": pd.Series([0.1, None, 2.5], dtype="float32"),
    "bool": pd.Series([True, False, True]),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "yes": pd.Series(["yes", "no", "yes"]),
    "words": pd.Series(["NA", None, "null"]),
    "dates as words": pd.Series(["2020-01-01", "2020-02-03", None], dtype="string"),
    "ordered": pd.Series(pd.Categorical(["mid", "low", None], ["low", "mid", "high"], ordered=True)),
    "categories of numbers": pd.Series(pd.Categorical([3, 1, None], [1, 2, 3])),
    "categories of days": pd.Series(pd.Categorical(pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01"]))),
    "cut": pd.cut(pd.Series([1, 5, 9]), [0, 4, 10]),
    "interval": pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 3, 9], closed="left")),
    "month": pd.Series(pd.period_range("2024-01", periods=3, freq="M")),
    "quarter": pd.Series(pd.PeriodIndex(["2024Q1", None, "2024Q3"], freq="Q")),
    "timedelta": pd.Series(pd.to_timedelta([5, None, 90061], unit="s")),
    "seconds": pd.Series(pd.to_datetime(["2020-01-01 00:00", None, "2020-01-01 10:00"]), dtype="datetime64[s]"),
    "zone": pd.Series(pd.date_range("2020-03-28", periods=3, tz="Europe/Berlin")),
    "arrow": pd.Series([Decimal("1.50"), None, Decimal("2.00")], dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 0.0, 2.5])),
    "decimals": pd.Series([Decimal("1.50"), None, Decimal("2.00")], dtype=object),
    "days": pd.Series([DAY, None, DAY + datetime.timedelta(9)], dtype=object),
    "clocks": pd.Series([datetime.time(9, 30), None, datetime.time(10, 0, 5)], dtype=object),
    "bytes": pd.Series([b"C", b"D", None], dtype=object),
    "lists": pd.Series([[1, 2], [], None], dtype=object),
    "dicts": pd.Series([{"a": 1}, {"b": [None]}, None], dtype=object),
    "mixed": pd.Series([1, "1", "a"], dtype=object),
    "whole objects": pd.Series([2**53 + 1, None, 3], dtype=object),
    "beyond 64 bits": pd.Series([2**70, None, 3], dtype=object),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_back_with_their_types(name):
    frame = pd.DataFrame({"x": FRAMES[name], "y": [1.5, 2.0, 4.0]})
    data = read(frame)
    again = data.frame
    pd.testing.assert_frame_equal(again, frame)
    assert [type(v) for v in again.x] == [type(v) for v in frame.x]
    assert read(again).fields == data.fields


def test_labels_of_columns_come_back():
    for labels in ([0, 1], pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), ["u", 7]):
        frame = pd.DataFrame([[1.5, 2.5], [0.5, 1.0]], columns=labels)
        pd.testing.assert_frame_equal(read(frame).frame, frame)


def test_kinds_are_not_what_storage_is():
    """Numbers held as text are modelled as numbers and written as text; categories held as numbers are categories."""
    data = read(
        pd.DataFrame({"n": ["5", "7", "12"], "c": pd.Categorical([1, 2, 1]), "w": pd.to_timedelta([1, 2, 9], "h")})
    )
    assert [type(f) for f in data.fields] == [Number, Category, Number]
    assert data.columns["w"].tolist() == [3600, 7200, 32400]


def test_words_like_numbers_are_changed_with_a_word_only():
    frame = pd.DataFrame({"version": ["1.10", "1.9", "2"], "plain": ["5", "12", "7"]})
    data = read(frame)
    assert sum("words that look like numbers" in note for note in data.notes) == 1
    pd.testing.assert_frame_equal(read(frame, schema={"version": "category"}).frame, frame)


def test_what_does_not_fit_is_written_otherwise_and_said(tmp_path):
    data = read(pd.DataFrame({"n": pd.Series([1, 2, 3], dtype="int8"), "b": [True, False, None]}))
    wider = Dataset(data.fields, {**data.columns, "n": np.array([1.0, 300.0, 5.0])})
    assert "int8" in write(wider, tmp_path / "a.parquet")[0]
    assert pq.read_table(tmp_path / "a.parquet")["n"].to_pylist() == [1, 300, 5]
    assert wider.frame.n.tolist() == [1, 300, 5]


def test_what_cannot_be_held_is_said():
    frame = pd.DataFrame(
        {"b": [b"\xff\xfe", b"\x00\x81"], "c": [1 + 2j, 3j], "n": [1, 2]}, index=pd.Index([5, 6], name="id")
    )
    data = read(frame)
    assert [f.name for f in data.fields] == ["c", "n"]
    said = " ".join(data.notes)
    assert "'b' holds binary data" in said and "complex" in said and "index is left out" in said
    moments = pd.DataFrame({"at": np.array([1, 1001, 5000], dtype="datetime64[ns]")})
    assert any("beyond microseconds" in note for note in read(moments).notes)
    zones = [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01", tz="UTC")] * 2
    with pytest.raises(DataError, match="with and without a zone"):
        read(pd.DataFrame({"at": pd.Series(zones, dtype=object)}))


JSON_LINES = """{"id": 1, "ok": true, "n": 0, "x": 2.5, "zip": "0", "of": {"a": [0]}, "any": 1, "s": "null", "z": null}
{"id": 2, "ok": false, "n": 9007199254740993, "x": 3, "zip": "1", "of": {}, "any": "1", "s": null, "z": null}
{"id": 3, "ok": null, "n": 5, "x": null, "zip": null, "of": null, "any": true, "s": "NA", "z": null}
"""


def test_json_comes_back_as_it_was(tmp_path):
    (tmp_path / "a.jsonl").write_text(JSON_LINES)
    data = read(tmp_path / "a.jsonl")
    assert isinstance(data.field("ok"), Category) and data.field("ok").dtype == "bool"
    assert data.field("s").levels == ("NA", "null")
    write(data, tmp_path / "b.jsonl")
    assert [json.loads(line) for line in (tmp_path / "b.jsonl").open()] == list(
        map(json.loads, JSON_LINES.splitlines())
    )


def test_marks_among_numbers_are_missing_also_where_words_are_words():
    data = read(
        pd.DataFrame(
            {"n": ["1", "NA", "2.5", "?"], "t": ["2020-01-01", "", "2020-01-02", None], "w": ["x", "NA", "", "y"]}
        )
    )
    assert np.isnan(data.columns["n"]).tolist() == [False, True, False, True]
    assert np.isnat(data.columns["t"]).tolist() == [False, True, False, True]
    assert data.columns["w"].tolist() == ["x", "NA", "", "y"]
