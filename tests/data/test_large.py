"""Long and wide tables: streamed, sampled fairly, in bounded memory."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from genwright.data.forecast import fit_memory
from genwright.data.read import read
from genwright.data.reservoir import Reservoir
from genwright.errors import ArgumentError, DataError


def test_every_row_has_the_same_chance():
    hits = np.zeros(100)
    for seed in range(400):
        pool = Reservoir(20, rng=np.random.default_rng(seed))
        for start in range(0, 100, 7):
            pool.add(pa.table({"x": np.arange(start, min(100, start + 7))}))
        rows = pool.table()["x"].to_numpy()
        assert len(rows) == 20 and (np.diff(rows) > 0).all() and (pool.rows() == rows).all()
        hits[rows] += 1
    assert np.abs(hits - 80).max() < 5 * np.sqrt(80 * 0.8)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_random_rows_of_a_file(tmp_path, suffix):
    frame = pd.DataFrame({"x": np.arange(10_000) / 8, "y": np.arange(10_000) % 7})
    path = tmp_path / f"t.{suffix}"
    getattr(frame, f"to_{suffix}")(path, index=False)
    data = read(path, max_rows=300)
    assert len(data) == 300 and any("of 10,000 rows, 300 drawn" in note for note in data.notes)
    assert (np.diff(data.columns["x"]) > 0).all() and abs(data.columns["x"].mean() - 625) < 4 * 361 / np.sqrt(300)
    assert (read(path, max_rows=300).columns["x"] == data.columns["x"]).all()
    assert (read(path, max_rows=300, seed=1).columns["x"] != data.columns["x"]).any()
    assert len(read(path, max_rows=None)) == len(read(path)) == 10_000
    with pytest.raises(ArgumentError):
        read(path, max_rows=0)


def test_errors_name_the_row_of_the_file_though_rows_were_left_out(tmp_path):
    lines = ["2024-01-05" if i != 7777 else "5.1.2024" for i in range(1, 10_001)]
    (tmp_path / "t.csv").write_text("when\n" + "\n".join(lines) + "\n")
    for seed in range(20):
        try:
            read(tmp_path / "t.csv", max_rows=5000, seed=seed)
        except DataError as error:
            assert "row 7777 holds '5.1.2024'" in error.what
            return
    raise AssertionError("the odd row was never drawn")


def test_wide_tables(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 500)).round(3), columns=[f"x{i}" for i in range(500)])
    frame.to_csv(tmp_path / "wide.csv", index=False)
    data = read(tmp_path / "wide.csv")
    assert len(data.fields) == 500 and (data.columns["x499"] == frame["x499"]).all()


def test_memory_is_bounded_by_the_rows_kept_not_by_those_read(tmp_path):
    """Ten times the rows of a file must not take more memory, once as many as are kept have been read."""
    code = (
        "import resource, sys; from genwright.data.read import read; before = resource.getrusage(resource.RUSAGE_SELF)"
        ".ru_maxrss; read(sys.argv[1], max_rows=4_000);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    taken = []
    for rows in (10_000, 100_000):
        frame = pd.DataFrame({f"x{i}": np.random.default_rng(i).random(rows) for i in range(4)})
        frame.to_csv(tmp_path / "t.csv", index=False)
        taken.append(int(subprocess.check_output([sys.executable, "-c", code, str(tmp_path / "t.csv")])))
    assert taken[1] < taken[0] + 16_000  # KiB; the larger file has 8 MB of text


def test_forecasts_grow_with_rows_and_columns():
    frame = pd.DataFrame(np.random.default_rng(0).random((2000, 6)), columns=list("abcdef"))
    small, tall, wide = fit_memory(read(frame)), fit_memory(read(pd.concat([frame] * 10))), fit_memory(
        read(frame.join(frame.add_suffix("2")))
    )  # fmt: skip
    assert 300 << 20 < small < tall and small < wide
