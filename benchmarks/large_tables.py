"""Large tables: processor seconds and peak memory of reading, fitting and sampling, beside what was forecast.

python -m benchmarks.large_tables                    every table, each in a process of its own
python -m benchmarks.large_tables --case levels-300k

Tables are simulated in a temporary folder, real ones read from GENWRIGHT_DATA. A child process that has read nothing
takes about 120 MiB. Peaks are of the process so far: after reading, after fitting, after sampling.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import data_file, record

STEPS = 30
SAMPLED = 20_000
CHUNK = 100_000  # rows written at once
REAL = {
    "adult": "table_adult/adult_train.csv.gz",
    "beijing": "table2_beijing_pm25",
    "bike": "table2_bike_sharing/day.csv.gz",
}

Make = Callable[[np.random.Generator, int], pd.DataFrame]  # so many rows of a table


@dataclass(frozen=True)
class Case:
    """A table of `rows` by `make` (None: a real one), and whether it is fitted too."""

    rows: int = 0
    make: Make | None = None
    suffix: str = ".csv"
    fitted: bool = True


def mixed(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Eight columns: numbers, categories, a date, a truth value."""
    age = rng.integers(18, 90, n)
    city = np.array(["Ghent", "Lyon", "Porto", "Turin", "Bern"], dtype=object)[rng.integers(0, 5, n)]
    return pd.DataFrame(
        {
            "age": age,
            "city": city,
            "income": np.exp(rng.normal(8 + age / 60, 0.5)).round(2),
            "height": rng.normal(172, 9, n).round(1),
            "visits": rng.poisson(3, n),
            "since": np.datetime64("2015-01-01") + rng.integers(0, 3000, n).astype("timedelta64[D]"),
            "member": rng.random(n) < 0.4,
            "score": rng.normal(size=n).round(6),
        }
    )


def wide(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Five hundred correlated numbers."""
    x = rng.normal(size=(n, 500)) + rng.normal(size=(n, 1))
    return pd.DataFrame(x.round(4), columns=[f"x{i}" for i in range(500)])


def levels(count: int, columns: int) -> Make:
    """One category of `count` levels, all of which come up about equally often, beside numbers that depend on it."""

    def make(rng: np.random.Generator, n: int) -> pd.DataFrame:
        code = rng.permutation(np.arange(n) % count)
        table: dict[str, np.ndarray] = {"code": np.array([f"P{c:07d}X" for c in code], dtype=object)}
        table |= {f"x{i}": (rng.normal(code % 97 / 30, 1)).round(3) for i in range((columns - 1) // 2)}
        table |= {f"c{i}": (code + rng.integers(0, 3, n)) % 11 for i in range(columns - 1 - (columns - 1) // 2)}
        return pd.DataFrame(table)

    return make


CASES = {
    "5m": Case(5_000_000, mixed, fitted=False),
    "5m-parquet": Case(5_000_000, mixed, ".parquet", fitted=False),
    "500k": Case(500_000, mixed),
    "wide": Case(5_000, wide),
    "levels-30k": Case(200_000, levels(30_000, 24)),
    "levels-300k": Case(600_000, levels(300_000, 6)),
    "adult": Case(),
    "beijing": Case(),
    "bike": Case(),
}


def main() -> None:
    """Make each table, then measure it, in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="Only this table. Repeatable.")
    parser.add_argument("--do", choices=["make", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.case or CASES:
        if options.do == "make":
            make(CASES[name], options.file)
        elif options.do == "measure":
            measure(name, CASES[name], options.file)
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"table{CASES[name].suffix}"
                for what in ("make", "measure"):
                    command = [sys.executable, "-m", "benchmarks.large_tables", "--case", name]
                    subprocess.run([*command, "--do", what, "--file", str(path)], check=True)


def make(case: Case, path: Path) -> None:
    """Write a simulated table, in pieces, so that long ones need little memory."""
    if case.make is None:
        return
    rng = np.random.default_rng(0)
    if case.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        first = pa.Table.from_pandas(case.make(rng, CHUNK), preserve_index=False)
        with pq.ParquetWriter(path, first.schema) as writer:
            writer.write_table(first)
            for _ in range(case.rows // CHUNK - 1):
                writer.write_table(pa.Table.from_pandas(case.make(rng, CHUNK), preserve_index=False))
        return
    step = CHUNK if case.make is mixed else case.rows
    for at in range(0, case.rows, step):
        case.make(rng, min(step, case.rows - at)).to_csv(path, mode="a", header=at == 0, index=False)


def measure(name: str, case: Case, path: Path) -> None:
    """Read, fit and sample one table; the forecast is that of `genwright inspect`."""
    import genwright as gw
    from genwright.data.forecast import fit_memory
    from genwright.train.devices import peak_memory_mb

    source = path if case.make is not None else data_file(REAL[name])
    if source.is_dir():
        source = next(source.glob("*.csv.gz"))
    empty, began = peak_memory_mb(), time.process_time()
    data = gw.read(source)
    took = time.process_time() - began
    found: dict[str, float] = {"empty_mb": round(empty), "read_seconds": round(took, 1)}
    found |= {"rows_per_second": round((case.rows or len(data)) / took), "read_mb": round(peak_memory_mb())}
    if case.fitted:
        found["forecast_mb"] = round(fit_memory(data) / 2**20)
        began = time.process_time()
        model = gw.fit(data, steps=STEPS)
        found |= {"fit_seconds": round(time.process_time() - began, 1), "fit_mb": round(peak_memory_mb())}
        began = time.process_time()
        fake = model.sample(SAMPLED)
        found |= {"sample_seconds": round(time.process_time() - began, 1), "sample_mb": round(peak_memory_mb())}
        found["distinct"] = max(len(set(fake.columns[f.name].tolist())) for f in fake.scalars)
    size = round(source.stat().st_size / 1e6)
    record(
        "large table", {"table": name, "rows": case.rows or len(data), "columns": len(data.fields), "mb": size}, found
    )


if __name__ == "__main__":
    main()
