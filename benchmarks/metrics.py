"""Seconds and memory of the costly metrics at 10,000 records of each set, side by side with reference packages.

    python -m benchmarks.metrics                               # genwright alone
    python -m benchmarks.metrics --peers /path/to/bin/python   # and an interpreter that has torch-fidelity and prdc
    python -m benchmarks.metrics --report                      # a whole evaluation of 5,000 images, and of 5,000 rows

Every measurement is a process of its own, so that peak memory is that of the metric. One thread each, unless
`--threads` says otherwise.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from benchmarks.common import data_file

SETS = """
import numpy as np, resource, sys, time
rng = np.random.default_rng(0)
a = rng.normal(size=({n}, {d})).astype(np.float32)
b = rng.normal(size=({n}, {d})).astype(np.float32) + 0.05
{prepare}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter()
value = {call}
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("measured", float(value), seconds, peak, peak - before)
"""
OURS = {
    "Frechet distance": ("from genwright.metrics.frechet import frechet as f", "f(a, b)"),
    "Frechet distance with interval": (
        "from genwright.metrics.frechet import frechet_distance as f",
        "f(a, b, features='x').value",
    ),
    "kernel distance": ("from genwright.metrics.kernel import squared_discrepancy as f", "f(a, b)"),
    "kernel distance with interval": (
        "from genwright.metrics.kernel import kernel_distance as f",
        "f(a, b, features='x').value",
    ),
    "precision, recall, density and coverage with intervals": (
        "from genwright.metrics.neighbours import neighbour_scores as f",
        "f(a, b, features='x', ks=(5, 5))[0].value",
    ),
    "precision and recall with intervals": (
        "from genwright.metrics.neighbours import precision_recall as f",
        "f(a, b, features='x')[0].value",
    ),
    "density and coverage with intervals": (
        "from genwright.metrics.neighbours import density_coverage as f",
        "f(a, b, features='x')[0].value",
    ),
}
PEERS = {
    "torch-fidelity Frechet distance": (
        "import torch\n"
        "from torch_fidelity.metric_fid import fid_features_to_statistics as s, fid_statistics_to_metric as f\n"
        "x, y = torch.tensor(a), torch.tensor(b)",
        "f(s(x), s(y), False)['frechet_inception_distance']",
    ),
    "torch-fidelity kernel distance (100 subsets of 1,000)": (
        "import torch\nfrom torch_fidelity.metric_kid import kid_features_to_metric as f\n"
        "x, y = torch.tensor(a), torch.tensor(b)",
        "f(x, y, verbose=False)['kernel_inception_distance_mean']",
    ),
    "prdc precision, recall, density and coverage": (
        "from prdc import compute_prdc as f",
        "f(real_features=a, fake_features=b, nearest_k=5)['precision']",
    ),
}


def measured(
    interpreter: str, work: tuple[str, str], *, n: int, d: int, threads: int, repeats: int
) -> dict[str, float]:
    """Median seconds and peak megabytes of `repeats` processes."""
    prepare, call = work
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    runs = []
    for _ in range(repeats):
        code = SETS.format(n=n, d=d, prepare=prepare, call=call)
        done = subprocess.run(
            [interpreter, "-c", code], env=os.environ | limits, capture_output=True, text=True, check=False
        )
        line = next((each for each in done.stdout.splitlines() if each.startswith("measured ")), None)
        if line is None:
            raise SystemExit(done.stderr)
        runs.append([float(number) for number in line.split()[1:]])
    value, seconds, peak, above = (statistics.median(column) for column in zip(*runs, strict=True))
    return {"value": value, "seconds": round(seconds, 2), "peak_mb": round(peak), "above_data_mb": round(above)}


REPORTS = {
    "images": ("images_fashion_mnist", "data = gw.read({path!r})"),
    "table": ("table_adult/adult_train.csv.gz", "data = gw.read({path!r}, label='income')"),
}
REPORT = """
import resource, time, warnings
import numpy as np
import genwright as gw
{read}
order = np.random.default_rng(0).permutation(len(data))
real, fake, train = (data.take(np.sort(order[i : i + 5000])) for i in (0, 5000, 10000))
start = time.perf_counter()
found = gw.evaluate(fake, real=real, train=train)
seconds = time.perf_counter() - start
print("measured", len(found.scores), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)
"""


def reported(kind: str, *, threads: int) -> dict[str, float]:
    """Seconds and memory of a whole evaluation of 5,000 records, real ones in place of generated."""
    file, read = REPORTS[kind]
    code = REPORT.format(read=read.format(path=str(data_file(file))))
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | limits, capture_output=True, text=True, check=False
    )
    line = next((each for each in done.stdout.splitlines() if each.startswith("measured ")), None)
    if line is None:
        raise SystemExit(done.stderr)
    scores, seconds, peak, _ = (float(number) for number in line.split()[1:])
    return {"scores": scores, "seconds": round(seconds, 1), "peak_mb": round(peak)}


def main() -> None:
    """Print one JSON line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000, help="records of each set")
    parser.add_argument("--d", type=int, default=512, help="features")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with the reference packages")
    parser.add_argument("--report", action="store_true", help="whole evaluations instead of single metrics")
    chosen = parser.parse_args()
    if chosen.report:
        for kind in REPORTS:
            print(json.dumps({"evaluate": kind, "n": 5000, **reported(kind, threads=chosen.threads)}), flush=True)
        return
    work = [(sys.executable, name, each) for name, each in OURS.items()]
    work += [(chosen.peers, name, each) for name, each in PEERS.items() if chosen.peers]
    for interpreter, name, each in work:
        sizes: dict[str, int] = {"n": chosen.n, "d": chosen.d, "threads": chosen.threads}
        print(
            json.dumps({"metric": name, **sizes, **measured(interpreter, each, repeats=chosen.repeats, **sizes)}),
            flush=True,
        )


if __name__ == "__main__":
    main()
