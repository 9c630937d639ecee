"""Whether raters agree with each other (Krippendorff's alpha) and with themselves (repeated trials)."""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import t as student

from genwright.errors import DataError
from genwright.scores.intervals import share_interval
from genwright.scores.score import Score, signature

Level = Literal["nominal", "ordinal", "interval", "ratio"]

GOOD, TENTATIVE = 0.8, 0.667  # Krippendorff 2004, "Content Analysis", chapter 11
CHUNK_CELLS = 4_000_000  # differences of values held at once: 32 MB


def krippendorff_alpha(values: Float[np.ndarray, "raters units"], *, level: Level) -> float:
    """Krippendorff's alpha: 1 - observed / expected disagreement; NaN marks what a rater did not answer.

    1 is full agreement, 0 what answers dealt out at random would give. Krippendorff 2004, "Content Analysis", section
    11.3; the ordinal metric is the squared difference of mid-ranks. Units with fewer than two answers say nothing of
    agreement and are left out. Memory grows with the answers, not with the square of the number of distinct values.
    Raises DataError without two answers to some unit, and if all answers are equal.

    >>> round(krippendorff_alpha(np.array([[1.0, 2, 3, 3], [1, 2, 3, np.nan]]), level="nominal"), 3)
    1.0
    """
    return _alpha(_Answers.of(values), level)


def agreement(
    values: Float[np.ndarray, "raters units"], *, level: Level, name: str, replications: int = 1000, seed: int = 0
) -> Score:
    """Krippendorff's alpha as a Score, its 95 % interval by resampling units, and how to read it.

    The interval is Student's, with the standard error over resamples: percentiles fall short of 95 % in small studies.
    """
    answers = _Answers.of(values)
    value = _alpha(answers, level)
    units = answers.units
    resamples = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=replications)
    found = [_alpha(answers, level, weights) for weights in resamples.astype(np.float64) if answers.varied(weights)]
    error = float(np.std(found, ddof=1)) * np.sqrt(units / max(units - 1, 1)) if len(found) > 1 else np.inf
    half = float(student.ppf(0.975, max(units - 1, 1))) * error
    return Score(
        name=name,
        value=value,
        direction="higher",
        n=len(answers.code),
        signature=signature(
            name,
            protocol=f"Krippendorff alpha, {level}, units={units}, bootstrap error",
            n=(0, len(answers.code)),
            seed=seed,
        ),
        interval=(max(value - half, -1.0), min(value + half, 1.0)),
        group="human",
        note=reading(value),
    )


def reading(alpha: float) -> str:
    """How Krippendorff advises to read alpha.

    >>> reading(0.7)
    'tentative agreement (.667 to .80)'
    """
    if alpha >= GOOD:
        return "good agreement (.80 or more)"
    return "tentative agreement (.667 to .80)" if alpha >= TENTATIVE else "raters differ (below .667)"


def self_consistency(agree: Bool[np.ndarray, "n"], *, name: str = "self-consistency") -> Score:
    """Share of repeated trials that got the same answer again, in percent, with Wilson's interval."""
    n = len(agree)
    if not n:
        raise DataError("no repeated trials", hint="self-consistency needs at least one trial asked twice")
    share = float(agree.mean())
    low, high = share_interval(share, n)
    return Score(
        name=name,
        value=100 * share,
        direction="higher",
        n=n,
        signature=signature(name, protocol="share of repeats answered alike, Wilson", n=(0, n)),
        interval=(100 * low, 100 * high),
        unit="%",
        group="human",
    )


