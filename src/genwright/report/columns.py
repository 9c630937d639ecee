"""The table part of a report: columns compared one by one, dependence between them, rows beside their nearest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup

from genwright.data.dataset import Category, Dataset, Field, Identifier, Number, Time
from genwright.metrics.tables import shape_errors
from genwright.report import charts

_BARS = 12  # categories with more levels show their most frequent ones
_BINS = 8  # numbers are cut into this many equally full bins before dependence is measured
_ROWS = 20_000  # charts and maps of more rows than this are drawn from the first so many


@dataclass(frozen=True)
class Panel:
    """One column: its shape error in percent, its chart, and a remark."""

    name: str
    error: float
    chart: Markup
    remark: str


@dataclass(frozen=True)
class Pair:
    """Two columns and how far the strength of their dependence is off."""

    first: str
    second: str
    real: float
    fake: float


@dataclass(frozen=True)
class Maps:
    """Dependence between all columns, real, generated and the difference, and the pairs that differ most."""

    real: Markup
    fake: Markup
    difference: Markup
    worst: tuple[Pair, ...]


def panels(real: Dataset, fake: Dataset) -> list[Panel]:
    """One panel per number, category or time column, the most different first."""
    real, fake = real.take(slice(_ROWS)), fake.take(slice(_ROWS))
    errors = shape_errors(real, fake)
    return [_panel(real.field(name), real, fake, errors[name]) for name in sorted(errors, key=lambda n: -errors[n])]


def maps(real: Dataset, fake: Dataset) -> Maps:
    """Cramér's V of every pair of columns, after binning, with Bergsma's (2013) bias correction."""
    real, fake = real.take(slice(_ROWS)), fake.take(slice(_ROWS))
    names = [field.name for field in real.scalars]
    codes = [_codes(field, real.columns[field.name], fake.columns[field.name]) for field in real.scalars]
    of_real, of_fake = dependence([real_codes for real_codes, _ in codes]), dependence([c for _, c in codes])
    difference = np.abs(of_real - of_fake)
    pairs = sorted(combinations(range(len(names)), 2), key=lambda pair: -difference[pair])
    worst = [Pair(names[i], names[j], float(of_real[i, j]), float(of_fake[i, j])) for i, j in pairs[:5]]
    return Maps(
        charts.heat_map(of_real, names=names, title="Dependence in the real data", colour=charts.REAL),
        charts.heat_map(of_fake, names=names, title="Dependence in the generated data", colour=charts.FAKE),
        charts.heat_map(difference, names=names, title="Difference in dependence", colour=charts.POOR, top=0.5),
        tuple(worst),
    )


def nearest_rows(fake: Dataset, train: Dataset) -> Int[np.ndarray, "n"]:
    """For each generated row the number of the training row that differs least.

    Numbers and times differ by the distance of their ranks among the training values (0 to 1), categories by 0 or 1.
    """
    total = np.zeros((len(fake), len(train)), dtype=np.float32)
    for field in train.scalars:
        a, b = fake.columns[field.name], train.columns[field.name]
        if isinstance(field, Category):
            levels = {value: k for k, value in enumerate({*a.tolist(), *b.tolist()})}
            codes = [np.array([levels[v] for v in column]) for column in (a, b)]
            total += codes[0][:, None] != codes[1][None, :]
        else:
            x, y = _as_float(field, a), _as_float(field, b)
            ranked = np.sort(y[np.isfinite(y)])
            ranks = [_ranks(values, ranked) for values in (x, y)]
            total += np.abs(ranks[0][:, None] - ranks[1][None, :])
    return np.argmin(total, axis=1)


def _panel(field: Field, real: Dataset, fake: Dataset, error: float) -> Panel:
    """The chart of one column."""
    a, b = real.columns[field.name], fake.columns[field.name]
    missing = [float(np.mean(_missing(field, column))) for column in (a, b)]
    remark = f"missing {missing[0]:.1%} real, {missing[1]:.1%} generated" if max(missing) > 0 else ""
    if isinstance(field, Category):
        levels, shares = _shares(a, b)
        if len(levels) > _BARS:
            remark = f"{_BARS} most frequent of {len(levels)} levels" + (f"; {remark}" if remark else "")
        chart = charts.bars(levels[:_BARS], shares[0][:_BARS], shares[1][:_BARS], title=field.name)
    else:
        chart = charts.histogram(
            _as_float(field, a), _as_float(field, b), title=field.name, dates=isinstance(field, Time)
        )
    return Panel(field.name, error, chart, remark)


def _shares(a: np.ndarray, b: np.ndarray) -> tuple[list[str], tuple[np.ndarray, np.ndarray]]:
    """Levels by falling frequency in `a`, and the share of each in `a` and in `b`; missing values count as a level."""
    a, b = _texts(a), _texts(b)
    levels, counts = np.unique(np.concatenate([a, b]), return_counts=True)
    shares = tuple(np.array([np.mean(column == level) for level in levels]) for column in (a, b))
    order = np.lexsort((-counts, -shares[0]))
    return [str(levels[k]) for k in order], (shares[0][order], shares[1][order])


def _codes(field: Field, a: np.ndarray, b: np.ndarray) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "m"]]:
    """Bin or level numbers of two columns, by the bins or levels of the first; missing values have their own."""
    if isinstance(field, Category):
        _, numbers = np.unique(np.concatenate([_texts(a), _texts(b)]), return_inverse=True)
        return numbers[: len(a)], numbers[len(a) :]
    x, y = _as_float(field, a), _as_float(field, b)
    present = x[np.isfinite(x)]
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(present) else np.empty(0)
    codes = [np.where(np.isfinite(v), np.searchsorted(edges, v, side="left"), len(edges) + 1) for v in (x, y)]
    return codes[0], codes[1]


def dependence(codes: Sequence[Int[np.ndarray, "n"]]) -> Float[np.ndarray, "c c"]:
    """Bias-corrected Cramér's V of every pair of coded columns; 1 on the diagonal."""
    c = len(codes)
    strengths = np.eye(c)
    for i, j in combinations(range(c), 2):
        strengths[i, j] = strengths[j, i] = _cramers_v(codes[i], codes[j])
    return strengths


