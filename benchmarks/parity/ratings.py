"""Reference values for the analysis of ratings, from independent packages and an independently written likelihood.

    python benchmarks/parity/ratings.py

needs numpy, scipy, choix, krippendorff and statsmodels, but not genwright; it writes
tests/metrics/reference/ratings.json. The inputs are made by the functions below, which the tests call too.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

OUT = Path(__file__).parents[2] / "tests" / "metrics" / "reference" / "ratings.json"

# Wins of row over column in the 1987 season of the American League's eastern division (Agresti, "Categorical Data
# Analysis"): Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore.
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]
MISSING = np.nan
# Four observers and twelve units (Krippendorff, "Computing Krippendorff's alpha-reliability", 2011).
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, 3],
    [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, MISSING],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
]


def comparisons(name: str) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Number of systems, left, right and outcome (0 left won, 1 right won, 2 a tie)."""
    if name == "baseball 1987":
        wins = [(i, j) for i, row in enumerate(BASEBALL) for j, n in enumerate(row) for _ in range(n)]
        left, right = np.array(wins).T
        return 7, left, right, np.zeros(len(wins), dtype=np.int64)
    k, n, tie, side, seed = {
        "simulated, no ties": (5, 400, 0.0, 0.0, 1),
        "simulated, ties": (4, 500, 0.6, 0.0, 2),
        "simulated, ties and sides": (7, 300, 1.2, 0.5, 3),
    }[name]
    rng = np.random.default_rng(seed)
    strength = rng.normal(size=k)
    left = rng.integers(0, k, n)
    right = (left + rng.integers(1, k, n)) % k
    ahead = (strength[left] - strength[right] + side) / 2
    weights = np.stack([np.exp(ahead), np.exp(-ahead), np.full(n, tie)], axis=1)
    below = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    return k, left, right, (rng.uniform(size=n)[:, None] > below[:, :2]).sum(axis=1)


def answers(name: str) -> np.ndarray:
    """Values of raters by units, NaN where one did not answer."""
    if name == "Krippendorff 2011":
        return np.array(OBSERVERS)
    rng = np.random.default_rng(4)
    if name == "simulated, 1 to 7":
        values = np.clip(np.round(4 + rng.normal(size=40) * 1.5 + rng.normal(size=(6, 40))), 1, 7)
    else:  # "simulated, all different": 300 values, none twice
        values = np.exp(rng.normal(size=60) + 0.3 * rng.normal(size=(5, 60)))
    return np.where(rng.uniform(size=values.shape) < 0.25, np.nan, values)


def p_values(name: str) -> np.ndarray:
    """p-values, some small."""
    rng = np.random.default_rng(5)
    return {"uniform": rng.uniform(size=20), "a third small": rng.beta(0.3, 1.0, size=45)}[name]


def by_optimiser(k: int, left: np.ndarray, right: np.ndarray, outcome: np.ndarray, *, sides: bool) -> list[float]:
    """Log-strengths of mean 0, log nu, and the side if asked for, by a general optimiser on Davidson's likelihood."""
    from scipy.optimize import minimize

    def unpack(x):
        strength = np.append(x[: k - 1], -x[: k - 1].sum())
        return strength, x[k - 1], x[k] if sides else 0.0

    def loss(x):
        strength, log_nu, side = unpack(x)
        a, b = strength[left] + side, strength[right]
        total = np.logaddexp(np.logaddexp(a, b), log_nu + (a + b) / 2)
        chosen = np.choose(outcome, [a, b, log_nu + (a + b) / 2])
        return float(np.sum(total - chosen))

    def gradient(x):
        step = 1e-20j  # complex step: exact to rounding

        def total(x):
            strength, log_nu, side = unpack(x)
            a, b = np.exp(strength[left] + side), np.exp(strength[right])
            weights = np.stack([a, b, np.exp(log_nu) * np.sqrt(a * b)])
            return np.sum(np.log(weights.sum(axis=0)) - np.log(weights[outcome, np.arange(len(outcome))]))

        return np.array([np.imag(total(x + step * unit)) / 1e-20 for unit in np.eye(len(x))])

    x = np.zeros(k + sides)
    for _ in range(3):  # restarts drive the gradient to rounding
        x = minimize(loss, x, jac=gradient, method="BFGS", options={"gtol": 1e-10, "maxiter": 1000}).x
    strength, log_nu, side = unpack(x)
    return [*strength.tolist(), float(log_nu), *([float(side)] if sides else [])]


