"""Images larger than memory: what a fit to six gigabytes of them takes.

`python -m benchmarks.large_images` writes a sparse .npy file, every thousandth image of which is noise, fits flow
matching for some steps and prints the most memory that the process ever held.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import genwright as gw
from benchmarks.common import record
from genwright.train.devices import peak_memory_mb

IMAGES, SIDE, NOISE = 1_500_000, 64, 1000


def sparse(path: Path) -> None:
    """Images of zeros, which take no room, and some of noise."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        about = {"descr": "|u1", "fortran_order": False, "shape": (IMAGES, SIDE, SIDE)}
        np.lib.format.write_array_header_1_0(file, about)
        start = file.tell()
        file.truncate(start + IMAGES * SIDE**2)
        for i in range(0, IMAGES, NOISE):
            file.seek(start + i * SIDE**2)
            file.write(rng.integers(0, 256, SIDE**2, dtype=np.uint8).tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.npy"
        sparse(path)
        began = time.process_time()
        data = gw.read(path)
        data.split  # noqa: B018 - looks at all of the file once
        divided = time.process_time()
        gw.fit(data, family=gw.FlowMatching(), steps=options.steps)
        fitted = time.process_time()
        took = {"split_cpu_seconds": round(divided - began, 1), "fit_cpu_seconds": round(fitted - divided, 1)}
        found = took | {"file_mb": round(path.stat().st_size / 2**20), "peak_mb": round(peak_memory_mb())}
    record("large-images", vars(options), found)


if __name__ == "__main__":
    main()