def _cramers_v(a: Int[np.ndarray, "n"], b: Int[np.ndarray, "n"]) -> float:
    """Bergsma (2013), "A bias-correction for Cramér's V and Tschuprow's T", eq. 3."""
    a, b = np.unique(a, return_inverse=True)[1], np.unique(b, return_inverse=True)[1]
    rows, cols, n = a.max() + 1, b.max() + 1, len(a)
    if rows < 2 or cols < 2 or n < 2:
        return 0.0
    table = np.bincount(a * cols + b, minlength=rows * cols).reshape(rows, cols) / n
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    phi2 = float(np.sum((table - expected) ** 2 / expected))
    phi2 = max(0.0, phi2 - (rows - 1) * (cols - 1) / (n - 1))
    rows, cols = rows - (rows - 1) ** 2 / (n - 1), cols - (cols - 1) ** 2 / (n - 1)
    return float(min(1.0, np.sqrt(phi2 / max(min(rows, cols) - 1, 1e-9))))


def _ranks(values: Float[np.ndarray, "n"], ranked: Float[np.ndarray, "k"]) -> Float[np.ndarray, "n"]:
    """Where values fall among sorted ones, 0 to 1; missing values lie one full range away."""
    if len(ranked) == 0:
        return np.zeros(len(values), dtype=np.float32)
    middle = (np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")) / (2 * len(ranked))
    return np.where(np.isfinite(values), middle, 2.0).astype(np.float32)


def _as_float(field: Field, column: np.ndarray) -> Float[np.ndarray, "n"]:
    """A number column as it is; times as days since 1970, NaN where missing."""
    if isinstance(field, Number):
        return column
    return np.where(np.isnat(column), np.nan, column.astype("datetime64[s]").astype(np.float64) / 86_400)


def _missing(field: Field, column: np.ndarray) -> np.ndarray:
    """Which entries are missing."""
    if isinstance(field, Category):
        return np.array([value is None for value in column])
    return ~np.isfinite(_as_float(field, column))


def _texts(column: np.ndarray) -> np.ndarray:
    """Category values as text, a dash for missing ones."""
    return np.array(["—" if value is None else value for value in column], dtype=object).astype(str)


def amount(data: Dataset) -> str:
    """How many rows and columns of each type there are, in words."""
    kinds = [(Number, "number"), (Category, "category"), (Time, "time"), (Identifier, "identifier")]
    counts = [(sum(isinstance(f, kind) for f in data.fields), word) for kind, word in kinds]
    return f"{len(data):,} rows with " + ", ".join(_counted(count, word) for count, word in counts if count)


def _counted(count: int, word: str) -> str:
    plural = {"category": "categories"}.get(word, word + "s")
    return f"{count} {word if count == 1 else plural}"