def by_choix(k: int, left: np.ndarray, right: np.ndarray, outcome: np.ndarray) -> list[float]:
    """Log-strengths by choix; every comparison stands twice, a tie once each way, which is half a win for each."""
    import choix

    wins = []
    for i, j, o in zip(left.tolist(), right.tolist(), outcome.tolist()):
        wins += {0: [(i, j)] * 2, 1: [(j, i)] * 2, 2: [(i, j), (j, i)]}[o]
    found = choix.ilsr_pairwise(k, wins, alpha=0.0, max_iter=10_000, tol=1e-12)
    return (found - found.mean()).tolist()


def cases() -> list[dict]:
    """Every measure on every data set."""
    import krippendorff
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.power import TTestPower
    from statsmodels.stats.proportion import proportion_confint

    found = []

    def add(metric, data, reference, tolerance, value):
        row = {"metric": metric, "data": data, "reference": reference, "tolerance": tolerance, "kind": "abs"}
        found.append({**row, "value": value})

    choix, optimiser = f"choix {version('choix')}", f"own likelihood, scipy {version('scipy')} BFGS"
    for data in ("baseball 1987", "simulated, no ties"):
        add("Bradley–Terry, half win", data, choix, 1e-6, by_choix(*comparisons(data)))
    for data in ("simulated, ties", "simulated, ties and sides"):
        add("Bradley–Terry, half win", data, choix, 1e-6, by_choix(*comparisons(data)))
        add("Bradley–Terry, davidson", data, optimiser, 1e-6, by_optimiser(*comparisons(data), sides=False))
        name = "Bradley–Terry, davidson, sides estimated"
        add(name, data, optimiser, 1e-6, by_optimiser(*comparisons(data), sides=True))
    for data in ("Krippendorff 2011", "simulated, 1 to 7", "simulated, all different"):
        for level in ("nominal", "ordinal", "interval", "ratio"):
            value = float(krippendorff.alpha(reliability_data=answers(data), level_of_measurement=level))
            add(f"Krippendorff's alpha, {level}", data, f"krippendorff {version('krippendorff')}", 1e-12, value)
    statsmodels = f"statsmodels {version('statsmodels')}"
    for data in ("uniform", "a third small"):
        for ours, theirs in (("holm", "holm"), ("benjamini-hochberg", "fdr_bh")):
            value = multipletests(p_values(data), method=theirs)[1].tolist()
            add(f"adjusted p-values, {ours}", data, statsmodels, 1e-12, value)
    for agreeing, n in ((17, 20), (50, 50)):
        value = [100 * float(bound) for bound in proportion_confint(agreeing, n, method="wilson")]
        add("self-consistency", f"{agreeing} of {n}", statsmodels, 1e-10, value)
    for raters, rate in ((12, 0.8), (60, 0.65)):
        effect = (rate - 0.5) / np.sqrt(rate * (1 - rate))
        value = float(TTestPower().power(effect_size=effect, nobs=raters, alpha=0.05))
        add("power, one answer per rater", f"{raters} raters, {rate:g}", statsmodels, 1e-4, value)
    return found


def main() -> None:
    """Write the file."""
    packages = {name: version(name) for name in ("choix", "krippendorff", "statsmodels", "scipy", "numpy")}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"package": packages, "cases": cases()}, indent=1, ensure_ascii=False) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
