"""A simulated shop of known distribution, fitted as a database: what a generated one keeps of it, beside a second real
draw.

python -m benchmarks.databases --customers 2000 --minutes 1
"""

import argparse
import time

import numpy as np
from scipy.stats import ks_2samp
from tests.relational.shop import facts, shop

import genwright as gw
from benchmarks.common import record


def main() -> None:
    """Fit, generate, and compare every fact: distributions by their Kolmogorov-Smirnov distance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    real, again = (gw.read_database(shop(options.customers, seed=seed)) for seed in (0, 9))
    began = time.monotonic()
    model = gw.fit_database(real, minutes=options.minutes)
    measured = {"fit_seconds": round(time.monotonic() - began, 1)}
    fake, floor, truth = facts(model.sample(seed=1)), facts(again), facts(real)
    for name, value in truth.items():
        if isinstance(value, np.ndarray):
            made, other = (round(float(ks_2samp(value, each[name]).statistic), 3) for each in (fake, floor))
            measured |= {f"{name}, KS": made, f"{name}, KS of two real draws": other}
        else:
            measured |= {name: fake[name], f"{name}, real": value}
    record("shop", vars(options), measured)


if __name__ == "__main__":
    main()
