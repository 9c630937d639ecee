"""One table generator of another package, in an environment of its own: training rows in, generated rows out.

    python benchmarks/tables_peers.py ctgan train.csv fake.csv --rows 16281 --seed 0
    python benchmarks/tables_peers.py argn train.csv fake.csv --rows 16281 --seed 0 --seconds 60

Prints the seconds that fitting and sampling took as JSON. copula, ctgan and tvae need sdv; argn needs mostlyai-engine.
It knows nothing of genwright, so that neither package has to be installed beside the other.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

Sample = Callable[[int], pd.DataFrame]


def from_sdv(name: str, rows: pd.DataFrame, seconds: float | None) -> Sample:
    """SDV's Gaussian copula, CTGAN or TVAE at their defaults, on the types that SDV itself detects."""
    from sdv.metadata import Metadata
    from sdv.single_table import CTGANSynthesizer, GaussianCopulaSynthesizer, TVAESynthesizer

    if seconds is not None:
        sys.exit(f"{name} has no time limit: leave --seconds away")
    kinds = {"copula": GaussianCopulaSynthesizer, "ctgan": CTGANSynthesizer, "tvae": TVAESynthesizer}
    tables = {"rows": rows}  # SDV 2 names tables even where there is one
    model = kinds[name](Metadata.detect_from_dataframes(tables))
    model.fit(tables)

    def sample(n: int) -> pd.DataFrame:
        made = model.sample(n)
        return made["rows"] if isinstance(made, dict) else made

    return sample


def from_mostly(rows: pd.DataFrame, seconds: float | None, seed: int) -> Sample:
    """MOSTLY AI's TabularARGN, for so many seconds if told; without the protection that replaces rare values."""
    from mostlyai.engine import TabularARGN

    limit = {} if seconds is None else {"max_training_time": seconds / 60.0}
    model = TabularARGN(**limit, value_protection=False, random_state=seed, verbose=0)
    model.fit(rows)
    return lambda n: model.sample(n_samples=n)


def main() -> None:
    """Fit, sample, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", choices=["copula", "ctgan", "tvae", "argn"])
    parser.add_argument("train")
    parser.add_argument("out")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    random.seed(options.seed)
    np.random.seed(options.seed)  # noqa: NPY002, as these packages draw from the global generators
    torch.manual_seed(options.seed)
    rows = pd.read_csv(options.train)
    began = time.monotonic()
    if options.system == "argn":
        sample, package = from_mostly(rows, options.seconds, options.seed), "mostlyai-engine"
    else:
        sample, package = from_sdv(options.system, rows, options.seconds), "sdv"
    fitted = time.monotonic()
    fake = sample(options.rows)
    seconds = {
        "fit_seconds": round(fitted - began, 1),
        "rows_per_second": round(len(fake) / (time.monotonic() - fitted)),
    }
    fake[list(rows.columns)].to_csv(options.out, index=False)
    print(json.dumps(seconds | {"package": f"{package} {version(package)}"}))


if __name__ == "__main__":
    main()
