"""Times with zones, and times that are not written alike."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from genwright.codecs.values import parse_time
from genwright.data.dataset import Category, Identifier, Number, Time
from genwright.data.read import read
from genwright.data.times import format_times, parse_as, parse_times, split_zone
from genwright.data.write import write
from genwright.errors import DataError


def table(tmp_path, values, **options):
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": values, "y": range(len(values))}).to_csv(path, index=False)
    return read(path, **options)


@pytest.mark.parametrize(
    ("texts", "form", "utc"),
    [
        (["2024-05-01T12:00:00+02:00", "2024-05-02T00:30:00+02:00"], "%Y-%m-%dT%H:%M:%S+02:00", "2024-05-01T10:00"),
        (["2024-05-01 12:00:00Z", "2024-05-02 00:30:00Z"], "%Y-%m-%d %H:%M:%SZ", "2024-05-01T12:00"),
        (["2024-05-01 12:00 UTC", "2024-05-02 00:30 UTC"], "%Y-%m-%d %H:%M UTC", "2024-05-01T12:00"),
        (["2024-05-01T12:00:00-0330", "2024-05-02T00:30:00-0330"], "%Y-%m-%dT%H:%M:%S-0330", "2024-05-01T15:30"),
        (
            ["2024-05-01 12:00 Europe/Berlin", "2024-12-01 12:00 Europe/Berlin"],
            "%Y-%m-%d %H:%M Europe/Berlin",
            "2024-05-01T10:00",
        ),
        (
            ["2024-10-27T02:30:00+02:00[Europe/Berlin]", "2024-10-27T02:30:00+01:00[Europe/Berlin]"],
            "%Y-%m-%dT%H:%M:%S%:z[Europe/Berlin]",
            "2024-10-27T00:30",
        ),
    ],
)
def test_zones_are_kept_and_moments_are_utc(texts, form, utc):
    found, values, note = parse_times(texts)
    assert found == form and not note and values[0] == np.datetime64(utc)
    assert format_times(values, form) == texts  # also where a clock shows the same hour twice
    assert (parse_as(texts, form) == values).all()


def test_daylight_saving():
    _, values, _ = parse_times(["2024-05-01 12:00 Europe/Berlin", "2024-12-01 12:00 Europe/Berlin"])
    assert values[1] == np.datetime64("2024-12-01T11:00")
    assert split_zone("2024-05-01") == ("2024-05-01", "", "") and parse_times(["1 Mars/Crater"]) is None


def test_zones_through_files(tmp_path):
    texts = [f"2024-0{m}-15T12:00:00+01:00" for m in range(1, 10)]
    data = table(tmp_path, texts)
    assert data.field("x").format.endswith("+01:00") and data.columns["x"][0] == np.datetime64("2024-01-15T11:00")
    write(data, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "t.csv").read_text()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+05:30"])
def test_zones_through_parquet(tmp_path, zone):
    moments = pd.date_range("2024-10-26 22:00", periods=8, freq="h", tz=zone)  # over the end of summer time
    pd.DataFrame({"at": moments, "y": range(8)}).to_parquet(tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet")
    assert (data.columns["at"] == moments.tz_convert("UTC").tz_localize(None).to_numpy()).all()
    write(data, tmp_path / "again.parquet")
    assert str(pq.read_schema(tmp_path / "again.parquet").field("at").type) == f"timestamp[us, tz={zone}]"
    again = read(tmp_path / "again.parquet")
    assert again.field("at") == data.field("at") and (again.columns["at"] == data.columns["at"]).all()


@pytest.mark.parametrize(
    ("values", "row", "odd"),
    [
        ([*["2024-01-05"] * 9, "2024-01-06", "6.1.2024"], 11, "6.1.2024"),
        (["2024-01-05 10:00:00", "2024-01-06 11:00:00", "2024-01-07 12:00:00Z"], 3, "2024-01-07 12:00:00Z"),
    ],
)
def test_mixed_formats_name_row_and_value(tmp_path, values, row, odd):
    with pytest.raises(DataError) as caught:
        table(tmp_path, values)
    assert f"row {row} holds {odd!r}" in caught.value.what and "'x'" in caught.value.where
    assert isinstance(table(tmp_path, values, schema={"x": "category"}).field("x"), Category)


def test_a_wrong_time_is_named_where_times_are_asked_for(tmp_path):
    with pytest.raises(DataError, match="row 2 holds 'soon'"):
        table(tmp_path, ["2024-01-05", "soon", "2024-01-07"], schema={"x": "time"})
    with pytest.raises(DataError, match="row 1 holds 'red'"):
        table(tmp_path, ["red", "blue"], schema={"x": "time"})


def test_dashes_mean_missing_among_numbers_and_times_only(tmp_path):
    data = table(tmp_path, ["1.5", "-", "2.5", "--", "3.25"])
    assert isinstance(data.field("x"), Number) and np.isnan(data.columns["x"]).tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert any("'-', '--' is read as missing" in note for note in data.notes)
    assert isinstance(table(tmp_path, ["2024-01-05", "-", "2024-01-07"]).field("x"), Time)
    strand = table(tmp_path, ["+", "-", "+", "-"])
    assert strand.field("x").levels == ("+", "-")


def test_mixed_marks_long_decimals_and_places(tmp_path):
    lines = ["lat,lon,mixed", "51.507351123456,-0.127758000001,1", "-33.868820000002,151.209290123457,NA"]
    lines += [
        "59.913868000001,10.752245000001,null",
        "0.000000000001,-179.999999999999,?",
        "1.5,2.25,-",
        "-1.25,9.125,3",
    ]
    path = tmp_path / "places.csv"
    path.write_text("\n".join(lines) + "\n")
    data = read(path)
    assert data.field("lat").decimals == data.field("lon").decimals == 12
    assert np.isnan(data.columns["mixed"]).tolist() == [False, True, True, True, True, False]
    write(data, tmp_path / "again.csv")
    again = read(tmp_path / "again.csv")
    for name in ("lat", "lon"):
        assert (again.columns[name] == data.columns[name]).all()
    rows = [line.split(",")[:2] for line in (tmp_path / "again.csv").read_text().splitlines()]
    assert rows == [line.split(",")[:2] for line in lines]


def test_frames_and_conditions_know_the_zone(tmp_path):
    moments = pd.date_range("2024-05-01 22:00", periods=60, freq="7h", tz="Europe/Berlin")
    data = read(pd.DataFrame({"at": moments, "x": np.arange(60) % 7 / 2}))
    frame = data.frame
    assert (frame["at"] == moments).all() and frame["at"].dtype == moments.dtype
    assert (read(frame).columns["at"] == data.columns["at"]).all()
    field = data.field("at")
    utc = np.datetime64("2024-05-01T20:00")
    for given in ("2024-05-01 22:00:00", "2024-05-01 20:00:00+00:00", moments[0], utc, moments[0].to_pydatetime()):
        assert parse_time(field, given) == utc


DAYS = [f"20{y}-{m:02d}-{d:02d}" for y in (21, 22) for m in range(1, 13) for d in range(1, 9)]


@pytest.mark.parametrize(
    ("texts", "form", "first"),
    [
        (["0201-05-04", "9999-12-31", "1666-02-03"], "%Y-%m-%d", "0201-05-04"),
        (["03.02.0201", "04.05.2024"], "%d.%m.%Y", "0201-02-03"),
        (["9999-12-31 23:59:59.999999"] * 2, "%Y-%m-%d %H:%M:%S.%f", "9999-12-31T23:59:59.999999"),
        (["2024-Q3", "1999-Q4"], "%Y-Q%q", "2024-07-01"),
        (["Q1 2024", "Q2 2024"], "Q%q %Y", "2024-01-01"),
        (["2020-W53", "2021-W01"], "%G-W%V", "2020-12-28"),
        (["03/2024", "12/2023"], "%m/%Y", "2024-03-01"),
        (["2024/03", "2023/12"], "%Y/%m", "2024-03-01"),
        (["Friday, 01 March 2024", "Sunday, 31 December 2023"], "%A, %d %B %Y", "2024-03-01"),
        (["1/2/2024 09:05", "1/13/2024 10:00"], "%-m/%-d/%Y %H:%M", "2024-01-02T09:05"),
        (["3:05PM", "11:59AM"], "%-I:%M%p", "1900-01-01T15:05"),
        (["2024-01-01T12:00:00.120Z", "2024-01-01T12:00:00.503Z"], "%Y-%m-%dT%H:%M:%S.%3fZ", "2024-01-01T12:00:00.120"),
        (["2024-01-01 12:00:00,120", "2024-01-01 12:00:00,503"], "%Y-%m-%d %H:%M:%S,%3f", "2024-01-01T12:00:00.120"),
        (["10/Oct/2000:13:55:36 -0700"] * 2, "%d/%b/%Y:%H:%M:%S -0700", "2000-10-10T20:55:36"),
        (["20240131T235959", "20240201T000000"], "%Y%m%dT%H%M%S", "2024-01-31T23:59:59"),
        (["20240131T2359Z", "20240201T0000Z"], "%Y%m%dT%H%MZ", "2024-01-31T23:59"),
        (["20240131235959", "20240201000000"], "%Y%m%d%H%M%S", "2024-01-31T23:59:59"),
        (["2024-01-31 24:00", "2024-02-01 01:00"], "%Y-%m-%d %24H:%M", "2024-02-01"),
        (["31.12.2024T24:00:00", "31.12.2024T09:00:00"], "%d.%m.%YT%24H:%M:%S", "2025-01-01"),
        (["20241231T240000", "20241231T010000"], "%Y%m%dT%24H%M%S", "2025-01-01"),
        (["24:00", "01:15"], "%24H:%M", "1900-01-02"),
        (["Mon, 01 Jan 2024 10:00:00 +0000"] * 2, "%a, %d %b %Y %H:%M:%S +0000", "2024-01-01T10:00"),
    ],
)  # fmt: skip
def test_all_years_and_ways_of_writing_come_back(texts, form, first):
    found, values, note = parse_times(texts)
    assert (found, note) == (form, "") and values[0] == np.datetime64(first)
    assert format_times(values, form) == texts and (parse_as(texts, form) == values).all()


def test_no_times():
    for text in (
        "2024013",
        "202401312",
        "24:30",
        "2024-01-31 24:01",
        "20240131T235",
        "2024-W54",
        "2024-Q5",
        "2024-02-30",
        "13:60",
    ):
        assert parse_times([text]) is None


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("odd", ["9999-12-31", "0001-01-01", "1666-02-03"])
def test_an_odd_year_stays_a_date_and_is_named(tmp_path, odd, suffix):
    data = table(tmp_path, [*DAYS, odd])
    assert isinstance(data.field("x"), Time) and data.columns["x"][-1] == np.datetime64(odd)
    assert any(f"row {len(DAYS) + 1} holds {odd!r}, far from other times" in note for note in data.notes)
    write(data, tmp_path / f"again.{suffix}")
    again = read(tmp_path / f"again.{suffix}")
    assert again.field("x") == data.field("x") and (again.columns["x"] == data.columns["x"]).all()
    assert np.isnat(table(tmp_path, [*DAYS, odd], missing=odd).columns["x"][-1])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_frames_of_every_unit(unit):
    moments = np.array(["2024-05-01T10:00:00", "2024-05-03T11:00:01", "NaT"], dtype=f"datetime64[{unit}]")
    data = read(pd.DataFrame({"x": moments, "y": [1, 2, 3]}))
    assert data.field("x").format == "%Y-%m-%d %H:%M:%S" and data.columns["x"].dtype == "datetime64[us]"
    assert (data.columns["x"][:2] == moments[:2]).all() and np.isnat(data.columns["x"][2])
    if unit != "ns":
        ends = np.array(["0001-01-01", "9999-12-31", "2020-01-01"], dtype=f"datetime64[{unit}]")
        assert (read(pd.DataFrame({"x": ends})).columns["x"] == ends).all()


@pytest.mark.parametrize("odd", ["2020-02-30", "unknown", "20210101", "2021/01/01", "2021-01-01 10:00", "01.01.2021"])
def test_one_odd_value_among_dates_is_named(tmp_path, odd):
    with pytest.raises(DataError) as caught:
        table(tmp_path, [*DAYS, odd])
    assert f"row {len(DAYS) + 1} holds {odd!r}" in caught.value.what and odd in caught.value.hint
    assert np.isnat(table(tmp_path, [*DAYS, odd], missing=odd).columns["x"][-1])


def test_dates_of_zeros_are_missing(tmp_path):
    data = table(tmp_path, [*DAYS, "0000-00-00"])
    assert np.isnat(data.columns["x"][-1]) and "'x': '0000-00-00' is read as missing" in data.notes


def test_codes_that_could_be_dates_of_any_year_stay_codes(tmp_path):
    rng = np.random.default_rng(0)
    codes = [f"{rng.integers(10_000):04d}-{rng.integers(1, 13):02d}" for _ in range(60)]
    assert not isinstance(table(tmp_path, codes).field("x"), Time)


def test_the_format_can_be_told(tmp_path):
    ambiguous = ["01/02/2020", "03/04/2020", "05/06/2021"]
    data = table(tmp_path, ambiguous)
    assert any("schema={'x': \"time,%d/%m/%Y\"} says otherwise" in note for note in data.notes)
    told = table(tmp_path, ambiguous, schema={"x": "time,%d/%m/%Y"})
    assert told.columns["x"][0] == np.datetime64("2020-02-01") and told.field("x").format == "%d/%m/%Y"
    with pytest.raises(DataError, match="row 2 holds '03/04/2020': not written as %Y"):
        table(tmp_path, ["2020-01-01", "03/04/2020"], schema={"x": "time,%Y-%m-%d"})


def test_other_dates_tell_the_order_of_day_and_month(tmp_path):
    frame = pd.DataFrame({"a": ["01/02/2020", "03/04/2020"], "b": ["31/12/2019", "01/01/2020"], "n": [1, 2]})
    data = read(frame)
    assert data.field("a").format == data.field("b").format == "%d/%m/%Y"
    said = "'a': '01/02/2020' looks like day and month in either order; read as %d/%m/%Y as other dates are; "
    assert said + "schema={'a': \"time,%m/%d/%Y\"} says otherwise" in data.notes
    dashes = frame.assign(b=["12-31-2019", "01-13-2020"], a=["01-02-2020", "03-04-2020"])
    assert read(dashes).field("a").format == "%m-%d-%Y" and read(dashes[["a", "n"]]).field("a").format == "%d-%m-%Y"
    assert read(frame.assign(c=["12/31/2019", "1/13/2020"])).field("a").format == "%m/%d/%Y"  # they disagree


def test_24_oclock_beside_0_oclock_and_in_models(tmp_path):
    data = table(tmp_path, ["2024-01-31 24:00", "2024-02-02 00:00", "2024-02-02 12:30"])
    assert data.columns["x"][0] == np.datetime64("2024-02-01") and any("not written alike" in n for n in data.notes)
    hours = [f"2024-01-{d:02d} {h:02d}:00" for d in range(1, 9) for h in range(1, 25)]
    data = table(tmp_path, hours)
    assert data.field("x").format == "%Y-%m-%d %24H:%M" and not data.notes
    write(data, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "t.csv").read_text()
    assert parse_time(data.field("x"), "2024-01-03 24:00") == parse_time(data.field("x"), "2024-01-04 00:00")


@pytest.mark.parametrize(
    ("name", "texts", "kind", "said"),
    [
        ("visit_date", ["20240131", "20240229"], Time, "number"),
        ("x", [f"202401{k:02d}" for k in range(1, 13)], Time, "number"),
        ("x", ["20240131", "20240229"], Number, "time,%Y%m%d"),
        ("order_id", [f"202401{k:02d}" for k in range(1, 13)], Identifier, "time,%Y%m%d"),
        ("stamp", ["20240131235959", "20240229120000"], Time, "number"),
    ],
)
def test_digits_of_dates_are_dates_by_their_name_and_never_keys(tmp_path, name, texts, kind, said):
    data = read(pd.DataFrame({name: texts, "y": range(len(texts))}))
    assert isinstance(data.field(name), kind) and any(f'"{said}"}} says otherwise' in note for note in data.notes)
    assert isinstance(
        read(pd.DataFrame({name: texts, "y": range(len(texts))}), schema={name: said}).field(name),
        Number if said == "number" else Time,
    )
