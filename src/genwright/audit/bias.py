"""Bias: how groups and their intersections fare in data and in samples, and what drawing them evenly changes."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier

from genwright.data.align import aligned
from genwright.data.dataset import Category, Dataset
from genwright.errors import ArgumentError
from genwright.extractors.encoding import row_points
from genwright.model.generator import Generator
from genwright.scores.intervals import auc_influence

FEWEST = 30  # records of a group in data and in samples, below which nothing is said of it
LEVEL = 0.05
FOLDS = 5
MOST = 400  # records of each side that a classifier is to tell apart

Group = tuple[tuple[str, Any], ...]  # field and value, of one attribute or of several


@dataclass(frozen=True, kw_only=True)
class GroupResult:
    """One group: its share in data and in samples, and how far its samples are from its records.

    `gap` is the interval of the difference of shares (samples less data) and `rate_gap` that of the rate of the
    outcome; both hold for all groups at once. `told_apart` is the AUC of a classifier between samples and records of
    the group, 0.5 where they cannot be told apart, with its interval. None: too few records to say.
    """

    group: Group
    real: int
    fake: int
    share: float
    fake_share: float
    gap: tuple[float, float]
    rate: float | None = None
    fake_rate: float | None = None
    rate_gap: tuple[float, float] | None = None
    told_apart: float | None = None
    told_apart_interval: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """The group in words."""
        return " and ".join(f"{field}={value}" for field, value in self.group)

    @property
    def misrepresented(self) -> bool:
        """Whether its share in the samples is not that in the data, allowing for the number of groups."""
        return not self.gap[0] <= 0 <= self.gap[1]

    @property
    def skewed(self) -> bool:
        """Whether its outcome is not as frequent in the samples as in the data, likewise."""
        return self.rate_gap is not None and not self.rate_gap[0] <= 0 <= self.rate_gap[1]


def bias(
    real: Dataset,
    fake: Dataset,
    *,
    by: Sequence[str],
    outcome: Mapping[str, Any] | None = None,
    depth: int = 2,
    seed: int = 0,
) -> tuple[GroupResult, ...]:
    """Every group of the categories `by`, and of up to `depth` of them together, in data and in samples.

    `outcome`, such as {"income": ">50K"}, is compared within each group. Intervals of differences are Newcombe 1998's
    hybrid score intervals at the level that holds for all groups together (Bonferroni). ArgumentError for fields that
    are no categories.
    """
    fake = aligned(fake, real)
    _check(real, [*by, *(outcome or {})])
    groups = _groups(real, by, depth)
    looks = len(groups) * (2 if outcome else 1)
    return tuple(_result(group, real, fake, outcome, looks, seed) for group in groups)


def balanced(model: Generator, n: int, *, by: Sequence[str], data: Dataset, seed: int = 0) -> Dataset:
    """n samples, as many of each group of `by` (all its categories together) that occurs in `data`.

    Groups are given, so that everything else is drawn as it is in the group; the model must take conditions.
    """
    _check(data, by)
    groups = [group for group in _groups(data, by, len(by)) if len(group) == len(by)]
    which = np.random.default_rng(seed).permutation(np.arange(n) % len(groups))
    given = {name: [dict(groups[k])[name] for k in which] for name in by}
    return model.sample(n, given=given, seed=seed)


def downstream(
    train: Dataset, *, test: Dataset, outcome: Mapping[str, Any], by: Sequence[str], seed: int = 0
) -> dict[str, tuple[float, tuple[float, float], int]]:
    """How well boosted trees that learned from `train` tell the outcome of real records: AUC, its interval, and n.

    For "all" and each group of `by` alone with both outcomes in `test`; 95 % intervals as DeLong et al. 1988.
    """
    train = aligned(train, test)
    _check(test, [*by, *outcome])
    (name, value), *_ = outcome.items()
    rest = [f.name for f in test.scalars if f.name != name]
    x, asked = row_points(test.select(rest), [train.select(rest), test.select(rest)])
    y, truth = _has(train, outcome), _has(test, outcome)
    if y.all() or not y.any():
        raise ArgumentError(f"{name}={value!r} is in all or none of the records", where=train.name)
    learner = HistGradientBoostingClassifier(max_iter=60, random_state=seed, early_stopping=False)
    score = learner.fit(x, y).predict_proba(asked)[:, 1]
    found = {}
    for group, rows in [((), np.ones(len(test), dtype=bool)), *((g, _of(test, g)) for g in _groups(test, by, 1))]:
        if min((truth & rows).sum(), (~truth & rows).sum()) >= 5:
            label = " and ".join(f"{k}={v}" for k, v in group) or "all"
            found[label] = (*_auc(score[rows], truth[rows]), int(rows.sum()))
    return found


def _check(data: Dataset, names: Sequence[str]) -> None:
    for name in names:
        if not isinstance(data.field(name), Category):
            hint = "give columns of categories; put numbers into bands first"
            raise ArgumentError(f"{name!r} is no category", where=data.name, hint=hint)


def _groups(data: Dataset, by: Sequence[str], depth: int) -> list[Group]:
    """Values of each field, then of each two, ..., that occur."""
    found: list[Group] = []
    for size in range(1, min(depth, len(by)) + 1):
        for names in itertools.combinations(by, size):
            rows = pd.DataFrame({name: data.columns[name] for name in names}).dropna().drop_duplicates()
            found += sorted((tuple(zip(names, row, strict=True)) for row in rows.to_numpy()), key=str)
    return found


def _of(data: Dataset, group: Group) -> Bool[np.ndarray, "n"]:
    return np.logical_and.reduce([np.asarray(data.columns[name] == value, dtype=bool) for name, value in group])


def _has(data: Dataset, outcome: Mapping[str, Any]) -> Bool[np.ndarray, "n"]:
    return _of(data, tuple(outcome.items()))


def _result(
    group: Group, real: Dataset, fake: Dataset, outcome: Mapping[str, Any] | None, looks: int, seed: int
) -> GroupResult:
    mine, theirs = _of(real, group), _of(fake, group)
    a, b = int(mine.sum()), int(theirs.sum())
    known: dict[str, Any] = {}
    if min(a, b) >= FEWEST:
        if outcome:
            hits = _has(real, outcome)[mine], _has(fake, outcome)[theirs]
            known["rate"], known["fake_rate"] = float(hits[0].mean()), float(hits[1].mean())
            known["rate_gap"] = _difference(int(hits[0].sum()), a, int(hits[1].sum()), b, looks)
        points = row_points(real, [real.take(mine), fake.take(theirs)])
        known["told_apart"], known["told_apart_interval"] = _told_apart(points[0], points[1], seed)
    gap = _difference(a, len(real), b, len(fake), looks)
    known |= {"share": a / len(real), "fake_share": b / len(fake)}
    return GroupResult(group=group, real=a, fake=b, gap=gap, **known)


def _difference(a: int, n: int, b: int, m: int, looks: int) -> tuple[float, float]:
    """Interval of b/m - a/n that holds for `looks` of them together: Newcombe 1998, method 10."""
    z = float(norm.ppf(1 - LEVEL / (2 * looks)))
    (p, low, high), (q, below, above) = (_wilson(k, size, z) for k, size in ((a, n), (b, m)))
    middle = q - p
    return middle - float(np.hypot(q - below, high - p)), middle + float(np.hypot(above - q, p - low))


def _wilson(k: int, n: int, z: float) -> tuple[float, float, float]:
    p = k / n
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return p, float((centre - half) / (1 + z**2 / n)), float((centre + half) / (1 + z**2 / n))


def _told_apart(
    real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], seed: int
) -> tuple[float, tuple[float, float]]:
    """AUC over five folds of trees between as many of both."""
    rng = np.random.default_rng(seed)
    n = min(len(real), len(fake), MOST)
    x = np.concatenate([part[rng.permutation(len(part))[:n]] for part in (real, fake)])
    y, fold = np.repeat([False, True], n), np.concatenate([rng.permutation(n) % FOLDS for _ in range(2)])
    values, influences = [], []
    for k in range(FOLDS):
        learner = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=5, random_state=seed)
        held = fold == k
        score = learner.fit(x[~held], y[~held]).predict_proba(x[held])[:, 1]
        auc, influence = auc_influence(score, y[held])
        values.append(auc)
        influences.append(influence)
    auc, every = float(np.mean(values)), np.concatenate(influences)
    half = 1.96 * float(np.sqrt(np.mean(every**2) / len(every)))
    return auc, (max(0.0, auc - half), min(1.0, auc + half))


def _auc(score: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"]) -> tuple[float, tuple[float, float]]:
    auc, influence = auc_influence(score, truth)
    half = 1.96 * float(np.sqrt(np.mean(influence**2) / len(truth)))
    return auc, (max(0.0, auc - half), min(1.0, auc + half))
