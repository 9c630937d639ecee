"""Times with zones, and times that are not written alike."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from genwright.codecs.values import parse_time
from genwright.data.dataset import Category, Number, Time
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
    assert (frame["at"] == moments).all() and str(frame["at"].dtype) == "datetime64[ns, Europe/Berlin]"
    assert (read(frame).columns["at"] == data.columns["at"]).all()
    field = data.field("at")
    utc = np.datetime64("2024-05-01T20:00")
    for given in ("2024-05-01 22:00:00", "2024-05-01 20:00:00+00:00", moments[0], utc, moments[0].to_pydatetime()):
        assert parse_time(field, given) == utc
