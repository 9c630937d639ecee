"""docs/evidence/parity.md, from the frozen reference values and what genwright makes of the same input today.

    python -m benchmarks.parity.table

Fails if any difference is above its tolerance.
"""

import json
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "metrics" / "reference"
OUT = ROOT / "docs" / "evidence" / "parity.md"
MODULES = {
    "images": "tests.metrics.test_parity_images",
    "networks": "tests.metrics.test_parity_networks",
    "tables": "tests.metrics.test_parity_tables",
    "text": "tests.metrics.test_parity_text",
    "ratings": "tests.rating.test_parity_ratings",
}
TITLES = {
    "images": "Metrics of features",
    "networks": "Networks, perceptual and signal metrics",
    "tables": "Tables, series and likelihood",
    "text": "Text",
    "ratings": "Human ratings",
}
CONVENTIONS = ("boundary", "estimator", "coefficient", "ensemble", "binning", "mean", "shrinking", "tokenizer",
               "weighting", "kernel", "target")  # fmt: skip
HEAD = """# Parity with reference packages

Every metric that a maintained package computes too, on the same input: what the package gave, frozen, against what
genwright gives now. `python -m benchmarks.parity.table` works out the differences again and writes this page; the tests
`test_parity_*.py` check them in every run. The reference values come from `python benchmarks/parity/NAME.py`, which
needs the packages; [how](../../benchmarks/parity/README.md).

**{passed} of {cases} comparisons of {metrics} metrics are within the tolerance**, each metric on two data sets or more.
A row is one metric on one data set against one package; where it stands for several comparisons (columns, settings),
their number is in brackets and the difference is the largest. Tolerances marked % are shares of the value, others are
absolute.

Where packages disagree, genwright has both conventions, by name:

| metric | convention | as in |
|---|---|---|
| precision, recall, density, coverage | `Boundary.INCLUDED`: at the reach counts as within it | torch-fidelity |
| | `Boundary.EXCLUDED` | prdc |
| Fréchet distance at infinity | `Shrinking.GENERATED`: only generated sets are made smaller | the paper |
| | `Shrinking.BOTH`: real sets too, so that their bias goes as well | default here |
| Inception Score | `split_information`: mean and deviation over 10 splits | torch-fidelity |
| | `inception_score`: one split, with an interval | default here |
| SSIM, MS-SSIM | `"wang"`: windows inside the image only | the paper, scikit-image, piq |
| | `"torchmetrics"`: padded | torchmetrics |
| resizing for Inception | `"tensorflow"`: bilinear without antialiasing | the first FID, torch-fidelity |
| | `"pil-bicubic"`: antialiased, not rounded | clean-fid |
| autocorrelation | `Estimator.UNADJUSTED`, `Estimator.ADJUSTED` | statsmodels, both |
| CRPS | `"fair"`, `"empirical"`, `"probability-weighted moments"` | scoringrules, all three |
| calibration error | `"equal width"` | torchmetrics |
| | `"equal mass"` | scikit-learn |
| MAUVE | `"plug-in"`, `"krichevsky-trofimov"` (MAUVE*) | mauve-text, both |
"""
TAIL = """
## Metrics that no maintained package computes

These are tested against closed forms, simulation or brute force.

| metric | held against | test |
|---|---|---|
"""
ELSEWHERE = (
    ("bits per byte, perplexity", "the entropy of known distributions", "tests/metrics/test_text.py"),
    ("byte 4-gram divergence", "counts by hand", "tests/metrics/test_text.py"),
    ("distinct-n, longest copied run", "counts by hand", "tests/metrics/test_text.py"),
    ("repetition", "counts by hand", "tests/metrics/test_repetition.py"),
    ("coherence", "shuffled texts", "tests/metrics/test_coherence.py"),
    ("α-precision, β-recall", "distributions with known support", "tests/metrics/test_manifolds.py"),
    ("ELBO, importance-weighted bound", "likelihoods in closed form", "tests/experiments/test_calibration.py"),
    ("discriminative and predictive scores", "known distributions", "tests/metrics/test_series_judges.py"),
    ("spectral distance", "known spectra", "tests/metrics/test_series.py"),
    ("distance to the closest record", "planted copies", "tests/metrics/test_manifolds.py"),
    ("exact copies", "planted copies", "tests/audit/test_copies.py"),
    ("C_T with its cells, near copies", "planted copies, honest generators", "tests/audit/test_copying.py"),
    ("label agreement, nearest training image", "planted copies, turned labels", "tests/metrics/test_images.py"),
)  # fmt: skip


class Row(NamedTuple):
    """The comparisons of one metric on one data set with one reference."""

    metric: str
    data: str
    reference: str
    cases: int
    tolerance: float
    relative: bool
    difference: float

    @property
    def passed(self) -> bool:
        return self.difference <= self.tolerance

    def __str__(self) -> str:
        count = f" ({self.cases})" if self.cases > 1 else ""
        verdict = "yes" if self.passed else "**NO**"
        cells = (self.metric + count, self.data, self.reference, _number(self.tolerance, self.relative),
                 _number(self.difference, self.relative), verdict)  # fmt: skip
        return "| " + " | ".join(cells) + " |"


def rows(name: str) -> list[Row]:
    """All comparisons of one file of reference values, measured now."""
    difference = import_module(MODULES[name]).difference
    found = defaultdict(list)
    for case in json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))["cases"]:
        convention = ", ".join(f"`{case[key]}`" for key in CONVENTIONS if key in case)
        metric = case["metric"] + (f", {convention}" if convention else "")
        key = metric, case["data"], case["reference"], case["tolerance"], case["kind"] == "rel"
        found[key].append(difference(case))
    return [
        Row(metric, data, reference, len(each), tolerance, relative, max(each))
        for (metric, data, reference, tolerance, relative), each in found.items()
    ]


def main() -> None:
    """Measure, write the page, and fail if something is off."""
    found = {name: rows(name) for name in MODULES}
    every = [row for each in found.values() for row in each]
    metrics = {row.metric.split(", `")[0] for row in every}
    passed = sum(row.cases for row in every if row.passed)
    page = HEAD.format(passed=passed, cases=sum(row.cases for row in every), metrics=len(metrics))
    for name, each in found.items():
        page += f"\n## {TITLES[name]}\n\n| metric | data | reference | tolerance | difference | within |\n"
        page += "|---|---|---|---|---|---|\n" + "\n".join(map(str, each)) + "\n"
    page += TAIL + "".join(f"| {m} | {how} | [{Path(t).name}](../../{t}) |\n" for m, how, t in ELSEWHERE)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(page, encoding="utf-8")
    print(f"{OUT.relative_to(ROOT)}: {passed} of {sum(row.cases for row in every)} within tolerance")
    if not all(row.passed for row in every):
        raise SystemExit(1)


def _number(value: float, relative: bool) -> str:
    if value == 0:
        return "exact"
    return f"{100 * value:.0e} %" if relative else f"{value:.0e}"


if __name__ == "__main__":
    main()
