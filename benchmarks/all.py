"""Every benchmark, one after the other, each in a process of its own so that peak memory is its own.

python -m benchmarks.all
"""

import subprocess
import sys

BENCHMARKS = ("startup", "tables", "images", "text")


def main() -> None:
    for name in BENCHMARKS:
        print(f"benchmarks.{name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
