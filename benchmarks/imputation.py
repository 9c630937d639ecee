"""How wide imputed values spread, and where they lie, for tables whose conditional distributions are known.

    python -m benchmarks.imputation
    python -m benchmarks.imputation --families mixture tree --seeds 1

Of each of 2,000 rows y is drawn from a normal distribution given the other columns. y is imputed 400 times where the
first column is at seven of its quantiles, the others at their middle. Printed for each table and family: the spread of
the draws in units of the true one, and how far their mean lies from the true one in the same units, in the middle (the
quartiles and the median) and at the edges (1 % and 99 %), each the worst of its places, as means over seeds.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

import genwright as gw
from genwright.families.family import Family

ROWS, DRAWS = 2000, 400
QUANTILES = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
FAMILIES: dict[str, tuple[Family, int]] = {
    "copula": (gw.Copula(), 1),
    "autoregressive": (gw.Autoregressive(), 400),
    "tree": (gw.TreeMixture(), 800),
    "mixture": (gw.Mixture(), 100),
}


@dataclass(frozen=True)
class Table:
    """The columns beside y, and the mean and spread of y given these."""

    draw: Callable[[np.random.Generator], pd.DataFrame]
    places: Callable[[np.ndarray], pd.DataFrame]
    mean: Callable[[pd.DataFrame], pd.Series]
    spread: Callable[[pd.DataFrame], pd.Series]

    def rows(self, seed: int) -> pd.DataFrame:
        """ROWS rows with their y."""
        rng = np.random.default_rng(seed)
        frame = self.draw(rng)
        return frame.assign(y=(self.mean(frame) + self.spread(frame) * rng.normal(size=ROWS)).round(4))


def _one(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame({"x": rng.normal(size=ROWS).round(4)})


def _two(rng: np.random.Generator) -> pd.DataFrame:
    return _one(rng).assign(w=rng.normal(size=ROWS).round(4))


def _mixed(rng: np.random.Generator) -> pd.DataFrame:
    return _one(rng).assign(g=rng.choice(["a", "b", "c"], ROWS))


def _at(x: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"x": x})


SLOPES = {"a": 2.0, "b": -1.0, "c": 0.0}
TABLES = {
    "line": Table(_one, _at, lambda f: 2 * f.x, lambda f: 0 * f.x + 0.5),
    "two inputs": Table(_two, lambda x: _at(x).assign(w=0.0), lambda f: f.x - f.w, lambda f: 0 * f.x + 0.4),
    "uneven noise": Table(_one, _at, lambda f: 2 * f.x, lambda f: 0.2 + 0.3 * f.x.abs()),
    "curve": Table(_one, _at, lambda f: f.x**2, lambda f: 0 * f.x + 0.5),
    "mixed": Table(_mixed, lambda x: _at(x).assign(g="a"), lambda f: f.g.map(SLOPES) * f.x, lambda f: 0 * f.x + 0.5),
}


def measure(table: Table, family: Family, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At each of the QUANTILES: the spread of imputed values and the distance of their mean, in true spreads."""
    rows = table.rows(seed)
    model = gw.fit(gw.read(rows), family=family, steps=steps, seed=seed)
    given = table.places(rows.x.quantile(QUANTILES).to_numpy().round(4))
    drawn = model.impute(given, DRAWS, seed=seed).frame["y"].to_numpy(float).reshape(len(given), DRAWS)
    spread = table.spread(given).to_numpy(float)
    return drawn.std(axis=1) / spread, np.abs(drawn.mean(axis=1) - table.mean(given).to_numpy(float)) / spread


def main() -> None:
    """Measure each table and family, and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| table | family | spread, middle | spread, edges | mean off, middle | mean off, edges | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for table in options.tables:
        for family in options.families:
            began, found = time.process_time(), []
            for seed in range(options.seeds):
                spread, off = measure(TABLES[table], *FAMILIES[family], seed)
                found.append([spread[2:5].max(), spread[[0, -1]].max(), off[2:5].max(), off[[0, -1]].max()])
            shown = " | ".join(f"{value:.2f}" for value in np.mean(found, axis=0))
            seconds = (time.process_time() - began) / options.seeds
            print(f"| {table} | {family} | {shown} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
