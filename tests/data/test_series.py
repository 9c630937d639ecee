"""Series: readings of a table become records, and files of them are as they were read."""

import numpy as np
import pandas as pd
import pytest

import genwright as gw
from genwright.data.like import read_like

SENSORS = ("temperature", "state")


def pumps(devices: int = 30, *, seed: int = 0) -> pd.DataFrame:
    """Hourly readings of some devices at two sites, with gaps in one sensor."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(devices):
        n = int(rng.integers(8, 13))
        time = pd.date_range("2024-01-01", periods=n, freq="h") + pd.Timedelta(hours=int(rng.integers(0, 2000)))
        site = "north" if k % 2 else "south"
        warm = 20 + 5 * np.sin(2 * np.pi * time.hour / 24) + (3 if site == "south" else 0) + rng.normal(0, 0.5, n)
        on = np.where(rng.random(n) < 0.5, "on", "off")
        frame = pd.DataFrame({"device": f"P-{k:03d}", "site": site, "time": time, "temperature": warm.round(1)})
        frame["state"] = on
        frame.loc[rng.random(n) < 0.1, "temperature"] = np.nan
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def test_entities_are_records_and_files_come_back_as_they_were(tmp_path):
    pumps().to_csv(tmp_path / "pumps.csv", index=False)
    data = gw.read(tmp_path / "pumps.csv", series="time=time,entity=device", label="site")
    field = data.media
    assert [f.name for f in data.fields] == ["device", "site", "series"] and len(data) == 30 and data.label == "site"
    assert [f.name for f in field.features] == list(SENSORS) and field.step == 3600 and field.gaps
    assert field.lengths == (8, 12) and min(len(x) for x in (data.train, data.valid, data.test)) > 1
    assert gw.write(data, tmp_path / "again.csv") == ()
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "pumps.csv").read_text()
    back = read_like(tmp_path / "again.csv", data)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(back.columns["series"], data.columns["series"]))
    assert back.columns["site"].tolist() == data.columns["site"].tolist()


def test_windows_stay_within_the_parts_which_follow_each_other(tmp_path):
    hours = pd.date_range("2024-01-01", periods=400, freq="h")
    frame = pd.DataFrame({"when": hours, "load": np.sin(np.arange(400) / 4), "heat": np.arange(400.0)})
    data = gw.read(frame, series={"time": "when", "window": 12})
    ends = [
        np.concatenate([rows[:, 0] for rows in part.columns["series"]]) for part in (data.train, data.valid, data.test)
    ]
    assert len(data.train) == 309 and min(len(data.valid), len(data.test)) > 10
    assert ends[0].max() < ends[1].min() and ends[1].max() < ends[2].min()
    gw.write(data.test, tmp_path / "test.csv")
    assert (tmp_path / "test.csv").read_text().startswith("series,when,load,heat\n1,2024-01-16 ")
    back = read_like(tmp_path / "test.csv", data)
    assert len(back) == len(data.test) and np.array_equal(back.columns["series"][3], data.test.columns["series"][3])


def test_what_is_not_in_order_is_named_and_the_rest_is_read():
    frame = pd.DataFrame(
        {
            "id": ["a", "a", "a", "a", "b", "c", "c", None],
            "t": [1, 0, 2, 2, 5, 0, 1, 3],
            "x": [1.5, 0.5, 2.5, 9.5, 7.0, 3.5, 4.5, 0.0],
        }
    )
    data = gw.read(frame, series="time=t,entity=id")
    assert [rows[:, 1].tolist() for rows in data.columns["series"]] == [[0.5, 1.5, 2.5], [3.5, 4.5]]
    told = " ".join(data.notes)
    assert "1 readings without a time or a 'id' are left out" in told
    assert "of 1 in 'id' ('a') were not in the order of time" in told
    assert "1 readings repeat a time, such as 2 of 'a'" in told and "('b') with a single reading: left out" in told


def test_times_of_no_grid_stay_as_they_are_and_missing_rows_of_one_are_gaps():
    frame = pd.DataFrame({"id": ["a"] * 4 + ["b"] * 3, "t": [0, 1, 2, 4, 0, 1, 2], "x": [0.0, 1, 2, 4, 5, 6, 7]})
    data = gw.read(frame, series="time=t,entity=id")
    assert np.isnan(data.columns["series"][0][3, 1]) and data.columns["series"][0][:, 0].tolist() == [0, 1, 2, 3, 4]
    frame["t"] = [0.0, 0.7, 2.11, 4.3, 0.2, 1.9, 2.4]
    assert gw.read(frame, series="time=t,entity=id").media.step is None


def test_a_folder_of_tables_is_a_record_for_each_file(tmp_path):
    for name, rows in {"one": 5, "two": 6, "three": 7}.items():
        pd.DataFrame({"t": range(rows), "x": np.arange(rows) / 2}).to_csv(tmp_path / f"{name}.csv", index=False)
    data = gw.read(tmp_path, series="time=t")
    assert data.media.lengths == (5, 7) and sorted(data.columns["file"]) == ["one", "three", "two"]


@pytest.mark.parametrize(
    "told, what",
    [
        ("time=nowhere", "no column called 'nowhere'"),
        ("entity=device", "does not say how series are held"),
        ("time=time,window=1", "window is 1"),
        ("time=site,entity=device", "no column of times or numbers"),
    ],
)
def test_layouts_that_do_not_fit_are_told_exactly(told, what):
    with pytest.raises(gw.GenwrightError, match=what):
        gw.read(pumps(4), series=told)
