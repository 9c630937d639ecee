"""Tables: what each column is taken for, and errors that say where."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from genwright.data.dataset import Category, Constant, Identifier, Number, Text, Time
from genwright.data.read import read
from genwright.errors import ArgumentError, DataError


def column(tmp_path, values, name="x", **options):
    """The field read from a CSV with one column of interest beside a varied one."""
    path = tmp_path / "t.csv"
    frame = pd.DataFrame({name: values, "other": [f"{'abcd'[i % 4]}" for i in range(len(values))]})
    frame.to_csv(path, index=False)
    data = read(path, **options)
    return data.field(name), data.columns[name], data


@pytest.mark.parametrize(
    ("values", "decimals", "least"),
    [
        (["1", "2", "5"], 0, 0),
        (["1.0", "2.0", "7.0"], 0, 1),
        (["1.50", "2.25", "3.00"], 2, 2),
        (["1.5", "2", "3.125"], 3, 0),
        (["1e-3", "2", "3"], 3, 0),
        (["1.5e3", "20", "3"], 0, 0),
        (["1.200e1", "3", "4"], 0, 0),
        (["0.1234567890123456", "2.5", "1"], None, 0),
        (["5.827000141143799", "2.1", "1.0"], None, 1),
        ([".5", "1.", "+2"], 1, 0),
    ],
)
def test_numbers_and_their_precision(tmp_path, values, decimals, least):
    field, x, _ = column(tmp_path, values)
    assert isinstance(field, Number) and field.decimals == decimals and field.min_decimals == least
    assert x.tolist() == [float(v) for v in values]
    assert (field.low, field.high) == (x.min(), x.max())


def test_few_distinct_numbers_stay_numbers(tmp_path):
    assert isinstance(column(tmp_path, [0, 1] * 50)[0], Number)


@pytest.mark.parametrize("pair", [("true", "false"), ("True", "False"), ("Y", "N"), ("yes", "no")])
def test_booleans(tmp_path, pair):
    field, x, data = column(tmp_path, [*pair, "", *pair])
    assert field == Category("x", tuple(sorted(pair)), "bool") and x[2] is None
    assert data.frame["x"].tolist()[:2] == [True, False]


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2011-01-01", "2012-12-31"], "%Y-%m-%d"),
        (["2016-07-01 00:00:00", "2016-07-01 01:00:00"], "%Y-%m-%d %H:%M:%S"),
        (["2016-07-01T00:00:00Z", "2016-07-01T01:00:05Z"], "%Y-%m-%dT%H:%M:%SZ"),
        (["25/12/2004", "01/02/2005"], "%d/%m/%Y"),
        (["12/25/2004", "01/02/2005"], "%m/%d/%Y"),
        (["1.2.2020", "24.12.2020"], "%-d.%-m.%Y"),
        (["18:00:00", "0:05:00"], "%-H:%M:%S"),
        (["Jan 5, 2020", "Mar 12, 2021"], "%b %-d, %Y"),
        (["3/14/2005 1:05 PM", "3/15/2005 11:59 AM"], "%-m/%-d/%Y %-I:%M %p"),
    ],
)
def test_times_and_their_format(tmp_path, values, form):
    field, x, _ = column(tmp_path, [*values, ""])
    assert isinstance(field, Time) and field.format == form
    assert x.dtype == "datetime64[us]" and np.isnat(x[2])


def test_ambiguous_and_uneven_dates_are_noted(tmp_path):
    _, _, data = column(tmp_path, ["01/02/2020", "03/04/2020"])
    assert any("day and month" in note for note in data.notes)
    field, _, data = column(tmp_path, ["10/03/2004", "25/3/2005"])
    assert field.format == "%d/%m/%Y" and any("not written alike" in note for note in data.notes)


def test_mixed_zones_become_utc(tmp_path):
    _, x, data = column(tmp_path, ["2020-01-01T00:00:00+01:00", "2020-06-01T00:00:00+02:00"])
    assert x[0] == np.datetime64("2019-12-31T23:00:00") and any("UTC" in note for note in data.notes)


def test_identifiers(tmp_path):
    n = 40
    assert column(tmp_path, range(1, n + 1))[0] == Identifier("x", "{}", 0, n + 1)
    assert column(tmp_path, [f"P{i:04d}" for i in range(n)])[0] == Identifier("x", "P{}", 4, n)
    names, _, data = column(tmp_path, [f"{a} {b}" for a in "ABCDEFGH" for b in "vwxyz"])
    assert isinstance(names, Identifier) and any("identifier" in note for note in data.notes)
    rng = np.random.default_rng(0)
    assert isinstance(column(tmp_path, rng.permutation(90_000)[:n], name="user_id")[0], Identifier)


def test_not_identifiers(tmp_path):
    rng = np.random.default_rng(0)
    assert isinstance(column(tmp_path, rng.permutation(90_000)[:40])[0], Number)
    assert isinstance(column(tmp_path, np.arange(40) / 8)[0], Number)
    assert isinstance(column(tmp_path, range(1990, 2030), name="year")[0], Number)
    assert isinstance(column(tmp_path, range(1, 9), name="paid")[0], Number)
    assert isinstance(column(tmp_path, list("abcdefgh"))[0], Category)


def test_codes_keep_their_zeros(tmp_path):
    field, x, _ = column(tmp_path, ["01234", "99999", "01234"])
    assert field == Category("x", ("01234", "99999"), "str") and x[0] == "01234"


def test_integers_beyond_floats_stay_text(tmp_path):
    big = str(2**60 + 1)
    field, x, data = column(tmp_path, [big, big, "3"])
    assert isinstance(field, Category) and x[0] == big and any("2**53" in note for note in data.notes)


def test_missing_marks(tmp_path):
    _, x, _ = column(tmp_path, ["1", "NA", "?", "", "null", "N/A", "nan", "None", "2"])
    assert np.isnan(x[1:8]).all()
    _, x, _ = column(tmp_path, ["1", "-200", "-200.0", "2"], missing=-200)
    assert np.isnan(x).tolist() == [False, True, True, False]
    field, x, _ = column(tmp_path, ["1", "unknown", "2.5"], missing=["unknown"])
    assert isinstance(field, Number) and np.isnan(x[1])


def test_almost_numbers_are_noted(tmp_path):
    field, _, data = column(tmp_path, ["1", "2", "3", "unknown"])
    assert isinstance(field, Category) and any("missing=" in note for note in data.notes)


def test_constants_and_all_missing(tmp_path):
    assert column(tmp_path, ["7", "7", "7"])[0] == Constant("x", "7")
    assert column(tmp_path, ["", "NA", "?"])[0] == Constant("x", None)
    assert isinstance(column(tmp_path, ["7", "", "7"])[0], Number)


def test_infinities_are_missing_and_noted(tmp_path):
    field, x, data = column(tmp_path, ["1.5", "inf", "-Infinity", "1e999"])
    assert isinstance(field, Number) and np.isnan(x[1:]).all() and any("3 infinite" in note for note in data.notes)
    assert isinstance(column(tmp_path, ["inf", "-inf", "inf"])[0], Constant)


def test_schema_overrides(tmp_path):
    values = ["3", "1", "10", "1"]
    assert column(tmp_path, values, schema={"x": "category"})[0] == Category("x", ("1", "3", "10"), "int")
    assert isinstance(column(tmp_path, values, schema={"x": "text"})[0], Text)
    assert isinstance(column(tmp_path, values, schema={"x": "identifier"})[0], Identifier)
    assert [f.name for f in column(tmp_path, values, schema={"other": "drop"})[2].fields] == ["x"]
    with pytest.raises(DataError, match="not a number") as caught:
        column(tmp_path, ["1", "two"], schema={"x": "number"})
    assert "'x'" in caught.value.where and "'two'" in caught.value.what
    with pytest.raises(DataError, match="no date format"):
        column(tmp_path, values, schema={"x": "time"})
    with pytest.raises(ArgumentError, match="unknown kind"):
        column(tmp_path, values, schema={"x": "colour"})
    with pytest.raises(ArgumentError, match="no column"):
        column(tmp_path, values, schema={"y": "number"})


def test_label(tmp_path):
    assert column(tmp_path, [0, 1] * 20, label="x")[0] == Category("x", ("0", "1"), "int")
    assert isinstance(column(tmp_path, [i / 7 for i in range(40)], label="x")[0], Number)
    with pytest.raises(ArgumentError, match="single value"):
        column(tmp_path, ["7"] * 30, label="x")
    with pytest.raises(ArgumentError, match="no field"):
        column(tmp_path, [1, 2], label="nope")


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("a,b\n1,2\n3\n", "1 cell, but the header has 2 columns", "line 3"),
        ("a,b\n1,2\n3,4,5\n", "3 cells", "line 3"),
        ('a,b\n1,"x\ny"\n3\n', "1 cell", "line 4"),
        ("a,a\n1,2\n", "two columns are called 'a'", "line 1"),
        ("a,b\n", "no rows", ""),
        ("a,b\n1,2\na,b\n3,4\n", "comes up again", ""),
        ("\n\n", "no rows", ""),
        ('a,b\n1,"2\n', "unexpected end", "line 2"),
        ("39,Private,0.5\n50,Private,0.7\n", "line 1 looks like data", ""),
        ("1.5,2\n3,4\n", "line 1 looks like data", ""),
        ("", "empty", ""),
    ],
)
def test_broken_tables_say_where(tmp_path, text, what, where):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert what in caught.value.what and where in caught.value.where and "t.csv" in caught.value.where


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_delimiters_and_encodings(tmp_path, delimiter, encoding):
    path = tmp_path / "t.csv"
    rows = [["name", "n"], ["Zoë", "1"], ["Åsa", "2"], ["Zoë", "3"]]
    path.write_bytes("\r\n".join(delimiter.join(r) for r in rows).encode(encoding))
    data = read(path)
    assert data.columns["name"].tolist() == ["Zoë", "Åsa", "Zoë"]
    assert any("Latin-1" in note for note in data.notes) == (encoding == "latin-1")


def test_blanks_blank_lines_and_nameless_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",b\n1, x\n\n 2,y \n")
    data = read(path)
    assert data.columns["column_1"].tolist() == [1, 2] and data.columns["b"].tolist() == ["x", "y"]
    assert len(data.notes) == 2


def test_one_row_one_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n5\n")
    assert read(path).fields == (Constant("a", "5"),)


def test_gzip_is_told_by_content(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n"))
    assert len(read(path)) == 2


def test_frames_keep_their_types():
    frame = pd.DataFrame(
        {
            "int": [1, 2, 4],
            "gaps": [1.0, np.nan, 4.0],
            "half": np.array([0.1, 0.2, 0.25], dtype=np.float32),
            "bool": [True, False, True],
            "when": pd.to_datetime(["2020-01-01 12:00", "2020-01-02 13:30", None]),
            "what": pd.Categorical(["a", "b", "a"]),
            "list": [[1, 2], [3], None],
        }
    )
    data = read(frame)
    kinds = [type(f) for f in data.fields]
    assert kinds == [Number, Number, Number, Category, Time, Category, Category]
    assert data.field("half").decimals == 2 and data.columns["half"][0] == 0.1
    assert data.field("gaps").decimals == 0 and data.field("when").format == "%Y-%m-%d %H:%M:%S"
    assert data.frame["int"].dtype == np.int64


def test_frames_that_hold_nothing():
    for frame in (pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=range(3))):
        with pytest.raises(DataError):
            read(frame)
    with pytest.raises(DataError, match="two columns"):
        read(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_json_lines_table(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = [{"n": 1, "x": 2.50, "ok": True}, {"n": 2, "ok": False}, {"n": 4, "x": None, "ok": True, "tags": ["a", "b"]}]
    path.write_text("\n".join(map(json.dumps, rows)))
    data = read(path)
    assert [type(f) for f in data.fields] == [Number, Number, Category, Category]
    assert np.isnan(data.columns["x"]).tolist() == [False, True, True]
    assert data.columns["tags"].tolist() == [None, None, '["a", "b"]']
    path.write_text('{"a": 1}\nnot json\n')
    with pytest.raises(DataError) as caught:
        read(path)
    assert "line 2" in caught.value.where


def test_paths_that_are_not_there(tmp_path, monkeypatch):
    (tmp_path / "patients.csv").write_text("a\n1\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path / "patient.csv")
    assert "patients.csv" in caught.value.hint and "digits" in caught.value.hint
    with pytest.raises(DataError, match="unknown kind"):
        (tmp_path / "x.doc").write_text("a")
        read(tmp_path / "x.doc")
    with pytest.raises(DataError):
        read("x" * 5000)
    with pytest.raises(DataError):
        read("a\0b")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wine").mkdir()
    (tmp_path / "wine" / "a.txt").write_text("red")
    assert read("wine").columns["text"].tolist() == ["red"]  # what is there comes before what is built in


def test_a_small_file_that_holds_an_endless_line_is_refused_in_time(tmp_path):
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n1,2\n" + b"x" * 40_000_000)
    with pytest.raises(DataError, match="line 3: a line of 16,777,216 characters"):
        read(path)
