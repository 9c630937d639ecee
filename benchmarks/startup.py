"""Seconds to import genwright and to print its help, in fresh processes; medians of ten.

python -m benchmarks.startup
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common import record

COMMANDS = {
    "import": [sys.executable, "-c", "import genwright"],
    "help": [str(Path(sys.executable).with_name("genwright")), "--help"],
    "python": [sys.executable, "-c", "pass"],
}


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    times = {name: statistics.median(seconds(command) for _ in range(10)) for name, command in COMMANDS.items()}
    record("startup", {}, {f"{name}_seconds": round(value, 3) for name, value in times.items()})


if __name__ == "__main__":
    main()