class _Answers:
    """Answers to units that at least two raters answered: the place of each in the sorted values, and its unit."""

    def __init__(self, code: Int[np.ndarray, "n"], unit: Int[np.ndarray, "n"], domain: Float[np.ndarray, "v"]) -> None:
        self.code, self.unit, self.domain = code, unit, domain
        self.size = np.bincount(unit).astype(np.float64)  # answers per unit
        self.units = len(self.size)

    @classmethod
    def of(cls, values: Float[np.ndarray, "raters units"]) -> "_Answers":
        pairable = (~np.isnan(values)).sum(axis=0) >= 2
        if not pairable.any():
            raise DataError("no unit has two answers", hint="agreement needs units that at least two raters answered")
        kept = values[:, pairable].T
        unit, rater = np.nonzero(~np.isnan(kept))
        domain, code = np.unique(kept[unit, rater], return_inverse=True)
        if len(domain) < 2:
            raise DataError("all answers are equal", hint="agreement beyond chance is undefined without any variation")
        return cls(code, unit, domain)

    def varied(self, weights: Float[np.ndarray, "u"]) -> bool:
        """Whether the units that have weight hold two different answers."""
        seen = self.code[weights[self.unit] > 0]
        return bool((seen != seen[0]).any())


def _alpha(answers: _Answers, level: Level, weights: Float[np.ndarray, "u"] | None = None) -> float:
    """Alpha with `weights` of units, as if each stood so often in the data."""
    weights = np.ones(answers.units) if weights is None else weights
    if level == "nominal":
        return _nominal(answers, weights)
    if level == "ratio":
        return _ratio(answers, weights)
    values = answers.domain
    if level == "ordinal":  # mid-ranks among all answers
        counts = np.bincount(answers.code, weights[answers.unit], minlength=len(values))
        values = np.cumsum(counts) - counts / 2
    return _squared(answers, values, weights)


def _squared(answers: _Answers, values: Float[np.ndarray, "v"], weights: Float[np.ndarray, "u"]) -> float:
    """Alpha of squared differences: sums over pairs are n sum x^2 - (sum x)^2, so no pair is ever formed."""
    each = weights[answers.unit]
    x = values[answers.code]
    x = x - np.average(x, weights=each)  # against cancellation
    first = np.bincount(answers.unit, x)
    observed = float(weights @ ((answers.size * np.bincount(answers.unit, x**2) - first**2) / (answers.size - 1)))
    n = each.sum()
    expected = n * (each @ x**2) - (each @ x) ** 2
    return float(1 - (n - 1) * observed / expected)


def _nominal(answers: _Answers, weights: Float[np.ndarray, "u"]) -> float:
    """Alpha of equal or not."""
    v = len(answers.domain)
    cell, count = np.unique(answers.unit * v + answers.code, return_counts=True)
    alike = np.bincount(cell // v, count.astype(np.float64) ** 2, minlength=answers.units)
    observed = float(weights @ ((answers.size**2 - alike) / (answers.size - 1)))
    counts = np.bincount(answers.code, weights[answers.unit], minlength=v)
    n = counts.sum()
    return float(1 - (n - 1) * observed / (n**2 - counts @ counts))


def _ratio(answers: _Answers, weights: Float[np.ndarray, "u"]) -> float:
    """Alpha of ((a - b) / (a + b))^2, whose sums do not factor: pairs are formed in blocks of bounded size."""
    values, observed = answers.domain, 0.0
    order = np.argsort(answers.unit, kind="stable")
    for unit, own in enumerate(np.split(values[answers.code[order]], np.cumsum(answers.size[:-1]).astype(int))):
        if weights[unit]:
            observed += weights[unit] * _ratio_sum(own, own, np.ones(len(own))) / (len(own) - 1)
    counts = np.bincount(answers.code, weights[answers.unit], minlength=len(values))
    expected, step = 0.0, max(1, CHUNK_CELLS // len(values))
    for start in range(0, len(values), step):
        block = slice(start, start + step)
        expected += _ratio_sum(values[block], values, counts, counts[block])
    return float(1 - (counts.sum() - 1) * observed / expected)


def _ratio_sum(
    a: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "m"],
    b_weights: Float[np.ndarray, "m"],
    a_weights: Float[np.ndarray, "n"] | None = None,
) -> float:
    """Weighted sum of ((a - b) / (a + b))^2 over all pairs; 0 and 0 do not differ."""
    total = a[:, None] + b[None, :]
    squared = np.divide(a[:, None] - b[None, :], total, out=np.zeros_like(total), where=total != 0) ** 2
    per_row = squared @ b_weights
    return float(per_row.sum() if a_weights is None else a_weights @ per_row)
